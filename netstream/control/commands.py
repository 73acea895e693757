"""
What a node can be told to do while it runs.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from attrs import asdict
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from netstream.config.errors import ConfigError
from netstream.config.settings import Settings
from netstream.control.lines import CannotDo, Request
from netstream.control.reloading import Reloading
from netstream.hub.hub import Host, Hub
from netstream.streaming.proxy import Forwarder

if TYPE_CHECKING:
    from netstream.streaming.parent import Parent

_Command = Callable[["Control", Mapping[str, Any]], Awaitable[Any]]
_COMMANDS: dict[str, _Command] = {}

SHARE = 50
"""Percent of the children that C{rebalance} lets go."""


def _command(name: str) -> Callable[[_Command], _Command]:
    def register(command: _Command) -> _Command:
        _COMMANDS[name] = command
        return command

    return register


def _names(arguments: Mapping[str, Any]) -> Sequence[str]:
    names = arguments.get("nodes", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CannotDo("'nodes' is a list of host names or machine GUIDs")
    return names


def _flag(arguments: Mapping[str, Any], name: str) -> bool:
    value = arguments.get(name, False)
    if not isinstance(value, bool):
        raise CannotDo(f"'{name}' is true or false")
    return value


class Crew(Protocol):
    """
    Other processes of this node, as far as they can be told something.
    """

    def let_go(self, guids: Sequence[str], reason: str) -> Deferred[int]:
        """
        Let children go elsewhere.

        @return: Fires with how many were told.
        """

    def choose_anew(self, guids: Sequence[str]) -> Deferred[int]:
        """
        Let hosts that are sent on choose a parent anew.

        @return: Fires with how many moved.
        """

    def key_use(self) -> Deferred[list[tuple[Mapping[str, int], Mapping[str, float]]]]:
        """
        @return: Fires for each with how many children use each key, and when
            each was used last.
        """


class Control:
    """
    Does what a node is told.
    """

    _log = Logger()

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        parent: Parent | None,
        forwarder: Forwarder,
        clock: IReactorTime,
        jitter: Callable[[], float],
        version: str = "",
        crew: Crew | None = None,
        reload_health: Callable[[], Awaitable[tuple[int, Sequence[str]]]] | None = None,
        reloading: Reloading | None = None,
    ) -> None:
        """
        @param parent: What takes in streams; L{None} if nothing does.
        @param crew: Has children in other processes; nobody has if not given.
        @param jitter: Gives a random number from 0 to 1.
        @param reload_health: Reads the definitions of alerts again, and gives
            how many are in use and what is wrong with them; L{None} if this
            node has no alerts.
        @param reloading: Reads the files again; L{None} if this node was not
            made of files.
        """
        self._hub = hub
        self._settings = settings
        self._parent = parent
        self._forwarder = forwarder
        self._clock = clock
        self._jitter = jitter
        self._version = version
        self._crew = crew
        self._reload_health = reload_health
        self._reloading = reloading
        self._since = clock.seconds()

    def run(self, request: Request) -> Deferred[Any]:
        """
        Do a command.

        @return: Fires with its result, which can be said in JSON; fails with
            L{CannotDo}.
        """
        return Deferred.fromCoroutine(self._run(request))

    def reconfigure(self, settings: Settings) -> None:
        """
        Tell of other settings.
        """
        self._settings = settings

    async def _run(self, request: Request) -> Any:
        command = _COMMANDS.get(request.command)
        if command is None:
            raise CannotDo(f"there is no command '{request.command[:40]}'; there are {', '.join(COMMANDS)}")
        return await command(self, request.arguments)

    def _named(self, name: str, among: Sequence[Host] | None = None) -> Host:
        """
        @return: The one node that a person means.
        @raise CannotDo: There is none, or more than one.
        """
        hosts = list(self._hub) if among is None else among
        lower = name.lower()
        found = [h for h in hosts if h.info.guid == lower] or [h for h in hosts if h.info.hostname.lower() == lower]
        if not found:
            raise CannotDo(f"no node is called {name}; 'netstream ctl nodes' lists them")
        if len(found) > 1:
            guids = ", ".join(sorted(host.info.guid for host in found))
            raise CannotDo(f"{len(found)} nodes are called {name}; say which by its machine GUID: {guids}")
        return found[0]

    @_command("status")
    async def status(self, arguments: Mapping[str, Any]) -> Any:
        """
        How this node is doing.
        """
        now = self._clock.seconds()
        local = self._hub.local.info
        uplinks = self._forwarder.uplinks.values()
        sent = [host.upstream for host in self._hub if host.elsewhere and host.upstream is not None]
        states = Counter(host.life(now).value for host in self._hub)
        return {
            "hostname": local.hostname,
            "guid": local.guid,
            "version": self._version,
            "role": self._settings.role.value,
            "pid": os.getpid(),
            "up": round(now - self._since),
            "nodes": len(self._hub),
            "states": dict(states),
            "children": len(self._connected()) + len(self._away()),
            "waiting": self._parent.waiting if self._parent is not None else 0,
            "draining": self._hub.draining,
            "sends": len(uplinks) + len(sent),
            "connected": sum(uplink.connected is not None for uplink in uplinks) + sum(u.connected for u in sent),
            "removed": len(self._hub.tombstones),
            "database": self._hub.local.db.mode,
            "problem": self._hub.health().problem,
        }

    @_command("nodes")
    async def nodes(self, arguments: Mapping[str, Any]) -> Any:
        """
        All nodes that this one knows, and those that were removed.
        """
        known = sorted(self._hub, key=lambda h: (not h.local, h.info.hostname.lower(), h.info.guid))
        removed = sorted(self._hub.tombstones, key=lambda each: each.at)
        return {
            "nodes": [self._node(host) for host in known],
            "removed": [{"guid": t.guid, "hostname": t.hostname, "at": round(t.at)} for t in removed],
        }

    def _node(self, host: Host) -> dict[str, Any]:
        now = self._clock.seconds()
        link, uplink = host.link, self._forwarder.uplinks.get(host.info.guid)
        skew = link.clock.skew if link is not None else None
        connected = uplink.connected if uplink is not None else None
        return {
            "hostname": host.info.hostname,
            "guid": host.info.guid,
            "state": host.life(now).value,
            "local": host.local,
            "virtual": host.virtual,
            "ephemeral": host.ephemeral,
            "hops": host.info.hops,
            "every": host.info.update_every,
            "program": f"{host.info.program} {host.info.version}".strip(),
            "peer": link.peer if link is not None else None,
            "key": self._key_of(host),
            "since": round(link.since) if link is not None else None,
            "seen": round(host.seen) if link is None and host.seen else None,
            "skew": None if skew is None else round(skew, 1),
            "clock_off": link is not None and link.clock.off,
            "ahead": link.clock.ahead if link is not None else 0,
            "charts": len(host.charts),
            "database": host.db.mode,
            "sent_to": connected.text if connected is not None else _sent_to(host),
            "destinations": [d.text for d in uplink.settings.destinations] if uplink is not None else [],
        }

    def _key_of(self, host: Host) -> str | None:
        connection = self._parent.connections.get(host.info.guid) if self._parent is not None else None
        return connection.key if connection is not None else None

    @_command("keys")
    async def keys(self, arguments: Mapping[str, Any]) -> Any:
        """
        The API keys, by the first digits of their SHA-256: whether they open
        the door, and who is using them.
        """
        now = self._clock.seconds()
        used = dict(self._parent.used) if self._parent is not None else {}
        nodes = self._parent.key_use if self._parent is not None else Counter()
        for theirs, when in await self._crew.key_use() if self._crew is not None else ():
            nodes.update(theirs)
            for key, at in when.items():
                used[key] = max(at, used.get(key, 0.0))
        return {
            "keys": [
                {
                    "key": each.mark,
                    "state": each.state(now),
                    "valid_from": each.valid_from,
                    "valid_until": each.valid_until,
                    "section": each.place,
                    "nodes": nodes[each.mark],
                    "used": round(now if nodes[each.mark] else used[each.mark]) if each.mark in used else None,
                }
                for each in self._settings.access.records
            ]
        }

    @_command("refusals")
    async def refusals(self, arguments: Mapping[str, Any]) -> Any:
        """
        The children that were refused lately, and why.
        """
        turned = self._parent.turned if self._parent is not None else ()
        return {"refusals": [{**asdict(each), "at": round(each.at)} for each in turned]}

    @_command("remove-node")
    async def remove_node(self, arguments: Mapping[str, Any]) -> Any:
        """
        Forget a node that is gone, with its samples; or take that back.
        """
        name = arguments.get("node")
        if not isinstance(name, str) or not name:
            raise CannotDo("'node' is the host name or machine GUID of the node that is to be removed")
        if _flag(arguments, "lift"):
            return await self._lift(name)
        host = self._named(name)
        said = {"hostname": host.info.hostname, "guid": host.info.guid}
        if host.local:
            raise CannotDo(f"{host.info.hostname} is this node itself")
        if host.online:
            where = "a collector of this node speaks for it" if host.virtual else f"it is connected from {_peer(host)}"
            raise CannotDo(f"{host.info.hostname} cannot be removed while {where}; stop it there first")
        try:
            self._hub.tombstones.bury(host.info.guid, host.info.hostname, self._clock.seconds())
        except OSError as problem:
            raise CannotDo(f"that it is removed cannot be written: {problem}") from problem
        await self._hub.remove(host)
        self._log.info("{hostname} ({guid}) was removed by command", **said)
        return said

    async def _lift(self, name: str) -> Any:
        lower = name.lower()
        found = [t for t in self._hub.tombstones if lower in (t.guid, t.hostname.lower())]
        if len({t.guid for t in found}) != 1:
            guids = ", ".join(t.guid for t in found)
            raise CannotDo(
                f"several nodes called {name} were removed; say which: {guids}"
                if found
                else f"no node called {name} was removed; 'netstream ctl nodes' lists those that were"
            )
        try:
            self._hub.tombstones.lift(found[0].guid)
        except OSError as problem:
            raise CannotDo(f"that it may come back cannot be written: {problem}") from problem
        return {"hostname": found[0].hostname, "guid": found[0].guid}

    @_command("rebalance")
    async def rebalance(self, arguments: Mapping[str, Any]) -> Any:
        """
        Let a share of the children go, so that they choose a parent anew; or
        with C{up} let what this node sends choose anew.
        """
        names = _names(arguments)
        if _flag(arguments, "up"):
            return await self._choose_anew(names)
        share = arguments.get("share", 100 if names else SHARE)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 100:
            raise CannotDo("'share' is a number of percent, more than 0 and at most 100")
        children = self._children(names)
        order = sorted(children, key=lambda guid: self._jitter())
        going = order[: max(1, round(len(order) * share / 100))]
        return {"told": await self._let_go(going, "it shall choose a parent anew"), "of": len(children)}

    def _connected(self) -> Collection[str]:
        return self._parent.connections.keys() if self._parent is not None else ()

    def _away(self) -> list[str]:
        """
        @return: The children that other processes of this node have.
        """
        return [host.info.guid for host in self._hub if host.elsewhere and host.online]

    async def _let_go(self, guids: Sequence[str], reason: str) -> int:
        told = self._parent.let_go(guids, reason) if self._parent is not None else succeed(0)
        away = self._crew.let_go(guids, reason) if self._crew is not None else succeed(0)
        return await told + await away

    def _children(self, names: Sequence[str]) -> list[str]:
        if not names:
            return [*self._connected(), *self._away()]
        guids = [self._named(name).info.guid for name in names]
        for name, guid in zip(names, guids, strict=True):
            if guid not in self._connected() and guid not in self._away():
                raise CannotDo(f"{name} is not connected to this node")
        return guids

    async def _choose_anew(self, names: Sequence[str]) -> Any:
        uplinks = self._forwarder.uplinks
        away = [host for host in self._hub if host.elsewhere and host.upstream is not None]
        hosts = [uplink.host for uplink in uplinks.values()] + away
        chosen = [host.info.guid for host in ([self._named(name, hosts) for name in names] if names else hosts)]
        moved = 0
        for guid in chosen:
            uplink = uplinks.get(guid)
            moved += uplink is not None and await uplink.reconsider()
        if self._crew is not None:
            moved += await self._crew.choose_anew([guid for guid in chosen if guid not in uplinks])
        return {"moved": moved, "of": len(chosen)}

    @_command("drain")
    async def drain(self, arguments: Mapping[str, Any]) -> Any:
        """
        Take no children any more and let all go; or end that.
        """
        if _flag(arguments, "end"):
            was, self._hub.draining = self._hub.draining, False
            return {"draining": False, "was": was}
        self._hub.draining = True
        self._log.info("this node is drained: it takes no children until that is ended, or until it is restarted")
        told = await self._let_go(self._children([]), "this node is drained")
        return {"draining": True, "told": told}

    @_command("reload")
    async def reload(self, arguments: Mapping[str, Any]) -> Any:
        """
        Read all files again, and go by what changed.
        """
        if self._reloading is None:
            raise CannotDo("this node was not made of files")
        try:
            return asdict(await self._reloading.reload())
        except ConfigError as problem:
            raise CannotDo(f"the settings stay as they were: {problem}") from problem

    @_command("reload-health")
    async def reload_health(self, arguments: Mapping[str, Any]) -> Any:
        """
        Read the definitions of alerts, and who is told, again.
        """
        if self._reload_health is None:
            raise CannotDo("this node has no database, so it has no alerts")
        count, problems = await self._reload_health()
        return {"definitions": count, "problems": list(problems)}


def _sent_to(host: Host) -> str | None:
    shown = host.upstream
    return shown.destination if shown is not None and shown.connected else None


def _peer(host: Host) -> str:
    return host.link.peer if host.link is not None else "here"


COMMANDS = tuple(_COMMANDS)
"""Names of all commands."""
