"""
Which format a target gets.
"""

from __future__ import annotations

from netstream.config.settings import ExportTarget
from netstream.export.format import Format
from netstream.export.names import Naming
from netstream.export.otlp import OTLP
from netstream.export.remote_write import RemoteWrite, RemoteWrite2
from netstream.export.text import Graphite, Influx, JSONArray, JSONLines, OpenTSDB, OpenTSDBObjects

_LINES: dict[str, type[Format]] = {
    "graphite": Graphite,
    "opentsdb": OpenTSDB,
    "json": JSONLines,
    "influxdb": Influx,
}
_POSTED: dict[str, type[Format]] = {
    "graphite": Graphite,
    "opentsdb": OpenTSDBObjects,
    "json": JSONArray,
    "influxdb": Influx,
    "prometheus_remote_write": RemoteWrite,
    "otlp": OTLP,
}


def format_of(target: ExportTarget) -> Format:
    """
    @return: What a target speaks.
    """
    form = (_POSTED if target.http else _LINES)[target.kind]
    if form is RemoteWrite and target.version == "2.0":
        form = RemoteWrite2
    return form(Naming.of(target))
