"""
Tests for L{netstream.endings}.
"""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet import error
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netstream.endings import how_ended


class EndingTests(SynchronousTestCase):
    """
    How connections ended, or were not made.
    """

    def test_for_people(self) -> None:
        """
        Nothing that users read speaks of clean fashions, calls of Twisted or
        numbers of errors.
        """
        for problem, expected in (
            (error.ConnectionDone(), "the connection was closed by the child"),
            (error.ConnectionLost(), "the connection to the child was lost"),
            (
                error.ConnectionLost("it was silent."),
                "the connection to the child was lost: it was silent",
            ),
            (error.ConnectionAborted(), "the connection was broken off by this node"),
            (
                error.ConnectionRefusedError(111, "Connection refused"),
                "the connection was refused: nothing listens there, or a firewall does not let it through",
            ),
            (
                error.ConnectionRefusedError("nothing listens there for UDP"),
                "the connection was refused: nothing listens there for UDP",
            ),
            (
                error.TimeoutError(),
                "the connection was not made in time: nobody answers there, or a firewall drops it",
            ),
            (
                error.TCPTimedOutError(110, "Connection timed out"),
                "the connection was not made in time: nobody answers there, or a firewall drops it",
            ),
            (error.NoRouteError(113, "No route to host"), "No route to host"),
            (error.ConnectError(2, "No such file or directory"), "No such file or directory"),
            (
                error.DNSLookupError("no results for hostname lookup: parent.example"),
                "the name cannot be looked up: parent.example",
            ),
            (
                SSL.Error([("", "", "tlsv1 alert unknown ca")]),
                "TLS handshake failed (certificate): the other side refused",
            ),
            (ValueError("it says something."), "it says something"),
            (KeyError(), "KeyError"),
        ):
            with self.subTest(problem=problem):
                said = how_ended(Failure(problem), "the child")
                self.assertTrue(said.startswith(expected), said)
                self.assertEqual(said.rstrip("."), said)
