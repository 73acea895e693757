"""
Tests for the choice among several parents, in a world of nodes.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from netstream.streaming.asking import ASK_WITHIN
from netstream.streaming.handover import HELD_FOR
from netstream.testing import WorldNode
from tests.streaming.case import CHART, WorldCase


@implementer(IHostnameResolver)
class Names:
    """
    A name with addresses that a test changes.
    """

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        self.asked += 1
        resolution: Any = None
        resolutionReceiver.resolutionBegan(resolution)
        for address in self.addresses:
            resolutionReceiver.addressResolved(IPv4Address("TCP", address, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution  # type: ignore[no-any-return]


class Deaf(Protocol):
    """
    Takes everything and says nothing.
    """


class ChoiceCase(WorldCase):
    """
    Children and who takes their samples.
    """

    def uplink(self, node: WorldNode, guid: str = "") -> Any:
        forwarder = node.service._forwarder
        assert forwarder is not None
        return forwarder.uplinks[guid or node.hub.local.info.guid]

    def parent_of(self, node: WorldNode) -> str:
        """
        @return: The destination that takes the samples of a node; C{""} is
            none.
        """
        connected = self.uplink(node).connected
        return connected.text if connected is not None else ""

    def assert_no_gap(self, first: int, last: int, *parents: WorldNode) -> None:
        """
        Some parents together have each second of the child's clock, exactly
        once each.
        """
        found: dict[int, float] = {}
        for parent in parents:
            if parent.hub.find("child") is not None:
                found |= parent.read("child", "test.clock", "second", first - 1, last)
        self.assertEqual(found, {second: float(second) for second in range(first, last + 1)})


class RetentionTests(ChoiceCase):
    """
    Parents that say what they have.
    """

    def test_newest_samples_first(self) -> None:
        """
        A child that starts again goes to the parent that has its newest
        samples, wherever that stands in its list.
        """
        a = self.world.node("a", "parent")
        b = self.world.node("b", "parent")
        child = self.world.node("child", "child", destination="b")
        self.world.advance(200)
        child.stop()
        self.assertIsNone(a.hub.find("child"))
        child.destination = "a b"
        for _ in range(4):
            child.start()
            self.world.advance(3)
            self.assertEqual(self.parent_of(child), "b")
            child.stop()
            self.world.advance(20)
        self.assertTrue(b.read("child", "test.clock", "second", 0, self.world.now))

    def test_spread(self) -> None:
        """
        Many children of equal parents spread over them, and stay where they
        are.
        """
        for name in ("a", "b"):
            self.world.node(name, "parent", mode="none")
        children = [self.world.node(f"child-{number}", "child", destination="a b", mode="none") for number in range(24)]
        self.world.advance(5)
        chosen = [self.parent_of(child) for child in children]
        self.assertGreater(chosen.count("a"), 3)
        self.assertGreater(chosen.count("b"), 3)
        self.world.advance(300)
        self.assertEqual([self.parent_of(child) for child in children], chosen)

    def test_fails_over_and_stays(self) -> None:
        """
        When its parent is gone a child is with the other within seconds,
        without a gap, and does not change again when the first is back.
        """
        a = self.world.node("a", "parent")
        b = self.world.node("b", "parent")
        child = self.world.node("child", "child", destination="a b")
        self.world.advance(60)
        first, second = (a, b) if self.parent_of(child) == "a" else (b, a)
        before = self.world.now
        first.stop()
        self.world.advance(2)
        self.assertEqual(self.parent_of(child), second.name)
        self.world.advance(60)
        first.start()
        self.world.advance(120)
        self.assertEqual(self.parent_of(child), second.name)
        self.assert_no_gap(before + 1, self.world.now - 2, second)

    def test_no_information(self) -> None:
        """
        A parent that does not answer the question is tried all the same, and
        costs no more than the limit of asking.
        """
        silent = self.world.network.machine("silent")
        silent.listenTCP(19999, Factory.forProtocol(Deaf))
        self.world.node("b", "parent")
        child = self.world.node("child", "child", destination="silent b", stream="[stream]\n    timeout = 20s\n")
        self.uplink(child)._choice._jitter = iter((0.1, 0.9)).__next__
        self.world.advance(ASK_WITHIN + 1)
        self.assertEqual(self.parent_of(child), "")
        self.world.advance(22)
        self.assertEqual(self.parent_of(child), "b")

    def test_unreachable_is_not_asked_twice(self) -> None:
        """
        A parent that cannot be reached costs the limit of asking, and no
        attempt on top of it.
        """
        self.world.node("b", "parent")
        dead = self.world.node("dead", "parent")
        child = self.world.node("child", "child", destination="nobody")
        child.stop()
        self.world.cut(child, dead)
        child.destination = "dead b"
        child.start()
        self.world.advance(ASK_WITHIN + 1)
        self.assertEqual(self.parent_of(child), "b")

    def test_itself(self) -> None:
        """
        A destination that is the node itself is never streamed to; the others
        are.
        """
        proxy = self.world.node("proxy", "proxy", destination="proxy parent")
        parent = self.world.node("parent", "parent")
        self.child(proxy)
        self.world.advance(30)
        self.assertTrue(self.host(parent, proxy.hub.local.info.guid).online)
        self.assertTrue(self.host(parent).online)
        self.assertTrue(any("it is the host itself" in text for text in self.logged))
        self.assertFalse(any("own machine GUID" in text for text in self.logged))

    def test_stopped_while_asking(self) -> None:
        """
        A child that is stopped while its parents are asked connects to none of
        them any more.
        """
        parent = self.world.node("parent", "parent")
        self.world.visitor.listenTCP(7777, Factory.forProtocol(Deaf))
        child = self.world.node("child", "child", destination="visitor:7777 parent")
        self.world.advance(ASK_WITHIN / 2)
        child.stop()
        self.world.advance(60)
        self.assertIsNone(parent.hub.find("child"))
        self.assertFalse(self.flushLoggedErrors())
        self.assertFalse([text for text in self.logged if text.startswith("child cannot stream")])

    def test_loop(self) -> None:
        """
        Two parents that stream to each other do not send a child's samples
        back to where they came from.
        """
        a = self.world.node("a", "proxy", destination="b")
        b = self.world.node("b", "proxy", destination="a")
        child = self.child(a)
        child.say(CHART)
        for _ in range(30):
            child.sample(self.world.now)
            self.world.advance(1)
        self.assertTrue(self.host(b).online)
        self.logged.clear()
        self.world.advance(300)
        self.assertFalse([text for text in self.logged if "already streaming" in text])


class NameTests(ChoiceCase):
    """
    A destination is a name with several addresses.
    """

    def test_all_addresses(self) -> None:
        """
        Each address of a name is tried, and the name is resolved anew at each
        attempt.
        """
        parent = self.world.node("parent", "parent")
        child = self.world.node("child", "child", destination="nobody")
        child.stop()
        names = Names("10.9.9.9", "10.9.9.8")
        child.machine.installNameResolver(names)
        child.destination = "moving"
        child.start()
        self.world.advance(30)
        self.assertEqual(self.parent_of(child), "")
        asked = names.asked
        self.assertGreater(asked, 1)
        names.addresses = ("10.9.9.9", parent.machine.address)
        self.world.advance(20)
        self.assertEqual(self.parent_of(child), "moving")


class MovingTests(ChoiceCase):
    """
    A child changes its parent.
    """

    def reconsider(self, node: WorldNode) -> bool:
        moved: bool = self.world.settle(Deferred.fromCoroutine(self.uplink(node).reconsider()))
        return moved

    def test_reconsider(self) -> None:
        """
        A child that is told to choose anew moves to another parent without a
        missing second, and keeps the one it has if that is better.
        """
        a = self.world.node("a", "parent")
        child = self.world.node("child", "child", destination="a b")
        self.world.advance(60)
        self.assertEqual(self.parent_of(child), "a")
        b = self.world.node("b", "parent")
        self.assertFalse(self.reconsider(child))
        self.world.advance(5)
        self.assertEqual(self.parent_of(child), "a")
        host = a.hub.find("child")
        assert host is not None
        # As if it had lost what it had: then both are equal, and chance decides.
        self.world.settle(host.db.forget(host.info.guid))
        numbers = iter((0.9, 0.1))
        self.uplink(child)._choice._jitter = lambda: next(numbers)
        self.assertTrue(self.reconsider(child))
        self.uplink(child)._choice._jitter = lambda: 0.5
        begin = self.world.now
        self.world.advance(30)
        self.assertEqual(self.parent_of(child), "b")
        self.assert_no_gap(begin + 1, self.world.now - 2, a, b)

    def test_held_is_bounded(self) -> None:
        """
        What is held while no parent is there are the newest seconds.
        """
        a = self.world.node("a", "parent")
        child = self.world.node("child", "child", destination="a", mode="none")
        self.world.advance(60)
        a.stop()
        begin = self.world.now
        self.world.advance(300)
        handover = self.uplink(child).handover
        self.assertLessEqual(len(handover._held), HELD_FOR + 1)
        a.start()
        self.world.advance(30)
        found = a.read("child", "test.clock", "second", begin, self.world.now)
        self.assertGreater(len(found), HELD_FOR)
        self.assertEqual(len(handover._held), 0)
