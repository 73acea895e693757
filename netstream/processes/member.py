"""
One worker, as the process that serves sees it: its process, whether that runs or
not, and what it is given.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.db.messages import NOTHING, Message, Unavailable
from netstream.db.remote import RemoteDB, Traits
from netstream.hub import shared
from netstream.hub.hub import Hub
from netstream.model.samples import Int64s
from netstream.processes.calls import PROGRESS, Calls
from netstream.processes.channel import Channel
from netstream.processes.logs import Reader
from netstream.processes.mirror import Mirror
from netstream.processes.reports import READY, REPORT
from netstream.processes.work import ADOPT, BEGIN, Orders, handed_fields
from netstream.streaming.passing import Handed, One

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a worker that ended is started again."""

STEADY_AFTER = 120.0
"""Seconds after which a worker that runs begins with the first pause again."""

ENDS_WITHIN = 60.0
"""Seconds that a worker has to end by itself."""

WAITING_MOST = 1000
"""Connections that may wait for a worker that is being started."""

WAITS = 20.0
"""Seconds that they do; real children give up after 60 or more, and a refusal
would keep them away for longer than it takes."""

NEW_HOST = 1000
"""Series that a host is taken to have until it is known."""


class CannotStart(Exception):
    """
    A worker ended before it was ready, when the node started.
    """


class Process:
    """
    A process that runs, as the crew needs it.

    @ivar channel: To it.
    @ivar words: The memory that it shares.
    @ivar pid: Its id.
    @ivar ended: Fires with a sentence when it has ended.
    """

    def __init__(self, channel: Channel, words: Int64s, kill: Callable[[], None], pid: int) -> None:
        self.channel = channel
        self.words = words
        self.kill = kill
        self.pid = pid
        self.ended: Deferred[str] = Deferred()


Spawn = Callable[[str, Channel], Process]
"""Starts the process of a worker of that name, at the other end of the channel."""


class _Ends(ProcessProtocol):
    """
    Hears what a worker says besides the channel, and when it ends.
    """

    process: Process | None = None

    def __init__(self, name: str) -> None:
        self._reader = Reader(name)

    def outReceived(self, data: bytes) -> None:
        """
        It printed something (called by Twisted).
        """
        self._reader.receive(data)

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        """
        It ended (called by Twisted).
        """
        self._reader.finish()
        if self.process is not None:
            text = "" if reason.check(ProcessDone) else reason.getErrorMessage().rstrip(".")
            self.process.ended.callback(text)


def spawn_with(reactor: Any) -> Spawn:
    """
    @return: Starts fresh interpreters; nothing of this process is in them but
        what they are told.
    """

    def spawn(name: str, channel: Channel) -> Process:
        ours, theirs = socket.socketpair()
        memory = shared.make()
        with ours, theirs:
            words = shared.opened(memory, write=False)
            ends = _Ends(name)
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
            null = os.open(os.devnull, os.O_RDONLY)
            try:
                transport: Any = reactor.spawnProcess(
                    ends,
                    sys.executable,
                    [sys.executable, "-m", "netstream.processes.worker"],
                    env=environment,
                    childFDs={0: null, 1: "r", 2: "r", 3: theirs.fileno(), 4: memory},
                )
            finally:
                os.close(null)
                os.close(memory)
            ours.setblocking(False)
            reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, One(channel))

        def kill() -> None:
            transport.signalProcess("KILL")

        process = ends.process = Process(channel, words, kill, transport.pid)
        return process

    return spawn


