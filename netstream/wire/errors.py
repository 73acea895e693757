"""
What can be wrong with the bytes of a peer.
"""

from __future__ import annotations

from attrs import frozen


def excerpt(line: bytes, longest: int = 120) -> str:
    """
    @return: The beginning of a line as text that is safe in a log.
    """
    text = repr(line[:longest].decode("utf-8", "replace"))
    return f"{text}..." if len(line) > longest else text


@frozen
class WireError(Exception):
    """
    A line that cannot be read; the connection cannot go on.

    @ivar line_number: Its number on the connection, the first line after the
        handshake being 1.
    @ivar line: The line, or as much of it as had come.
    @ivar reason: What is wrong with it, for people.
    """

    line_number: int
    line: bytes
    reason: str

    def __str__(self) -> str:
        return f"line {self.line_number}: {self.reason}: {excerpt(self.line)}"
