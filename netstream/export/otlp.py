"""
OpenTelemetry metrics over HTTP, as protocol buffers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import netstream
from netstream.export.format import Block, Bools, Format, Numbers, block, put
from netstream.export.names import Origin, Series, plain
from netstream.export.protobuf import doubles, integer, longs, sized, text, varint
from netstream.model.samples import Int64s

# The end of each series: fixed64 time_unix_nano = 3, then double as_double = 4 or sfixed64 as_int = 6.
_TIME, _VALUE = 17, 8
_CUMULATIVE = 2


def _attribute(number: int, name: str, value: str) -> bytes:
    """
    @return: A field that is a name with a text.
    """
    return sized(number, text(1, name) + sized(2, sized(1, value.encode())))


class OTLP(Format):
    """
    C{ExportMetricsServiceRequest}: the node is the resource, and each series a
    metric with one data point.
    """

    def block(self, origin: Origin, series: Sequence[Series]) -> Block:
        resource = _attribute(1, "service.name", plain(origin.program)) + _attribute(1, "host.name", plain(origin.name))
        resource += b"".join(
            _attribute(1, name, value) for name, value in origin.labels if name not in ("service.name", "host.name")
        )
        return block([self._piece(one) for one in series], sized(1, resource))

    def _piece(self, one: Series) -> bytes:
        naming, chart = self.naming, one.chart
        name = plain(f"{naming.prefix}.{chart.context}" if naming.prefix else chart.context)
        about = text(1, name) + text(2, plain(chart.title)) + text(3, plain(chart.units))
        point = b"".join(
            _attribute(7, key, plain(value))
            for key, value in (
                ("chart", one.chart_name),
                ("dimension", one.name),
                ("family", chart.family),
            )
        )
        value = b"\x31" if naming.integers else b"\x21"
        point = sized(1, point + b"\x19" + bytes(8) + value + bytes(8))
        if naming.counts(one):
            return sized(2, about + sized(7, integer(2, _CUMULATIVE) + integer(3, 1) + point))
        return sized(2, about + sized(5, point))

    def fill(self, block: Block, present: Bools, values: Numbers, times: Int64s) -> bytes:
        columns = longs(values.astype("<i8")) if self.naming.integers else doubles(values)
        metrics = put(block, present, columns, _VALUE, longs(times * 1_000_000_000), _TIME)
        scope = sized(1, text(1, "netstream") + text(2, netstream.__version__))
        of_scope = varint(2 << 3 | 2) + varint(len(scope) + len(metrics)) + scope
        return (
            varint(1 << 3 | 2)
            + varint(len(block.head) + len(of_scope) + len(metrics))
            + block.head
            + of_scope
            + metrics
        )

    def request(self, body: bytes) -> tuple[Mapping[str, str], bytes]:
        return {"Content-Type": "application/x-protobuf"}, body
