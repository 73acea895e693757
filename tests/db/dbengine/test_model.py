"""
The engine on disk against a dictionary, whatever is done with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import DBEngine
from netstream.db.interfaces import HostRecord, SeriesKey, Window
from netstream.db.workers import Inline
from netstream.model.host import HostInfo
from netstream.model.samples import ANOMALOUS, EMPTY, RESET, SampleBatch, SeriesTable
from netstream.testing.metrics_db import NOW
from tests.db.dbengine.lives import NEVER, die, now, seen

NODES = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222")
SERIES: Sequence[SeriesKey] = [(f"chart.{c}", d) for c in "abc" for d in "xy"]
METHODS: Mapping[str, Callable[[list[float]], float]] = {
    "average": lambda values: sum(values) / len(values),
    "min": min,
    "max": max,
    "sum": sum,
}

Stored = dict[SeriesKey, dict[int, tuple[float, int]]]
Sample = tuple[SeriesKey, int, float, int]

nodes = st.sampled_from(NODES)
keys = st.sampled_from(SERIES)


class Machine(RuleBasedStateMachine):
    """
    The engine, and the dictionary.
    """

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(mkdtemp())
        self.clock = Clock()
        self.clock.advance(NOW)
        self.boot = 0
        self.count = 0
        self.model: dict[str, Stored] = {}
        self.failures: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        self.open()

    def open(self) -> None:
        self.db = DBEngine(self.directory, self.clock, retention=NEVER, workers=Inline(), boot=str(self.boot))
        now(self.db.open())
        self.tables = {node: SeriesTable(node) for node in NODES}

    def observe(self, event: LogEvent) -> None:
        """
        See what goes wrong behind the scenes.
        """
        if "log_failure" in event:
            self.failures.append(str(event["log_failure"]))

    @initialize(step=st.sampled_from([1, 2, 7]))
    def step(self, step: int) -> None:
        """
        One of the nodes sends less often.
        """
        self.every = {NODES[0]: 1, NODES[1]: step}
        self.greet()

    def greet(self) -> None:
        for node, step in self.every.items():
            now(self.db.put_host(HostRecord(HostInfo(node, "host", update_every=step))))

    def store(self, node: str, samples: Sequence[Sample]) -> None:
        """
        Store samples in both.
        """
        table = self.tables[node]
        now(
            self.db.append(
                SampleBatch(
                    table,
                    np.array([table.number(*key) for key, *_ in samples], np.int32),
                    np.array([second for _, second, *_ in samples], np.int64),
                    np.zeros(len(samples), np.int64),
                    np.array([value for _, _, value, _ in samples], np.float64),
                    np.array([flags for *_, flags in samples], np.uint8),
                )
            )
        )
        for key, second, value, flags in samples:
            self.model.setdefault(node, {}).setdefault(key, {})[second] = value, flags

    def value(self) -> float:
        """
        @return: Another one each time, of which sums are exact.
        """
        self.count += 1
        return float(self.count)

    @rule(node=nodes, some=st.sets(keys, min_size=1), seconds=st.integers(1, 40))
    def live(self, node: str, some: set[SeriesKey], seconds: int) -> None:
        """
        A node sends what it collects.
        """
        step = self.every[node]
        for _ in range(seconds):
            self.clock.advance(1)
            second = int(self.clock.seconds())
            if second % step == 0:
                self.store(node, [(key, second, self.value(), 0) for key in sorted(some)])

    @rule(
        node=nodes,
        some=st.sets(keys, min_size=1, max_size=3),
        ago=st.integers(0, 3000) | st.integers(0, 40_000) | st.integers(0, 2_000_000),
        count=st.integers(1, 100),
        every=st.sampled_from([1, 1, 3, 60]),
        odd=st.integers(0, 1),
    )
    def late(self, node: str, some: set[SeriesKey], ago: int, count: int, every: int, odd: int) -> None:
        """
        A replication fills, or corrects, what is past.
        """
        step = self.every[node]
        end = int(self.clock.seconds()) - ago
        first = end - end % step - count * every * step + odd
        self.store(
            node, [(key, first + i * every * step, self.value(), 0) for i in range(count) for key in sorted(some)]
        )

    @rule(
        node=nodes,
        samples=st.lists(
            st.tuples(
                keys,
                st.integers(0, 120) | st.integers(0, 20_000),
                st.sampled_from([0, 0, ANOMALOUS, RESET, ANOMALOUS | RESET, EMPTY]),
            ),
            min_size=1,
            max_size=20,
        ),
    )
    def mixed(self, node: str, samples: list[tuple[SeriesKey, int, int]]) -> None:
        """
        Samples of any time, gaps, and flags, some of them twice.
        """
        second = int(self.clock.seconds())
        self.store(
            node,
            [(key, second - ago, math.nan if flags & EMPTY else self.value(), flags) for key, ago, flags in samples],
        )

    @rule(node=nodes, data=st.data())
    def again(self, node: str, data: st.DataObject) -> None:
        """
        The same samples once more, or gaps in their place.
        """
        known = [
            (key, second, *stored) for key, of in self.model.get(node, {}).items() for second, stored in of.items()
        ]
        if known:
            first = data.draw(st.integers(0, len(known) - 1))
            gap = data.draw(st.booleans())
            some = known[first : first + 100]
            self.store(node, [(k, s, math.nan, EMPTY) if gap else (k, s, v, f) for k, s, v, f in some])

    @rule(node=nodes, chart=st.sampled_from("abc"))
    def forget_chart(self, node: str, chart: str) -> None:
        """
        A chart is removed.
        """
        now(self.db.forget(node, f"chart.{chart}"))
        stored = self.model.get(node, {})
        for key in [key for key in stored if key[0] == f"chart.{chart}"]:
            del stored[key]

    @rule(node=nodes)
    def forget_node(self, node: str) -> None:
        """
        A node is removed.
        """
        now(self.db.forget(node))
        self.model.pop(node, None)

    @rule(seconds=st.sampled_from([1, 20, 100]))
    def wait(self, seconds: int) -> None:
        """
        The engine does what it does by itself.
        """
        for _ in range(seconds):
            self.clock.advance(1)

    @rule(seconds=st.sampled_from([600, 1000, 5000, 20_000, 1_000_000]))
    def jump(self, seconds: int) -> None:
        """
        Nothing comes for a while.
        """
        self.clock.rightNow += seconds
        for _ in range(200):
            self.clock.advance(1)

    @rule(how=st.sampled_from(["stop", "kill", "power"]))
    def end(self, how: str) -> None:
        """
        The engine ends in some way, and begins again.
        """
        if how == "stop":
            now(self.db.close())
        else:
            if how == "power":
                self.clock.advance(1)
                self.boot += 1
            die(self.db)
        self.open()
        assert self.db.damaged == 0 or how == "power"
        self.greet()
        self.assert_samples()

    def assert_samples(self) -> None:
        """
        All is there, and nothing else.
        """
        for node in NODES:
            stored = self.model.get(node, {})
            expected = [
                {second: pair for second, pair in stored.get(key, {}).items() if not pair[1] & EMPTY} for key in SERIES
            ]
            assert seen(now(self.db.read(node, SERIES, 0, 2 * NOW))) == expected
            bounds = now(self.db.bounds(node))
            for chart in "abc":
                seconds = [second for key, of in stored.items() if key[0] == f"chart.{chart}" for second in of]
                span = bounds.get(f"chart.{chart}")
                if seconds:
                    assert span is not None
                    assert (span.first, span.last) == (min(seconds), max(seconds))
                else:
                    assert span is None

    @invariant()
    def healthy(self) -> None:
        """
        Nothing goes wrong behind the scenes.
        """
        assert not self.failures, self.failures

    @rule()
    def look(self) -> None:
        """
        Both have the same.
        """
        self.assert_samples()

    @rule(
        node=nodes,
        key=keys,
        step=st.sampled_from([60, 300, 3600, 14400, 777]),
        method=st.sampled_from(sorted(METHODS)),
        ago=st.sampled_from([0, 5000, 500_000]),
    )
    def query(self, node: str, key: SeriesKey, step: int, method: str, ago: int) -> None:
        """
        Both give the same answer.
        """
        before = int(self.clock.seconds()) - ago
        before -= before % step
        window = Window(before - 150 * step, before, step)
        found = now(self.db.query(node, [key], window, method))
        rows: dict[int, list[float]] = {}
        for second, (value, flags) in self.model.get(node, {}).get(key, {}).items():
            if not flags & EMPTY and window.after < second <= window.before:
                rows.setdefault(-(-second // step) * step, []).append(value)
        expected = {time: METHODS[method](values) for time, values in rows.items()}
        assert {time: value for time, (value, _) in seen(found)[0].items()} == expected

    def teardown(self) -> None:
        """
        Leave nothing behind.
        """
        globalLogPublisher.removeObserver(self.observe)
        self.assert_samples()
        now(self.db.close())
        rmtree(self.directory)


class ModelTests(SynchronousTestCase):
    """
    The engine is a dictionary that does not forget.
    """

    def test_model(self) -> None:
        """
        Whatever is stored, in whatever order, is what is found: while it is
        hot, sealed or folded, and after every kind of end.
        """
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            Machine,
            settings=settings(
                max_examples=30,
                stateful_step_count=25,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
