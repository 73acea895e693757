"""
Tests for what waits for a slow parent.
"""

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from netstream.streaming.outbox import GATHERED, Outbox
from netstream.wire.compression import CUT, CompressionError, Compressor, Decompressor


class OutboxTests(SynchronousTestCase):
    """
    L{Outbox} between updates and a transport.
    """

    def setUp(self) -> None:
        self.transport = StringTransport()
        self.outbox = Outbox(self.transport, 100, Clock())

    def test_passes_on(self) -> None:
        """
        While the transport takes bytes they are sent at once.
        """
        self.outbox.put(b"abc", samples=True)
        self.assertEqual(self.transport.value(), b"abc")

    def test_holds_and_sends_later(self) -> None:
        """
        What comes during a pause is sent after it, in order.
        """
        self.outbox.pauseProducing()
        self.outbox.put(b"1", samples=False)
        self.outbox.put(b"2", samples=True)
        self.assertEqual((self.transport.value(), self.outbox.waiting), (b"", 2))
        self.outbox.resumeProducing()
        self.assertEqual((self.transport.value(), self.outbox.waiting), (b"12", 0))

    def test_drops_oldest_samples_only(self) -> None:
        """
        Over the bound the oldest samples go, definitions stay, and what is
        lost is counted.
        """
        self.outbox.pauseProducing()
        self.outbox.put(b"D" * 20, samples=False)
        fits = [self.outbox.put(bytes([48 + n]) * 20, samples=True) for n in range(6)]
        self.assertEqual(fits, [True, True, True, True, False, True])
        self.assertEqual(self.outbox.dropped, 3)
        self.outbox.resumeProducing()
        self.assertEqual(self.transport.value(), b"D" * 20 + b"3" * 20 + b"4" * 20 + b"5" * 20)

    def test_paused_since(self) -> None:
        """
        How long the transport takes nothing counts from the first pause.
        """
        clock = Clock()
        clock.advance(5.0)
        outbox = Outbox(self.transport, 100, clock)
        outbox.pauseProducing()
        clock.advance(2.0)
        outbox.pauseProducing()
        self.assertEqual(outbox.paused_since, 5.0)
        outbox.resumeProducing()
        outbox.pauseProducing()
        self.assertEqual(outbox.paused_since, 7.0)

    def test_overfull(self) -> None:
        """
        When nothing of what waits can be dropped, that shows.
        """
        self.outbox.pauseProducing()
        self.outbox.put(b"D" * 100, samples=False)
        self.assertFalse(self.outbox.overfull)
        self.outbox.put(b"D", samples=False)
        self.assertTrue(self.outbox.overfull)

    def test_flush(self) -> None:
        """
        At the end all that waits is handed over, in order.
        """
        self.outbox.pauseProducing()
        self.outbox.put(b"1", samples=False)
        self.outbox.put(b"2", samples=True)
        self.outbox.flush()
        self.outbox.resumeProducing()
        self.assertEqual((self.transport.value(), self.outbox.waiting), (b"12", 0))

    def test_bounded(self) -> None:
        """
        However much comes, no more than the bound waits.
        """
        self.outbox.pauseProducing()
        for _ in range(1000):
            self.outbox.put(b"x" * 10, samples=True)
        self.assertLessEqual(self.outbox.waiting, 100)


class CompressionTests(SynchronousTestCase):
    """
    L{Outbox} that makes frames.
    """

    def setUp(self) -> None:
        self.transport = StringTransport()
        self.clock = Clock()
        self.failures: list[CompressionError] = []
        self.compressor = Compressor("zstd")
        self.outbox = Outbox(self.transport, 1000, self.clock, self.compressor, self.failures.append)
        self.decompressor = Decompressor("zstd")

    def read(self) -> bytes:
        """
        @return: The text of all that was sent since the last time.
        """
        data = self.transport.value()
        self.transport.clear()
        return b"".join(self.decompressor.receive(data))

    def test_gathers(self) -> None:
        """
        Small pieces of one turn of the reactor become one frame.
        """
        for number in range(50):
            self.outbox.put(b"line %d\n" % number, samples=True)
        self.assertEqual(self.transport.value(), b"")
        self.clock.advance(0)
        self.assertEqual(self.transport.value().count(b"\xfa"), 1)
        self.assertEqual(self.read(), b"".join(b"line %d\n" % number for number in range(50)))
        self.assertEqual(self.outbox.waiting, 0)

    def test_much(self) -> None:
        """
        When enough was gathered for several frames, they are sent without waiting.
        """
        line = b"0123456789abcde\n"
        for _ in range(GATHERED // len(line)):
            self.outbox.put(line, samples=True)
        frames = -(-GATHERED // CUT)
        self.assertEqual(len(list(Decompressor("zstd").receive(self.transport.value()))), 1)
        self.assertEqual(self.transport.value().count(b"\xfa"), frames)
        self.assertEqual(self.read(), line * (GATHERED // len(line)))

    def test_pause(self) -> None:
        """
        What is dropped during a pause is dropped before it is compressed, so that the rest can still be read.
        """
        self.outbox.put(b"first\n", samples=True)
        self.outbox.pauseProducing()
        self.clock.advance(0)
        self.assertEqual(self.transport.value(), b"")
        for number in range(40):
            self.outbox.put(b"%050d\n" % number, samples=True)
        self.assertGreater(self.outbox.dropped, 0)
        self.outbox.resumeProducing()
        lines = self.read().splitlines()
        self.assertEqual(len(lines), 41 - self.outbox.dropped)
        self.assertEqual(lines[-1], b"%050d" % 39)

    def test_flush(self) -> None:
        """
        At the end all that was gathered is sent at once.
        """
        self.outbox.put(b"last\n", samples=True)
        self.outbox.flush()
        self.assertEqual(self.read(), b"last\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_gone(self) -> None:
        """
        What was gathered for a connection that is gone is forgotten.
        """
        self.outbox.put(b"last\n", samples=True)
        self.outbox.stopProducing()
        self.assertEqual((self.clock.getDelayedCalls(), self.outbox.waiting), ([], 0))

    def test_fails(self) -> None:
        """
        When nothing can be compressed any more that is told once, and nothing is sent.
        """

        def broken(text: bytes) -> bytes:
            raise CompressionError("zstd", "broken")

        self.patch(self.compressor, "compress", broken)
        self.outbox.put(b"1\n", samples=True)
        self.clock.advance(0)
        self.outbox.put(b"2\n", samples=True)
        self.clock.advance(0)
        self.assertEqual((len(self.failures), self.transport.value()), (1, b""))
