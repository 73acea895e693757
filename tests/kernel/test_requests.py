"""
Requests without their window: the compiled kernel and the plain one cut alike.
"""

from __future__ import annotations

from types import ModuleType

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.kernel import installed, plain

settings.register_profile("requests", max_examples=500, deadline=None, database=None, derandomize=True)

PIECES = st.sampled_from(
    (
        *(b"after=", b"before=", b"points=", b"&", b"?", b" ", b"=", b"-", b"0", b"12", b"98765432109", b"chart=a"),
        *(
            b"after",
            b"xafter=1",
            b"%3F",
            b"+",
            b"\r\n",
            b"GET",
            b"/api/v1/data",
            b" HTTP/1.1\r\n",
            b"\xff",
            b"?after=-5&",
        ),
    )
)


class RequestsTests(SynchronousTestCase):
    """
    Each test runs with the kernel that is installed; a subclass names the
    other.
    """

    kernel: ModuleType = installed

    def test_cut(self) -> None:
        """
        The numbers are taken out where they are, in whatever order; nothing
        else changes.
        """
        for query, kept, numbers in (
            (b"after=-60", b"after=", (-60, None, None)),
            (b"points=60&chart=x&after=-60&before=0", b"points=&chart=x&after=&before=", (-60, 0, 60)),
            (b"chart=x&before=99999999999&x=after=1", b"chart=x&before=&x=after=1", (None, 99999999999, None)),
            (b"?after=1&points=2", b"?after=1&points=", (None, None, 2)),
        ):
            rest = b" HTTP/1.1\r\nHost: x?after=1&after=2\r\n\r\n"
            found = self.kernel.requests.window_of(b"GET /api/v1/data?" + query + rest)
            self.assertEqual(found, (b"GET /api/v1/data?" + kept + rest, *numbers), query)

    def test_left(self) -> None:
        """
        What is not just a number, or is said twice, is left to others.
        """
        for target in (
            *(b"/", b"/?", b"/?chart=x", b"/after=1", b"/?after=", b"/?after=-", b"/?after=1.5", b"/?after=+1"),
            *(b"/?after=1&after=1", b"/?after=123456789012", b"/?after=1x", b"/?After=1", b"/?after=%31"),
        ):
            self.assertIsNone(self.kernel.requests.window_of(b"GET " + target + b" HTTP/1.1\r\n\r\n"), target)
        for data in (b"", b"GET /?after=1", b"GET /?after", b"GET  /?after=1 "):
            self.assertIsNone(self.kernel.requests.window_of(data), data)


class PlainRequestsTests(RequestsTests):
    """
    The same with the plain kernel.
    """

    kernel = plain


class SameRequestsTests(SynchronousTestCase):
    """
    Both kernels, held against each other.
    """

    @settings(settings.get_profile("requests"))
    @given(st.lists(PIECES, max_size=12).map(b"".join))
    def test_same(self, data: bytes) -> None:
        """
        Both kernels find the same, whatever comes.
        """
        for whole in (data, b"GET /?" + data + b" HTTP/1.1\r\n\r\n"):
            self.assertEqual(installed.requests.window_of(whole), plain.requests.window_of(whole))
