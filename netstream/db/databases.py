"""
The engines that a node's settings ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from netstream.config.processes import DATABASE, SPOOL, directory_of, of_workers
from netstream.config.settings import DBSettings, Mode, Settings
from netstream.db.interfaces import IMetricsDB
from netstream.db.none import NoneDB
from netstream.db.spool import Spool
from netstream.db.spooling import Spooling
from netstream.db.workers import Workers
from netstream.model.chart import Chart

if TYPE_CHECKING:
    from netstream.db.dbengine.cleaning import Cleanup
    from netstream.db.dbengine.engine import DBEngine
    from netstream.db.dbengine.spool import DiskSpool


def _cleanup(db: DBSettings) -> Cleanup:
    from netstream.db.dbengine.cleaning import Cleanup

    return Cleanup(db.cleanup_charts, db.cleanup_hosts, db.cleanup_ephemeral)


class Databases:
    """
    One engine for each mode that some host may use, and one for each
    directory that a process kept before which does not run any more.

    @ivar spool: Keeps samples of hosts without a database for parents that are
        away; L{None} if nothing does.
    """

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        workers: Workers | None = None,
        *,
        number: int = 0,
        left: Sequence[int] = (),
    ) -> None:
        """
        @param reactor: Provides time, and threads unless C{workers} does.
        @param workers: Where blocking work is done.
        @param number: Of the worker whose they are; 0 is the process that
            serves.
        @param left: Numbers of workers that do not run any more.  What they
            kept is opened and stays where it is.
        """
        self._settings = settings
        self._reactor = reactor
        self._workers = workers
        self._disks: list[DBEngine] = []
        self._kept: list[DBEngine] = []
        self._engines: dict[Mode, IMetricsDB] = {Mode.NONE: NoneDB()}
        # An engine that no host uses is not even imported.
        if Mode.RAM in settings.modes:
            from netstream.db.ram import RamDB

            self._engines[Mode.RAM] = RamDB(settings.db.retention, settings.db.update_every)
        self._left: list[IMetricsDB] = []
        if Mode.DBENGINE in settings.modes:
            self._kept += [self._database(path) for path in self._directories(DATABASE, number, left)]
            own, *others = self._kept
            self._engines[Mode.DBENGINE] = own
            self._left += others
        self.spool: IMetricsDB | None = None
        self._spools: list[Spool | DiskSpool] = []
        self._spooled: dict[str, IMetricsDB] = {}
        if Mode.NONE in settings.modes and settings.stream.spool != "no":
            # All processes have the same part of the room, those whose files are left as well.
            gone = [one for one in of_workers(settings.data_dir) if one > settings.node.workers]
            size = settings.stream.spool_size // (1 + settings.node.workers + len(gone))
            if settings.stream.spool == "disk":
                paths = self._directories(SPOOL, number, left)
                self._spools += [self._spool(path, size) for path in paths]
            else:
                self._spools.append(Spool(size))
            self.spool = self._spools[0]

    def _directories(self, what: str, number: int, left: Sequence[int]) -> Sequence[Path]:
        """
        @return: The one that this process keeps, and those that others did.
        """
        others = [directory_of(self._settings.data_dir, what, one) for one in left]
        return [directory_of(self._settings.data_dir, what, number), *filter(Path.is_dir, others)]

    def _database(self, directory: Path) -> DBEngine:
        db = self._settings.db
        return self._disk(
            directory,
            retention=db.tier_retention,
            sizes=db.tier_size,
            single=db.precision == "float32",
            cleanup=_cleanup(db),
        )

    def _disk(self, directory: Path, **options: Any) -> DBEngine:
        from netstream.db.dbengine.engine import DBEngine

        engine = DBEngine(directory, self._reactor, workers=self._workers, **options)
        self._disks.append(engine)
        return engine

    def _spool(self, directory: Path, size: int) -> DiskSpool:
        from netstream.db.dbengine.spool import DiskSpool

        spool = DiskSpool(directory, self._reactor, most=size, workers=self._workers)
        self._disks.append(spool)
        return spool

    def reconfigure(self, settings: Settings) -> None:
        """
        Keep samples for as long as other settings say.
        """
        db = settings.db
        self._settings = settings
        for engine in self._kept:
            engine.limit(db.tier_retention, db.tier_size, _cleanup(db))

    def __iter__(self) -> Iterator[IMetricsDB]:
        return iter((*self._engines.values(), *self._left))

    def of(self, mode: Mode) -> IMetricsDB:
        """
        @return: The engine of that mode.
        """
        return self._engines[mode]

    def spool_of(self, guid: str) -> IMetricsDB | None:
        """
        @return: What keeps the samples of a host without a database for
            parents that are away: the spool that has some from before, if one
            does.
        """
        return self._spooled.get(guid, self.spool)

    @property
    def spools(self) -> Sequence[Spooling]:
        """
        All spools.
        """
        return self._spools

    @property
    def spooled(self) -> Collection[str]:
        """
        Machine GUIDs of hosts of which a spool had samples when it was opened.
        """
        return self._spooled.keys()

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
        return Deferred.fromCoroutine(self._open())

    def close(self) -> Deferred[None]:
        """
        @return: Fires when every engine has written its last byte.
        """
        return Deferred.fromCoroutine(self._close())

    async def _open(self) -> None:
        for engine in (*self, *self._spools):
            await engine.open()
        for spool in self._spools:
            for stored in await spool.stored():
                self._spooled.setdefault(stored.record.info.guid, spool)

    async def _close(self) -> None:
        for engine in (*self, *self._spools):
            await engine.close()
