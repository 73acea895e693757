"""
Tests of the service that ticks.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import cast

from attrs import evolve
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netstream.collect.aside import Aside
from netstream.collect.charts import LINE, Source, absolute
from netstream.collect.collector import MakeCollector, Odd
from netstream.collect.files import Machine
from netstream.collect.modules import PLUGINS
from netstream.collect.service import CollectService
from netstream.config.settings import DBSettings, NodeSettings, Role, Settings
from netstream.db.none import NoneDB
from netstream.hub.hub import Hub
from netstream.model.host import HostInfo
from netstream.model.samples import SampleBatch
from netstream.model.updates import Update
from tests.collect.trees import (
    DISKSTATS,
    LOADAVG,
    MEMINFO,
    NET_DEV,
    STAT,
    UPTIME,
    VMSTAT,
    TreeTestCase,
    write,
)

GUID = "11111111-1111-4111-8111-111111111111"
START = 1_800_000_000.25


class Script:
    """
    A collector that does as it is told.

    @ivar times: When it was asked, UTC microseconds.
    """

    source = "/proc/script"

    def __init__(self, chart: str = "test.script") -> None:
        self.times: list[int] = []
        self.closed = False
        self.problem: Exception | None = None
        self.text: bytes | None = None
        self._chart = Source("test.plugin", "", 1).chart(
            chart, "Test", "things", "test", "test.script", LINE, 1, absolute("count")
        )

    def collect(self, now: int) -> bytes:
        """
        Count the questions.
        """
        self.times.append(now)
        if self.problem is not None:
            raise self.problem
        if self.text is not None:
            return self.text
        return self._chart.block(now, len(self.times))

    def withdraw(self) -> bytes:
        """
        Withdraw the chart.
        """
        return self._chart.withdraw()

    def close(self) -> None:
        """
        Remember that, and begin anew.
        """
        self.closed = True
        self.withdraw()


def making(script: Script) -> MakeCollector:
    """
    @return: What makes this very collector.
    """
    return lambda machine, update_every: script


class AsideTests(SynchronousTestCase):
    """
    L{Aside}.
    """

    def setUp(self) -> None:
        self.script = Script()
        self.waiting: list[Callable[[], None]] = []
        self.aside = Aside(self.script, self.waiting.append)

    def measure(self) -> None:
        """
        Let the thread run.
        """
        self.waiting.pop()()

    def test_later(self) -> None:
        """
        What was measured is said at the next tick, once, and nothing is
        measured a second time meanwhile.
        """
        self.assertEqual([self.aside.collect(second * 10**6) for second in (1, 2, 3)], [b""] * 3)
        self.measure()
        self.assertIn(b'SET "count" = 1', self.aside.collect(4 * 10**6))
        self.assertEqual(self.aside.collect(5 * 10**6), b"")
        self.measure()
        self.assertEqual((self.script.times, self.waiting), ([1_000_000, 4_000_000], []))

    def test_failure(self) -> None:
        """
        That it could not measure is told like any other failure.
        """
        self.script.problem = Odd("/proc/script", "it is green")
        self.aside.collect(1)
        self.measure()
        self.assertRaises(Odd, self.aside.collect, 2)

    def test_withdrawn(self) -> None:
        """
        What was measured before the charts were withdrawn is not said after,
        and what is said then begins with definitions.
        """
        self.aside.collect(1)
        self.measure()
        self.assertIn(b"obsolete", self.aside.withdraw())
        self.assertEqual(self.aside.collect(2), b"")
        self.measure()
        self.assertIn(b"CHART", self.aside.collect(3))

    def test_withdrawn_meanwhile(self) -> None:
        """
        Charts are withdrawn when it does not measure any more.
        """
        begun, goes_on = Event(), Event()

        class Slow(Script):
            def collect(self, now: int) -> bytes:
                begun.set()
                goes_on.wait(30)
                return super().collect(now)

        aside = Aside(Slow(), lambda measure: Thread(target=measure).start())
        aside.collect(1)
        self.assertTrue(begun.wait(30))
        withdrawn: list[bytes] = []
        other = Thread(target=lambda: withdrawn.append(aside.withdraw()))
        other.start()
        self.assertEqual(withdrawn, [])
        goes_on.set()
        other.join(30)
        self.assertIn(b"obsolete", withdrawn[0])


class ServiceTests(TreeTestCase):
    """
    L{CollectService}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.clock.advance(START)
        self.hub = Hub(HostInfo(GUID, "here"), NoneDB())
        self.updates: list[Update] = []
        self.hub.local.subscribe(self.updates.append)
        self.events: list[LogEvent] = []
        observer = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def service(
        self,
        plugins: Mapping[str, Sequence[MakeCollector]] = PLUGINS,
        update_every: int = 1,
        switches: Mapping[str, bool] | None = None,
        machine: Machine | None = None,
    ) -> CollectService:
        """
        Start a service.
        """
        settings = Settings(
            Role.STANDALONE,
            Path("/nowhere"),
            Path("/nowhere"),
            NodeSettings("here"),
            db=DBSettings(update_every=update_every),
            plugins=switches or {},
        )
        service = CollectService(self.hub, settings, self.clock, machine=machine or self.machine, plugins=plugins)
        service.startService()
        self.addCleanup(self.stopped(service))
        return service

    def stopped(self, service: CollectService) -> Callable[[], None]:
        """
        @return: What stops the service if it runs.
        """

        def stop() -> None:
            if service.running:
                service.stopService()

        return stop

    def scripted(self, update_every: int = 1) -> Script:
        """
        Start a service with a script.
        """
        script = Script()
        self.service({"test": [making(script)]}, update_every)
        return script

    def warnings(self) -> list[str]:
        """
        @return: What was warned of.
        """
        return [
            str(event["log_format"]).format(**event)
            for event in self.events
            if event["log_level"].name == "warn" and event.get("source") is not None
        ]

    def samples(self, chart: str) -> list[tuple[int, float]]:
        """
        @return: Time and value of the samples of the first dimension.
        """
        number = self.hub.local.table.find(chart, next(iter(self.hub.local.charts[chart].dimensions)))
        found = []
        for update in self.updates:
            if isinstance(update, SampleBatch):
                rows = update.series == number
                found += list(zip(update.time[rows].tolist(), update.value[rows].tolist(), strict=True))
        return found

    def test_whole_seconds(self) -> None:
        """
        It collects at whole seconds of the wall clock, and points stand on each.
        """
        script = self.scripted()
        self.clock.pump([0.25] * 20)
        self.assertEqual([time % 1_000_000 for time in script.times], [0] * 5)
        self.assertEqual(self.samples("test.script"), [(1_800_000_000 + n, float(n)) for n in (2, 3, 4, 5)])

    def test_switched_while_it_runs(self) -> None:
        """
        A collector that is switched off while the node runs ends and its chart
        is obsolete; the others go on, and one that is switched on begins.
        """
        stays, goes = Script("test.stays"), Script("test.goes")
        service = self.service({"stays": [making(stays)], "goes": [making(goes)]})
        self.clock.pump([1.0] * 3)
        settings = service._settings
        service.reconfigure(evolve(settings, plugins={"goes": False}))
        self.clock.pump([1.0] * 3)
        self.assertTrue(self.hub.local.charts["test.goes"].obsolete)
        self.assertEqual((len(stays.times), len(goes.times)), (6, 3))
        service.reconfigure(settings)
        self.clock.pump([1.0] * 2)
        self.assertEqual((len(stays.times), len(goes.times)), (8, 5))
        self.assertFalse(self.hub.local.charts["test.goes"].obsolete)

    def test_longer_period(self) -> None:
        """
        With a period of 10 seconds it collects at multiples of 10 seconds.
        """
        script = self.scripted(10)
        self.clock.pump([1.0] * 31)
        self.assertEqual([time // 1_000_000 % 60 for time in script.times], [10, 20, 30])

    def test_no_drift(self) -> None:
        """
        Ticks that come a little late do not shift those that follow.
        """
        script = self.scripted()
        for late in (0.76, 1.03, 0.98, 1.01, 0.995, 0.99):
            self.clock.advance(late)
        self.assertEqual([time // 1_000_000 - 1_800_000_000 for time in script.times], [1, 2, 3, 4, 5, 6])
        times = [time for time, _ in self.samples("test.script")]
        self.assertEqual(times, sorted(set(times)))
        self.assertGreaterEqual(len(times), 4)

    def test_missed_ticks(self) -> None:
        """
        Ticks that were missed are left out, never made up for in a bunch.
        """
        script = self.scripted()
        self.clock.advance(0.75)
        self.clock.advance(7.5)
        self.clock.advance(0.5)
        self.assertEqual([time / 1e6 - 1_800_000_000 for time in script.times], [1.0, 8.5, 9.0])

    def test_clock_set_back(self) -> None:
        """
        When the wall clock is set back, collecting goes on by the new time.
        """
        script = self.scripted()
        self.clock.advance(0.75)
        self.clock.rightNow -= 3600
        delayed = self.clock.getDelayedCalls()[0]
        delayed.reset(1.0)
        self.clock.advance(1.0)
        self.clock.advance(1.0)
        self.assertEqual([time // 1_000_000 - 1_800_000_000 for time in script.times], [1, -3598, -3597])

    def test_early_timer(self) -> None:
        """
        A timer that fires a moment too early waits for the second.
        """
        script = self.scripted()
        self.clock.getDelayedCalls()[0].reset(0.7499)
        self.clock.advance(0.7499)
        self.assertEqual(script.times, [])
        self.clock.advance(0.0002)
        self.assertEqual(len(script.times), 1)

    def test_stop(self) -> None:
        """
        A stopped service collects no more and holds nothing; it can be started again.
        """
        script = Script()
        service = self.service({"test": [making(script)]})
        self.clock.advance(1)
        service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(script.closed)
        service.startService()
        self.clock.advance(1)
        self.assertEqual(len(script.times), 2)

    def test_switched_off(self) -> None:
        """
        A plugin that the configuration says no to does not run.
        """
        one, other = Script("test.one"), Script("test.other")
        self.service({"one": [making(one)], "other": [making(other)]}, switches={"one": False, "elsewhere": False})
        self.clock.advance(1)
        self.assertEqual((len(one.times), len(other.times)), (0, 1))

    def test_failure(self) -> None:
        """
        A collector that cannot read its file is switched off with one line, and its charts are declared
        obsolete; the others go on.
        """
        script, other = Script(), Script("test.other")
        self.service({"test": [making(script), making(other)]})
        self.clock.advance(1)
        script.problem = Odd("/proc/script", "it is empty")
        self.clock.pump([1] * 3)
        self.assertEqual(self.warnings(), ["/proc/script: not collected: it is empty"])
        self.assertTrue(script.closed)
        self.assertTrue(self.hub.local.charts["test.script"].obsolete)
        self.assertEqual((len(script.times), len(other.times)), (2, 4))

    def test_failures(self) -> None:
        """
        Whatever a file makes of a collector, the node goes on.
        """
        for problem in (FileNotFoundError(2, "No such file"), ValueError("x"), KeyError("x"), IndexError()):
            script, other = Script(), Script("test.other")
            script.problem = problem
            self.events.clear()
            self.service({"test": [making(script), making(other)]})
            self.clock.pump([1] * 2)
            self.assertEqual(len(self.warnings()), 1, problem)
            self.assertIn("/proc/script", self.warnings()[0])
            self.assertEqual(len(other.times), 2)
        self.assertNotIn("test.script", self.hub.local.charts)

    def test_bug(self) -> None:
        """
        A mistake of our own is logged with its traceback, once, and does not stop the node.
        """
        script, other = Script(), Script("test.other")
        script.problem = ZeroDivisionError()
        self.service({"test": [making(script), making(other)]})
        self.clock.pump([1] * 3)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(other.times), 3)

    def test_passing_failure(self) -> None:
        """
        Too many open files are no reason to give up: it is tried again, with one line in the log.
        """
        script = self.scripted()
        self.clock.advance(1)
        script.problem = OSError(errno.EMFILE, "Too many open files")
        self.clock.pump([1] * 3)
        self.assertEqual(len(self.warnings()), 1)
        script.problem = None
        self.clock.pump([1] * 3)
        self.assertFalse(self.hub.local.charts["test.script"].obsolete)
        times = [time - 1_800_000_000 for time, _ in self.samples("test.script")]
        self.assertEqual(times[-2:], [6, 7])

    def test_nonsense(self) -> None:
        """
        Text that cannot be read costs a minute, not the node.
        """
        script, other = Script(), Script("test.other")
        self.service({"test": [making(other), making(script)]})
        self.clock.pump([1] * 3)
        script.text = b"BEGIN nothing.here 0\n"
        self.clock.advance(1)
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        script.text = None
        self.clock.pump([1] * 70)
        times = [time - 1_800_000_000 for time, _ in self.samples("test.other")]
        self.assertEqual(times[-5:], [70, 71, 72, 73, 74])
        self.assertNotIn(30, times)

    def test_whole_machine(self) -> None:
        """
        A machine's files become charts of the local host; once they are known, a tick is one batch.
        """
        write(
            self.machine.proc,
            {
                "stat": STAT,
                "loadavg": LOADAVG,
                "uptime": UPTIME,
                "vmstat": VMSTAT,
                "meminfo": MEMINFO,
                "net/dev": NET_DEV,
                "diskstats": DISKSTATS,
                "self/mountinfo": "27 1 254:0 / / rw - ext4 /dev/vda rw\n",
                "self/statm": "1 2 3 4 5 6 7\n",
                "sys/kernel/random/entropy_avail": "256\n",
            },
        )
        self.sys("block/vda")
        self.service()
        self.clock.pump([1] * 3)
        before = len(self.updates)
        self.clock.advance(1)
        self.assertEqual(self.warnings(), [])
        charts = self.hub.local.charts
        for chart in ("system.cpu", "system.load", "system.ram", "system.io", "system.net", "disk_space._", "cpu.cpu3"):
            self.assertIn(chart, list(charts))
        self.assertEqual([type(update) for update in self.updates[before:]], [SampleBatch])
        used = self.hub.local.table.find("system.ram", "used")
        self.assertEqual(self.hub.local.latest.of(used), (1_800_000_004, 723967 / 1024, 723967))

    def test_bare_machine(self) -> None:
        """
        Where nothing can be read, each file is named once, and the node stands.
        """
        self.service()
        self.clock.pump([1] * 4)
        sources = [warning.partition(": ")[0] for warning in self.warnings()]
        self.assertEqual(len(sources), 10)
        self.assertEqual(len(set(sources)), 10)
