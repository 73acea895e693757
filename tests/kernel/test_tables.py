"""
Tests of what a decoder remembers: that it is little, and can be forgotten.
"""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

from tests.kernel import installed, plain
from tests.kernel.case import ABSOLUTE, INCREMENTAL, NOW, START, KernelTestCase, block

COUNTERS = (("x", ABSOLUTE), ("y", INCREMENTAL))
STEP = 1_000_000


def second(charts: range, time: int, **values: int) -> bytes:
    """
    @return: Version 2 blocks of charts.
    """
    return b"".join(
        f"BEGIN2 SLOT:{chart} 'a_long.name_of_chart_{chart}' 1 {time} #\n".encode()
        + b"".join(f"SET2 '{name}' {value} {value} A\n".encode() for name, value in values.items())
        + b"END2\n"
        for chart in charts
    )


class ForgetTests(KernelTestCase):
    """
    Charts that come and go.
    """

    def define(self, ingest: Any, charts: range) -> None:
        """
        Define charts with the dimensions x and y.
        """
        for chart in charts:
            ingest.chart(f"a_long.name_of_chart_{chart}", 1)
            for dimension, name in enumerate("xy"):
                ingest.dimension(f"a_long.name_of_chart_{chart}", name, 2 * chart + dimension, ABSOLUTE, 1, 1)

    def test_forgotten(self) -> None:
        """
        The lines of a chart that was forgotten are bad ones; those of the
        others are not.
        """
        ingest = self.kernel.Ingest()
        self.define(ingest, range(3))
        for time in range(3):
            self.feed(ingest, second(range(3), START + time, x=1, y=2))
        ingest.forget("a_long.name_of_chart_1")
        self.rows(ingest)
        self.assertEqual(self.refused(ingest, second(range(1, 2), START, x=1)), "unknown chart")
        self.feed(ingest, second(range(0, 3, 2), START, x=1, y=2))
        self.assertEqual([row[0] for row in self.rows(ingest)], [0, 1, 4, 5])
        self.assertRaises(KeyError, ingest.forget, "a_long.name_of_chart_1")
        self.assertRaises(KeyError, ingest.dimension, "a_long.name_of_chart_1", "z", 9, 0, 1, 1)

    def test_begins_anew(self) -> None:
        """
        A chart that is defined again after it was forgotten has a new clock
        and new counters.
        """
        ingest = self.ingest(*COUNTERS)
        for turn in range(3):
            self.collect(ingest, STEP, NOW + turn * STEP, x=1, y=100 * turn)
        ingest.forget("a.b")
        ingest.chart("a.b", 1)
        ingest.dimension("a.b", "y", 7, INCREMENTAL, 1, 1)
        self.rows(ingest)
        self.collect(ingest, STEP, NOW + 3 * STEP, y=300)
        self.assertEqual(self.rows(ingest), [])
        self.assertEqual(self.refused(ingest, block(0, x=1)), "unknown dimension")

    def test_open_block(self) -> None:
        """
        A chart can be forgotten while its block is open: the block is gone,
        what came of it before is not.
        """
        for begin in (b'BEGIN "a.b" 0\nSET "x" = 1\n', b"BEGIN2 'a.b' 1 1700000000 #\nSET2 'x' 1 1 A\n"):
            ingest = self.ingest(*COUNTERS)
            self.feed(ingest, begin)
            ingest.forget("a.b")
            self.assertIsNone(ingest.current)
            self.assertEqual(len(self.rows(ingest)), begin.startswith(b"BEGIN2"))
            self.assertIn("SampleError", str(type(self.assertRaises(ValueError, ingest.feed, b"END\n", 0, NOW))))
            ingest.chart("a.b", 1)
            ingest.dimension("a.b", "x", 0, ABSOLUTE, 1, 1)
            for turn in range(2):
                self.collect(ingest, STEP, NOW + turn * STEP, x=1)
            self.assertEqual(ingest.take()[5], block(STEP, x=1) * 2)

    def test_comes_and_goes(self) -> None:
        """
        Charts that come and go for ever do not fill the memory, and do not
        disturb one that stays.
        """
        ingest = self.ingest(*COUNTERS)

        def turns(first: int, last: int) -> None:
            for turn in range(first, last):
                charts = range(50 * turn, 50 * turn + 50)
                self.define(ingest, charts)
                for time in range(3):
                    self.feed(ingest, block(STEP, x=1, y=2) + second(charts, START + time, x=1, y=2))
                    seen = {row[0] for row in self.rows(ingest)}
                    self.assertLessEqual(set(range(100 * turn, 100 * turn + 100)), seen)
                for chart in charts:
                    ingest.forget(f"a_long.name_of_chart_{chart}")

        turns(1, 20)
        tracemalloc.start()
        try:
            turns(20, 21)
            before = tracemalloc.get_traced_memory()[0]
            turns(21, 60)
            gc.collect()
            self.assertLess(tracemalloc.get_traced_memory()[0] - before, 150_000)
        finally:
            tracemalloc.stop()

    def test_cleaned_up(self) -> None:
        """
        What is forgotten is cleaned up, and what is not stays as it was.
        """
        ingest = self.kernel.Ingest()
        kept = range(0, 2000, 10)
        self.define(ingest, range(2000))
        self.feed(ingest, second(range(2000), START, x=1, y=2))
        self.rows(ingest)
        for chart in range(2000):
            if chart not in kept:
                ingest.forget(f"a_long.name_of_chart_{chart}")
        for time in range(3):
            self.feed(ingest, second(kept, START + time, y=4, x=3))
            found = self.rows(ingest)
            self.assertEqual([row[0] for row in found], [2 * chart + odd for chart in kept for odd in (1, 0)])
        self.define(ingest, range(2000))
        self.feed(ingest, second(range(2000), START, x=1, y=2))
        self.assertEqual([row[0] for row in self.rows(ingest)], list(range(4000)))

    def test_many_names(self) -> None:
        """
        Ids are told apart, also when there are very many and they are alike.
        """
        ingest = self.kernel.Ingest()
        for chart in ("a", "aa", "b"):
            ingest.chart(chart, 1)
            for number in range(3000):
                ingest.dimension(chart, f"{number:b}", number, 0, 1, 1)
        sets = "".join(f"SET2 '{number:b}' {number} # A\n" for number in range(3000))
        for chart in ("a", "b", "aa"):
            self.feed(ingest, f"BEGIN2 '{chart}' 1 {START} #\n{sets}END2\n".encode())
            self.assertEqual([row[0] for row in self.rows(ingest)], list(range(3000)))

    def test_long_id(self) -> None:
        """
        An id that is longer than any line is a mistake.
        """
        ingest = self.ingest(*COUNTERS)
        self.assertRaises(ValueError, ingest.chart, "x" * 70_000, 1)
        self.assertRaises(ValueError, ingest.dimension, "a.b", "x" * 70_000, 1, 0, 1, 1)