class Member:
    """
    One worker, whether its process runs or not.

    @ivar name: For logs.
    @ivar ready: Whether it takes connections.
    @ivar mirror: What is known of its hosts.
    @ivar calls: Calls of functions that it was given.
    @ivar engines: Its databases.
    @ivar spooled: Machine GUIDs of hosts without a database of which it keeps
        samples for a parent, from before it was started.
    @ivar first: Fires when it is ready for the first time; fails with
        L{CannotStart}.
    """

    _log = Logger()

    def __init__(
        self, orders: Orders, hub: Hub, spawn: Spawn, clock: IReactorTime, jitter: Callable[[], float]
    ) -> None:
        self.name = f"worker {orders.number}"
        self.ready = False
        self.calls = Calls(self.ask, self.tell)
        self.mirror = Mirror(hub, self.name, self.calls)
        self.first: Deferred[None] = Deferred()
        self.orders = orders
        self._spawn = spawn
        self._clock = clock
        self._jitter = jitter
        self._process: Process | None = None
        self._channel: Channel | None = None
        self._answers = False
        self.engines: list[RemoteDB] = []
        self.spooled: Collection[str] = ()
        self._waiting: list[Deferred[None]] = []
        self._pause = FIRST_PAUSE
        self._why = ""
        self._began = 0.0
        self._timer: IDelayedCall | None = None
        self._limit: IDelayedCall | None = None
        self._stopping: Deferred[None] | None = None

    @property
    def load(self) -> int:
        """
        Series that it has, or is about to have.
        """
        return max(self.mirror.series, len(self.mirror.online) * NEW_HOST)

    @property
    def pid(self) -> int:
        """
        The id of its process; 0 if none runs.
        """
        return self._process.pid if self._process is not None else 0

    def ask(self, verb: str, message: Message = NOTHING) -> Deferred[Message]:
        """
        Put a question to it, as L{netstream.db.messages.Ask}.
        """
        if self._channel is None or not self._answers:
            return fail(Unavailable(f"{self.name} does not run just now"))
        return self._channel.ask(verb, message)

    def tell(self, verb: str, message: Message = NOTHING) -> None:
        """
        Say something to it that needs no answer.
        """
        if self._channel is not None:
            self._channel.tell(verb, message)

    def start(self) -> None:
        """
        Start its process, now and whenever it has ended.
        """
        self._timer = None
        self._began = self._clock.seconds()
        channel = self._channel = Channel(self.name, self._lost)
        channel.verbs[REPORT] = self._report
        channel.verbs[READY] = self._be_ready
        channel.verbs[PROGRESS] = self.calls.progressed
        try:
            process = self._process = self._spawn(self.name, channel)
        except OSError as problem:
            self._log.error("{name} cannot be started: {problem}", name=self.name, problem=problem)
            self._ended(str(problem))
            return
        process.ended.addCallback(self._ended)
        channel.ask(BEGIN, self.orders.message()).addCallbacks(self._begun, self._not_begun)

    def _begun(self, message: Message) -> None:
        assert self._process is not None
        self._answers = True
        for number, fields in enumerate(message.fields["engines"]):
            if number >= len(self.engines):
                self.engines.append(RemoteDB(self.ask, number, Traits.read(fields)))
        self.spooled = frozenset(message.fields["spooled"])
        self.mirror.begin(self.engines, self._process.words)

    def _not_begun(self, failure: Failure) -> None:
        if not failure.check(Unavailable):
            self._why = failure.getErrorMessage()
        if self._channel is not None:
            self._channel.close()

    def _report(self, message: Message) -> None:
        self.mirror.report(message)

    def _be_ready(self, _: Message) -> None:
        self.ready = True
        if not self.first.called:
            self.first.callback(None)
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)
        self._log.info("{name} is ready, with {count} hosts from before", name=self.name, count=len(self.mirror.hosts))

    def _lost(self) -> None:
        """
        Nothing more can be said to it: it ends, or has ended.
        """
        self.ready = self._answers = False
        self.mirror.end(self._clock.seconds())
        if self._process is not None and self._limit is None:
            self._limit = self._clock.callLater(ENDS_WITHIN, self._kill)

    def _kill(self) -> None:
        self._limit = None
        if self._process is not None:
            self._log.error("{name} did not end within {most:g} s; it is killed", name=self.name, most=ENDS_WITHIN)
            self._process.kill()

    def _ended(self, reason: str) -> None:
        self._process = self._channel = None
        self.ready = self._answers = False
        reason, self._why = self._why or reason, ""
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        self._limit = None
        if self._stopping is not None:
            self._stopping.callback(None)
            return
        if not self.first.called:
            self.first.errback(CannotStart(f"{self.name} ended before it was ready: {reason or 'no reason was given'}"))
            return
        now = self._clock.seconds()
        if now - self._began >= STEADY_AFTER:
            self._pause = FIRST_PAUSE
        pause = self._pause * (0.5 + self._jitter() / 2)
        self._pause = min(LONGEST_PAUSE, self._pause * 2)
        self._log.error(
            "{name} ended{reason}; its children connect again, and it is started again in {pause:.1f} s",
            name=self.name,
            reason=f": {reason}" if reason else "",
            pause=pause,
        )
        self._timer = self._clock.callLater(pause, self.start)

    @property
    def crowded(self) -> bool:
        """
        Whether no more connections can wait for it.
        """
        return len(self._waiting) >= WAITING_MOST

    def take(self, descriptor: int, handed: Handed) -> Deferred[None]:
        """
        Give it a connection, now or once it is ready.

        @return: Fires when it has that, or will not have it.
        """
        if self.ready:
            return self._give(descriptor, handed)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        waiting.addTimeout(WAITS, self._clock)

        def over(result: None | Failure) -> Deferred[None] | None:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            return None if isinstance(result, Failure) else self._give(descriptor, handed)

        return waiting.addBoth(over)

    def _give(self, descriptor: int, handed: Handed) -> Deferred[None]:
        assert self._channel is not None
        asked = self._channel.ask(ADOPT, handed_fields(handed), descriptor)

        def failed(failure: Failure) -> Deferred[None] | None:
            if failure.check(Unavailable) and self._stopping is None:
                return self.take(descriptor, handed)  # it ended before it could
            if not failure.check(OSError):  # a child that has gone meanwhile
                self._log.warn(
                    "{name} did not take a connection: {reason}", name=self.name, reason=failure.getErrorMessage()
                )
            return None

        return asked.addCallbacks(lambda _: None, failed)

    def stop(self) -> Deferred[None]:
        """
        @return: Fires when its process has ended.
        """
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        for deferred in tuple(self._waiting):
            deferred.cancel()
        if self._process is None:
            return succeed(None)
        if self._stopping is None:
            self._stopping = Deferred()
            if self._channel is not None:
                self._channel.close()
        return self._stopping
