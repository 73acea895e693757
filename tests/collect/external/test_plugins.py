"""
Tests of external plugins, with processes that the test plays.
"""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from netstream.collect.external import plugin
from netstream.collect.external.complaints import Complaints
from netstream.collect.external.launch import launching
from netstream.collect.external.plugin import Plugin, Program
from netstream.collect.external.questions import DEAF
from netstream.collect.external.service import ExternalPlugins
from netstream.config.feeds import FeedSettings, PluginOptions, PluginSettings
from netstream.config.settings import NodeSettings, Role, Settings
from netstream.db.none import NoneDB
from netstream.hub.hub import Hub
from netstream.model.calls import Call, Outcome
from netstream.model.host import HostInfo
from tests.collect.external.processes import Played, Processes

GUID = "11111111-1111-4111-8111-111111111111"
START = 1_800_000_000.0
CHART = b"CHART my.queue '' 'Queue' things queue my.queue line 100 1\nDIMENSION waiting '' absolute 1 1\n"
OTHER = "22222222-2222-4222-8222-222222222222"
OFFER = b'FUNCTION GLOBAL "top" 10 "what runs"\n'
BEGIN = b"BEGIN my.queue\nSET waiting = 1\nEND\n"


class Waiting:
    """
    Calls a function.
    """

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def progressed(self, done: int, everything: int) -> None:
        """
        It goes on (called by who answers).
        """

    def answered(self, outcome: Outcome) -> None:
        """
        Remember it (called by who answers).
        """
        self.outcomes.append(outcome)


