"""
Hot pages: their columns, and what is left of them.
"""

from __future__ import annotations

import gc
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.dbengine.node import Epoch
from netstream.db.dbengine.pages import ROWS, SUFFIX, Block, DamagedPage, HotPage, start_of
from netstream.db.dbengine.pool import PagePool
from netstream.kernel.cells import ABSENT

START = 900 * 1000 + 1


def scattered(path: Path) -> bool:
    """
    @return: Whether the system expects this process to touch what it has
        mapped of a file here and there.
    """
    flags = {}
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            name = line.split(maxsplit=5)[5:]
        elif line.startswith("VmFlags:") and name:
            flags[name[0]] = "rr" in line.split()
    return flags[str(path.absolute())]


class EpochTests(SynchronousTestCase):
    """
    Epochs tile the time.
    """

    def test_tiles(self) -> None:
        """
        Each second is in one epoch, which begins after a multiple of its
        length.
        """
        for step in (1, 2, 7, 60):
            length = ROWS * step
            for second in (step, length, length + step, 5 * length, 5 * length + step):
                start = start_of(second, step)
                self.assertEqual((start - step) % length, 0)
                self.assertTrue(start <= second <= start + length - step)


class MeanwhileTests(SynchronousTestCase):
    """
    A thread may read an epoch while the reactor writes to it.
    """

    def test_another_block(self) -> None:
        """
        A block that the epoch gets meanwhile does no harm.
        """
        path = Path(self.mktemp())
        page = HotPage.create(path, START, 1, 8, "boot", shared=False)
        epoch, numbers = Epoch(START, 1), np.array([0, 1], np.int32)

        class Grows(Block):
            def __getattribute__(self, name: str) -> Any:
                if name == "cells" and epoch.blocks == [self]:
                    epoch.add(page.take(1, 2))
                return super().__getattribute__(name)

        block = Grows(page, 1, 0, 2)
        page.used = 2
        block.assign(numbers[:1])
        block.cells[0, 0] = np.uint64(np.float64(1.5).view(np.uint64)) ^ np.uint64(ABSENT)
        epoch.add(block)
        found = epoch.read(numbers, START - 1, START)
        self.assertEqual(len(epoch.blocks), 2)
        self.assertEqual((found.times.tolist(), found.values[0, 0]), ([START], 1.5))
        self.assertTrue(np.isnan(found.values[0, 1]))


