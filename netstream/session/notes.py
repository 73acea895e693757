"""
What was skipped on a connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

MOST = 100
"""Different keywords that are counted by name."""

REST = "..."
"""The name under which the others are counted."""


class Notes(Mapping[str, int]):
    """
    How often lines of each keyword were skipped, for a log to say so once.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._told = 0

    def __getitem__(self, keyword: str) -> int:
        return self._counts[keyword]

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def skipped(self, keyword: str) -> None:
        """
        Count one line.
        """
        if keyword not in self._counts and len(self._counts) >= MOST:
            keyword = REST
        self._counts[keyword] = self._counts.get(keyword, 0) + 1

    def news(self) -> list[str]:
        """
        @return: The keywords that are new since the last call.
        """
        told, self._told = self._told, len(self._counts)
        return list(self._counts)[told:]
