"""
Which network interfaces of this machine are the outer ends of those of containers.

The kernel tells anybody where the other end of an interface is, and in which of
these places a process is; C{/proc} has what the ends are called there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import define, field, frozen
from twisted.logger import Logger

from netstream.collect.cgroup_find import Group
from netstream.collect.charts import safe_id
from netstream.collect.links import Link, Links

MOST_PROCESSES = 8
"""Processes of a group that are asked where they are."""

MOST_BELOW = 64
"""Groups below a group that are searched for a process."""


@frozen
class Owner:
    """
    Whose an interface is.

    @ivar charts: What the ids of the container's charts begin with.
    @ivar context: What their contexts begin with.
    @ivar inner: The interface as the container calls it.
    """

    charts: str
    context: str
    inner: str


@define(eq=False)
class Owners:
    """
    What is known of all interfaces.

    @ivar sought: Whether anybody looks for containers.
    @ivar asked: Whether there are interfaces of which nothing was known when
        somebody looked last.
    @ivar of: By the name of an interface here.
    """

    sought: bool = False
    asked: bool = False
    of: Mapping[str, Owner] = field(factory=dict)


def inner_names(proc: Path, pid: int) -> dict[int, str]:
    """
    @param proc: C{/proc}, or a tree like it.
    @return: What the interfaces are called where a process is, by number; of
        those that take part in multicast, as all do that are up.
    """
    names = {}
    for file in ("dev_mcast", "igmp"):
        try:
            text = (proc / str(pid) / "net" / file).read_text(errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            words = line.split()
            if len(words) > 1 and words[0].isdigit() and not line.startswith("\t"):
                names[int(words[0])] = words[1]
    return names


class Networks:
    """
    Looks for the owners of interfaces.
    """

    _log = Logger()

    def __init__(self, proc: Path, roots: Mapping[str, Path], links: Links, owners: Owners) -> None:
        """
        @param roots: Where the hierarchies of groups begin.
        @param owners: Whom to tell.
        """
        self._proc = proc
        self._roots = roots
        self._links = links
        self._owners = owners
        self._told = False
        owners.sought = True

    def look(self, containers: Iterable[tuple[Group, str]]) -> None:
        """
        Look again.

        @param containers: Groups, with what their contexts begin with.
        """
        self._owners.asked = False
        try:
            found = self._found(containers)
        except OSError as problem:
            found = {}
            if not self._told:
                self._told = True
                self._log.info(
                    "network interfaces of containers are shown as those of this machine: {problem}",
                    problem=problem.strerror or str(problem),
                )
        self._owners.of = found

    def _found(self, containers: Iterable[tuple[Group, str]]) -> dict[str, Owner]:
        places: dict[int, list[Link]] = {}
        for link in self._links.far():
            places.setdefault(link.namespace, []).append(link)
        found: dict[str, Owner] = {}
        for group, context in containers:
            if not places:
                break
            for pid in self._processes(group.path):
                links = places.pop(self._links.namespace(pid), None)
                if links is None:
                    continue
                # Several groups in one place: the first has its interfaces.
                charts, names = f"cgroup_{group.name}", inner_names(self._proc, pid)
                taken: set[str] = set()
                for link in links:
                    inner = safe_id(names.get(link.peer, link.name))
                    inner = link.name if inner in taken else inner
                    taken.add(inner)
                    found[link.name] = Owner(charts, context, inner)
                break
        return found

    def _processes(self, path: str) -> Iterator[int]:
        """
        @return: A few processes of a group, or of one below it.
        """
        for root in self._roots.values():
            count = 0
            for place in self._below(f"{root}{path}"):
                try:
                    with open(f"{place}/cgroup.procs", "rb") as file:
                        for line in file:
                            yield int(line)
                            count += 1
                            if count == MOST_PROCESSES:
                                return
                except (OSError, ValueError):
                    continue
            if count:
                return

    def _below(self, path: str) -> Iterator[str]:
        search, count = [path], 0
        while search and count < MOST_BELOW:
            place = search.pop()
            count += 1
            yield place
            try:
                with os.scandir(place) as entries:
                    search += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                continue

    def close(self) -> None:
        """
        Nobody looks any more.
        """
        self._owners.sought, self._owners.of = False, {}
