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


_OLD_UNITS = {
    "KiB/s": "kilobytes/s",
    "MiB/s": "MB/s",
    "GiB/s": "GB/s",
    "KiB": "KB",
    "MiB": "MB",
    "GiB": "GB",
    "inodes": "Inodes",
    "percentage": "percent",
    "faults/s": "page faults/s",
    "KiB/operation": "kilobytes per operation",
    "milliseconds/operation": "ms per operation",
}
"""What units were called before agents 1.12."""


def units_part(units: str, old: bool = False) -> str:
    """
    @param old: Call them as agents did before 1.12.
    @return: Units as the end of a metric name, C{""} for none.
    """
    if old:
        units = _OLD_UNITS.get(units, units)
    if not units:
        return ""
    if units == "%":
        return "_percent"
    if units.endswith("/s"):
        return "_" + name_part(units[:-2]) + "_persec"
    return "_" + name_part(units)