class PageTests(SynchronousTestCase):
    """
    A page is what was written to it.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.page = HotPage.create(self.path, START, 1, 8, "one", shared=True)

    def write(self, block: Block, row: int, column: int, value: float = 1.5, mark: int = 0) -> None:
        """
        Write a cell as the kernel does.
        """
        block.cells[row, column] = np.float64(value).view(np.uint64) ^ np.uint64(ABSENT)
        block.marks[row, column] = mark
        block.lowest[column] = min(block.lowest[column], row)
        block.highest[column] = max(block.highest[column], row)

    def again(self, boot: str = "one") -> tuple[HotPage, list[Block], int | None]:
        """
        @return: The page as another process finds it.
        """
        page = HotPage(self.path)
        dropped = page.recover(boot)
        return page, list(page.found()), dropped

    def test_room(self) -> None:
        """
        A page has all its room on the disk from the beginning.
        """
        status = self.path.stat()
        self.assertGreaterEqual(status.st_blocks * 512, status.st_size)
        self.assertGreaterEqual(status.st_size, 9 * ROWS * 8)
        self.assertEqual(os.listdir(self.path.parent), [self.path.name])

    def test_row_by_row(self) -> None:
        """
        The system does not read zeros far around each cell that is written,
        neither of a new page nor of one that was found again, but does so of
        one that is read as a whole.
        """
        self.assertTrue(scattered(self.path))
        self.page.take(1, 8)
        del self.page
        gc.collect()
        self.path.rename(self.path.with_name(f"000{SUFFIX}"))
        pool = PagePool(self.path.parent, "one")
        pool.open()
        (page,) = pool
        self.assertTrue(scattered(page.path))
        page.read_on()
        self.assertFalse(scattered(page.path))

    def test_blocks(self) -> None:
        """
        Blocks of nodes are found again with their series and the rows that
        were written.
        """
        one, two = self.page.take(1, 3), self.page.take(2, 4)
        one.assign(np.array([5, 7], np.int32))
        two.assign(np.array([0], np.int32))
        self.write(one, 3, 1)
        self.write(one, 9, 1)
        _, blocks, dropped = self.again()
        self.assertEqual(dropped, None)
        self.assertEqual([(block.node, block.width, block.used) for block in blocks], [(1, 3, 2), (2, 4, 1)])
        self.assertEqual(blocks[0].numbers.tolist(), [5, 7])
        self.assertEqual((blocks[0].lowest[1], blocks[0].highest[1], blocks[0].highest[0]), (3, 9, -1))
        self.assertEqual(blocks[0].columns(np.array([7, 6, -1, 5, 99], np.int32)).tolist(), [1, -1, -1, 0, -1])

    def test_released(self) -> None:
        """
        A block that was released is not found again, and counts once.
        """
        one, two = self.page.take(1, 3), self.page.take(2, 3)
        one.assign(np.array([5], np.int32))
        two.assign(np.array([6], np.int32))
        one.release()
        one.release()
        self.assertEqual(self.page.blocks, 1)
        page, blocks, _ = self.again()
        self.assertEqual([block.node for block in blocks], [2])
        self.assertEqual(one.numbers.tolist(), [5])
        self.assertEqual(page.width - page.used, 0)

    def test_same_boot(self) -> None:
        """
        Without a power cut nothing is dropped, synced or not.
        """
        block = self.page.take(1, 2)
        block.assign(np.array([0], np.int32))
        self.write(block, 800, 0)
        page, [found], dropped = self.again()
        self.assertEqual(dropped, None)
        self.assertEqual(found.count(), 1)
        self.assertTrue(page.dirty)

    def test_power(self) -> None:
        """
        After a power cut the rows are dropped that came after the last sync,
        however far ahead the clock of a node was.
        """
        block = self.page.take(1, 2)
        block.assign(np.array([0, 1], np.int32))
        self.write(block, 700, 0)
        self.page.sync(START + 3)
        self.write(block, 701, 0)
        self.write(block, 5, 1)
        _, [found], dropped = self.again("two")
        self.assertEqual(dropped, 1)
        self.assertEqual(found.highest.tolist(), [700, 5])
        self.assertEqual(self.again("two")[2], None)

    def test_half_a_column(self) -> None:
        """
        After a power cut, a column without its series and a mark without its
        cell are gone.
        """
        block = self.page.take(1, 3)
        block.assign(np.array([0, 1, 2], np.int32))
        for column in range(3):
            self.write(block, 5, column, mark=1)
        self.page.sync(START + 5)
        self.page.series[1] = 0
        self.page.cells[5, 2] = 0
        page, [found], dropped = self.again("two")
        self.assertEqual(dropped, 1)
        self.assertEqual((page.cells[5] != 0).tolist(), [True] + [False] * 7)
        self.assertEqual(page.marks[5].tolist(), [1] + [0] * 7)
        self.assertEqual(found.numbers.tolist(), [0, -1, 2])

    def test_closed(self) -> None:
        """
        A page that was closed is whole, whatever the system did since.
        """
        block = self.page.take(1, 2)
        block.assign(np.array([0], np.int32))
        self.write(block, 5, 0)
        self.page.close(START)
        self.assertEqual(self.again("two")[2], None)
        self.assertEqual(self.again("three")[2], 0)

    def test_closed_last(self) -> None:
        """
        A page is not called closed before the disk has all of it.
        """
        block = self.page.take(1, 2)
        block.assign(np.array([0], np.int32))
        self.write(block, 5, 0)
        held: list[int] = []
        real = os.fdatasync

        def sync(descriptor: int) -> None:
            held.append(self.path.read_bytes()[36])
            real(descriptor)

        self.patch(os, "fdatasync", sync)
        self.page.close(START)
        self.assertEqual(held, [1, 1, 0, 0])

    def test_failed_sync(self) -> None:
        """
        A sync that fails is due again.
        """

        def fail(_: int) -> None:
            raise OSError(5, "Input/output error")

        self.page.dirty = True
        self.patch(os, "fdatasync", fail)
        self.assertRaises(OSError, self.page.sync, START)
        self.assertTrue(self.page.dirty)

    def test_no_page(self) -> None:
        """
        What is no page is refused, whichever bit of the header is wrong.
        """
        whole = self.path.read_bytes()
        for at in [*range(0, 36)]:
            hurt = bytearray(whole)
            hurt[at] ^= 1
            self.path.write_bytes(hurt)
            self.assertRaises(DamagedPage, HotPage, self.path)

    def test_unfinished(self) -> None:
        """
        A page that was not finished is removed and no damage.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / "000000007.page.new").write_bytes(b"half a page")
        self.assertEqual(PagePool(directory, "one").open(), ([], []))
        self.assertEqual(list(directory.iterdir()), [])
