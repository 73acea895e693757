"""
The command C{netstream db}: looking at what C{dbengine} has stored.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from netstream.config.places import data_directory
from netstream.config.processes import DATABASE, directory_of, of_workers
from netstream.config.values import duration
from netstream.db.dbengine.archive import Archive, NotFound, opened
from netstream.db.dbengine.export import Extract, NoParquet, write_csv, write_parquet
from netstream.db.dbengine.inspection import Holding, Report, inspect

_EVER = 1 << 40
_HEADINGS = ("host", "tier", "charts", "series", "first", "last", "samples", "bytes", "bytes/sample")


class CannotDo(Exception):
    """
    A command cannot be done; the text says why.
    """


def add_commands(commands: Any) -> None:
    """
    @param commands: What C{add_subparsers} gave.
    """
    db = commands.add_parser(
        "db",
        help="look at the database of a node",
        description="Look at what dbengine has stored, also while a node uses it.",
    )
    actions = db.add_subparsers(title="commands", metavar="COMMAND", required=True)

    check = actions.add_parser(
        "check",
        help="verify every checksum, and say what is there",
        description="Verify every checksum and print what is there of each host in each tier. While no node runs, none "
        "can be started until it is done; beside one that runs it only reads. The exit status is 1 if something is "
        "damaged.",
    )
    check.add_argument("--data-dir", type=Path, metavar="DIR", help="of the node")
    check.set_defaults(run=_check)

    export = actions.add_parser(
        "export",
        help="write a chart as CSV or Parquet",
        description="Write what is stored of a chart. A TIME is a second since 1970, a date such as 2026-01-31 or "
        "2026-01-31T12:00:00Z (UTC unless it says otherwise), or a duration before now such as '2h ago'.",
    )
    export.add_argument("--host", required=True, metavar="HOST", help="name or machine GUID")
    export.add_argument("--chart", required=True, metavar="CHART", help="id, such as system.cpu")
    export.add_argument("--dimension", action="append", default=[], metavar="DIMENSION", help="only this; repeatable")
    export.add_argument("--after", metavar="TIME", help="only what is later")
    export.add_argument("--before", metavar="TIME", help="only what is not later")
    export.add_argument("--tier", type=int, default=0, help="0: samples; 1, 2: minutes, hours")
    export.add_argument("--flags", action="store_true", help="say which samples are anomalous or follow a reset")
    export.add_argument("--format", choices=("csv", "parquet"), default="csv")
    export.add_argument("--output", type=Path, metavar="FILE", help="else CSV goes to the standard output")
    export.add_argument("--data-dir", type=Path, metavar="DIR", help="of the node")
    export.set_defaults(run=_export)


def directories_of(data: Path) -> list[Path]:
    """
    @param data: Where a node has its data.
    @return: Where its databases are: its own, and those of workers.
    """
    workers = [directory_of(data, DATABASE, number) for number in of_workers(data)]
    return [directory_of(data, DATABASE), *filter(Path.is_dir, workers)]


def _check(chosen: argparse.Namespace) -> int:
    try:
        reports = [inspect(directory) for directory in directories_of(data_directory(chosen.data_dir))]
    except NotFound as problem:
        raise CannotDo(str(problem)) from problem
    report = Report(
        any(one.running for one in reports),
        tuple(holding for one in reports for holding in one.holdings),
        tuple(text for one in reports for text in one.problems),
    )
    rows = [_HEADINGS, *map(_cells, report.holdings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in _numbered(row, widths))
        )
    if report.running:
        print("A node is running; what it wrote meanwhile may or may not be counted.")
    for sentence in report.problems:
        print(f"damaged: {sentence}")
    print(f"{len(report.problems)} problems" if report.problems else "All checksums are right.")
    return 1 if report.problems else 0


def _numbered(row: Sequence[str], widths: Sequence[int]) -> Any:
    return enumerate(zip(row, widths, strict=True))


def _cells(holding: Holding) -> tuple[str, ...]:
    first, last = (datetime.fromtimestamp(second, UTC).strftime("%FT%TZ") for second in (holding.first, holding.last))
    dense = f"{holding.nbytes / holding.samples:.2f}" if holding.samples else "-"
    tier = "newest" if holding.tier is None else str(holding.tier)
    numbers = (holding.samples, holding.nbytes)
    return (holding.host, tier, str(holding.charts), str(holding.series), first, last, *map(str, numbers), dense)


def _export(chosen: argparse.Namespace) -> int:
    if chosen.format == "parquet" and chosen.output is None:
        raise CannotDo("Parquet goes to a file: name one with --output")
    now = time.time()
    after, before = second_of("--after", chosen.after, now, 0), second_of("--before", chosen.before, now, _EVER)
    try:
        archive = archive_of(chosen.host, directories_of(data_directory(chosen.data_dir)))
    except NotFound as problem:
        raise CannotDo(str(problem)) from problem
    try:
        if not 0 <= chosen.tier < len(archive.tiers):
            raise CannotDo(f"--tier: there are tiers 0 to {len(archive.tiers) - 1}")
        node = archive.host(chosen.host)
        series = archive.series(node, chosen.chart, list(dict.fromkeys(chosen.dimension)))
        extract = Extract(archive.source(node, series), series, chosen.tier, after, before, chosen.flags)
        written = _written(extract, chosen)
        # Beside a node that runs, what is not whole may be what it is just writing.
        damage = [*(() if archive.running else archive.damage), *dict.fromkeys(extract.source.damage)]
        for sentence in damage:
            print(f"damaged: {sentence}", file=sys.stderr)
        if chosen.output is not None:
            print(f"{written} rows are in {chosen.output}", file=sys.stderr)
        return 1 if damage else 0
    except (NotFound, NoParquet) as problem:
        raise CannotDo(str(problem)) from problem
    finally:
        archive.close()


def archive_of(host: str, directories: Sequence[Path]) -> Archive:
    """
    @return: The first that has the host; if none has, the last, which says
        so.
    @raise NotFound: One has no database.
    """
    *others, last = directories
    for directory in others:
        archive = opened(directory)
        try:
            archive.host(host)
        except NotFound:
            archive.close()
            continue
        return archive
    return opened(last)


def _written(extract: Extract, chosen: argparse.Namespace) -> int:
    """
    A file that is there is replaced when all is written.
    """
    if chosen.output is None:
        return write_csv(extract, sys.stdout)
    part = chosen.output.with_name(f"{chosen.output.name}.part")
    try:
        if chosen.format == "parquet":
            written = write_parquet(extract, part)
        else:
            with part.open("w", encoding="utf-8", errors="surrogateescape") as out:
                written = write_csv(extract, out)
        os.replace(part, chosen.output)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    return written


def second_of(option: str, text: str | None, now: float, default: int) -> int:
    """
    @return: The second that a person means.
    @raise CannotDo: They mean none.
    """
    if text is None:
        return default
    with suppress(ValueError):
        return int(text) if int(text) >= 0 else int(now) + int(text)
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    with suppress(ValueError):
        return int(now + duration(text)) if duration(text) <= 0 else int(now - duration(text))
    raise CannotDo(f"{option}: '{text}' is no time such as 1767225600, 2026-01-31T12:00:00Z or '2h ago'")
