"""
Processes that a test plays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure


class Played:
    """
    One process.

    @ivar signals: That it was sent.
    @ivar asked: What was written to its standard input.
    @ivar producer: What wants to know whether it reads.
    @ivar pid: None, so that nothing of this machine is taken for it.
    """

    pid: int | None = None

    def __init__(self, protocol: Any, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.protocol = protocol
        self.arguments = arguments
        self.environment = environment
        self.signals: list[str] = []
        self.over = False
        self.asked = b""
        self.producer: Any = None

    def write(self, data: bytes) -> None:
        """
        Read it (called by the plugin).
        """
        self.asked += data

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Remember it (called by the plugin).
        """
        self.producer = producer

    def signalProcess(self, name: str) -> None:
        """
        Remember it (called by the plugin).
        """
        if self.over:
            raise ProcessExitedAlready()
        self.signals.append(name)

    def loseConnection(self) -> None:
        """
        Nothing holds its output any more.
        """

    def ends(self, status: int = 0, signal: int | None = None) -> None:
        """
        End.
        """
        self.over = True
        reason = Failure(ProcessDone(0) if not status and not signal else ProcessTerminated(status, signal))
        self.protocol.processExited(reason)
        self.protocol.processEnded(reason)


class Processes(Clock):
    """
    A clock that also starts processes.

    @ivar started: All of them.
    """

    def __init__(self, now: float) -> None:
        super().__init__()
        self.advance(now)
        self.started: list[Played] = []
        self.problem: OSError | None = None

    def spawnProcess(
        self, protocol: Any, executable: str, args: Sequence[str], env: Mapping[str, str], path: str
    ) -> Played:
        """
        Start one.
        """
        if self.problem is not None:
            raise self.problem
        self.started.append(Played(protocol, args, env))
        return self.started[-1]
