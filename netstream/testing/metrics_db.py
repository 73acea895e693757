"""
The contract of L{IMetricsDB}, as tests.

An engine's tests subclass L{MetricsDBTests} and say how one is made::

    from netstream.testing import metrics_db

    class MyEngineTests(metrics_db.MetricsDBTests):
        def make_db(self):
            return MyEngine()

Import the module rather than the class, or C{trial} runs the class by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netstream.db.interfaces import Columns, HostRecord, IMetricsDB, SeriesKey, Span, UnknownMethod, Window
from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.host import HostInfo, Label
from netstream.model.samples import ANOMALOUS, EMPTY, RESET, SampleBatch, SeriesTable

_T = TypeVar("_T")

NODE = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"

NOW = 1_800_000_000
"""About when the samples of these tests were taken; the clock of an engine
that has one shows this or a little more."""

X: SeriesKey = ("chart.a", "x")
Y: SeriesKey = ("chart.a", "y")
Z: SeriesKey = ("chart.b", "z")

NAN = float("nan")


def batch(
    table: SeriesTable,
    rows: Sequence[tuple[SeriesKey, int, float]],
    flags: Sequence[int] | None = None,
) -> SampleBatch:
    """
    @param rows: Series, second and value of each sample; NaN is a gap.
    @param flags: Of each sample; a gap has EMPTY anyway.
    @return: These samples in this order.
    """
    value = np.array([row[2] for row in rows], np.float64)
    noted = np.array(flags if flags is not None else [0] * len(rows), np.uint8)
    return SampleBatch(
        table=table,
        series=np.array([table.number(*row[0]) for row in rows], np.int32),
        time=np.array([row[1] for row in rows], np.int64),
        collected=np.zeros(len(rows), np.int64),
        value=value,
        flags=np.where(np.isnan(value), noted | EMPTY, noted).astype(np.uint8),
    )


class MetricsDBTests(SynchronousTestCase):
    """
    What every engine does that keeps anything.

    @cvar durable: Whether a new engine in the same place has what the closed
        one had; C{make_db} then makes each in the same place.
    """

    durable = False

    def make_db(self) -> IMetricsDB:
        """
        @return: An engine that is not open yet and keeps an hour at least.
        """
        raise NotImplementedError("a subclass makes the engine")

    def result(self, deferred: Deferred[_T]) -> _T:
        """
        @return: What a Deferred fires with; an engine that takes time
            overrides this and lets it pass.
        """
        found: _T = self.successResultOf(deferred)
        return found

    def setUp(self) -> None:
        if type(self).make_db is MetricsDBTests.make_db:
            self.skipTest("the contract is tested on engines")
        self.table = SeriesTable(NODE)
        self.db = self.make_db()
        self.result(self.db.open())
        self.addCleanup(lambda: self.result(self.db.close()))

    def append(self, *rows: tuple[SeriesKey, int, float]) -> None:
        """
        Store samples of the node, in one batch.
        """
        self.result(self.db.append(batch(self.table, rows)))

    def read(self, *series: SeriesKey, after: int = 0, before: int = NOW + 3600, node: str = NODE) -> Columns:
        """
        @return: What is stored of some series.
        """
        return self.result(self.db.read(node, series, after, before))

    def bounds(self, node: str = NODE) -> Mapping[str, Span]:
        """
        @return: What there is of each chart.
        """
        return self.result(self.db.bounds(node))

    def assert_rows(self, found: Columns, *rows: tuple[float, ...]) -> None:
        """
        @param rows: Second and value of each series; NaN is a gap.
        """
        times = [int(row[0]) for row in rows]
        self.assertEqual(found.times.tolist(), times)
        width = found.values.shape[1]
        expected = np.array([row[1:] for row in rows], np.float64).reshape(len(rows), width)
        np.testing.assert_array_equal(found.values, expected)
        self.assertEqual(found.flags.shape, found.values.shape)
        np.testing.assert_array_equal((found.flags & EMPTY) != 0, np.isnan(expected))

    def test_interface(self) -> None:
        """
        The engine has every method and attribute of the interface.
        """
        verifyObject(IMetricsDB, self.db)

    def test_types(self) -> None:
        """
        Columns have the types and shapes that callers compute with.
        """
        self.append((X, NOW, 1.0))
        for found in (self.read(X, Y), self.read(X, Y, after=NOW), self.read(X, node=OTHER)):
            self.assertEqual(
                (found.times.dtype, found.values.dtype, found.flags.dtype), (np.int64, np.float64, np.uint8)
            )
            self.assertEqual(found.values.shape, found.flags.shape)

    def test_stored(self) -> None:
        """
        What was appended is read back, to the bit.
        """
        self.append((X, NOW, 0.1 + 0.2), (Y, NOW, -1e300), (X, NOW + 1, 5e-324))
        self.assert_rows(self.read(X, Y), (NOW, 0.1 + 0.2, -1e300), (NOW + 1, 5e-324, NAN))

    def test_order_of_series(self) -> None:
        """
        Columns come in the order in which series were asked for, and one that
        is asked for twice comes twice.
        """
        self.append((X, NOW, 1.0), (Y, NOW, 2.0), (Z, NOW, 3.0))
        self.assert_rows(self.read(Z, X, Y, X), (NOW, 3.0, 1.0, 2.0, 1.0))

    def test_span(self) -> None:
        """
        A span excludes its beginning and includes its end.
        """
        self.append(*[(X, NOW + i, float(i)) for i in range(5)])
        self.assert_rows(self.read(X, after=NOW + 1, before=NOW + 3), (NOW + 2, 2.0), (NOW + 3, 3.0))
        self.assert_rows(self.read(X, after=NOW + 3, before=NOW + 3))
        self.assert_rows(self.read(X, after=NOW + 3, before=NOW))

    def test_replace(self) -> None:
        """
        A sample that comes again replaces the earlier one.
        """
        self.append((X, NOW, 1.0), (Y, NOW, 2.0))
        self.append((X, NOW, 3.0))
        self.assert_rows(self.read(X, Y), (NOW, 3.0, 2.0))

    def test_replace_flags(self) -> None:
        """
        A sample that replaces another one does not keep its flags.
        """
        self.result(self.db.append(batch(self.table, [(X, NOW, 1.0)], [ANOMALOUS])))
        self.append((X, NOW, 2.0))
        self.assertEqual(self.read(X).flags.tolist(), [[0]])

    def test_twice_in_a_batch(self) -> None:
        """
        Of samples of one second in one batch the last one counts, however
        many there are.
        """
        rng = np.random.default_rng(4)
        seconds = (NOW + rng.integers(0, 100, 5000)).tolist()
        self.append(*[(X, second, float(i)) for i, second in enumerate(seconds)])
        last = {second: float(i) for i, second in enumerate(seconds)}
        self.assert_rows(self.read(X), *sorted(last.items()))

    def test_any_order(self) -> None:
        """
        Samples may come in any order and land in their place.
        """
        order = np.random.default_rng(1).permutation(500).tolist()
        for start in range(0, 500, 50):
            self.append(*[(X, NOW + i, float(i)) for i in order[start : start + 50]])
        self.assert_rows(self.read(X), *[(NOW + i, float(i)) for i in range(500)])

    def test_late(self) -> None:
        """
        An old sample that comes late does not disturb the newer ones.
        """
        self.append((X, NOW, 1.0))
        self.append((X, NOW - 1800, 2.0))
        self.append((Y, NOW - 900, 3.0))
        self.assert_rows(self.read(X, Y), (NOW - 1800, 2.0, NAN), (NOW - 900, NAN, 3.0), (NOW, 1.0, NAN))

    def test_gap(self) -> None:
        """
        Seconds without samples have no row, and a series without a sample in
        a row is marked as empty there.
        """
        self.append((X, NOW, 1.0), (Y, NOW + 5, 2.0))
        self.assert_rows(self.read(X, Y), (NOW, 1.0, NAN), (NOW + 5, NAN, 2.0))
        self.assert_rows(self.read(X), (NOW, 1.0))

    def test_written_gap(self) -> None:
        """
        A gap that was sent is no row, but it replaces a sample.
        """
        self.append((X, NOW, 1.0), (X, NOW + 1, 2.0))
        self.append((X, NOW, NAN), (X, NOW + 2, NAN))
        self.assert_rows(self.read(X), (NOW + 1, 2.0))

    def test_nothing(self) -> None:
        """
        An empty batch is harmless.
        """
        self.append()
        self.append((X, NOW, 1.0))
        self.append()
        self.assert_rows(self.read(X), (NOW, 1.0))

    def test_unknown(self) -> None:
        """
        Series and nodes that are not known are empty.
        """
        self.append((X, NOW, 1.0))
        self.assert_rows(self.read(X, ("chart.a", "nothing")), (NOW, 1.0, NAN))
        self.assert_rows(self.read(("no", "chart")))
        self.assert_rows(self.read(X, Y, node=OTHER))
        self.assert_rows(self.read())
        self.assertEqual(self.bounds(OTHER), {})

    def test_flags(self) -> None:
        """
        Flags are kept with their samples.
        """
        self.result(
            self.db.append(batch(self.table, [(X, NOW, 1.0), (Y, NOW, 2.0), (X, NOW + 1, 3.0)], [ANOMALOUS, 0, RESET]))
        )
        self.assertEqual(self.read(X, Y).flags.tolist(), [[ANOMALOUS, 0], [RESET, EMPTY]])

    def test_new_series(self) -> None:
        """
        Series may appear at any time.
        """
        for i in range(100):
            self.append((("many", str(i)), NOW + i, float(i)))
        found = self.read(*[("many", str(i)) for i in range(100)])
        self.assertEqual(np.count_nonzero(~np.isnan(found.values)), 100)
        np.testing.assert_array_equal(np.diag(found.values), np.arange(100.0))

    def test_new_table(self) -> None:
        """
        A node that comes back with other numbers for its series continues
        them.
        """
        self.append((X, NOW, 1.0), (Y, NOW, 2.0))
        self.table = SeriesTable(NODE)
        self.append((Y, NOW + 1, 4.0), (X, NOW + 1, 3.0))
        self.assert_rows(self.read(X, Y), (NOW, 1.0, 2.0), (NOW + 1, 3.0, 4.0))

    def test_slow_chart(self) -> None:
        """
        Charts of different periods stand beside each other.
        """
        for i in range(0, 61):
            self.append((X, NOW + i, float(i)), *([(Z, NOW + i, -float(i))] if i % 5 == 0 else []))
        self.assert_rows(self.read(Z), *[(NOW + i, -float(i)) for i in range(0, 61, 5)])
        self.assertEqual(len(self.read(X, Z).times), 61)

    def test_nodes(self) -> None:
        """
        Nodes with the same charts are kept apart.
        """
        self.append((X, NOW, 1.0))
        self.result(self.db.append(batch(SeriesTable(OTHER), [(X, NOW + 1, 2.0)])))
        self.assert_rows(self.read(X), (NOW, 1.0))
        self.assert_rows(self.read(X, node=OTHER), (NOW + 1, 2.0))

    def test_bounds(self) -> None:
        """
        Bounds include everything that was appended.
        """
        self.append((X, NOW, 1.0), (Y, NOW + 4, 1.0), (Z, NOW + 2, 1.0))
        self.assertEqual(
            self.bounds(NODE),
            {"chart.a": Span(NOW, NOW + 4), "chart.b": Span(NOW + 2, NOW + 2)},
        )
        self.append((X, NOW - 100, 1.0))
        self.assertEqual(self.bounds(NODE)["chart.a"], Span(NOW - 100, NOW + 4))

    def test_bounds_of_some(self) -> None:
        """
        Few or many charts can be asked for by name, and those without samples
        are left out.
        """
        rows = [((f"chart.{number}", "d"), NOW + number, 1.0) for number in range(200)]
        self.append(*rows)
        every = self.bounds(NODE)
        self.assertEqual(len(every), 200)
        for count in (0, 1, 20, 150):
            charts = [f"chart.{number}" for number in range(100, 100 - count // 2, -1)]
            charts += [f"chart.{number}" for number in range(110, 110 + count - count // 2)]
            found = self.result(self.db.bounds(NODE, [*charts, "chart.none"]))
            self.assertEqual(dict(found), {chart: every[chart] for chart in charts}, count)

    def test_query(self) -> None:
        """
        A query folds the seconds of each row and has a row for every step.
        """
        self.append(*[(X, NOW + i, float(i)) for i in range(1, 11)], (Y, NOW + 1, 8.0))
        window = Window(NOW, NOW + 15, 5)
        found = self.result(self.db.query(NODE, [X, Y], window, "average"))
        self.assert_rows(found, (NOW + 5, 3.0, 8.0), (NOW + 10, 8.0, NAN), (NOW + 15, NAN, NAN))
        found = self.result(self.db.query(NODE, [X], window, "max"))
        self.assert_rows(found, (NOW + 5, 5.0), (NOW + 10, 10.0), (NOW + 15, NAN))

    def test_query_flags(self) -> None:
        """
        A row of a query has the flags of all its samples.
        """
        self.result(self.db.append(batch(self.table, [(X, NOW + 1, 1.0), (X, NOW + 2, 2.0)], [ANOMALOUS, RESET])))
        found = self.result(self.db.query(NODE, [X], Window(NOW, NOW + 4, 2), "average"))
        self.assertEqual(found.flags.tolist(), [[ANOMALOUS | RESET], [EMPTY]])

    def test_query_options(self) -> None:
        """
        The argument of a method reaches it.
        """
        self.append(*[(X, NOW + i, float(i)) for i in range(1, 5)])
        found = self.result(self.db.query(NODE, [X], Window(NOW, NOW + 4, 4), "countif", ">1"))
        self.assert_rows(found, (NOW + 4, 75.0))

    def test_query_unknown(self) -> None:
        """
        A query of what is not known gives gaps.
        """
        found = self.result(self.db.query(OTHER, [X], Window(NOW, NOW + 2, 1), "sum"))
        self.assert_rows(found, (NOW + 1, NAN), (NOW + 2, NAN))

    def test_unknown_method(self) -> None:
        """
        A method that does not exist is an error that names it, whether there
        are samples or not.
        """
        self.append((X, NOW, 1.0))
        for node in (NODE, OTHER):
            failed = self.failureResultOf(self.db.query(node, [X], Window(NOW - 1, NOW, 1), "magic"), UnknownMethod)
            self.assertIn("magic", str(failed.value))

    def make_record(self, hostname: str = "web-1") -> HostRecord:
        """
        @return: A record with something in every field.
        """
        info = HostInfo(
            NODE, hostname, update_every=2, timezone="Europe/Vienna", utc_offset=3600, hops=1, system={"OS": "Linux"}
        )
        return HostRecord(info, {"site": Label("Wien", 2)}, connected=NOW)

    def make_chart(self, title: str = "A title, with 'quotes'") -> Chart:
        """
        @return: A chart with something in every field.
        """
        return Chart(
            "chart.a",
            title=title,
            units="°C",
            chart_type=ChartType.STACKED,
            update_every=2,
            dimensions={
                "x": Dimension("x", "X x", Algorithm.INCREMENTAL, -1, 1000, hidden=True),
                "y": Dimension("y", no_reset=True),
            },
            labels={"device": Label("sda")},
        )

    def test_definitions(self) -> None:
        """
        Nodes and charts are given back as they were put last.
        """
        self.result(self.db.put_host(self.make_record("old")))
        self.result(self.db.put_chart(NODE, self.make_chart("old")))
        self.result(self.db.put_host(self.make_record()))
        self.result(self.db.put_chart(NODE, self.make_chart()))
        self.append((X, NOW, 1.0))
        [stored] = self.result(self.db.stored())
        self.assertEqual(stored.record, self.make_record())
        self.assertEqual(dict(stored.charts), {"chart.a": self.make_chart()})
        self.assertEqual(list(stored.charts["chart.a"].dimensions), ["x", "y"])
        self.assertEqual(dict(stored.spans), {"chart.a": Span(NOW, NOW)})

    def test_forget_chart(self) -> None:
        """
        A chart that is forgotten is gone, the others are not, and it may come
        again without its past.
        """
        self.result(self.db.put_host(self.make_record()))
        self.result(self.db.put_chart(NODE, self.make_chart()))
        self.append((X, NOW, 1.0), (Z, NOW, 2.0))
        self.result(self.db.forget(NODE, "chart.a"))
        self.assert_rows(self.read(X, Z), (NOW, NAN, 2.0))
        self.assertEqual(set(self.bounds(NODE)), {"chart.b"})
        self.assertEqual(dict(self.result(self.db.stored())[0].charts), {})
        self.append((Y, NOW + 1, 3.0), (X, NOW + 2, 4.0), (("new", "n"), NOW + 2, 5.0))
        self.assert_rows(
            self.read(X, Y, Z, ("new", "n")),
            (NOW, NAN, NAN, 2.0, NAN),
            (NOW + 1, NAN, 3.0, NAN, NAN),
            (NOW + 2, 4.0, NAN, NAN, 5.0),
        )

    def test_forget_node(self) -> None:
        """
        A node that is forgotten is gone, the others are not, and it may come
        again without its past.
        """
        other = SeriesTable(OTHER)
        self.result(self.db.put_host(self.make_record()))
        self.append((X, NOW, 1.0))
        self.result(self.db.append(batch(other, [(X, NOW, 2.0)])))
        self.result(self.db.forget(NODE))
        self.assert_rows(self.read(X))
        self.assert_rows(self.read(X, node=OTHER), (NOW, 2.0))
        self.assertEqual(len(self.result(self.db.stored())), 0)
        self.assertEqual(self.bounds(NODE), {})
        self.append((X, NOW + 1, 3.0))
        self.assert_rows(self.read(X), (NOW + 1, 3.0))

    def test_forget_unknown(self) -> None:
        """
        What is not there can be forgotten.
        """
        self.result(self.db.forget(NODE))
        self.result(self.db.forget(NODE, "chart.a"))
        self.append((X, NOW, 1.0))
        self.result(self.db.forget(NODE, "no.chart"))
        self.assert_rows(self.read(X), (NOW, 1.0))

    def test_retain(self) -> None:
        """
        What is younger than the retention of its node stays.
        """
        self.result(self.db.retain(NODE, 600))
        self.append(*[(X, NOW - i, float(i)) for i in (900, 500, 0)])
        found = self.read(X)
        self.assertEqual(found.values[-2:].tolist(), [[500.0], [0.0]])
        self.result(self.db.retain(NODE, None))
        self.append((X, NOW - 3000, 1.0))
        self.assertEqual(self.read(X).values[-3:, 0].tolist()[1:], [500.0, 0.0])
        self.assertEqual(self.read(X, before=NOW - 2000).values.tolist(), [[1.0]])

    def test_numbers_used_again(self) -> None:
        """
        When the numbers of a chart that was forgotten stand for other series,
        the samples of neither come to the other.
        """
        self.append((X, NOW, 1.0), (Z, NOW, 2.0))
        number = self.table.number(*X)
        self.table.release(X[0])
        self.table.recycle()
        self.table.recycle()
        new = ("chart.new", "n")
        self.assertEqual(self.table.number(*new), number)
        self.append((new, NOW + 1, 3.0), (Z, NOW + 1, 4.0))
        self.assert_rows(self.read(X, new, Z), (NOW, 1.0, NAN, 2.0), (NOW + 1, NAN, 3.0, 4.0))

    def test_stats(self) -> None:
        """
        It says what it holds.
        """
        self.append((X, NOW, 1.0), (Y, NOW, 2.0), (X, NOW + 1, 3.0))
        stats = self.result(self.db.stats())
        self.assertEqual((stats.nodes, stats.series, stats.samples), (1, 2, 3))
        self.assertGreaterEqual(min(stats.memory, stats.disk), 0)

    def test_many(self) -> None:
        """
        Hours of many series come back as they were.
        """
        series = [(f"chart.{i}", f"d{j}") for i in range(10) for j in range(4)]
        numbers = np.array([self.table.number(*key) for key in series], np.int32)
        values = np.random.default_rng(7).normal(size=(3000, len(series)))
        for start in range(0, 3000, 7):
            part = values[start : start + 7]
            seconds = np.repeat(NOW - 3000 + start + np.arange(len(part), dtype=np.int64), len(series))
            plain = np.zeros(len(seconds), np.uint8)
            self.result(
                self.db.append(
                    SampleBatch(
                        self.table,
                        np.tile(numbers, len(part)),
                        seconds,
                        np.zeros(len(seconds), np.int64),
                        part.ravel(),
                        plain,
                    )
                )
            )
        found = self.read(*series)
        np.testing.assert_array_equal(found.times, NOW - 3000 + np.arange(3000))
        np.testing.assert_array_equal(found.values, values)

    def reopen(self) -> None:
        """
        Close the engine and open a new one in the same place.
        """
        self.result(self.db.close())
        self.db = self.make_db()
        self.result(self.db.open())
        self.table = SeriesTable(NODE)

    def test_restart(self) -> None:
        """
        After a restart everything is there, and goes on.
        """
        if not self.durable:
            return
        self.result(self.db.put_host(self.make_record()))
        self.result(self.db.put_chart(NODE, self.make_chart()))
        self.result(self.db.append(batch(self.table, [(X, NOW, 1.0), (Z, NOW, 2.0)], [ANOMALOUS, 0])))
        self.append((X, NOW + 1, NAN))
        self.reopen()
        [stored] = self.result(self.db.stored())
        self.assertEqual(stored.record, self.make_record())
        self.assertEqual(dict(stored.charts), {"chart.a": self.make_chart()})
        self.assertEqual(stored.spans["chart.b"], Span(NOW, NOW))
        self.append((Z, NOW + 2, 4.0), (Y, NOW + 2, 3.0))
        self.reopen()
        found = self.read(X, Y, Z)
        self.assert_rows(found, (NOW, 1.0, NAN, 2.0), (NOW + 2, NAN, 3.0, 4.0))
        self.assertEqual(found.flags[0].tolist(), [ANOMALOUS, EMPTY, 0])

    def test_forgotten_after_restart(self) -> None:
        """
        What was forgotten does not come back with a restart.
        """
        if not self.durable:
            return
        self.result(self.db.put_host(self.make_record()))
        self.append((X, NOW, 1.0), (Z, NOW, 2.0))
        self.result(self.db.append(batch(SeriesTable(OTHER), [(X, NOW, 2.0)])))
        self.result(self.db.forget(NODE, "chart.a"))
        self.result(self.db.forget(OTHER))
        self.append((X, NOW + 1, 3.0))
        self.reopen()
        self.assert_rows(self.read(X, Z), (NOW, NAN, 2.0), (NOW + 1, 3.0, NAN))
        self.assert_rows(self.read(X, node=OTHER))
