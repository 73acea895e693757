"""
The kernel and a real agent are given the same version 1 lines; what they store
must be the same.
"""

from __future__ import annotations

import math
import random
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Sequence

from attrs import define

from netstream.kernel import Ingest
from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, RealAgent, wait_for

ALGORITHMS = ("absolute", "incremental", "percentage-of-absolute-row", "percentage-of-incremental-row")
ABSOLUTE, INCREMENTAL, ROW, INCREMENTS = range(4)
CAPABILITIES = 760 + 4096
"""Version 1 lines and replication."""
SPAN = 60
"""How far back a chart begins whose clock is given, seconds."""
PRECISION = 2e-6
"""Relative; the agent keeps 24 bits of a value."""

Block = tuple[int, dict[str, int]]
Declared = tuple[str, int, int, int, str]


@define
class Scenario:
    """
    What is told of one chart.

    @ivar chart: Its id.
    @ivar dimensions: Id, algorithm, multiplier, divisor and options of each.
    @ivar blocks: Duration and collected integers of each.
    @ivar fraction: Microseconds after a whole second where the clock begins,
        if it is given.
    """

    chart: str
    dimensions: Sequence[Declared]
    blocks: Sequence[Block]
    fraction: int = 100_000
    update_every: int = 1
    options: str = ""

    def definition(self) -> str:
        """
        @return: Its lines.
        """
        lines = f'CHART "{self.chart}" "" "t" "u" "f" "c.c" "line" 1000 {self.update_every} "{self.options}" "p" "m"\n'
        for name, algorithm, multiplier, divisor, options in self.dimensions:
            lines += f'DIMENSION "{name}" "{name}" "{ALGORITHMS[algorithm]}" {multiplier} {divisor} "{options}"\n'
        return lines

    def lines(self, blocks: Iterable[Block]) -> str:
        """
        @return: Blocks as lines.
        """
        text = ""
        for usec, values in blocks:
            sets = "".join(f'SET "{name}" = {value}\n' for name, value in values.items())
            text += f'BEGIN "{self.chart}" {usec}\n{sets}END\n'
        return text

    def ingest(self) -> Ingest:
        """
        @return: A decoder that knows the chart.
        """
        ingest = Ingest()
        ingest.chart(self.chart, self.update_every, "store_first" in self.options)
        for series, (name, algorithm, multiplier, divisor, options) in enumerate(self.dimensions):
            ingest.dimension(self.chart, name, series, algorithm, multiplier, divisor, "noreset" in options)
        return ingest

    def stored(self, ingest: Ingest) -> dict[tuple[int, str], float]:
        """
        @return: By second and dimension, the values that a decoder has.
        """
        taken = ingest.take()
        assert taken is not None
        series, times, _, values, _, _ = taken
        return {
            (int(second), self.dimensions[number][0]): float(value)
            for number, second, value in zip(series, times, values, strict=True)
        }


def every_algorithm() -> list[Declared]:
    """
    @return: Dimensions of all kinds.
    """
    return [
        ("a", ABSOLUTE, 1, 1, ""),
        ("scaled", ABSOLUTE, -3, 7, ""),
        ("i", INCREMENTAL, 1, 1, ""),
        ("fast", INCREMENTAL, 8, -1000, ""),
        ("r1", ROW, 1, 1, ""),
        ("r2", ROW, 3, 7, ""),
        ("d1", INCREMENTS, 1, 1, ""),
        ("d2", INCREMENTS, 2, 5, ""),
    ]


def collected(turn: int) -> dict[str, int]:
    """
    @return: Something for each of those dimensions.
    """
    source = random.Random(turn * 7 + 1)
    return {
        "a": source.randrange(-10_000, 10_000),
        "scaled": source.randrange(10**6),
        "i": 10_000 * turn + source.randrange(9_000),
        "fast": 10_000_000 * turn + source.randrange(9_000_000),
        "r1": source.randrange(100_000, 1_000_000),
        "r2": source.randrange(100_000, 1_000_000),
        "d1": 1_000_000 * turn + source.randrange(900_000),
        "d2": 500_000 * turn + source.randrange(450_000),
    }


