"""
A child, a proxy and a parent, as real services on a simulated network.
"""

from pathlib import Path
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netstream.testing import KEY, World, WorldNode
from netstream.testing.world import BEGINNING

START = int(BEGINNING)


class WorldCase(SynchronousTestCase):
    """
    A world that is stopped at the end.
    """

    def world(self, **options: Any) -> World:
        directory = Path(self.mktemp())
        directory.mkdir(parents=True)
        world = World(directory, **options)
        self.addCleanup(world.stop)
        return world

    def assert_same(self, one: WorldNode, other: WorldNode, node: str, after: int, before: int) -> None:
        """
        Both have the same samples of a node's clock, one a second.
        """
        for dimension in ("second", "count"):
            expected = one.read(node, "test.clock", dimension, after, before)
            self.assertEqual(sorted(expected), list(range(after + 1, before + 1)))
            self.assertEqual(other.read(node, "test.clock", dimension, after, before), expected)


class StreamingTests(WorldCase):
    """
    Samples travel from node to node.
    """

    def test_child_to_parent(self) -> None:
        """
        What a child collects, its parent stores at the same second with the
        same value.
        """
        world = self.world()
        parent = world.node("parent", "parent")
        child = world.node("child", "child", destination="parent")
        world.advance(20)
        self.assertTrue(parent.hub.find("child").online)
        self.assert_same(child, parent, "child", START + 5, START + 19)
        self.assertEqual(parent.hub.find("child").charts, child.hub.local.charts)

    def test_values(self) -> None:
        """
        A second's sample is the value of that second.
        """
        world = self.world()
        node = world.node("one")
        world.advance(10)
        found = node.read("one", "test.clock", "second", START + 3, START + 9)
        self.assertEqual(found, {t: float(t) for t in range(START + 4, START + 10)})

    def test_proxy(self) -> None:
        """
        A proxy passes a child's samples on and introduces the child with one
        hop more, with a database of its own or without.
        """
        for mode in ("ram", "none"):
            with self.subTest(mode=mode):
                world = self.world()
                parent = world.node("parent", "parent")
                world.node("proxy", "proxy", destination="parent", mode=mode)
                child = world.node("child", "child", destination="proxy")
                world.advance(30)
                self.assert_same(child, parent, "child", START + 10, START + 29)
                self.assertEqual([parent.hub.find(n).info.hops for n in ("parent", "proxy", "child")], [0, 1, 2])

    def test_every_cut_of_the_bytes(self) -> None:
        """
        Nothing depends on how the network cuts what is sent.
        """
        random = Random(7)
        world = self.world(chunk=lambda size: random.randint(1, min(size, 40)))
        parent = world.node("parent", "parent")
        child = world.node("child", "child", destination="parent")
        world.advance(20)
        self.assert_same(child, parent, "child", START + 10, START + 19)

    def test_definitions_follow(self) -> None:
        """
        A chart that appears while streaming appears at the parent too, and
        its labels, variables and host labels with it.
        """
        world = self.world()
        parent = world.node("parent", "parent", conf="")
        child = world.node("child", "child", destination="parent", conf="[host labels]\n    rack = r7\n")
        world.advance(5)
        child.say(
            "CHART new.one '' 'New & \"quoted\"' things fam new.one stacked 7 1 '' p m\n"
            "CLABEL where here 1\nCLABEL_COMMIT\nDIMENSION a 'A name' absolute 1 10\nVARIABLE CHART limit = 9\n"
        )
        for _ in range(3):
            child.say("BEGIN new.one 1000000\nSET a = 50\nEND\n")
            world.advance(1)
        here, there = child.hub.local, parent.hub.find("child")
        self.assertEqual(there.charts["new.one"].labels["where"].value, "here")
        self.assertEqual(there.charts["new.one"].dimensions, here.charts["new.one"].dimensions)
        self.assertEqual(there.variables[("new.one", "limit")], 9.0)
        self.assertEqual(there.labels["rack"].value, "r7")
        self.assertEqual(there.latest.of(there.table.find("new.one", "a"))[1], 5.0)


