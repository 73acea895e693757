"""
Tests for L{netstream.turns}, with connections of children.
"""

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.streaming.pace import PAUSE, Pace
from netstream.turns import ENOUGH, Turns


class Line:
    """
    A connection: its transport, and what was dealt with of what it said.

    @ivar reads: Whether bytes are read from it.
    """

    def __init__(self, turns: Turns, clock: Clock, log: list[bytes], cost: float) -> None:
        self.reads = True
        self._clock = clock
        self._log = log
        self._cost = cost
        transport: Any = self
        self.pace = Pace(transport, clock, self._deal, turns)

    def pauseProducing(self) -> None:
        self.reads = False

    def resumeProducing(self) -> None:
        self.reads = True

    def say(self, data: bytes) -> None:
        """
        Bytes come in.
        """
        data = self.pace.gather(data, self._clock.seconds())
        if data:
            self._deal(data)

    def _deal(self, data: bytes) -> None:
        self._log.append(data)
        self._clock.rightNow += self._cost
        self.pace.received(len(data), self._clock.seconds())


class TurnsTests(SynchronousTestCase):
    """
    Who waits for a later turn of the reactor, and what is done in which order.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.turns = Turns(self.clock)
        self.log: list[bytes] = []

    def line(self, cost: float) -> Line:
        """
        @param cost: Seconds that it takes to deal with what it says.
        """
        return Line(self.turns, self.clock, self.log, cost)

    def turn(self) -> None:
        """
        Let calls that are due be made once, as a reactor does in a turn.
        """
        due = [call for call in self.clock.getDelayedCalls() if call.getTime() <= self.clock.seconds()]
        for call in due:
            self.clock.calls.remove(call)
            call.func(*call.args)

    def test_short(self) -> None:
        """
        What is done quickly is done at once, however many connections say
        something.
        """
        for number in range(100):
            self.line(0.0).say(b"%d" % number)
        self.assertEqual(self.log, [b"%d" % number for number in range(100)])

    def test_long(self) -> None:
        """
        When a turn has become long, others get theirs before the connections
        that are left; these are dealt with in their order, and none says more
        meanwhile.
        """
        lines = [self.line(ENOUGH * 0.6) for _ in range(5)]
        for number, line in enumerate(lines):
            line.say(b"%d" % number)
        self.assertEqual(self.log, [b"0", b"1"])
        self.assertEqual([line.reads for line in lines], [True, True, False, False, False])
        self.turn()
        self.turn()
        self.assertEqual(self.log, [b"0", b"1", b"2", b"3"])
        lines[0].say(b"again")
        self.turn()
        self.assertEqual(self.log, [b"0", b"1", b"2", b"3", b"4", b"again"])
        self.assertTrue(all(line.reads for line in lines))
        self.turn()
        self.assertFalse(self.clock.getDelayedCalls())

    def test_others_first(self) -> None:
        """
        What has become due while connections were dealt with is done before
        those that wait, also if it was due only after they began to.
        """
        lines = [self.line(ENOUGH * 2) for _ in range(3)]
        for number, line in enumerate(lines):
            line.say(b"%d" % number)
        self.clock.callLater(0, self.log.append, b"other")
        self.turn()
        self.assertEqual(self.log, [b"0", b"other"])
        self.turn()
        self.assertEqual(self.log, [b"0", b"other", b"1"])
        self.clock.callLater(0, self.log.append, b"another")
        self.turn()
        self.assertEqual(self.log[3:], [b"2", b"another"])

    def test_at_work(self) -> None:
        """
        Who is at work goes on until the turn has become long, whoever waits,
        and who waits gets as much in the next one.
        """
        steps: list[tuple[bytes, int]] = []

        def work(name: bytes) -> None:
            done = 0
            while not self.turns.is_long():
                self.clock.rightNow += ENOUGH / 4
                done += 1
            steps.append((name, done))
            if len(steps) < 4:
                self.turns.wait(lambda: work(name))

        self.assertFalse(self.turns.is_over())
        self.turns.wait(lambda: work(b"other"))
        self.assertTrue(self.turns.is_over())
        work(b"one")
        for _ in range(5):
            self.turn()
        self.assertEqual(steps, [(b"one", 4), (b"other", 4), (b"one", 4), (b"other", 4), (b"one", 4)])

    def test_failure(self) -> None:
        """
        One that fails keeps the others from nothing.
        """

        def fails() -> None:
            raise ValueError("a line")

        slow, fast = self.line(ENOUGH * 2), self.line(0.0)
        slow.say(b"slow")
        self.assertTrue(self.turns.is_over())
        self.turns.wait(fails)
        fast.say(b"fast")
        self.turn()
        self.assertRaises(ValueError, self.turn)
        self.turn()
        self.assertEqual(self.log, [b"slow", b"fast"])

    def test_more_of_one(self) -> None:
        """
        What a connection delivers while it waits, as TLS does, is dealt with
        in one piece with what came before.
        """
        slow, fast = self.line(ENOUGH * 2), self.line(0.0)
        slow.say(b"slow")
        fast.say(b"one ")
        fast.say(b"two")
        self.turn()
        self.turn()
        self.assertEqual(self.log, [b"slow", b"one two"])

    def test_closed(self) -> None:
        """
        A connection that ends while it waits takes what it kept with it, and
        the others go on.
        """
        slow, gone, fast = self.line(ENOUGH * 2), self.line(0.0), self.line(0.0)
        slow.say(b"slow")
        gone.say(b"gone")
        fast.say(b"fast")
        gone.pace.stop()
        self.assertEqual(gone.pace.rest(), b"gone")
        self.turn()
        self.turn()
        self.assertEqual(self.log, [b"slow", b"fast"])

    def test_clock_set_back(self) -> None:
        """
        A clock that is set back in the middle of a turn makes nobody wait for
        more than a turn.
        """
        self.line(-3600.0).say(b"one")
        self.line(0.0).say(b"two")
        self.turn()
        self.clock.advance(PAUSE + 3600)
        self.assertEqual(self.log, [b"one", b"two"])
