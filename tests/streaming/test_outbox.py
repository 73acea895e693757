"""
Tests for what waits for a slow parent.
"""

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from netstream.streaming.outbox import Outbox


class OutboxTests(SynchronousTestCase):
    """
    L{Outbox} between updates and a transport.
    """

    def setUp(self) -> None:
        self.transport = StringTransport()
        self.outbox = Outbox(self.transport, 100, lambda: 0.0)

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
        now = [5.0]
        outbox = Outbox(self.transport, 100, lambda: now[0])
        outbox.pauseProducing()
        now[0] = 7.0
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
