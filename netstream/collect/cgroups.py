"""
Control groups: containers, virtual machines, and services of systemd.
"""

from __future__ import annotations

import errno
import os

from twisted.logger import Logger

from netstream.collect.cgroup_charts import Container
from netstream.collect.cgroup_find import Group, Groups
from netstream.collect.cgroup_networks import Networks, Owners
from netstream.collect.cgroup_services import Services
from netstream.collect.cgroup_usage import Usage, ticks_of, usage_of
from netstream.collect.files import Machine
from netstream.collect.links import Links, Netlink
from netstream.config.cgroups import CgroupSettings

_PROBLEMS = (OSError, ValueError, LookupError)
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR})
"""How a group that has ended is read."""


class Cgroups:
    """
    All control groups that are shown. They are searched for every ten seconds
    and when one cannot be read; one that is odd is left out, with one line in
    the log.
    """

    _log = Logger()

    def __init__(
        self,
        machine: Machine,
        update_every: int,
        settings: CgroupSettings | None = None,
        owners: Owners | None = None,
        links: Links | None = None,
    ) -> None:
        """
        @param settings: Which groups are shown, if not the usual ones.
        @param owners: Who is told which network interfaces are whose; nobody
            if not given.
        @param links: Knows of network interfaces; this machine if not given.
        """
        self._settings = settings or CgroupSettings()
        self._groups = Groups(machine, self._settings)
        self._memory_file = machine.proc / "meminfo"
        self._every = update_every
        self._processors = os.cpu_count() or 1
        self._containers: dict[str, Container] = {}
        self._services: dict[str, tuple[Group, Usage]] = {}
        self._service_charts = Services(ticks_of(self._groups.unified), update_every)
        self._owners = owners or Owners()
        self._networks: Networks | None = None
        if owners is not None:
            self._networks = Networks(machine.proc, self._groups.roots, links or Netlink(), owners)
        self._odd: set[str] = set()
        self._looked = 0
        self._told_more = False

    @property
    def source(self) -> str:
        """
        What it reads, for messages.
        """
        return self._groups.source

    def _memory(self) -> int:
        try:
            for line in self._memory_file.read_bytes().splitlines():
                if line.startswith(b"MemTotal:"):
                    return int(line.split()[1]) * 1024
        except (OSError, ValueError, LookupError):
            pass
        return 0

    def _look(self) -> bytes:
        groups, more = self._groups.find()
        if more and not self._told_more:
            self._told_more = True
            self._log.warn(
                "{source}: {more} control groups are not shown; 'max cgroups to allow' is {most}",
                source=self.source,
                more=more,
                most=self._settings.most,
            )
        present = {group.path: group for group in groups}
        self._odd &= present.keys()
        text = []
        for path, container in list(self._containers.items()):
            if present.get(path) != container.group:
                text.append(self._end(path))
        for path, (group, _) in list(self._services.items()):
            if present.get(path) != group:
                del self._services[path]
        memory = self._memory()
        for path, group in present.items():
            if path in self._odd:
                continue
            if group.service:
                self._services.setdefault(path, (group, usage_of(self._groups.roots, path, False)))[1].look()
                continue
            if path not in self._containers:
                usage = usage_of(self._groups.roots, path, True)
                self._containers[path] = Container(group, usage, self._every)
            try:
                self._containers[path].look(self._processors, memory)
            except _PROBLEMS as problem:
                self._lose(path, problem)
                text.append(self._end(path))
        if self._networks is not None:
            self._networks.look((container.group, container.context) for container in self._containers.values())
        return b"".join(text)

    def _end(self, path: str) -> bytes:
        return self._containers.pop(path).withdraw()

    def _lose(self, path: str, problem: Exception) -> None:
        if isinstance(problem, OSError) and problem.errno in _GONE:
            # Another may have its name already.
            self._looked = 0
            return
        self._odd.add(path)
        self._log.warn(
            "{source}: the control group {group} is not shown: a file is not as expected ({problem})",
            source=self.source,
            group=path,
            problem=repr(problem),
        )

    def collect(self, now: int) -> bytes:
        """
        Measure.
        """
        text = []
        # Ticks are whole seconds, but not to the microsecond.
        if self._owners.asked or not 0 < now - self._looked < self._settings.search_every * 1_000_000 - 500_000:
            self._looked = now
            text.append(self._look())
        for path, container in list(self._containers.items()):
            try:
                text.append(container.collect(now))
            except _PROBLEMS as problem:
                self._lose(path, problem)
                text.append(self._end(path))
        numbers = {}
        for path, (group, usage) in list(self._services.items()):
            try:
                numbers[group.name] = usage.numbers()
            except _PROBLEMS as problem:
                self._lose(path, problem)
                del self._services[path]
        titles = {group.name: group.title for group, _ in self._services.values()}
        text.append(self._service_charts.blocks(now, numbers, titles))
        return b"".join(text)

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares all charts obsolete.
        """
        self._looked = 0
        return b"".join([*(self._end(path) for path in list(self._containers)), self._service_charts.withdraw()])

    def close(self) -> None:
        """
        Be done: no interfaces are anybody's.
        """
        if self._networks is not None:
            self._networks.close()
