"""
Tests for the memory of removed nodes.
"""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.hub import tombstones as module
from netstream.hub.tombstones import Tombstones

A = "11111111-1111-4111-8111-111111111111"
B = "22222222-2222-4222-8222-222222222222"


class TombstonesTests(SynchronousTestCase):
    """
    Nodes that were removed.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "removed.json"

    def again(self) -> Tombstones:
        found = Tombstones(self.path)
        found.load()
        return found

    def test_kept(self) -> None:
        """
        A removal is remembered over a restart, until it is taken back.
        """
        removed = self.again()
        removed.bury(A, "a", 5.0)
        removed.bury(B, "b", 6.0)
        found = self.again().of(A)
        assert found is not None
        self.assertEqual((found.hostname, found.at), ("a", 5.0))
        self.assertTrue(removed.lift(A))
        self.assertFalse(removed.lift(A))
        self.assertIsNone(self.again().of(A))
        self.assertIsNotNone(self.again().of(B))
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_in_memory(self) -> None:
        """
        Without a file it lasts as long as the process.
        """
        removed = Tombstones()
        removed.load()
        removed.bury(A, "a", 5.0)
        self.assertEqual([each.guid for each in removed], [A])

    def test_damaged(self) -> None:
        """
        A damaged file is said and does not stop the start.
        """
        self.path.parent.mkdir()
        for text in ("", "[", "{}", "[1]", '[{"guid": "x", "hostname": "", "at": 1}]', "[[]]", "5"):
            self.path.write_text(text)
            self.assertEqual(len(self.again()), 0)

    def test_bounded(self) -> None:
        """
        The oldest are forgotten when there are too many.
        """
        self.patch(module, "MOST", 2)
        removed = self.again()
        guids = [A.replace("1111-", f"111{digit}-") for digit in "234"]
        for number, guid in enumerate(guids):
            removed.bury(guid, "x", number)
        self.assertEqual([each.guid for each in self.again()], guids[1:])

    def test_cannot_be_written(self) -> None:
        """
        A removal that cannot be remembered is none.
        """
        self.path.mkdir(parents=True)
        removed = Tombstones(self.path)
        self.assertRaises(OSError, removed.bury, A, "a", 1.0)
        self.assertIsNone(removed.of(A))
