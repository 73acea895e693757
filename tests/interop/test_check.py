"""
'netstream check' as a command, with real parents.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from netstream.model.identity import fingerprint
from tests.interop.case import InteropTestCase
from tests.interop.peers import CHECKOUT, KEY, accepting, sending
from tests.tls.papers import pair, write, write_authority

OTHER = "2b1a6f0e-7a53-4c1b-8a70-3f5d0f7f6a11"
GUID = "77777777-aaaa-4bbb-8ccc-123456789012"


class CheckTests(InteropTestCase):
    """
    Each check is a process of its own.
    """

    def check(
        self, destination: str, key: str = KEY, guid: str = GUID, directory: Path | None = None
    ) -> tuple[int, str]:
        """
        @param directory: Of a node that is there; a new one without.
        @return: Exit status, and what was printed.
        """
        etc, data = self.directory / "etc", self.directory / "data"
        if directory is not None:
            etc, data = directory / "etc", directory / "data"
        else:
            etc.mkdir(exist_ok=True)
            data.mkdir(exist_ok=True)
            (etc / "stream.conf").touch(0o600)
            (etc / "stream.conf").write_text(sending(destination, key=key, CAfile=str(self.directory / "ca.pem")))
            (data / "machine.guid").write_text(guid)
        command = [sys.executable, "-m", "netstream.cli", "check", "--role", "child", "--hostname", "checked"]
        done = subprocess.run(
            [*command, "--config-dir", str(etc), "--data-dir", str(data)],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=100,
        )
        said = done.stdout + done.stderr
        for secret in (KEY, OTHER):
            self.assertNotIn(secret, said)
        return done.returncode, said

    def setUp(self) -> None:
        super().setUp()
        write_authority(self.directory)
        self.certificate, self.key = write(pair("127.0.0.1", "localhost"), self.directory)

    def assert_well(self, said: tuple[int, str]) -> None:
        self.assertEqual(said[0], 0, said[1])
        for step in ("connection", "clock", "key", "capabilities", "first sample", "parent"):
            self.assertIn(f"  {step:<14}ok", said[1])

    def test_real_parent(self) -> None:
        """
        With a real parent each step is well, down to the sample that it shows; a key that it does not know is refused
        without a host that it would know of afterwards, and so is its own machine GUID.
        """
        real = self.agent("real-parent", accepts=[KEY])
        status, said = self.check(real.address, OTHER)
        self.assertEqual(status, 1)
        self.assertIn(f"  key           FAILED  the parent does not permit it: API key {fingerprint(OTHER)}", said)
        own = real.get("info")["uid"]
        status, said = self.check(real.address, own)
        self.assertEqual(status, 1)
        self.assertIn("the machine GUID of a node that the parent shows", said)
        (self.directory / "data" / "machine.guid").unlink()
        self.assertEqual(list(real.reachable()), [real.name])
        self.assert_well(self.check(real.address))
        real.wait_host("checked", online=False)

    def test_running_node(self) -> None:
        """
        A node that streams to a real parent is not disturbed by a check beside it.
        """
        real = self.agent("real-parent", accepts=[KEY])
        node = self.node("sender", role="child", stream=sending(real.address))
        real.wait_samples("system.load", node.name, count=3)
        for _ in range(2):
            status, said = self.check(real.address, directory=node.directory)
            self.assertEqual(status, 0, said)
            self.assertIn("  key           ok", said)
            self.assertIn("the node that runs here streams to it", said)
        # And on another machine, with a copy of its machine GUID.
        status, said = self.check(real.address, guid=node.guid)
        self.assertEqual(status, 1, said)
        self.assertIn("the parent receives checked already", said)
        self.assertEqual(node.log().count(f"sender streams to {real.address}"), 1)
        self.assertTrue(real.reachable()[node.name])

    def test_real_tls(self) -> None:
        """
        A real parent with TLS is well, and asked in plain it is said to take TLS only.
        """
        web = {
            "ssl key": str(self.key),
            "ssl certificate": str(self.certificate),
            "bind to": "127.0.0.1=dashboard|streaming^SSL=force",
        }
        real = self.agent("real-parent", accepts=[KEY], web=web)
        self.assert_well(self.check(f"{real.address}:SSL"))
        status, said = self.check(real.address)
        self.assertEqual(status, 1)
        self.assertIn("write ':SSL' at the end", said)

    def test_sections(self) -> None:
        """
        A proxy that runs has the way of a key's section walked too: its child's samples go there, and the real parent
        hears of nobody else; a wrong key of a section fails.
        """
        real, other = self.agent("real-parent", accepts=[KEY]), self.agent("real-other", accepts=[OTHER])

        def sections(key: str) -> str:
            return f"{accepting(KEY, type='api')}    proxy destination = {other.address}\n    proxy api key = {key}\n"

        proxy = self.node("proxy", role="proxy", stream=sending(real.address) + sections(OTHER))
        child = self.node("below", role="child", stream=sending(proxy.address))
        other.wait_samples("system.load", child.name, count=2)
        status, said = self.check("", directory=proxy.directory)
        self.assertEqual(status, 0, said)
        self.assertIn(f"{other.address}, of [key {fingerprint(KEY)}]\n", said)
        self.assertIn(f"  key           ok      key {fingerprint(OTHER)} is accepted", said)
        self.assertIn("  first sample  ok      the samples of one node go there from the node that runs here", said)
        self.assertIn("the node that runs here streams to it", said)
        self.assertEqual(sorted(other.reachable()), sorted([other.name, child.name]))
        stream = proxy.directory / "etc" / "stream.conf"
        stream.write_text(sending(real.address) + sections(GUID))
        status, said = self.check("", directory=proxy.directory)
        self.assertEqual(status, 1, said)
        self.assertIn(f"[key {fingerprint(KEY)}] proxy api key: ", said)

    def test_udp(self) -> None:
        """
        A parent by UDP is well; where nobody answers, or with a wrong key, that is said.
        """
        options = ["web/bind to=127.0.0.1:0 udp:127.0.0.1:0", f"web/ssl certificate={self.certificate}"]
        options.append(f"web/ssl key={self.key}")
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY), options=options)
        destination = f"udp:localhost:{parent.wait_log(r'serves udp:127.0.0.1:([0-9]+)')[1]}"
        self.assert_well(self.check(destination))
        status, said = self.check(destination, OTHER)
        self.assertEqual(status, 1)
        self.assertIn("  key           FAILED", said)
        parent.stop()
        status, said = self.check(destination)
        self.assertEqual(status, 1)
        self.assertIn("  connection    FAILED", said)
