"""
Tests for what netstream nodes replicate beyond what agents do: a new parent
becomes equal to an old one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve

from netstream.db.interfaces import IExchange
from netstream.model.updates import ChartForgotten
from netstream.session.handshake import OFFER
from netstream.testing import WorldNode
from netstream.testing.holdings import exchange_at, holdings, keep
from netstream.wire.capabilities import COMPRESSIONS
from tests.streaming.case import CHART, WorldCase

HOUR, DAY = 3600, 86400

LONG = "    dbengine tier 0 retention time = 30d\n"
SHORT = "    dbengine tier 0 retention time = 6h\n"


class CompletionCase(WorldCase):
    """
    Nodes with databases on disk.
    """

    def exchange(self, node: WorldNode) -> IExchange:
        return exchange_at(node)

    def keep(self, node: WorldNode, owner: str, chart: str, first: int, last: int) -> None:
        """
        Have a node keep samples of a chart of two dimensions.
        """
        keep(self.world, node, owner, chart, first, last)

    def equal(self, child: WorldNode, parent: WorldNode) -> dict[tuple[Any, ...], Any]:
        """
        Wait until a parent has all that its child has, and no more.

        @return: What that is.
        """
        settled = self.world.now - 2 * HOUR
        for _ in range(20):
            self.world.advance(30)
            theirs, mine = holdings(self.world, child, "child"), holdings(self.world, parent, "child")
            oldest = self.exchange(child).oldest(child.hub.local.info.guid)
            theirs, mine = (
                {key: value for key, value in found.items() if oldest[key[0]] <= key[1] < settled}
                for found in (theirs, mine)
            )
            if theirs and theirs == mine:
                break
        wrong = sorted(key for key in {*theirs, *mine} if theirs.get(key) != mine.get(key))
        self.assertEqual(wrong[:20], [])
        return theirs


class NewParentTests(CompletionCase):
    """
    A parent that is new meets a child that keeps much.
    """

    def old_child(self) -> WorldNode:
        """
        @return: A child that has rows of coarser tiers beyond its samples, and
            a chart that was forgotten.
        """
        child = self.world.node("child", "child", mode="dbengine", conf="[db]\n" + LONG, destination="parent")
        now = self.world.now
        self.keep(child, "child", "old.c", now - 2 * DAY, now - 5)
        self.keep(child, "child", "old.gone", now - 30 * HOUR, now - 26 * HOUR)
        self.world.advance(900)
        child.stop()
        path = self.world._directory / "child" / "etc" / "netstream.conf"
        path.write_text(path.read_text().replace(LONG, SHORT))
        child.start()
        child.hub.local.apply(ChartForgotten("old.gone"))
        self.world.advance(2)
        return child

    def test_equal(self) -> None:
        """
        It gets the coarser tiers of the time of which there are no samples
        any more, charts that are collected no more, and nothing twice.
        """
        child = self.old_child()
        parent = self.world.node("parent", "parent", mode="dbengine")
        theirs = self.equal(child, parent)
        self.assertEqual({tier for tier, *_ in theirs}, {0, 1, 2})
        self.assertEqual({key[0] for key in theirs if key[2] == "old.gone"}, {1, 2})
        definitions = self.world.settle(self.exchange(parent).definitions(child.hub.local.info.guid, ["old.gone"]))
        self.assertEqual(
            [(chart.id, chart.obsolete, [*chart.dimensions]) for chart in definitions], [("old.gone", True, ["a", "b"])]
        )
        self.assertNotIn("old.gone", parent.hub.find("child").charts)

    def test_off(self) -> None:
        """
        With C{replicate tiers = no} it gets no more than agents do.
        """
        child = self.old_child()
        parent = self.world.node("parent", "parent", mode="dbengine", conf="[db]\n    replicate tiers = no\n")
        self.world.advance(60)
        guid = child.hub.local.info.guid
        link = parent.hub.find("child").link
        self.assertNotIn("TIERS", link.spoken)
        self.assertEqual(self.exchange(parent).lacks(guid, ["old.c", "old.gone"]), ["old.gone"])


class HoleTests(CompletionCase):
    """
    A parent that misses something in the middle.
    """

    def test_filled(self) -> None:
        """
        What a child learned late comes as well, at the next connection at the
        latest, and what the child does not have stays a gap.
        """
        parent = self.world.node("parent", "parent", mode="dbengine")
        child = self.world.node("child", "child", mode="dbengine", destination="parent")
        now = self.world.now
        self.keep(child, "child", "late.c", now - HOUR, now)
        self.world.advance(60)
        self.assertGreater(len(parent.read("child", "late.c", "a", now - 30, now)), 25)
        self.keep(child, "child", "late.c", now - 5 * HOUR, now - 4 * HOUR)
        self.world.advance(900)
        self.world.network.drop("child", "parent")
        self.world.advance(240)
        for span in ((now - 6 * HOUR, now - 3 * HOUR), (now - 3 * HOUR, now)):
            expected = child.read("child", "late.c", "a", *span)
            self.assertGreater(len(expected), HOUR - 2)
            self.assertLess(len(expected), HOUR + 2)
            self.assertEqual(parent.read("child", "late.c", "a", *span), expected)

    def test_own_stays(self) -> None:
        """
        What a parent has is not replaced by what its child has.
        """
        parent = self.world.node("parent", "parent", mode="dbengine")
        child = self.world.node("child", "child", mode="dbengine", destination="parent")
        now = self.world.now
        self.world.advance(5)
        self.keep(child, "child", "own.c", now - 5 * HOUR, now - 4 * HOUR)
        self.world.advance(900)
        exchange, guid = self.exchange(parent), child.hub.local.info.guid
        where = next(rows for rows in self.exchange(child).kept(guid) if rows.tier == 0 and rows.last < now - 4 * HOUR)
        cells, _ = self.world.settle(self.exchange(child).cells(guid, where, ["own.c"], 0, 1))
        half = where.rows // 2
        expected = [None if value != value else value for value in cells.fields[0, 0].tolist()]
        other = cells.fields + 1000.0
        other[:, :, half:] = np.nan
        some = int(np.count_nonzero(~np.isnan(other)))
        self.assertEqual(self.world.settle(exchange.fill(guid, evolve(cells, fields=other.copy()))), some)
        self.assertEqual(self.world.settle(exchange.fill(guid, evolve(cells, fields=other.copy()))), 0)
        self.world.network.drop("child", "parent")
        self.world.advance(240)
        found = parent.read("child", "own.c", "a", where.start - 1, where.last)
        rows = [found.get(where.start + row) for row in range(where.rows)]
        self.assertEqual(rows[half:], expected[half:])
        self.assertEqual(rows[:half], [None if value is None else value + 1000.0 for value in expected[:half]])


class RogueTests(CompletionCase):
    """
    A child that answers with nonsense.
    """

    def test_nonsense(self) -> None:
        """
        It is logged and ends the questions, not the connection.
        """
        parent = self.world.node("parent", "parent", mode="dbengine")
        for body in (b"{}", b"[" * 100_000, b'{"version":1,"answer":1,"kept":[[0,1,1,1,-5]]}', b"\xff"):
            child = self.child(parent, ver=str(int(OFFER & ~COMPRESSIONS)))
            child.say(CHART + b"CHART_DEFINITION_END 0 0 0\n")
            self.world.advance(1)
            child.say(b"RBEGIN a.b\nREND 1 0 0 true 0 0 0\n")
            self.world.advance(10)
            self.assertIn(b"JSON netstream_tiers\n", child.received)
            self.logged.clear()
            child.say(b"JSON netstream_tiers\n" + body + b"\nJSON_PAYLOAD_END\n")
            self.world.advance(5)
            self.assertEqual(len([text for text in self.logged if "older history is not fetched" in text]), 1, body[:9])
            self.assertFalse(child.closed)
            child.leave()
            self.world.advance(1)


class ChainTests(CompletionCase):
    """
    A child, a proxy and a parent.
    """

    def test_through(self) -> None:
        """
        What a proxy learned of its child reaches the parent above it.
        """
        parent = self.world.node("parent", "parent", mode="dbengine")
        proxy = self.world.node("proxy", "proxy", mode="dbengine", destination="parent")
        child = self.world.node("child", "child", mode="dbengine", destination="proxy")
        now = self.world.now
        self.keep(child, "child", "late.c", now - 8 * HOUR, now - 7 * HOUR)
        child.hub.local.apply(ChartForgotten("late.c"))
        self.world.advance(1200)
        self.world.network.drop("child", "proxy")
        self.world.advance(240)
        self.world.network.drop("proxy", "parent")
        self.world.advance(240)
        expected = child.read("child", "late.c", "b", now - 9 * HOUR, now)
        self.assertGreater(len(expected), HOUR - 2)
        for node in (proxy, parent):
            self.assertEqual(node.read("child", "late.c", "b", now - 9 * HOUR, now), expected, node.name)
