"""
C{/sys/fs/cgroup}: which control groups there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from netstream.collect.cgroup_names import ContainerNames, chart_word, group_name, plain
from netstream.collect.files import Machine
from netstream.config.cgroups import CgroupSettings

V1 = ("cpuacct", "cpuset", "blkio", "memory", "devices")
"""The hierarchies of version 1 that are looked at."""
UNIFIED = "unified"
"""What the hierarchy of version 2 is called here."""


@frozen
class Group:
    """
    A control group that is shown.

    @ivar path: Below the root of each hierarchy, with a slash in front.
    @ivar name: What its charts, or its dimensions, are named by.
    @ivar title: What people call it.
    @ivar service: Whether it is a service of systemd.
    """

    path: str
    name: str
    title: str
    service: bool


class Groups:
    """
    The control groups of a machine.

    @ivar unified: Whether they are of version 2.
    @ivar roots: Where the hierarchies begin, by name.
    """

    def __init__(self, machine: Machine, settings: CgroupSettings) -> None:
        self._base = base = machine.sys / "fs" / "cgroup"
        unified = Path(settings.unified_path) if settings.unified_path else base
        present = settings.unified == "auto" and (unified / "cgroup.controllers").exists()
        self.unified = settings.unified == "yes" or present
        self.roots = (
            {UNIFIED: unified} if self.unified else {name: Path(settings.paths.get(name) or base / name) for name in V1}
        )
        self._settings = settings
        self._containers = ContainerNames(machine.var)

    @property
    def source(self) -> str:
        """
        Where they are, for messages.
        """
        return str(self.roots[UNIFIED] if self.unified else self._base)

    def find(self) -> tuple[Sequence[Group], int]:
        """
        Search for them.

        @return: Those that are shown, and how many more there would be than
            are allowed.
        @raise OSError: There are no hierarchies at all.
        """
        settings = self._settings
        paths: dict[str, None] = {}
        roots = [root for root in self.roots.values() if root.is_dir()]
        if not roots:
            raise FileNotFoundError(2, os.strerror(2), self.source)
        for root in roots:
            paths.update(dict.fromkeys(self._below(root)))
        found: dict[str, Group] = {}
        more = 0
        for path in paths:
            group = self._group(path)
            if group is None or group.name in found:
                # Two groups of one name would have the same charts: the first one has them.
                continue
            if len(found) < settings.most:
                found[group.name] = group
            else:
                more += 1
        return list(found.values()), more

    def _below(self, root: Path) -> Iterator[str]:
        deepest = self._settings.deepest
        search = [""]
        while search:
            above = search.pop()
            try:
                with os.scandir(f"{root}{above}") as entries:
                    names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
            except OSError:
                # Gone meanwhile, or not for us to see.
                continue
            for name in names:
                path = f"{above}/{name}"
                yield path
                if (not deepest or path.count("/") < deepest) and self._settings.searched.matches(path):
                    search.append(path)

    def _group(self, path: str) -> Group | None:
        settings = self._settings
        if settings.services and settings.service_groups.matches(path):
            return Group(path, chart_word(path), plain(path.rpartition("/")[2]).removesuffix(".service"), True)
        if not settings.shown.matches(path):
            return None
        title = group_name(path, self._containers) if settings.renamed.matches(path) else plain(path)
        if not settings.shown_names.matches(title):
            return None
        return Group(path, chart_word(title), title, False)
