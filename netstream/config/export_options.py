"""
Every option of C{exporting.conf}.
"""

from __future__ import annotations

import re

from netstream.config.options import BOOLEAN, LIST, PATH, PATTERN, TEXT, Kind, option
from netstream.config.values import duration, integer, quoted, size

GLOBAL = "exporting:global"
INSTANCE = "TYPE:NAME"
"""Stands for the name of every section that is a target."""

TYPES = ("graphite", "opentsdb", "json", "influxdb", "prometheus_remote_write", "otlp")
ELSEWHERE = ("kinesis", "pubsub", "mongodb")
"""Types that agents know and netstream does not have."""
TRANSPORTS = ("http", "https", "plaintext")

PORTS = {"graphite": 2003, "opentsdb": 4242, "json": 5448, "influxdb": 8094}
HTTP_PORTS = {
    "graphite": 2003,
    "opentsdb": 4242,
    "json": 5448,
    "influxdb": 8086,
    "prometheus_remote_write": 9090,
    "otlp": 4318,
}
PATHS = {
    "graphite": "/api/put",
    "opentsdb": "/api/put",
    "json": "/api/put",
    "influxdb": "/write?db=netdata",
    "prometheus_remote_write": "/receive",
    "otlp": "/v1/metrics",
}
"""Where each type posts to unless told otherwise."""

_SOURCES = {
    "average": "average",
    "sum": "sum",
    "volume": "sum",
    "as collected": "as collected",
    "as-collected": "as collected",
    "as_collected": "as collected",
    "raw": "as collected",
}
_PATH = re.compile(r"/[!-~]*\Z")
_WORD = re.compile(r"[ -~]*\Z")
_FEWEST_BYTES = 1 << 20


def _source(text: str) -> str:
    try:
        return _SOURCES[text.lower()]
    except KeyError:
        raise ValueError(f"{quoted(text)} is neither 'average' nor 'sum' nor 'as collected'") from None


def _period(text: str) -> int:
    seconds = round(duration(text))
    if not 1 <= seconds <= 3600:
        raise ValueError(f"{quoted(text)} is not between 1 second and 1 hour")
    return seconds


def _rounds(text: str) -> int | float:
    """
    @return: Rounds if it is a plain number, else seconds as a float.
    """
    try:
        number: int | float = integer(text)
    except ValueError:
        number = float(duration(text))
    if number < 0:
        raise ValueError(f"{quoted(text)} is less than nothing; write a number of rounds, or a duration such as '1h'")
    return number


def _milliseconds(text: str) -> float:
    value = duration(text, "ms")
    if value <= 0:
        raise ValueError(f"{quoted(text)} is not longer than nothing; write milliseconds, or a duration such as '10s'")
    return value


def _delay(text: str) -> float:
    value = duration(text)
    if value < 1:
        raise ValueError(f"{quoted(text)} is less than a second; write a duration such as '60s'")
    return value


def _spool(text: str) -> int:
    value = size(text)
    if value < _FEWEST_BYTES:
        raise ValueError(f"{quoted(text)} is less than 1MiB, too little for one round of a large node")
    return value


def _url_path(text: str) -> str:
    if not _PATH.match(text):
        raise ValueError(f"{quoted(text)} is no path of a URL; it begins with '/', and has no blanks")
    return text


def _secret(text: str) -> str:
    if not _WORD.match(text):
        raise ValueError("the value has letters that no HTTP header can carry")
    return text


def _version(text: str) -> str:
    if text not in ("1.0", "2.0"):
        raise ValueError(f"{quoted(text)} is neither '1.0' nor '2.0'")
    return text


SOURCE = Kind("word", _source)
PERIOD = Kind("duration", _period)
ROUNDS = Kind("rounds or duration", _rounds)
MILLISECONDS = Kind("duration", _milliseconds)
DELAY = Kind("duration", _delay)
SPOOL = Kind("size", _spool)
URL_PATH = Kind("path", _url_path)
SECRET = Kind("text", _secret)
VERSION = Kind("word", _version)

SECRETS = frozenset(("password", "token"))
"""Options whose values are shown to nobody."""

EXPORT_OPTIONS = (
    option(INSTANCE, "enabled", BOOLEAN, "no"),
    option(INSTANCE, "destination", LIST, "localhost"),
    option(INSTANCE, "data source", SOURCE, "average", field="source"),
    option(INSTANCE, "update every", PERIOD, "10s", field="update_every"),
    option(INSTANCE, "buffer on failures", ROUNDS, "1h"),
    option(INSTANCE, "spool size", SPOOL, "256MiB", field="spool_size"),
    option(INSTANCE, "timeout ms", MILLISECONDS, "10000", field="timeout"),
    option(INSTANCE, "reconnect delay", DELAY, "60s", field="reconnect_delay"),
    option(INSTANCE, "prefix", TEXT, "netdata", field="prefix"),
    option(INSTANCE, "hostname", TEXT, field="hostname"),
    option(INSTANCE, "send hosts matching", PATTERN, "localhost *", field="hosts"),
    option(INSTANCE, "send charts matching", PATTERN, "*", field="charts"),
    option(INSTANCE, "send dimensions matching", PATTERN, "*", field="dimensions"),
    option(INSTANCE, "send names instead of ids", BOOLEAN, "yes", "names", "dimension names", field="names"),
    option(INSTANCE, "send configured labels", BOOLEAN, "yes", field="configured_labels"),
    option(INSTANCE, "send automatic labels", BOOLEAN, "no", field="automatic_labels"),
    option(INSTANCE, "username", SECRET, field="username"),
    option(INSTANCE, "password", SECRET, field="password"),
    option(INSTANCE, "token", SECRET, field="token"),
    option(INSTANCE, "url path", URL_PATH, "", "remote write URL path", field="path"),
    option(INSTANCE, "remote write version", VERSION, "1.0", field="version"),
    option(INSTANCE, "CAfile", PATH, field="ca_file"),
    option(INSTANCE, "ssl skip certificate verification", BOOLEAN, "no"),
)
"""Sections C{[TYPE:NAME]}; each option may also stand in C{[TYPE]} and C{[exporting:global]}."""
