"""
Newest samples in memory that two processes share: one writes, one reads.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Sequence

import numpy as np
from attrs import frozen

from netstream.hub.latest import Latest
from netstream.model.samples import Float64s, Int64s

ROOM = 256 << 20
"""Bytes of address space that are shared: some ten million series.  What is
not used occupies none."""

_WORDS = 3
_LEAST = 64


@frozen
class Block:
    """
    Where the newest samples of a host are.

    @ivar offset: In eight bytes.
    @ivar size: Series.
    """

    offset: int
    size: int


def make() -> int:
    """
    @return: The descriptor of new memory, which no file system shows.
    @raise OSError: There is none to have.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("netstream-latest", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, ROOM)
    return descriptor


def columns(words: Int64s, block: Block) -> tuple[Int64s, Float64s, Int64s]:
    """
    @param words: All that is shared.
    @return: Time, value and collected integer of each series of a block.
    """
    time, value, collected = (
        words[at : at + block.size] for at in range(block.offset, block.offset + _WORDS * block.size, block.size)
    )
    return time, value.view(np.float64), collected


def opened(descriptor: int, *, write: bool) -> Int64s:
    """
    @return: All that is shared; it stays when the descriptor is closed.
    """
    access = mmap.ACCESS_WRITE if write else mmap.ACCESS_READ
    return np.frombuffer(mmap.mmap(descriptor, ROOM, access=access), np.int64)


class Arena:
    """
    Gives parts of shared memory to hosts, for the one that writes.

    Sizes are powers of two.  What was given back is L{returned}, and given
    again after L{reuse}, so that who reads has heard by then where a host has
    moved.
    """

    def __init__(self, words: Int64s) -> None:
        self._words = words
        self._used = 0
        self._free: dict[int, list[int]] = {}
        self._returned: list[Block] = []

    def take(self, size: int) -> Block | None:
        """
        @return: Room for that many series or more; L{None} if there is none.
        """
        size = max(_LEAST, 1 << (size - 1).bit_length())
        free = self._free.get(size)
        if free:
            return Block(free.pop(), size)
        if self._used + _WORDS * size > len(self._words):
            return None
        self._used += _WORDS * size
        return Block(self._used - _WORDS * size, size)

    def give_back(self, block: Block) -> None:
        """
        A host has moved.
        """
        self._returned.append(block)

    def returned(self) -> Sequence[Block]:
        """
        @return: What was given back since this was asked last.
        """
        returned, self._returned = self._returned, []
        return returned

    def reuse(self, blocks: Sequence[Block]) -> None:
        """
        Who reads does not look at these any more.
        """
        for block in blocks:
            self._free.setdefault(block.size, []).append(block.offset)

    def columns(self, block: Block) -> tuple[Int64s, Float64s, Int64s]:
        """
        @return: Where to write.
        """
        return columns(self._words, block)


class SharedLatest(Latest):
    """
    The newest samples of one host, which another process reads as they are.

    When there is no room, they are here alone.

    @ivar block: Where they are; L{None} if nowhere that is shared.
    @ivar moved: Is called when that changed.
    """

    def __init__(self, arena: Arena) -> None:
        super().__init__()
        self._arena = arena
        self.block: Block | None = None
        self.moved: Callable[[], None] = lambda: None

    def _grow(self, size: int) -> None:
        before = self.block
        super()._grow(size)
        if before is not None:
            self._arena.give_back(before)
        self.moved()

    def _columns(self, size: int) -> tuple[Int64s, Float64s, Int64s]:
        self.block = self._arena.take(size)
        return super()._columns(size) if self.block is None else self._arena.columns(self.block)


class View(Latest):
    """
    The newest samples of a host of another process.
    """

    def look(self, words: Int64s | None, block: Block | None) -> None:
        """
        @param words: What is shared; L{None} if there is no other process.
        @param block: Where they are in it.
        """
        if words is None or block is None:
            self.time, self.value, self.collected = Latest._columns(self, 0)
        else:
            self.time, self.value, self.collected = columns(words, block)
