"""
The service: how alerts stand as time goes on, and what is told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.settings import KeySettings
from netstream.db.workers import Inline
from netstream.health.alerts import Status
from netstream.health.service import AT_ONCE
from netstream.hub.hub import Link
from netstream.model.chart import Chart, Dimension
from netstream.model.host import HostInfo, Label
from netstream.model.pattern import pattern
from netstream.model.updates import (
    ChartDefined,
    ChartForgotten,
    HistoryComplete,
    HistorySought,
    LabelsReplaced,
    VariableSet,
)
from tests.health.stage import CHILD, LOAD, Stage, put

_T = TypeVar("_T")

HIGH = """
template: load_high
on: system.load
lookup: average -10s unaligned of load1
every: 5s
warn: $this > (($status >= $WARNING) ? (2) : (3))
crit: $this > 8
units: load
info: load of ${family}
to: sysadmin
"""


class ServiceCase(SynchronousTestCase):
    """
    Makes stages.
    """

    def stage(self, text: str = HIGH, start: bool = True, **health: object) -> Stage:
        """
        @return: A stage whose service runs, and stops with the test.
        """
        stage = Stage(Path(self.mktemp()), text, **health)
        if start:
            service = stage.start()
            self.addCleanup(service.stopService)
        return stage


class StatusTests(ServiceCase):
    """
    From values to statuses and transitions.
    """

    def test_hysteresis(self) -> None:
        """
        An alert rises, stays raised in between, becomes critical and recovers, each told once.
        """
        stage = self.stage()
        stage.advance(6)
        alert = stage.alert("load_high")
        self.assertEqual((alert.status, alert.value), (Status.CLEAR, 1.0))
        for value, status in ((4, 2), (2.5, 2), (9, 3), (2.5, 2), (1, 1)):
            stage.values = [float(value), 0.0]
            stage.advance(20)
            self.assertEqual((alert.status, alert.value), (status, value))
        self.assertEqual(
            [(each.old_status, each.status) for each in stage.transitions()],
            [(-1, 1), (1, 2), (2, 3), (3, 2), (2, 1)],
        )
        self.assertEqual(stage.told, [f"load_high {s}" for s in ("WARNING", "CRITICAL", "WARNING", "CLEAR")])
        last = stage.outlet.messages[-1]
        self.assertEqual((last.info, last.units, last.roles), ("load of load", "load", "sysadmin"))
        self.assertEqual(last.headline, "node1 recovered: load high")
        self.assertEqual(last.raised_for, sum(each.duration for each in stage.transitions()[2:]))
        self.assertIn("$this = ", last.expression_values)

    def test_no_value(self) -> None:
        """
        A value that cannot be had makes an alert with conditions clear, and one without undefined.
        """
        stage = self.stage(
            "alarm: a\non: system.load\nevery: 5s\ncalc: $nosuch\nwarn: $this > 1\n"
            "alarm: b\non: system.load\nevery: 5s\ncalc: 1 / 0\n"
            "alarm: c\non: system.load\nevery: 5s\nwarn: $nosuch / 0\n"
            "alarm: d\non: system.load\nevery: 5s\nwarn: 1 / 0\ncrit: 1\n"
        )
        stage.advance(6)
        self.assertEqual([stage.alert(name).status for name in "abcd"], [1, 0, 0, 3])
        self.assertTrue(math.isnan(stage.alert("a").value))

    def test_chart_stops(self) -> None:
        """
        The alerts of a chart that is not collected any more are removed, once, and come back with it.
        """
        stage = self.stage()
        stage.values = [4.0, 0.0]
        stage.advance(20)
        feeds, stage.feeds = stage.feeds, []
        stage.advance(80)
        self.assertEqual(stage.alert("load_high").status, Status.REMOVED)
        stage.feeds = feeds
        stage.advance(20)
        self.assertEqual([each.status for each in stage.transitions()], [1, 2, -2, 2])
        self.assertEqual(stage.told, ["load_high WARNING"])

    def test_chart_obsolete(self) -> None:
        """
        The alerts of a chart that is obsolete or forgotten are gone.
        """
        stage = self.stage()
        stage.advance(6)
        stage.feeds = []
        stage.local.apply(ChartDefined(evolve(LOAD, obsolete=True)))
        stage.advance(2)
        self.assertEqual(stage.service.hosts[stage.local.info.guid].alerts, {})
        self.assertEqual(stage.transitions()[-1].status, Status.REMOVED)
        stage.local.apply(ChartForgotten(LOAD.id))
        stage.advance(2)
        self.assertEqual(stage.told, [])

    def test_window_is_not_there_yet(self) -> None:
        """
        An alert waits until all seconds of its lookup were collected.
        """
        stage = self.stage(HIGH + "alarm: long\non: system.load\nlookup: max -20m\nevery: 5s\nwarn: $this > 0\n")
        stage.advance(590)
        self.assertEqual(stage.alert("long").status, Status.UNINITIALIZED)
        stage.advance(30)
        self.assertEqual(stage.alert("long").status, Status.WARNING)

    def test_variables(self) -> None:
        """
        Expressions see dimensions, variables of chart and host, other alerts and other charts.
        """
        used = {"u": Dimension("u", "used")}
        other = evolve(LOAD, id="disk.sda", name="disk.system", context="disk.use", dimensions=used)
        text = "".join(
            f"alarm: {name}\non: system.load\nevery: 2s\ncalc: {calc}\n"
            for name, calc in {
                "dim": "$load1 * 10 + $load5",
                "raw": "$load5_raw",
                "collected": "$now - $load1_last_collected_t",
                "last": "$now - $last_collected_t",
                "chart": "$limit",
                "host": "$active_processors",
                "other": "$dim + 1",
                "far": "$disk.sda.u",
                "far_by_name": "${disk.system.used}",
                "far_by_context": "$disk.use.used",
                "constants": "$CRITICAL * 100 + $update_every",
                "colours": "$green + $red",
            }.items()
        ).replace("calc: $green", "green: 1\nred: 2\ncalc: $green")
        stage = self.stage(text, start=False)
        stage.define(other)
        stage.local.apply(VariableSet("limit", 7.0, "system.load"))
        stage.local.apply(VariableSet("limit", 8.0))
        stage.local.apply(VariableSet("active_processors", 2.0))
        self.addCleanup(stage.start().stopService)
        stage.advance(4)
        found = {name: stage.alert(name).value for name in ("dim", "raw", "chart", "host", "other", "far", "colours")}
        self.assertEqual(found, {"dim": 12, "raw": 20, "chart": 7, "host": 2, "other": 13, "far": 1, "colours": 3})
        self.assertEqual([stage.alert(name).value for name in ("far_by_name", "far_by_context")], [1, 1])
        self.assertEqual([stage.alert(name).value for name in ("constants", "collected", "last")], [301, 0, 0])

    def test_candidates(self) -> None:
        """
        Of several charts of a context the one that shares most labels is meant.
        """
        stage = self.stage("template: share\non: a.used\nevery: 2s\ncalc: $a.total.x\n", start=False)
        for disk, value in (("sda", 1.0), ("sdb", 2.0)):
            labels = {"device": Label(disk), "site": Label("here")}
            stage.values = [value]
            for kind in ("used", "total"):
                stage.define(
                    Chart(f"a.{kind}_{disk}", context=f"a.{kind}", labels=labels, dimensions={"x": Dimension("x")})
                )
        stage.feeds = []
        self.addCleanup(stage.start().stopService)
        stage.advance(3)
        self.assertEqual(stage.alert("share", chart="a.used_sda").value, 1)
        self.assertEqual(stage.alert("share", chart="a.used_sdb").value, 2)

    def test_filters(self) -> None:
        """
        Definitions apply where their filters fit, also when labels change; precedence is kept.
        """
        text = "template: {0}\non: system.load\nevery: 5s\ncalc: 1\n{1}\n"
        filters = {
            "yes": "",
            "os": "os: windows",
            "linux": "os: linux",
            "host": "hosts: !node* *",
            "label": "host labels: site=b*",
            "chart": "chart labels: device=sda",
            "plugin": "plugin: proc.plugin",
            "off": "hosts: !*",
        }
        stage = self.stage("".join(text.format(*each) for each in filters.items()), alerts=pattern("!linux *"))
        stage.advance(2)
        alerts = stage.service.hosts[stage.local.info.guid].alerts
        self.assertEqual({name for _, name in alerts}, {"yes"})
        stage.local.apply(LabelsReplaced({"site": Label("berlin")}))
        stage.local.apply(ChartDefined(evolve(LOAD, plugin="proc.plugin", labels={"device": Label("sda")})))
        stage.advance(2)
        self.assertEqual({name for _, name in alerts}, {"yes", "label", "chart", "plugin"})

    def test_foreach(self) -> None:
        """
        C{foreach} makes an alert of each dimension.
        """
        stage = self.stage("template: l\non: system.load\nlookup: max -5s foreach load*\nwarn: $this > 1\n")
        stage.advance(6)
        self.assertEqual([stage.alert(f"l_load{n}").status for n in (1, 5)], [1, 2])


class DelayTests(ServiceCase):
    """
    When a transition is told.
    """

    def test_delay(self) -> None:
        """
        What changes back within its delay is logged, but not told.
        """
        stage = self.stage(HIGH + "delay: up 30s down 60s multiplier 2 max 100s\n")
        stage.advance(6)
        stage.values = [4.0, 0.0]
        stage.advance(15)
        stage.values = [1.0, 0.0]
        stage.advance(100)
        self.assertEqual(stage.told, [])
        self.assertEqual([(each.status, each.delay) for each in stage.transitions()], [(1, 30), (2, 60), (1, 100)])
        self.assertEqual(stage.transitions()[1].updated_by, stage.transitions()[2].unique_id)
        stage.advance(100)
        stage.values = [4.0, 0.0]
        stage.advance(30)
        self.assertEqual(stage.told, [])
        stage.advance(20)
        self.assertEqual(stage.told, ["load_high WARNING"])

    def test_repeat(self) -> None:
        """
        What stays raised is told again, as often as it says, and not after it has recovered.
        """
        stage = self.stage(HIGH + "repeat: warning 20s\n")
        stage.values = [4.0, 0.0]
        stage.advance(70)
        self.assertEqual(len(stage.told), 4)
        self.assertTrue(stage.outlet.messages[-1].repeat)
        self.assertEqual(len(stage.transitions()), 2)
        self.assertEqual(stage.alert("load_high").times_repeated, 3)
        stage.values = [1.0, 0.0]
        stage.advance(60)
        self.assertEqual(stage.told[-1], "load_high CLEAR")
        self.assertLessEqual(len(stage.told), 6)

    def test_never_told(self) -> None:
        """
        Nobody is told of a recovery without a warning before, with no-clear, or if it is silent.
        """
        quiet = HIGH.replace("load_high", "quiet").replace("sysadmin", "silent")
        stage = self.stage(HIGH + "options: no-clear-notification\n" + quiet)
        stage.values = [4.0, 0.0]
        stage.advance(20)
        stage.values = [1.0, 0.0]
        stage.advance(20)
        self.assertEqual(stage.told, ["load_high WARNING"])
        self.assertEqual(len(stage.transitions()), 6)

    def test_program(self) -> None:
        """
        An alert's own program is asked for.
        """
        stage = self.stage(HIGH + "exec: /usr/local/bin/tell\n")
        stage.values = [4.0, 0.0]
        stage.advance(20)
        self.assertEqual(stage.outlet.programs, ["/usr/local/bin/tell"])


class RestartTests(ServiceCase):
    """
    What survives the process.
    """

    def test_restart(self) -> None:
        """
        After a restart the log is there, ids go on, and nobody is told twice; the recovery is told.
        """
        stage = self.stage(start=False)
        service = stage.start()
        stage.values = [4.0, 0.0]
        stage.advance(20)
        self.successResultOf(service.stopService())
        before = stage.transitions()
        self.assertEqual(stage.told, ["load_high WARNING"])
        self.addCleanup(stage.start().stopService)
        stage.advance(20)
        after = stage.transitions()
        self.assertEqual(len(after), 4 - 1)
        self.assertEqual([each.unique_id for each in after[:2]], [each.unique_id for each in before])
        self.assertGreater(after[2].unique_id, after[1].unique_id)
        self.assertEqual((after[2].alarm_id, after[2].event_id), (after[1].alarm_id, after[1].event_id + 1))
        self.assertEqual(stage.told, ["load_high WARNING"])
        stage.values = [1.0, 0.0]
        stage.advance(20)
        self.assertEqual(stage.told, ["load_high WARNING", "load_high CLEAR"])

    def test_stopped_while_it_starts(self) -> None:
        """
        A node that is stopped right after its start ends: no thread that
        still reads is left behind.
        """

        class Slow(Inline):
            """
            Threads with much to do.
            """

            def __init__(self) -> None:
                self.waiting: list[Deferred[None]] = []
                self.stopped = False

            def write(self, work: Callable[[], _T]) -> Deferred[_T]:
                turn: Deferred[None] = Deferred()
                self.waiting.append(turn)
                return turn.addCallback(lambda _: work())

            read = sync = write

            def stop(self) -> None:
                self.stopped = True

        stage = self.stage(start=False)
        slow = Slow()
        service = stage.start(slow)
        stopping = service.stopService()
        self.assertNoResult(stopping)
        while slow.waiting:
            self.assertFalse(slow.stopped)
            slow.waiting.pop(0).callback(None)
        self.successResultOf(stopping)
        self.assertTrue(slow.stopped)

    def test_pending_survives(self) -> None:
        """
        What waited for its delay when the process ended is told after it.
        """
        stage = self.stage(HIGH + "delay: up 60s\n", start=False)
        service = stage.start()
        stage.values = [4.0, 0.0]
        stage.advance(20)
        self.successResultOf(service.stopService())
        self.assertEqual(stage.told, [])
        stage.local.apply(ChartDefined(evolve(LOAD, obsolete=True)))
        self.addCleanup(stage.start().stopService)
        stage.advance(60)
        self.assertEqual(stage.told, ["load_high WARNING"])

    def test_damaged_log(self) -> None:
        """
        A log that is no database is set aside, and alerts go on.
        """
        stage = self.stage(start=False)
        (stage.directory / "alerts.sqlite").write_bytes(b"no database at all" * 100)
        self.addCleanup(stage.start().stopService)
        stage.values = [4.0, 0.0]
        stage.advance(20)
        self.assertEqual(stage.told, ["load_high WARNING"])
        self.assertTrue((stage.directory / "alerts.damaged").exists())
        (event,) = self.flushLoggedErrors() or [None]
        self.assertIsNone(event)

    def test_retention(self) -> None:
        """
        Transitions older than the retention are deleted.
        """
        stage = self.stage(start=False, log_retention=1000)
        service = stage.start()
        stage.advance(10)
        self.successResultOf(service.stopService())
        stage.clock.advance(5000)
        service = stage.start()
        stage.advance(2)
        self.successResultOf(service.stopService())
        service = stage.start()
        self.assertEqual([each.when > stage.now - 1000 for each in stage.transitions()], [True])
        self.successResultOf(service.stopService())

    def test_reload(self) -> None:
        """
        New definitions hold at once; alerts that are the same go on.
        """
        stage = self.stage(HIGH + HIGH.replace("load_high", "other"))
        stage.values = [4.0, 0.0]
        stage.advance(20)
        text = HIGH + HIGH.replace("load_high", "third") + "\nalarm: broken\n"
        (stage.directory / "health.d" / "test.conf").write_text(text)
        said = self.successResultOf(stage.service.manage({"cmd": "RELOAD"}))
        self.assertIn("2 alert definitions are in use\nWARNING: ", said)
        stage.advance(10)
        self.assertEqual(stage.alert("load_high").status, Status.WARNING)
        self.assertEqual(len(stage.transitions()), 6)
        self.assertEqual(stage.told, ["load_high WARNING", "other WARNING", "third WARNING"])


class HostTests(ServiceCase):
    """
    Hosts that come and go.
    """

    def test_many_charts(self) -> None:
        """
        Alerts of many charts that come at once are made in slices, and all of
        them are there in the end.
        """
        stage = self.stage("template: high\non: system.load\nevery: 5s\ncalc: $load1\nwarn: $this > 3\n")
        stage.advance(2)
        count = 2 * AT_ONCE + 50
        for number in range(count):
            stage.local.apply(ChartDefined(evolve(LOAD, id=f"many.c{number}", name=f"many.c{number}")))
        these = stage.service.hosts[stage.local.info.guid]
        these.refresh(stage.now, AT_ONCE)
        self.assertEqual((these.stale, sum(chart.startswith("many.") for chart, _ in these.alerts)), (True, AT_ONCE))
        stage.advance(2)
        self.assertEqual((these.stale, sum(chart.startswith("many.") for chart, _ in these.alerts)), (False, count))

    def test_child(self) -> None:
        """
        A child's alerts wait after each connection, and while its past arrives.
        """
        stage = self.stage()
        stage.values = [4.0, 0.0]
        child = stage.child(postpone_alerts=30)
        stage.define(LOAD, child)
        stage.advance(25)
        self.assertEqual(stage.alert("load_high", child).status if stage.transitions(child) else None, None)
        stage.advance(10)
        self.assertEqual(stage.alert("load_high", child).status, Status.WARNING)
        stage.hub.disconnect(child, stage.now)
        stage.values = [1.0, 0.0]
        stage.advance(200)
        self.assertEqual(stage.alert("load_high", child).status, Status.WARNING)
        stage.hub.connect(HostInfo(CHILD, "child1", hops=1), stage.db, Link("10.0.0.9:2", stage.now))
        child.apply(HistorySought(LOAD.id))
        stage.advance(36)
        self.assertEqual(stage.alert("load_high", child).status, Status.CLEAR)

    def test_nothing_to_look_at(self) -> None:
        """
        Hosts that are not watched yet do not wake the reactor one by one.
        """
        stage = self.stage()
        for number in range(5):
            guid = f"{number:08d}-2222-2222-2222-222222222222"
            stage.links[guid] = KeySettings(True, postpone_alerts=30)
            info = HostInfo(guid, f"child{number}", hops=1)
            stage.define(LOAD, stage.hub.connect(info, stage.db, Link("10.0.0.9:1", stage.now)))
        stage.advance(12)  # their charts are new at first
        planned: list[float] = []
        call_later = stage.clock.callLater

        def planning(delay: float, *call: Any) -> Any:
            planned.append(delay)
            return call_later(delay, *call)

        self.patch(stage.clock, "callLater", planning)
        stage.advance(5)
        self.assertNotIn(0, planned)
        stage.advance(30)
        self.assertEqual(len([these for these in stage.service.hosts.values() if these.alerts]), 6)

    def test_filling(self) -> None:
        """
        A lookup waits while seconds of its window are on their way; one whose window was collected since does not.
        """
        long = "template: long\non: system.load\nlookup: max -5m unaligned of load1\nevery: 5s\nwarn: $this > 3\n"
        now = "template: now\non: system.load\ncalc: $load1\nevery: 5s\nwarn: $this > 3\n"
        stage = self.stage(HIGH + long + now)
        child = stage.child(postpone_alerts=0)
        stage.define(LOAD, child)
        stage.advance(6)
        stage.hub.disconnect(child, stage.now)
        stage.advance(20)
        stage.hub.connect(HostInfo(CHILD, "child1", hops=1), stage.db, Link("10.0.0.9:2", stage.now))
        child.apply(HistorySought(LOAD.id))
        stage.values = [9.0, 0.0]
        stage.advance(18)
        self.assertEqual([stage.alert(name, child).status for name in ("load_high", "long", "now")], [1, 1, 3 - 1])
        stage.advance(10)
        self.assertEqual([stage.alert(name, child).status for name in ("load_high", "long")], [3, 1])
        child.apply(HistoryComplete(LOAD.id))
        stage.advance(6)
        self.assertEqual(stage.alert("long", child).status, Status.WARNING)

    def test_modes(self) -> None:
        """
        C{health enabled = no} means no alerts, C{yes} that they are removed when a child is gone.
        """
        stage = self.stage(enabled=False)
        child = stage.child(health="no")
        stage.define(LOAD, child)
        stage.advance(70)
        self.assertEqual(stage.service.hosts, {})
        stage.links[CHILD] = evolve(stage.links[CHILD], health="yes", postpone_alerts=0)
        stage.hub.disconnect(child, stage.now)
        stage.hub.connect(child.info, stage.db, Link("10.0.0.9:2", stage.now))
        stage.advance(10)
        stage.hub.disconnect(child, stage.now)
        stage.advance(100)
        self.assertEqual([each.status for each in stage.transitions(child)], [1, -2])

    def test_ownership(self) -> None:
        """
        A node that is to tell only of its own children keeps quiet about those behind a proxy.
        """
        stage = self.stage(ownership="nearest")
        stage.values = [4.0, 0.0]
        child = stage.child(postpone_alerts=0)
        child.info = evolve(child.info, hops=2)
        stage.define(LOAD, child)
        stage.advance(20)
        self.assertEqual(stage.alert("load_high", child).status, Status.WARNING)
        self.assertEqual([each.hostname for each in stage.outlet.messages], ["node1"])

    def test_ownership_passes(self) -> None:
        """
        What was left to another node is told when that one turns out to be away, unless it was long ago.
        """
        stage = self.stage(HIGH + HIGH.replace("load_high", "other").replace("load1", "load5"), ownership="highest")
        stage.forwarded = True
        stage.values = [4.0, 0.0]
        stage.advance(400)
        stage.values = [4.0, 4.0]
        stage.advance(30)
        self.assertEqual(stage.told, [])
        stage.forwarded = False
        stage.advance(5)
        self.assertEqual(stage.told, ["other WARNING"])

    def test_sleep(self) -> None:
        """
        After the machine slept alerts pause, so that nobody is told of the gap.
        """
        stage = self.stage(hibernation=60)
        stage.advance(6)
        stage.slept = 7200.0
        stage.clock.advance(7200)
        stage.values = [9.0, 0.0]
        stage.advance(50)
        self.assertEqual(stage.alert("load_high").status, Status.CLEAR)
        stage.advance(30)
        self.assertEqual(stage.alert("load_high").status, Status.CRITICAL)

    def test_clock_goes_back(self) -> None:
        """
        A clock that goes back by a day stops no alert.
        """
        stage = self.stage()
        stage.advance(6)
        stage.clock.rightNow -= 86400.0
        for call in stage.clock.getDelayedCalls():
            call.reset(1)
        put(stage.local, LOAD, {stage.now - n: [9.0, 0.0] for n in range(600)})
        these = stage.service.hosts[stage.local.info.guid]
        stage.local.latest.time[:] = stage.now
        these.span([LOAD.id], {}, 0)
        stage.values = [9.0, 0.0]
        stage.advance(30)
        self.assertEqual(stage.alert("load_high").status, Status.CRITICAL)


class SilenceTests(ServiceCase):
    """
    Silencers.
    """

    def test_commands(self) -> None:
        """
        The commands answer as agents do, the state is kept and comes back after a restart.
        """
        stage = self.stage(start=False)
        service = stage.start()
        manage = lambda **said: self.successResultOf(service.manage(said))  # noqa: E731
        self.assertEqual(manage(cmd="SILENCE ALL"), "All alarm notifications are silenced\n")
        self.assertEqual(manage(cmd="DISABLE ALL"), "All health checks are disabled\n")
        self.assertEqual(manage(cmd="RESET"), "All health checks and notifications are enabled\n")
        self.assertTrue(manage(alarm="x*").startswith("Alarm selector added\nWARNING: Added alarm selector"))
        manage(cmd="RESET")
        self.assertIn("WARNING: SILENCE or DISABLE command is ineffective", manage(cmd="SILENCE"))
        self.assertEqual(
            manage(cmd="SILENCE", context="system.load", hosts="node*"),
            "Alarm notifications silenced for alarms matching the selectors\nAlarm selector added\n",
        )
        self.assertEqual(manage(template="other"), "Alarm selector added\n")
        expected = {
            "all": False,
            "type": "SILENCE",
            "silencers": [{"alarm": "other"}, {"context": "system.load", "hosts": "node*"}],
        }
        self.assertEqual(service.silencers.listed, expected)
        self.assertEqual(json.loads((stage.directory / "health.silencers.json").read_text()), expected)
        self.successResultOf(service.stopService())
        self.addCleanup(stage.start().stopService)
        self.assertEqual(stage.service.silencers.listed, expected)

    def test_silence_and_disable(self) -> None:
        """
        A silenced alert is logged and not told, a disabled one is not evaluated.
        """
        stage = self.stage()
        stage.advance(6)
        self.successResultOf(stage.service.manage({"cmd": "SILENCE", "alarm": "load*"}))
        stage.values = [4.0, 0.0]
        stage.advance(20)
        self.assertEqual((stage.told, stage.transitions()[-1].silenced), ([], True))
        self.successResultOf(stage.service.manage({"cmd": "DISABLE"}))
        stage.values = [9.0, 0.0]
        stage.advance(20)
        self.assertEqual(stage.alert("load_high").status, Status.WARNING)
        self.successResultOf(stage.service.manage({"cmd": "RESET"}))
        stage.advance(10)
        self.assertEqual(stage.told, ["load_high CRITICAL"])
