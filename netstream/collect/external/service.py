"""
The service that finds external plugins and runs them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from netstream.collect.external.environment import environment, room
from netstream.collect.external.plugin import Plugin, Program, executable
from netstream.config.feeds import PluginOptions
from netstream.config.settings import Settings
from netstream.hub.hub import Hub

SUFFIX = ".plugin"

MOST = 100
"""Plugins that are run."""

SWEEP_EVERY = 10.0
"""Seconds between two looks at the virtual nodes that they speak for."""


class ExternalPlugins(Service):
    """
    Runs each executable C{*.plugin} of the directories of plugins, unless
    C{[plugins]} says no, and looks for new ones now and then.

    Of several of one name the first directory's is run.
    """

    _log = Logger()

    def __init__(self, hub: Hub, settings: Settings, reactor: Any) -> None:
        """
        @param reactor: Provides time, whose seconds are UTC, and processes.
        """
        self._hub = hub
        self._settings = settings
        self._reactor = reactor
        self._next: IDelayedCall | None = None
        self._sweeping: IDelayedCall | None = None
        self.plugins: dict[str, Plugin] = {}

    def startService(self) -> None:
        """
        Begin to run plugins (called by Twisted).
        """
        super().startService()
        for name in ("", "web", "cache", "lib", "lock", "log"):
            (room(self._settings) / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._look()
        self._sweep()

    def stopService(self) -> Deferred[object]:
        """
        End them (called by Twisted).

        @return: Fires when the last has ended.
        """
        super().stopService()
        for waiting in (self._next, self._sweeping):
            if waiting is not None and waiting.active():
                waiting.cancel()
        self._next = self._sweeping = None
        plugins, self.plugins = self.plugins, {}
        ending = [stopped for plugin in plugins.values() if (stopped := plugin.stop()) is not None]
        return gatherResults(ending).addCallback(lambda _: None)

    def _look(self) -> None:
        self._next = None
        for name, path in self._found().items():
            if name in self.plugins or not self._wanted(name):
                continue
            if len(self.plugins) >= MOST:
                self._log.warn("more than {most} plugins; {path} and others are not run", most=MOST, path=str(path))
                break
            self.plugins[name] = self._plugin(name, path)
            self.plugins[name].start()
        every = self._settings.feeds.plugins.look_every
        if every:
            self._next = self._reactor.callLater(every, self._look)

    def _sweep(self) -> None:
        for plugin in self.plugins.values():
            plugin.sweep()
        self._sweeping = self._reactor.callLater(SWEEP_EVERY, self._sweep)

    def _found(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for directory in self._settings.feeds.plugins.directories:
            try:
                names = sorted(each.name for each in os.scandir(directory))
            except OSError:
                continue
            for each in names:
                name = each.removesuffix(SUFFIX)
                if name and name != each and name not in found and executable(directory / each):
                    found[name] = directory / each
        return found

    def _wanted(self, name: str) -> bool:
        return self._settings.plugins.get(name, self._settings.feeds.plugins.new)

    def _plugin(self, name: str, path: Path) -> Plugin:
        settings = self._settings
        options = settings.feeds.plugins.options.get(name, PluginOptions())
        # A plugin cannot be faster than what keeps its samples.
        every = max(options.update_every, settings.db.update_every)
        told = environment(settings, path.parent, self._hub.local.info.guid, every, os.environ)
        program = Program(name, path, every, tuple(options.arguments), told)
        return Plugin(program, self._hub, settings, self._reactor)
