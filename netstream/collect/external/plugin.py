"""
One external plugin: started, read, and started again when it ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import random
from typing import Any, cast

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.collect.external.complaints import Complaints
from netstream.collect.external.launch import end_group, launching
from netstream.collect.external.questions import Questions
from netstream.collect.feed import Feed
from netstream.config.settings import Settings
from netstream.hub.hub import Hub
from netstream.session.errors import ProtocolError
from netstream.wire.commands import Disable

FIRST, LONGEST = 5.0, 600.0
"""Pauses before it is started again, seconds."""

STEADY = 300.0
"""Seconds after which a plugin that ran so long is started again soon."""

PATIENCE = 5.0
"""Seconds that a plugin has to end after it was asked to."""


@frozen
class Program:
    """
    What is run.

    @ivar name: Without C{.plugin}.
    @ivar update_every: Seconds, its first argument.
    @ivar arguments: Those after it.
    """

    name: str
    path: Path
    update_every: int
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


class _Ears(ProcessProtocol):
    """
    Hears one process (its methods are called by Twisted).
    """

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._ended = False

    def outReceived(self, data: bytes) -> None:
        self._plugin.heard(self, data)

    def errReceived(self, data: bytes) -> None:
        self._plugin.complained(data)

    def processExited(self, reason: Failure) -> None:
        self._plugin.exited(self)

    def processEnded(self, reason: Failure) -> None:
        if not self._ended:
            self._ended = True
            self._plugin.ended(self, reason)


class Plugin:
    """
    Keeps one program running.

    It is started again after it has ended, soon if it ran for long, and ever
    later if it did not; never after it said C{DISABLE}.  A line that cannot be
    read ends it.

    @ivar disabled: Whether it said that it has nothing to do here.
    """

    _log = Logger()

    def __init__(
        self,
        program: Program,
        hub: Hub,
        settings: Settings,
        reactor: Any,
        jitter: Callable[[], float] = random,
        end_group: Callable[[int], None] = end_group,
    ) -> None:
        """
        @param hub: Whose charts they become.
        @param reactor: Provides time and processes.
        @param jitter: Gives numbers from 0 to 1.
        @param end_group: Kills what a process left behind.
        """
        self.program = program
        self.disabled = False
        self._hub = hub
        self._reactor = reactor
        self._jitter = jitter
        self._end_group = end_group
        self._complaints = Complaints()
        self._pause = FIRST
        self._started = 0.0
        self._process: IProcessTransport | None = None
        self._group: int | None = None
        self._ears: _Ears | None = None
        self._spoilt = False
        self._again: IDelayedCall | None = None
        self._kill: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None
        self._feed = Feed(hub, settings, program.path.name, program.update_every, answerer=self._new_questions)

    def _new_questions(self) -> Questions:
        self._questions = Questions(self._ask, self._reactor, self._hub.counts)
        return self._questions

    def _ask(self, text: bytes) -> None:
        if self._process is not None:
            self._process.write(text)

    @property
    def running(self) -> bool:
        """
        Whether there is a process.
        """
        return self._process is not None

    def start(self) -> None:
        """
        Start it.
        """
        self._again = None
        program = self.program
        self._spoilt = False
        self._started = self._reactor.seconds()
        self._ears = _Ears(self)
        arguments = launching([str(program.path), str(program.update_every), *program.arguments])
        try:
            self._process = cast(
                IProcessTransport,
                self._reactor.spawnProcess(
                    self._ears, arguments[0], arguments, dict(program.environment), str(program.path.parent)
                ),
            )
        except OSError as problem:
            self._ears = None
            self._log.warn("plugin {name} cannot be started: {reason}", name=program.name, reason=str(problem))
            self._later()
        else:
            self._group = getattr(self._process, "pid", None)
            # Twisted's processes take one, though their interface does not say so.
            cast(Any, self._process).registerProducer(self._questions, True)

    def heard(self, ears: _Ears, data: bytes) -> None:
        """
        It wrote something.
        """
        if ears is not self._ears or self._spoilt or self.disabled:
            return
        try:
            self._feed.say(data, self._reactor.seconds())
        except ProtocolError as problem:
            self._spoilt = True
            self._log.warn("plugin {name}: {problem}; it is ended", name=self.program.name, problem=str(problem))
            self._end()
        if Disable.KEYWORD in self._feed.notes and not self.disabled:
            self.disabled = True
            self._log.info(
                "plugin {name} says that it has nothing to do here; it is not started again", name=self.program.name
            )
            self._end()

    def complained(self, data: bytes) -> None:
        """
        It wrote something on standard error.
        """
        for line in self._complaints.take(data, self._reactor.seconds()):
            self._log.info("plugin {name}: {line}", name=self.program.name, line=line)

    def exited(self, ears: _Ears) -> None:
        """
        It has ended.  Processes that it left behind are ended too; one that went out of reach may still hold its
        output.
        """
        process = self._process
        if ears is self._ears and process is not None:
            if self._group is not None:
                self._end_group(self._group)
            self._cancel_kill()
            self._kill = self._reactor.callLater(PATIENCE, process.loseConnection)

    def ended(self, ears: _Ears, reason: Failure) -> None:
        """
        It has ended, and all that it wrote was read.
        """
        if ears is not self._ears:
            return
        self._cancel_kill()
        self._process = self._ears = None
        self._feed.restart(self._reactor.seconds())
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped.callback(None)
            return
        if self.disabled:
            return
        if self._reactor.seconds() - self._started >= STEADY:
            self._pause = FIRST
        self._log.warn("plugin {name} {how}", name=self.program.name, how=_how(reason.value))
        self._later()

    def sweep(self) -> None:
        """
        See which virtual nodes it has not spoken for lately.
        """
        self._feed.sweep(self._reactor.seconds())

    def _later(self) -> None:
        pause, self._pause = self._pause, min(LONGEST, self._pause * 2)
        pause *= 0.75 + self._jitter() / 2
        self._log.info("plugin {name} is started again in {pause:.0f} s", name=self.program.name, pause=pause)
        self._again = self._reactor.callLater(pause, self.start)

    def _end(self) -> None:
        """
        Ask the process to end, and make sure that it does.
        """
        process = self._process
        if process is None:
            return
        _signal(process, "TERM")
        if self._kill is None:
            self._kill = self._reactor.callLater(PATIENCE, self._make_sure)

    def _make_sure(self) -> None:
        self._kill = None
        if self._process is not None:
            _signal(self._process, "KILL")

    def _cancel_kill(self) -> None:
        if self._kill is not None and self._kill.active():
            self._kill.cancel()
        self._kill = None

    def stop(self) -> Deferred[None] | None:
        """
        End it for good.

        @return: Fires when it has ended; L{None} if it does not run.
        """
        if self._again is not None and self._again.active():
            self._again.cancel()
        self._again = None
        if self._process is None:
            return None
        if self._stopped is None:
            self._stopped = Deferred()
        self._end()
        return self._stopped


def _signal(process: IProcessTransport, name: str) -> None:
    with suppress(ProcessExitedAlready, OSError):
        process.signalProcess(name)


def _how(reason: BaseException | None) -> str:
    """
    @return: How a process ended, as what it did.
    """
    if isinstance(reason, ProcessDone):
        return "has ended"
    if isinstance(reason, ProcessTerminated):
        return f"was ended by signal {reason.signal}" if reason.signal else f"has failed with status {reason.exitCode}"
    return f"has ended ({reason})"


def executable(path: Path) -> bool:
    """
    @return: Whether it is a file that we may run.
    """
    return path.is_file() and os.access(path, os.X_OK)
