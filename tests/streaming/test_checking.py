"""
Tests for C{netstream check}: the way to a parent, and every place where it may
end.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import PrivateCertificate
from twisted.protocols.tls import TLSMemoryBIOFactory

from netstream.checkwalk import walk
from netstream.config.reload import Configuration
from netstream.control.lines import socket_path
from netstream.model.identity import fingerprint
from netstream.testing import KEY, WorldNode
from netstream.wire.handshake import Refusal
from tests.streaming.case import GUID, WorldCase
from tests.streaming.test_socks import Proxy
from tests.streaming.test_strangers import NGINX_TLS, SQUID
from tests.tls.papers import pair, write, write_authority

OTHER = "12121212-3434-4565-8787-909090909090"
TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"


class Stranger(Protocol):
    """
    Says the same to everyone, and hangs up.
    """

    transport: Any
    said = b""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(self.said)
        self.transport.loseConnection()


class Refusing(Protocol):
    """
    A SOCKS5 proxy that asks for a password, and takes none.
    """

    transport: Any
    password = False

    def dataReceived(self, data: bytes) -> None:
        if data[:1] == b"\x05":
            self.transport.write(b"\x05\x02" if b"\x02" in data[2:] else b"\x05\xff")
        else:
            self.transport.write(b"\x01\x01")


class Ancient(Protocol):
    """
    A parent that speaks the oldest protocol alone, and shows nothing.
    """

    transport: Any

    def dataReceived(self, data: bytes) -> None:
        if data.startswith(b"GET "):
            self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        elif data.startswith(b"STREAM hostname="):
            self.transport.write(Refusal.DENIED.line())
            self.transport.loseConnection()
        elif data.startswith(b"STREAM "):
            self.transport.write(b"Hit me baby, push them over...")


class CheckCase(WorldCase):
    """
    A machine from which the way is walked.
    """

    def setUp(self) -> None:
        super().setUp()
        self.laptop = self.world.network.machine("laptop")
        self.directory = Path(self.mktemp()).absolute()
        self.etc, self.data = self.directory / "etc", self.directory / "data"
        self.etc.mkdir(parents=True)
        self.data.mkdir()

    def check(
        self,
        destination: str = "parent",
        key: str = KEY,
        more: str = "",
        guid: str = GUID,
        name: str = "laptop",
        token: str = "",
    ) -> tuple[bool, str]:
        """
        @param guid: Who the node is; C{""} before its first start.
        @return: Whether all is well, and what is printed.
        """
        stream = f"[stream]\nenabled = yes\ndestination = {destination}\napi key = {key}\n{more}"
        (self.etc / "stream.conf").write_text(stream)
        (self.etc / "stream.conf").chmod(0o600)
        if guid:
            (self.data / "machine.guid").write_text(guid)
        configuration = Configuration("child", self.etc, self.data, hostname=name)
        lines: list[str] = []
        good = self.world.settle(walk(configuration, self.laptop, lines.append, token))
        text = "\n".join(lines)
        self.assertNotIn(key, text)
        return good, text

    def assert_fails(self, step: str, *words: str, **more: str) -> str:
        """
        The check ends at a step, with cause and what to change.
        """
        good, text = self.check(**more)
        self.assertFalse(good, text)
        last = [line for line in text.splitlines() if line.strip()][-2:]
        self.assertTrue(last[0].startswith(f"  {step:<14}FAILED"), text)
        for word in words:
            self.assertIn(word, "\n".join(last), text)
        return text

    def stranger(self, said: bytes, name: str = "parent", port: int = 19999) -> None:
        """
        Let someone else listen where a parent is expected.
        """
        machine = self.world.network.machine(name)
        protocol = type("Saying", (Stranger,), {"said": said})
        TCP4ServerEndpoint(machine, port).listen(Factory.forProtocol(protocol))


class WayTests(CheckCase):
    """
    What lies between two nodes.
    """

    def test_well(self) -> None:
        """
        Where all is well each step says so, down to the sample that the parent
        shows; the parent knows the node afterwards, as after a short run.
        """
        parent = self.world.node("parent", "parent")
        good, text = self.check()
        self.assertTrue(good, text)
        for step in ("name", "connection", "clock", "key", "capabilities", "first sample", "parent"):
            self.assertIn(f"  {step:<14}ok", text)
        self.assertIn(f"key {fingerprint(KEY)} is accepted", text)
        self.assertIn("system.uptime of second", text)
        self.assertIn("it has laptop: online", text)
        host = self.host(parent)
        self.assertEqual((host.info.hostname, host.online), ("laptop", False))

    def test_first_start(self) -> None:
        """
        Before its first start a node is nobody: its key is tried, and no
        parent hears of a host.
        """
        parent = self.world.node("parent", "parent")
        good, text = self.check(guid="")
        self.assertTrue(good, text)
        self.assertIn("key           ok", text)
        self.assertIn("no machine GUID before its first start", text)
        self.assertEqual([host.local for host in parent.hub], [True])
        self.assertEqual(list(self.data.iterdir()), [])
        self.assertIn("'netstream check' there has a key that is good", "\n".join(self.logged))

    def test_running(self) -> None:
        """
        A node that streams already is not disturbed, neither by a check on its
        own machine nor by one elsewhere that has its machine GUID.
        """
        parent = self.world.node("parent", "parent")
        child = self.child(parent, hostname="laptop")
        link = self.host(parent).link
        good, text = self.check()
        self.assertFalse(good)
        self.assertIn("parent        FAILED  the parent receives laptop already", text)
        self.assertIn("remove the machine.guid of one", text)
        self.assertFalse(child.closed)
        self.assertIs(self.host(parent).link, link)

    def test_beside(self) -> None:
        """
        A control socket that does not tell how the node is doing keeps the
        check from streaming in its name.
        """
        parent = self.world.node("parent", "parent")
        self.data = Path(tempfile.mkdtemp())  # the path of a Unix socket is limited to some 100 bytes
        self.addCleanup(shutil.rmtree, self.data)
        path = socket_path(self.data)
        path.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute:
            mute.bind(str(path))
            mute.listen()
            threading.Thread(target=lambda: mute.accept()[0].close(), daemon=True).start()
            good, text = self.check()
        self.assertTrue(good, text)
        self.assertIn("key           ok", text)
        self.assertIn("first sample  -       not tried, since the node may run", text)
        self.assertEqual([host.local for host in parent.hub], [True])

    def test_name(self) -> None:
        """
        A name that is not known is said, with the line to change.
        """
        self.assert_fails(
            "name",
            "the name 'nowhere' is not known",
            "change  stream.conf:3: [stream] destination",
            destination="nowhere",
        )

    def test_refused(self) -> None:
        """
        A port on which nothing listens is said.
        """
        self.world.node("parent", "parent")
        self.assert_fails("connection", "nothing listens on port 1 of parent", "bind to", destination="parent:1")

    def test_timeout(self) -> None:
        """
        A machine that does not answer is said, within a bounded time.
        """
        self.world.node("parent", "parent")
        self.world.network.cut("laptop", "parent")
        self.assert_fails("connection", "did not answer within 10 s", "firewall")

    def test_strangers(self) -> None:
        """
        Who answers in the place of a parent is said.
        """
        for number, (said, step, *words) in enumerate(
            (
                (SQUID, "answer", "this is an HTTP proxy", "socks5://"),
                (NGINX_TLS, "answer", "plain on a TLS port", "write ':SSL' at the end", "[stream] destination"),
                (TLS_ALERT, "answer", "plain on a TLS port", "write ':SSL' at the end"),
                (b"HTTP/1.1 404 Not Found\r\nServer: nginx\r\n\r\n", "answer", "not a streaming node", "from nginx"),
                (b"SSH-2.0-OpenSSH_9.2\r\n", "answer", "an SSH server, not a streaming node"),
                (b"\x05\xff", "answer", "SOCKS5 proxy"),
                (b"", "answer", "closed without an answer", "write ':SSL' at the end"),
            )
        ):
            self.stranger(said, f"stranger{number}")
            self.assert_fails(step, *words, destination=f"stranger{number}")

    def test_silent(self) -> None:
        """
        Who takes connections and says nothing is said, within a bounded time.
        """
        TCP4ServerEndpoint(self.world.network.machine("parent"), 19999).listen(Factory.forProtocol(Protocol))
        begin = self.world.now
        self.assert_fails("answer", "says nothing for 10 s", "host and port", "[stream] destination")
        self.assertLess(self.world.now, begin + 40)

    def test_capabilities(self) -> None:
        """
        A parent with which there is hardly anything in common is odd.
        """
        TCP4ServerEndpoint(self.world.network.machine("parent"), 19999).listen(Factory.forProtocol(Ancient))
        good, text = self.check()
        self.assertTrue(good, text)
        self.assertIn("capabilities  odd     hardly anything in common: V1; samples travel without labels", text)
        self.assertIn("the parent does not show itself", text)
        (self.data / "machine.guid").unlink()
        good, text = self.check(guid="")
        self.assertIn("key           -       not tried", text)

    def test_socks(self) -> None:
        """
        A proxy that is not there, does not connect, wants a password or takes
        another is said; one that connects is no hindrance.
        """
        self.world.node("parent", "parent")
        machine = self.world.network.machine("proxy")
        TCP4ServerEndpoint(machine, 1080).listen(Factory.forProtocol(lambda: Proxy(machine)))
        TCP4ServerEndpoint(machine, 1081).listen(Factory.forProtocol(Refusing))
        self.stranger(SQUID, "squid", 3128)
        good, text = self.check(more="proxy = socks5://proxy:1080\n")
        self.assertTrue(good, text)
        self.assertIn("connected through SOCKS5 proxy proxy:1080", text)
        line = "stream.conf:5: [stream] proxy"
        for proxy, *words in (
            ("proxy:1", "cannot be connected"),
            ("proxy:1081", "it wants a user and a password", "socks5://USER:PASSWORD@HOST:PORT"),
            ("me:wrong@proxy:1081", "it does not accept this user and password", "write the user"),
            ("squid:3128", "what answers is no SOCKS5 proxy", "this is an HTTP proxy"),
        ):
            said = self.assert_fails("proxy", line, *words, more=f"proxy = socks5://{proxy}\n")
            self.assertNotIn("me:wrong", said)
        self.assert_fails(
            "proxy",
            "that host refuses the connection",
            "[stream] destination: start the parent",
            destination="parent:1",
            more="proxy = socks5://proxy:1080\n",
        )
        self.assert_fails("name", "'nobody' of the proxy is not known", line, more="proxy = socks5://nobody:1080\n")

    def test_clock(self) -> None:
        """
        A clock that is wrong is said, a little as odd, much as a failure.
        """
        self.world.node("parent", "parent")
        self.laptop.skew = 30.0
        good, text = self.check()
        self.assertIn("clock         odd     this clock is 30 s ahead of the parent's", text)
        self.assertTrue(good)
        self.laptop.skew = -300.0
        good, text = self.check()
        self.assertIn("clock         FAILED  this clock is 300 s behind the parent's", text)
        self.assertIn("set both clocks right", text)
        self.assertFalse(good)

    def test_clock_of_streams_alone(self) -> None:
        """
        So is it where the port of the parent serves nothing but streams.
        """
        self.world.node("parent", "parent", conf="[web]\nbind to = *=streaming\n")
        self.laptop.skew = 30.0
        good, text = self.check()
        self.assertIn("clock         odd     this clock is 30 s ahead of the parent's", text)


class SectionTests(CheckCase):
    """
    Destinations that sections of keys and machine GUIDs name.
    """

    HOST = "56565656-7878-4565-8787-909090909090"

    def ways(self, text: str) -> dict[str, str]:
        """
        @return: What is found of each way, by its first line.
        """
        parts = (part.partition("\n") for part in text.strip("\n").split("\n\n"))
        return {head: found for head, _, found in parts}

    def section(self, name: str, *lines: str, type: str = "api") -> str:
        return "\n".join((f"[{name}]", f"type = {type}", "enabled = yes", *lines, ""))

    def test_each(self) -> None:
        """
        The destinations of each section are walked once with its key, under
        its name; no parent hears of this node there, and what fails names the
        line of the section.
        """
        self.world.node("parent", "parent")
        other = self.world.node("other", "parent", stream=self.section(OTHER))
        good, text = self.check(
            more=self.section(OTHER, "proxy destination = other nowhere", f"proxy api key = {OTHER}")
            + self.section(self.HOST, "proxy api key = " + OTHER, type="machine")
            + self.section(KEY, "proxy enabled = yes")
            + self.section(KEY.replace("6", "7"), "proxy enabled = no", "proxy destination = away")
            + self.section(KEY.replace("6", "8"), "proxy destination = away").replace("= yes", "= no")
            + self.section(KEY.replace("6", "9"), "proxy destination = away", "valid until = 2020-01-01")
        )
        self.assertFalse(good, text)
        mark, host = fingerprint(OTHER), fingerprint(self.HOST)
        found = self.ways(text)
        self.assertEqual(
            list(found),
            [
                f"parent, of [stream] [key {fingerprint(KEY)}]",
                f"other, of [key {mark}]",
                f"nowhere, of [key {mark}]",
                f"parent, of [key {host}]",
            ],
        )
        own, theirs, nowhere, machine = found.values()
        self.assertIn("  first sample  ok      system.uptime of second", own)
        self.assertIn(f"  key           ok      key {mark} is accepted", theirs)
        self.assertIn("  first sample  -       not tried, since only samples of other nodes go there", theirs)
        self.assertNotIn("parent   ", theirs)
        self.assertIn("  name          FAILED", nowhere)
        self.assertIn(f"change  stream.conf:8: [key {mark}] proxy destination: write a name", nowhere)
        self.assertIn("  key           FAILED", machine)
        self.assertIn(f"change  stream.conf:13: [key {host}] proxy api key: ", machine)
        self.assertEqual([each.local for each in other.hub], [True])
        for secret in (OTHER, self.HOST):
            self.assertNotIn(secret, text)

    def test_alone(self) -> None:
        """
        A node that streams nothing of its own has the ways of its sections
        walked; of a certificate it is the line of [stream] that is named.
        """
        directory = self.directory / "other"
        write_authority(directory)
        certificate, key = write(pair("other"), directory)
        web = f"[web]\nssl certificate = {certificate}\nssl key = {key}\n"
        self.world.node("other", "parent", conf=web)
        lines = ("proxy enabled = yes", "proxy destination = other:SSL", f"proxy api key = {KEY}")
        config = "[stream]\nenabled = no\n" + self.section(OTHER, *lines)
        (self.etc / "stream.conf").write_text(config)
        (self.etc / "stream.conf").chmod(0o600)
        said: list[str] = []
        walking = walk(Configuration("parent", self.etc, self.data, hostname="laptop"), self.laptop, said.append)
        self.assertFalse(self.world.settle(walking))
        text = "\n".join(said)
        self.assertEqual(list(self.ways(text)), [f"other:SSL, of [key {fingerprint(OTHER)}]"])
        self.assertIn("  TLS           FAILED", text)
        self.assertIn("[stream] CAfile", text)


class KeyTests(CheckCase):
    """
    Whether the parent lets the node in.
    """

    def parent(self, more: str = "", stream: str = "") -> WorldNode:
        return self.world.node("parent", "parent", conf=more, stream=stream)

    def reason(self, parent: WorldNode) -> str:
        """
        @return: What C{netstream ctl refusals} says of the last one.
        """
        last = parent.service._parent.turned[-1]  # type: ignore[union-attr]
        self.assertEqual((last.hostname, last.peer.partition(":")[0]), ("parent", self.laptop.address))
        return f"{last.key}: {last.reason}"

    def test_keys(self) -> None:
        """
        A key that the parent does not take is said with its mark, and why is
        known to the parent: unknown, disabled, expired, early, of another
        type, or not from this address.
        """
        names = ("unknown", "disabled", "expired", "early", "machine", "elsewhere")
        keys = {name: f"{number}{OTHER[1:]}" for number, name in enumerate(names)}
        ends = {
            "disabled": "enabled = no",
            "expired": "enabled = yes\nvalid until = 2020-01-01",
            "early": "enabled = yes\nvalid from = 2099-01-01",
            "elsewhere": "enabled = yes\nallow from = 192.0.2.*",
        }
        sections = "".join(f"[{keys[name]}]\ntype = api\n{lines}\n" for name, lines in ends.items())
        parent = self.parent(stream=sections + f"[{keys['machine']}]\ntype = machine\nenabled = yes\n")
        for name, words in (
            ("unknown", "is not known"),
            ("disabled", "is not enabled"),
            ("expired", "was valid until"),
            ("early", "is not valid before"),
            ("machine", "is of 'type = machine'"),
            ("elsewhere", "may not be used from address"),
        ):
            mark = fingerprint(keys[name])
            self.assert_fails(
                "key",
                f"API key {mark} is not known there, disabled, expired",
                "[stream] api key",
                "ctl refusals",
                key=keys[name],
            )
            self.assertIn(mark, self.reason(parent))
            self.assertIn(words, self.reason(parent))
        self.assertEqual([host.local for host in parent.hub], [True])

    def test_machine_guid(self) -> None:
        """
        A machine GUID in the place of a key is said to be one: the node's own,
        that of the parent, and that of another node.
        """
        parent = self.parent()
        child = self.child(parent, machine_guid=OTHER)
        self.assertFalse(child.closed)
        for key, words in (
            (GUID, "this node's own machine GUID"),
            (parent.hub.local.info.guid, "the machine GUID of a node that the parent shows"),
            (OTHER, "the machine GUID of a node that the parent shows"),
        ):
            self.assert_fails("key", words, "no secret", "[stream] api key", key=key)

    def test_not_allowed(self) -> None:
        """
        An address that may not stream at all is told so.
        """
        self.parent("allow streaming from = 192.0.2.*\n")
        self.assert_fails("key", "does not let this address stream", "'allow streaming from'")

    def test_quota(self) -> None:
        """
        A key whose quota is used up is said, and the parent knows how; more
        nodes are let in as soon as its files say so.
        """
        section = f"[{OTHER}]\ntype = api\nenabled = yes\nmax nodes = 1\n"
        parent = self.parent(stream=section)
        child = self.child(parent, key=OTHER, machine_guid=f"0{OTHER[1:]}")
        self.assertFalse(child.closed)
        self.assert_fails("key", f"the quota of API key {fingerprint(OTHER)} is used up", "[stream] api key", key=OTHER)
        self.assertNotIn("is accepted", self.check(key=OTHER)[1])
        last = parent.service._parent.turned[-1]  # type: ignore[union-attr]
        self.assertIn("has its 1 nodes already", last.reason)
        parent.write("stream.conf", section.replace("= 1", "= 2"))
        self.assertEqual(parent.reload().went, ())
        good, text = self.check(key=OTHER)
        self.assertTrue(good, text)
        self.assertFalse(child.closed)

    def test_hidden(self) -> None:
        """
        A parent that does not show itself is streamed to all the same, and
        what it has is not known.
        """
        self.parent("allow dashboard from = 192.0.2.*\nallow streaming from = *\n")
        good, text = self.check()
        self.assertTrue(good, text)
        self.assertIn("first sample  -       it was sent, but the parent does not show itself to this address", text)

    def test_token(self) -> None:
        """
        A parent whose API wants a token shows what it has to who presents it,
        and to others says how.
        """
        access = Path(self.mktemp()).absolute()
        access.write_text("the-right-token-of-all\n")
        access.chmod(0o600)
        self.parent(f"access token file = {access}\n")
        for token, said in (
            ("", "first sample  -       it was sent, but the parent shows itself with --token-file alone"),
            ("a-token-that-is-wrong", "first sample  -       it was sent, but the parent does not know the token"),
            ("the-right-token-of-all", "system.uptime of second"),
        ):
            good, text = self.check(token=token)
            self.assertTrue(good, text)
            self.assertIn(said, text)
            if token:
                self.assertNotIn(token, text)

    def test_itself(self) -> None:
        """
        A destination that is the node itself is told.
        """
        parent = self.parent()
        self.assert_fails("parent", "is this node itself", guid=parent.hub.local.info.guid)

    def test_busy(self) -> None:
        """
        A parent that takes nobody just now is odd, and no failure.
        """
        self.parent().hub.draining = True
        _, text = self.check()
        self.assertIn("try again in a minute", text)


class TLSTests(CheckCase):
    """
    TLS on the way.
    """

    def setUp(self) -> None:
        super().setUp()
        self.ca = write_authority(self.directory)
        self.trust = f"CAfile = {self.ca}\n"

    def parent(self, *names: str, more: str = "", **made: Any) -> None:
        certificate, key = write(pair(*(names or ("parent",)), **made), self.directory)
        self.world.node("parent", "parent", conf=f"ssl certificate = {certificate}\nssl key = {key}\n{more}")

    def test_well(self) -> None:
        """
        A certificate that is good is said to be.
        """
        self.parent()
        good, text = self.check("parent:SSL", more=self.trust)
        self.assertTrue(good, text)
        self.assertIn("TLS           ok      certificate verified", text)

    def test_unverified(self) -> None:
        """
        A certificate at which nobody looks is odd, and the line that says so is named.
        """
        self.parent("other.example")
        good, text = self.check("parent:SSL", more="ssl skip certificate verification = yes\n")
        self.assertTrue(good, text)
        self.assertIn("TLS           odd     any certificate is accepted", text)
        self.assertIn("[stream] ssl skip certificate verification: write 'CAfile'", text)

    def test_none_presented(self) -> None:
        """
        Where a parent demands a certificate and none is presented, the check says that.
        """
        self.parent(more=f"ssl client CA = {self.ca}\n")
        self.assert_fails("key", "and none is presented", "[stream] api key", destination="parent:SSL", more=self.trust)

    def test_certificates(self) -> None:
        """
        A certificate of another name or of an unknown authority is said.
        """
        self.parent("other.example")
        self.assert_fails(
            "TLS",
            "the certificate is not for 'parent'",
            "[stream] destination",
            destination="parent:SSL",
            more=self.trust,
        )
        self.assert_fails("TLS", "an authority that is not known here", "[stream] CAfile", destination="parent:SSL")

    def test_expired(self) -> None:
        """
        A certificate that has expired is said, with the date.
        """
        self.stranger_with_tls(pair("parent", made=-90, days=30))
        self.assert_fails("TLS", "the certificate expired on", "renew it", destination="parent:SSL", more=self.trust)

    def stranger_with_tls(self, found: Any) -> None:
        """
        Let someone listen with a certificate that no node would start with.
        """
        certificate, key = write(found, self.directory, "old-")
        options = PrivateCertificate.loadPEM(certificate.read_bytes() + key.read_bytes()).options()
        machine = self.world.network.machine("parent")
        factory = TLSMemoryBIOFactory(options, False, Factory.forProtocol(Stranger), machine)
        TCP4ServerEndpoint(machine, 19999).listen(factory)

    def test_ports(self) -> None:
        """
        TLS on a plain port, and plain on a port that takes TLS only.
        """
        self.world.node("plain", "parent")
        self.assert_fails(
            "TLS", "TLS on a plain port", "leave ':SSL' out", "[stream] destination", destination="plain:SSL"
        )
        self.parent(more="bind to = *:19999^SSL=force\n")
        self.assert_fails("answer", "the port takes TLS only", "write ':SSL'", "[stream] destination")

    def test_presented(self) -> None:
        """
        With a certificate of its own no other name is good, so the check only asks for an answer; the parent takes it
        for a check, not for a child without a key.
        """
        self.parent(more=f"ssl client CA = {self.ca}\n")
        certificate, key = write(pair("child", client=True), self.directory, "child")
        self.check("parent:SSL", more=f"{self.trust}ssl certificate = {certificate}\nssl key = {key}\n")
        logged = "\n".join(self.logged)
        self.assertIn("'netstream check' there sees that there is an answer", logged)
        self.assertNotIn("the request has no key", logged)

    def test_client_certificate(self) -> None:
        """
        A parent that demands a certificate, of everyone or of who streams.
        """
        self.parent(more=f"ssl client CA = {self.ca}\nssl require client certificate = yes\n")
        self.assert_fails(
            "TLS",
            "certificate",
            "write 'ssl certificate' and 'ssl key'",
            "[stream] ssl certificate",
            destination="parent:SSL",
            more=self.trust,
        )
