"""
What a worker logs, line by line through its standard error into the log of
the process that serves.
"""

from __future__ import annotations

from typing import TextIO

import orjson
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, eventAsText
from zope.interface import implementer

LONGEST = 16384
"""Characters of an event, or bytes of a line, that are kept."""


@implementer(ILogObserver)
class Writer:
    """
    Writes an event as a line.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: LogEvent) -> None:
        """
        Something is logged (called by Twisted).
        """
        level = event.get("log_level") or LogLevel.info
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)[:LONGEST]
        line = orjson.dumps([level.name, text.encode("utf-8", "replace").decode()])
        self._out.write(line.decode() + "\n")
        self._out.flush()


class Reader:
    """
    Logs the lines of a worker as if it had been here.
    """

    _log = Logger()

    def __init__(self, name: str) -> None:
        """
        @param name: Of the worker.
        """
        self._name = name
        self._rest = b""

    def receive(self, data: bytes) -> None:
        """
        Log what is complete.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > 4 * LONGEST:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._say(line)

    def finish(self) -> None:
        """
        Nothing more comes.
        """
        if self._rest:
            self._say(self._rest)
            self._rest = b""

    def _say(self, line: bytes) -> None:
        level, text = _read(line)
        self._log.emit(level, "{worker}: {text}", worker=self._name, text=text)


def _read(line: bytes) -> tuple[LogLevel, str]:
    """
    @return: The level and text of an event; what is none, such as the
        complaint of an interpreter that cannot start, is an error.
    """
    try:
        name, text = orjson.loads(line)
        return LogLevel.levelWithName(name), str(text)
    except Exception:
        return LogLevel.error, line.decode("utf-8", "replace")
