"""
Tests for the pace at which children are admitted, and for whose GUID it is.
"""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.streaming import admissions
from netstream.streaming.admissions import BURST, RATE, WAITING_FOR, Admissions, Bucket
from netstream.streaming.claims import Claim, claim, probed_for


class BucketTests(SynchronousTestCase):
    """
    A token bucket.
    """

    def test_pace(self) -> None:
        """
        A burst goes at once, then one after the other.
        """
        bucket = Bucket(2.0, 3.0, 100.0)
        self.assertEqual([bucket.take(100.0) for _ in range(4)], [True, True, True, False])
        self.assertEqual(bucket.wait(100.0), 0.5)
        self.assertFalse(bucket.take(100.4))
        self.assertTrue(bucket.take(100.5))
        self.assertEqual([bucket.take(200.0) for _ in range(4)], [True, True, True, False])

    def test_clock_set_back(self) -> None:
        """
        A clock that is set back stops nobody.
        """
        bucket = Bucket(1.0, 1.0, 1000.0)
        self.assertTrue(bucket.take(1000.0))
        self.assertFalse(bucket.take(10.0))
        self.assertTrue(bucket.take(11.0))


class AdmissionsTests(SynchronousTestCase):
    """
    Those who wait.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.admitted: list[tuple[float, int]] = []
        self.refused: list[int] = []

    def admissions(self, every: float = 0.0) -> Admissions[int]:
        return Admissions(
            self.clock,
            lambda child: self.admitted.append((round(self.clock.seconds(), 3), child)),
            self.refused.append,
            every,
        )

    def test_first_come_first_served(self) -> None:
        """
        All are admitted in the order in which they came, and nobody passes
        those who wait.
        """
        waiting = self.admissions(1.0)
        for child in range(4):
            waiting.enter(child)
        self.clock.pump([0.25] * 5)
        waiting.enter(4)
        self.clock.pump([0.25] * 16)
        self.assertEqual([child for _, child in self.admitted], [0, 1, 2, 3, 4])
        self.assertEqual([time for time, _ in self.admitted], [0.0, 1.0, 2.0, 3.0, 4.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_thousands(self) -> None:
        """
        Two thousand children are all admitted in ten seconds, none is refused.
        """
        waiting = self.admissions()
        for child in range(2000):
            waiting.enter(child)
        self.assertEqual(len(self.admitted), BURST)
        self.clock.pump([0.02] * 500)
        self.assertEqual(len(self.admitted), 2000)
        self.assertLessEqual(self.admitted[-1][0], 2000 / RATE)
        self.assertEqual(self.refused, [])

    def test_too_many(self) -> None:
        """
        Who would wait for too long is told at once.
        """
        waiting = self.admissions(10.0)
        for child in range(5):
            waiting.enter(child)
        self.assertEqual(self.refused, [3, 4])
        self.assertEqual(len(waiting), 2)

    def test_busy_process(self) -> None:
        """
        While this process is busy, those who wait are admitted one at a time,
        and who waited for too long is told so.
        """
        waiting = self.admissions()
        for child in range(int(BURST) + 100):
            waiting.enter(child)
        self.clock.advance(2.0)
        self.assertEqual(len(self.admitted), BURST + 1)
        self.clock.advance(WAITING_FOR)
        self.assertEqual(len(self.refused), 99)

    def test_bounded(self) -> None:
        """
        No more wait than there may be.
        """
        self.patch(admissions, "WAITING_MOST", 2)
        waiting = self.admissions()
        for child in range(int(BURST) + 5):
            waiting.enter(child)
        self.assertEqual(len(self.refused), 3)

    def test_leave(self) -> None:
        """
        Who goes takes nobody's turn.
        """
        waiting = self.admissions(1.0)
        for child in range(3):
            waiting.enter(child)
        waiting.leave(1)
        waiting.leave(9)
        self.clock.advance(1.0)
        self.assertEqual([child for _, child in self.admitted], [0, 2])

    def test_stop(self) -> None:
        """
        When the node stops, all that wait are told, and no timer stays.
        """
        waiting = self.admissions(1.0)
        for child in range(3):
            waiting.enter(child)
        waiting.stop()
        self.assertEqual(self.refused, [1, 2])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ClaimTests(SynchronousTestCase):
    """
    Two connections with one GUID.
    """

    def test_table(self) -> None:
        """
        The older one keeps its GUID while it lives; a copy is told at once, a
        child that came back gets it as soon as the old connection is silent.
        """
        for silent, same_name, heard_since, every, expected in (
            (20.0, True, False, 60, Claim.REFUSED),
            (30.0, True, False, 60, Claim.TAKES_OVER),
            (20.0, True, False, 10, Claim.TAKES_OVER),
        ):
            with self.subTest(silent=silent, every=every):
                self.assertIs(claim(silent, 3.0 * every, same_name, heard_since, every), expected)
        for silent, same_name, heard_since, expected in (
            (0.0, True, None, Claim.WAITS),
            (0.0, False, None, Claim.REFUSED),
            (1.0, True, True, Claim.REFUSED),
            (4.0, True, False, Claim.TAKES_OVER),
            (9.9, False, None, Claim.REFUSED),
            (10.0, False, None, Claim.TAKES_OVER),
            (10.0, True, None, Claim.TAKES_OVER),
        ):
            with self.subTest(silent=silent, same_name=same_name, heard_since=heard_since):
                self.assertIs(claim(silent, 10.0, same_name, heard_since), expected)

    def test_probe(self) -> None:
        """
        How long the older one is listened to depends on its period.
        """
        self.assertEqual([probed_for(every) for every in (1, 5, 3600)], [3.0, 10.0, 20.0])
