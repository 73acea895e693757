"""
Tests for L{netstream.wire.capabilities}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netstream.wire.capabilities import Capability, of_old_version, old_version


class CapabilityTests(SynchronousTestCase):
    """
    The number in a request or reply says what a node can do.
    """

    def test_masks(self) -> None:
        """
        The masks of real agents have the names that they show.
        """
        names = Capability.parse(15296).names()
        self.assertEqual(names, ["VCAPS", "HLABELS", "CLAIM", "CLABELS", "FUNCTIONS", "REPLICATION", "BINARY"])
        self.assertEqual(int(Capability.parse(63241208)), 63241208)
        self.assertIn(Capability.PATHS, Capability.parse(63241208))
        self.assertNotIn(Capability.ML, Capability.parse(66912248))

    def test_old_numbers(self) -> None:
        """
        Nodes that are older than masks say what they can by a version.
        """
        for version in range(1, 6):
            self.assertEqual(old_version(Capability.parse(version)), version)
        self.assertEqual(Capability.parse(0), Capability.V1)
        self.assertIn(Capability.CLAIM, of_old_version(3))
        self.assertNotIn(Capability.CLABELS, of_old_version(3))

    def test_no_sense(self) -> None:
        """
        Any other number is the oldest protocol.
        """
        for number in (6, 7, 8, -1, 2**31 + 64, 2**32 - 1, 2**64):
            self.assertEqual(Capability.parse(number), Capability.V1)

    def test_unknown_bits(self) -> None:
        """
        Bits that have no name yet are harmless.
        """
        self.assertIn(Capability.VCAPS, Capability.parse(64 | 1 << 29))
        self.assertEqual(Capability.parse(64 | 1 << 29).names(), ["VCAPS"])
