"""
Tests for what keys and hosts may use up.
"""

from __future__ import annotations

from pathlib import Path

from netstream.config import load
from netstream.config.errors import ConfigError
from netstream.config.settings import Quota
from netstream.hub.hub import Link
from netstream.model.host import HostInfo
from netstream.model.identity import fingerprint
from netstream.streaming.quotas import AWAY_FOR, BURST, Quotas
from netstream.testing import KEY
from netstream.wire.handshake import Refusal
from tests.streaming.case import CHART, GUID, ScriptedChild, WorldCase

OTHER = "12121212-3434-4565-8787-909090909090"


def section(key: str, *lines: str, kind: str = "api") -> str:
    """
    @return: A section that admits, with more lines.
    """
    return "\n".join((f"[{key}]", f"type = {kind}", "enabled = yes", *lines, ""))


def guid(number: int) -> str:
    """
    @return: One of many machine GUIDs.
    """
    return f"{number:08x}{GUID[8:]}"


class QuotaTests(WorldCase):
    """
    Quotas of keys and of machine GUIDs.
    """

    def accepted(self, child: ScriptedChild) -> bool:
        return child.received.startswith(b"Hit me") and not child.closed

    def test_zero(self) -> None:
        """
        A limit of 0 could mean none or nobody, so the start asks which; a line without a number is none.
        """
        for option in ("max nodes", "max metrics", "max samples per second"):
            for guid, kind in ((OTHER, "api"), (GUID, "machine")):
                directory = Path(self.mktemp())
                directory.mkdir()
                (directory / "stream.conf").write_text(section(guid, f"{option} = 0", kind=kind))
                with self.assertRaisesRegex(ConfigError, f"{option}: 0 is no limit; leave the line out"):
                    load("parent", directory, directory)

    def test_nodes(self) -> None:
        """
        A key lets so many nodes in at once; the next is refused and told so,
        others with another key are not, and there is room when one leaves.
        """
        parent = self.world.node("parent", "parent", stream=section(OTHER, "max nodes = 2"))
        first, second = (self.child(parent, key=OTHER, machine_guid=guid(n)) for n in range(2))
        self.assertTrue(self.accepted(first) and self.accepted(second))
        third = self.child(parent, key=OTHER, machine_guid=guid(3))
        self.assertEqual((third.received, third.closed), (Refusal.QUOTA.line(), True))
        self.assertIn(f"API key {fingerprint(OTHER)} has its 2 nodes already; change 'max nodes'", self.logged[-1])
        self.assertIn("stream.conf:", self.logged[-1])
        self.assertTrue(self.accepted(self.child(parent, machine_guid=guid(4))))
        first.leave()
        self.world.advance(1)
        self.assertTrue(self.accepted(self.child(parent, key=OTHER, machine_guid=guid(3))))

    def test_nodes_of_workers(self) -> None:
        """
        Nodes that another process of this one has count as well.
        """
        parent = self.world.node("parent", "parent", stream=section(OTHER, "max nodes = 1"))
        streaming = parent.service._parent
        assert streaming is not None
        settings = parent.service.settings.admit(OTHER, guid(1), "127.0.0.1", self.world.now)
        streaming.admitted[guid(1)] = settings
        host = parent.hub.mirror(HostInfo(guid(1), "there"), parent.hub.local.db)
        host.link = Link("127.0.0.1:1", self.world.now)
        parent.hub.tell(host)
        refused = self.child(parent, key=OTHER, machine_guid=guid(2))
        self.assertEqual((refused.received, refused.closed), (Refusal.QUOTA.line(), True))
        host.link = None
        parent.hub.tell(host)
        self.assertTrue(self.accepted(self.child(parent, key=OTHER, machine_guid=guid(2))))

    def test_metrics(self) -> None:
        """
        A host that defines more metrics than its key may have is closed with
        the reason, and stays away for a while.
        """
        parent = self.world.node("parent", "parent", stream=section(OTHER, "max metrics = 3"))
        child, more = (self.child(parent, key=OTHER, machine_guid=guid(n)) for n in range(2))
        for number in range(2):
            child.say(CHART.replace(b"a.b", b"a.b%d" % number))
            child.sample(self.world.now, chart=f"a.b{number}")
        more.say(CHART)
        more.sample(self.world.now)
        self.world.advance(2)
        self.assertFalse(child.closed or more.closed)
        more.say(CHART.replace(b"a.b", b"a.c"))
        more.sample(self.world.now, chart="a.c")
        self.world.advance(2)
        self.assertTrue(more.closed)
        self.assertFalse(child.closed)
        said = f"API key {fingerprint(OTHER)} may have 3 metrics, and this would be 4"
        self.assertIn(said, " ".join(self.logged))
        again = self.child(parent, key=OTHER, machine_guid=guid(1))
        self.assertEqual(again.received, Refusal.QUOTA.line())

    def test_samples(self) -> None:
        """
        A host that sends faster than it may has to wait, and in the end all
        is there.
        """
        parent = self.world.node("parent", "parent", stream=section(OTHER, "max samples per second = 5"))
        child = self.child(parent, key=OTHER)
        child.say(CHART)
        begin = self.world.now - 400
        for second in range(200):
            child.sample(begin + second)
            self.world.advance(0.01)
        host = self.host(parent)
        stored = self.successResultOf(host.db.bounds(GUID))["a.b"]
        self.assertLess(stored.last, begin + 199)
        self.assertIn("asker has to wait: API key", " ".join(self.logged))
        self.world.advance(60)
        stored = self.successResultOf(host.db.bounds(GUID))["a.b"]
        self.assertEqual((stored.last, child.closed), (begin + 199, False))
        self.assertEqual(sum("has to wait" in line for line in self.logged), 1)
        child.leave()

    def test_machine(self) -> None:
        """
        A machine GUID can have a quota of its own, besides that of its key.
        """
        conf = section(OTHER, "max metrics = 10") + section(GUID, "max metrics = 1", kind="machine")
        parent = self.world.node("parent", "parent", stream=conf)
        small, other = self.child(parent, key=OTHER), self.child(parent, key=OTHER, machine_guid=guid(1))
        for child in (small, other):
            for name in (b"a.b", b"a.c"):
                child.say(CHART.replace(b"a.b", name))
                child.sample(self.world.now, chart=name.decode())
        self.world.advance(2)
        self.assertEqual((small.closed, other.closed), (True, False))
        self.assertIn(f"machine GUID {GUID} may have 1 metrics", " ".join(self.logged))

    def test_no_effect(self) -> None:
        """
        A number of nodes for a machine GUID is warned of, and without quotas
        nothing is counted.
        """
        parent = self.world.node("parent", "parent", stream=section(GUID, "max nodes = 1", kind="machine"))
        self.assertIn("max nodes: no effect for a machine GUID", " ".join(parent.service.settings.warnings))
        self.assertTrue(self.accepted(self.child(parent, key=KEY)))


