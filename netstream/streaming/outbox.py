"""
What waits for a parent that reads slowly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer, ITransport
from zope.interface import implementer


@implementer(IPushProducer)
class Outbox:
    """
    Passes bytes to a transport while it takes them, and holds them while it
    does not, up to a bound.

    Over the bound the oldest samples go; what defines and describes stays,
    since samples without it would mean nothing.

    @ivar most: Bytes that may wait.
    @ivar dropped: Pieces of samples that were dropped.
    @ivar waiting: Bytes that wait here.
    @ivar paused: Whether the transport takes no bytes now.
    @ivar paused_since: When it took the last, in seconds of the clock; has
        no meaning while it is not paused.
    """

    def __init__(self, transport: ITransport, most: int, now: Callable[[], float]) -> None:
        """
        @param now: Tells the seconds of a clock.
        """
        self._transport = transport
        self.most = most
        self._now = now
        self._pieces: deque[tuple[bytes, bool]] = deque()
        self.waiting = 0
        self.dropped = 0
        self.paused = False
        self.paused_since = 0.0

    @property
    def overfull(self) -> bool:
        """
        Whether more waits than may, as nothing of it can be dropped.
        """
        return self.waiting > self.most

    def put(self, piece: bytes, samples: bool) -> bool:
        """
        Send a piece, now or when the transport takes it.

        @param samples: Whether it may be dropped.
        @return: Whether nothing had to be dropped.
        """
        if not self.paused:
            self._transport.write(piece)
            return True
        self._pieces.append((piece, samples))
        self.waiting += len(piece)
        return self.waiting <= self.most or not self._shrink()

    def _shrink(self) -> bool:
        """
        @return: Whether something was dropped.
        """
        kept: deque[tuple[bytes, bool]] = deque()
        target = self.most * 3 // 4
        before = self.dropped
        while self._pieces:
            piece, samples = self._pieces.popleft()
            if samples and self.waiting > target:
                self.waiting -= len(piece)
                self.dropped += 1
            else:
                kept.append((piece, samples))
        self._pieces = kept
        return self.dropped > before

    def pauseProducing(self) -> None:
        """
        The transport's buffer is full (called by the transport).
        """
        if not self.paused:
            self.paused_since = self._now()
        self.paused = True

    def resumeProducing(self) -> None:
        """
        The transport takes bytes again (called by the transport).
        """
        self.paused = False
        while self._pieces and not self.paused:
            piece, _ = self._pieces.popleft()
            self.waiting -= len(piece)
            self._transport.write(piece)

    def flush(self) -> None:
        """
        Hand all that waits to the transport, though it takes none now: this is
        the last.
        """
        while self._pieces:
            self._transport.write(self._pieces.popleft()[0])
        self.waiting = 0

    def stopProducing(self) -> None:
        """
        The connection is gone (called by the transport).
        """
        self._pieces.clear()
        self.waiting = 0
        self.paused = True
