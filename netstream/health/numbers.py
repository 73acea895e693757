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
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
_DECIMALS = ((1000, 0), (10, 1), (1, 2), (0.1, 2), (0.01, 4), (0.001, 5), (0.0001, 6))


def number_text(value: float) -> str:
    """
    @return: A finite number with as many decimals as its size deserves.
    """
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


def value_text(value: float, units: str) -> str:
    """
    @return: A value with its units; C{-} for none.
    """
    if not math.isfinite(value):
        return "-"
    plain = units.removesuffix(" ago") if units.endswith(" ago") else units
    if plain in _SECONDS:
        seconds = int(value * _SECONDS[plain])
        if seconds == 0 and plain != units:
            return "now"
        text = span_text(abs(seconds))
        return ("-" if seconds < 0 else "") + text + (" ago" if plain != units else "")
    if units in _WORDS:
        yes, no = _WORDS[units]
        return yes if value else no
    text = number_text(value)
    if units in ("", "empty", "null"):
        return text
    if units in ("%", "percentage", "percent", "pcent"):
        return text + "%"
    return f"{text} {units}" if units[0].isalnum() else text + units