class AccountTests(WorldCase):
    """
    L{Quotas} alone.
    """

    def test_bounded(self) -> None:
        """
        What is kept of quotas ends with who uses them.
        """
        quotas, quota = Quotas(), (Quota(metrics=5, samples=10, of="key"),)
        for number in range(100):
            quotas.enter(guid(number), quota, 0, float(number))
            quotas.leave(guid(number))
        self.assertEqual((quotas._accounts, quotas._held), ({}, {}))

    def test_debt(self) -> None:
        """
        Who leaves while it has to wait does not begin anew with a full purse.
        """
        quotas, quota = Quotas(), (Quota(samples=10, of="key"),)
        quotas.enter(GUID, quota, 0, 0.0)
        wait, _ = quotas.take(GUID, int(10 * BURST) + 100, 0.0)
        self.assertEqual(wait, 10.0)
        quotas.leave(GUID)
        quotas.enter(GUID, quota, 0, 1.0)
        wait, _ = quotas.take(GUID, 0, 1.0)
        self.assertEqual(wait, 9.0)

    def test_again(self) -> None:
        """
        A host that was too large is let in again after some minutes, or once
        its quota is gone.
        """
        quotas, quota = Quotas(), (Quota(metrics=5, of="key", place="f:1"),)
        quotas.enter(GUID, quota, 5, 0.0)
        self.assertIn("may have 5 metrics, and this would be 6", quotas.define(GUID, 6, 0.0))
        quotas.leave(GUID)
        self.assertIn("this would be 6", quotas.refusal(GUID, quota, 5, 1.0))
        self.assertEqual(quotas.refusal(GUID, (), 5, 1.0), "")
        self.assertEqual(quotas.refusal(GUID, quota, 5, AWAY_FOR + 1), "")