class PluginTestCase(SynchronousTestCase):
    """
    A node with a directory of plugins.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.data = Path(self.mktemp())
        self.reactor = Processes(START)
        self.hub = Hub(HostInfo(GUID, "own"), NoneDB())
        self.messages: list[str] = []
        globalLogPublisher.addObserver(self._hear)
        self.addCleanup(globalLogPublisher.removeObserver, self._hear)

    def _hear(self, event: LogEvent) -> None:
        self.messages.append(formatEvent(event))

    def program(self, name: str, mode: int = 0o755) -> None:
        """
        Put a plugin there.
        """
        path = self.directory / name
        path.write_text("#!/bin/sh\n")
        path.chmod(mode)

    def service(
        self, plugins: dict[str, bool] | None = None, *, new: bool = True, **options: PluginOptions
    ) -> ExternalPlugins:
        """
        Run what is there.
        """
        feeds = FeedSettings(PluginSettings((self.directory,), None, new, 60, options))
        settings = Settings(
            Role.STANDALONE,
            self.directory,
            self.data,
            NodeSettings("own"),
            plugins=plugins or {},
            feeds=feeds,
        )
        service = ExternalPlugins(self.hub, settings, self.reactor)
        service.startService()
        return service

    def running(self) -> Played:
        """
        Run the one plugin there is.
        """
        self.program("queue.plugin")
        self.service()
        return self.reactor.started[0]


class FindingTests(PluginTestCase):
    """
    Which programs are run, and how.
    """

    def test_found(self) -> None:
        """
        Each executable whose name ends in C{.plugin} runs, and nothing else that lies there.
        """
        self.program("a.plugin")
        self.program("b.plugin", 0o644)
        self.program("c.sh")
        (self.directory / "d.plugin").mkdir()
        service = self.service()
        self.assertEqual([*service.plugins], ["a"])

    def test_switched(self) -> None:
        """
        C{[plugins]} switches single plugins off, or on where new ones are off.
        """
        self.program("a.plugin")
        self.program("b.plugin")
        self.assertEqual([*self.service({"a": False}).plugins], ["b"])
        self.assertEqual([*self.service({"a": True}, new=False).plugins], ["a"])

    def test_added(self) -> None:
        """
        A plugin that is put there later runs within a minute.
        """
        service = self.service()
        self.program("late.plugin")
        self.reactor.advance(60)
        self.assertEqual([*service.plugins], ["late"])

    def test_told(self) -> None:
        """
        A plugin is given its period, its options, and the environment that
        plugins know; nothing else of ours, which may be secret.
        """
        self.patch(__import__("os"), "environ", {"PATH": "/bin", "PASSWORD": "secret"})
        self.program("a.plugin")
        self.service(a=PluginOptions(5, ("debug", "two words")))
        process = self.reactor.started[0]
        self.assertEqual(process.arguments, launching([str(self.directory / "a.plugin"), "5", "debug", "two words"]))
        told = process.environment
        self.assertEqual(told["NETDATA_UPDATE_EVERY"], "5")
        self.assertEqual(told["NETDATA_PLUGINS_DIR"], str(self.directory))
        self.assertEqual(told["NETDATA_USER_CONFIG_DIR"], str(self.directory))
        self.assertEqual(told["NETDATA_HOSTNAME"], "own")
        self.assertTrue(Path(told["NETDATA_LIB_DIR"]).is_dir())
        self.assertEqual(told["PATH"], "/bin")
        self.assertNotIn("PASSWORD", told)


class RunningTests(PluginTestCase):
    """
    What becomes of what a plugin says and does.
    """

    def test_huge(self) -> None:
        """
        A number that is too large is the largest, as agents have it, and the plugin goes on.
        """
        process = self.running()
        process.protocol.outReceived(CHART + BEGIN)
        self.reactor.advance(1)
        process.protocol.outReceived(b"BEGIN my.queue\nSET waiting = " + b"9" * 32 + b"\nEND\n")
        number = self.hub.local.table.number("my.queue", "waiting")
        self.assertEqual(self.hub.local.latest.collected[number], 2**63 - 1)
        self.assertEqual(process.signals, [])

    def test_charts(self) -> None:
        """
        A plugin's charts and samples are the node's own, however its output is cut.
        """
        process = self.running()
        text = CHART + b"BEGIN my.queue\nSET waiting = 7\nEND\n"
        for place in range(0, len(text), 5):
            process.protocol.outReceived(text[place : place + 5])
        self.reactor.advance(1)
        process.protocol.outReceived(b"BEGIN my.queue 1000000\nSET waiting = 8\nEND\n")
        chart = self.hub.local.charts["my.queue"]
        self.assertEqual((chart.units, [*chart.dimensions]), ("things", ["waiting"]))
        self.assertEqual((chart.plugin, chart.labels["_collect_plugin"].value), ("queue.plugin", "queue.plugin"))
        number = self.hub.local.table.number("my.queue", "waiting")
        self.assertEqual(self.hub.local.latest.collected[number], 8)

    def test_ends(self) -> None:
        """
        The charts of a plugin that ended are not current; it is started again, later each time.
        """
        process = self.running()
        process.protocol.outReceived(CHART + BEGIN)
        process.ends(3)
        self.assertTrue(self.hub.local.charts["my.queue"].obsolete)
        self.assertIn("plugin queue has failed with status 3", self.messages)
        self.reactor.advance(7)
        self.assertEqual(len(self.reactor.started), 2)
        self.reactor.started[1].ends()
        self.reactor.advance(7)
        self.assertEqual(len(self.reactor.started), 2)
        self.reactor.advance(7)
        self.assertEqual(len(self.reactor.started), 3)
        self.reactor.started[2].protocol.outReceived(CHART + BEGIN)
        self.assertFalse(self.hub.local.charts["my.queue"].obsolete)

    def test_steady(self) -> None:
        """
        A plugin that ran for long is started again soon.
        """
        self.running()
        for _ in range(4):
            self.reactor.started[-1].ends()
            self.reactor.advance(60)
        count = len(self.reactor.started)
        self.reactor.advance(400)
        self.reactor.started[-1].ends()
        self.reactor.advance(7)
        self.assertEqual(len(self.reactor.started), count + 1)

    def test_disable(self) -> None:
        """
        A plugin that says C{DISABLE} is asked to end and never started again.
        """
        process = self.running()
        process.protocol.outReceived(b"DISABLE\n")
        self.assertEqual(process.signals, ["TERM"])
        process.ends()
        self.reactor.advance(5000)
        self.assertEqual(len(self.reactor.started), 1)

    def test_nonsense(self) -> None:
        """
        A plugin that writes what cannot be read is ended, is said to have, and starts anew; its good lines count.
        """
        process = self.running()
        process.protocol.outReceived(CHART + BEGIN + b"DIMENSION\n")
        self.assertEqual(process.signals, ["TERM"])
        self.assertIn("my.queue", self.hub.local.charts)
        self.assertTrue(any("plugin queue: line 6" in message for message in self.messages), self.messages)
        self.reactor.advance(6)
        self.assertEqual(process.signals, ["TERM", "KILL"])
        process.ends(0, 9)
        self.reactor.advance(7)
        self.assertEqual(len(self.reactor.started), 2)

    def test_endless_line(self) -> None:
        """
        A plugin that never ends its line is ended before that fills the memory.
        """
        process = self.running()
        for _ in range(100):
            process.protocol.outReceived(b"x" * 65536)
            if process.signals:
                break
        self.assertEqual(process.signals, ["TERM"])

    def test_names(self) -> None:
        """
        A plugin has no say in the labels of the node.
        """
        process = self.running()
        before = self.hub.local.labels
        process.protocol.outReceived(b'LABEL "evil" = 1 "label"\nOVERWRITE labels\n')
        self.assertEqual(self.hub.local.labels, before)

    def test_functions(self) -> None:
        """
        What a plugin can be asked is offered as long as it runs.
        """
        process = self.running()
        process.protocol.outReceived(b'FUNCTION GLOBAL "top" 10 "what runs"\n')
        self.assertIn(("", "top"), self.hub.local.functions)
        process.ends()
        self.assertEqual(self.hub.local.functions, {})

    def test_asked(self) -> None:
        """
        A call of a plugin's function is written to its standard input, and its answer is the caller's, whatever lines
        are in it.
        """
        process = self.running()
        process.protocol.outReceived(CHART + OFFER)
        waiting = Waiting()
        self.hub.local.call(Call("tx1", "top now", 7), waiting)
        self.assertEqual(process.asked, b'FUNCTION tx1 7 "top now"\n')
        answer = b"FUNCTION_RESULT_BEGIN tx1 200 text/plain 0\nHOST nobody\nEND\nFUNCTION_RESULT_END\n"
        for place in range(0, len(answer), 7):
            process.protocol.outReceived(answer[place : place + 7])
        self.assertEqual(waiting.outcomes, [Outcome(200, b"HOST nobody\nEND", "text/plain")])
        process.protocol.outReceived(BEGIN)
        self.assertEqual(process.signals, [])

    def test_no_answer(self) -> None:
        """
        Who calls a plugin that does not answer, ends or does not read is told so.
        """
        process = self.running()
        process.protocol.outReceived(OFFER)
        waiting = Waiting()
        self.hub.local.call(Call("tx1", "top", 7), waiting)
        self.reactor.advance(8)
        self.assertEqual([outcome.code for outcome in waiting.outcomes], [504])
        process.producer.pauseProducing()
        before = process.asked
        self.hub.local.call(Call("tx2", "top", 7), waiting)
        self.assertEqual((process.asked, waiting.outcomes[-1]), (before, DEAF))
        process.producer.resumeProducing()
        self.hub.local.call(Call("tx3", "top", 7), waiting)
        process.ends()
        self.assertEqual([outcome.code for outcome in waiting.outcomes], [504, 503, 503])
        self.hub.local.call(Call("tx4", "top", 7), waiting)
        self.assertEqual([outcome.code for outcome in waiting.outcomes], [504, 503, 503, 404])
        self.reactor.advance(7)
        self.reactor.started[1].protocol.outReceived(OFFER)
        self.hub.local.call(Call("tx5", "top", 7), waiting)
        self.assertIn(b"tx5", self.reactor.started[1].asked)

    def test_same_function(self) -> None:
        """
        Of two plugins that offer one function the later is asked, and the function stays when the other ends.
        """
        self.program("a.plugin")
        self.program("b.plugin")
        self.service()
        first, second = self.reactor.started
        for process in (first, second):
            process.protocol.outReceived(OFFER)
        first.ends()
        self.hub.local.call(Call("tx1", "top", 7), Waiting())
        self.assertEqual((first.asked, second.asked), (b"", b'FUNCTION tx1 7 "top"\n'))
        second.ends()
        self.assertEqual(self.hub.local.functions, {})

    def test_virtual_nodes(self) -> None:
        """
        A plugin that speaks for other machines makes nodes of them, which can be asked too, and which are offline when
        it ends or says nothing of them for a while.
        """
        process = self.running()
        defined = f"HOST_DEFINE {OTHER} router\nHOST_LABEL site cellar\nHOST_DEFINE_END\nHOST {OTHER}\n".encode()
        for _ in range(2):
            process.protocol.outReceived(defined + CHART + OFFER + BEGIN + b"HOST localhost\n")
        host = self.hub.get(OTHER)
        assert host is not None
        self.assertTrue(host.online and host.virtual)
        self.assertEqual((host.info.hostname, host.labels["site"].value), ("router", "cellar"))
        self.assertIn("my.queue", host.charts)
        self.assertNotIn("my.queue", self.hub.local.charts)
        waiting = Waiting()
        host.call(Call("tx1", "top", 7), waiting)
        process.protocol.outReceived(b"FUNCTION_RESULT_BEGIN tx1 200 text/plain 0\nyes\nFUNCTION_RESULT_END\n")
        self.assertEqual([outcome.body for outcome in waiting.outcomes], [b"yes"])
        self.reactor.pump([10] * 8)
        self.assertFalse(host.online)
        process.protocol.outReceived(f"HOST {OTHER}\n".encode() + CHART + BEGIN)
        self.assertTrue(host.online)
        process.ends()
        self.assertFalse(host.online)
        host.call(Call("tx2", "top", 7), waiting)
        self.assertEqual(waiting.outcomes[-1].code, 503)

    def test_not_started(self) -> None:
        """
        A plugin that cannot be started is tried again.
        """
        self.reactor.problem = OSError(8, "Exec format error")
        self.program("queue.plugin")
        self.service()
        self.assertTrue(any("plugin queue cannot be started" in message for message in self.messages))
        self.reactor.problem = None
        self.reactor.advance(7)
        self.assertEqual(len(self.reactor.started), 1)

    def test_stop(self) -> None:
        """
        With the node its plugins end, those that do not listen by force; the node waits for them.
        """
        self.program("queue.plugin")
        service = self.service()
        done = service.stopService()
        process = self.reactor.started[0]
        self.assertEqual(process.signals, ["TERM"])
        self.assertNoResult(done)
        self.reactor.advance(6)
        self.assertEqual(process.signals, ["TERM", "KILL"])
        process.ends(0, 9)
        self.successResultOf(done)
        self.reactor.advance(5000)
        self.assertEqual(len(self.reactor.started), 1)


class ComplaintsTests(SynchronousTestCase):
    """
    What plugins say on standard error.
    """

    def test_lines(self) -> None:
        """
        Whole lines are told, without what would steer a terminal.
        """
        complaints = Complaints()
        self.assertEqual(complaints.take(b"one\ntw", 0), ["one"])
        self.assertEqual(complaints.take(b"o\x1b[31m\n", 0), ["two [31m"])

    def test_flood(self) -> None:
        """
        Of a flood some lines are told, then how many were not.
        """
        complaints = Complaints(3, 60)
        told = complaints.take(b"same\n" * 100, 0)
        self.assertEqual((told[:3], len(told)), (["same"] * 3, 4))
        self.assertEqual(complaints.take(b"more\n", 61), ["(97 more lines were left out)", "more"])

    def test_endless_line(self) -> None:
        """
        A line without end is not kept.
        """
        complaints = Complaints()
        for _ in range(100):
            complaints.take(b"x" * 65536, 0)
        self.assertEqual(complaints.take(b"\n", 0), ["x" * 500])


class ProcessTests(TestCase):
    """
    Real processes.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).resolve()
        self.directory.mkdir()
        self.path = self.directory / "a.plugin"
        self.messages: list[str] = []
        globalLogPublisher.addObserver(self._hear)
        self.addCleanup(globalLogPublisher.removeObserver, self._hear)

    def _hear(self, event: LogEvent) -> None:
        self.messages.append(formatEvent(event))

    def run_plugin(self, text: str) -> Deferred[None]:
        """
        @return: Fires when it has ended, and all that held its output.
        """
        self.path.write_text(text)
        self.path.chmod(0o755)
        hub = Hub(HostInfo(GUID, "own"), NoneDB())
        settings = Settings(Role.STANDALONE, self.directory, self.directory, NodeSettings("own"))
        program = Program("a", self.path, 1, (), {"PATH": os.environ["PATH"]})
        plugin = Plugin(program, hub, settings, reactor)
        over: Deferred[None] = Deferred()
        ended = plugin.ended

        def stop(ears: Any, reason: Failure) -> None:
            ended(ears, reason)
            plugin.stop()
            over.callback(None)

        self.patch(plugin, "ended", stop)
        plugin.start()
        return over.addTimeout(100, reactor)

    async def test_left_behind(self) -> None:
        """
        What a plugin started and left behind ends with it, so that it does not pile up.
        """
        began = time.monotonic()
        # So long, its output would be waited for if it did not end.
        self.patch(plugin, "PATIENCE", 20.0)
        await self.run_plugin("#!/bin/sh\nsleep 100 &\necho $! >child\n")
        self.assertLess(time.monotonic() - began, 20.0)
        child = int((self.directory / "child").read_text())
        state = Path("/proc", str(child), "stat")
        # It has closed its output, and may still be about to vanish.
        while state.exists() and state.read_text().split()[2] not in "ZX" and time.monotonic() - began < 40.0:
            await deferLater(reactor, 0.01)
        self.assertTrue(not state.exists() or state.read_text().split()[2] in "ZX")

    async def test_environment(self) -> None:
        """
        A plugin finds signals and environment as if it had been started by a shell, in a session of its own.
        """
        await self.run_plugin(
            "#!/bin/sh\nenv >env; grep SigIgn /proc/self/status >ignored; ps -o sid= $$ >sid; echo $$ >>sid\n"
        )
        names = {line.partition("=")[0] for line in (self.directory / "env").read_text().splitlines()}
        self.assertEqual(names - {"PWD", "_", "SHLVL", "OLDPWD"}, {"PATH"})
        # What nohup has these tests ignore goes on to everything; what Python ignores for itself does not.
        (own,) = re.findall(r"^SigIgn:\s*(\w+)", Path("/proc/self/status").read_text(), re.M)
        for_itself = sum(1 << (number - 1) for number in (signal.SIGPIPE, signal.SIGXFSZ))
        ignored = int((self.directory / "ignored").read_text().split()[1], 16)
        self.assertEqual(ignored, int(own, 16) & ~for_itself)
        session, process = (self.directory / "sid").read_text().split()
        self.assertEqual(session, process)

    async def test_no_interpreter(self) -> None:
        """
        A plugin whose interpreter is not there is told of in one line.
        """
        await self.run_plugin("#!/nowhere/python9\n")
        told = [message for message in self.messages if "nowhere" in message]
        self.assertEqual(
            told, [f"plugin a: cannot run {self.path}, which is for /nowhere/python9: No such file or directory"]
        )
        self.assertFalse([message for message in self.messages if "Traceback" in message])
