"""
Tests for the states of nodes, and for what their samples tell of their clocks.
"""

from twisted.trial.unittest import SynchronousTestCase

from netstream.hub.life import Life, PeerClock, life, past

NOW = 1_800_000_000.0


class LifeTests(SynchronousTestCase):
    """
    The state of a node.
    """

    def test_table(self) -> None:
        """
        A node is live while samples come in, stale while it is silent, offline
        when it is gone, and unseen if it never came.
        """
        for online, heard, seen, every, expected in (
            (True, NOW, 0.0, 1, Life.LIVE),
            (True, NOW - 10, 0.0, 1, Life.LIVE),
            (True, NOW - 11, 0.0, 1, Life.STALE),
            (True, NOW - 11, 0.0, 10, Life.LIVE),
            (True, NOW - 30, 0.0, 10, Life.LIVE),
            (True, NOW - 31, 0.0, 10, Life.STALE),
            (True, NOW + 100, 0.0, 1, Life.LIVE),
            (False, 0.0, NOW - 5, 1, Life.OFFLINE),
            (False, 0.0, 0.0, 1, Life.UNSEEN),
        ):
            with self.subTest(online=online, heard=heard, seen=seen, every=every):
                self.assertIs(life(online, heard, seen, every, NOW), expected)


class PastTests(SynchronousTestCase):
    """
    When a node is forgotten.
    """

    def test_table(self) -> None:
        """
        One that is ephemeral with its samples, if that is set; another when
        nothing of it is kept.
        """
        hour = 3600.0
        for offline, ephemeral, keeps, empty, cleanup, cleanup_ephemeral, expected in (
            (hour + 1, False, False, False, hour, 0, True),
            (hour - 1, False, False, False, hour, 0, False),
            (hour + 1, False, True, False, hour, 0, False),
            (hour + 1, False, True, True, hour, 0, True),
            (1e9, False, False, True, 0, 0, False),
            (1e9, False, True, False, hour, hour, False),
            (1e9, True, True, False, hour, 0, False),
            (hour + 1, True, True, False, 0, hour, True),
            (hour - 1, True, True, True, hour, hour, False),
        ):
            with self.subTest(offline=offline, ephemeral=ephemeral, keeps=keeps, empty=empty):
                self.assertIs(
                    past(
                        offline,
                        ephemeral=ephemeral,
                        keeps=keeps,
                        empty=empty,
                        cleanup=cleanup,
                        cleanup_ephemeral=cleanup_ephemeral,
                    ),
                    expected,
                )


class PeerClockTests(SynchronousTestCase):
    """
    How far a clock is off.
    """

    def test_least_delay(self) -> None:
        """
        Samples that are late do not make a clock look behind, as long as
        others are not.
        """
        clock = PeerClock(NOW)
        self.assertIsNone(clock.skew)
        self.assertFalse(clock.off)
        for second in range(30):
            clock.note(NOW + second - (40 if second % 3 else 0), NOW + second + 0.25)
        self.assertEqual(clock.skew, -0.25)
        self.assertEqual(clock.heard, NOW + 29.25)
        self.assertFalse(clock.off)

    def test_off(self) -> None:
        """
        A clock that is wrong by more than five seconds is said to be, either
        way.
        """
        for difference, off in ((4.0, False), (6.0, True), (-6.0, True), (1e8, True)):
            clock = PeerClock(NOW)
            clock.note(NOW + difference, NOW)
            self.assertEqual((clock.skew, clock.off), (difference, off))

    def test_set_right(self) -> None:
        """
        Two minutes after a clock was set right, it is said to be right.
        """
        clock = PeerClock(NOW)
        for second in range(300):
            clock.note(NOW + second + (50 if second < 100 else 0), NOW + second)
        self.assertEqual(clock.skew, 0.0)

    def test_our_own_clock_set_back(self) -> None:
        """
        When our own clock jumps, what was measured before counts for nothing
        soon.
        """
        clock = PeerClock(NOW)
        clock.note(NOW, NOW)
        for second in range(130):
            clock.note(NOW - 9000 + second, NOW - 9000 + second)
        self.assertEqual(clock.skew, 0.0)