class PlainForgetTests(ForgetTests):
    """
    The same in plain Python.
    """

    kernel = plain


class SizeTests(KernelTestCase):
    """
    How much memory a series takes.
    """

    if not installed.COMPILED:
        skip = "the kernel is not compiled"

    def test_size(self) -> None:
        """
        A series of a host with a thousand of them takes no more than 250
        bytes, its chart and all its lines counted.
        """
        text = "".join(
            f'BEGIN "netstream_test.chart_number_{chart:03}" 1000000\n'
            + "".join(f'SET "{name}" = {chart}\n' for name in ("user", "system", "iowait", "a_longer_name"))
            + "END\n"
            for chart in range(250)
        ).encode()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            ingest = self.kernel.Ingest()
            for chart in range(250):
                ingest.chart(f"netstream_test.chart_number_{chart:03}", 1)
                for number, name in enumerate(("user", "system", "iowait", "a_longer_name")):
                    ingest.dimension(f"netstream_test.chart_number_{chart:03}", name, 4 * chart + number, 1, 1, 1)
            for turn in range(3):
                at = 0
                for begin in range(0, len(text), 1400):
                    at = ingest.feed(text[: begin + 1400], at, NOW + turn * STEP)
                    ingest.take()
            self.assertLess(tracemalloc.get_traced_memory()[0] - before, 250_000)
        finally:
            tracemalloc.stop()
