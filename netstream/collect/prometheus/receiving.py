"""
What a Prometheus writes to this node.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from netstream.collect.prometheus.board import Board, Point
from netstream.collect.prometheus.points import SPECIAL, Labels, Series, kind_of
from netstream.config.feeds import WriteSettings
from netstream.hub.hub import Host

LARGEST = 64 << 20
"""Bytes of a request that was decompressed."""

FORGET_AFTER = 900.0
"""Seconds after which a series of which nothing comes has no chart."""

SWEEP_EVERY = 60.0

TOLD_EVERY = 3600.0
"""Seconds between two complaints of what is left out."""

MOST_KNOWN = 50_000
"""Sets of labels that need not be looked at again."""

_DOUBLE, _INT64, _STRING, _MESSAGE = 1, 3, 9, 11
_ONE, _MANY = 1, 3

_FIELDS: dict[str, tuple[tuple[str, int, int, str], ...]] = {
    "WriteRequest": (("timeseries", 1, _MESSAGE, "TimeSeries"),),
    "TimeSeries": (("labels", 1, _MESSAGE, "Label"), ("samples", 2, _MESSAGE, "Sample")),
    "Label": (("name", 1, _STRING, ""), ("value", 2, _STRING, "")),
    "Sample": (("value", 1, _DOUBLE, ""), ("timestamp", 2, _INT64, "")),
}
"""What is read of C{prometheus.WriteRequest}: name, number and type of each field."""


def _message() -> Any:
    """
    @return: The class of requests.
    """
    file = descriptor_pb2.FileDescriptorProto(name="netstream/write.proto", package="prometheus", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            added = message.field.add(name=field, number=number, type=kind, label=_MANY if of else _ONE)
            if of:
                added.type_name = f".prometheus.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


_WriteRequest = _message()


def decode(body: bytes) -> Any:
    """
    Read a request of remote write 1.0.

    @raise ValueError: It is none, or too large.
    """
    try:
        if cramjam.snappy.decompress_raw_len(body) > LARGEST:
            raise ValueError(f"the request has more than {LARGEST >> 20} MiB")
        return _WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    except cramjam.DecompressionError as problem:
        raise ValueError("the request is not compressed with snappy") from problem
    except DecodeError as problem:
        raise ValueError("the request is no prometheus.WriteRequest") from problem


class RemoteWrite(Service):
    """
    Makes charts of the series that are written.
    """

    _log = Logger()

    def __init__(self, host: Host, settings: WriteSettings, clock: IReactorTime, least: int = 1) -> None:
        """
        @param host: Whose charts they become.
        @param clock: Its seconds are UTC.
        @param least: The smallest period of a chart, seconds.
        """
        self._settings = settings
        self._clock = clock
        self._known: dict[Labels, Series | None] = {}
        self._board = Board(host, _section, "prometheus.plugin", "remote_write", settings.most_series, least=least)
        self._next: IDelayedCall | None = None
        self._told = -TOLD_EVERY
        self._left_out = 0

    def startService(self) -> None:
        """
        Begin to look for series of which nothing comes (called by Twisted).
        """
        super().startService()
        self._next = self._clock.callLater(SWEEP_EVERY, self._sweep)

    def stopService(self) -> None:
        """
        Take no more (called by Twisted).
        """
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        self._board.end()

    def _sweep(self) -> None:
        now = self._clock.seconds()
        self._next = self._clock.callLater(SWEEP_EVERY, self._sweep)
        self._board.sweep(now, FORGET_AFTER)
        board = self._board
        left_out = board.refused + board.late
        if left_out > self._left_out and now - self._told >= TOLD_EVERY:
            self._log.warn(
                "remote write: {refused} values were of series that are more than {most} or have unreasonable names,"
                " {late} came out of order, too late or too early",
                refused=board.refused,
                most=self._settings.most_series,
                late=board.late,
            )
            self._told, self._left_out = now, left_out

    def take(self, body: bytes) -> None:
        """
        Take in a request.

        @raise ValueError: It makes no sense.
        """
        self._board.take(self._points(decode(body)), self._clock.seconds())

    def _points(self, request: Any) -> Iterator[Point]:
        known = self._known
        for written in request.timeseries:
            labels = tuple([(label.name, label.value) for label in written.labels])
            series = known[labels] if labels in known else self._learn(labels)
            if series is not None:
                for sample in written.samples:
                    yield series, sample.value, sample.timestamp // 1000

    def _learn(self, labels: Labels) -> Series | None:
        names = dict(labels)
        name = names.pop("__name__", "")
        series = None
        if name and self._settings.metrics.matches(name):
            kept = {
                label: value
                for label, value in names.items()
                if label in SPECIAL or self._settings.labels.matches(label)
            }
            series = Series(name, tuple(sorted(kept.items())), kind_of(name, kept))
            if not series.reasonable:
                self._board.refused += 1
                return None
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[labels] = series
        return series


def _section(series: Series) -> str:
    job = next((value for name, value in series.labels if name == "job"), "")
    return f"prometheus_{job or 'written'}"
