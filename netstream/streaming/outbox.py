"""
What waits for a parent that reads slowly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime, ITransport
from zope.interface import implementer

from netstream.hub.figures import Traffic
from netstream.wire.compression import CompressionError, Compressor

GATHERED = 1 << 16
"""Bytes that are compressed and sent without waiting for more."""


@implementer(IPushProducer)
class Outbox:
    """
    Passes bytes to a transport while it takes them, and holds them while it
    does not, up to a bound.

    Over the bound the oldest samples go; what defines and describes stays,
    since samples without it would mean nothing.

    What is to be compressed is gathered until the end of the reactor's turn,
    so that many small pieces become few frames; once compressed, nothing can
    be dropped any more, as all that follows refers to it.

    @ivar most: Bytes that may wait.
    @ivar drained: Called when the transport has taken bytes after it did not.
    @ivar dropped: Pieces of samples that were dropped.
    @ivar lost: Samples in them.
    @ivar traffic: What was said.
    @ivar waiting: Bytes that wait here.
    @ivar paused: Whether the transport takes no bytes now.
    @ivar paused_since: When it took the last, in seconds of the clock; has
        no meaning while it is not paused.
    """

    def __init__(
        self,
        transport: ITransport,
        most: int,
        clock: IReactorTime,
        compressor: Compressor | None = None,
        failed: Callable[[CompressionError], None] | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        """
        @param compressor: Makes frames of what is sent, if they were agreed
            on; it needs whole lines.
        @param failed: Told if that fails; nothing more can be sent then.
        """
        self._transport = transport
        self.most = most
        self._clock = clock
        self._compressor = compressor
        self._failed = failed
        self._turn: IDelayedCall | None = None
        self._pieces: deque[tuple[bytes, int]] = deque()
        self.drained: Callable[[], None] | None = None
        self.waiting = 0
        self.dropped = 0
        self.lost = 0
        self.traffic = traffic or Traffic()
        self.paused = False
        self.paused_since = 0.0

    @property
    def overfull(self) -> bool:
        """
        Whether more waits than may, as nothing of it can be dropped.
        """
        return self.waiting > self.most

    def put(self, piece: bytes, samples: int) -> bool:
        """
        Send a piece, now or when the transport takes it.

        @param samples: How many samples it is; if it is any, it may be
            dropped.
        @return: Whether nothing had to be dropped.
        """
        if not self.paused and self._compressor is None:
            self.traffic.moved(wire=len(piece), text=len(piece), samples=samples)
            self._transport.write(piece)
            return True
        self._pieces.append((piece, samples))
        self.waiting += len(piece)
        if self.paused:
            return self.waiting <= self.most or not self._shrink()
        if self.waiting >= GATHERED:
            self._send()
        elif self._turn is None:
            self._turn = self._clock.callLater(0, self._send)
        return True

    def _send(self) -> None:
        """
        Hand to the transport what waits, as long as it takes it.
        """
        self._cancel()
        while self._pieces and not self.paused:
            self._write(self._next())

    def _next(self) -> bytes:
        """
        @return: What is to be written next, taken from what waits: one piece,
            or several if they are compressed together.
        """
        piece, samples = self._pieces.popleft()
        size = len(piece)
        if self._compressor is not None:
            pieces = [piece]
            while self._pieces and size < GATHERED:
                piece, more = self._pieces.popleft()
                pieces.append(piece)
                samples += more
                size += len(piece)
            piece = b"".join(pieces)
        self.waiting -= size
        self.traffic.moved(text=size, samples=samples)
        return piece

    def _write(self, piece: bytes) -> None:
        if self._compressor is not None:
            try:
                piece = self._compressor.compress(piece)
            except CompressionError as problem:
                self.stopProducing()
                if self._failed is not None:
                    self._failed(problem)
                return
        self.traffic.moved(wire=len(piece))
        self._transport.write(piece)

    def _cancel(self) -> None:
        if self._turn is not None and self._turn.active():
            self._turn.cancel()
        self._turn = None

    def _shrink(self) -> bool:
        """
        @return: Whether something was dropped.
        """
        kept: deque[tuple[bytes, int]] = deque()
        target = self.most * 3 // 4
        before = self.dropped
        while self._pieces:
            piece, samples = self._pieces.popleft()
            if samples and self.waiting > target:
                self.waiting -= len(piece)
                self.dropped += 1
                self.lost += samples
            else:
                kept.append((piece, samples))
        self._pieces = kept
        return self.dropped > before

    def pauseProducing(self) -> None:
        """
        The transport's buffer is full (called by the transport).
        """
        if not self.paused:
            self.paused_since = self._clock.seconds()
        self.paused = True

    def resumeProducing(self) -> None:
        """
        The transport takes bytes again (called by the transport).
        """
        self.paused = False
        self._send()
        if self.drained is not None:
            self.drained()

    def drop(self) -> int:
        """
        Drop all samples that wait.

        @return: How many.
        """
        samples = sum(samples for _, samples in self._pieces)
        kept = [piece for piece in self._pieces if not piece[1]]
        self.dropped += len(self._pieces) - len(kept)
        self._pieces = deque(kept)
        self.waiting = sum(len(piece) for piece, _ in kept)
        return samples

    def flush(self) -> None:
        """
        Hand all that waits to the transport, though it takes none now: this is
        the last.
        """
        self._cancel()
        while self._pieces:
            self._write(self._next())

    def stopProducing(self) -> None:
        """
        The connection is gone, and what waits with it (called by the
        transport).
        """
        self._cancel()
        self.lost += sum(samples for _, samples in self._pieces)
        self._pieces.clear()
        self.waiting = 0
        self.paused = True
