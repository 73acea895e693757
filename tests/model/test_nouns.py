"""
Tests for identity, charts and series.
"""

from twisted.trial.unittest import SynchronousTestCase

from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.identity import fingerprint, guid, new_guid
from netstream.model.samples import SeriesTable


class IdentityTests(SynchronousTestCase):
    """
    Machine GUIDs and the names of secrets.
    """

    def test_guid(self) -> None:
        """
        A UUID in any case is the same in lower case.
        """
        self.assertEqual(guid("AAAAAAAA-aaaa-4AAA-8aaa-AAAAAAAAAAAA"), "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa")
        made = new_guid()
        self.assertEqual(guid(made), made)

    def test_malformed(self) -> None:
        """
        What is not of the form 8-4-4-4-12 is refused, with an example.
        """
        for text in (
            "",
            "." * 36,
            "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa",
            "aaaaaaaaaaaa4aaa8aaaaaaaaaaaaaaaaaaa",
            "a\n",
        ):
            self.assertRaises(ValueError, guid, text)

    def test_fingerprint(self) -> None:
        """
        A secret's name in a log is short and does not contain it.
        """
        key = new_guid()
        self.assertEqual(len(fingerprint(key)), 8)
        self.assertNotEqual(fingerprint(key), key[:8])


class ChartTests(SynchronousTestCase):
    """
    Charts and dimensions with what was left out filled in.
    """

    def test_filled(self) -> None:
        """
        Family, context and names come from the id when they were not given.
        """
        chart = Chart("disk.sda")
        self.assertEqual(
            (chart.type, chart.family, chart.context, chart.name), ("disk", "disk", "disk.sda", "disk.sda")
        )
        self.assertEqual(Dimension("in").name, "in")

    def test_keywords(self) -> None:
        """
        Algorithms are read as they are written, unknown ones as absolute;
        unknown chart types are lines.
        """
        for algorithm in Algorithm:
            self.assertIs(Algorithm.parse(algorithm.keyword), algorithm)
        self.assertIs(Algorithm.parse("magic"), Algorithm.ABSOLUTE)
        self.assertIs(ChartType.parse("magic"), ChartType.LINE)
        self.assertIs(ChartType.parse("stacked"), ChartType.STACKED)


class SeriesTableTests(SynchronousTestCase):
    """
    L{SeriesTable} numbers series.
    """

    def test_numbers_stay(self) -> None:
        """
        A series keeps its number, and a number its series.
        """
        table = SeriesTable("guid")
        first, second = table.number("c", "a"), table.number("c", "b")
        self.assertEqual((first, second, table.number("c", "a")), (0, 1, 0))
        self.assertEqual((table[1], len(table), list(table)), (("c", "b"), 2, [("c", "a"), ("c", "b")]))
        self.assertIsNone(table.find("c", "x"))


class ReleaseTests(SynchronousTestCase):
    """
    Series that come and go.
    """

    def test_numbers_come_again(self) -> None:
        """
        Charts that come and go do not make the table grow for ever; and a
        number keeps its meaning for a while after its chart is gone.
        """
        table = SeriesTable("node")
        kept = table.number("kept", "x")
        for turn in range(100):
            chart = f"chart{turn}"
            numbers = {table.number(chart, "a"), table.number(chart, "b")}
            self.assertEqual(set(table.release(chart)), numbers)
            self.assertEqual({table[number] for number in numbers}, {(chart, "a"), (chart, "b")})
            self.assertIsNone(table.find(chart, "a"))
            self.assertFalse(table.knows(chart))
            self.assertNotIn(table.number("other", "x"), numbers)
            table.release("other")
            table.recycle()
        self.assertLess(len(table), 12)
        self.assertEqual((table.find("kept", "x"), table.living), (kept, 1))

    def test_freed_since(self) -> None:
        """
        Who keeps something by number is told which numbers have another
        meaning now.
        """
        table = SeriesTable("node")
        one, two = table.number("one", "x"), table.number("two", "x")
        before = table.generation
        table.release("one")
        table.recycle()
        self.assertEqual(list(table.freed_since(before)), [])
        table.release("two")
        table.recycle()
        between = table.generation
        self.assertEqual(list(table.freed_since(before)), [one])
        table.recycle()
        self.assertEqual(list(table.freed_since(between)), [two])
        self.assertEqual(set(table.freed_since(before)), {one, two})
        self.assertEqual(list(table.freed_since(table.generation)), [])
