"""
What a plugin writes on standard error, for our log: bounded.
"""

from __future__ import annotations

LONGEST = 500
"""Characters of a line that are kept."""

MOST = 20
"""Lines that are told in each period."""

PERIOD = 600.0
"""Seconds."""


class Complaints:
    """
    Splits lines, and lets no more than some of them through.
    """

    def __init__(self, most: int = MOST, period: float = PERIOD) -> None:
        self._most = most
        self._period = period
        self._rest = b""
        self._since = 0.0
        self._told = 0
        self._untold = 0

    def take(self, data: bytes, now: float) -> list[str]:
        """
        @param now: Seconds of any clock that does not go back.
        @return: The lines to tell, in which no character steers a terminal.
        """
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: 4 * LONGEST]
        found: list[str] = []
        for line in lines:
            text = line[: 4 * LONGEST].decode(errors="replace").strip()
            if not text:
                continue
            if not self._told or now - self._since >= self._period:
                if self._untold:
                    found.append(f"({self._untold} more lines were left out)")
                self._since, self._told, self._untold = now, 0, 0
            if self._told >= self._most:
                self._untold += 1
                continue
            self._told += 1
            found.append("".join(each if each.isprintable() else " " for each in text[:LONGEST]))
            if self._told == self._most:
                found.append(f"(what it says further is left out for up to {self._period / 60:.0f} minutes)")
        return found
