"""
Where the lines of statsd arrive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from netstream.collect.statsd.lines import LONGEST_LINE

Take = Callable[[bytes], None]
"""Takes in whole lines; the last need not end."""


class Datagrams(DatagramProtocol):
    """
    Lines, several in a datagram or one.
    """

    noisy = False

    def __init__(self, take: Take) -> None:
        self._take = take

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Take it in (called by Twisted).
        """
        self._take(datagram)


class Stream(Protocol, TimeoutMixin):
    """
    One connection.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._rest = b""

    def connectionMade(self) -> None:
        """
        Wait for lines (called by Twisted).
        """
        self._streams.open.add(self)
        if self._streams.idle:
            self.setTimeout(self._streams.idle)

    def dataReceived(self, data: bytes) -> None:
        """
        Take in what is whole (called by Twisted).
        """
        self.resetTimeout()
        whole, newline, rest = (self._rest + data).rpartition(b"\n")
        self._rest = rest
        if newline:
            self._streams.take(whole)
        if len(rest) > LONGEST_LINE:
            self._rest = b""
            self._streams.endless(self)

    def drop(self) -> None:
        """
        Hang up.
        """
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]  # which all streams of Twisted have

    def timeoutConnection(self) -> None:
        """
        It was silent for long (called by Twisted).
        """
        self.drop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        A last line need not end (called by Twisted).
        """
        self.setTimeout(None)
        self._streams.open.discard(self)
        if self._rest:
            self._streams.take(self._rest)


class Streams(Factory):
    """
    Connections, no more than are allowed.

    @ivar open: Those there are.
    @ivar made: How many there were.
    """

    noisy = False
    _log = Logger()

    def __init__(self, take: Take, idle: float, most: int) -> None:
        """
        @param idle: Seconds after which a silent one is cut off; 0 is never.
        @param most: Connections at once.
        """
        self.take = take
        self.idle = idle
        self.open: set[Stream] = set()
        self.made = 0
        self._most = most
        self._full = False

    def buildProtocol(self, addr: IAddress | None) -> Stream | None:
        """
        Let someone in (called by Twisted).
        """
        if len(self.open) >= self._most:
            if not self._full:
                self._full = True
                self._log.warn("statsd: {most} clients are connected; others are turned away", most=self._most)
            return None
        self._full = False
        self.made += 1
        return Stream(self)

    def endless(self, stream: Stream) -> None:
        """
        A line does not end.
        """
        self._log.warn("statsd: a client sent a line of more than {most} bytes; it is cut off", most=LONGEST_LINE)
        stream.drop()
