"""
Tests for all children coming at once.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint

from netstream.config.settings import Destination, StreamSettings
from netstream.db import NoneDB
from netstream.hub.hub import Host
from netstream.model.chart import Chart, Dimension
from netstream.model.host import HostInfo
from netstream.model.updates import ChartDefined
from netstream.streaming.uplink import Uplink
from netstream.testing import KEY
from tests.streaming.case import WorldCase

MANY = 300


class StormTests(WorldCase):
    """
    A parent with hundreds of children.
    """

    def uplinks(self, *parents: str, count: int = MANY) -> list[Uplink]:
        """
        @return: As many children, each of which has begun to stream.
        """
        machine: Any = self.world.network.machine("children")

        def endpoint(destination: Destination, timeout: float) -> IStreamClientEndpoint:
            return HostnameEndpoint(machine, destination.host, destination.port, timeout=timeout)

        destinations = tuple(Destination(name, "tcp", name, 19999) for name in parents)
        settings = StreamSettings(True, destinations, KEY, compression=False)
        found = []
        for number in range(count):
            host = Host(HostInfo(f"11111111-1111-4111-8111-{number:012x}", f"child-{number}"), NoneDB(), local=True)
            host.apply(ChartDefined(Chart("c.d", dimensions={"a": Dimension("a")})))
            uplink = Uplink(host, settings, machine, endpoint, self.world.random.random)
            uplink.startService()
            self.addCleanup(uplink.stopService)
            found.append(uplink)
        return found

    def connected(self, uplinks: list[Uplink], parent: str) -> int:
        return sum(uplink.connected is not None and uplink.connected.text == parent for uplink in uplinks)

    def test_restart(self) -> None:
        """
        After a restart of their parent all children are back within half a
        minute, at a pace, and none was refused.
        """
        parent = self.world.node("parent", "parent", mode="none")
        uplinks = self.uplinks("parent")
        self.world.advance(20)
        self.assertEqual(self.connected(uplinks, "parent"), MANY)
        self.world.advance(40)
        parent.stop()
        self.world.advance(30)
        self.assertEqual(self.connected(uplinks, "parent"), 0)
        self.logged.clear()
        parent.start()
        seconds = []
        for _ in range(30):
            seconds.append(self.connected(uplinks, "parent"))
            self.world.advance(1)
        self.assertEqual(self.connected(uplinks, "parent"), MANY)
        self.assertLess(max(after - before for before, after in zip(seconds, seconds[1:], strict=False)), MANY // 2)
        self.assertEqual([text for text in self.logged if "cannot stream" in text and "connect" not in text], [])

    def test_slow_pace(self) -> None:
        """
        With a pace that is too slow for all of them at once, those who have to
        go away come back, and all are there in the end.
        """
        self.world.node("parent", "parent", mode="none", conf="[web]\n    accept a streaming request every = 1\n")
        uplinks = self.uplinks("parent", count=60)
        self.world.advance(20)
        first = self.connected(uplinks, "parent")
        self.assertGreater(first, 15)
        self.assertLess(first, 25)
        self.world.advance(240)
        self.assertEqual(self.connected(uplinks, "parent"), 60)

    def test_fails_over(self) -> None:
        """
        When one of two parents ends, all its children are with the other
        within seconds.
        """
        a = self.world.node("a", "parent", mode="none")
        self.world.node("b", "parent", mode="none")
        uplinks = self.uplinks("a", "b")
        self.world.advance(40)
        self.assertEqual(self.connected(uplinks, "a") + self.connected(uplinks, "b"), MANY)
        self.assertGreater(self.connected(uplinks, "a"), MANY // 3)
        self.assertGreater(self.connected(uplinks, "b"), MANY // 3)
        a.stop()
        self.world.advance(3)
        self.assertEqual(self.connected(uplinks, "b"), MANY)
