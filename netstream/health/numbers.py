"""
Numbers of alerts as a person reads them.
"""

from __future__ import annotations

import math

_WORDS = {
    "on/off": ("on", "off"),
    "up/down": ("up", "down"),
    "ok/error": ("ok", "error"),
    "ok/failed": ("ok", "failed"),
}
MOST_DECIMALS = 50
"""Decimals that can be asked for."""
_DECIMALS = ((1000, 0), (10, 1), (1, 2), (0.1, 2), (0.01, 4), (0.001, 5), (0.0001, 6))


def number_text(value: float, precision: int = -1) -> str:
    """
    @param precision: Decimals; fewer than none is as many as the size of the
        number deserves.
    @return: A finite number.
    """
    if precision >= 0:
        return f"{value:.{min(precision, MOST_DECIMALS)}f}"
    size = abs(value)
    decimals = next((count for least, count in _DECIMALS if size >= least), 7)
    text = f"{value:.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def span_text(seconds: int) -> str:
    """
    @return: A duration as C{2 days 03:04:05}.
    """
    days, rest = divmod(seconds, 86400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} day{'s' if days != 1 else ''} {clock}" if days else clock


def _minutes_text(minutes: int) -> str:
    days, rest = divmod(minutes, 1440)
    hours, rest = divmod(rest, 60)
    return f"{days}d {hours:02}h {rest:02}m" if days else f"{hours}h {rest}m"


def _hours_text(hours: int) -> str:
    days, rest = divmod(hours, 24)
    return f"{days}d {rest}h" if days else f"{rest}h"


_SPANS = {"seconds": span_text, "minutes": _minutes_text, "hours": _hours_text}


def _duration_text(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "undefined"
    if value == 0:
        return "now"
    plain = unit.removesuffix(" ago")
    return ("-" if value < 0 else "") + _SPANS[plain](int(abs(value))) + unit.removeprefix(plain)


def value_text(value: float, units: str, precision: int = -1) -> str:
    """
    @param precision: As for L{number_text}.
    @return: A value with its units, as agents write it; C{-} for none.
    """
    if units.removesuffix(" ago") in _SPANS:
        return _duration_text(value, units)
    if not math.isfinite(value):
        return "-"
    if units in _WORDS:
        yes, no = _WORDS[units]
        return yes if value else no
    text = number_text(value, precision)
    if units in ("", "empty", "null"):
        return text
    if units in ("%", "percentage", "percent", "pcent"):
        return text + "%"
    return f"{text} {units}" if units[0].isalnum() else text + units
