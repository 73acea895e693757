"""
The languages of C{destination} and C{bind to}.
"""

import socket

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.addresses import FEATURES, destination, entries, listener
from netstream.config.settings import Destination, Listener

DESTINATIONS = [
    ("parent", ("tcp", "parent", 19999, "")),
    ("parent:1", ("tcp", "parent", 1, "")),
    ("parent:", ("tcp", "parent", 19999, "")),
    ("parent:http", ("tcp", "parent", 80, "")),
    ("tcp:10.0.0.1:0x10", ("tcp", "10.0.0.1", 16, "")),
    ("[::1]", ("tcp", "::1", 19999, "")),
    ("[fe80::1]%eth0:20000", ("tcp", "fe80::1", 20000, "eth0")),
    ("parent%eth0", ("tcp", "parent", 19999, "eth0")),
    ("unix:/run/a:b.sock", ("unix", "/run/a:b.sock", 0, "")),
    ("/run/a.sock", ("unix", "/run/a.sock", 0, "")),
]
NO_DESTINATIONS = [
    (":19999", "names no host"),
    ("tcp:", "names no host"),
    ("[]:1", "names no host"),
    ("unix:", "names no socket"),
    ("::1", "brackets"),
    ("fe80::1:19999", "brackets"),
    ("a:b:c", "HOST"),
    ("a:99999", "between 0 and 65535"),
    ("a:0", "port 0"),
    ("a:nosuchservice", "known service"),
    ("a:ssl", "known service"),
    ("[::1", "HOST"),
    ("unix:/run/a.sock:SSL", "never speak on Unix sockets"),
    ("udp:[fe80::1]%eth0", "link-local addresses ('%eth0') are not possible over UDP"),
]
ONE = frozenset(("streaming",))
LISTENERS = [
    ("*", ("tcp", "", 19999, FEATURES, "", "")),
    ("any:1", ("tcp", "", 1, FEATURES, "", "")),
    ("all", ("tcp", "", 19999, FEATURES, "", "")),
    (":0", ("tcp", "", 0, FEATURES, "", "")),
    ("tcp:127.0.0.1:http", ("tcp", "127.0.0.1", 80, FEATURES, "", "")),
    ("[::]:19996=streaming", ("tcp", "::", 19996, ONE, "", "")),
    ("[fe80::1]%eth0", ("tcp", "fe80::1", 19999, FEATURES, "eth0", "")),
    ("a=streaming|unheard of", ("tcp", "a", 19999, ONE, "", "")),
    ("a=mcp", ("tcp", "a", 19999, frozenset(), "", "")),
    ("a=streaming^SSL=optional", ("tcp", "a", 19999, ONE, "", "optional")),
    ("a^SSL=optional", ("tcp", "a", 19999, FEATURES, "", "optional")),
    ("a=streaming^SSL=force", ("tcp", "a", 19999, ONE, "", "force")),
    ("10.1.1.1:19998=management|netdata.conf", ("tcp", "10.1.1.1", 19998, {"management", "netdata.conf"}, "", "")),
    ("unix:/run/a=b.sock", ("unix", "/run/a=b.sock", 0, FEATURES, "", "")),
]
NO_LISTENERS = [
    ("a=streaming^SSL=maybe", "'force' or 'optional'"),
    ("a^SSL=force=streaming", "'force' or 'optional'"),
    ("::1:19999", "brackets"),
    ("a:-1", "between 0 and 65535"),
    ("unix:", "names no socket"),
    ("udp:*^SSL=optional", "over UDP there is always TLS"),
]


class AddressTests(SynchronousTestCase):
    """
    Entries become places to connect to or to listen at.
    """

    def setUp(self) -> None:
        """
        Know one service, wherever the tests run; a minimal system knows none.
        """
        self.patch(socket, "getservbyname", self.port_of)

    def port_of(self, name: str, protocol: str) -> int:
        if (name, protocol) == ("http", "tcp"):
            return 80
        raise OSError("service/proto not found")

    def test_lists(self) -> None:
        """
        Entries are separated by blanks, commas, or both.
        """
        self.assertEqual(entries(" a:1, b ,,c\td\n"), ["a:1", "b", "c", "d"])
        self.assertEqual(entries(""), [])

    def test_destinations(self) -> None:
        """
        Every form of a destination is understood, and its text kept.
        """
        for text, (protocol, host, port, interface) in DESTINATIONS:
            self.assertEqual(destination(text, 19999), Destination(text, protocol, host, port, interface, False), text)
            if protocol == "tcp":
                secure = Destination(f"{text}:SSL", protocol, host, port, interface, True)
                self.assertEqual(destination(f"{text}:SSL", 19999), secure)

    def test_bad_destinations(self) -> None:
        """
        What is wrong with a destination is said; one that asks for TLS is
        never taken for a plain one.
        """
        for text, message in NO_DESTINATIONS:
            problem = self.assertRaises(ValueError, destination, text, 19999)
            self.assertIn(message, str(problem), text)

    def test_listeners(self) -> None:
        """
        Every form of C{bind to} is understood.
        """
        for text, (protocol, host, port, features, interface, tls) in LISTENERS:
            expected = Listener(text, protocol, host, port, frozenset(features), interface, tls)
            self.assertEqual(listener(text, 19999), expected, text)

    def test_bad_listeners(self) -> None:
        """
        What is wrong with a listening address is said; one that insists on
        TLS never listens without.
        """
        for text, message in NO_LISTENERS:
            problem = self.assertRaises(ValueError, listener, text, 19999)
            self.assertIn(message, str(problem), text)

    def test_udp(self) -> None:
        """
        Over UDP there is always TLS, whether it is written or not.
        """
        for text in ("udp:parent:1", "udp:parent:1:SSL"):
            self.assertEqual(destination(text, 19999), Destination(text, "udp", "parent", 1, "", True))
        for text in ("udp:*:1", "udp:*:1^SSL=force"):
            self.assertEqual(listener(text, 19999), Listener(text, "udp", "", 1, FEATURES, "", "force"))

    @given(st.text(st.characters(exclude_categories=["Cs"])) | st.text("tcpudx:[]%=^SL*/1|é", max_size=12))
    def test_any_text(self, text: str) -> None:
        """
        Any entry is understood or refused with L{ValueError}.
        """
        for read in (destination, listener):
            try:
                found = read(text, 19999)
            except ValueError:
                pass
            else:
                udp = found.protocol == "udp"
                self.assertTrue(read is listener or found.tls == (udp or text.endswith(":SSL")))
