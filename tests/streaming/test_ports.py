"""
Tests for ports that change while a node runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Factory, Protocol

from netstream.config import ConfigError
from netstream.testing import KEY, WorldNode
from tests.streaming.case import ScriptedChild, WorldCase
from tests.tls.papers import pair, write, write_authority

GET = b"GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n"


class PortCase(WorldCase):
    """
    A parent whose C{bind to} changes.
    """

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.mktemp()).absolute()
        self.ca = write_authority(self.directory)
        self.parent = self.world.node("parent", "parent")

    def conf(self, bind: str, more: str = "") -> None:
        self.parent.write("netstream.conf", f"[db]\n    mode = ram\n[web]\n    bind to = {bind}\n{more}")

    def reload(self, bind: str, more: str = "") -> list[str]:
        """
        @return: What was done.
        """
        self.conf(bind, more)
        return list(self.parent.reload().done)

    def refused(self, bind: str, more: str = "") -> str:
        """
        @return: Why the files cannot be gone by.
        """
        ports, urls = dict(self.parent.machine.ports), list(self.parent.service.urls)
        settings = self.parent.service.settings
        self.conf(bind, more)
        problem = self.assertRaises(ConfigError, self.parent.reload)
        self.assertEqual((set(self.parent.machine.ports), self.parent.service.urls), (set(ports), urls))
        self.assertIs(self.parent.service.settings, settings)
        return str(problem)

    def visit(self, port: int) -> ScriptedChild:
        """
        @return: A connection of a browser, which it keeps.
        """
        self.parent.port = port
        return self.connect(self.parent)

    def ask(self, visitor: ScriptedChild) -> bytes:
        """
        @return: What is answered to another request.
        """
        visitor.received = b""
        visitor.say(GET)
        self.world.advance(1)
        return visitor.received

    def assert_closed(self, port: int) -> None:
        connecting = TCP4ClientEndpoint(self.world.visitor, self.parent.machine.address, port).connect(
            Factory.forProtocol(Protocol)
        )
        self.world.advance(1)
        self.failureResultOf(connecting, ConnectionRefusedError)

    def streaming(self, child: WorldNode) -> Any:
        """
        @return: The connection on which samples come; fails if none do.
        """
        self.world.advance(5)
        guid = child.hub.local.info.guid
        found = self.parent.read("child", "test.clock", "second", self.world.now - 4, self.world.now - 2)
        self.assertEqual([int(value) for value in found.values()], list(found))
        self.assertEqual(len(found), 2)
        return self.host(self.parent, guid).link


class MoveTests(PortCase):
    """
    Another port, another address.
    """

    def test_moves(self) -> None:
        """
        A node serves at its new port and no more at the old one, while a child
        that streams and a browser that came by the old one go on.
        """
        child = self.world.node("child", "child", destination="parent")
        link, browser = self.streaming(child), self.visit(19999)
        self.assertIn(b"200 OK", self.ask(browser))
        said = self.reload("*:20000")
        self.assertEqual(
            said,
            [
                "listens on http://localhost:20000/ now",
                "listens on *:19999 no more; 2 that came there go on",
            ],
        )
        self.assertEqual(self.parent.service.urls, ["http://localhost:20000/"])
        self.assertEqual(self.parent.service.port, 20000)
        self.assertIs(self.streaming(child), link)
        self.assertIn(b"200 OK", self.ask(browser))
        self.assertIn(b"200 OK", self.ask(self.visit(20000)))
        self.assert_closed(19999)
        self.assertIn("this node listens on http://localhost:20000/ now", self.logged)
        # And by other lists, who came by the old port too.
        self.reload("*:20000", "    allow dashboard from = 203.0.113.*\n")
        self.assertIn(b"does not show itself", self.ask(browser))
        self.parent.stop()
        self.world.advance(0)
        self.assertTrue(browser.closed)

    def test_taken(self) -> None:
        """
        A port that someone else has refuses all that the files say, and leaves
        everything as it was.
        """
        child = self.world.node("child", "child", destination="parent")
        link, browser = self.streaming(child), self.visit(19999)
        other = self.parent.machine.listenTCP(7000, Factory.forProtocol(Protocol))
        text = self.refused("*:20000 *:7000", "    allow dashboard from = 203.0.113.*\n")
        self.assertEqual(
            text,
            "netstream.conf: [web] bind to: '*:7000' cannot be listened on: Address already in use; name an address of"
            " this machine and a port that is free",
        )
        self.assertIs(self.streaming(child), link)
        self.assertIn(b"200 OK", self.ask(browser))
        self.assert_closed(20000)
        other.stopListening()
        self.assertEqual(len(self.reload("*:20000 *:7000")), 3)
        self.assertIs(self.streaming(child), link)

    def test_overlap(self) -> None:
        """
        All addresses become one of them at the same port; if another entry
        fails then, the old one is there again.
        """
        browser = self.visit(19999)
        self.parent.machine.listenTCP(7000, Factory.forProtocol(Protocol))
        self.assertIn("'*:7000' cannot", self.refused("127.0.0.1:19999 *:7000"))
        self.assertIn(b"200 OK", self.ask(self.visit(19999)))
        self.assertEqual(self.reload("127.0.0.1:19999")[1:], ["listens on *:19999 no more; 2 that came there go on"])
        for visitor in (browser, self.visit(19999)):
            self.assertIn(b"200 OK", self.ask(visitor))

    def test_late(self) -> None:
        """
        An entry that could not be opened at the start is tried again, and keeps
        nothing else from changing.
        """
        self.parent.stop()
        other = self.parent.machine.listenTCP(7000, Factory.forProtocol(Protocol))
        self.conf("*:19999 *:7000")
        self.parent.start()
        self.assertEqual(len(self.parent.service.urls), 1)
        self.assertEqual(len(self.reload("*:19999 *:7000 *:7001")), 1)
        other.stopListening()
        self.assertEqual(self.reload("*:19999 *:7000 *:7001"), ["listens on http://localhost:7000/ now"])
        self.assertEqual([url[-6:] for url in self.parent.service.urls], ["19999/", ":7000/", ":7001/"])

    def test_stopped(self) -> None:
        """
        A node that is stopped after a change leaves no port open.
        """
        self.reload("*:20000 *:20001=streaming")
        self.parent.stop()
        self.assertEqual(dict(self.parent.machine.ports), {})


class EntryTests(PortCase):
    """
    The same socket, and other features.
    """

    def test_features(self) -> None:
        """
        Other features hold at once, and the socket stays the one that it was.
        """
        port, browser = self.parent.machine.ports[19999], self.visit(19999)
        self.assertIn(b"200 OK", self.ask(browser))
        self.assertEqual(
            self.reload("*:19999=streaming"), ["listens on http://localhost:19999/ as before, with other features"]
        )
        self.assertIs(self.parent.machine.ports[19999], port)
        self.assertIn(b"403", self.ask(browser))
        self.assertIn(b"403", self.ask(self.visit(19999)))
        child = self.child(self.parent)
        self.assertTrue(child.received.startswith(b"Hit me"))
        self.assertEqual(len(self.reload("*:19999=dashboard|badges")), 1)
        self.assertIn(b"200 OK", self.ask(browser))
        self.assertTrue(self.child(self.parent, machine_guid=KEY.replace("6", "7"), hostname="late").closed)
        self.assertFalse(child.closed)

    def test_tls(self) -> None:
        """
        A node begins to speak TLS, with a pair that is somewhere else, forces
        it, and speaks none again; a child that streams stays, and a pair that
        cannot be read changes nothing.
        """
        child = self.world.node("child", "child", destination="parent")
        link, port = self.streaming(child), self.parent.machine.ports[19999]

        def papers(name: str) -> str:
            certificate, key = write(pair("parent", name), self.directory, name)
            return f"    ssl certificate = {certificate}\n    ssl key = {key}\n"

        certificate = self.directory / "onecert.pem"
        self.assertEqual(
            self.reload("*:19999", papers("one")),
            [f"speaks TLS from the next connection on, with {certificate}"],
        )
        self.assertEqual(self.parent.service.urls, ["https://localhost:19999/"])
        self.assertIn(b"Location: https://", self.ask(self.visit(19999)))
        secure = self.world.node(
            "secure", "child", destination="parent:SSL", stream=f"[stream]\n    CAfile = {self.ca}\n"
        )
        self.world.advance(5)
        self.assertIsNotNone(self.host(self.parent, secure.hub.local.info.guid).link)
        said = self.reload("*:19999^SSL=force", papers("two"))
        self.assertEqual(len(said), 2)
        self.assertIn("with other TLS mode", said[1])
        self.assertIn(b"TLS", self.child(self.parent).received)
        assert self.parent.service._tls is not None
        serial = self.parent.service._tls.pair.certificate.serial_number
        self.assertEqual(serial, pair("parent", "two").certificate.serial_number)
        (self.directory / "threecert.pem").write_text("nothing")
        missing = self.directory / "three"
        text = self.refused("*:20000", f"    ssl certificate = {missing}cert.pem\n    ssl key = {missing}key.pem\n")
        self.assertIn("threecert.pem", text)
        self.assertEqual(self.parent.service._tls.pair.certificate.serial_number, serial)
        self.assert_closed(20000)
        self.assertEqual(self.reload("*:19999")[0], "speaks no TLS from the next connection on")
        self.assertIn(b"200 OK", self.ask(self.visit(19999)))
        self.assertIs(self.streaming(child), link)
        self.assertIsNotNone(self.host(self.parent, secure.hub.local.info.guid).link)
        self.assertIs(self.parent.machine.ports[19999], port)

    def test_certificate_demanded(self) -> None:
        """
        A child with TLS that has no certificate has to go when the files
        demand one, and the others stay.
        """
        certificate, key = write(pair("parent"), self.directory)
        papers = f"    ssl certificate = {certificate}\n    ssl key = {key}\n"
        self.reload("*:19999", papers)
        secure = self.world.node(
            "secure", "child", destination="parent:SSL", stream=f"[stream]\n    CAfile = {self.ca}\n"
        )
        self.world.advance(5)
        self.conf("*:19999", papers + f"    ssl client CA = {self.ca}\n")
        said = self.parent.reload()
        self.assertEqual(said.done, (f"TLS of the next connection goes by other settings, with {certificate}",))
        self.assertIn("secure", said.went[0])
        self.world.advance(5)
        self.assertIsNone(self.host(self.parent, secure.hub.local.info.guid).link)

    def test_token_file(self) -> None:
        """
        Who signs in changes with the file that is named, from the next request
        on; one that cannot be read changes nothing.
        """
        for name in ("one", "two"):
            (self.directory / name).write_text(f"{name}-token-that-is-long-enough\n")
            (self.directory / name).chmod(0o600)
        browser = self.visit(19999)
        self.assertIn(b"200 OK", self.ask(browser))

        def signed_in(name: str) -> bool:
            browser.received = b""
            browser.say(GET[:-2] + f"Authorization: Bearer {name}-token-that-is-long-enough\r\n\r\n".encode())
            self.world.advance(1)
            return b"200 OK" in browser.received

        for name, other in (("one", "two"), ("two", "one")):
            self.reload("*:19999", f"    access token file = {self.directory / name}\n")
            self.assertTrue(signed_in(name))
            self.assertFalse(signed_in(other))
            self.assertIn(b" 401 ", self.ask(browser))
        self.assertIn("three", self.refused("*:19999", f"    access token file = {self.directory}/three\n"))
        self.assertTrue(signed_in("two"))
        self.reload("*:19999")
        self.assertIn(b"200 OK", self.ask(browser))


class DatagramTests(PortCase):
    """
    Entries of UDP.
    """

    def setUp(self) -> None:
        super().setUp()
        certificate, key = write(pair("parent"), self.directory)
        self.papers = f"    ssl certificate = {certificate}\n    ssl key = {key}\n"
        self.reload("*:19999 udp:*:19999", self.papers)

    def test_moves(self) -> None:
        """
        A child that streams by UDP goes on when the port moves, and comes back
        by the new one after a pause; with a pair of another path too.
        """
        trust = f"[stream]\n    CAfile = {self.ca}\n"
        child = self.world.node("child", "child", destination="udp:parent", stream=trust)
        link = self.streaming(child)
        certificate, key = write(pair("parent", "other"), self.directory, "other")
        papers = f"    ssl certificate = {certificate}\n    ssl key = {key}\n"
        self.assertEqual(
            self.reload("*:19999 udp:*:20000", papers)[1:],
            [
                "listens on udp:localhost:20000 now",
                "listens on udp:*:19999 no more; a connection that came there goes on",
            ],
        )
        self.assertIs(self.streaming(child), link)
        child.write(
            "stream.conf", f"{trust}    enabled = yes\n    destination = udp:parent:20000\n    api key = {KEY}\n"
        )
        child.destination = None
        child.stop()
        child.start()
        self.assertIsNot(self.streaming(child), link)
        ports = [
            socket for place, socket in self.world.network.sockets.items() if socket.is_at(self.parent.machine.address)
        ]
        self.assertEqual(len(ports), 1)

    def test_held(self) -> None:
        """
        An entry that overlaps with one whose connections live is refused.
        """
        child = self.world.node("child", "child", destination="udp:parent", stream=f"[stream]\nCAfile = {self.ca}\n")
        link = self.streaming(child)
        self.assertIn("1 connections by UDP hold", self.refused("*:19999 udp:127.0.0.1:19999", self.papers))
        self.assertIs(self.streaming(child), link)
        child.stop()
        self.world.advance(30)
        self.assertEqual(len(self.reload("*:19999 udp:127.0.0.1:19999", self.papers)), 2)
