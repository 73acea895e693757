"""
Lines that were read before.
"""

from __future__ import annotations

from netstream.wire.line import Line

LINES = 16_384
"""Lines that are remembered, unless told otherwise."""

LONGEST = 512
"""Bytes of a line that is remembered."""


class Lexicon:
    """
    Lines that define something and what they say, so that each is read once.

    Many connections may share one.  When it is full, it begins anew.

    @ivar lines: Commands by the bytes of their lines; to be looked up in only.
    """

    def __init__(self, most: int = LINES) -> None:
        """
        @param most: Lines that are remembered.
        """
        self._most = most
        self.lines: dict[bytes, Line] = {}

    def remember(self, line: bytes, command: Line) -> None:
        """
        @param line: Without its newline.
        """
        if len(line) > LONGEST:
            return
        if len(self.lines) >= self._most:
            self.lines.clear()
        self.lines[line] = command