def whole(durations: Sequence[int]) -> list[Block]:
    """
    @return: Blocks with all dimensions after those durations.
    """
    return [(usec, collected(turn)) for turn, usec in enumerate(durations)]


def partly(durations: Sequence[int], missing: Callable[[int, str], bool]) -> list[Block]:
    """
    @return: The same, without some dimensions.
    """
    return [
        (usec, {name: value for name, value in values.items() if not missing(turn, name)})
        for turn, (usec, values) in enumerate(whole(durations))
    ]


def counter(values: Sequence[int], usec: int = 1_000_100) -> list[Block]:
    """
    @return: Blocks of one counter.
    """
    return [(usec, {"x": value}) for value in values]


def clocked() -> list[Scenario]:
    """
    @return: What is told of charts whose clock is given.
    """
    kinds = every_algorithm()
    steady = [1_000_300] * 12
    uneven = [1_000_300, 1_500_000, 2_300_000, 300_000, 2_900_001, 3_300_000, 3_999_999, 900_000]
    source = random.Random(5)
    anything = [source.randrange(1, 3_500_000) for _ in range(20)]
    single = [("x", INCREMENTAL, 1, 1, "")]
    edge = 2**32
    scenarios = [
        Scenario("t.steady", kinds, whole(steady)),
        Scenario("t.uneven", kinds, whole(uneven)),
        Scenario("t.anything", kinds, whole(anything)),
        Scenario("t.often", kinds, whole([300_100] * 30)),
        Scenario("t.exact", kinds, whole([1_000_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]), 0),
        Scenario("t.exact_later", kinds, whole([900_000, 1_000_000, 2_000_000, 3_000_000, 7_000_000, 1_000_000])),
        Scenario("t.holes", kinds, whole([1_000_000, 5_300_000, 1_000_000, 17_000_000, 1_000_300, 4_000_000])),
        Scenario("t.two", kinds, whole([2_000_300, 1_500_000, 2_300_000, 4_900_001, 300, 9_000_000]), update_every=2),
        Scenario("t.ten", kinds, whole([10_000_300, 9_999_000, 500_000, 21_000_000]), update_every=10),
        Scenario("t.missing", kinds, partly(steady, lambda turn, name: turn in (4, 6, 7) and name in "a i r1 d1")),
        Scenario("t.seldom", kinds, partly([400_300] * 30, lambda turn, name: turn % 3 == 1 and name in "a i r1 d1")),
        Scenario("t.late", kinds, partly(steady, lambda turn, name: turn < 5 and name in "a i r2 d2")),
        Scenario("t.random", kinds, partly(anything, lambda turn, name: random.Random(f"{turn}{name}").random() < 0.3)),
        Scenario("t.reset", single, counter([1000, 2000, 3000, 10, 1000, 2000])),
        Scenario("t.noreset", [("x", INCREMENTAL, 1, 1, "noreset")], counter([1000, 2000, 3000, 10, 1000, 2000])),
        Scenario("t.wrap8", single, counter([150, 250, 255, 3, 10])),
        Scenario("t.wrap16", single, counter([65_000, 65_500, 65_535, 30, 100])),
        Scenario("t.wrap32", single, counter([edge - 60, edge - 20, edge - 6, 10, edge - 5, edge - 1, 0, 40])),
        Scenario("t.wrap32far", single, counter([edge - edge // 20, edge - edge // 30, edge // 100, edge // 2, 5])),
        Scenario("t.wrap64", single, counter([2**33, 2**33 + 10, -60, -6, 10, -5, -1, 0, 40])),
        Scenario("t.wrap63", single, counter([-(2**63), 7 - 2**63, 2**63 - 10, 5 - 2**63, 2**63 - 1, 0, 40])),
        Scenario("t.negative", single, counter([-5, -3, -1, 2, 4, -4, -8, 1, 9])),
        Scenario("t.zero", kinds[4:], [(1_000_300, {"r1": 0, "r2": 0, "d1": 5, "d2": 6})] * 5),
        Scenario(
            "t.falling",
            [("d1", INCREMENTS, 1, 1, ""), ("d2", INCREMENTS, 1, 1, "noreset"), ("i", INCREMENTAL, 1, 1, "")],
            [(700_300, {"d1": n % 4 * 1000, "d2": n % 5 * 2000, "i": n % 3 * 1000}) for n in range(20)],
        ),
        Scenario("t.large", kinds, [(1_000_300, {"a": n - 2**40, "i": n * 2**45}) for n in range(6)]),
    ]
    for number in range(12):
        durations = [source.choice((1_000_000, 999_700, 300_000, 1_700_000, 2_600_000, 4_000_000)) for _ in range(14)]
        blocks = partly(
            durations, lambda turn, name, number=number: random.Random(f"{number}{turn}{name}").random() < 0.1
        )
        fraction = source.choice((0, 1, 500_000, 999_999))
        scenarios.append(Scenario(f"t.mixed{number}", kinds, blocks, fraction, source.choice((1, 1, 2, 3))))
    return scenarios


def unclocked() -> list[Scenario]:
    """
    @return: What is told of charts that begin with the parent's clock.
    """
    kinds = [("probe", INCREMENTAL, 1, 1, ""), *every_algorithm()]
    blocks = [
        (usec, {"probe": turn * 10**6, **values}) for turn, (usec, values) in enumerate(whole([0, 0, *[100_000] * 8]))
    ]
    return [
        Scenario("u.normal", kinds, blocks),
        Scenario("u.first", kinds, blocks, options="store_first"),
        Scenario(
            "u.late",
            kinds,
            [
                (usec, {name: v for name, v in values.items() if turn > 3 or name not in "i d1"})
                for turn, (usec, values) in enumerate(blocks)
            ],
            options="store_first",
        ),
    ]


class DifferentialTests(InteropTestCase):
    """
    Both are told the same.
    """

    def connect(self, agent: RealAgent, host: str) -> socket.socket:
        """
        @return: A connection to the agent, that has accepted it.
        """
        child = socket.create_connection(("127.0.0.1", agent.port), timeout=60)
        self.addCleanup(child.close)
        child.sendall(
            f"STREAM key={KEY}&hostname={host}&registry_hostname={host}&machine_guid={uuid.uuid4()}&update_every=1"
            f"&os=linux&timezone=UTC&abbrev_timezone=UTC&utc_offset=0&hops=1&ver={CAPABILITIES}"
            "&NETDATA_PROTOCOL_VERSION=1.1 HTTP/1.1\r\nUser-Agent: test/1\r\nAccept: */*\r\n\r\n".encode()
        )
        self.assertTrue(child.recv(200).startswith(b"Hit me baby"))
        return child

    def found(
        self, agent: RealAgent, host: str, scenario: Scenario, after: int, before: int
    ) -> dict[tuple[int, str], float]:
        """
        @return: By second and dimension, the values that the agent stored.
        """
        period = scenario.update_every
        after -= after % period
        before -= before % period
        answer = agent.get(
            "data",
            host=host,
            chart=scenario.chart,
            after=after,
            before=before,
            points=(before - after) // period,
            group="average",
            gtime=0,
            format="json",
            options="seconds",
        )
        names = answer["labels"][1:]
        return {
            (second, name): value
            for second, *values in answer["data"]
            for name, value in zip(names, values, strict=True)
            if value is not None and second % period == 0
        }

    def differences(self, expected: dict[tuple[int, str], float], found: dict[tuple[int, str], float]) -> list[str]:
        """
        @return: In words, where two differ.
        """
        return [
            f"{second} {name}: the agent has {expected.get((second, name))}, the kernel {found.get((second, name))}"
            for second, name in sorted(expected.keys() | found.keys())
            if not math.isclose(
                expected.get((second, name), math.nan),
                found.get((second, name), math.nan),
                rel_tol=PRECISION,
                abs_tol=1e-7,
            )
        ]

    def expected(
        self, agent: RealAgent, host: str, scenario: Scenario, after: int, last: int
    ) -> dict[tuple[int, str], float]:
        """
        @return: By second and dimension, the values that the agent stored,
            once it has stored a last one, or a later one if it was told late.
        """
        before: dict[tuple[int, str], float] = {}

        def everything() -> bool:
            # It stores one dimension after the other.
            nonlocal before
            end = max(last + scenario.update_every, int(time.time()) + 1)
            earlier, before = before, self.found(agent, host, scenario, after, end)
            return before == earlier and any(second >= last for second, _ in before)

        wait_for(f"the agent has {scenario.chart} until {last}", everything, every=0.02)
        return self.found(agent, host, scenario, after, last + scenario.update_every)

    def test_given_clock(self) -> None:
        """
        All algorithms, resets, overflows, holes and periods give the values of
        the agent.
        """
        agent = self.agent("parent", accepts=[KEY], mode="dbengine")
        child = self.connect(agent, "clocked")
        now = int(time.time())
        begin = now - SPAN
        problems = []
        compared = 0
        for scenario in clocked():
            start = (begin - begin % scenario.update_every) * 1_000_000
            at = start + scenario.fraction
            ingest = scenario.ingest()
            ingest.resume(scenario.chart, at, start)
            blocks = scenario.lines(scenario.blocks)
            text = scenario.definition() + f'CHART_DEFINITION_END 0 0 {now}\nRBEGIN "{scenario.chart}"\n'
            text += f"RSSTATE {at} {start}\nREND {scenario.update_every} 0 0 true 0 0 {now}\n"
            child.sendall((text + blocks).encode())
            ingest.feed(blocks.encode(), 0, now * 1_000_000)
            found = scenario.stored(ingest)
            last = max(second for second, _ in found)
            expected = self.expected(agent, "clocked", scenario, begin - 20, last)
            compared += len(expected)
            problems += [f"{scenario.chart} {line}" for line in self.differences(expected, found)]
        self.assertEqual(len(problems), 0, "\n".join(problems[:60]))
        self.assertGreater(compared, 2000)

    def test_own_clock(self) -> None:
        """
        A chart that begins with the parent's clock gives the values of the
        agent, although its child's durations are something else at first.
        """
        agent = self.agent("parent", accepts=[KEY], mode="dbengine")
        for number in range(20):
            problems = self.own_clock(agent, f"unclocked-{number}")
            if problems is not None:
                self.assertEqual(len(problems), 0, "\n".join(problems[:60]))
                return
        self.fail("the agent never took what it was told when it was told")

    def own_clock(self, agent: RealAgent, host: str) -> list[str] | None:
        """
        @return: In words, where the agent and the kernel differ; L{None} if the
            agent took what it was told later than it was told, so that nobody
            knows in which second it began.
        """
        child = self.connect(agent, host)
        fraction = time.time() % 1
        if fraction > 0.7:
            # Both must take the same second for the first.
            time.sleep(1.05 - fraction)
        begin = int(time.time())
        scenarios = unclocked()
        for scenario in scenarios:
            child.sendall((scenario.definition() + scenario.lines(scenario.blocks[:1])).encode())
        time.sleep(max(0.0, begin + 1.2 - time.time()))
        for scenario in scenarios:
            child.sendall(scenario.lines(scenario.blocks[1:]).encode())
        problems = []
        for scenario in scenarios:
            expected = self.expected(agent, host, scenario, begin - 2, begin + 2)
            # How long the first interval was says the counter that grows by a million in it.
            growth = expected.get((begin + 1, "probe"))
            if not growth:
                return None
            first = begin * 1_000_000 + (0 if "store_first" in scenario.options else 500_000)
            whole_second = (begin + 1) * 1_000_000
            second = first + round(1_000_000 * (whole_second - first) / growth)
            if abs(second - (begin * 1_000_000 + 1_200_000)) >= 300_000:
                return None
            ingest = scenario.ingest()
            ingest.feed(scenario.lines(scenario.blocks[:1]).encode(), 0, begin * 1_000_000)
            ingest.feed(scenario.lines(scenario.blocks[1:]).encode(), 0, second)
            problems += [f"{scenario.chart} {line}" for line in self.differences(expected, scenario.stored(ingest))]
        return problems
