"""
Nodes that were removed on purpose, so that nothing but themselves brings them
back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from twisted.logger import Logger

from netstream.hub.kept import keep
from netstream.model.identity import guid

MOST = 10_000
"""Removed nodes that are remembered; the oldest are forgotten first."""

NAME = "removed-nodes.json"
"""Name of the file."""


@frozen
class Tombstone:
    """
    A node that was removed.

    @ivar at: When, UTC seconds.
    """

    guid: str
    hostname: str
    at: float


class Tombstones:
    """
    The nodes that were removed, in a file.

    A node is listed from its removal until it connects itself again, or
    others send samples of it that were taken after its removal, or the
    removal is taken back.
    """

    _log = Logger()

    def __init__(self, path: Path | None = None) -> None:
        """
        @param path: Of the file; L{None} remembers in memory alone.
        """
        self._path = path
        self._all: dict[str, Tombstone] = {}

    def __iter__(self) -> Iterator[Tombstone]:
        return iter(tuple(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

    def load(self) -> None:
        """
        Read the file.  One that cannot be read is said and begun anew.
        """
        if self._path is None:
            return
        try:
            said = json.loads(self._path.read_text())
            found = [Tombstone(guid(each["guid"]), str(each["hostname"]), float(each["at"])) for each in said]
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
            self._log.error(
                "{path}: cannot be read ({problem}): nodes that were removed may come back",
                path=str(self._path),
                problem=problem,
            )
            return
        self._all = {each.guid: each for each in found[-MOST:]}

    def of(self, guid: str) -> Tombstone | None:
        """
        @return: The removal of a node, if it was removed.
        """
        return self._all.get(guid)

    def bury(self, guid: str, hostname: str, now: float) -> None:
        """
        A node is removed.

        @raise OSError: That cannot be written; it is not removed then.
        """
        kept = [each for each in self if each.guid != guid][-(MOST - 1) :]
        self._replace([*kept, Tombstone(guid, hostname, now)])

    def lift(self, guid: str) -> bool:
        """
        A node may come back.

        @return: Whether it had been removed.
        @raise OSError: That cannot be written; it may not then.
        """
        if guid not in self._all:
            return False
        self._replace([each for each in self if each.guid != guid])
        return True

    def _replace(self, tombstones: list[Tombstone]) -> None:
        if self._path is not None:
            said = [{"guid": each.guid, "hostname": each.hostname, "at": each.at} for each in tombstones]
            keep(self._path, said)
        self._all = {each.guid: each for each in tombstones}
