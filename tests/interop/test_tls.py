"""
TLS with real agents, and with C{openssl} as a peer.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import time
from pathlib import Path

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, accepting, sending
from tests.tls.papers import pair, write, write_authority


class TLSTestCase(InteropTestCase):
    """
    A test with certificates.

    @ivar ca: File of the authority of all of them.
    """

    def setUp(self) -> None:
        super().setUp()
        self.ca = write_authority(self.directory / "ca")
        self.certificate, self.key = self.papers("localhost", "127.0.0.1")

    def papers(self, *names: str, client: bool = False) -> tuple[Path, Path]:
        """
        @return: Files of a certificate for these names, and of its key.
        """
        directory = self.directory / "papers" / names[0].replace(":", "-")
        return write(pair(*names, client=client), directory)

    def options(self, mode: str = "force") -> list[str]:
        """
        @return: What a netstream node needs to serve TLS.
        """
        return [
            f"web/bind to=127.0.0.1:0^SSL={mode}" if mode else "web/bind to=127.0.0.1:0",
            f"web/ssl certificate={self.certificate}",
            f"web/ssl key={self.key}",
        ]


class RealChildTests(TLSTestCase):
    """
    A real child streams to a netstream parent by TLS.
    """

    def test_skips_verification(self) -> None:
        """
        With C{ssl skip certificate verification} its samples arrive, on a port
        that forces TLS.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY, type="api"), options=self.options())
        child = self.agent(
            "real-child",
            sends_to=[f"{parent.address}:SSL"],
            fixture=True,
            stream={"ssl skip certificate verification": "yes"},
        )
        parent.wait_samples("fixture.simple", child.name, count=8)
        self.assert_same_charts(child, parent)
        self.assert_same_samples(child, parent, "fixture.simple", {"inc": 0.1})

    def test_verifies(self) -> None:
        """
        With C{CAfile} it verifies our certificate, and its samples arrive.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY, type="api"), options=self.options(""))
        child = self.agent(
            "real-child", sends_to=[f"{parent.address}:SSL"], fixture=True, stream={"CAfile": str(self.ca)}
        )
        parent.wait_samples("fixture.simple", child.name, count=6)
        self.assert_same_samples(child, parent, "fixture.simple", {"inc": 0.1}, least=3)

    def test_does_not_trust(self) -> None:
        """
        When it does not know our authority, our log says so, with the
        certificate and what the child needs.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY, type="api"), options=self.options())
        self.agent("real-child", sends_to=[f"{parent.address}:SSL"], fixture=True)
        parent.wait_log(r"closed after the TLS handshake without a word.*CAfile.*CN=localhost")
        self.assertNotIn("real-child", parent.reachable())

    def test_plain_child(self) -> None:
        """
        A plain child is refused where TLS is forced, and our log says what it
        needs; where it is not, it streams beside the browsers that need TLS.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY, type="api"), options=self.options())
        open_parent = self.node("open", role="parent", stream=accepting(KEY, type="api"), options=self.options(""))
        self.agent("plain-child", sends_to=[parent.address, open_parent.address], fixture=True)
        parent.wait_log(r"streaming refused; it came without TLS.*':SSL'")
        open_parent.wait_samples("fixture.simple", "plain-child", count=2)


class RealParentTests(TLSTestCase):
    """
    A netstream child streams to a real parent by TLS.
    """

    def test_streams(self) -> None:
        """
        Its samples arrive on a port that forces TLS, verified by name.
        """
        web = {
            "bind to": "127.0.0.1=dashboard|streaming^SSL=force",
            "ssl key": str(self.key),
            "ssl certificate": str(self.certificate),
        }
        parent = self.agent("real-parent", accepts=[KEY], web=web)
        child = self.node("ns-child", role="child", stream=sending(f"localhost:{parent.port}:SSL", CAfile=str(self.ca)))
        parent.wait_samples("system.cpu", child.name, count=4)
        self.assert_same_samples(child, parent, "system.ram", least=2)

    def test_refuses(self) -> None:
        """
        A certificate that it does not trust, and a real parent without TLS,
        are told apart in its log.
        """
        web = {"ssl key": str(self.key), "ssl certificate": str(self.certificate)}
        parent = self.agent("real-parent", accepts=[KEY], web=web)
        stranger = self.node("stranger", role="child", stream=sending(f"{parent.address}:SSL"))
        stranger.wait_log(r"TLS handshake failed \(certificate\): .*authority that is not known here.*CN=Test CA")
        plain = self.agent("plain-parent", accepts=[KEY])
        child = self.node("child", role="child", stream=sending(f"{plain.address}:SSL", CAfile=str(self.ca)))
        child.wait_log(r"TLS handshake failed \(hello\): what answers speaks no TLS: .*HTTP")

    def test_plain_to_forced(self) -> None:
        """
        A child without C{:SSL} tells that a real parent may force TLS.
        """
        web = {
            "bind to": "127.0.0.1=dashboard|streaming^SSL=force",
            "ssl key": str(self.key),
            "ssl certificate": str(self.certificate),
        }
        parent = self.agent("real-parent", accepts=[KEY], web=web)
        child = self.node("ns-child", role="child", stream=sending(parent.address))
        child.wait_log(r"cannot stream to .*a Netdata agent that takes no plain streams.*'\^SSL=force'.*':SSL'")


class NodeTests(TLSTestCase):
    """
    Two netstream nodes.
    """

    def test_client_certificates(self) -> None:
        """
        A child with a certificate that is bound to its GUID streams; with that
        of another node, or without any, it is refused.
        """
        options = [*self.options(), f"web/ssl client CA={self.ca}"]
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY, type="api"), options=options)
        destination = f"{parent.address}:SSL"
        child = self.node("child", role="child", stream=sending(destination, CAfile=str(self.ca)))
        parent.wait_log("child .* refused: it presented no certificate")
        child.wait_log("not permitted by the parent")
        child.stop()
        for names, outcome in (
            (("urn:uuid:99999999-9999-4999-8999-999999999999",), "its certificate is bound to machine GUID 99999999"),
            ((f"urn:uuid:{child.guid}",), "child .* connected"),
        ):
            certificate, key = self.papers(*names, client=True)
            more = {"ssl_certificate": str(certificate), "ssl_key": str(key)}
            child.stream = sending(destination, CAfile=str(self.ca), **more)
            child.start()
            parent.wait_log(outcome)
            child.stop()

    def test_renewed(self) -> None:
        """
        A certificate that was replaced is shown at once to who connects, and
        the child that streams goes on.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY, type="api"), options=self.options())
        child = self.node("child", role="child", stream=sending(f"{parent.address}:SSL", CAfile=str(self.ca)))
        parent.wait_samples("system.cpu", child.name, count=2)
        write(pair("renewed.example"), self.certificate.parent)
        shown = converse_tls(parent.port)
        self.assertIn("CN = renewed.example", shown)
        parent.wait_samples("system.cpu", child.name, newer=int(time.time()), count=2)
        self.assertEqual(parent.log().count("disconnected"), 0)
        self.assert_stopped(child, parent)

    def test_redirect(self) -> None:
        """
        A browser that comes without TLS is sent to where it is served.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY, type="api"), options=self.options())
        parent.scheme = "http"
        self.assertEqual(parent.get("info")["uid"], parent.guid)

    def test_does_not_start(self) -> None:
        """
        A certificate that does not fit its key stops the start, with the name
        of the file and the reason.
        """
        from tests.interop.peers import PeerExited

        _, self.key = self.papers("other.example")
        with self.assertRaises(PeerExited) as caught:
            self.node("ns-parent", role="parent", stream=accepting(KEY, type="api"), options=self.options())
        self.assertEqual(caught.exception.status, 1)
        self.assertIn(f"{self.certificate}: does not belong to the private key", caught.exception.output)


def converse_tls(port: int, *options: str, say: bytes = b"") -> str:
    """
    @param options: More options of C{openssl s_client}.
    @return: What C{openssl s_client} tells of the connection.
    """
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options]
    done = subprocess.run(command, input=say, capture_output=True, timeout=60, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


class OpenSSLTests(TLSTestCase):
    """
    C{openssl s_client} talks to a node.
    """

    def test_s_client(self) -> None:
        """
        It verifies the chain, gets TLS 1.3 or 1.2 with forward secrecy, and
        nothing older; the page is served.
        """
        node = self.node("ns", role="standalone", options=self.options())
        verified = ["-CAfile", str(self.ca), "-verify_hostname", "localhost", "-verify_return_error"]
        for version, name in (("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")):
            shown = converse_tls(node.port, version, *verified)
            self.assertIn("Verify return code: 0 (ok)", shown)
            self.assertIn(name, shown)
            if version == "-tls1_2":
                self.assertRegex(shown, r"Cipher is ECDHE-\w+-(AES|CHACHA20)")
                self.assertIn("Secure Renegotiation IS supported", shown)
        for refused in (
            ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
            ["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
            ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"],
        ):
            self.assertIn("no peer certificate available", converse_tls(node.port, *refused))
        page = b"GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        self.assertIn("HTTP/1.1 200 OK", converse_tls(node.port, "-ign_eof", say=page))


class HalfHandshakeTests(TLSTestCase):
    """
    Peers that begin TLS and say no more (S8).
    """

    def test_hundred(self) -> None:
        """
        A hundred of them do not slow the API, and are gone after ten seconds.
        """
        node = self.node("ns", role="standalone", options=self.options())
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
        began = time.monotonic()
        # One address may have a hundred such connections; the API needs one of them.
        peers = [socket.create_connection(("127.0.0.1", node.port), 10) for _ in range(99)]
        try:
            for peer in peers:
                peer.sendall(hello)
            node.get("info")
            self.assertEqual(select.select(peers, [], [], 0)[0], [], "it answers while all of them are there")
            for peer in peers:
                peer.settimeout(60)
                with contextlib.suppress(ConnectionError):
                    self.assertEqual(peer.recv(100), b"")
            self.assertGreater(time.monotonic() - began, 9)
        finally:
            for peer in peers:
                peer.close()
        node.wait_log("not complete within 10 s")
