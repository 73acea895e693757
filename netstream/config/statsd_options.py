"""
Options of section C{[statsd]}.
"""

from __future__ import annotations

from netstream.config.options import (
    BACKLOG,
    BOOLEAN,
    DETAIL,
    DURATION,
    LIST,
    NUMBER,
    PATTERN,
    PERCENTILE,
    PERIOD,
    PORT,
    later,
    option,
)

STATSD = "statsd"

KINDS = {
    "gauges": "Gauges",
    "counters": "Counters",
    "meters": "Meters",
    "sets": "Sets",
    "histograms": "Histograms",
    "timers": "Timers",
    "dictionaries": "Dictionaries",
}
"""Kinds of metrics as options name them, twice."""


def gaps(kind: str) -> str:
    """
    @return: The option that makes gaps of what was not heard of.
    """
    return f"gaps on {kind} (delete{KINDS[kind]})"


STATSD_OPTIONS = (
    option(STATSD, "enabled", BOOLEAN, "no"),
    option(STATSD, "default port", PORT, "8125"),
    option(STATSD, "bind to", LIST, "udp:localhost tcp:localhost"),
    option(STATSD, "listen backlog", BACKLOG, "4096"),
    option(STATSD, "update every (flushInterval)", PERIOD),
    later(STATSD, "udp messages to process at once", NUMBER, "10"),
    option(STATSD, "create private charts for metrics matching", PATTERN, "*", field="private"),
    option(STATSD, "max private charts hard limit", NUMBER, "1000", field="most_charts"),
    later(STATSD, "private charts history", NUMBER),
    option(
        STATSD,
        "set charts as obsolete after",
        DURATION,
        "off",
        "set charts as obsolete after secs",
        "cleanup obsolete charts after secs",
        field="obsolete_after",
    ),
    option(STATSD, "private charts hidden", BOOLEAN, "no", field="hidden"),
    option(STATSD, "decimal detail", DETAIL, "1000", field="decimals"),
    option(STATSD, "histograms and timers percentile (percentThreshold)", PERCENTILE, "95", field="percentile"),
    option(
        STATSD,
        "dictionaries max unique dimensions",
        NUMBER,
        "200",
        field="most_texts",
    ),
    option(STATSD, "add dimension for number of events received", BOOLEAN, "no", field="events"),
    *(option(STATSD, gaps(kind), BOOLEAN, "no") for kind in KINDS),
    option(
        STATSD,
        "disconnect idle tcp clients after",
        DURATION,
        "10m",
        "disconnect idle tcp clients after seconds",
        field="idle_timeout",
    ),
    option(STATSD, "statsd server max TCP sockets", NUMBER, "5000", field="most_connections"),
)
