"""
Alerts of several nodes in a world: what a break of the connection does, and
who tells people.
"""

from __future__ import annotations

import json
from re import findall
from typing import Any

from twisted.internet.protocol import Factory, Protocol

from netstream.health.alerts import Transition
from netstream.testing import WorldNode
from tests.streaming.case import CHART, ScriptedChild, WorldCase

ROWS = """
template: seconds_there
on: test.clock
lookup: sum -30s unaligned of second
calc: $this / $now
every: 1s
warn: $this < 26
to: sysadmin
"""
"""Of the last 30 seconds, those that are stored."""

LATE = """
template: late
on: test.clock
lookup: max -5s unaligned of second
every: 1s
warn: $this > %d
to: sysadmin
"""

AT_ONCE = "    default postpone alarms on connect seconds = 0\n"


class Sink(Factory[Any]):
    """
    An HTTP server that takes everything.

    @ivar bodies: What it was sent, decoded.
    """

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def buildProtocol(self, addr: object) -> Protocol:
        return _Taker(self.bodies)


class _Taker(Protocol):
    def __init__(self, bodies: list[Any]) -> None:
        self._bodies = bodies
        self._received = b""

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if end and length and len(body) >= int(length[0].split(b":")[1]):
            self._bodies.append(json.loads(body))
            assert self.transport is not None
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.transport.loseConnection()


def transitions(node: WorldNode, of: str) -> list[Transition]:
    """
    @return: What happened to the alerts that a node has of another.
    """
    host = node.hub.find(of)
    assert host is not None and node.service.health is not None
    return list(node.service.health.journal.of(host.info.guid))


class ReconnectTests(WorldCase):
    """
    A parent and a child that lose each other.
    """

    mode = "ram"

    def setUp(self) -> None:
        super().setUp()
        # So that the past takes its time.
        self.world.network.latency = 0.3
        conf = "[db]\n    replication step = 7\n"
        stream = AT_ONCE
        self.parent = self.world.node("parent", "parent", stream=stream, conf=conf, health=ROWS, mode=self.mode)
        self.child_node = self.world.node("child", "child", destination="parent", mode=self.mode)
        self.world.advance(60)

    def statuses(self) -> list[str]:
        return [each.status.name for each in transitions(self.parent, "child") if each.name == "seconds_there"]

    def evaluated(self) -> int:
        host, health = self.parent.hub.find("child"), self.parent.service.health
        assert host is not None and health is not None
        return health.hosts[host.info.guid].alerts["test.clock", "seconds_there"].updated

    def test_cut(self) -> None:
        """
        After a break nobody is told of seconds that were collected but had not arrived yet.
        """
        self.assertEqual(self.statuses(), ["CLEAR"])
        for away in (8, 20, 45, 400):
            self.world.cut(self.parent, self.child_node)
            self.world.advance(away)
            self.world.heal(self.parent, self.child_node)
            self.world.advance(150)
            self.assertNotIn("WARNING", self.statuses())
            self.assertGreater(self.evaluated(), self.world.now - 5)

    def test_parent_restarted(self) -> None:
        """
        A parent that was restarted, and fetches what it missed, alerts of none of it.
        """
        for away in (5, 25, 70):
            self.parent.stop()
            self.world.advance(away)
            self.parent.start()
            self.world.advance(100)
            self.assertNotIn("WARNING", self.statuses())
            self.assertGreater(self.evaluated(), self.world.now - 5)

    def test_real_gap(self) -> None:
        """
        Seconds that a child did not collect are told all the same.
        """
        self.child_node.stop()
        self.world.advance(12)
        self.child_node.start()
        self.world.advance(60)
        self.assertEqual(self.statuses()[-2:], ["WARNING", "CLEAR"])


class DiskReconnectTests(ReconnectTests):
    """
    The same with databases on disk.
    """

    mode = "dbengine"


class BusyChildTests(WorldCase):
    """
    A child that sends what is new at once, while what was missed is still on its way.
    """

    def setUp(self) -> None:
        super().setUp()
        rows = "template: there\non: a.b\nlookup: sum -30s unaligned of c\nevery: 1s\nwarn: $this < 26\n"
        self.parent = self.world.node("parent", "parent", stream=AT_ONCE, health=rows)

    def connected(self) -> ScriptedChild:
        """
        @return: A child that has collected for a long time.
        """
        child = self.child(self.parent, ver=str(17144 | 4096))
        now = self.world.now
        child.say(CHART + f"CHART_DEFINITION_END {now - 1000} {now} {now}\n".encode())
        self.world.advance(0.1)
        return child

    def collect(self, child: ScriptedChild, seconds: int) -> None:
        for _ in range(seconds):
            self.world.advance(1)
            child.sample(self.world.now, 1)

    def tell_past(self, child: ScriptedChild) -> None:
        """
        Answer all that the parent has asked.
        """
        asked = findall(rb'REPLAY_CHART "a.b" "true" (\d+) (\d+)', child.received)
        for after, before in asked:
            first, last = int(after), min(int(before), self.world.now)
            lines = ["RBEGIN 'a.b'"]
            for second in range(first + 1, last + 1):
                lines += [f"RBEGIN '' {second - 1} {second} {self.world.now}", "RSET c 1 A"]
            child.say(("\n".join(lines) + f"\nREND 1 {first} {last} true 0 0 {self.world.now}\n").encode())
        child.received = b""
        self.assertTrue(asked)

    def statuses(self) -> list[str]:
        return [each.status.name for each in transitions(self.parent, "asker") if each.name == "there"]

    def test_live_before_past(self) -> None:
        """
        Nobody is told of seconds that were collected but arrive after newer ones.
        """
        child = self.connected()
        self.tell_past(child)
        self.collect(child, 40)
        self.assertEqual(self.statuses(), ["CLEAR"])
        for away in (10, 25):
            child.leave()
            self.world.advance(away)
            child = self.connected()
            self.collect(child, 12)
            self.assertEqual(self.statuses(), ["CLEAR"], f"{away} s of the past are missing")
            self.tell_past(child)
            self.collect(child, 40)
            self.assertEqual(self.statuses(), ["CLEAR"])
            host, health = self.parent.hub.find("asker"), self.parent.service.health
            assert host is not None and health is not None
            self.assertGreater(health.hosts[host.info.guid].alerts["a.b", "there"].updated, self.world.now - 3)

    def test_live_alone(self) -> None:
        """
        As soon as what a lookup looks at has come as it was collected, it does not matter that older seconds are
        missing.
        """
        child = self.connected()
        self.tell_past(child)
        self.collect(child, 40)
        child.leave()
        self.world.advance(10)
        child = self.connected()
        self.collect(child, 42)
        for _ in range(8):
            self.world.advance(1)
            child.sample(self.world.now, 0)
        self.assertTrue(self.host(self.parent).incomplete)
        self.assertEqual(self.statuses(), ["CLEAR", "WARNING"])


