"""
The engines that a node's settings ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred

from netstream.config.settings import Mode, Settings
from netstream.db import DBEngine, NoneDB, RamDB, Spool
from netstream.db.dbengine.cleaning import Cleanup
from netstream.db.interfaces import IMetricsDB
from netstream.db.workers import Workers
from netstream.model.chart import Chart


class Databases:
    """
    One engine for each mode that some host may use.

    @ivar spool: Keeps samples of hosts without a database for parents that are
        away; L{None} if nothing does.
    """

    def __init__(self, settings: Settings, reactor: Any, workers: Workers | None = None) -> None:
        """
        @param reactor: Provides time, and threads unless C{workers} does.
        @param workers: Where blocking work is done.
        """
        self._engines: dict[Mode, IMetricsDB] = {Mode.NONE: NoneDB()}
        if Mode.RAM in settings.modes:
            self._engines[Mode.RAM] = RamDB(settings.db.retention, settings.db.update_every)
        if Mode.DBENGINE in settings.modes:
            self._engines[Mode.DBENGINE] = DBEngine(
                settings.data_dir / "db",
                reactor,
                retention=settings.db.tier_retention,
                sizes=settings.db.tier_size,
                single=settings.db.precision == "float32",
                cleanup=Cleanup(settings.db.cleanup_charts, settings.db.cleanup_hosts, settings.db.cleanup_ephemeral),
                workers=workers,
            )
        self.spool = _spool(settings, reactor, workers) if Mode.NONE in settings.modes else None

    def __iter__(self) -> Iterator[IMetricsDB]:
        return iter(self._engines.values())

    def of(self, mode: Mode) -> IMetricsDB:
        """
        @return: The engine of that mode.
        """
        return self._engines[mode]

    def ask(self, recall: Callable[[str, str], Chart | None]) -> None:
        """
        @param recall: Gives the definition of a chart that an engine forgot,
            by machine GUID and chart id.
        """
        for engine in (*self, self.spool):
            if isinstance(engine, DBEngine):
                engine.recall = recall

    def open(self) -> Deferred[None]:
        """
        @return: Fires when every engine is ready; fails as L{IMetricsDB.open}.
        """
        return Deferred.fromCoroutine(self._each("open"))

    def close(self) -> Deferred[None]:
        """
        @return: Fires when every engine has written its last byte.
        """
        return Deferred.fromCoroutine(self._each("close"))

    async def _each(self, action: str) -> None:
        for engine in (*self, *filter(None, (self.spool,))):
            await getattr(engine, action)()


def _spool(settings: Settings, reactor: Any, workers: Workers | None) -> IMetricsDB | None:
    """
    @return: What C{[stream] spool} asks for.
    """
    stream = settings.stream
    if stream.spool == "disk":
        directory = settings.data_dir / "spool"
        return DBEngine(directory, reactor, retention=(0,), sizes=(stream.spool_size,), workers=workers)
    return Spool(stream.spool_size) if stream.spool == "memory" else None
