"""
Nodes that stream by UDP over real sockets: directly, through a forwarder that
loses datagrams and changes addresses, and through nginx.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.interop.peers import KEY, NetstreamNode, accepting, free_port, missing, sending, wait_for
from tests.interop.test_proxies import NGINX_STREAM, program
from tests.interop.test_tls import TLSTestCase

FORWARDER = Path(__file__).with_name("forwarder.py")


class UDPTestCase(TLSTestCase):
    """
    A test with a parent that listens by UDP.
    """

    def udp_parent(
        self, name: str = "ns-parent", *, above: str = "", options: Sequence[str] = ()
    ) -> tuple[NetstreamNode, int]:
        """
        @param above: The section of C{stream.conf} that sends what it has on.
        @return: A parent, and its UDP port.
        """
        options = [*options, "web/bind to=127.0.0.1:0 udp:127.0.0.1:0", f"web/ssl certificate={self.certificate}"]
        options += [f"web/ssl key={self.key}"]
        parent = self.node(name, role="parent", stream=accepting(KEY, type="api") + above, options=options)
        return parent, int(parent.wait_log(r"serves udp:127\.0\.0\.1:(\d+)")[1])

    def udp_child(self, port: int, name: str = "ns-child", **stream: str) -> NetstreamNode:
        """
        @return: A child that streams to a UDP port.
        """
        stream = {"CAfile": str(self.ca), **stream}
        return self.node(name, role="child", stream=sending(f"udp:localhost:{port}", **stream))

    def started(self, command: list[str]) -> subprocess.Popen[bytes]:
        """
        Start a program, which ends with the test; it writes to its log.
        """
        log = (self.directory / "between.log").open("ab")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.directory
        )

        def end() -> None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)

        self.addCleanup(end)
        return process

    def forwarder(self, target: int, loss: float, doubles: float, late: float, move_every: float) -> int:
        """
        @return: A port that leads to another in bad weather.
        """
        self.started(
            [sys.executable, str(FORWARDER), *map(str, (target, loss, doubles, late, move_every)), "1"],
        )

        def listens() -> int | None:
            found = re.search(r"listens (\d+)", (self.directory / "between.log").read_text())
            return int(found[1]) if found else None

        return wait_for("the forwarder listens", listens)


class DirectTests(UDPTestCase):
    """
    Without anything in between.
    """

    def test_streams(self) -> None:
        """
        What a child collects arrives by UDP, and both end in good order.
        """
        parent, port = self.udp_parent()
        child = self.udp_child(port)
        self.assert_seamless(child, parent, "system.cpu", 8)
        parent.wait_log(r"connected: netstream")
        self.assert_stopped(child, parent)

    def test_workers(self) -> None:
        """
        Workers have children that come by UDP, and send what they have on by UDP.
        """
        options = ["global/workers=1", "plugins/proc=no"]
        parent, port = self.udp_parent(options=options)
        proxy, below = self.udp_parent(
            "ns-proxy", options=["db/db=none", *options], above=sending(f"udp:localhost:{port}", CAfile=str(self.ca))
        )
        child = self.udp_child(below)
        self.assert_seamless(child, parent, "system.cpu", 8)
        parent.wait_log(r"worker 1: .*ns-child.* connected")
        proxy.wait_log(r"worker 1: .*ns-child.* connected")
        self.assert_stopped(child, proxy, parent)

    def test_restart(self) -> None:
        """
        A child is back soon after its parent was killed and came back, as the
        parent says that it knows nothing of the connection.
        """
        parent, port = self.udp_parent()
        child = self.udp_child(port)
        parent.wait_samples("system.cpu", child.name, count=3)
        parent.options = [parent.options[0].replace("udp:127.0.0.1:0", f"udp:127.0.0.1:{port}"), *parent.options[1:]]
        parent.kill()
        parent.start()
        child.wait_log("(after a restart|nothing listens there any more)")
        parent.wait_host(child.name)

    def test_wrong(self) -> None:
        """
        A wrong key, an address where nothing listens, an authority that is not
        known, a name that the certificate is not for, TCP to a port of UDP and UDP to a port of TCP: each is
        told for what it is.
        """
        _, port = self.udp_parent()
        self.certificate, self.key = self.papers("elsewhere")
        _, elsewhere = self.udp_parent("other-parent")
        other = "99999999-0000-4000-8000-000000000000"
        for name, stream, words in (
            (
                "wrong-key",
                sending(f"udp:localhost:{port}", key=other, CAfile=str(self.ca)),
                "not permitted by the parent",
            ),
            ("wrong-address", sending(f"udp:127.0.0.2:{port}", CAfile=str(self.ca)), "nothing listens there for UDP"),
            ("wrong-name", sending(f"udp:localhost:{elsewhere}", CAfile=str(self.ca)), "is not for 'localhost'"),
            ("no-trust", sending(f"udp:localhost:{port}"), "authority that is not known here"),
            ("tcp-to-udp", sending(f"127.0.0.1:{port}:SSL", CAfile=str(self.ca)), "the connection was refused"),
            ("udp-to-nothing", sending(f"udp:127.0.0.1:{free_port()}"), "nothing listens there for UDP"),
        ):
            child = self.node(name, role="child", stream=stream)
            child.wait_log(f"cannot stream to .*{words}")
            child.stop()


class WeatherTests(UDPTestCase):
    """
    Through a forwarder that does its worst.
    """

    def test_loss_and_moves(self) -> None:
        """
        One datagram in twenty is lost, some come twice or late, and every
        four seconds the address changes: the parent has every second all the
        same, of one connection.
        """
        parent, port = self.udp_parent()
        through = self.forwarder(port, 0.05, 0.05, 0.1, 4.0)
        child = self.udp_child(through)
        self.assert_seamless(child, parent, "system.cpu", 20)
        self.assertIn("moved 3", (self.directory / "between.log").read_text())
        self.assertNotIn("no more", child.log())
        self.assertEqual(len(re.findall(" connected: netstream", parent.log())), 1)


class NginxTests(UDPTestCase):
    """
    Through nginx C{stream}.
    """

    def test_stream_udp(self) -> None:
        """
        nginx passes UDP on; the certificate stays the parent's.
        """
        path = program("nginx", "nginx-light libnginx-mod-stream")
        if not NGINX_STREAM.exists():
            missing(f"{NGINX_STREAM} is not there (apt-get install --no-install-recommends libnginx-mod-stream)")
        parent, port = self.udp_parent()
        between = free_port()
        conf = self.directory / "nginx.conf"
        conf.write_text(
            f"load_module {NGINX_STREAM};\ndaemon off;\nmaster_process off;\npid {self.directory}/nginx.pid;\n"
            f"error_log {self.directory}/nginx.log;\nevents {{ }}\nstream {{\n server {{\n"
            f" listen 127.0.0.1:{between} udp;\n proxy_pass 127.0.0.1:{port};\n }}\n}}\n"
        )
        self.started([path, "-p", str(self.directory), "-e", f"{self.directory}/nginx.log", "-c", str(conf)])
        child = self.udp_child(between)
        self.assert_seamless(child, parent, "system.cpu", 8)
        self.assertNotIn(f":{child.port}", parent.log())
