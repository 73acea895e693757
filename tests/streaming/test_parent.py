"""
Tests for the receiving side, with children that are written down.
"""

from netstream.streaming import door, intake
from netstream.streaming.arrival import HEADER_WITHIN, STALE_AFTER
from netstream.streaming.claims import PROBED_FOR
from netstream.streaming.intake import SILENT_FOR
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
        C{accept a streaming request every} lets those that come too soon wait
        for their turn, and refuses who would wait for too long, and says so.
        """
        parent = self.world.node("parent", "parent", conf="[web]\n    accept a streaming request every = 10\n")
        guids = [GUID.replace("9", digit) for digit in "12345"]
        children = [self.child(parent, machine_guid=guid) for guid in guids]
        self.assertTrue(children[0].received.startswith(ACCEPTED))
        self.assertEqual([child.received for child in children[1:3]], [b"", b""])
        self.assertEqual([child.received for child in children[3:]], [Refusal.BUSY.line()] * 2)
        self.assertIn("accept a streaming request every 10 s", self.logged[-1])
        self.world.advance(9.8)
        self.assertEqual(children[1].received, b"")
        self.world.advance(0.3)
        self.assertTrue(children[1].received.startswith(ACCEPTED))
        self.assertEqual(children[2].received, b"")
        self.world.advance(10)
        self.assertTrue(children[2].received.startswith(ACCEPTED))

    def test_old_agents_and_busy(self) -> None:
        """
        An agent that is too old to know that a parent may be busy is closed
        without a word that it would not understand.
        """
        parent = self.world.node("parent", "parent", conf="[web]\n    accept a streaming request every = 60\n")
        self.child(parent)
        other = GUID.replace("9", "8")
        child = self.child(parent, machine_guid=other, ver="15296")
        self.assertEqual(child.received, b"")
        self.assertTrue(child.closed)

    def test_gone_while_waiting(self) -> None:
        """
        Who goes while it waits is forgotten, and does not hold up the others;
        who talks meanwhile is heard when admitted, and cut off if it does not
        end.
        """
        parent = self.world.node("parent", "parent", conf="[web]\n    accept a streaming request every = 5\n")
        self.child(parent)
        guids = [GUID.replace("9", digit) for digit in "123"]
        gone, early, endless = (self.child(parent, machine_guid=guid) for guid in guids)
        gone.leave()
        early.say(CHART)
        early.sample(self.world.now)
        endless.say(b"#" * 20_000)
        self.world.advance(6)
        self.assertTrue(endless.closed)
        self.assertIsNone(parent.hub.get(guids[0]))
        self.assertIn("a.b", self.host(parent, guids[1]).charts)
        self.world.advance(30)
        self.assertIsNone(parent.hub.get(guids[2]))
        self.assertEqual(parent.service._parent.waiting, 0)  # type: ignore[union-attr]

    def test_left(self) -> None:
        """
        Of a child whose connection ended it is known who ended it.
        """
        parent = self.world.node("parent", "parent")
        self.child(parent).leave()
        self.world.advance(1)
        self.assertEqual(self.host(parent, GUID).left, "the connection was closed by the child")
        self.assertIn("disconnected: the connection was closed by the child", self.logged[-1])

    def test_too_many_hosts(self) -> None:
        """
        A key that comes with ever new GUIDs cannot fill the memory; hosts that
        are known are still admitted.
        """
        parent = self.world.node("parent", "parent")
        self.patch(door, "HOSTS_MOST", 2)
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
        self.patch(intake, "CHARTS_MOST", 2)
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
        self.world.advance(STALE_AFTER + 1)
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

    def test_comes_back_early(self) -> None:
        """
        A child that lost its network is back within seconds: its new
        connection waits until it is clear that the old one is dead, and is
        not sent away for two minutes.
        """
        parent = self.world.node("parent", "parent")
        old = self.child(parent)
        self.world.advance(1)
        new = self.child(parent)
        self.assertEqual(new.received, b"")
        self.world.advance(PROBED_FOR)
        self.assertTrue(new.received.startswith(ACCEPTED))
        self.assertTrue(old.closed)
        self.assertTrue(self.host(parent).online)

    def test_gives_up_while_it_waits(self) -> None:
        """
        A child that does not wait for long enough may ask again.
        """
        parent = self.world.node("parent", "parent")
        self.child(parent)
        self.child(parent).leave()
        self.world.advance(1)
        self.world.advance(0.1)
        again = self.child(parent)
        self.assertEqual(again.received, b"")
        self.world.advance(PROBED_FOR)
        self.assertTrue(again.received.startswith(ACCEPTED))

    def test_second_while_the_first_lives(self) -> None:
        """
        Of many connections with one GUID, one wins: the first, as long as it
        says something; its samples are unharmed.
        """
        parent = self.world.node("parent", "parent")
        old = self.child(parent)
        old.say(CHART)
        others = [self.child(parent) for _ in range(20)]
        for _ in range(5):
            old.sample(self.world.now)
            self.world.advance(1)
        already = Refusal.ALREADY_STREAMING.line()
        self.assertEqual([child.received for child in others], [already] * 20)
        self.assertFalse(old.closed)
        self.assertEqual(len(parent.read(GUID, "a.b", "c", 0, self.world.now)), 5)

    def test_cloned_guid(self) -> None:
        """
        Of two machines with the same GUID the second is refused, and the log
        names both and says what to do.
        """
        parent = self.world.node("parent", "parent")
        self.child(parent, hostname="original")
        self.assertEqual(self.child(parent, hostname="clone").received, Refusal.ALREADY_STREAMING.line())
        for word in ("original", "clone", "machine.guid", GUID):
            self.assertIn(word, self.logged[-1])

    def test_renamed(self) -> None:
        """
        A host that comes back under another name is the same host, with its
        history, and the log says so.
        """
        parent = self.world.node("parent", "parent")
        child = self.child(parent, hostname="before")
        child.say(CHART)
        child.sample(self.world.now)
        child.leave()
        self.world.advance(1)
        self.child(parent, hostname="after")
        self.assertEqual(len(parent.read("after", "a.b", "c", 0, self.world.now)), 1)
        self.assertIsNone(parent.hub.find("before"))
        self.assertTrue(any("known as before" in line and "after" in line for line in self.logged))

    def test_equal_names(self) -> None:
        """
        Two hosts of one name are two hosts, found by their GUIDs.
        """
        parent = self.world.node("parent", "parent")
        other = GUID.replace("9", "8")
        for number, guid in enumerate((GUID, other)):
            child = self.child(parent, hostname="same", machine_guid=guid)
            child.say(CHART)
            child.sample(self.world.now, value=number)
        self.world.advance(1)
        for number, guid in enumerate((GUID, other)):
            self.assertEqual(list(parent.read(guid, "a.b", "c", 0, self.world.now).values()), [float(number)])

    def test_half_open(self) -> None:
        """
        A silent connection is dropped after a minute, and its child may be
        back within half a minute.
        """
        parent = self.world.node("parent", "parent")
        child = self.world.node("child", "child", destination="parent")
        self.world.advance(60)
        self.world.cut(parent, child)
        self.world.advance(SILENT_FOR + 2)
        guid = child.hub.local.info.guid
        self.assertFalse(self.host(parent, guid).online)
        self.world.heal(parent, child)
        self.world.advance(30)
        self.assertTrue(self.host(parent, guid).online)

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
