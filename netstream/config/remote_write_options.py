"""
Options of section C{[remote write]}.
"""

from __future__ import annotations

from netstream.config.options import BOOLEAN, NUMBER, PATTERN, option

REMOTE_WRITE = "remote write"

REMOTE_WRITE_OPTIONS = (
    option(REMOTE_WRITE, "enabled", BOOLEAN, "no"),
    option(REMOTE_WRITE, "max series", NUMBER, "20000", field="most_series"),
    option(REMOTE_WRITE, "metrics matching", PATTERN, "*", field="metrics"),
    option(REMOTE_WRITE, "labels matching", PATTERN, "*", field="labels"),
)
