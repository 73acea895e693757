"""
The hot pages of all nodes, and which of them is given to whom.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from netstream.config.places import sync_directory
from netstream.db.dbengine.pages import SUFFIX, UNFINISHED, Block, DamagedPage, HotPage

NARROWEST = 256
WIDEST = 16384
"""Columns of a shared page, unless one node needs more."""


class PagePool:
    """
    The files of one directory.

    Nodes that write to the epoch in which the clock is share pages: each new
    one is as wide as all before it together, so that there are few, and the
    first of an epoch as wide as the last epoch needed.

    @ivar private: How many pages belong to one node each.
    """

    def __init__(self, directory: Path, boot: str) -> None:
        """
        @param boot: See L{netstream.db.dbengine.pages.boot_id}.
        """
        self._directory = directory
        self._boot = boot
        self._pages: list[HotPage] = []
        self._counter = count()
        self._needed: dict[int, tuple[int, tuple[int, int]]] = {}
        self._changed = False
        self._removed: deque[int] = deque()
        self.private = 0

    def __iter__(self) -> Iterator[HotPage]:
        return iter(tuple(self._pages))

    @property
    def removed(self) -> bool:
        """
        Whether files that were removed wait for L{sync} to let go of them.
        """
        return bool(self._removed)

    @property
    def nbytes(self) -> int:
        """
        Bytes of all files.
        """
        return sum(page.nbytes for page in self._pages)

    def open(self) -> tuple[list[Block], list[str]]:
        """
        Find what an earlier process left.  Blocks.

        @return: The blocks of nodes, and a sentence for each damage.
        """
        blocks: list[Block] = []
        damage: list[str] = []
        highest = -1
        for path in self._directory.glob(f"*{SUFFIX}{UNFINISHED}"):
            path.unlink()
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            if path.stem.isdecimal():
                highest = max(highest, int(path.stem))
            try:
                page = HotPage(path)
            except DamagedPage as problem:
                aside = path.with_suffix(".damaged")
                path.rename(aside)
                self._changed = True
                damage.append(f"{problem}; it was put aside as {aside.name}")
                continue
            except OSError as problem:
                damage.append(f"{path}: {problem.strerror}; its newest samples are missing")
                continue
            dropped = page.recover(self._boot)
            if page.torn:
                damage.append(f"{path}: its end is cut off; the samples there are missing")
            elif dropped is not None:
                damage.append(
                    f"{path}: the system stopped while this was written; samples of its last second may be missing, "
                    f"and {dropped} that were not whole were dropped"
                )
            found = list(page.found())
            if found:
                self._pages.append(page)
                page.shared = len({block.node for block in found}) > 1
                self.private += not page.shared
                blocks += found
            else:
                page.unlink()
                self._changed = True
        for page in self._pages:
            page.await_rows()
        self._counter = count(highest + 1)
        return blocks, damage

    def take(self, node: int, start: int, step: int, width: int, shared: bool) -> Block:
        """
        @param start: First second of the epoch.
        @param width: Columns that are needed.
        @param shared: Whether the epoch is the one of now.
        @return: A block.
        @raise OSError: There is no room on the disk.
        """
        if not shared:
            return self._create(start, step, width, shared=False).take(node, width)
        before, (epoch, taken) = self._needed.get(step, (0, (start, 0)))
        if epoch != start:
            before, taken = taken, 0
        self._needed[step] = before, (start, taken + width)
        mine = [page for page in self._pages if page.shared and page.start == start and page.step == step]
        for page in mine:
            if page.width - page.used >= width:
                return page.take(node, width)
        wide = sum(page.width for page in mine) or before
        wide = max(width, min(WIDEST, max(NARROWEST, -(-wide // 64) * 64)))
        return self._create(start, step, wide, shared=True).take(node, width)

    def _create(self, start: int, step: int, width: int, *, shared: bool) -> HotPage:
        path = self._directory / f"{next(self._counter):09d}{SUFFIX}"
        page = HotPage.create(path, start, step, width, self._boot, shared=shared)
        self._pages.append(page)
        self.private += not shared
        self._changed = True
        return page

    def sync(self) -> None:
        """
        Wait until the disk knows of all files, and let go of those that were
        removed.  Blocks.

        @raise OSError: The disk cannot say so.
        """
        while self._removed:
            os.close(self._removed.popleft())
        if not self._changed:
            return
        self._changed = False
        try:
            sync_directory(self._directory)
        except BaseException:
            self._changed = True
            raise

    def unlink(self, pages: Iterable[HotPage]) -> None:
        """
        Remove the files of pages, for good: one that came back would hide what
        was written over it since.  Blocks.

        @param pages: From L{sweep}.
        @raise OSError: One cannot be removed.
        """
        for page in pages:
            page.unlink(self._removed.append)
            self._changed = True
        self.sync()

    def close(self, second: int) -> None:
        """
        Have the disk have everything, and know it.  Blocks.

        @param second: The current one.
        @raise OSError: The disk cannot say so.
        """
        self.sync()
        for page in self:
            page.close(second)

    def sweep(self, now: float) -> list[HotPage]:
        """
        Forget the pages that nobody needs.

        @return: They, to be unlinked.
        """
        unused = []
        for page in self:
            if not page.blocks and (page.end < now or not page.shared):
                self._pages.remove(page)
                self.private -= not page.shared
                unused.append(page)
        return unused