class ConnectionTests(WorldCase):
    """
    Nodes find each other, lose each other and come back.
    """

    def test_fails_over(self) -> None:
        """
        When a parent stops, the child streams to the other of its list.
        """
        world = self.world()
        first = world.node("first", "parent")
        second = world.node("second", "parent")
        world.node("child", "child", destination="first second")
        world.advance(10)
        if first.hub.find("child") is None:
            first, second = second, first
        self.assertIsNone(second.hub.find("child"))
        first.stop()
        world.advance(10)
        self.assertTrue(second.hub.find("child").online)

    def test_comes_back(self) -> None:
        """
        When a parent starts again, its child returns by itself.
        """
        world = self.world()
        parent = world.node("parent", "parent")
        world.node("child", "child", destination="parent")
        world.advance(5)
        parent.stop()
        world.advance(60)
        parent.start()
        world.advance(40)
        self.assertTrue(parent.hub.find("child").online)

    def test_silence(self) -> None:
        """
        When the network is cut in silence, the parent notices, lists the child
        as offline, and takes it back.
        """
        world = self.world()
        parent = world.node("parent", "parent")
        child = world.node("child", "child", destination="parent")
        world.advance(5)
        world.cut(parent, child)
        world.advance(70)
        self.assertFalse(parent.hub.find("child").online)
        world.heal(parent, child)
        world.advance(90)
        self.assertTrue(parent.hub.find("child").online)

    def test_restart_of_a_child_through_a_proxy(self) -> None:
        """
        A child that restarts is forwarded again.
        """
        world = self.world()
        parent = world.node("parent", "parent")
        world.node("proxy", "proxy", destination="parent", mode="none")
        child = world.node("child", "child", destination="proxy")
        world.advance(10)
        child.stop()
        world.advance(5)
        self.assertFalse(parent.hub.find("child").online)
        child.start()
        world.advance(10)
        self.assertTrue(parent.hub.find("child").online)

    def test_second_connection(self) -> None:
        """
        A second connection with the GUID of a child that streams is refused
        and harms nothing.
        """
        world = self.world()
        parent = world.node("parent", "parent")
        child = world.node("child", "child", destination="parent")
        world.advance(5)
        guid = child.hub.local.info.guid
        request = f"STREAM key={KEY}&hostname=twin&machine_guid={guid}&ver=704 HTTP/1.1\r\n\r\n"
        self.assertEqual(parent.exchange(request.encode()), b"This GUID is already streaming to this server")
        world.advance(5)
        self.assertEqual(parent.hub.get(guid).info.hostname, "child")
        self.assert_same(child, parent, "child", START + 5, START + 9)


