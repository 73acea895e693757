"""
Names of metrics, as Prometheus and those who came after it spell them.
"""

from __future__ import annotations

import re

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")
_NOT_FIRST = re.compile(r"[^A-Za-z_]")


def name_part(text: str) -> str:
    """
    @return: The text with what no metric name may hold as underscores.
    """
    return _NOT_IN_NAMES.sub("_", text)


def name_start(text: str) -> str:
    """
    @return: The same as the beginning of a name, which is no digit.
    """
    name = name_part(text)
    return "_" + name if not name or _NOT_FIRST.match(name) else name


def units_part(units: str) -> str:
    """
    @return: Units as the end of a metric name, C{""} for none.
    """
    if not units:
        return ""
    if units == "%":
        return "_percent"
    if units.endswith("/s"):
        return "_" + name_part(units[:-2]) + "_persec"
    return "_" + name_part(units)
