"""
Tests for charts that have been obsolete for long.
"""

from netstream.model.updates import ChartForgotten, Update
from netstream.streaming.parent import SWEPT_EVERY
from tests.streaming.case import CHART, GUID, WorldCase

CONF = "[db]\n    mode = none\n    cleanup obsolete charts after = 5m\n"
PASSING = b"CHART a.%d '' '' '' '' a.b\nDIMENSION c\n"
GONE = b"CHART a.%d '' '' '' '' a.b line 1000 1 obsolete\nDIMENSION c\n"


class ForgettingTests(WorldCase):
    """
    A parent with a child whose charts come and go.
    """

    def setUp(self) -> None:
        super().setUp()
        self.parent = self.world.node("parent", "parent", conf=CONF)
        self.asker = self.child(self.parent)
        self.updates: list[Update] = []
        self.host(self.parent).subscribe(self.updates.append)
        self.say(CHART)

    def say(self, text: bytes) -> None:
        self.asker.say(text)
        self.world.advance(0.5)

    def pass_time(self, seconds: float) -> None:
        """
        Let time pass in which the child goes on.
        """
        for _ in range(round(seconds / 10)):
            self.asker.sample(self.now())
            self.world.advance(10)

    def now(self) -> int:
        return int(self.world.network.clock.seconds())

    def sample(self, chart: int, value: int = 5) -> None:
        self.asker.sample(self.now(), value, chart=f"a.{chart}")
        self.world.advance(0.5)

    def value(self, chart: str) -> float:
        host = self.host(self.parent)
        return host.latest.of(host.table.find(chart, "c"))[1]

    def test_forgotten(self) -> None:
        """
        A chart that has been obsolete for as long as C{cleanup obsolete charts
        after} says is forgotten with all that belongs to it, not before;
        others stay.
        """
        host = self.host(self.parent)
        self.say(PASSING % 1 + b"VARIABLE CHART limit = 5\n")
        self.sample(1)
        self.say(GONE % 1)
        self.pass_time(5 * 60 - 10)
        self.assertTrue(host.charts["a.1"].obsolete)
        self.pass_time(2 * SWEPT_EVERY)
        self.assertNotIn("a.1", host.charts)
        self.assertIn("a.b", host.charts)
        self.assertIsNone(host.table.find("a.1", "c"))
        self.assertFalse(host.variables)
        self.assertEqual([update for update in self.updates if isinstance(update, ChartForgotten)][0].chart_id, "a.1")
        self.assertEqual(self.value("a.b"), 5)

    def test_back_in_time(self) -> None:
        """
        A chart that comes back before that stays.
        """
        for text in (GONE % 1, PASSING % 1):
            self.say(text)
            self.pass_time(4 * 60)
        self.assertFalse(self.host(self.parent).charts["a.1"].obsolete)
        self.pass_time(10 * 60)
        self.assertIn("a.1", self.host(self.parent).charts)

    def test_comes_and_goes(self) -> None:
        """
        Charts that come and go on one connection for days do not fill the
        memory, and no series takes over what was of another.
        """
        host = self.host(self.parent)
        for turn in range(1, 30):
            self.say(PASSING % turn)
            self.assertNotEqual(self.value(f"a.{turn}"), self.value(f"a.{turn}"))
            self.sample(turn, turn)
            self.assertEqual(self.value(f"a.{turn}"), turn)
            self.say(GONE % turn)
            self.pass_time(8 * 60)
        self.assertEqual(set(host.charts), {"a.b"})
        self.assertLess(len(host.table), 5)
        self.assertEqual(self.value("a.b"), 5)
        self.assertFalse(self.asker.closed)

    def test_defined_again(self) -> None:
        """
        A chart that was forgotten can be defined again.
        """
        self.say(GONE % 1)
        self.pass_time(8 * 60)
        self.say(PASSING % 1)
        self.sample(1, 7)
        self.assertEqual(self.value("a.1"), 7)

    def test_samples_of_a_forgotten_chart(self) -> None:
        """
        Samples of it without a definition end the connection: when the child
        comes back it defines all of its charts.
        """
        self.say(GONE % 1)
        self.pass_time(8 * 60)
        self.assertFalse(self.asker.closed)
        self.sample(1)
        self.assertTrue(self.asker.closed)
        self.assertIn("unknown chart", self.logged[-2] + self.logged[-1])

    def test_half_a_definition(self) -> None:
        """
        A definition that stops half-way until its chart is forgotten ends the
        connection, and harms nothing else.
        """
        self.say(GONE % 1)
        self.pass_time(30)
        self.asker.say(GONE % 1)
        for _ in range(60):
            self.asker.say(b"\n")
            self.world.advance(10)
        self.assertNotIn("a.1", self.host(self.parent).charts)
        self.assertTrue(self.asker.closed)


class ProxyTests(WorldCase):
    """
    A proxy between.
    """

    def test_passed_on(self) -> None:
        """
        The numbers of a forgotten chart serve other charts, also on the way to
        the next parent.
        """
        top = self.world.node("top", "parent")
        proxy = self.world.node("proxy", "proxy", destination="top", conf=CONF)
        child = self.child(proxy)
        child.say(CHART)
        for turn in range(1, 6):
            child.say(PASSING % turn)
            child.sample(int(self.world.network.clock.seconds()), turn, chart=f"a.{turn}")
            self.world.advance(2)
            host = self.host(top)
            self.assertEqual(host.latest.of(host.table.find(f"a.{turn}", "c"))[1], turn)
            child.say(GONE % turn)
            for _ in range(48):
                child.sample(int(self.world.network.clock.seconds()))
                self.world.advance(10)
        self.assertLess(len(self.host(proxy).table), 5)


class HistoryTests(WorldCase):
    """
    What is left of a chart that was forgotten.
    """

    def test_history(self) -> None:
        """
        Whoever names it still gets its samples, also after a restart, though
        it is in no list any more.
        """
        conf = "[db]\n    cleanup obsolete charts after = 10s\n"
        parent = self.world.node("parent", "parent", mode="dbengine", conf=conf)
        child = self.child(parent)
        child.say(PASSING % 1)
        now = self.world.now
        for second in range(5):
            child.sample(now + second, 7, chart="a.1")
            self.world.advance(1)
        child.say(GONE % 1)
        for _ in range(round(3 * SWEPT_EVERY / 10)):
            child.say(CHART)
            child.sample(self.world.now)
            self.world.advance(10)
        self.assertNotIn("a.1", self.host(parent).charts)
        target = f"/host/{GUID}/api/v1/data?chart=a.1&after={now}&before={now + 4}&options=raw"
        values = [value for _, value in parent.get(target)["data"]]
        self.assertEqual(values, [7] * 5)
        parent.stop()
        parent.start()
        self.assertEqual([value for _, value in parent.get(target)["data"]], values)
        charts = parent.get(f"/host/{GUID}/api/v1/charts")["charts"]
        self.assertNotIn("a.1", charts)
