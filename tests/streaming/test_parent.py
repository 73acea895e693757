"""
Tests for the receiving side, with children that are written down.
"""

from netstream.streaming import parent as receiving
from netstream.streaming.parent import HEADER_WITHIN, SILENT_FOR, STALE_AFTER
from netstream.testing import KEY
from netstream.wire.handshake import Refusal
from tests.streaming.case import CHART, GUID, WorldCase

ACCEPTED = b"Hit me baby, push them over with the version="


class AdmissionTests(WorldCase):
    """
    Who is admitted, and what is said of it.
    """

    def test_address(self) -> None:
        """
        C{allow streaming from} keeps others out before their key is looked at.
        """
        parent = self.world.node("parent", "parent", conf="[web]\n    allow streaming from = 192.0.2.*\n")
        for key in (KEY, "11111111-1111-4111-8111-111111111111"):
            child = self.child(parent, key=key)
            self.assertEqual(child.received, Refusal.NOT_ALLOWED.line())
            self.assertTrue(child.closed)

    def test_port_without_streaming(self) -> None:
        """
        A port for the dashboard alone refuses children.
        """
        parent = self.world.node("parent", "parent", conf="[web]\n    bind to = *:19999=dashboard\n")
        self.assertEqual(self.child(parent).received, Refusal.NOT_ALLOWED.line())
        self.assertIn("bind to", self.logged[-1])

    def test_rate(self) -> None:
        """
        C{accept a streaming request every} admits one, refuses those that
        come too soon, the very first included, and says so.
        """
        parent = self.world.node("parent", "parent", conf="[web]\n    accept a streaming request every = 5\n")
        busy = Refusal.BUSY.line()
        self.assertEqual(self.child(parent).received, busy)
        self.assertIn("accept a streaming request every 5 s", self.logged[-1])
        self.world.advance(5)
        first = self.child(parent)
        self.assertTrue(first.received.startswith(ACCEPTED))
        other = GUID.replace("9", "8")
        self.assertEqual(self.child(parent, machine_guid=other).received, busy)
        self.world.advance(5)
        self.assertTrue(self.child(parent, machine_guid=other).received.startswith(ACCEPTED))
        self.assertFalse(first.closed)

    def test_too_many_hosts(self) -> None:
        """
        A key that comes with ever new GUIDs cannot fill the memory; hosts that
        are known are still admitted.
        """
        parent = self.world.node("parent", "parent")
        self.patch(receiving, "HOSTS_MOST", 2)
        first = self.child(parent)
        self.assertTrue(first.received.startswith(ACCEPTED))
        self.assertEqual(self.child(parent, machine_guid=GUID.replace("9", "8")).received, Refusal.BUSY.line())
        self.assertIn("which is the most", self.logged[-1])
        self.world.advance(STALE_AFTER)
        self.assertTrue(self.child(parent).received.startswith(ACCEPTED))

    def test_too_many_charts(self) -> None:
        """
        A host that defines ever new charts is stopped, also over several
        connections; what it had stays.
        """
        parent = self.world.node("parent", "parent")
        self.patch(receiving, "CHARTS_MOST", 2)
        for name in ("a", "b", "c"):
            self.child(parent).say(f"CHART x.{name}\nDIMENSION d\nBEGIN x.{name} 0\nEND\n".encode())
            self.world.advance(STALE_AFTER)
        self.assertEqual(set(self.host(parent).charts), {"x.a", "x.b"})
        self.assertTrue(any("more than 2 charts" in line for line in self.logged))

    def test_period_of_a_guid(self) -> None:
        """
        The period that a GUID section gives holds instead of the child's.
        """
        parent = self.world.node("parent", "parent", stream=f"[{GUID}]\n type = machine\n update every = 5\n")
        self.child(parent)
        self.assertEqual(self.host(parent).info.update_every, 5)
        other = GUID.replace("9", "8")
        self.child(parent, machine_guid=other, update_every="3")
        self.assertEqual(self.host(parent, other).info.update_every, 3)

    def test_request_in_pieces(self) -> None:
        """
        A request may come in pieces; one that never ends is refused and holds
        no memory.
        """
        parent = self.world.node("parent", "parent")
        child = self.connect(parent)
        request = f"STREAM key={KEY}&hostname=asker&machine_guid={GUID}&ver=17144 HTTP/1.1\r\n\r\n".encode()
        for at in range(0, len(request), 7):
            child.say(request[at : at + 7])
            self.world.advance(0.01)
        self.assertTrue(child.received.startswith(ACCEPTED))
        endless = self.connect(parent)
        endless.say(b"STREAM key=" + b"x" * 20_000)
        self.world.advance(0.01)
        self.assertTrue(endless.closed)

    def test_slow_request(self) -> None:
        """
        Who begins a request has a limit to end it.
        """
        parent = self.world.node("parent", "parent")
        child = self.connect(parent)
        child.say(b"STREAM key=")
        self.world.advance(HEADER_WITHIN - 1)
        child.say(b"1")
        self.assertFalse(child.closed)
        self.world.advance(1.1)
        self.assertTrue(child.closed)

    def test_secrets(self) -> None:
        """
        No line of the log tells a key, be it good, unknown or malformed.
        """
        keys = (KEY, "11111111-1111-4111-8111-111111111111", "my-secret")
        parent = self.world.node("parent", "parent")
        for key in keys:
            self.child(parent, key=key)
        self.child(parent, machine_guid="x")
        self.child(parent, machine_guid=parent.hub.local.info.guid)
        self.assertGreater(len(self.logged), 4)
        for key in keys:
            self.assertNotIn(key, "\n".join(self.logged))


