"""
Bodies written to a connection, for receivers that answer nothing.

Such protocols have no acknowledgement.  A record counts as received when the
other machine has acknowledged all bytes and the connection has held for some
time since; what was written later than that before a connection is lost is
sent again.  Points are identified by series and second, so that a point that
is sent twice is one point.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from collections import deque
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.config.settings import Destination, ExportTarget
from netstream.endings import how_ended
from netstream.export.carrier import Connect, Told, Unreachable
from netstream.export.spool import Entry, Spool
from netstream.export.waiting import Bell

SETTLED = 5.0
"""Seconds that a connection must hold after all was acknowledged, for that to count."""
_SLICE = 1 << 16
_POLL = 0.5


def unacknowledged(transport: Any) -> int:
    """
    @param transport: A socket's, or one that says itself what is C{unsent}.
    @return: Bytes that the other machine has not acknowledged; 0 where that
        cannot be known.
    """
    unsent = getattr(transport, "unsent", None)
    if unsent is not None:
        return int(unsent)
    under = getattr(transport, "transport", None) or transport
    try:
        descriptor = under.getHandle().fileno()
        answer = fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4))
    except (AttributeError, OSError, ValueError):
        return 0
    return int(struct.unpack("i", answer)[0])


@implementer(IPushProducer)
class _Line(Protocol):
    """
    The connection.  What the receiver says is discarded.
    """

    transport: Any

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self.paused = False
        self.lost: str | None = None

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = how_ended(reason)
        self._bell.ring()

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False
        self._bell.ring()

    def stopProducing(self) -> None:
        self.paused = True


class LineCarrier:
    """
    A carrier for protocols of lines over TCP.
    """

    def __init__(self, target: ExportTarget, clock: IReactorTime, connect: Connect) -> None:
        self._target = target
        self._clock = clock
        self._connect = connect
        self._bell = Bell(clock)

    def wake(self) -> None:
        """
        There is more to send.
        """
        self._bell.ring()

    async def carry(self, destination: Destination, spool: Spool, told: Told) -> None:
        """
        Send what waits and what comes, until the connection is lost.

        @raise Unreachable: It is, or cannot be made.
        """
        endpoint = self._connect(destination, self._target.timeout)
        try:
            factory = Factory.forProtocol(lambda: _Line(self._bell))
            factory.noisy = False
            made: Any = await endpoint.connect(factory)
        except CancelledError:
            raise
        except Exception as problem:
            raise Unreachable(how_ended(Failure(problem))) from problem
        line: _Line = made
        written: deque[tuple[Entry, float]] = deque()
        worked = False
        try:
            while True:
                if self._confirm(line, written, spool, told, SETTLED):
                    worked = True
                if line.lost is not None:
                    raise Unreachable(line.lost, worked=worked)
                entry = spool.ahead()
                if entry is None:
                    await self._bell.wait(_POLL if written else None)
                    continue
                body = spool.read(entry)
                if body is None:
                    told.refused(entry.samples, "its file cannot be read any more")
                    spool.confirm(entry)
                    continue
                await self._write(line, body, worked)
                written.append((entry, self._clock.seconds()))
        except CancelledError:
            # The node stops: what was acknowledged need not be sent again.
            self._confirm(line, written, spool, told, 0.0)
            raise
        finally:
            self._drop(line)

    async def _write(self, line: _Line, body: bytes, worked: bool) -> None:
        transport = line.transport
        for at in range(0, len(body), _SLICE):
            if line.lost is not None:
                raise Unreachable(line.lost, worked=worked)
            transport.write(body[at : at + _SLICE])
            since = self._clock.seconds()
            while line.paused and line.lost is None:
                left = since + self._target.timeout - self._clock.seconds()
                if left <= 0:
                    raise Unreachable(f"took nothing for {self._target.timeout:g} s", worked=worked)
                await self._bell.wait(left)

    def _confirm(
        self, line: _Line, written: deque[tuple[Entry, float]], spool: Spool, told: Told, settled: float
    ) -> bool:
        """
        @return: Whether something is received.
        """
        if not written or line.paused or line.lost is not None:
            return False
        if self._clock.seconds() - written[0][1] < settled or unacknowledged(line.transport):
            return False
        while written and self._clock.seconds() - written[0][1] >= settled:
            entry, _ = written.popleft()
            spool.confirm(entry)
            told.taken(entry.samples)
        return True

    def _drop(self, line: _Line) -> None:
        transport = line.transport
        if transport is None or line.lost is not None:
            return
        transport.unregisterProducer()
        if line.paused:
            transport.abortConnection()
        else:
            transport.loseConnection()

    async def close(self) -> None:
        """
        Nothing is left to let go of.
        """
