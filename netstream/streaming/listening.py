"""
Where a node listens: an entry of C{bind to} becomes ports.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, UNIXServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from netstream.config.settings import Listener

ACCEPTED_AT_ONCE = 5
"""Connections that are accepted in one turn, and 20 more at the most."""

_MOST_TURNS = 1000
"""In which those are accepted who wait when a port closes."""


def listen(reactor: Any, listener: Listener, factory: IProtocolFactory) -> Deferred[Sequence[IListeningPort]]:
    """
    Listen where an entry says.  All addresses means IPv6 and IPv4, or IPv4
    alone on a machine without IPv6.

    A Unix socket that nobody serves any more is replaced.

    @param reactor: Provides TCP and Unix sockets.
    @return: The ports, one at least; fails with C{CannotListenError}.
    """

    def few(ports: Sequence[IListeningPort]) -> Sequence[IListeningPort]:
        for port in ports:
            accept_few(port)
        return ports

    return Deferred.fromCoroutine(_listen(reactor, listener, factory)).addCallback(few)


def accept_few(port: object) -> None:
    """
    Let few connections be accepted in one turn: those that have to make room
    for them are closed in the next.

    @param port: Of Twisted, which accepts ever more in a turn while more wait.
    """
    if getattr(port, "numberAccepts", 0) > ACCEPTED_AT_ONCE:
        port.numberAccepts = ACCEPTED_AT_ONCE  # type: ignore[attr-defined]


def take_waiting(port: object) -> None:
    """
    Accept those who have connected and wait, as they would be cut off with
    the socket.

    @param port: Of Twisted.
    """
    waiting, accept = getattr(port, "socket", None), getattr(port, "doRead", None)
    if waiting is None or accept is None:
        return
    poll = select.poll()
    poll.register(waiting, select.POLLIN)
    for _ in range(_MOST_TURNS):
        if not poll.poll(0):
            return
        accept()


def listen_anew(port: object, backlog: int) -> None:
    """
    Let more or fewer connections wait to be accepted.

    @param port: Of Twisted.
    @raise OSError: The system does not let it.
    """
    listening = getattr(port, "socket", None)
    if listening is not None:
        listening.listen(backlog)


async def _listen(reactor: Any, listener: Listener, factory: IProtocolFactory) -> Sequence[IListeningPort]:
    if listener.protocol == "unix":
        _check_socket(listener.host)
        remove_unserved(listener.host)
        return [await UNIXServerEndpoint(reactor, listener.host, listener.backlog, mode=listener.mode).listen(factory)]
    backlog = listener.backlog
    if ":" in listener.host:
        scope = f"%{listener.interface}" if listener.interface else ""
        return [
            await TCP6ServerEndpoint(reactor, listener.port, backlog, interface=listener.host + scope).listen(factory)
        ]
    if listener.host:
        return [await TCP4ServerEndpoint(reactor, listener.port, backlog, interface=listener.host).listen(factory)]
    try:
        six = await TCP6ServerEndpoint(reactor, listener.port, backlog, interface="::").listen(factory)
    except CannotListenError:
        # Whatever else is wrong than a missing IPv6 is wrong with IPv4 as well, which then says so.
        return [await TCP4ServerEndpoint(reactor, listener.port, backlog).listen(factory)]
    if not _six_alone(six):
        return [six]
    try:
        return [six, await TCP4ServerEndpoint(reactor, six.getHost().port, backlog).listen(factory)]
    except CannotListenError:
        await maybeDeferred(six.stopListening)
        raise


def _six_alone(port: IListeningPort) -> bool:
    """
    @return: Whether a port on C{::} takes no IPv4, as some systems are set up.
    """
    listening = getattr(port, "socket", None)
    return listening is not None and bool(listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))


def _check_socket(path: str) -> None:
    """
    @raise CannotListenError: What has that name is no socket, so no other
        process listens there, as C{bind} would have it.
    """
    with contextlib.suppress(OSError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            problem = OSError("it is a file, not a socket; remove it, or write another path")
            raise CannotListenError("unix", path, problem)


def remove_unserved(path: str) -> None:
    """
    Remove a socket file that a process left which did not end cleanly.

    Who listens is asked by connecting: process numbers in a lock file lie
    after a restart of a container.  What cannot be removed is left for
    C{bind} to complain of.
    """
    with contextlib.suppress(OSError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
