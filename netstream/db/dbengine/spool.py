"""
The spool on disk: an engine of the newest samples alone, that counts what it
drops.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve

from netstream.db.dbengine.engine import DBEngine
from netstream.db.groups import Field
from netstream.db.interfaces import Health
from netstream.db.rowgroups import Damaged, RowGroup
from netstream.db.segment import Place
from netstream.db.spooling import Spooling
from netstream.db.workers import Workers

DELIVERED = "delivered.json"
"""The file that says what parents were given."""

WRITE_EVERY = 10.0
"""Seconds between two times at which that is written: after a crash, samples
of so long may be counted as lost that a parent was given."""


class DiskSpool(Spooling, DBEngine):
    """
    Keeps samples for ever, in files of so many bytes; the oldest file goes.

    When one goes, those of its samples are lost that are newer than what a
    parent was given of their node.
    """

    mode = "spool"

    def __init__(self, directory: Path, reactor: Any, *, most: int, workers: Workers | None = None) -> None:
        """
        @param most: Bytes, over all nodes.
        """
        Spooling.__init__(self, most)
        DBEngine.__init__(self, directory, reactor, retention=(0,), sizes=(most,), workers=workers)
        self._delivered: dict[str, int] = {}
        self._written: Mapping[str, int] = {}
        self._write_at = 0.0
        self._gone: deque[tuple[str, int]] = deque()

    async def _open(self) -> None:
        await super()._open()
        self._delivered = await self._workers.read(self._read_delivered)
        self._written = dict(self._delivered)
        self._ours.dropped = self._dropped

    async def _close(self) -> None:
        if self._storage is not None:
            self._tell()
            text = self._changed()
            if text is not None:
                await self._trouble.attempt(
                    "what parents were given", lambda: self._write_delivered(text), self._workers.write
                )
        await super()._close()

    def delivered(self, node: str, second: int) -> None:
        if second > self._delivered.get(node, 0):
            self._delivered[node] = second

    def _read_delivered(self) -> dict[str, int]:
        try:
            found = json.loads((self.directory / DELIVERED).read_bytes())
        except (OSError, ValueError):
            return {}  # then it counts rather too much
        known = found.items() if isinstance(found, dict) else ()
        return {node: second for node, second in known if isinstance(second, int)}

    def _changed(self) -> str | None:
        """
        @return: What is to be written; L{None} if that is what was written.
        """
        self._delivered = {node: second for node, second in self._delivered.items() if node in self._nodes}
        if self._delivered == self._written:
            return None
        self._written = dict(self._delivered)
        return json.dumps(self._written)

    def _write_delivered(self, text: str) -> None:
        path = self.directory / DELIVERED
        aside = path.with_suffix(".new")
        aside.write_text(text)
        aside.replace(path)

    def _tick(self) -> None:
        super()._tick()
        self._tell()
        now = self._reactor.seconds()
        if not self._write_at - WRITE_EVERY <= now < self._write_at:
            self._write_at = now + WRITE_EVERY
            text = self._changed()
            if text is not None:
                self._trouble.attempt(
                    "what parents were given", lambda: self._write_delivered(text), self._workers.write
                )

    def _tell(self) -> None:
        """
        Tell of what the thread that writes has dropped.
        """
        while self._gone:
            self.spill(*self._gone.popleft())

    def _dropped(self, places: Sequence[Place]) -> None:
        """
        Files were deleted, in the thread that writes.
        """
        guids = {node.id: guid for guid, node in tuple(self._nodes.items())}
        lost: dict[str, int] = {}
        for place in places:
            guid = guids.get(place.node)
            if guid is not None:
                lost[guid] = lost.get(guid, 0) + _newer(place, self._delivered.get(guid, 0))
        self._gone.extend((guid, samples) for guid, samples in lost.items() if samples)

    def health(self) -> Health:
        found = super().health()
        return evolve(found, lost=found.lost + self.lost)


def _newer(place: Place, second: int) -> int:
    """
    @return: How many samples of a row group are newer than a second.
    """
    if place.last <= second:
        return 0
    if place.start > second:
        return place.samples
    try:
        part = RowGroup(place.segment.read(place)).group().parts.get(Field.VALUE)
    except (Damaged, OSError):
        return place.samples
    if part is None:
        return 0
    first = (second - place.start) // place.step + 1
    return int(np.count_nonzero(~np.isnan(part.values[:, first:])))
