"""
The files of the disk engine, opened to be looked at and not to be changed.

That works beside a node that uses them: pages are mapped before segments are
opened, so that what becomes a row group meanwhile is seen at least once.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from attrs import define, field, frozen

from netstream.db import metadata
from netstream.db.dbengine.catalog import Catalog, Contents, DamagedCatalog, salvaged
from netstream.db.dbengine.names import NameLog
from netstream.db.dbengine.node import HotNode
from netstream.db.dbengine.pages import SUFFIX, Block, DamagedPage, HotPage
from netstream.db.dbengine.sources import StoredSource
from netstream.db.dbengine.storage import CATALOG, HOT, NAMES, STRETCHES, TIER, locked
from netstream.db.interfaces import HostRecord, SeriesKey, Span
from netstream.db.segments import Segments

_OLD = "metrics.sqlite"
_SHOWN = 5


class NotFound(LookupError):
    """
    What was asked for is not there; the text says what is.
    """


@frozen(eq=False)
class ArchivedNode:
    """
    A node with what it has.

    @ivar hostname: Its name; empty if that is not known.
    @ivar hot: Its numbers of series and newest samples.
    @ivar record: Who it is; L{None} if that is not known.
    @ivar charts: Definitions of charts as text, by id.
    @ivar spans: What row groups have of them.
    """

    id: int
    guid: str
    hostname: str
    hot: HotNode
    record: HostRecord | None = None
    charts: dict[str, str] = field(factory=dict)
    spans: dict[str, Span] = field(factory=dict)

    def __str__(self) -> str:
        return self.hostname or self.guid or f"node {self.id}"


@define(eq=False)
class Archive:
    """
    All of a directory.

    @ivar running: Whether another process uses it.
    @ivar nodes: By id.
    @ivar pages: The hot pages.
    @ivar strangers: Blocks of nodes that are not known.
    @ivar tiers: The segments of each tier.
    @ivar damage: What could not be read, one sentence each.
    """

    directory: Path
    running: bool
    nodes: dict[int, ArchivedNode] = field(factory=dict)
    pages: list[HotPage] = field(factory=list)
    strangers: list[Block] = field(factory=list)
    tiers: list[Segments] = field(factory=list)
    damage: list[str] = field(factory=list)
    _lock: int | None = None

    def close(self) -> None:
        """
        Release everything.
        """
        for segments in self.tiers:
            segments.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def host(self, name: str) -> ArchivedNode:
        """
        @param name: Host name or machine GUID.
        @raise NotFound: There is none, or more than one.
        """
        named = [node for node in self.nodes.values() if name.lower() in (node.guid, node.hostname.lower())]
        if len(named) == 1:
            return named[0]
        if named:
            raise NotFound(f"{len(named)} hosts are called '{name}': name one by its machine GUID, " + _some(named))
        if not self.nodes:
            raise NotFound(f"{self.directory}: there are no hosts")
        near = _near(name, [node.hostname for node in self.nodes.values()])
        raise NotFound(f"there is no host '{name}'; {near}")

    def series(self, node: ArchivedNode, chart: str, dimensions: Sequence[str] = ()) -> list[SeriesKey]:
        """
        @param chart: Its id.
        @param dimensions: Ids; none are all.
        @raise NotFound: There is no such chart or dimension.
        """
        charts = node.hot.series.charts
        known = charts.get(chart)
        if known is None or not known.numbers:
            near = _near(chart, [id for id, found in charts.items() if found.numbers])
            raise NotFound(f"{node} has no samples of a chart '{chart}'; {near}")
        for dimension in dimensions:
            if dimension not in known.numbers:
                raise NotFound(f"{chart} has no dimension '{dimension}'; {_near(dimension, list(known.numbers))}")
        return [(chart, dimension) for dimension in dimensions or known.numbers]

    def source(self, node: ArchivedNode, series: Sequence[SeriesKey]) -> StoredSource:
        """
        @return: What is stored of series, whatever its retention.
        """
        return StoredSource.of(self.tiers, node.hot, series, [0] * len(self.tiers))


def _some(items: Sequence[object]) -> str:
    shown = [item.guid if isinstance(item, ArchivedNode) else str(item) for item in items[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")


def _near(name: str, names: Sequence[str]) -> str:
    """
    @return: Part of a sentence with names like the one that is not there.
    """
    names = sorted({known for known in names if known})
    inside = [known for known in names if name.lower() in known.lower()]
    near = list(dict.fromkeys([*get_close_matches(name, names, _SHOWN), *inside]))
    return f"did you mean {_some(near)}?" if near else f"there are {_some(names) or 'none'}"


def opened(directory: Path) -> Archive:
    """
    Read a directory.  While nobody else uses it, nobody else can until it is
    closed again.

    @raise OSError: It cannot be read.
    @raise NotFound: No database is there.
    """
    if not (directory / CATALOG).exists():
        if (directory / _OLD).exists():
            raise NotFound(f"{directory}: an older version wrote this; a node converts it when it is started")
        raise NotFound(f"{directory}: there is no database here; --data-dir names the data directory of a node")
    lock: int | None = None
    running = False
    try:
        lock = locked(directory)
    except BlockingIOError:
        running = True
    except OSError as problem:
        # It is in use, or it may only be read.
        running = "in use" in str(problem.strerror)
    archive = Archive(directory, running, lock=lock)
    try:
        _fill(archive)
    except BaseException:
        archive.close()
        raise
    return archive


def _contents(archive: Archive) -> Contents:
    path = archive.directory / CATALOG
    try:
        catalog = Catalog(path, writable=False)
        try:
            archive.damage += [f"{path}: {problem}" for problem in catalog.check()]
            return catalog.contents()
        finally:
            catalog.close()
    except DamagedCatalog as problem:
        contents = salvaged(path)
        archive.damage.append(
            f"{path}: {problem}; {len(contents.nodes)} nodes with {len(contents.charts)} charts can be read"
        )
        return contents
    except sqlite3.Error as problem:
        raise OSError(5, str(problem), str(path)) from problem


def _fill(archive: Archive) -> None:
    blocks = _blocks(archive)
    # First the log: what leaves it meanwhile is in the catalog by then.
    named, damage = NameLog(archive.directory / NAMES).read()
    archive.damage += damage
    contents = _contents(archive)
    for stored in contents.nodes:
        record = None
        with suppress(ValueError):
            record = metadata.host_of(stored.record or "")
        hostname = record.info.hostname if record is not None else ""
        hot = HotNode(stored.guid, stored.id)
        hot.retention = stored.retention
        archive.nodes[stored.id] = ArchivedNode(stored.id, stored.guid, hostname, hot, record)
    for chart in contents.charts:
        if chart.node in archive.nodes:
            series = archive.nodes[chart.node].hot.series
            for dimension, number in chart.series.items():
                series.set((chart.id, dimension), number)
            if chart.definition is not None:
                archive.nodes[chart.node].charts[chart.id] = chart.definition
            if chart.span is not None:
                archive.nodes[chart.node].spans[chart.id] = chart.span
    for names in named:
        new = ArchivedNode(names.id, names.guid, "", HotNode(names.guid, names.id))
        series = archive.nodes.setdefault(names.id, new).hot.series
        for number, key in names.series:
            series.set(key, number)
    for node, tier, stretch in contents.stale:
        if node in archive.nodes:
            archive.nodes[node].hot.stale[tier, stretch] = 0.0
    for block in blocks:
        if block.node in archive.nodes:
            archive.nodes[block.node].hot.adopt(block)
        else:
            archive.strangers.append(block)
    for tier, stretch in enumerate(STRETCHES):
        directory = archive.directory / f"{TIER}{tier}"
        if directory.is_dir():
            segments = Segments(directory, stretch, writable=False)
            archive.tiers.append(segments)
            archive.damage += [text.replace("and were cut off", "and will be cut off") for text in segments.open()]


def _blocks(archive: Archive) -> list[Block]:
    blocks: list[Block] = []
    for path in sorted((archive.directory / HOT).glob(f"*{SUFFIX}")):
        try:
            page = HotPage(path, writable=False)
        except FileNotFoundError:
            continue  # all of it has become row groups
        except DamagedPage as problem:
            archive.damage.append(f"{problem}; its newest samples are lost")
            continue
        except OSError as problem:
            archive.damage.append(f"{path}: {problem.strerror}")
            continue
        archive.pages.append(page)
        blocks += page.found()
    return blocks
