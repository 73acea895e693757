"""
Reading in few big pieces what comes in many small ones.

A child writes its second in pieces of a packet or so.  Each that is read on
its own costs a turn of the reactor, a system call, and one pass through
sessions, hub and database, which is more than decoding its samples.  So a
connection whose bytes trickle in is left alone for a moment after each read,
until the rest has gathered in the buffer of the system.  Of a child whose
seconds come in bursts the first piece waits for the others, so that a burst is
dealt with at once.  Where there are many children, all from which nothing is
expected are left alone until L{Rounds} find something to read.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime, ISSLTransport
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure

from netstream.streaming.rounds import Rounds
from netstream.turns import Turns

PAUSE = 0.03
"""Seconds for which a connection is left alone."""

PLENTY = 32768
"""Bytes of one read after which the next one follows at once."""

BULK = 1 << 19
"""Bytes within a second from which on a child is not slowed down: it sends as
fast as it can, and the buffer of the system may hold less than a read."""

TRICKLES = 4
"""Reads that follow shortly upon another, over those that do not, from which
on bytes are said to trickle in."""

PROMPT = 1.0
"""Seconds for which everything is read at once after something was said that
the peer may answer."""

BUFFERS = 65536, 1 << 18
"""Bytes that one read takes at least, and at most if more is there: definitions
cost less each the more of them are read together."""

LONG = 0.004
"""Seconds of dealing with what was read after which the next read takes less:
the first seconds of new series cost many times what others do."""


class Pace:
    """
    Decides after each read of a connection whether to wait before the next.

    A connection that is closed by its peer while it waits is read to its end
    as any other: the end is seen only when the reading goes on, after the
    bytes before it.

    @ivar held: Whether nothing is read until what was read is dealt with.
    """

    def __init__(
        self,
        transport: IPushProducer,
        clock: IReactorTime,
        deal: Callable[[bytes], None] | None = None,
        turns: Turns | None = None,
        rounds: Rounds | None = None,
    ) -> None:
        """
        @param deal: Is given what L{gather} kept and nothing followed; without
            it nothing is kept.
        @param turns: Says when others shall not have to wait any longer.
        @param rounds: Where the connection waits that is left alone, if there
            are many.
        """
        self._deal = deal
        self._turns = turns
        self._queued = False
        self._kept: list[bytes] = []
        self._transport = transport
        self._clock = clock
        self._timer: IDelayedCall | None = None
        self._score = 0
        self._gathered = 0
        self._last = 0.0
        self._since = 0.0
        self._heard = 0
        self._prompt_until = 0.0
        self.held = False
        self._descriptor = transport if isinstance(transport, FileDescriptor) else None
        self._rounds = rounds
        self._socket = _socket(transport) if rounds is not None else None
        self._number = self._socket.fileno() if self._socket is not None else -1
        self._goes_round = False
        self._paused = False

    @property
    def waits(self) -> bool:
        """
        Whether the connection is left alone now.
        """
        return self._timer is not None or self._goes_round

    def gather(self, data: bytes, now: float) -> bytes:
        """
        Bytes were read and are to be dealt with.

        @param now: Seconds of the clock.
        @return: What shall be dealt with now; nothing if it is kept until the
            rest of a burst is there.
        """
        if self._queued:
            self._kept.append(data)  # TLS again
            return b""
        waits = self._timer is not None or self._goes_round
        if self._turns is not None and self._deal is not None and not waits and self._turns.is_over():
            self._kept.append(data)
            self._queued = True
            self._pause()
            self._turns.wait(self._its_turn)
            return b""
        if self._kept:
            self._kept.append(data)
            if self._timer is not None:
                # TLS delivers several pieces of one read, whether it was paused or not.
                if sum(map(len, self._kept)) < PLENTY:
                    return b""
                self._go_on()
            self._score = min(self._score + 2, 2 * TRICKLES)  # one more than the pause before it takes off
            return self.rest()
        begins = now - self._last > PAUSE * 1.5
        if not (begins and self._score >= TRICKLES and self._deal is not None) or self.held or waits:
            return data
        if len(data) >= PLENTY or now < self._prompt_until:
            return data
        self._kept.append(data)
        self._pause()
        self._timer = self._clock.callLater(PAUSE, self._go_on)
        return b""

    def rest(self) -> bytes:
        """
        @return: What was kept, which is kept no more.
        """
        kept, self._kept = self._kept, []
        return b"".join(kept)

    def _nothing_followed(self) -> None:
        """
        The first piece of a burst was all of it.
        """
        if self._kept and self._deal is not None:
            self._deal(self.rest())

    def _its_turn(self) -> None:
        self._queued = False
        if self._kept and self._deal is not None:
            self._deal(self.rest())
        if not self.waits and not self.held:
            self._resume()

    def received(self, size: int, now: float, may_wait: bool = True, took: float = 0.0) -> None:
        """
        Bytes were read and dealt with.

        @param size: How many.
        @param now: Seconds of the clock when they were.
        @param may_wait: Whether nobody waits for an answer to what follows.
        @param took: Seconds of the processor that it took to deal with them.
        """
        is_all = True
        if self._descriptor is not None:
            is_all = size < self._descriptor.bufferSize
            _fit(self._descriptor, size, took)
        self._weigh(size, now)
        if self.held:
            return
        if self._goes_round:
            # The same pieces of TLS.
            if now < self._prompt_until:
                self._go_on()
            return
        if self._timer is not None:
            # TLS delivers several pieces of one read, whether it was paused or not.
            self._gathered += size
            if self._gathered >= PLENTY:
                self._go_on()
                self._prompt_until = max(self._prompt_until, now + PAUSE / 10)
            return
        trickles = now - self._last <= PAUSE * 1.5
        self._last = now
        self._score = min(self._score + 1, 2 * TRICKLES) if trickles else max(self._score - 1, 0)
        if may_wait and is_all and now >= self._prompt_until and self._wait_for_round():
            return
        if may_wait and size < PLENTY and self._score >= TRICKLES and now >= self._prompt_until:
            self._gathered = size
            self._pause()
            self._timer = self._clock.callLater(PAUSE, self._go_on)

    def _wait_for_round(self) -> bool:
        if self._number < 0 or self._rounds is None:
            return False
        self._goes_round = self._rounds.wait(self._number, self._read)
        if self._goes_round and not self._paused:
            self._pause()
        return self._goes_round

    def _read(self) -> None:
        """
        There is something to read: do so, as the reactor would.
        """
        assert self._socket is not None
        self._goes_round = False
        self._last = self._clock.seconds()
        try:
            end = self._socket.doRead()
        except Exception:
            self._socket.abortConnection()
            raise
        if isinstance(end, ConnectionLost):
            self._socket.connectionLost(Failure(end))
        elif end is not None or not (self.waits or self.held or self._queued):
            # That the peer has ended its side the reactor comes upon as well.
            self._resume()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pauseProducing()

    def _resume(self) -> None:
        self._paused = False
        self._transport.resumeProducing()

    def _weigh(self, size: int, now: float) -> None:
        """
        Tell a child that has much to say from one that trickles.
        """
        if now - self._since >= 1.0:
            self._since = now
            self._heard = 0
        self._heard += size
        if self._heard >= BULK:
            self._since = now
            self._heard = 0
            self._prompt_until = max(self._prompt_until, now + PROMPT)

    def hurry(self) -> None:
        """
        Something was said that the peer may answer: read at once what comes
        now and in the next second.
        """
        self._prompt_until = self._clock.seconds() + PROMPT
        if self.waits:
            self._go_on()

    def hold(self, ready: Deferred[None]) -> None:
        """
        Read nothing more, so that the peer has to wait, until what was read is
        dealt with.

        @param ready: Fires when it is.
        """
        if self.held:
            return
        self._wait_no_more()
        self.held = True
        self._pause()
        ready.addCallback(self._let_go)

    def _let_go(self, _: None) -> None:
        if self.held:
            self._go_on()

    def _go_on(self) -> None:
        self._wait_no_more()
        self._resume()
        if self._kept:
            self._clock.callLater(0, self._nothing_followed)  # after the next look at what can be read
        else:
            self._last = self._clock.seconds()

    def stop(self) -> None:
        """
        Wait for nothing: the connection is closed, or about to be.
        """
        self._wait_no_more()
        if self._rounds is not None:
            self._rounds.leave(self._number)
            self._number = -1

    def _wait_no_more(self) -> None:
        self.held = False
        if self._goes_round and self._rounds is not None:
            self._goes_round = False
            self._rounds.wait_no_more(self._number)
        if self._timer is not None:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None


def _socket(transport: object) -> Connection | None:
    """
    @return: What reads for a transport, which may be TLS around it; L{None} if
        that is no socket of its own.
    """
    if ISSLTransport.providedBy(transport):
        transport = getattr(transport, "transport", None)
    return transport if isinstance(transport, Connection) else None


def _fit(descriptor: FileDescriptor, size: int, took: float) -> None:
    """
    Make the buffer for the next read fit the last one.
    """
    room = descriptor.bufferSize
    least, most = BUFFERS
    if took > LONG:
        descriptor.bufferSize = max(least, min(room // 2, int(size * LONG / took)))
    elif size >= room and room < most and took < LONG / 2:
        descriptor.bufferSize = 2 * room
    elif size < room // 8 and room > least:
        descriptor.bufferSize = room // 2
