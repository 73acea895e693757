"""
The formats of text: Graphite, OpenTSDB, JSON and InfluxDB lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from netstream.export.format import Block, TextFormat, block, literal
from netstream.export.names import Origin, Series, host_part, path_part, plain

_NOT_IN_TAGS = re.compile(r"[\s;~]")
_NOT_IN_PUT = re.compile(r"[^\w./-]")
_INFLUX = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_INFLUX_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ "})
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}
_JSON = {"Content-Type": "application/json"}


class Graphite(TextFormat):
    """
    Graphite's plain text::

        PREFIX.HOST.CHART.DIMENSION[;LABEL=VALUE...] VALUE TIME
    """

    def block(self, origin: Origin, series: Sequence[Series]) -> Block:
        naming = self.naming
        start = f"{path_part(naming.prefix)}." if naming.prefix else ""
        start += host_part(origin.name)
        tags = "".join(
            f";{_NOT_IN_TAGS.sub('_', name).replace('=', '_').replace('!', '_').replace('^', '_')}="
            f"{_NOT_IN_TAGS.sub('_', value) or '_'}"
            for name, value in origin.labels
        )
        end = literal(f"{tags} ") + f"{self.value} %d\n"
        return block(
            [(literal(f"{start}.{path_part(one.chart_name)}.{path_part(one.name)}") + end).encode() for one in series]
        )

    def request(self, body: bytes) -> tuple[Mapping[str, str], bytes]:
        return {"Content-Type": "application/graphite"}, body


def _put_tags(origin: Origin) -> dict[str, str]:
    """
    @return: Tags as OpenTSDB takes them.
    """
    tags = {"host": _NOT_IN_PUT.sub("_", origin.name) or "_"}
    for name, value in origin.labels:
        tags.setdefault(_NOT_IN_PUT.sub("_", name), _NOT_IN_PUT.sub("_", value) or "_")
    return tags


class OpenTSDB(TextFormat):
    """
    OpenTSDB's telnet command::

        put PREFIX.CHART.DIMENSION TIME VALUE host=HOST [LABEL=VALUE...]
    """

    value_first = False

    def metric(self, one: Series) -> str:
        """
        @return: The name of a metric.
        """
        naming = self.naming
        start = f"{path_part(naming.prefix)}." if naming.prefix else ""
        return f"{start}{path_part(one.chart_name)}.{path_part(one.name)}"

    def block(self, origin: Origin, series: Sequence[Series]) -> Block:
        tags = literal("".join(f" {name}={value}" for name, value in _put_tags(origin).items()))
        return block([f"put {literal(self.metric(one))} %d {self.value}{tags}\n".encode() for one in series])


def _array(parts: Sequence[bytes]) -> bytes:
    """
    @param parts: Objects, each with a comma and a line feed behind it.
    @return: They as a JSON array.
    """
    return b"[\n" + b"".join(parts)[:-2] + b"\n]\n"


class OpenTSDBObjects(OpenTSDB):
    """
    What OpenTSDB takes at C{/api/put}: an array of objects.
    """

    def block(self, origin: Origin, series: Sequence[Series]) -> Block:
        tags = literal(orjson.dumps(_put_tags(origin)).decode())
        return block(
            [
                f'{{"metric":"{literal(self.metric(one))}","timestamp":%d,"value":{self.value},"tags":{tags}}},\n'.encode()
                for one in series
            ]
        )

    def body(self, parts: Sequence[bytes]) -> bytes:
        return _array(parts)

    def request(self, body: bytes) -> tuple[Mapping[str, str], bytes]:
        return _JSON, body


class JSONLines(TextFormat):
    """
    One object a line, with all that is known of the series.
    """

    end = "\n"

    def block(self, origin: Origin, series: Sequence[Series]) -> Block:
        labels = dict(origin.labels)
        return block([self._piece(origin, labels, one) for one in series])

    def _piece(self, origin: Origin, labels: Mapping[str, str], one: Series) -> bytes:
        chart, dimension = one.chart, one.dimension
        about: dict[str, Any] = {
            "prefix": self.naming.prefix,
            "hostname": plain(origin.name),
            "labels": labels,
            "chart_id": plain(chart.id),
            "chart_name": plain(chart.name),
            "chart_family": plain(chart.family),
            "chart_context": plain(chart.context),
            "chart_type": plain(chart.type),
            "units": plain(chart.units),
            "id": plain(dimension.id),
            "name": plain(dimension.name),
        }
        text = literal(orjson.dumps(about).decode()[:-1])
        return f'{text},"value":{self.value},"timestamp":%d}}{self.end}'.encode()

    def request(self, body: bytes) -> tuple[Mapping[str, str], bytes]:
        return _JSON, body


class JSONArray(JSONLines):
    """
    The same as an array, for HTTP.
    """

    end = ",\n"

    def body(self, parts: Sequence[bytes]) -> bytes:
        return _array(parts)


class Influx(TextFormat):
    """
    InfluxDB's line protocol, with the time in nanoseconds::

        PREFIX.CONTEXT,chart=CHART,family=FAMILY,host=HOST[,LABEL=VALUE...] DIMENSION=VALUE TIME

    Dimensions of a chart are fields of one point, though each has its line.
    """

    @property
    def value(self) -> str:
        return "%di" if self.naming.integers else "%.7f"

    def block(self, origin: Origin, series: Sequence[Series]) -> Block:
        return block([self._piece(origin, one) for one in series])

    def _piece(self, origin: Origin, one: Series) -> bytes:
        naming = self.naming
        measurement = f"{naming.prefix}.{one.chart.context}" if naming.prefix else one.chart.context
        tags = {"chart": one.chart_name, "family": one.chart.family, "host": origin.name}
        for name, value in origin.labels:
            tags.setdefault(name, value)
        start = _influx(measurement, _INFLUX_MEASUREMENT)
        # A '#' would begin a comment, and an empty value is no tag.
        start = "_" + start[1:] if start.startswith("#") else start
        named = "".join(f",{_influx(name)}={_influx(value)}" for name, value in sorted(tags.items()) if name and value)
        field = _influx(one.name) or "value"
        return (literal(f"{start}{named} {field}=") + f"{self.value} %d000000000\n").encode()

    def request(self, body: bytes) -> tuple[Mapping[str, str], bytes]:
        return _TEXT, body


def _influx(text: str, escapes: Mapping[int, str] = _INFLUX) -> str:
    """
    @return: A name or a value of a tag.  A backslash would escape what follows
        it, and cannot itself be escaped.
    """
    return plain(text).replace("\\", "/").translate(escapes)
