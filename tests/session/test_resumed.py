"""
Tests for how collection goes on after the past was told: what real agents say
at that moment, byte for byte.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netstream.model.chart import Algorithm, Chart, Dimension
from netstream.model.pattern import SimplePattern
from netstream.model.samples import SampleBatch, SeriesTable
from netstream.model.updates import HistoryComplete, HistorySought, Update
from netstream.session.errors import ProtocolError
from netstream.session.receiver import Receiver
from netstream.session.replication import Replication
from netstream.session.sender import Sender
from netstream.wire.capabilities import Capability
from netstream.wire.replication_lines import ReplayChart

AGREED = Capability.VCAPS | Capability.HLABELS | Capability.CLABELS | Capability.REPLICATION
T = 1_795_359_540

DEFINED = f"""\
CHART "a.b" "" "t" "u" "f" "c" "line" 1 1 "" "p" "m"
DIMENSION "abs" "abs" "absolute" 1 1 ""
DIMENSION "inc" "inc" "incremental" 1 1 ""
CHART_DEFINITION_END {T - 9} {T} {T}
"""


def answered(rows: range, collected: int, updated: int, second: int) -> str:
    """
    @param second: Of the values that the state is of.
    @return: An answer of a 1.37.1 child.
    """
    lines = ['RBEGIN "a.b"']
    for time in rows:
        lines += [f"RBEGIN '' {time - 1} {time} {T + 1}", f'RSET "abs" {time % 1000}.0 ""', 'RSET "inc" 7.0 ""']
    lines += [
        f'RDSTATE "abs" {collected} {second % 1000} {second % 1000}.0 {second % 1000}.0',
        f'RDSTATE "inc" {collected} {7 * (second - T)} 2.1 7.0',
        f"RSSTATE {collected} {updated}",
        f"REND 1 {T - 9} {second} true {T - 1} {second} {T + 1}\n",
    ]
    return "\n".join(lines)


def live(second: int) -> str:
    return f'BEGIN "a.b" 1000000\nSET "abs" = {second % 1000}\nSET "inc" = {7 * (second - T)}\nEND\n'


class TornTests(SynchronousTestCase):
    """
    A 1.37.1 child takes no lock when it tells where a collection stands.
    """

    def setUp(self) -> None:
        self.replication = Replication(86400, 600)
        self.table = SeriesTable("11111111-1111-4111-8111-111111111111")
        self.one = Receiver(self.table, AGREED, replication=self.replication)
        self.values: dict[str, dict[int, float]] = {"abs": {}, "inc": {}}

    def hear(self, text: str) -> list[Update]:
        """
        @return: What was said but for samples, which are kept, the later ones
            over the earlier ones.
        """
        updates = list(self.one.receive(text.encode(), T + 1.3))
        for update in updates:
            if isinstance(update, SampleBatch):
                for number, time, value in zip(update.series, update.time, update.value, strict=True):
                    self.values[self.table[int(number)][1]][int(time)] = float(value)
        return [update for update in updates if not isinstance(update, SampleBatch)]

    def ask(self) -> list[ReplayChart]:
        self.replication.found(dict.fromkeys(self.replication.wanting(), T - 2))
        return self.replication.requests(T + 1.3)

    def test_asked_once_more(self) -> None:
        """
        A second that is told neither among the rows nor live, since the state
        was told in the middle of its collection, is asked for, and no value
        of the seconds about it is wild.
        """
        self.hear(DEFINED)
        self.assertEqual(self.ask(), [ReplayChart("a.b", True, T - 2, T)])
        # The time of the collection of T + 1 is told, but not its values, nor that it stored them.
        torn = answered(range(T - 1, T + 1), (T + 1) * 1_000_000 + 300_000, T * 1_000_000, T)
        self.assertEqual(self.hear(torn), [])
        self.assertEqual(self.ask(), [ReplayChart("a.b", True, T, T)])
        whole = answered(range(T + 1, T + 2), (T + 1) * 1_000_000 + 300_000, (T + 1) * 1_000_000, T + 1)
        self.assertEqual(self.hear(whole), [HistoryComplete("a.b")])
        self.hear(live(T + 2) + live(T + 3))
        seconds = range(T - 1, T + 4)
        self.assertEqual(self.values["abs"], {time: time % 1000 for time in seconds})
        self.assertEqual(sorted(self.values["inc"]), list(seconds))
        for value in self.values["inc"].values():
            self.assertAlmostEqual(value, 7.0)

    def test_live_between(self) -> None:
        """
        The same where the next second is told live before the second answer.
        """
        self.hear(DEFINED)
        self.ask()
        self.hear(answered(range(T - 1, T + 1), (T + 1) * 1_000_000 + 300_000, T * 1_000_000, T))
        self.ask()
        self.hear(live(T + 2))
        self.assertEqual(self.values["abs"].get(T + 1), None)
        whole = answered(range(T + 1, T + 3), (T + 2) * 1_000_000 + 300_000, (T + 2) * 1_000_000, T + 2)
        self.assertEqual(self.hear(whole), [HistoryComplete("a.b")])
        self.hear(live(T + 3))
        self.assertEqual(self.values["abs"], {time: time % 1000 for time in range(T - 1, T + 4)})
        for value in self.values["inc"].values():
            self.assertAlmostEqual(value, 7.0)

    def test_state(self) -> None:
        """
        What we tell our own parent of it has no point due before the last
        collection, of which such a parent would make 1.8e13 times the
        difference of two values.
        """
        self.hear(DEFINED)
        self.ask()
        self.hear(answered(range(T - 1, T + 1), (T + 1) * 1_000_000 + 300_000, T * 1_000_000, T))
        state = self.one.state("a.b")
        assert state is not None
        self.assertEqual(state.collected_at, (T + 1) * 1_000_000 + 300_000)
        self.assertEqual(state.updated_at, (T + 1) * 1_000_000)

    def test_spelled_otherwise(self) -> None:
        """
        However a child writes where its collection stands, it goes on there.
        """
        plain = answered(range(T - 1, T + 1), T * 1_000_000 + 300_000, T * 1_000_000, T)
        states = []
        for text in (
            plain,
            plain.replace("RDSTATE ", " RDSTATE  "),
            plain.replace('"abs"', "abs").replace("RSSTATE", "\tRSSTATE"),
            plain.replace('RDSTATE "inc"', "RDSTATE SLOT:#C 'inc'"),
        ):
            self.setUp()
            self.hear(DEFINED)
            self.ask()
            self.assertEqual(self.hear(text), [HistoryComplete("a.b")])
            states.append(self.one.state("a.b"))
        assert states[0] is not None
        self.assertEqual(len(states[0].dimensions), 2)
        self.assertEqual(states, states[:1] * 4)

    def test_wrong_state(self) -> None:
        """
        A child that tells where a collection of nothing stands is cut off,
        with the reason.
        """
        wrong = answered(range(0), T * 1_000_000, T * 1_000_000, T)
        for text, reason in (
            (wrong.replace('"abs"', '"other"'), "unknown dimension"),
            (wrong.replace('RBEGIN "a.b"\n', ""), "without an answer"),
            (wrong.replace('"abs"', ""), "unknown dimension"),
        ):
            self.setUp()
            self.hear(DEFINED)
            self.ask()
            self.assertIn(reason, str(self.assertRaises(ProtocolError, self.hear, text)))

    def test_bounded(self) -> None:
        """
        A child that never says anything else is not asked for ever.
        """
        self.hear(DEFINED)
        torn = answered(range(0), (T + 1) * 1_000_000 + 300_000, T * 1_000_000, T)
        for _asked in range(100):
            if not self.ask():
                break
            self.hear(torn)
        self.assertLess(_asked, 30)
        self.assertNotIn("a.b", self.replication)


class UnknownStateTests(SynchronousTestCase):
    """
    A proxy that was started again knows charts of which it has heard nothing
    yet, and may have told its parent so.
    """

    def test_announced_again(self) -> None:
        """
        When its own child has told where the collection stands, a version 1
        parent hears it, also if no sample was missing: else it would take a
        counter for what it grew by.
        """
        chart = Chart("a.b", dimensions={"inc": Dimension("inc", algorithm=Algorithm.INCREMENTAL)})
        one = Sender(AGREED, "11111111-1111-4111-8111-111111111111", SimplePattern.parse("*"))
        one.start([chart])
        one.announce(["a.b"], {"a.b": (T - 9, T)}, T)
        one.begin("a.b", 0)
        self.assertTrue(one.live("a.b"))
        one.send(HistorySought("a.b"))
        one.send(HistoryComplete("a.b"))
        self.assertFalse(one.live("a.b"))
        self.assertEqual(one.waiting(), ["a.b"])
