"""
Tests for what is said to a SOCKS5 proxy.
"""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.wire.socks import SocksError, SocksRequest

GREETING, LOGIN = b"\x05\x01\x00", b"\x05\x02\x00\x02"
NAME = b"\x05\x01\x00\x03\x0eparent.example\x4e\x1f"
BOUND = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34"


class SocksTests(SynchronousTestCase):
    """
    L{SocksRequest}.
    """

    def converse(self, request: SocksRequest, answers: bytes, size: int = 1 << 16) -> bytes:
        """
        @return: All that was said to a proxy that answers these bytes.
        """
        said = request.begin()
        for at in range(0, len(answers), size):
            said += request.receive(answers[at : at + size])
        return said

    def test_every_split(self) -> None:
        """
        However the proxy's answers are cut, it is asked in the same way, and
        what comes behind them is kept.
        """
        cases = (
            ((), b"\x05\x00" + BOUND, GREETING + NAME),
            (("me", "secret"), b"\x05\x00" + BOUND, LOGIN + NAME),
            (("me", "secret"), b"\x05\x02\x01\x00" + BOUND, LOGIN + b"\x01\x02me\x06secret" + NAME),
            ((), b"\x05\x00\x05\x00\x00\x03\x03abc\x00\x00", GREETING + NAME),
            ((), b"\x05\x00\x05\x00\x00\x04" + b"\x00" * 18, GREETING + NAME),
        )
        for login, answers, said in cases:
            for size in range(1, len(answers) + 4):
                request = SocksRequest("parent.example", 19999, *login)
                found = self.converse(request, answers, size)
                self.assertEqual((found, request.done), (said, True))
            request = SocksRequest("parent.example", 19999, *login)
            self.converse(request, answers + b"Hit me")
            self.assertEqual((request.done, request.rest), (True, b"Hit me"))

    def test_addresses(self) -> None:
        """
        Numeric addresses are sent as such, other names for the proxy to look
        up.
        """
        for host, target in (
            ("10.0.0.5", b"\x01\x0a\x00\x00\x05"),
            ("::1", b"\x04" + b"\x00" * 15 + b"\x01"),
            ("b\u00fccher.example", b"\x03\x15xn--bcher-kva.example"),
        ):
            said = self.converse(SocksRequest(host, 1), b"\x05\x00")
            self.assertEqual(said, GREETING + b"\x05\x01\x00" + target + b"\x00\x01")
        self.assertRaises(ValueError, SocksRequest, "a" * 256, 1)
        self.assertRaises(ValueError, SocksRequest, "a", 1, "u" * 256)

    def test_refused(self) -> None:
        """
        What the proxy refuses is said in words.
        """
        for login, answers, words in (
            ((), b"\x05\xff", "wants a user and a password"),
            (("me", "x"), b"\x05\xff", "neither"),
            ((), b"\x05\x02", "neither"),
            (("me", "x"), b"\x05\x02\x01\x01", "does not accept this user"),
            ((), b"\x05\x00\x05\x02", "rules do not allow"),
            ((), b"\x05\x00\x05\x05\x00\x01", "refuses the connection"),
            ((), b"\x05\x00\x05\x63", "number 99"),
            ((), b"\x05\x00\x05\x00\x00\x09\x00", "malformed"),
            ((), b"HTTP/1.1 400", "no SOCKS5 proxy"),
            ((), b"\x04", "no SOCKS5 proxy"),
        ):
            problem = self.assertRaises(SocksError, self.converse, SocksRequest("a", 1, *login), answers)
            self.assertIn(words, str(problem))

    @given(st.lists(st.binary(max_size=20), max_size=20))
    def test_anything(self, pieces: list[bytes]) -> None:
        """
        Whatever a proxy answers is understood or refused, and little is kept.
        """
        request = SocksRequest("a", 1, "u", "p")
        request.begin()
        try:
            for piece in pieces:
                if not request.done:
                    request.receive(piece)
        except SocksError:
            pass
        self.assertLess(len(request._data), 300)
