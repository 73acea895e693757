"""
The interface of a metrics database, and the values it speaks.

It knows nodes, charts, spans and columns; nothing of SQL, files or threads.
Times are UTC seconds.  Spans exclude C{after} and include C{before}.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Protocol

import numpy as np
import numpy.typing as npt
from attrs import field, frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from netstream.kernel.cells import load
from netstream.model.chart import Chart
from netstream.model.host import HostInfo, Label
from netstream.model.samples import Bytes, Float64s, Int32s, Int64s, SampleBatch
from netstream.model.stored import Cells, StoredRows

SeriesKey = tuple[str, str]
"""Chart id and dimension id, within one node."""


class Durability(Enum):
    """
    What a sample that the database has confirmed survives.
    """

    MEMORY = "memory"
    PROCESS = "process"
    POWER = "power"


class UnknownMethod(ValueError):
    """
    There is no time aggregation of that name.
    """


@frozen
class Span:
    """
    The seconds from C{first} to C{last}, both included.
    """

    first: int
    last: int

    @classmethod
    def over(cls, spans: Collection[Span]) -> Span | None:
        """
        @return: From the first second of any of them to the last; L{None} if
            there are none.
        """
        return cls(min([span.first for span in spans]), max([span.last for span in spans])) if spans else None


@frozen
class Window:
    """
    The rows a query shall return: C{after + step}, C{after + 2 * step}, ... up
    to C{before}.

    @ivar after: Second before the first one wanted.
    @ivar before: Last second wanted; C{before - after} is a multiple of the
        step.
    @ivar step: Seconds a row; each row stands for the C{step} seconds that
        end at its time.
    """

    after: int
    before: int
    step: int

    def __len__(self) -> int:
        return max(0, (self.before - self.after) // self.step)


@frozen(eq=False)
class Columns:
    """
    Rows of several series.

    @ivar times: int64 of shape (rows,), ascending.
    @ivar values: float64 of shape (rows, series); NaN where there is none.
    @ivar flags: uint8 of shape (rows, series), as in
        L{netstream.model.samples}; EMPTY where there is no value.
    """

    times: Int64s
    values: Float64s
    flags: Bytes


class IPage(Protocol):
    """
    What samples lie in.

    @ivar cells: uint64 of shape (rows, columns).
    @ivar marks: uint8 of the same shape.
    """

    @property
    def cells(self) -> npt.NDArray[np.uint64]: ...

    @property
    def marks(self) -> Bytes: ...


@frozen(eq=False)
class HotRows:
    """
    Rows of several series as they lie in memory (see L{netstream.kernel.cells}).

    @ivar cells: uint64 of shape (rows of a page, its columns).
    @ivar marks: uint8 of the same shape.
    @ivar columns: int32 by series: its column.
    @ivar low: The first row of the page that belongs to them.
    @ivar high: The row after the last one.
    """

    cells: npt.NDArray[np.uint64]
    marks: Bytes
    columns: Int32s
    low: int
    high: int

    @classmethod
    def of(cls, page: IPage, columns: Int32s, start: int, step: int, window: Window) -> HotRows | None:
        """
        @param start: Second of the first row of the page.
        @param step: Seconds from row to row.
        @return: A row for each of a window; L{None} if they are not all here.
        """
        low, odd = divmod(window.after + window.step - start, step)
        high = low + len(window)
        if odd or window.step != step or not 0 <= low <= high <= len(page.cells):
            return None
        return cls(page.cells, page.marks, columns, low, high)

    def samples(self, window: Window) -> Columns:
        """
        @param window: The one of which these are the rows.
        @return: What is in them.
        """
        values = np.empty((self.high - self.low, len(self.columns)))
        flags = np.empty(values.shape, np.uint8)
        some = slice(self.low, self.high)
        load(self.cells[some], self.marks[some], self.columns, values, flags)
        times = np.arange(window.after + window.step, window.before + 1, window.step, dtype=np.int64)
        return Columns(times, values, flags)


@frozen(eq=False)
class Look:
    """
    Where the newest samples of some series are, at a moment.

    @ivar span: What is stored of the charts of the series.
    @ivar floor: Rows up to this second may be elsewhere.
    @ivar start: Second of the first row of the page.
    @ivar step: Seconds from row to row.
    @ivar page: Gives its cells and marks (see L{netstream.kernel.cells}), as
        long as there are any.
    @ivar columns: int32 by series: its column.
    @ivar past: float64 of shape (rows, series): what comes before the page,
        down to C{floor}; NaN where there is none.
    @ivar past_marks: uint8 of the same shape: its flags.
    """

    span: Span
    floor: int
    start: int
    step: int
    page: Callable[[], IPage | None]
    columns: Int32s
    past: Float64s
    past_marks: Bytes

    def rows(self, window: Window) -> HotRows | None:
        """
        @return: Of what a query would return the samples by any method for
            which a row of one sample is that sample; L{None} if they are not
            all here.
        """
        page = self.page()
        if page is None or window.after < self.floor:
            return None
        return HotRows.of(page, self.columns, self.start, self.step, window)


@frozen
class HostRecord:
    """
    What is kept of a node besides its charts.

    @ivar connected: When it was last heard of, UTC seconds.
    """

    info: HostInfo
    labels: Mapping[str, Label] = field(factory=dict)
    connected: int = 0


@frozen
class StoredHost:
    """
    A node as a database gives it back at start.
    """

    record: HostRecord
    charts: Mapping[str, Chart]
    spans: Mapping[str, Span]


@frozen
class Stats:
    """
    What a database holds.

    @ivar samples: Samples that it holds or has accepted, as far as it counts.
    @ivar memory: Bytes of memory that it knows of.
    @ivar disk: Bytes on disk.
    """

    nodes: int = 0
    series: int = 0
    samples: int = 0
    memory: int = 0
    disk: int = 0


@frozen
class Health:
    """
    Whether a database can do its work.

    @ivar problem: What keeps it from storing just now, as a sentence; L{None}
        if nothing does.
    @ivar damaged: Parts of files that could not be read since the start.
    @ivar lost: Samples that could not be stored since the start.
    @ivar disk: Bytes on disk by part; empty if it has nothing there.
    """

    problem: str | None = None
    damaged: int = 0
    lost: int = 0
    disk: Mapping[str, int] = field(factory=dict)


class IExchange(Interface):
    """
    What an engine that has tiers can tell another one of a node, and learn from
    it, stretch by stretch and in the form in which it is stored.
    """

    def kept(node: str) -> Sequence[StoredRows]:
        """
        @return: What is stored of a node, and what changes still.
        """

    def oldest(node: str) -> Sequence[int]:
        """
        @return: By tier, the oldest second that counts.
        """

    def lacks(node: str, charts: Iterable[str]) -> Sequence[str]:
        """
        @return: Those of the charts of which nothing is known here.
        """

    def counts(node: str, where: StoredRows) -> Deferred[Mapping[str, int]]:
        """
        @return: How many samples some rows have, by chart.
        """

    def cells(
        node: str, where: StoredRows, charts: Sequence[str], skip: int, most: int
    ) -> Deferred[tuple[Cells, bool]]:
        """
        @param skip: How many series of the charts to leave out.
        @param most: Of how many series.
        @return: Rows, and whether there are more series.
        """

    def fill(node: str, cells: Cells) -> Deferred[int]:
        """
        Keep what is not here; what is here stays as it is.

        @return: How many cells were missing here; fails with L{ValueError} if
            such rows cannot be kept.
        """

    def definitions(node: str, charts: Sequence[str]) -> Deferred[Sequence[Chart]]:
        """
        @return: Definitions of charts, as far as they are known.
        """


class IExchanging(Interface):
    """
    An engine that has an L{IExchange}.
    """

    exchange: IExchange | None = Attribute("What it can exchange; L{None} while it is not open.")


class INear(Interface):
    """
    Some series of a node, as far as their newest samples can be told at once.
    """

    def look(since: int | None = None) -> Look | None:
        """
        @param since: Look at what comes before the newest page as well, back to
            this second if that is worth while.
        @return: Where their newest samples are now; L{None} if that is not
            known here, as of what was forgotten.
        """


class IAtHand(Interface):
    """
    An engine that can tell newest samples at once.
    """

    def near(node: str, series: Sequence[SeriesKey]) -> INear | None:
        """
        @return: The newest samples of some series, for whoever asks for them
            again and again; L{None} if there are none of some of them.
        """


class IMetricsDB(Interface):
    """
    A place for the samples of many nodes.

    A sample is identified by node, chart, dimension and second; a later one of
    the same identity replaces the earlier.  Samples come in any order and of
    any age.  Deferreds may have fired already when they are returned.
    """

    mode: str = Attribute("Its name in the configuration, such as C{ram}.")
    durability: Durability = Attribute("What a confirmed sample survives.")
    fresh: float = Attribute("Seconds until L{bounds} sees what L{append} confirmed.")
    tiers: Sequence[int] = Attribute("Seconds of a row of each tier, the finest first; 1 is each sample.")
    keeps: bool = Attribute("Whether it keeps anything at all; C{none} does not.")

    def open() -> Deferred[None]:
        """
        Make it ready; call it once and before anything else.

        @return: Fires when it is ready; fails with L{OSError} or
            L{ValueError} and a message that names the path and what to do.
        """

    def close() -> Deferred[None]:
        """
        Write what is to be kept and release everything.

        @return: Fires when the last byte is written.
        """

    def put_host(record: HostRecord) -> Deferred[None]:
        """
        Keep a node; one of the same GUID is replaced.
        """

    def put_chart(node: str, chart: Chart) -> Deferred[None]:
        """
        Keep the definition of a chart; one of the same id is replaced.
        """

    def stored() -> Deferred[Sequence[StoredHost]]:
        """
        @return: All nodes that it keeps, for the start of the process.
        """

    def append(batch: SampleBatch) -> Deferred[None]:
        """
        Keep samples of one node.

        The arrays of the batch are not changed by the caller afterwards.  An
        engine that keeps something by the numbers of the table has to heed
        L{netstream.model.samples.SeriesTable.freed_since}.

        @return: Fires when they are as durable as C{durability} says, or, if
            that takes time, once they are accepted and L{read} shows them.
            Whoever brings more before is let in, but should wait.
        """

    def bounds(node: str, charts: Sequence[str] | None = None) -> Deferred[Mapping[str, Span]]:
        """
        @param charts: Ids of the charts that are meant; L{None} is all.
        @return: For each of them that has samples, the oldest and the newest
            second.  A node it does not know has none.
        """

    def read(node: str, series: Sequence[SeriesKey], after: int, before: int) -> Deferred[Columns]:
        """
        Read samples as they were stored.

        @return: A row for each second at which at least one of the series has
            a sample.  Unknown series are empty columns.
        """

    def query(
        node: str, series: Sequence[SeriesKey], window: Window, method: str, options: str = ""
    ) -> Deferred[Columns]:
        """
        Read samples folded in time.

        @param method: A time aggregation: C{average}, C{min}, C{max}, C{sum}
            and what else the engine knows.
        @param options: Argument of the method, such as a percentage.
        @return: One row for each of the window, gaps included.  Fails with
            L{UnknownMethod}.
        """

    def retain(node: str, seconds: int | None) -> Deferred[None]:
        """
        Say how long samples of a node are to be kept at least.

        @param seconds: L{None} is the default of the database.
        """

    def forget(node: str, chart: str | None = None) -> Deferred[None]:
        """
        Remove a chart, or a whole node, with its samples.
        """

    def stats() -> Deferred[Stats]:
        """
        @return: What it holds now.
        """

    def health() -> Health:
        """
        @return: Whether it can do its work; this may be asked every second.
        """


def exchange_of(db: IMetricsDB) -> IExchange | None:
    """
    @return: What an engine can exchange; L{None} if it has no tiers, or is not
        open.
    """
    return db.exchange if IExchanging.providedBy(db) else None
