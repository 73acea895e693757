"""
Tests for the choice of a parent.
"""

from twisted.trial.unittest import SynchronousTestCase

from netstream.config.settings import Destination
from netstream.streaming.destinations import LONGEST, Backoff, Destinations
from netstream.wire.handshake import Refusal

A = Destination("a", "tcp", "a", 19999)
B = Destination("b", "tcp", "b", 19999)


def half() -> float:
    return 0.5


def destinations(*names: Destination, first: float = 1.0, most: float = 15.0) -> Destinations:
    return Destinations(names, Backoff(first, most, half), half)


class BackoffTests(SynchronousTestCase):
    """
    The pauses of L{Backoff}.
    """

    def test_grows_to_its_bound(self) -> None:
        """
        Each pause is twice the one before until the bound.
        """
        backoff = Backoff(1.0, 5.0, lambda: 1.0)
        self.assertEqual([backoff.next() for _ in range(5)], [1.0, 2.0, 4.0, 5.0, 5.0])

    def test_jitter(self) -> None:
        """
        A pause is between half of its length and all of it.
        """
        self.assertEqual(Backoff(4.0, 9.0, lambda: 0.0).next(), 2.0)
        self.assertEqual(Backoff(4.0, 9.0, lambda: 1.0).next(), 4.0)

    def test_reset(self) -> None:
        """
        After a success pauses are short again.
        """
        backoff = Backoff(1.0, 60.0, lambda: 1.0)
        for _ in range(4):
            backoff.next()
        backoff.reset()
        self.assertEqual(backoff.next(), 1.0)


class DestinationsTests(SynchronousTestCase):
    """
    The order of L{Destinations}.
    """

    def test_first_of_the_list(self) -> None:
        """
        The first destination is tried first.
        """
        self.assertEqual(destinations(A, B).choose(0), A)

    def test_fails_over(self) -> None:
        """
        When one cannot be reached the next is tried almost at once.
        """
        found = destinations(A, B)
        found.postpone(found.choose(0), 5.0, 0)
        self.assertLess(found.delay(0), 1.0)
        self.assertEqual(found.choose(0.5), B)

    def test_waits_after_a_round(self) -> None:
        """
        When all were tried in vain, the pause is as long as the first to come
        free asks for.
        """
        found = destinations(A, B)
        found.postpone(found.choose(0), 30.0, 0)
        found.postpone(found.choose(0), 60.0, 0)
        self.assertAlmostEqual(found.delay(0), 17.5)
        self.assertEqual(found.choose(17.5), A)

    def test_accepting_then_lost_goes_last(self) -> None:
        """
        After a connection that worked is lost, the others go first.
        """
        found = destinations(A, B)
        found.choose(0)
        found.accepted()
        found.lost(60.0, 0)
        self.assertEqual(found.choose(1), B)

    def test_soon_lost_is_a_failure(self) -> None:
        """
        A parent that accepts and ends the connection soon is left alone for
        growing pauses; once a connection held, they are short again.
        """
        found = destinations(A)
        pauses = []
        for _ in range(4):
            found.choose(0)
            found.accepted()
            found.lost(2.0, 0)
            pauses.append(found.delay(0))
        self.assertEqual(pauses, [0.75, 1.5, 3.0, 6.0])
        found.choose(0)
        found.accepted()
        found.lost(60.0, 60)
        self.assertLess(found.delay(60), 1.0)

    def test_refusing_is_no_success(self) -> None:
        """
        A parent that accepts the connection and refuses the handshake is not
        hammered: the pauses grow.
        """
        found = destinations(A)
        pauses = []
        now = 0.0
        for _ in range(5):
            found.postpone(found.choose(now), 60.0, now)
            pauses.append(found.delay(now))
            now += pauses[-1]
        self.assertEqual(pauses, [32.5] * 5)

    def test_single_comes_back(self) -> None:
        """
        A single destination that was lost is tried again after a short pause.
        """
        found = destinations(A)
        found.choose(0)
        found.accepted()
        found.lost(60.0, 0)
        self.assertLess(found.delay(0), 1.0)
        self.assertEqual(found.choose(1), A)

    def test_reasons(self) -> None:
        """
        Each reason of a refusal keeps us away for a random time of its own
        length.
        """
        for refusal, least, most in (
            (Refusal.NOT_UNDERSTOOD, 5, 60),
            (Refusal.LOCALHOST, 5, 3600),
            (Refusal.ALREADY_STREAMING, 5, 120),
            (Refusal.DENIED, 5, 60),
            (Refusal.CANNOT_SEND, 5, 60),
            (Refusal.NO_REPLY, 5, 30),
            (Refusal.BAD_CERTIFICATE, 300, 600),
            (Refusal.TLS, 60, 180),
            (Refusal.BUSY, 5, 120),
            (Refusal.INTERNAL_ERROR, 5, 300),
            (Refusal.INITIALIZING, 5, 30),
            (Refusal.VIRTUAL_NODE, 5, 3600),
        ):
            for chance, expected in ((0.0, least), (1.0, most), (0.5, (least + most) / 2)):
                with self.subTest(refusal=refusal.name, chance=chance):
                    found = Destinations([A], Backoff(1.0, 15.0, half), lambda chance=chance: chance)  # type: ignore[misc]
                    found.refused(A, refusal, 1000)
                    self.assertEqual(found.due(1000 + expected - 0.1), [])
                    self.assertEqual(found.due(1000 + expected), [A])

    def test_unreachable_longer_each_time(self) -> None:
        """
        One that cannot be connected is left alone for longer each time, up to
        the bound, and at random so that many do not come back as one; once it
        accepted, the pauses are short again.
        """
        found = destinations(A)
        pauses = []
        now = 0.0
        for _ in range(5):
            self.assertEqual(found.choose(now), A)
            found.unreachable(A, now)
            pauses.append(found.delay(now))
            now += pauses[-1]
        self.assertEqual(pauses, [3.75, 7.5, 11.25, 11.25, 11.25])
        found.choose(now)
        found.accepted()
        found.lost(60, now)
        self.assertEqual(found.choose(now), A)
        found.unreachable(A, now)
        self.assertEqual(found.delay(now), 3.75)

    def test_nothing_to_try(self) -> None:
        """
        While all are to be left alone, none is tried.
        """
        found = destinations(A, B)
        for each in (A, B):
            found.postpone(each, 60, 0)
        self.assertIsNone(found.choose(1))
        self.assertEqual(found.choose(40), A)

    def test_excluded(self) -> None:
        """
        One that never comes into question is never tried, and the list is
        looked at again all the same.
        """
        found = destinations(A)
        found.exclude(A)
        self.assertIsNone(found.choose(1e9))
        self.assertEqual(found.delay(0), LONGEST)

    def test_others_have_a_while(self) -> None:
        """
        After one was lost the others have a while before it is tried again.
        """
        found = destinations(A, B)
        found.choose(0)
        found.accepted()
        found.lost(60, 0)
        self.assertEqual(found.due(7), [B])
        self.assertEqual(set(found.due(20)), {A, B})

    def test_arranged(self) -> None:
        """
        What was learned decides on the order, and others follow.
        """
        found = destinations(A, B)
        found.arrange([B])
        self.assertEqual(found.due(0), [B, A])
