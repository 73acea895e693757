"""
The control socket: a Unix socket that only the owner of the node can use.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort, IReactorUNIX, ITransport
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from netstream.control.commands import Control
from netstream.control.lines import LONGEST, LONGEST_PATH, CannotDo, Request, done, not_done, socket_path
from netstream.streaming.listening import remove_unserved

CONNECTIONS_MOST = 16
"""Connections at once."""

IDLE_FOR = 60.0
"""Seconds in which a connection must say something."""


class ControlProtocol(LineOnlyReceiver):
    """
    One connection: commands, one after the other.
    """

    delimiter = b"\n"
    MAX_LENGTH = LONGEST
    transport: ITransport | None
    _log = Logger()

    def __init__(self, service: ControlSocket) -> None:
        self._service = service
        self._timer: IDelayedCall | None = None
        self._waiting: list[bytes] = []
        self._running: Deferred[Any] | None = None

    def connectionMade(self) -> None:
        """
        Begin to wait for a command (called by Twisted).
        """
        self._service.connections.add(self)
        self._wait()

    def _wait(self) -> None:
        self._timer = self._service.clock.callLater(IDLE_FOR, self.close)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def lineReceived(self, line: bytes) -> None:
        """
        Do a command, when those before it are done (called by Twisted).
        """
        if self._running is not None:
            self._waiting.append(line)
            if len(self._waiting) > CONNECTIONS_MOST:
                self.close()
            return
        self._stop_timer()
        try:
            running = self._service.control.run(Request.parse(line))
        except CannotDo as problem:
            self._say(not_done(str(problem)))
            return
        self._running = running
        running.addCallbacks(done, self._not_done)
        running.addCallback(self._say)

    def _not_done(self, failure: Failure) -> bytes:
        if failure.check(CannotDo):
            return not_done(failure.getErrorMessage())
        if not failure.check(CancelledError):
            self._log.failure("a command was not done", failure)
        return not_done("that went wrong; the log of the node tells why")

    def _say(self, answer: bytes) -> None:
        self._running = None
        if self.transport is None or self not in self._service.connections:
            return
        self.transport.write(answer)
        if self._waiting:
            self.lineReceived(self._waiting.pop(0))
        else:
            self._wait()

    def close(self) -> None:
        """
        End the connection.
        """
        if self.transport is not None:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is closed (called by Twisted).
        """
        self._stop_timer()
        self._waiting.clear()
        self._service.connections.discard(self)


class _ControlFactory(Factory):
    noisy = False

    def __init__(self, service: ControlSocket) -> None:
        self._service = service

    def buildProtocol(self, addr: IAddress | None) -> ControlProtocol | None:
        if len(self._service.connections) >= CONNECTIONS_MOST:
            return None
        return ControlProtocol(self._service)


class ControlSocket(Service):
    """
    Listens on the control socket as long as the node runs.

    A node whose socket cannot be opened says so and runs without.

    @ivar control: What does the commands.
    @ivar clock: Where timers are.
    @ivar connections: Those that there are.
    """

    _log = Logger()

    def __init__(self, control: Control, data_dir: Any, reactor: Any) -> None:
        """
        @param data_dir: Path of the data directory.
        @param reactor: Provides Unix sockets and time.
        """
        self.control = control
        self.clock = reactor
        self.connections: set[ControlProtocol] = set()
        self._reactor = reactor
        self._path = socket_path(data_dir)
        self._port: IListeningPort | None = None

    def startService(self) -> None:
        """
        Listen (called by Twisted).
        """
        super().startService()
        if not IReactorUNIX.providedBy(self._reactor):
            return
        path = os.path.abspath(self._path)
        if len(os.fsencode(path)) > LONGEST_PATH:
            self._log.warn(
                "{path}: the path of a Unix socket has at most {most} bytes, so there is no control socket; choose a"
                " shorter --data-dir",
                path=path,
                most=LONGEST_PATH,
            )
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:
            self._log.warn("{path}: there is no control socket: {problem}", path=path, problem=problem)
            return
        remove_unserved(path)
        listening = UNIXServerEndpoint(self._reactor, path, mode=0o600).listen(_ControlFactory(self))
        listening.addCallbacks(self._listens, self._cannot_listen)

    def _listens(self, port: IListeningPort) -> None:
        self._port = port

    def _cannot_listen(self, failure: Failure) -> None:
        if failure.check(CannotListenError, OSError):
            self._log.warn("there is no control socket: {problem}", problem=failure.getErrorMessage())
        else:
            self._log.failure("there is no control socket", failure)

    def stopService(self) -> Deferred[Any]:
        """
        Listen no more, and end what there is.

        @return: Fires when the socket is gone.
        """
        super().stopService()
        port, self._port = self._port, None
        for connection in tuple(self.connections):
            connection.close()
        return maybeDeferred(port.stopListening) if port is not None else maybeDeferred(lambda: None)
