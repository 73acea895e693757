"""
What a peer can do wrong.
"""

from __future__ import annotations

from attrs import frozen

from netstream.wire.errors import excerpt


@frozen
class ProtocolError(Exception):
    """
    A peer said what it must not say; its connection cannot go on.

    @ivar line_number: Line on the connection, the first after the handshake
        being 1; C{0} if no single line is at fault.
    @ivar reason: What is wrong, for people.
    @ivar line: The line, or its beginning.
    """

    line_number: int
    reason: str
    line: bytes = b""

    def __str__(self) -> str:
        where = f"line {self.line_number}: {self.reason}"
        return f"{where}: {excerpt(self.line)}" if self.line else where
