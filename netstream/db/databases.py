"""
The engines that a node's settings ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred

from netstream.config.settings import Mode, Settings
from netstream.db.interfaces import IMetricsDB
from netstream.db.none import NoneDB
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
        # An engine that no host uses is not even imported.
        if Mode.RAM in settings.modes:
            from netstream.db.ram import RamDB

            self._engines[Mode.RAM] = RamDB(settings.db.retention, settings.db.update_every)
        if Mode.DBENGINE in settings.modes:
            from netstream.db.dbengine.cleaning import Cleanup
            from netstream.db.dbengine.engine import DBEngine

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
        for each in (self._engines.get(Mode.DBENGINE), self.spool):
            if each is not None and each.mode == Mode.DBENGINE.value:
                engine: Any = each
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
        from netstream.db.dbengine.engine import DBEngine

        directory = settings.data_dir / "spool"
        return DBEngine(directory, reactor, retention=(0,), sizes=(stream.spool_size,), workers=workers)
    if stream.spool == "memory":
        from netstream.db.spool import Spool

        return Spool(stream.spool_size)
    return None
