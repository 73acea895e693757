"""
Samples that no parent will ever have, since the spool was full.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.logger import Logger

from netstream.db.spooling import Spooling
from netstream.hub.hub import Hub


class Spills:
    """
    Counts them, and says so once for each time that a parent was away.
    """

    _log = Logger()

    def __init__(self, hub: Hub, size: int) -> None:
        """
        @param size: Bytes of the spool.
        """
        self._hub = hub
        self._size = size
        self._said: dict[str, float] = {}

    def spilled(self, guid: str, samples: int) -> None:
        """
        The oldest samples of a host were dropped.
        """
        self._hub.counts.spilled += samples
        host = self._hub.get(guid)
        shown = host.upstream if host is not None else None
        if host is None:
            return
        since = shown.since if shown is not None else 0.0
        if shown is not None:
            shown.dropped += samples
        if self._said.get(guid) != since:
            self._said[guid] = since
            self._log.warn(
                "{host}: no parent takes its samples, and [stream] spool size of {size} bytes is full: the oldest are"
                " dropped",
                host=host.info.hostname,
                size=self._size,
            )


def count_spills(spools: Iterable[Spooling], hub: Hub) -> None:
    """
    Count what spools drop.
    """
    for spool in spools:
        spool.spilled = Spills(hub, spool.most).spilled
