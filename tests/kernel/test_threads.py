"""
Tests of other threads while a text is decoded.
"""

from __future__ import annotations

import sys
import threading
import time

from tests.kernel import installed
from tests.kernel.case import ABSOLUTE, NOW, START, KernelTestCase

TEXT = b"".join(b"BEGIN2 'a.b' 1 %d #\nSET2 'x' 5 5 A\nSET2 'y' 5 5 A\nEND2\n" % (START + n) for n in range(100_000))
"""Takes some milliseconds."""
MOST = 200
"""Texts after which nothing more is to be expected."""


class ThreadTests(KernelTestCase):
    """
    Two threads.
    """

    if not installed.COMPILED:
        skip = "the kernel is not compiled"

    def setUp(self) -> None:
        # No thread is made to stop for another one: it has to let the others run by itself.
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1000.0)

    def test_others_run(self) -> None:
        """
        While a long text is decoded, other threads get on with their work.
        """
        turns = 0
        stopped = False

        def count() -> None:
            nonlocal turns
            while not stopped:
                turns += 1
                time.sleep(0)

        other = threading.Thread(target=count)
        other.start()
        try:
            ingest = self.ingest(("x", ABSOLUTE), ("y", ABSOLUTE))
            meanwhile = 0
            for _ in range(MOST):
                # Nothing but the decoder lets the other thread run between these two lines.
                before = turns
                ingest.feed(TEXT, 0, NOW)
                meanwhile = turns - before
                ingest.take()
                if meanwhile:
                    break
        finally:
            stopped = True
            other.join()
        self.assertGreater(meanwhile, 0)

    def test_two_connections(self) -> None:
        """
        Two threads that decode two connections do so at the same time, and
        each gets the samples of its own.
        """
        decoding = [0, 0]
        together = threading.Event()
        taken = [0, 0]

        def decode(number: int) -> None:
            ingest = self.ingest(("x", ABSOLUTE), ("y", ABSOLUTE))
            for _ in range(MOST):
                if decoding[1 - number]:
                    together.set()
                decoding[number] = 1
                ingest.feed(TEXT, 0, NOW)
                decoding[number] = 0
                taken[number] += len(ingest.take()[0]) == 200_000
                if together.is_set():
                    break

        threads = [threading.Thread(target=decode, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(together.is_set())
        self.assertGreater(min(taken), 0)

    def test_one_connection(self) -> None:
        """
        Two threads that use the same decoder at the same time are told so, and
        nothing is damaged.
        """
        ingest = self.ingest(("x", ABSOLUTE), ("y", ABSOLUTE))
        refused: list[str] = []
        stopped = False

        def interfere() -> None:
            while not stopped and not refused:
                try:
                    ingest.chart("c.d", 1)
                    _ = ingest.keep_lines
                except RuntimeError as problem:
                    refused.append(str(problem))
                time.sleep(0)

        other = threading.Thread(target=interfere)
        other.start()
        try:
            for _ in range(MOST):
                ingest.feed(TEXT, 0, NOW)
                self.assertEqual(len(ingest.take()[0]), 200_000)
                if refused:
                    break
        finally:
            stopped = True
            other.join()
        self.assertEqual(refused, ["two threads decode one connection"])
