"""
Whose nodes are: which owner's key brought a machine GUID first.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from netstream.hub.kept import keep
from netstream.model.identity import guid

MOST = 100_000
"""Nodes whose owner is remembered; the oldest are forgotten first."""

NAME = "node-owners.json"
"""Name of the file."""

WRITTEN_AFTER = 1.0
"""Seconds after which a change is in the file, so that many are written at
once."""


class Owners:
    """
    The owners of nodes, in a file.

    A node belongs to the owner whose key brings it first, as long as a key of
    that owner is in use, and until the node is removed.
    """

    _log = Logger()

    def __init__(self, path: Path | None = None) -> None:
        """
        @param path: Of the file; L{None} remembers in memory alone.
        """
        self._path = path
        self._all: dict[str, str] = {}
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._all)

    def load(self) -> None:
        """
        Read the file.  One that cannot be read is said and begun anew.
        """
        if self._path is None:
            return
        try:
            found = {guid(node): str(owner) for node, owner in json.loads(self._path.read_text()).items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, AttributeError) as problem:
            self._log.error(
                "{path}: cannot be read ({problem}): nodes belong to the owner who brings them next",
                path=str(self._path),
                problem=problem,
            )
            return
        self._all = found

    def of(self, node: str, known: Collection[str]) -> str:
        """
        @param node: A machine GUID.
        @param known: The owners whose keys are in use.
        @return: Whose it is; C{""} for nobody.
        """
        owner = self._all.get(node, "")
        return owner if owner in known else ""

    def settle(self, node: str, owner: str, clock: IReactorTime) -> None:
        """
        A node was admitted with the key of an owner.
        """
        if self._all.get(node) == owner:
            return
        if len(self._all) >= MOST and node not in self._all:
            del self._all[next(iter(self._all))]
        self._all[node] = owner
        self._plan(clock)

    def release(self, node: str, clock: IReactorTime) -> None:
        """
        A node was removed: it is for whoever brings it next.
        """
        if self._all.pop(node, None) is not None:
            self._plan(clock)

    def _plan(self, clock: IReactorTime) -> None:
        if self._timer is None and self._path is not None:
            self._timer = clock.callLater(WRITTEN_AFTER, self.write)

    def write(self) -> None:
        """
        Write what changed, now.
        """
        if self._timer is None or self._path is None:
            return
        if self._timer.active():
            self._timer.cancel()
        self._timer = None
        try:
            keep(self._path, self._all)
        except OSError as problem:
            self._log.error(
                "{path}: cannot be written ({problem}): after a restart, new nodes belong to who brings them next",
                path=str(self._path),
                problem=problem,
            )
