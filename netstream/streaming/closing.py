"""
The connections that are open, and how they are closed when a node stops.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

CLOSED_WITHIN = 5.0
"""Seconds that peers have to read the rest when this node stops."""


class Closable(Protocol):
    """
    A connection.

    @ivar transport: L{None} once it is over.
    """

    transport: Any

    def close(self) -> None:
        """
        Close it when what was said is written.
        """


class Connections:
    """
    Those that are open.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._open: set[Closable] = set()
        self._closed: Deferred[None] | None = None
        self._limit: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Closable) -> None:
        """
        One is open.
        """
        self._open.add(connection)

    def lost(self, connection: Closable) -> None:
        """
        One is closed.
        """
        self._open.discard(connection)
        if self._closed is not None and not self._open:
            closed, self._closed = self._closed, None
            if self._limit is not None and self._limit.active():
                self._limit.cancel()
            closed.callback(None)

    def close(self) -> Deferred[None]:
        """
        Close all.

        @return: Fires when the last one is closed; who does not read the rest
            is cut off.
        """
        if not self._open:
            return succeed(None)
        closed: Deferred[None] = Deferred()
        self._closed = closed
        self._limit = self._clock.callLater(CLOSED_WITHIN, self._cut_off)
        for connection in tuple(self._open):
            connection.close()
        return closed

    def _cut_off(self) -> None:
        for connection in tuple(self._open):
            if connection.transport is not None:
                connection.transport.abortConnection()
