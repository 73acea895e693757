"""
The ports of a node: opened at its start, and changed while it runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.config.errors import ConfigError
from netstream.config.settings import Listener, ServerTLS, Settings
from netstream.streaming.front import FrontFactory
from netstream.streaming.listening import listen, listen_anew, take_waiting
from netstream.streaming.lobby import Lobby
from netstream.tls.server import Server

_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})
_FILES = ("netstream.conf", "netdata.conf")


class Pages(Protocol):
    """
    What serves HTTP on one port.
    """

    def of_port(self, features: Collection[str]) -> Pages:
        """
        @return: The same for another port.
        """

    def buildProtocol(self, addr: Any) -> Any:
        """
        Take a connection.
        """

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """
        Read what settings name.

        @return: Goes by it, on all ports.
        @raise ConfigError: It cannot be used.
        """

    def serve(self, features: Collection[str]) -> None:
        """
        Serve these features alone.
        """

    def reconfigure(self, settings: Settings) -> None:
        """
        Go by other settings.
        """


@define(eq=False)
class _Open:
    """
    An entry of C{bind to} that is listened on.
    """

    front: FrontFactory
    pages: Pages
    ports: Sequence[IListeningPort] = ()

    @property
    def listener(self) -> Listener:
        """
        The entry.
        """
        return self.front.entry


@frozen
class Prepared:
    """
    What other settings make of the ports: what may fail is done.

    @ivar done: A line for each thing that is different then.
    @ivar tls: Has the certificate then.
    @ivar steps: What goes by that which was read.
    @ivar stays: What is open and goes on, and its entry.
    @ivar opened: What is open already for that.
    @ivar goes: What is to be closed.
    """

    settings: Settings
    done: Sequence[str]
    tls: Server | None
    steps: Sequence[Callable[[], None]]
    stays: Sequence[tuple[_Open, Listener]]
    opened: Sequence[_Open]
    goes: Sequence[_Open]


def _place(listener: Listener) -> tuple[str, str, int, str]:
    """
    @return: What makes a socket another one: all else can change while it is
        open.
    """
    return listener.protocol, listener.host, listener.port, listener.interface


def _overlap(one: Listener, other: Listener) -> bool:
    """
    @return: Whether a system lets only one of two different entries be open at
        a time.
    """
    if one.protocol == "unix" or (one.protocol, one.port) != (other.protocol, other.port) or not one.port:
        return False
    return one.host == other.host or not _EVERYWHERE.isdisjoint((one.host, other.host))


def _reason(problem: Exception) -> str:
    return str(problem.socketError if isinstance(problem, CannotListenError) else problem)


@define(eq=False)
class Ports:
    """
    All entries of C{bind to}, and the connections that came by them, also by
    such as are gone.

    @ivar tls: Has the certificate; L{None} if there is none.
    """

    _reactor: Any
    _settings: Settings
    _stream: Callable[[IAddress, bool], IProtocol]
    _pages: Pages
    tls: Server | None
    _open: list[_Open] = field(factory=list, init=False)
    _left: list[_Open] = field(factory=list, init=False)
    _lobby: Lobby = field(init=False)
    _stopped: bool = field(default=False, init=False)
    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self._lobby = Lobby(self._reactor)

    async def open(self) -> list[str]:
        """
        Open all; one that cannot be opened is logged.

        @return: What was wrong.
        """
        problems = []
        for listener in self._settings.web.listeners:
            try:
                self._open.append(await self._listen(listener, self._settings, self.tls))
            except (CannotListenError, OSError) as problem:
                problems.append(f"[web] bind to: {listener.text}: {_reason(problem)}")
                self._log.error("{problem}", problem=problems[-1])
        return problems

    async def _listen(self, listener: Listener, settings: Settings, tls: Server | None) -> _Open:
        pages = self._pages.of_port(listener.features)
        front = FrontFactory(self._reactor, listener, settings.web, self._stream, pages.buildProtocol, tls, self._lobby)
        one = _Open(front, pages)
        await self._bind(one, tls)
        return one

    async def _bind(self, one: _Open, tls: Server | None) -> None:
        listener = one.listener
        if listener.protocol != "udp":
            one.ports = await listen(self._reactor, listener, one.front)
            return
        from netstream.quic.server import QuicServerEndpoint

        assert tls is not None  # no configuration without
        one.ports = [await QuicServerEndpoint(self._reactor, listener.port, tls, listener.host).listen(one.front)]

    async def prepare(self, settings: Settings) -> Prepared:
        """
        Read the certificates and passwords that settings name, and open the
        ports that are not open yet.  Nothing else changes until L{go_by}.

        @raise ConfigError: Something cannot be read or opened, and then nothing
            has changed.
        """
        tls, steps, done = self._secured(settings.web.tls)
        steps.append(self._pages.prepare(settings))
        stays, comes, goes = self._compared(settings.web.listeners)
        opened, freed = await self._opened(comes, goes, settings, tls)
        for one in opened:
            done.append(f"listens on {_url(one, tls)} now")
        for one, listener in stays:
            what = ", ".join(_changes(one.listener, listener))
            if what:
                done.append(f"listens on {_url(one, tls)} as before, with other {what}")
        for one in goes:
            count = one.front.connections
            goes_on = "; a connection that came there goes on" if count == 1 else f"; {count} that came there go on"
            done.append(f"listens on {one.listener.text} no more{goes_on if count else ''}")
        return Prepared(settings, done, tls, steps, stays, opened, [one for one in goes if one not in freed])

    def _secured(self, wanted: ServerTLS | None) -> tuple[Server | None, list[Callable[[], None]], list[str]]:
        """
        @return: What has the certificate then, how it gets there, and what is
            said of it.
        """
        if wanted is None:
            return None, [], ["speaks no TLS from the next connection on"] if self.tls is not None else []
        if self.tls is None:
            return Server(wanted), [], [f"speaks TLS from the next connection on, with {wanted.certificate}"]
        if wanted == self._settings.web.tls:
            return self.tls, [], []
        step = self.tls.prepare(wanted)
        return self.tls, [step], [f"TLS of the next connection goes by other settings, with {wanted.certificate}"]

    def _compared(self, wanted: Sequence[Listener]) -> tuple[list[tuple[_Open, Listener]], list[Listener], list[_Open]]:
        """
        @return: Which are open and stay, with their entries; which entries are
            to be opened; and which are open and go.
        """
        goes, stays, comes = list(self._open), [], []
        for listener in wanted:
            one = next((each for each in goes if _place(each.listener) == _place(listener)), None)
            if one is None:
                comes.append(listener)
            else:
                goes.remove(one)
                stays.append((one, listener))
        return stays, comes, goes

    async def _opened(
        self, comes: Sequence[Listener], goes: Sequence[_Open], settings: Settings, tls: Server | None
    ) -> tuple[list[_Open], list[_Open]]:
        """
        @return: What was opened, and what had to be closed for it.
        """
        opened: list[_Open] = []
        freed: list[_Open] = []
        before = {_place(listener) for listener in self._settings.web.listeners}
        for listener in comes:
            try:
                for one in goes:
                    if one not in freed and _overlap(one.listener, listener):
                        self._check_free(one)
                        freed.append(one)
                        await self._close(one)
                opened.append(await self._listen(listener, settings, tls))
                if self._stopped:
                    raise OSError("this node stops")
            except Exception as problem:
                expected = isinstance(problem, CannotListenError | OSError)
                if expected and _place(listener) in before and not self._stopped:
                    # It was not open before either.
                    self._log.error("[web] bind to: {entry}: {reason}", entry=listener.text, reason=_reason(problem))
                    continue
                await self._undo(opened, freed)
                if not expected:
                    raise
                names = [path.name for path in settings.sources]
                raise ConfigError(
                    next((name for name in _FILES if name in names), _FILES[0]),
                    "web",
                    "bind to",
                    f"'{listener.text}' cannot be listened on: {_reason(problem)}; name an address of this machine and"
                    " a port that is free",
                ) from problem
        return opened, freed

    def _check_free(self, one: _Open) -> None:
        """
        @raise OSError: It cannot be closed as long as its connections live.
        """
        count = sum(len(getattr(port, "connections", ())) for port in one.ports)
        if count:
            raise OSError(f"{count} connections by UDP hold {one.listener.text}, which overlaps with it")

    async def _undo(self, opened: Sequence[_Open], freed: Sequence[_Open]) -> None:
        for one in opened:
            await self._close(one)
        for one in freed:
            if self._stopped:
                return
            try:
                await self._bind(one, self.tls)
            except (CannotListenError, OSError) as problem:
                self._open.remove(one)
                self._left.append(one)
                self._log.error(
                    "[web] bind to: {entry}: {reason}; it is not listened on any more",
                    entry=one.listener.text,
                    reason=_reason(problem),
                )

    def go_by(self, prepared: Prepared) -> Deferred[list[None]]:
        """
        Go by what was prepared, at once; connections that live go on.

        @return: Fires when the ports that are listened on no more are closed.
        """
        settings, self.tls = prepared.settings, prepared.tls
        for step in prepared.steps:
            step()
        if self.tls is not None:
            self.tls.refresh()
        entries = dict(prepared.stays)
        self._left = [one for one in self._left if one.front.connections]
        self._left += [one for one in self._open if one not in entries]
        self._open = [*entries, *prepared.opened]
        for one in (*self._open, *self._left):
            listener = entries.get(one, one.listener)
            self._adjust(one, listener)
            one.front.serve(listener, settings.web, self.tls)
            one.pages.serve(listener.features)
            one.pages.reconfigure(settings)
        order = {_place(listener): number for number, listener in enumerate(settings.web.listeners)}
        self._open.sort(key=lambda one: order[_place(one.listener)])
        self._settings = settings
        return gatherResults([Deferred.fromCoroutine(self._close(one)) for one in prepared.goes])

    def _adjust(self, one: _Open, listener: Listener) -> None:
        """
        Let the socket itself be as an entry says.
        """
        try:
            if listener.backlog != one.listener.backlog:
                for port in one.ports:
                    listen_anew(port, listener.backlog)
            if listener.protocol == "unix" and listener.mode != one.listener.mode:
                os.chmod(listener.host, listener.mode)
        except OSError as problem:
            self._log.error("[web] bind to: {entry}: {reason}", entry=listener.text, reason=str(problem))

    async def _close(self, one: _Open, *, waiting: bool = True) -> None:
        """
        Listen there no more.

        @param waiting: Whether who has connected already is taken.
        """
        for port in one.ports:
            try:
                if waiting:
                    take_waiting(port)
                await maybeDeferred(port.stopListening)
            except Exception:
                self._log.failure("{port} was not closed", Failure(), port=str(port))
        one.ports = ()

    async def stop_listening(self) -> None:
        """
        Take no more connections, as this node stops.
        """
        self._stopped = True
        for one in (*self._open, *self._left):
            await self._close(one, waiting=False)

    async def close(self) -> None:
        """
        Close all connections.
        """
        await gatherResults([one.front.close() for one in (*self._open, *self._left)])

    @property
    def fronts(self) -> Sequence[FrontFactory]:
        """
        What listens.
        """
        return [one.front for one in self._open]

    @property
    def first(self) -> int:
        """
        The first TCP port that is listened on; 0 if there is none.
        """
        places: Iterator[Any] = (port.getHost() for one in self._open for port in one.ports)
        return next((place.port for place in places if getattr(place, "type", "") == "TCP"), 0)

    @property
    def urls(self) -> list[str]:
        """
        Where this node serves, one for each entry that is open.
        """
        return [_url(one, self.tls) for one in self._open]


def _changes(before: Listener, after: Listener) -> Iterator[str]:
    if before.features != after.features:
        yield "features"
    if before.tls != after.tls:
        yield "TLS mode"
    if before.mode != after.mode and before.protocol == "unix":
        yield "access mode"
    if before.backlog != after.backlog and before.protocol != "udp":
        yield "backlog"


def _url(one: _Open, tls: Server | None) -> str:
    listener = one.listener
    if listener.protocol == "unix":
        return f"unix:{listener.host}"
    address: Any = one.ports[0].getHost()
    host = address.host if listener.host else "localhost"
    if listener.protocol == "udp":
        return f"udp:[{host}]:{address.port}" if ":" in host else f"udp:{host}:{address.port}"
    scheme = "https" if tls is not None and listener.tls != "optional" else "http"
    return f"{scheme}://[{host}]:{address.port}/" if ":" in host else f"{scheme}://{host}:{address.port}/"
