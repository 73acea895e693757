"""
The catalog of nodes and charts, and what is left of a damaged one.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.db.dbengine.catalog import (
    Catalog,
    Contents,
    DamagedCatalog,
    NewerVersion,
    StoredChart,
    StoredNode,
    salvaged,
)
from netstream.db.interfaces import Span

NODE = StoredNode(3, "guid", "{}", 60, 7)
CHART = StoredChart(3, "chart.\udcff", "[]", {"x": 0, "\udcfe": 6}, Span(10, 20))


class CatalogTests(SynchronousTestCase):
    """
    What was put is there, or is known to be damaged.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.catalog = Catalog(self.path)
        self.addCleanup(lambda: self.catalog.close())
        self.catalog.put(
            {"guid": 3},
            {"guid": "{}"},
            {("guid", CHART.id): "[]"},
            {"guid": 60},
            {("guid", CHART.id): CHART.series},
        )
        self.catalog.widen([(3, "guid", 7)], [(3, {CHART.id: Span(10, 20)})], [(3, 1, 0)])

    def sql(self, text: str) -> None:
        """
        Change something behind its back.
        """
        with sqlite3.connect(self.path) as db:
            db.execute(text)
        db.close()

    def test_contents(self) -> None:
        """
        All of it is read back, by the next process as well.
        """
        expected = Contents([NODE], [CHART], [(3, 1, 0)], 1)
        self.assertEqual(self.catalog.contents(), expected)
        self.catalog.close()
        self.catalog = Catalog(self.path)
        self.assertEqual(self.catalog.contents(), expected)
        self.assertEqual(list(self.catalog.definitions()), [(NODE, [CHART])])

    def test_many(self) -> None:
        """
        A thousand charts that are new at once are all there, each with its
        own, and as they were put last.
        """
        for title in ("before", "after"):
            charts = {("guid", f"a.{number}"): f"{title} {number}" for number in range(1000)}
            series = {key: {"x": number} for number, key in enumerate(charts)}
            self.catalog.put({"guid": 3}, {}, charts, {}, series)
        found = {chart.id: chart for chart in self.catalog.contents().charts}
        self.assertEqual(len(found), 1001)
        for number in range(1000):
            expected = StoredChart(3, f"a.{number}", f"after {number}", {"x": number}, None)
            self.assertEqual(found[f"a.{number}"], expected)

    def test_restored(self) -> None:
        """
        What was salvaged is as it was.
        """
        found = salvaged(self.path)
        self.catalog.close()
        self.path = Path(self.mktemp())
        self.catalog = Catalog(self.path)
        self.catalog.restore(found)
        contents = self.catalog.contents()
        self.assertEqual((contents.nodes, contents.charts), ([NODE], [CHART]))

    def test_unnamed(self) -> None:
        """
        Numbers count although the node was never put.
        """
        self.catalog.widen([(9, "other", 5)], [], [])
        self.assertEqual(self.catalog.contents().nodes[1], StoredNode(9, "other", None, None, 5))
        self.catalog.widen([(9, "other", 4)], [], [])
        self.assertEqual(self.catalog.contents().nodes[1].numbers, 5)

    def test_forgotten(self) -> None:
        """
        The id of a node that was forgotten is known to be used up.
        """
        self.catalog.forget(3, None, 0)
        self.assertEqual(self.catalog.contents(), Contents([], [], [], 4))

    def test_damaged(self) -> None:
        """
        Whatever text was changed is found; the rest can be salvaged.
        """
        for change, nodes, charts in (
            ("UPDATE node SET guid = 'guie'", 0, 1),
            ("UPDATE node SET id = 4", 0, 1),
            ("UPDATE node SET record = replace(record, '}', ']')", 0, 1),
            ("UPDATE node SET numbers = 'x'", 0, 1),
            ("UPDATE chart SET node = 4", 1, 0),
            ("UPDATE chart SET series = replace(series, '6', '5')", 1, 0),
            ("UPDATE chart SET definition = '0'", 1, 1),
            ("UPDATE chart SET first = 'x'", 1, 0),
            ("UPDATE chart SET id = CAST(id AS TEXT)", 1, 0),
        ):
            self.catalog.close()
            for path in self.path.parent.glob(self.path.name + "*"):
                path.unlink()
            self.catalog = Catalog(self.path)
            self.catalog.restore(Contents([NODE], [CHART]))
            self.sql(change)
            self.assertRaises(DamagedCatalog, self.catalog.contents)
            found = salvaged(self.path)
            self.assertEqual((len(found.nodes), len(found.charts)), (nodes, charts), change)

    def test_older(self) -> None:
        """
        One of version 2 is read as it is, and is of this version, which older
        ones refuse, once it is written to.
        """
        self.catalog.restore(Contents([NODE], [CHART]))
        self.sql("PRAGMA user_version = 2")
        self.catalog.close()
        for writable, version in ((False, 2), (True, 3)):
            self.catalog = Catalog(self.path, writable=writable)
            self.assertEqual(len(self.catalog.contents().charts), 1)
            self.catalog.close()
            db = sqlite3.connect(self.path)
            self.assertEqual(db.execute("PRAGMA user_version").fetchone(), (version,))
            db.close()

    def test_no_catalog(self) -> None:
        """
        Another file is damaged, one of a newer version is not.
        """
        self.catalog.close()
        self.sql("PRAGMA user_version = 77")
        self.assertRaises(NewerVersion, Catalog, self.path)
        self.path.write_bytes(b"something else " * 1000)
        self.assertRaises(DamagedCatalog, Catalog, self.path)
        self.assertEqual(salvaged(self.path), Contents())
        self.path.unlink()
        self.catalog = Catalog(self.path)
