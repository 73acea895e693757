"""
How a node starts, and how it says that it cannot.
"""

from __future__ import annotations

import os
import socket

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, PeerExited, sending


class CannotStartTests(InteropTestCase):
    """
    A node that cannot start says why, and ends with status 1 rather than staying around.
    """

    def assert_ends(self, *words: str, **settings: object) -> None:
        """
        The node ends at once.

        @param words: Must be in the last lines that it prints.
        """
        problem = self.assertRaises(PeerExited, self.node, "ns-node", **{"role": "standalone", **settings})
        self.assertEqual(problem.status, 1, problem.output)
        end = "\n".join(problem.output.splitlines()[-6:])
        for word in words:
            self.assertIn(word, end)
        self.assertNotIn("Traceback", problem.output)

    def test_port_is_taken(self) -> None:
        """
        The address that another program listens on is named.
        """
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.assert_ends(f"127.0.0.1:{port}", "bind to", options=[f"web/bind to=127.0.0.1:{port}"])

    def test_data_directory_cannot_be_made(self) -> None:
        """
        The directory that cannot be written is named.
        """
        taken = self.directory / "taken"
        taken.write_text("not a directory")
        self.assert_ends(str(taken), arguments=["--data-dir", str(taken)])

    def test_wrong_configuration(self) -> None:
        """
        A value that makes no sense is named with file, section and option.
        """
        stream = sending("127.0.0.1:1", key=KEY, timeout="soon")
        self.assert_ends("stream.conf", "[stream]", "timeout", "soon", role="child", stream=stream)

    def test_wrong_role(self) -> None:
        """
        A role that does not exist is named beside those that do.
        """
        self.assert_ends("grandparent", "standalone", "proxy", role="grandparent")


class IdentityTests(InteropTestCase):
    """
    Who a node is stays the same.
    """

    def test_makes_a_guid(self) -> None:
        """
        A new node makes itself a machine GUID that only its owner can read, and keeps it.
        """
        data = self.directory / "data"
        node = self.node("ns-node", role="standalone", arguments=["--data-dir", str(data)], options=["db/mode=ram"])
        guid = (data / "machine.guid").read_text().strip()
        self.assertEqual(os.stat(data / "machine.guid").st_mode & 0o777, 0o600)
        self.assertEqual(node.get("info")["uid"], guid)
        self.assert_stopped(node)
        node.start()
        self.assertEqual(node.get("info")["uid"], guid)
        self.assert_stopped(node)

    def test_makes_an_api_key(self) -> None:
        """
        A parent without a key makes one, prints the lines for a child, and a child with these lines streams.
        """
        parent = self.node("ns-parent", role="parent", options=["db/mode=ram"])
        found = parent.wait_log(r"api key = ([0-9a-f-]{36})")
        self.assertIn(found[1], (parent.directory / "etc" / "stream.conf").read_text())
        child = self.node("ns-child", role="child", stream=sending(parent.address, key=found[1]))
        parent.wait_host(child.name)
