"""
The engines that a node's settings ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from netstream.config.settings import Mode, Settings
from netstream.db import DBEngine, NoneDB, RamDB
from netstream.db.dbengine.cleaning import Cleanup
from netstream.db.interfaces import IMetricsDB
from netstream.db.workers import Workers
from netstream.model.chart import Chart

_WORKER = "worker-"


def directory_of(data_dir: Path, number: int = 0) -> Path:
    """
    @param number: Of a worker; 0 is the process that serves.
    @return: Where its C{dbengine} is.
    """
    return data_dir / "db" / f"{_WORKER}{number}" if number else data_dir / "db"


def of_workers(data_dir: Path) -> Mapping[int, Path]:
    """
    @return: The databases that workers have or had, by their numbers.
    """
    found = {}
    for path in directory_of(data_dir).glob(f"{_WORKER}*"):
        number = path.name.removeprefix(_WORKER)
        if number.isdecimal() and int(number) and path.is_dir():
            found[int(number)] = path
    return dict(sorted(found.items()))


class Databases:
    """
    One engine for each mode that some host may use, and one for each
    directory that a process kept before which does not run any more.
    """

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        workers: Workers | None = None,
        *,
        number: int = 0,
        left: Sequence[Path] = (),
    ) -> None:
        """
        @param reactor: Provides time, and threads unless C{workers} does.
        @param workers: Where blocking work is done.
        @param number: Of the worker whose they are; 0 is the process that
            serves.
        @param left: Directories of workers that do not run any more.  Hosts
            that are in one stay there.
        """
        self._engines: dict[Mode, IMetricsDB] = {Mode.NONE: NoneDB()}
        if Mode.RAM in settings.modes:
            self._engines[Mode.RAM] = RamDB(settings.db.retention, settings.db.update_every)
        self._left: list[IMetricsDB] = []
        if Mode.DBENGINE in settings.modes:
            own, *others = [
                DBEngine(
                    directory,
                    reactor,
                    retention=settings.db.tier_retention,
                    sizes=settings.db.tier_size,
                    single=settings.db.precision == "float32",
                    cleanup=Cleanup(
                        settings.db.cleanup_charts, settings.db.cleanup_hosts, settings.db.cleanup_ephemeral
                    ),
                    workers=workers,
                )
                for directory in (directory_of(settings.data_dir, number), *left)
            ]
            self._engines[Mode.DBENGINE] = own
            self._left += others

    def __iter__(self) -> Iterator[IMetricsDB]:
        return iter((*self._engines.values(), *self._left))

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
        for engine in self:
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
        for engine in self:
            await getattr(engine, action)()
