"""
Holding all that the disk engine has stored against its checksums.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from attrs import define, field, frozen

from netstream.db.dbengine.archive import Archive, opened
from netstream.db.rowgroups import Damaged, Field, RowGroup
from netstream.db.segment import Place
from netstream.db.segments import Segments

_EVER = 1 << 62


@frozen
class Holding:
    """
    What is there of one host in one tier.

    @ivar tier: L{None} is what is in hot pages.
    @ivar first: Oldest second.
    @ivar last: Newest second.
    @ivar samples: How many samples; of a coarser tier, rows of series.
    @ivar nbytes: Bytes of them in the files.
    """

    host: str
    tier: int | None
    charts: int
    series: int
    first: int
    last: int
    samples: int
    nbytes: int


@frozen
class Report:
    """
    What was found.

    @ivar running: Whether a node uses the database.
    @ivar problems: What is wrong, one sentence each.
    """

    running: bool
    holdings: tuple[Holding, ...]
    problems: tuple[str, ...]


@define(eq=False)
class _Tally:
    numbers: set[int] = field(factory=set)
    first: int = _EVER
    last: int = -_EVER
    samples: int = 0
    nbytes: int = 0

    def cover(self, first: int, last: int) -> None:
        self.first, self.last = min(self.first, first), max(self.last, last)


def inspect(directory: Path) -> Report:
    """
    Read everything, once; beside a node that runs, again if something seems
    wrong, since that may be what is just being written.

    @raise OSError: It cannot be read.
    @raise netstream.db.dbengine.archive.NotFound: No database is there.
    """
    report = _inspected(directory)
    if report.running and report.problems:
        again = _inspected(directory)
        both = set(report.problems) & set(again.problems)
        return Report(again.running, again.holdings, tuple(text for text in again.problems if text in both))
    return report


def _inspected(directory: Path) -> Report:
    archive = opened(directory)
    try:
        problems = list(archive.damage)
        tallies: dict[tuple[int, int], _Tally] = {}
        _look_at_pages(archive, tallies, problems)
        for tier, segments in enumerate(archive.tiers):
            for place in _places(segments):
                _look_at_record(archive, tier, segments, place, tallies, problems)
        unknown = sorted({node for node, _ in tallies if node not in archive.nodes})
        if unknown:
            problems.append(f"{archive.directory}: samples of {len(unknown)} nodes whose names are lost")
        return Report(archive.running, tuple(_holdings(archive, tallies)), tuple(problems))
    finally:
        archive.close()


def _places(segments: Segments) -> Iterator[Place]:
    for node in sorted(segments.nodes()):
        yield from segments.find(node, -_EVER, _EVER)


def _look_at_pages(archive: Archive, tallies: dict[tuple[int, int], _Tally], problems: list[str]) -> None:
    blocks = [*archive.strangers]
    nameless = 0
    for node in archive.nodes.values():
        for epoch in node.hot.hot():
            blocks += epoch.blocks
            nameless += sum(len(node.hot.series.unknown(block.numbers)) for block in epoch.blocks)
    if nameless:
        problems.append(f"{archive.directory}: newest samples of {nameless} series whose names are lost")
    for block in blocks:
        some = np.flatnonzero(block.highest >= 0)
        if not len(some):
            continue
        tally = tallies.setdefault((block.node, -1), _Tally())
        numbers = block.numbers[some]
        tally.numbers.update(numbers[numbers >= 0].tolist())
        start, step = block.page.start, block.page.step
        tally.cover(start + step * int(block.lowest[some].min()), start + step * int(block.highest[some].max()))
        tally.samples += sum(int(np.count_nonzero(row)) for row in block.cells)
        tally.nbytes += 9 * block.cells.size


def _look_at_record(
    archive: Archive,
    tier: int,
    segments: Segments,
    place: Place,
    tallies: dict[tuple[int, int], _Tally],
    problems: list[str],
) -> None:
    tally = tallies.setdefault((place.node, tier), _Tally())
    tally.cover(place.start, place.last)
    tally.samples += place.samples
    tally.nbytes += place.length
    try:
        wrong = segments.check(place)
        group = RowGroup(segments.read(place))
    except (Damaged, OSError) as problem:
        problems.append(f"{_where(archive, place)}: all of it is lost: {problem}")
        return
    field = Field.COUNT if tier else Field.VALUE
    tally.numbers.update(group.numbers(field).tolist())
    if wrong:
        lost = group.check()
        series = sum(len(group.numbers(field)) for field in group.fields)
        what = f"{len(lost)} of {series} columns are lost: {'; '.join(lost[:3])}" if lost else "no sample is lost"
        problems.append(f"{_where(archive, place)}: {what}")


def _where(archive: Archive, place: Place) -> str:
    host = archive.nodes.get(place.node)
    first, last = (datetime.fromtimestamp(second, UTC).strftime("%F %T") for second in (place.start, place.last))
    return f"{place.segment.path}: {host or f'node {place.node}'}, {first} to {last}"


def _holdings(archive: Archive, tallies: dict[tuple[int, int], _Tally]) -> Iterator[Holding]:
    for (id, tier), tally in sorted(tallies.items()):
        node = archive.nodes.get(id)
        charts = node.hot.series.charts.values() if node is not None else ()
        count = sum(not tally.numbers.isdisjoint(chart.numbers.values()) for chart in charts)
        yield Holding(
            str(node or f"node {id}"),
            None if tier < 0 else tier,
            count,
            len(tally.numbers),
            tally.first,
            tally.last,
            tally.samples,
            tally.nbytes,
        )
