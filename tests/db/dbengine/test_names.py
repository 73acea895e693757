"""
The log of names, whatever happens to it.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.db.dbengine.names import NameLog, Names

FIRST = Names(1, "guid 1", [(0, ("chart.a", "x")), (1, ("chart.\udcff", "\n"))])
SECOND = Names(2, "guid 2", [(0, ("chart.a", "x"))])
THIRD = Names(1, "guid 1", [(2, ("chart.c", "z"))])


class NameLogTests(SynchronousTestCase):
    """
    A name that was written is there.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.log = NameLog(self.directory)
        self.addCleanup(self.log.close)
        self.synced: list[str] = []
        real = os.fsync

        def fsync(descriptor: int) -> None:
            self.synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
            real(descriptor)

        self.patch(os, "fsync", fsync)

    def again(self) -> tuple[list[Names], int]:
        """
        @return: What another process reads, and how many damages.
        """
        names, damage = NameLog(self.directory).read()
        return names, len(damage)

    def test_order(self) -> None:
        """
        Names come back in order, over files.
        """
        self.log.append(FIRST)
        self.log.append(SECOND)
        self.log.turn()
        self.log.append(THIRD)
        self.assertEqual(self.again(), ([FIRST, SECOND, THIRD], 0))

    def test_dropped(self) -> None:
        """
        What the catalog has is dropped, and what came meanwhile is not.
        """
        self.log.append(FIRST)
        generation = self.log.turn()
        self.log.append(SECOND)
        self.log.drop(generation)
        self.assertEqual(self.again(), ([SECOND], 0))
        self.assertEqual(self.synced, [self.directory.name])

    def test_sync(self) -> None:
        """
        Files that are not written to any more are synced as well, and that
        they are there.
        """
        self.log.append(FIRST)
        self.log.turn()
        self.log.sync()
        self.assertEqual(self.synced, ["000000.names", self.directory.name])
        self.log.sync()
        self.log.append(SECOND)
        self.log.sync()
        self.assertEqual(self.synced[2:], ["000000.names", "000001.names", self.directory.name])

    def test_failed_sync(self) -> None:
        """
        A sync that fails is due again.
        """

        def fail(_: int) -> None:
            raise OSError(5, "Input/output error")

        self.log.append(FIRST)
        self.patch(os, "fsync", fail)
        self.assertRaises(OSError, self.log.sync)
        self.assertTrue(self.log.dirty)

    def test_cut(self) -> None:
        """
        A file that was cut off has the records before, and one that goes on
        behind the cut those behind.
        """
        self.log.append(FIRST)
        [path] = self.directory.iterdir()
        first = path.stat().st_size
        self.log.append(SECOND)
        whole = path.read_bytes()
        for cut in range(len(whole)):
            path.write_bytes(whole[:cut])
            self.assertEqual(self.again(), ([FIRST] if cut >= first else [], int(cut not in (0, first))))
        path.write_bytes(whole[:first] + whole[first : first + 20] + whole[first:])
        self.assertEqual(self.again(), ([FIRST, SECOND], 1))

    def test_flipped(self) -> None:
        """
        A bit that the disk changed costs one record.
        """
        for names in (FIRST, SECOND, THIRD):
            self.log.append(names)
        [path] = self.directory.iterdir()
        whole = path.read_bytes()
        for at in range(len(whole)):
            hurt = bytearray(whole)
            hurt[at] ^= 8
            path.write_bytes(hurt)
            names, damage = self.again()
            self.assertEqual(damage, 1)
            self.assertIn(names, [[SECOND, THIRD], [FIRST, THIRD], [FIRST, SECOND]])
