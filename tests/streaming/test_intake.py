"""
Tests for what a child has said being dealt with in several turns of the
reactor.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime

from netstream.streaming import arrival
from netstream.streaming import parent as receiving
from netstream.streaming.intake import PIECE, Intake
from netstream.turns import Turns
from tests.streaming.case import WorldCase

MANY = 300


class _Tired:
    """
    A clock on which a millisecond passes between two looks.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._late = 0.0

    def seconds(self) -> float:
        self._late += 0.001
        return self._clock.seconds() + self._late

    def callLater(self, delay: float, call: Any, *args: object, **kw: object) -> Any:
        return self._clock.callLater(delay, call, *args, **kw)


def _definitions(first: int, last: int) -> bytes:
    charts = b"".join(b"CHART a.b%d '' '' '' '' a.b\nDIMENSION c\n" % number for number in range(first, last))
    return charts + b"BEGIN2 a.b%d 1 1 #\nSET2 c 1 # A\nEND2\n" % first  # which ends the last definition


class SliceTests(WorldCase):
    """
    A parent for which everything takes long.
    """

    def setUp(self) -> None:
        super().setUp()
        self.intakes: list[Intake] = []

        def intake(*args: Any) -> Intake:
            self.intakes.append(Intake(*args))
            return self.intakes[-1]

        self.patch(arrival, "Intake", intake)
        self.patch(receiving, "Turns", lambda clock: Turns(_Tired(clock)))  # type: ignore[arg-type]
        self.parent = self.world.node("parent", "parent")
        self.asker = self.child(self.parent)
        self.known: list[int] = []

    def charts(self) -> int:
        """
        @return: How many charts of the child are known.
        """
        return len(self.host(self.parent).charts)

    def watch(self, most: int = MANY) -> None:
        """
        Do something in each turn until so many charts are known.
        """
        self.known.append(self.charts())
        if self.known[-1] < most and len(self.known) < 1000:
            self.world.visitor.callLater(0, self.watch, most)

    def said(self, data: bytes) -> Intake:
        """
        The parent has read something, whose work is not done.
        """
        intake = self.intakes[-1]
        intake.receive(data, self.world.now)
        self.assertLess(self.charts(), MANY)
        self.known.append(self.charts())
        return intake

    def test_others_work(self) -> None:
        """
        While many charts are defined others get their turns, and the samples
        that follow are there in the end.
        """
        self.said(_definitions(0, MANY))
        self.watch()
        self.world.advance(1)
        steps = [after - before for before, after in zip(self.known, self.known[1:], strict=False)]
        self.assertEqual(self.known[-1], MANY)
        self.assertGreater(sum(step > 0 for step in steps), 10)
        self.assertLess(max(steps), MANY / 10)
        now = int(self.world.now)
        for number in range(MANY):
            self.asker.sample(now, number, f"a.b{number}")
        self.world.advance(2)
        for number in (0, MANY - 1):
            self.assertEqual(self.parent.read("asker", f"a.b{number}", "c", now - 1, now), {now: number})

    def test_leaves(self) -> None:
        """
        What a child says before it leaves is taken in, however much it is.
        """
        self.asker.say(_definitions(0, MANY))
        self.asker.leave()
        self.world.advance(1)
        self.assertEqual(self.charts(), MANY)

    def test_mistake(self) -> None:
        """
        What comes before a bad line is taken in, and nothing that follows it.
        """
        self.asker.say(_definitions(0, MANY) + b"CHART\n" + _definitions(MANY, 2 * MANY))
        self.world.advance(1)
        self.assertTrue(self.asker.closed)
        self.assertEqual(self.charts(), MANY)
        self.assertEqual(sum("closed: " in text for text in self.logged), 1, self.logged)

    def test_more_comes(self) -> None:
        """
        What is delivered meanwhile, as TLS does with the rest of a read, comes
        after what was there before.
        """
        text = _definitions(0, MANY)
        intake = self.said(text[:-7])
        for rest in (text[-7:], _definitions(MANY, MANY + 50)):
            intake.receive(rest, self.world.now)
        self.assertLess(self.charts(), MANY)
        self.world.advance(1)
        self.assertEqual(self.charts(), MANY + 50)

    def test_stops(self) -> None:
        """
        A node can stop while it deals with something.
        """
        self.said(_definitions(0, MANY))
        self.parent.stop()
        self.world.advance(1)
        self.assertEqual([text for text in self.logged if "mistake" in text or "Unhandled" in text], [])

    def test_own_mistake(self) -> None:
        """
        A connection of which something cannot be dealt with is closed, and the
        others go on.
        """
        self.said(_definitions(0, MANY))
        host = self.host(self.parent)

        def fail(update: object) -> None:
            raise ZeroDivisionError("no")

        apply, host.apply = host.apply, fail  # type: ignore[method-assign,assignment]
        self.assertRaises(ZeroDivisionError, self.world.advance, 1)
        host.apply = apply  # type: ignore[method-assign]
        self.world.advance(1)
        self.assertTrue(self.asker.closed)
        other = self.child(self.parent, machine_guid="88888888-9999-4999-8999-999999999999", hostname="other")
        other.say(_definitions(0, 10))
        self.world.advance(1)
        self.assertEqual(len(self.host(self.parent, "88888888-9999-4999-8999-999999999999").charts), 10)

    def test_pieces(self) -> None:
        """
        The first samples of many series come in pieces.
        """
        self.asker.say(_definitions(0, MANY))
        self.world.advance(1)
        now = int(self.world.now)
        lines = [f"BEGIN2 a.b{number} 1 {now} #\nSET2 c {number} # A\nEND2\n" for number in range(MANY)]
        text = "".join(lines).encode()
        applied: list[int] = []
        host = self.host(self.parent)
        host.subscribe(lambda update: applied.append(len(getattr(update, "series", ()))))
        self.intakes[-1].receive(text * (3 * PIECE // len(text) + 1), self.world.now)
        self.world.advance(1)
        self.assertGreater(len([count for count in applied if count]), 2)
        self.assertEqual(self.parent.read("asker", f"a.b{MANY - 1}", "c", now - 1, now), {now: MANY - 1})