class OwnershipTests(WorldCase):
    """
    A child, its parent, and a parent behind that.
    """

    def told(self, *ownership: str, away: bool = False) -> dict[str, list[str]]:
        """
        Let an alert of the child and of the near parent rise, at both parents.

        @param ownership: Of the far and of the near parent.
        @param away: The far one is down by then.
        @return: Hosts of which each told.
        """
        world = self.world
        self.sinks = {}
        for name in ("far", "near"):
            self.sinks[name] = Sink()
            machine = world.network.machine(f"sink-{name}")
            machine.listenTCP(80, self.sinks[name])
        health = LATE % (world.now + 150)
        self.nodes = {}
        for name, role, destination, chosen in (
            ("far", "parent", None, ownership[0]),
            ("near", "proxy", "far", ownership[1]),
        ):
            self.nodes[name] = world.node(
                name,
                role,
                destination=destination,
                stream=AT_ONCE,
                conf=f"[health]\n    notification ownership = {chosen}\n",
                health=health,
                notify=f'SEND_WEBHOOK="YES"\nDEFAULT_RECIPIENT_WEBHOOK="http://sink-{name}/"\n',
            )
        self.nodes["child"] = world.node("child", "child", destination="near")
        world.advance(20)
        if away:
            self.nodes["far"].crash()
        world.advance(200)
        return self.hosts_told()

    def hosts_told(self) -> dict[str, list[str]]:
        return {name: sorted(body["hostname"] for body in sink.bodies) for name, sink in self.sinks.items()}

    def test_all(self) -> None:
        """
        By default everyone who watches a host tells of it.
        """
        self.assertEqual(self.told("all", "all"), {"far": ["child", "far", "near"], "near": ["child", "near"]})

    def test_nearest(self) -> None:
        """
        With C{nearest} the parent to which a host streams tells, once for all.
        """
        self.assertEqual(self.told("nearest", "nearest"), {"far": ["far", "near"], "near": ["child", "near"]})

    def test_highest(self) -> None:
        """
        With C{highest} the last parent tells; one that does not reach it tells itself.
        """
        self.assertEqual(self.told("highest", "highest"), {"far": ["child", "far", "near"], "near": []})
        answer = self.nodes["near"].get("/host/child/api/v1/explain?alert=late")
        (alert,) = answer["alerts"].values()
        self.assertIn("notification ownership = highest", alert["not_told_because"])

    def test_highest_is_away(self) -> None:
        """
        With C{highest} nothing is left untold while the last parent is away.
        """
        self.told("highest", "highest", away=True)
        self.assertEqual(self.hosts_told()["near"], ["child", "near"])


class SectionTests(WorldCase):
    """
    What C{stream.conf} says of the alerts of one key, and of one machine.
    """

    def test_machine(self) -> None:
        """
        The section of a machine GUID decides over that of the key, for each
        host by itself: whether it is watched, and how long nothing is told
        after it connected.
        """
        machines = {number: f"{number}2222222-2222-4222-8222-222222222222" for number in range(1, 4)}
        stream = (
            "    health enabled by default = no\n    default postpone alarms on connect seconds = 20\n"
            f"[{machines[1]}]\n    type = machine\n    health enabled = yes\n"
            f"[{machines[2]}]\n    type = machine\n    health enabled = yes\n"
            "    postpone alarms on connect seconds = 0\n"
        )
        always = "alarm: there\non: web.load\nlookup: max -5s of one\nevery: 1s\nwarn: $this > 0\n"
        parent = self.world.node("parent", "parent", stream=stream, health=always)
        chart = b"CHART 'web.load' '' 'Load' 'load' 'web' 'web.load' line 1 1 '' x y\n"
        chart += b"DIMENSION 'one' 'one' absolute 1 1 ''\n"
        children = {
            number: self.child(parent, machine_guid=guid, hostname=f"web-{number}") for number, guid in machines.items()
        }
        for child in children.values():
            child.say(chart)
        raised: dict[int, int] = {}
        for second in range(1, 40):
            for child in children.values():
                child.say(b"BEGIN 'web.load' 1000000\nSET 'one' = 7\nEND\n")
            self.world.advance(1)
            for number in machines:
                if any(each.status.name == "WARNING" for each in transitions(parent, f"web-{number}")):
                    raised.setdefault(number, second)
        self.assertEqual(sorted(raised), [1, 2])
        self.assertLess(raised[2], 18)
        self.assertGreaterEqual(raised[1], 20)
        self.assertLess(raised[1], 30)
