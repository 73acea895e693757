"""
Two ends of a channel in memory, and workers that are no processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from netstream.config import load
from netstream.config.settings import Role, Settings
from netstream.db.workers import Inline
from netstream.hub import shared
from netstream.model.samples import Int64s
from netstream.processes.channel import Channel
from netstream.processes.member import Process
from netstream.processes.work import Worker

KEY = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"


class End:
    """
    The transport of one end: what is written arrives in the next turn.
    """

    other: End

    def __init__(self, protocol: Channel, clock: Clock) -> None:
        self.protocol = protocol
        self.clock = clock
        self.closed = False

    def writeSequence(self, pieces: Sequence[bytes]) -> None:
        self.clock.callLater(0, self.other.arrived, b"".join(pieces))

    def sendFileDescriptor(self, descriptor: int) -> None:
        self.clock.callLater(0, self.other.descriptor_arrived, os.dup(descriptor))

    def arrived(self, data: bytes) -> None:
        if not self.closed:
            self.protocol.dataReceived(data)

    def descriptor_arrived(self, descriptor: int) -> None:
        if self.closed:
            os.close(descriptor)
        else:
            self.protocol.fileDescriptorReceived(descriptor)

    def loseConnection(self) -> None:
        self.clock.callLater(0, self.cut)

    abortConnection = loseConnection

    def cut(self) -> None:
        for end in (self, self.other):
            if not end.closed:
                end.closed = True
                end.protocol.connectionLost(Failure(ConnectionDone()))


def connect(one: Channel, other: Channel, clock: Clock) -> End:
    """
    @return: The end of the first.
    """
    ends = End(one, clock), End(other, clock)
    ends[0].other, ends[1].other = ends[1], ends[0]
    one.makeConnection(ends[0])
    other.makeConnection(ends[1])
    return ends[0]


def memory() -> tuple[Int64s, Int64s]:
    """
    @return: Shared memory as the one that writes and the one that reads see
        it.
    """
    descriptor = shared.make()
    try:
        return shared.opened(descriptor, write=True), shared.opened(descriptor, write=False)
    finally:
        os.close(descriptor)


class Imitation:
    """
    A worker in this process, beside the one that it works for.

    @ivar worker: What it does.
    @ivar end: Its parent's end of the channel.
    """

    def __init__(self, channel: Channel, clock: Any) -> None:
        writes, reads = memory()
        self.channel = Channel("the process that serves", self._lost)
        self.worker = Worker(self.channel, writes, clock, Inline())
        self.process = Process(channel, reads, self.die, os.getpid())
        self.end = connect(channel, self.channel, clock)
        self.dies = False
        self.hangs = False

    def _lost(self) -> None:
        if not self.dies and not self.hangs:
            self.worker.stop().addCallback(lambda _: self.process.ended.callback(""))

    def die(self) -> None:
        """
        As if by kill -9, but that it gives its directory back.
        """
        self.dies = True
        self.end.cut()
        self.worker.stop()
        self.process.ended.callback("signal 9")


def parent_settings(directory: Path, workers: int, *overrides: str) -> Settings:
    """
    @return: Of a parent that accepts L{KEY}.
    """
    etc = directory / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "stream.conf").write_text(f"[{KEY}]\n    enabled = yes\n")
    return load(
        Role.PARENT,
        config_dir=etc,
        data_dir=directory / "data",
        overrides=(f"global/workers={workers}", *overrides),
        hostname="here",
        destination=None,
        api_key=None,
    )


def turns(clock: Clock, until: Callable[[], object], most: int = 200) -> None:
    """
    Let time pass, a twentieth of a second at a time, until something is so.
    """
    for _ in range(most):
        if until():
            return
        clock.advance(0.05)
    raise AssertionError("it did not come to that")