class RefusalTests(WorldCase):
    """
    Who should not stream does not, and learns nothing.
    """

    def setUp(self) -> None:
        self.one = self.world()
        self.parent = self.one.node(
            "parent",
            "parent",
            stream="[22222222-2222-4222-8222-222222222222]\n type = api\n enabled = no\n"
            "[33333333-3333-4333-8333-333333333333]\n type = api\n enabled = yes\n allow from = 192.0.2.*\n"
            "[44444444-4444-4444-8444-444444444444]\n type = machine\n enabled = yes\n",
        )

    def ask(self, **changes: str) -> bytes:
        parameters = {
            "key": KEY,
            "hostname": "asker",
            "machine_guid": "99999999-9999-4999-8999-999999999999",
            "ver": "704",
            **changes,
        }
        query = "&".join(f"{name}={value}" for name, value in parameters.items() if value)
        return self.parent.exchange(f"STREAM {query} HTTP/1.1\r\nUser-Agent: x/1\r\n\r\n".encode())

    def test_accepted(self) -> None:
        """
        The same request with a good key is accepted, by the reply alone.
        """
        self.assertEqual(self.ask(), b"Hit me baby, push them over with the version=704")

    def test_one_reply_for_all(self) -> None:
        """
        An unknown, disabled, restricted or wrong kind of key, and a malformed
        request, get the same reply.
        """
        denied = b"You are not permitted to access this. Check the logs for more info."
        for changes in (
            {"key": "11111111-1111-4111-8111-111111111111"},
            {"key": "22222222-2222-4222-8222-222222222222"},
            {"key": "33333333-3333-4333-8333-333333333333"},
            {"key": "44444444-4444-4444-8444-444444444444"},
            {"key": self.parent.hub.local.info.guid},
            {"key": ""},
            {"key": "x"},
            {"machine_guid": ""},
            {"machine_guid": "." * 36},
            {"hostname": ""},
        ):
            with self.subTest(**changes):
                self.assertEqual(self.ask(**changes), denied)

    def test_own_guid(self) -> None:
        """
        A node does not take its own GUID from elsewhere.
        """
        reply = self.ask(machine_guid=self.parent.hub.local.info.guid)
        self.assertEqual(reply, b"Don't hit me baby, you are trying to stream my localhost back")

    def test_bad_line(self) -> None:
        """
        A bad line closes that connection alone; what was good before it is
        kept.
        """
        child = self.one.node("child", "child", destination="parent")
        self.one.advance(5)
        guid = "99999999-9999-4999-8999-999999999999"
        lines = "CHART a.b\nDIMENSION c\nBEGIN a.b 0\nSET c = 1\nEND\nSET nonsense = 5\n"
        request = f"STREAM key={KEY}&hostname=bad&machine_guid={guid}&ver=704 HTTP/1.1\r\n\r\n{lines}"
        self.parent.exchange(request.encode())
        self.assertIn("a.b", self.parent.hub.get(guid).charts)
        self.assertFalse(self.parent.hub.get(guid).online)
        self.one.advance(5)
        self.assertTrue(self.parent.hub.find("child").online)
        self.assert_same(child, self.parent, "child", START + 6, START + 9)

    def test_ahead_of_time(self) -> None:
        """
        Samples of a clock that is far ahead are refused; honest ones before
        and after are kept.
        """
        guid = "99999999-9999-4999-8999-999999999999"
        now = self.one.now
        lines = "CHART a.b\nDIMENSION c\n" + "".join(
            f"BEGIN2 a.b 1 {time} #\nSET2 c 5 # A\nEND2\n" for time in (now, now + 86400, now + 1)
        )
        request = f"STREAM key={KEY}&hostname=ahead&machine_guid={guid}&ver=17144 HTTP/1.1\r\n\r\n{lines}"
        self.parent.exchange(request.encode())
        found = self.parent.read(guid, "a.b", "c", now - 10, now + 100_000)
        self.assertEqual(found, {now: 5.0, now + 1: 5.0})

    def test_half_a_request(self) -> None:
        """
        Who never completes a request is dropped, and no timer stays.
        """
        before = len(self.one.network.clock.getDelayedCalls())
        self.assertEqual(self.parent.exchange(b"STREAM key=", seconds=11), b"")
        self.assertEqual(len(self.one.network.clock.getDelayedCalls()), before)


class ApiTests(WorldCase):
    """
    The API answers on the same port.
    """

    def test_info(self) -> None:
        """
        A parent names its children, those that are gone as not reachable.
        """
        world = self.world()
        parent = world.node("parent", "parent")
        child = world.node("child", "child", destination="parent")
        world.advance(5)
        self.assertEqual(parent.get("/api/v1/info")["mirrored_hosts"], ["parent", "child"])
        child.stop()
        world.advance(1)
        states = {h["hostname"]: h["reachable"] for h in parent.get("/api/v1/info")["mirrored_hosts_status"]}
        self.assertEqual(states, {"parent": True, "child": False})

    def test_data_of_a_child(self) -> None:
        """
        A child's data is the same from the parent as from itself.
        """
        world = self.world()
        parent = world.node("parent", "parent")
        child = world.node("child", "child", destination="parent")
        world.advance(20)
        query = f"/api/v1/data?chart=test.clock&after={START + 8}&before={START + 18}&options=seconds"
        mine, theirs = child.get(query), parent.get("/host/child" + query)
        self.assertEqual(mine, theirs)
        self.assertEqual(len(mine["data"]), 11)

    def test_restart_keeps_history(self) -> None:
        """
        After a restart of a parent with a database on disk its offline child
        is listed, with its samples.
        """
        world = self.world()
        parent = world.node("parent", "parent", mode="dbengine")
        child = world.node("child", "child", destination="parent")
        world.advance(20)
        child.stop()
        world.advance(2)
        before = parent.read("child", "test.clock", "second", START, START + 30)
        parent.stop()
        parent.start()
        self.assertFalse(parent.hub.find("child").online)
        self.assertEqual(parent.read("child", "test.clock", "second", START, START + 30), before)
        self.assertGreater(len(before), 15)
        self.assertIn("test.clock", parent.get("/host/child/api/v1/charts")["charts"])
