"""
Damaged and arbitrary bytes do no harm: what reads bytes of a peer or of a file
ends with the errors that it declares, soon, and with bounded memory.

C{make fuzz} looks longer, at the same targets.
"""

from __future__ import annotations

import time
from functools import lru_cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from fuzz import targets
from netstream.kernel.ingest import Ingest
from tests.kernel import plain

FEW = settings(max_examples=150, deadline=None, database=None, derandomize=True)
SLOWEST = 2.0
"""Seconds for one input; the slowest ones take a hundredth of it."""

seeds = lru_cache(maxsize=None)(targets.seeds)


@st.composite
def mutations(draw: st.DrawFn, name: str) -> bytes:
    """
    @return: A good input of a target, with some of its bytes changed, left
        out, repeated or added, or cut off somewhere.
    """
    data = bytearray(draw(st.sampled_from(seeds(name))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 5))
        if kind <= 1 and at < len(data):
            data[at] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF, 10, 32, 39, 45)) | st.integers(0, 255))
        elif kind == 2:
            del data[at : at + draw(st.integers(1, 40))]
        elif kind == 3:
            data[at:at] = data[at : at + draw(st.integers(1, 200))]
        elif kind == 4:
            data[at:at] = draw(st.binary(max_size=12))
        else:
            del data[at:]
    return bytes(data)


class TargetTests(SynchronousTestCase):
    """
    Each target, given what is nearly right and what is not at all.
    """

    def attempt(self, name: str, data: bytes) -> None:
        """
        Give a target some bytes.
        """
        began = time.process_time()
        targets.TARGETS[name](data)
        self.assertLess(time.process_time() - began, SLOWEST)

    def test_good(self) -> None:
        """
        What real nodes said, and what we store, is an input of each target.
        """
        for name in targets.TARGETS:
            self.assertTrue(seeds(name), name)
            for data in seeds(name):
                self.attempt(name, data)

    @FEW
    @given(st.data())
    def test_mutated(self, drawn: st.DataObject) -> None:
        """
        Bytes with some damage do no harm.
        """
        for name in targets.TARGETS:
            self.attempt(name, drawn.draw(mutations(name)))

    @FEW
    @given(st.binary(max_size=300))
    def test_arbitrary(self, data: bytes) -> None:
        """
        Arbitrary bytes do no harm.
        """
        for name in targets.TARGETS:
            self.attempt(name, data)

    def test_notices(self) -> None:
        """
        A target that does harm is noticed.
        """
        self.patch(targets, "TARGETS", {"lines": lambda data: data[1000]})
        self.assertRaises(IndexError, self.attempt, "lines", b"")


class KernelTests(SynchronousTestCase):
    """
    What real children said, damaged, and cut anywhere.
    """

    @FEW
    @given(mutations("lines"), st.lists(st.integers(0, targets.PIECE), max_size=4))
    def test_same(self, data: bytes, cuts: list[int]) -> None:
        """
        The compiled kernel and the plain one make the same of it.
        """
        self.assertEqual(made(Ingest, data[1:], cuts), made(plain.Ingest, data[1:], cuts))

    @FEW
    @given(mutations("lines"), st.lists(st.integers(0, targets.PIECE), max_size=4))
    def test_cut(self, data: bytes, cuts: list[int]) -> None:
        """
        Where packets begin changes nothing of what is stored.
        """
        self.assertEqual(made(Ingest, data[1:], cuts)[:-1], made(Ingest, data[1:], [])[:-1])


def made(kind: type[Ingest], data: bytes, cuts: list[int]) -> tuple[object, ...]:
    """
    @return: What a decoder makes of a text that comes in pieces: its columns,
        the reasons for which lines were refused, the lines it keeps.
    """
    ingest = kind()
    for number, chart in enumerate(targets.CHARTS):
        ingest.chart(chart, 1 + number % 2)
        for index, dimension in enumerate(targets.DIMENSIONS):
            ingest.dimension(chart, dimension, 6 * number + index, index % 4, 1, 1 + index)
    columns: list[tuple[np.ndarray, ...]] = []
    refused, kept = [], b""
    at = 0
    for cut in (*sorted(cut for cut in cuts if cut < len(data)), len(data)):
        text = data[:cut]
        while at < cut:
            try:
                after = ingest.feed(text, at, targets.NOW)
                end = text.find(b"\n", after) + 1
                at = end or after
                if not end:
                    break
            except ValueError as error:
                line = error.line  # type: ignore[attr-defined]
                refused.append((line, str(error)))
                at = text.index(line + b"\n", at) + len(line) + 1
        taken = ingest.take()
        if taken is not None:
            columns.append(taken[:5])
            kept += taken[5] or b""
    together = [np.concatenate(column).tobytes() for column in zip(*columns, strict=True)]
    return together, refused, ingest.lines, kept