class ConnectionTests(WorldCase):
    """
    What becomes of a connection that was admitted.
    """

    def test_silence(self) -> None:
        """
        A child that says nothing is closed and offline; no timer stays.
        """
        parent = self.world.node("parent", "parent")
        before = len(self.world.network.clock.getDelayedCalls())
        child = self.child(parent)
        self.world.advance(SILENT_FOR / 2)
        child.say(CHART)
        self.world.advance(SILENT_FOR - 1)
        self.assertTrue(self.host(parent).online)
        self.world.advance(2)
        self.assertTrue(child.closed)
        self.assertFalse(self.host(parent).online)
        self.assertEqual(len(self.world.network.clock.getDelayedCalls()), before)

    def test_silence_of_a_long_period(self) -> None:
        """
        A child that collects seldom may be silent for long.
        """
        parent = self.world.node("parent", "parent")
        self.child(parent, update_every="60")
        self.world.advance(175)
        self.assertTrue(self.host(parent).online)
        self.world.advance(10)
        self.assertFalse(self.host(parent).online)

    def test_takes_over(self) -> None:
        """
        A newer connection takes over from one that is silent, and nothing that
        becomes of the old one harms it.
        """
        parent = self.world.node("parent", "parent")
        old = self.child(parent)
        old.say(CHART)
        self.world.advance(STALE_AFTER - 1)
        self.assertEqual(self.child(parent).received, Refusal.ALREADY_STREAMING.line())
        self.world.advance(2)
        changes: list[bool] = []
        parent.hub.watch(lambda host: changes.append(host.online))
        new = self.child(parent, hostname="renamed")
        self.assertTrue(new.received.startswith(ACCEPTED))
        self.assertTrue(old.closed)
        self.assertEqual(changes, [False, True])
        new.say(CHART)
        new.sample(self.world.now)
        self.world.advance(1)
        host = self.host(parent)
        assert host.link is not None
        self.assertEqual(host.link.peer, f"10.0.0.1:{new.transport.getHost().port}")
        self.assertEqual(host.info.hostname, "renamed")
        self.assertEqual(len(parent.read(GUID, "a.b", "c", self.world.now - 10, self.world.now)), 1)
        new.leave()
        self.world.advance(1)
        self.assertFalse(host.online)

    def test_copy_with_a_short_period(self) -> None:
        """
        How long a child may be silent is for its own period to say, not for
        that of another that claims its GUID.
        """
        parent = self.world.node("parent", "parent")
        old = self.child(parent, update_every="60")
        self.world.advance(30)
        self.assertEqual(self.child(parent, hostname="copy").received, Refusal.ALREADY_STREAMING.line())
        self.assertFalse(old.closed)

    def test_dead_machine_comes_back(self) -> None:
        """
        A child whose machine lost its network comes back, though its old
        connection never ended here.
        """
        parent = self.world.node("parent", "parent")
        child = self.world.node("child", "child", destination="parent")
        self.world.advance(5)
        self.world.cut(parent, child)
        self.world.advance(20)
        child.service.stopService()
        self.world.heal(parent, child)
        child.start()
        self.world.advance(5)
        self.assertTrue(self.host(parent, child.hub.local.info.guid).online)

    def test_stop(self) -> None:
        """
        A parent that stops closes its children and what is undecided, and
        keeps when they were last there.
        """
        parent = self.world.node("parent", "parent", mode="dbengine")
        child, silent = self.child(parent), self.connect(parent)
        self.world.advance(20)
        end = self.world.now
        parent.stop()
        self.assertTrue(child.closed)
        self.assertTrue(silent.closed)
        parent.start()
        self.assertAlmostEqual(self.host(parent).seen, end, delta=2)
