"""
What is given arbitrary bytes.

Each target is a function of bytes that ends without an exception unless there
is a defect: errors that are declared are caught, whatever else is raised, takes
too long or takes too much memory is a defect.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from fuzz import connections, datagrams, pages
from netstream.db import encoded, records, recovery, rowgroups, segment
from netstream.db.records import NewerVersion
from netstream.db.rowgroups import MOST_ROWS, Damaged, Field, Group, Part, RowGroup, encode, of_cells
from netstream.db.segments import Segments
from netstream.kernel import Encoder, Ingest, SampleError, clocks
from netstream.kernel.cells import store
from netstream.model.samples import SampleBatch, SeriesTable
from netstream.wire.capabilities import Capability
from netstream.wire.chart_lines import DefineChart, DefineDimension
from netstream.wire.compression import ALGORITHMS, CompressionError, Decompressor
from netstream.wire.decoder import Decoder, LineDecoder
from netstream.wire.errors import WireError
from netstream.wire.function_lines import FunctionResult
from netstream.wire.handshake import HandshakeError, ReplyReader, RequestReader

CAPTURES: Final = Path(__file__).resolve().parents[1] / "tests" / "captures"
NOW: Final = 1_763_800_000_000_000
"""Microseconds, about when the recordings were made."""
PIECE: Final = 6_000
"""Bytes of a seed."""
CHARTS: Final = ("fixture.simple", "fixture.quotes", "fixture.slow", "a.b")
DIMENSIONS: Final = ("abs", "inc", "neg", "late", "s", "x")


def pieces(data: bytes, most: int = 4) -> Iterator[bytes]:
    """
    @return: The bytes in pieces; the first byte says where they are cut.
    """
    if not data:
        return
    seed, data = data[0], data[1:]
    count = seed % most
    last = 0
    for number in range(count):
        cut = last + (seed * 7919 + number * 104_729) % (len(data) - last + 1)
        yield data[last:cut]
        last = cut
    yield data[last:]


def lines(data: bytes) -> None:
    """
    Sample lines, straight to the kernel.
    """
    ingest = Ingest()
    for number, chart in enumerate(CHARTS):
        ingest.chart(chart, 1 + number % 2, number == 1)
        for index, dimension in enumerate(DIMENSIONS):
            ingest.dimension(chart, dimension, 6 * number + index, index % 4, (1, -3)[index % 2], 1 + index, index > 4)
    rest = b""
    now = NOW
    for piece in pieces(data):
        rest += piece
        at = 0
        while at < len(rest):
            try:
                after = ingest.feed(rest, at, now)
                end = rest.find(b"\n", after) + 1
                at = end or after
                if not end:
                    break
            except SampleError as error:
                at = rest.index(error.line + b"\n", at) + len(error.line) + 1
        rest = rest[at:]
        now += 900_000
        taken = ingest.take()
        if taken is not None:
            _check_columns(taken[:5])
            _encode(*taken[:5])


def _check_columns(columns: Sequence[Any]) -> None:
    series, times, _, values, flags = columns
    assert len({len(column) for column in columns}) == 1
    assert ((series >= 0) & (series < len(CHARTS) * len(DIMENSIONS))).all()
    assert ((times > 0) & (times < 10**12)).all()
    assert (np.isnan(values) == (flags & 4 > 0)).all()


def _encode(*columns: Any) -> None:
    for ieee754 in (False, True):
        encoder = Encoder(ieee754)
        for number, chart in enumerate(CHARTS):
            for index, dimension in enumerate(DIMENSIONS):
                encoder.series(6 * number + index, chart, dimension, 1)
        encoder.v2(*columns)
        encoder.v1(*columns)


def child(data: bytes) -> None:
    """
    All that a child says after the handshake.
    """
    ingest, table = Ingest(), SeriesTable("fuzz")
    decoder = Decoder(ingest, table)
    decoder.room = lambda kind, words: 20 if kind.MAY_BE_SKIPPED else 1000
    chart = ""
    now = NOW
    try:
        for piece in pieces(data):
            decoder.receive(piece)
            for item in decoder.items(now):
                if isinstance(item, SampleBatch):
                    assert len(item.series) == len(item.time)
                elif isinstance(item, FunctionResult):
                    assert len(item.body) <= 20 + len(item.END) + 1
                elif isinstance(item, DefineChart) and 0 < item.update_every < 10**6:
                    chart = item.id
                    ingest.chart(chart, item.update_every)
                elif isinstance(item, DefineDimension) and chart and item.divisor:
                    number = table.number(chart, item.id)
                    ingest.dimension(chart, item.id, number, number % 4, item.multiplier, item.divisor)
            now += 900_000
    except WireError:
        pass


def parent(data: bytes) -> None:
    """
    All that a parent says after the handshake.
    """
    decoder = LineDecoder()
    try:
        for piece in pieces(data):
            decoder.receive(piece)
            for _ in decoder.commands():
                pass
    except WireError:
        pass


def request(data: bytes) -> None:
    """
    The first bytes of a connection.
    """
    reader = RequestReader()
    try:
        for piece in pieces(data):
            if (found := reader.receive(piece)) is not None:
                found.head()
                return
    except HandshakeError:
        pass


def reply(data: bytes) -> None:
    """
    What a parent answers them.
    """
    reader = ReplyReader(Capability(int.from_bytes(data[:4], "little")))
    for piece in pieces(data[4:]):
        if reader.receive(piece) is not None:
            return
    reader.finish()


def first_bytes(data: bytes) -> None:
    """
    Who comes to the one port, with TLS or without.
    """
    connections.first_bytes(pieces(data))


def proxy(data: bytes) -> None:
    """
    What answers in the place of a SOCKS5 proxy.
    """
    connections.proxy(pieces(data))


MOST_EXPANDED: Final = 64 << 20
"""Bytes that no input of a fuzzer may expand to: frames are small, and so is what each may hold."""


def quic_strangers(data: bytes) -> None:
    """
    Datagrams of who is connected to nothing.
    """
    datagrams.strangers(pieces(data))


def quic_first_frames(data: bytes) -> None:
    """
    What first datagrams of a handshake may hold.
    """
    datagrams.first_frames(pieces(data))


def quic_child_frames(data: bytes) -> None:
    """
    What a child may send that is connected by UDP.
    """
    datagrams.child_frames(pieces(data))


def quic_parent_frames(data: bytes) -> None:
    """
    What a parent may send by UDP.
    """
    datagrams.parent_frames(pieces(data))


def frames(data: bytes) -> None:
    """
    Compressed frames; the first byte chooses the algorithm.
    """
    if not data:
        return
    decompressor = Decompressor(sorted(ALGORITHMS)[data[0] % len(ALGORITHMS)])
    total = 0
    try:
        for piece in pieces(data[1:]):
            for text in decompressor.receive(piece):
                total += len(text)
                assert total <= MOST_EXPANDED
    except CompressionError:
        pass


def cells(data: bytes) -> None:
    """
    Samples to the cells of a page: any series, time, value and flags.
    """
    count = len(data) // 21
    raw = data[: count * 21]
    series = np.frombuffer(raw[: 4 * count], np.int32)
    times = np.frombuffer(raw[4 * count : 12 * count], np.int64)
    value = np.frombuffer(raw[12 * count : 20 * count], np.float64)
    flags = np.frombuffer(raw[20 * count :], np.uint8)
    # Times near the page are the ones that are of interest.
    times = np.where(times & 1, (times >> 1) % 40, times)
    series = np.where(series & 1, (series >> 1) % 12, series)
    page, marks = np.zeros((10, 8), np.uint64), np.zeros((10, 8), np.uint8)
    lowest, highest = np.full(8, 10, np.int32), np.full(8, -1, np.int32)
    place = np.array([0, 3, -1, 7, 1, 2, 5, 4, -1, 6], np.int32)
    left = np.zeros(count, np.uint8)
    missed = store(
        page,
        marks,
        lowest,
        highest,
        place,
        10,
        1 + len(data) % 3,
        series.astype(np.int32),
        times.astype(np.int64),
        value.copy(),
        flags.copy(),
        left,
    )
    assert missed == left.sum()


def _row_group_seeds() -> Iterator[bytes]:
    rng = np.random.default_rng(1)
    for columns, rows in ((1, 900), (5, 200), (3, 10)):
        page = rng.integers(1, 1 << 62, (rows, columns), np.uint64)
        page[:, 0] = page[0, 0]
        marks = np.zeros((rows, columns), np.uint8)
        marks[3] = 1
        group = of_cells(900, 1, np.arange(columns, dtype=np.uint32), page, marks)
        yield encode(group)
        yield encode(group, single=True)
    # Counters that were collected together, and percentages of the same totals.
    shares = clocks.shares(rng.integers(100, 9000, 101), 1)
    grown = [clocks.restored(rng.poisson(speed, 100) * (rng.random(100) < 0.7), shares, 1, 1, 1) for speed in range(9)]
    parts = rng.poisson(40, (3, 100))
    values = np.array([*grown, *(100.0 * parts / parts.sum(axis=0))])
    yield encode(Group(900, 1, 100, {Field.VALUE: Part(np.arange(12, dtype=np.uint32), values)}))


def row_groups(data: bytes) -> None:
    """
    A row group of a damaged file.
    """
    try:
        group = RowGroup(data)
    except Damaged:
        return
    assert 0 < group.rows <= MOST_ROWS
    assert all(isinstance(sentence, str) for sentence in group.check())
    for field in Field:
        numbers = group.numbers(field)
        wanted = [int(number) for number in numbers[:4]]
        values, flags, _ = group.read([*wanted, 7], field)
        assert values.shape == flags.shape == (group.rows, len(wanted) + 1)


@contextmanager
def _without_checksums(*modules: ModuleType) -> Iterator[None]:
    """
    Let every checksum be 0, when written and when checked: no fuzzer finds
    one that is right.
    """
    saved = [module.crc32 for module in modules]
    for module in modules:
        module.crc32 = lambda *_: 0  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module, right in zip(modules, saved, strict=True):
            module.crc32 = right  # type: ignore[attr-defined]


def row_groups_unchecked(data: bytes) -> None:
    """
    A row group that is wrong although its checksums are right.
    """
    with _without_checksums(rowgroups, encoded):
        row_groups(data)


def _segment_seeds() -> Iterator[bytes]:
    with tempfile.TemporaryDirectory(prefix="netstream-fuzz-") as place:
        segments = Segments(Path(place), 21600)
        segments.open()
        for number in range(4):
            start = 900 * (number % 3)
            segments.append(number % 2, start, start + 899, 1, 900, b"payload %d" % number * 9, 86400)
        segments.sync()
        segments.close()
        for path in Path(place).iterdir():
            yield path.read_bytes()


def segments(data: bytes) -> None:
    """
    A damaged file of row groups: opened, read, written to, opened again.
    """
    with tempfile.TemporaryDirectory(prefix="netstream-fuzz-", dir=_memory()) as place:
        (Path(place) / "0-86400.seg").write_bytes(data)
        for again in range(2):
            found = Segments(Path(place), 21600)
            try:
                assert all(isinstance(sentence, str) for sentence in found.open())
            except NewerVersion:
                assert not again
                assert (Path(place) / "0-86400.seg").read_bytes() == data
                return
            for node in list(found.nodes())[:8]:
                for there in found.find(node, -(1 << 62), 1 << 62)[:8]:
                    try:
                        assert len(found.read(there)) == there.length
                    except Damaged:
                        continue
            if not again:
                found.append(5, 900, 1800, 1, 900, b"new" * 30, 86400)
                found.sync()
            else:
                assert any(bytes(found.read(there)) == b"new" * 30 for there in found.find(5, 0, 10_000))
            found.close()


def segments_unchecked(data: bytes) -> None:
    """
    A file of row groups that is wrong although its checksums are right.
    """
    with _without_checksums(records, recovery, segment):
        segments(data)


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (
        lines,
        child,
        parent,
        request,
        reply,
        first_bytes,
        pages.pages,
        proxy,
        quic_strangers,
        quic_first_frames,
        quic_child_frames,
        quic_parent_frames,
        frames,
        cells,
        row_groups,
        row_groups_unchecked,
        segments,
        segments_unchecked,
    )
}


def seeds(name: str) -> list[bytes]:
    """
    @return: Good inputs of a target, as recorded or as we write them.
    """
    found: list[bytes] = []
    if name in ("lines", "child"):
        for path in sorted(CAPTURES.glob("**/*.c2p.*")):
            data = path.read_bytes().partition(b"\r\n\r\n")[2] if path.suffix == ".bin" else path.read_bytes()
            if data and data[0] != 0xFA:
                half = len(data) // 2
                found += [b"\x01" + data[:PIECE], b"\x02" + data[half : half + PIECE]]
    elif name == "parent":
        found = [b"\x01" + path.read_bytes()[:PIECE] for path in sorted(CAPTURES.glob("**/*.p2c.bin"))]
    elif name == "request":
        for path in sorted(CAPTURES.glob("**/*.c2p.bin")):
            head = path.read_bytes().partition(b"\r\n\r\n")
            found.append(b"\x01" + head[0] + head[1])
    elif name == "reply":
        found = [b"\xff\xff\xff\x00\x01" + path.read_bytes()[:200] for path in sorted(CAPTURES.glob("**/*.p2c.bin"))]
    elif name == "first_bytes":
        found = list(connections.first_bytes_seeds())
    elif name == "pages":
        found = list(pages.seeds())
    elif name == "proxy":
        found = list(connections.PROXY_SEEDS)
    elif name == "quic_strangers":
        found = list(datagrams.stranger_seeds())
    elif name.startswith("quic_"):
        found = list(datagrams.FRAMES)
    elif name == "frames":
        for path in sorted(CAPTURES.glob("**/*.c2p.bin")):
            data = path.read_bytes().partition(b"\r\n\r\n")[2][:PIECE]
            if data[:1] == b"\xfa":
                kind = next((kind for kind in sorted(ALGORITHMS) if kind in str(path)), "lz4")
                found.append(bytes([sorted(ALGORITHMS).index(kind), 1]) + data)
    elif name == "cells":
        found = [zlib.compress(bytes(range(256)) * 4, 0)[:420], bytes(210)]
    elif name == "row_groups":
        found = list(_row_group_seeds())
    elif name == "segments":
        found = list(_segment_seeds())
    elif name == "row_groups_unchecked":
        with _without_checksums(rowgroups, encoded):
            found = list(_row_group_seeds())
    elif name == "segments_unchecked":
        with _without_checksums(records, recovery, segment):
            found = list(_segment_seeds())
    return list(dict.fromkeys(map(bytes, found)))
