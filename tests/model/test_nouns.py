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
