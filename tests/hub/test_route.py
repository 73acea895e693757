"""
Tests for L{netstream.hub.route}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netstream.hub.route import Route


def entry(name: str, hops: int, **more: Any) -> dict[str, Any]:
    return {"host_id": name, "hostname": name, "hops": hops, **more}


C, P, Q, R = entry("c", 0), entry("p", 1), entry("q", 2), entry("r", 3)


class RouteTests(SynchronousTestCase):
    """
    Who says what of the way that samples take.
    """

    def setUp(self) -> None:
        self.route = Route()
        self.changes = 0
        self.stop = self.route.listen(self.changed)

    def changed(self) -> None:
        self.changes += 1

    def test_sides(self) -> None:
        """
        The child tells of what is before us, the parent of what is after us,
        and nobody of us.
        """
        self.route.place(P)
        self.assertTrue(self.route.from_child([C, entry("p", 1, old=True), entry("gone", 2)]))
        self.assertEqual(self.route.entries, (C, P))
        self.assertTrue(self.route.from_parent([entry("c", 0, old=True), entry("p", 1, old=True), Q, R]))
        self.assertEqual(self.route.entries, (C, P, Q, R))
        self.assertEqual(self.changes, 3)

    def test_news(self) -> None:
        """
        What is not new is told nobody, so that nodes do not tell each other
        the same for ever.
        """
        self.assertTrue(self.route.place(P))
        self.assertFalse(self.route.place(dict(P)))
        for _ in range(2):
            self.route.from_child([C, P, Q])
            self.route.from_parent([C, P, Q])
        self.assertEqual(self.changes, 3)
        self.stop()
        self.stop()
        self.assertTrue(self.route.from_parent(()))
        self.assertEqual((self.route.entries, self.changes), ((C, P), 3))

    def test_moved(self) -> None:
        """
        A node that comes nearer to the origin forgets who was between.
        """
        self.route.place(Q)
        self.route.from_child([C, P])
        self.route.place(entry("q", 1))
        self.assertEqual([e["host_id"] for e in self.route.entries], ["c", "q"])
        other = Route()
        other.from_child([C, P, Q])
        other.place(P)
        self.assertEqual(other.entries, (C, P))
