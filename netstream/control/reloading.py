"""
Reading the files of a node again while it runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from netstream.config.errors import ConfigError
from netstream.config.reload import Configuration
from netstream.config.settings import Settings


@frozen
class Reloaded:
    """
    What reading the files again has changed.

    @ivar changed: One line for each option that is different.
    @ivar restart: The same for those that wait for a restart.
    @ivar done: One line for each port that was opened, closed or changed, and
        for what became of TLS.
    @ivar went: One line for each child that had to go.
    @ivar warnings: What is odd in the files and was not before.
    @ivar definitions: How many definitions of alerts are in use; L{None} if
        this node has no alerts.
    @ivar problems: What is wrong with definitions of alerts.
    """

    changed: Sequence[str] = ()
    restart: Sequence[str] = ()
    done: Sequence[str] = ()
    went: Sequence[str] = ()
    warnings: Sequence[str] = ()
    definitions: int | None = None
    problems: Sequence[str] = ()


class Ready(Protocol):
    """
    What was prepared for other settings.

    @ivar done: One line for each thing that it changes.
    """

    @property
    def done(self) -> Sequence[str]:
        """
        See above.
        """


class Reloading:
    """
    Reads the files of a node again, and lets the node go by them: by all that
    is in them, or by nothing if anything is wrong.
    """

    _log = Logger()

    def __init__(
        self,
        configuration: Configuration,
        prepare: Callable[[Settings], Awaitable[Ready | None]],
        apply: Callable[[Settings, Any], Awaitable[Sequence[str]]],
        reload_health: Callable[[], Awaitable[tuple[int, Sequence[str]]]] | None,
    ) -> None:
        """
        @param prepare: Reads and opens what the settings name, such as
            certificates and ports, and changes nothing else; raises
            L{ConfigError} if something is wrong.
        @param apply: Lets the node go by settings, given what was prepared for
            them; gives a line for each child
            that had to go.
        @param reload_health: Reads the definitions of alerts again; L{None} if
            this node has no alerts.
        """
        self._configuration = configuration
        self._prepare = prepare
        self._apply = apply
        self._reload_health = reload_health
        self._lock = DeferredLock()

    def reload(self) -> Deferred[Reloaded]:
        """
        Read them again.

        @return: Fires when the node goes by them; fails with L{ConfigError},
            and then it goes by the old ones.
        """
        return self._lock.run(lambda: Deferred.fromCoroutine(self._reload()))

    async def _reload(self) -> Reloaded:
        before = self._configuration.settings
        try:
            change = self._configuration.reread()
            prepared = await self._prepare(change.settings)
        except ConfigError as problem:
            self._log.error("the settings stay as they were: {problem}", problem=problem)
            raise
        warnings = [line for line in change.settings.warnings if line not in before.warnings]
        for line in warnings:
            self._log.warn("{text}", text=line)
        self._log.info("the files were read again: {count} options changed", count=len(change.changed))
        for line in change.changed:
            self._log.info("changed: {line}", line=line)
        for line in change.restart:
            self._log.warn("changes when the node is restarted: {line}", line=line)
        done = prepared.done if prepared is not None else ()
        for line in done:
            self._log.info("this node {line}", line=line)
        self._configuration.accept(change)
        went = await self._apply(change.settings, prepared) if done or change.settings != before else ()
        count: int | None = None
        problems: Sequence[str] = ()
        if self._reload_health is not None:
            count, problems = await self._reload_health()
        return Reloaded(change.changed, change.restart, tuple(done), tuple(went), warnings, count, tuple(problems))
