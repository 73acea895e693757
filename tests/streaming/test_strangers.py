"""
Tests for who answers in the place of a parent.
"""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.streaming.front import _NO_TLS
from netstream.streaming.strangers import recognised

SQUID = b"HTTP/1.1 400 Bad Request\r\nServer: squid/5.7\r\nX-Squid-Error: ERR_INVALID_REQ 0\r\n\r\n"
NGINX_TLS = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\nThe plain HTTP request was sent to HTTPS port"


class StrangerTests(SynchronousTestCase):
    """
    L{recognised}.
    """

    def test_known(self) -> None:
        """
        Who answers is said, with what to do about it.
        """
        for data, *words in (
            (SQUID, "this is an HTTP proxy", "socks5://"),
            (b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n", "this is an HTTP proxy"),
            (b"HTTP/1.1 400 Bad Request\r\nVia: 1.1 varnish\r\n\r\n", "this is an HTTP proxy"),
            (NGINX_TLS, "plain on a TLS port", "':SSL'"),
            (b"\x15\x03\x01\x00\x02\x02\x46", "plain on a TLS port", "':SSL'"),
            (_NO_TLS, "TLS on a plain port", "leave ':SSL' out"),
            (b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n", "an HTTP server, not a streaming node", "from nginx"),
            (b"HTTP/1.1 400 Bad Request\r\nServer: Netdata Embedded HTTP Server v1.37.1\r\n\r\n", "^SSL=force"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "an SSH server, not a streaming node"),
            (b"220 mail.example ESMTP\r\n", "a mail or FTP server"),
            (b"\x05\xff", "a SOCKS5 proxy"),
            (b"hello", "not a streaming node, it says 'hello'"),
            (b"", "closed without an answer"),
        ):
            for word in words:
                self.assertIn(word, recognised(data))

    def test_known_by_tls(self) -> None:
        """
        An agent that has no certificate is not said to take TLS alone.
        """
        text = recognised(b"HTTP/1.1 400 Bad Request\r\nServer: Netdata Embedded HTTP Server v1.37.1\r\n\r\n", tls=True)
        self.assertIn("without a certificate", text)
        self.assertIn("leave ':SSL' out", text)
        self.assertNotIn("force", text)

    @given(st.binary(max_size=3000) | st.builds(lambda tail: b"HTTP/1.1 400 " + tail, st.binary(max_size=3000)))
    def test_anything(self, data: bytes) -> None:
        """
        Whatever a stranger sends, the answer is one short line without control
        characters.
        """
        text = recognised(data)
        self.assertTrue(text.isprintable(), text)
        self.assertLess(len(text), 400)
