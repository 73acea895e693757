"""
The engines that a node's settings ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from netstream.config.settings import DBSettings, Mode, Settings
from netstream.db.interfaces import IMetricsDB
from netstream.db.none import NoneDB
from netstream.db.spool import Spool
from netstream.db.workers import Workers
from netstream.model.chart import Chart

if TYPE_CHECKING:
    from netstream.db.dbengine.cleaning import Cleanup
    from netstream.db.dbengine.engine import DBEngine


def _cleanup(db: DBSettings) -> Cleanup:
    from netstream.db.dbengine.cleaning import Cleanup

    return Cleanup(db.cleanup_charts, db.cleanup_hosts, db.cleanup_ephemeral)


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
        self._disks: list[DBEngine] = []
        self._disk_engine: DBEngine | None = None
        self._engines: dict[Mode, IMetricsDB] = {Mode.NONE: NoneDB()}
        # An engine that no host uses is not even imported.
        if Mode.RAM in settings.modes:
            from netstream.db.ram import RamDB

            self._engines[Mode.RAM] = RamDB(settings.db.retention, settings.db.update_every)
        if Mode.DBENGINE in settings.modes:
            db = settings.db
            self._disk_engine = self._engines[Mode.DBENGINE] = self._disk(
                settings.data_dir / "db",
                reactor,
                retention=db.tier_retention,
                sizes=db.tier_size,
                single=db.precision == "float32",
                cleanup=_cleanup(db),
                workers=workers,
            )
        self.spool: IMetricsDB | None = None
        spool, size = settings.stream.spool, settings.stream.spool_size
        if Mode.NONE in settings.modes and spool == "disk":
            directory = settings.data_dir / "spool"
            self.spool = self._disk(directory, reactor, retention=(0,), sizes=(size,), workers=workers)
        elif Mode.NONE in settings.modes and spool == "memory":
            self.spool = Spool(size)

    def _disk(self, directory: Path, reactor: Any, **options: Any) -> DBEngine:
        from netstream.db.dbengine.engine import DBEngine

        engine = DBEngine(directory, reactor, **options)
        self._disks.append(engine)
        return engine

    def reconfigure(self, settings: Settings) -> None:
        """
        Keep samples for as long as other settings say.
        """
        db = settings.db
        if self._disk_engine is not None:
            self._disk_engine.limit(db.tier_retention, db.tier_size, _cleanup(db))

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
        for engine in self._disks:
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
