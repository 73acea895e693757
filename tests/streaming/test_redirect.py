"""
Tests for where browsers without TLS are sent.
"""

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from netstream.streaming.redirect import HEAD_MOST, HEAD_WITHIN, Redirect, location


class LocationTests(SynchronousTestCase):
    """
    L{location}.
    """

    def test_same(self) -> None:
        """
        It is the same host, port, path and query.
        """
        for head, where in (
            (b"GET /a/b?c=d%20e HTTP/1.1\r\nHost: x.example:19999", "x.example:19999/a/b?c=d%20e"),
            (b"GET / HTTP/1.1\r\nAccept: */*\r\nhOST:  [::1]:1", "[::1]:1/"),
            (b"GET / HTTP/1.0", "10.0.0.1:19999/"),
            (b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b", "10.0.0.1:19999/a"),
            (b"GET /a HTTP/1.1\r\nHost: a/../b", "10.0.0.1:19999/a"),
            (b"GET /a HTTP/1.1\r\nHost: user@evil.example", "10.0.0.1:19999/a"),
            (b"GET //evil.example/ HTTP/1.1\r\nHost: a", "a/"),
            (b"GET http://evil.example/ HTTP/1.1\r\nHost: a", "a/"),
            (b"GET", "10.0.0.1:19999/"),
        ):
            self.assertEqual(location(head, "10.0.0.1:19999"), "https://" + where, head)

    @given(st.binary(max_size=200), st.binary(max_size=200))
    def test_anything(self, target: bytes, host: bytes) -> None:
        """
        Nothing that a client sends ends the header or names another kind of
        place.
        """
        found = location(b"GET /" + target + b" HTTP/1.1\r\nHost: " + host, "here:1")
        self.assertRegex(found, r"\Ahttps://[A-Za-z0-9_.:\[\]-]+/[!-~]*\Z")


class RedirectTests(SynchronousTestCase):
    """
    L{Redirect}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = StringTransport()
        self.redirect = Redirect(self.clock)
        self.redirect.makeConnection(self.transport)

    def test_every_split(self) -> None:
        """
        However the request is cut, it is answered once, and the connection
        ends.
        """
        data = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nmore"
        for size in range(1, len(data) + 1):
            self.setUp()
            for at in range(0, len(data), size):
                self.redirect.dataReceived(data[at : at + size])
            head, body = self.transport.value().split(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: https://x/a\r\n"), head)
            self.assertIn(b"\r\nContent-Length: %d\r\n" % len(body), head)
            self.assertTrue(self.transport.disconnecting)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_without_end(self) -> None:
        """
        Headers without end are answered as far as they go, and little is kept
        of them.
        """
        for _ in range(20):
            self.redirect.dataReceived(b"GET /" + b"x" * 1000)
        self.assertTrue(self.transport.value().startswith(b"HTTP/1.1 307 "))
        self.assertLessEqual(len(self.redirect._head), HEAD_MOST)

    def test_slow(self) -> None:
        """
        Who does not end its headers in time is cut off.
        """
        self.redirect.dataReceived(b"GET / HTTP/1.1\r\n")
        self.clock.advance(HEAD_WITHIN)
        self.assertTrue(self.transport.disconnected)
