"""
Work that the disk may refuse: said once, tried again, and said when it is over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

Worker = Callable[[Callable[[], object]], Deferred[object]]
"""Does work elsewhere."""


class Trouble:
    """
    What cannot be done at the moment.

    @ivar lost: Samples that found no room since the start.
    """

    _log = Logger()

    def __init__(self, directory: Path) -> None:
        """
        @param directory: What it is about.
        """
        self.lost = 0
        self._directory = directory
        self._failing: dict[str, str] = {}
        self._said = 0

    @property
    def problem(self) -> str | None:
        """
        A sentence about what cannot be done; L{None} if all can.
        """
        return next(iter(self._failing.values()), None)

    def attempt(self, what: str, work: Callable[[], object], worker: Worker) -> Deferred[bool]:
        """
        @param what: What the work writes, for the log.
        @return: Fires with whether it was done; if not, it may be tried again.
        """

        def done(_: object) -> bool:
            self.over(what)
            return True

        return worker(work).addCallbacks(done, lambda failure: self.failed(what, failure))

    def over(self, what: str) -> None:
        """
        Something was written.
        """
        if self._failing.pop(what, None) is not None:
            lost, self._said = self.lost - self._said, self.lost
            self._log.info(
                "{directory}: {what} can be written again; {lost} samples were not stored meanwhile",
                directory=self._directory,
                what=what,
                lost=lost,
            )

    def failed(self, what: str, failure: Failure) -> bool:
        """
        Something could not be written.

        @return: That it was not.
        """
        if not failure.check(OSError, sqlite3.Error):
            self._log.failure("{directory}: {what} were not stored", failure, directory=self._directory, what=what)
        elif what not in self._failing:
            self._failing[what] = (
                f"{self._directory}: {what} cannot be written: {failure.getErrorMessage()}. It is tried again; "
                "free some space or mend the disk"
            )
            self._log.error("{problem}", problem=self._failing[what])
        return False
