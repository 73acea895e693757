"""
What a worker logs is in the log of the node.
"""

from __future__ import annotations

import io
from typing import Any

from twisted.logger import Logger, LogLevel, LogPublisher, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netstream.processes.logs import LONGEST, Reader, Writer


class LogsTests(SynchronousTestCase):
    """
    From a L{Writer} to a L{Reader}.
    """

    def setUp(self) -> None:
        self.heard: list[tuple[Any, str, str]] = []
        globalLogPublisher.addObserver(self.hear)
        self.addCleanup(globalLogPublisher.removeObserver, self.hear)

    def hear(self, event: Any) -> None:
        if "worker" in event:
            self.heard.append((event["log_level"], event["worker"], event["text"]))

    def test_levels_and_lines(self) -> None:
        """
        An event keeps its level, and its text however long and of however many lines, as far as anyone reads.
        """
        out = io.StringIO()
        log = Logger("test", observer=LogPublisher(Writer(out)))
        log.warn("{host}: odd\nin two lines \udcff", host="child")
        log.info("x" * 2 * LONGEST)
        try:
            raise ValueError("oops")
        except ValueError:
            log.failure("a mistake", Failure())
        reader = Reader("worker 1")
        data = out.getvalue().encode()
        for at in range(0, len(data), 100):
            reader.receive(data[at : at + 100])
        levels = [level for level, _, _ in self.heard]
        self.assertEqual(levels, [LogLevel.warn, LogLevel.info, LogLevel.critical])
        self.assertEqual(self.heard[0][1:], ("worker 1", "child: odd\nin two lines ?"))
        self.assertEqual(len(self.heard[1][2]), LONGEST)
        self.assertIn("ValueError: oops", self.heard[2][2])

    def test_not_an_event(self) -> None:
        """
        What an interpreter says that cannot run is an error, also without an end of line.
        """
        reader = Reader("worker 1")
        reader.receive(b"Traceback:\n[1, 2]\n{}\nkilled")
        reader.finish()
        self.assertEqual(
            self.heard,
            [(LogLevel.error, "worker 1", text) for text in ("Traceback:", "[1, 2]", "{}", "killed")],
        )
