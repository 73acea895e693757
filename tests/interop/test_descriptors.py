"""
A node that runs out of file descriptors.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, NetstreamNode, accepting, sending, wait_for

LIMIT = 400


class DescriptorTests(InteropTestCase):
    """
    Real connections, and a limit that is set while the node runs.
    """

    def crowd(self, node: NetstreamNode, count: int, said: bytes = b"") -> list[socket.socket]:
        """
        @return: Connections from several addresses of this machine, kept until the test ends. The node may have
            ended some of them before they said anything.
        """
        found = []
        for number in range(count):
            one = socket.socket()
            self.addCleanup(one.close)
            one.bind((f"127.0.1.{1 + number % 50}", 0))
            one.connect(("127.0.0.1", node.port))
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                one.sendall(said)
            found.append(one)
        return found

    def test_crowd(self) -> None:
        """
        While more connections than there are descriptors say nothing, the API
        is answered and a child is let in, and the log has one line about it.
        """
        parent = self.node("atlas", role="parent", stream=accepting(KEY))
        resource.prlimit(parent.pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
        for said in (b"", b"GET / HTTP/1.1\r\nHost: loc", b"STREAM key="):
            self.crowd(parent, LIMIT, said)
            self.assertEqual(parent.get("info")["mirrored_hosts"][0], "atlas")
            self.assertLess(len(os.listdir(f"/proc/{parent.pid}/fd")), LIMIT)
        child = self.node("borealis", role="child", stream=sending(parent.address))
        parent.wait_host(child.name)
        self.assertEqual(parent.log().count("there is no room for more connections"), 1)
        self.assertNotIn("Traceback", parent.log())

    def test_none_left(self) -> None:
        """
        Without a single descriptor the node goes on, and takes connections
        when there are some again.
        """
        node = self.node("atlas", role="standalone")
        node.wait_samples("system.cpu")
        used = max(map(int, os.listdir(f"/proc/{node.pid}/fd"))) + 1
        hard = resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (used, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        refused = self.crowd(node, 20)
        for one in refused:
            one.settimeout(60)
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(one.recv(1), b"")
        resource.prlimit(node.pid, resource.RLIMIT_NOFILE, hard)
        before = node.get("chart", chart="system.cpu")["last_entry"]
        wait_for("samples go on", lambda: node.get("chart", chart="system.cpu")["last_entry"] > before)
