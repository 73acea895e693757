"""
Prometheus remote write, versions 1.0 and 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cramjam

from netstream.export.format import Block, Bools, Format, Numbers, block, put
from netstream.export.names import Naming, Origin, Series, label_key, plain
from netstream.export.protobuf import MILLISECONDS, doubles, integer, milliseconds, sized, text, varint
from netstream.model.samples import Int64s

# Sample { double value = 1; int64 timestamp = 2 }, always at the end of a series.
_SAMPLE = b"\x09" + bytes(8) + b"\x10" + bytes(MILLISECONDS)
_VALUE = len(_SAMPLE) - 1
_TIME = MILLISECONDS
_COUNTER, _GAUGE = 1, 2


Labels = tuple[tuple[str, str], ...]
"""Names and values in the order that receivers ask for: sorted, each name once, no value empty."""


def _labels(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, plain(value)) for name, value in labels.items() if value))


def metric_labels(naming: Naming, origin: Origin, one: Series) -> Labels:
    """
    @return: The labels of a series.
    """
    metric, whole = naming.metric(one)
    labels = {"__name__": metric, "chart": one.chart_name, "family": one.chart.family, "instance": origin.name}
    if whole:
        labels["dimension"] = one.name
    return _labels(labels)


def info_labels(origin: Origin) -> Labels:
    """
    @return: The labels of C{netdata_info}, a series whose value is 1 and that
        says what a node is.
    """
    labels = {"__name__": "netdata_info", "application": origin.program, "instance": origin.name}
    labels["version"] = origin.version
    for name, value in origin.labels:
        labels.setdefault(label_key(name), value)
    return _labels(labels)


class RemoteWrite(Format):
    """
    Version 1.0: C{prometheus.WriteRequest}.
    """

    def block(self, origin: Origin, series: Sequence[Series]) -> Block:
        return block([self._piece(metric_labels(self.naming, origin, one)) for one in series])

    def _piece(self, labels: Sequence[tuple[str, str]]) -> bytes:
        named = b"".join(sized(1, text(1, name) + text(2, value)) for name, value in labels)
        return sized(1, named + sized(2, _SAMPLE))

    def info(self, origin: Origin) -> Block | None:
        return block([self._piece(info_labels(origin))])

    def fill(self, block: Block, present: Bools, values: Numbers, times: Int64s) -> bytes:
        return put(block, present, doubles(values), _VALUE, milliseconds(times), _TIME)

    def request(self, body: bytes) -> tuple[Mapping[str, str], bytes]:
        headers = {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        return headers, bytes(cramjam.snappy.compress_raw(body))


class RemoteWrite2(Format):
    """
    Version 2.0: C{io.prometheus.write.v2.Request}, whose texts stand in one
    table.
    """

    together = False

    def block(self, origin: Origin, series: Sequence[Series]) -> Block:
        naming = self.naming
        return self._block(
            [
                (
                    metric_labels(naming, origin, one),
                    _COUNTER if naming.counts(one) else _GAUGE,
                    plain(one.chart.title),
                    plain(one.chart.units),
                )
                for one in series
            ]
        )

    def info(self, origin: Origin) -> Block | None:
        return self._block([(info_labels(origin), _GAUGE, "", "")])

    def _block(self, series: Sequence[tuple[Labels, int, str, str]]) -> Block:
        """
        @param series: Labels, type, help and unit of each.
        """
        symbols = {"": 0}

        def symbol(content: str) -> bytes:
            return varint(symbols.setdefault(content, len(symbols)))

        pieces = []
        for labels, kind, about, unit in series:
            references = b"".join(symbol(word) for label in labels for word in label)
            metadata = integer(1, kind) + b"\x18" + symbol(about) + b"\x20" + symbol(unit)
            pieces.append(sized(5, sized(1, references) + sized(5, metadata) + sized(2, _SAMPLE)))
        return block(pieces, b"".join(sized(4, content.encode()) for content in symbols))

    def fill(self, block: Block, present: Bools, values: Numbers, times: Int64s) -> bytes:
        return block.head + put(block, present, doubles(values), _VALUE, milliseconds(times), _TIME)

    def request(self, body: bytes) -> tuple[Mapping[str, str], bytes]:
        headers = {
            "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "2.0.0",
        }
        return headers, bytes(cramjam.snappy.compress_raw(body))
