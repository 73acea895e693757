"""
Whole trees of nodes that everything happens to, again exactly the same for the same seed.

A seed makes a L{Plan}: which nodes there are, who sends to whom, and what goes
wrong when.  A L{Simulation} lets it happen to real services on a simulated
network and clock, heals everything, waits until all is well, and says what is
not: samples that are missing, wrong, or were never collected.

C{python -m netstream.testing.simulation --minutes 10} tries seed after seed.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from attrs import evolve, frozen

from netstream.model.updates import ChartForgotten
from netstream.testing.holdings import exchange_at, holdings, keep
from netstream.testing.world import World, WorldNode

TROUBLE = 120.0
"""Seconds in which things go wrong."""

SETTLED_WITHIN = 900.0
"""Seconds after everything was healed in which all must be well again."""

NEW = "new"
"""The name of a parent that comes at the end."""

QUIET = 30.0
"""Seconds that pass before the samples are looked at, once all is well."""

AGED = 420.0
"""Seconds until a node has made tiers of an old past."""

JOINED_WITHIN = 900.0
"""Seconds in which a parent that is new must have what the others have."""

HOUR = 3600

LONG, SHORT = (f"[db]\n    dbengine tier 0 retention time = {time}\n" for time in ("30d", "6h"))
"""How long samples are kept before and after they have become old."""

LATE = 5
"""Newest seconds that may still be under way."""

CONFIGURED = "[health]\n    enable stock health configuration = no\n"
"""What takes time and is not looked at here."""

MEMORY = Path("/dev/shm")
"""Where files are not written to a disk; nothing here outlives its process."""


@frozen
class Member:
    """
    A node of a plan.

    @ivar destinations: Names of the nodes that it sends to, in its order.
    @ivar mode: Its database.
    @ivar skew: Seconds by which its clock is ahead.
    """

    name: str
    role: str
    destinations: Sequence[str] = ()
    mode: str = "ram"
    skew: float = 0.0


@frozen
class Fault:
    """
    Something that goes wrong.

    @ivar at: Seconds after the beginning.
    @ivar kind: C{drop}: the connections between two nodes end.  C{cut}: for a
        while nothing passes between them, in silence.  C{slow}: their packets
        take long.  C{stop}: a node is stopped and started again.  C{kill}: its
        process dies.  C{power}: its machine does, and nobody hears of it.
    @ivar who: One node, or two for what is between them.
    @ivar lasts: Seconds until it is over.
    """

    at: float
    kind: str
    who: Sequence[str]
    lasts: float


BETWEEN = ("drop", "cut", "slow")
ALONE = ("stop", "kill", "power")


@frozen
class Plan:
    """
    All that happens in a simulation.

    @ivar joins: Whether another parent is put above C{top-0} at the end.  Then
        that one has tiers of a time of which it has no samples any more, and
        samples of a chart that was forgotten.
    """

    seed: int
    members: Sequence[Member]
    faults: Sequence[Fault]
    joins: bool = False

    def __str__(self) -> str:
        lines = [f"seed {self.seed}"]
        for member in self.members:
            to = f" to {' '.join(member.destinations)}" if member.destinations else ""
            lines.append(f"  {member.name}: {member.role}, {member.mode}, clock {member.skew:+.1f} s{to}")
        for fault in self.faults:
            lines.append(f"  {fault.at:6.1f} s: {fault.kind} {' '.join(fault.who)} for {fault.lasts:.1f} s")
        if self.joins:
            lines.append("  at the end: a new parent above top-0")
        return "\n".join(lines)


def plan(seed: int, most: int = 6) -> Plan:
    """
    @param most: Nodes at most.
    @return: What that seed stands for.
    """
    rng = Random(seed)
    members: list[Member] = []
    tops = ["top-0", "top-1"] if rng.random() < 0.4 else ["top-0"]
    for name in tops:
        others = tuple(other for other in tops if other != name)
        members.append(Member(name, "proxy" if others else "parent", others, _mode(rng)))
    between = rng.randint(0, max(0, min(4, most - len(tops) - 1)))
    above = list(tops)
    for number in range(between):
        name = f"proxy-{number}"
        chosen = tuple(rng.sample(above, rng.randint(1, min(2, len(above)))))
        members.append(Member(name, "proxy", chosen, _mode(rng, "none")))
        above.append(name)
    for number in range(rng.randint(1, max(1, most - len(members)))):
        chosen = tuple(rng.sample(above, rng.randint(1, min(3, len(above)))))
        members.append(Member(f"child-{number}", "child", chosen, _mode(rng, "none")))
    members = [evolve(member, skew=rng.choice((0.0, 0.0, rng.uniform(-4, 4)))) for member in members]
    faults = tuple(_faults(rng, members))
    joins = len(tops) == 1 and rng.random() < 0.15
    if joins:
        members[0] = evolve(members[0], role="proxy", destinations=(NEW,), mode="dbengine", skew=0.0)
    return Plan(seed, tuple(members), faults, joins)


def _mode(rng: Random, *more: str) -> str:
    return rng.choice(("ram", "dbengine", *more))


def _faults(rng: Random, members: Sequence[Member]) -> Iterator[Fault]:
    links = [(member.name, other) for member in members for other in member.destinations]
    for at in sorted(rng.uniform(5, TROUBLE) for _ in range(rng.randint(1, 6))):
        kind = rng.choice(BETWEEN + ALONE)
        who = rng.choice(links) if kind in BETWEEN else (rng.choice(members).name,)
        yield Fault(at, kind, who, rng.choice((0.0, rng.uniform(0, 3), rng.uniform(0, 40))))


class Simulation:
    """
    A plan that is carried out.

    @ivar world: Its nodes, and the time.
    @ivar problems: What was found to be wrong at the end.
    @ivar joining: Settings of the parent that comes at the end.
    """

    joining = ""

    def __init__(self, plan: Plan, directory: Path) -> None:
        """
        @param directory: Where the nodes keep their files; exists.
        """
        self.plan = plan
        self.problems: list[str] = []
        self._rng = Random(plan.seed)
        self.world = World(directory, self._chunk)
        self._nodes: dict[str, WorldNode] = {}
        self._down: dict[str, float] = {}
        self._began = self.world.network.clock.seconds()

    def _chunk(self, size: int) -> int:
        return self._rng.randint(1, size) if self._rng.random() < 0.05 else size

    @property
    def elapsed(self) -> float:
        """
        Seconds since the beginning.
        """
        return self.world.network.clock.seconds() - self._began

    def run(self) -> Sequence[str]:
        """
        Let everything happen.

        @return: What is wrong afterwards; nothing if all is well.
        """
        chance = random.getstate()
        random.seed(self.plan.seed)  # what nodes leave to chance, such as how long they wait
        try:
            self._start()
            self._suffer()
            self._heal()
            if self._settle():
                self.world.advance(QUIET)
                self.problems += self._compare()
                if self.plan.joins:
                    self.problems += self._join()
        finally:
            self.world.stop()
            random.setstate(chance)
        return self.problems

    def _start(self) -> None:
        for member in self.plan.members:
            old = self.plan.joins and member.name == "top-0"
            node = self._nodes[member.name] = self.world.node(
                member.name,
                member.role,
                destination=" ".join(member.destinations) or None,
                mode=member.mode,
                skew=member.skew,
                conf=(LONG if old else "") + CONFIGURED,
            )
            if old:
                self._age(node)
        self._began = self.world.network.clock.seconds()

    def _age(self, node: WorldNode) -> None:
        """
        Give a node a past: two charts, of which the samples became too old and
        the tiers made of them did not; one was collected yesterday for the
        last time, and forgotten.
        """
        now = self.world.now
        keep(self.world, node, node.name, "old.kept", now - 30 * HOUR, now - 29 * HOUR)
        keep(self.world, node, node.name, "old.kept", now - 4 * HOUR, now - 3 * HOUR)
        keep(self.world, node, node.name, "old.gone", now - 30 * HOUR, now - 29 * HOUR)
        self.world.advance(AGED)
        node.stop()
        path = node.service.settings.config_dir / "netstream.conf"
        path.write_text(path.read_text().replace(LONG, SHORT))
        node.start()
        node.hub.local.apply(ChartForgotten("old.gone"))

    def _join(self) -> Iterator[str]:
        """
        @return: What a parent that is new has not, or not as the one below.
        """
        new = self._nodes[NEW] = self.world.node(NEW, "parent", mode="dbengine", conf=self.joining + CONFIGURED)
        top, end = self._nodes["top-0"], self.elapsed + JOINED_WITHIN
        while True:
            self.world.advance(30)
            lacks = list(self._unequal(top, new))
            if not lacks or self.elapsed >= end:
                break
        yield from lacks
        if not lacks:
            yield from self._compare()

    def _unequal(self, top: WorldNode, new: WorldNode) -> Iterator[str]:
        """
        @return: What one parent has of some host that rests, and the other
            has otherwise.
        """
        settled = self.world.now - 2 * HOUR
        for host in top.hub:
            name, guid = host.info.hostname, host.info.guid
            oldest = exchange_at(top).oldest(guid)
            theirs, mine = (
                {key: value for key, value in holdings(self.world, node, guid).items() if oldest[key[0]] <= key[1]}
                for node in (top, new)
            )
            wrong = sorted(key for key in {*theirs, *mine} if key[1] < settled and theirs.get(key) != mine.get(key))
            if wrong:
                yield f"{new.name} has {len(wrong)} rows of {name} otherwise than {top.name}, such as {wrong[:3]}"
            if name == top.name and not {0, 1, 2} <= {key[0] for key in theirs if key[2] == "old.kept"}:
                yield f"{top.name} lost tiers of its own past"
            charts = {key[2] for key in theirs}
            known = {chart.id for chart in self.world.settle(exchange_at(new).definitions(guid, sorted(charts)))}
            if charts - known:
                yield f"{new.name} does not know charts of {name}: {' '.join(sorted(charts - known))}"

    def _suffer(self) -> None:
        """
        Let the faults happen, each with its end, in the order of time.
        """
        events: list[tuple[float, int, Fault, bool]] = []
        for number, fault in enumerate(self.plan.faults):
            events.append((fault.at, number, fault, True))
            events.append((min(fault.at + fault.lasts, TROUBLE), number, fault, False))
        for at, _, fault, begins in sorted(events, key=lambda event: (event[0], event[1], not event[3])):
            self.world.advance(max(0.0, at - self.elapsed))
            if fault.kind in BETWEEN:
                self._disturb(fault, begins)
            elif begins:
                self._end(fault)
            else:
                self._restart(fault.who[0])

    def _disturb(self, fault: Fault, begins: bool) -> None:
        one, other = (self._nodes[name] for name in fault.who)
        if fault.kind == "drop":
            if begins:
                self.world.network.drop(one.name, other.name)
        elif fault.kind == "cut":
            (self.world.cut if begins else self.world.heal)(one, other)
        else:
            self.world.network.latency = 1.0 if begins else 0.0005

    def _end(self, fault: Fault) -> None:
        name = fault.who[0]
        if name in self._down:
            return
        self._down[name] = self.elapsed
        if fault.kind == "stop":
            self._nodes[name].stop()
        else:
            self._nodes[name].crash(silent=fault.kind == "power")

    def _restart(self, name: str) -> None:
        if self._down.pop(name, None) is not None:
            self._nodes[name].start()

    def _heal(self) -> None:
        self.world.advance(max(0.0, TROUBLE - self.elapsed))
        self.world.network.latency = 0.0005
        for fault in self.plan.faults:
            if fault.kind == "cut":
                self.world.heal(*(self._nodes[name] for name in fault.who))
        for name in tuple(self._down):
            self._restart(name)

    def holders(self, origin: str) -> Sequence[str]:
        """
        @return: Names of the nodes that a node's samples reach now, itself
            first.
        """
        guid = self._nodes[origin].hub.local.info.guid
        reached = [origin]
        for name in reached:
            uplink = self._nodes[name].service.uplinks.get(guid)
            if uplink is not None and uplink.connected is not None and uplink.connected.host not in reached:
                reached.append(uplink.connected.host)
        return reached

    def _lost(self) -> list[str]:
        """
        @return: What has not come together yet.
        """
        tops = {member.name for member in self.plan.members if member.name.startswith("top-")}
        lost = []
        for member in self.plan.members:
            reached = self.holders(member.name)
            if missing := tops.difference(reached) if tops & set(reached) else {"any top"}:
                lost.append(f"{member.name} reaches {' '.join(reached)}, not {' '.join(sorted(missing))}")
        return lost

    def _settle(self) -> bool:
        end = self.elapsed + SETTLED_WITHIN
        while lost := self._lost():
            if self.elapsed >= end:
                self.problems += [f"after {SETTLED_WITHIN:g} s {line}" for line in lost]
                return False
            self.world.advance(5.0)
        return True

    def _compare(self) -> Iterator[str]:
        """
        @return: Where a node has not what it must have, or what it must not.
        """
        for member in self.plan.members:
            here = self._nodes[member.name]
            last = int(here.machine.seconds()) - LATE
            for dimension in ("second", "count"):
                mine = self._read(here, here, dimension, last)
                if dimension == "second":
                    yield from self._false(member.name, member.name, mine)
                for name in self.holders(member.name)[1:]:
                    theirs = self._read(self._nodes[name], here, dimension, last)
                    if dimension == "second":
                        yield from self._false(name, member.name, theirs)
                    yield from self._differences(name, member.name, dimension, mine, theirs)
            yield from self._astray(member.name)

    def _astray(self, origin: str) -> Iterator[str]:
        """
        @return: Which node does not know the way that a node's samples take.
        """
        way = list(self.holders(origin))
        guid = self._nodes[origin].hub.local.info.guid
        for name in way:
            host = self._nodes[name].hub.get(guid)
            told = [(entry["hops"], entry["hostname"]) for entry in host.path] if host is not None else []
            if told != list(enumerate(way)):
                yield f"{name} says that the samples of {origin} pass {told}, not {way}"

    def _read(self, node: WorldNode, origin: WorldNode, dimension: str, last: int) -> Mapping[int, float]:
        guid = origin.hub.local.info.guid
        return node.read(guid, "test.clock", dimension, int(self._began) - 60, last)

    def _false(self, name: str, origin: str, values: Mapping[int, float]) -> Iterator[str]:
        wrong = {second: value for second, value in values.items() if value != second}
        if wrong:
            yield f"{name} has of {origin} what never was: {wrong}"

    def _differences(
        self, name: str, origin: str, dimension: str, mine: Mapping[int, float], theirs: Mapping[int, float]
    ) -> Iterator[str]:
        missing = sorted(mine.keys() - theirs.keys())
        if missing:
            yield f"{name} misses of {origin}'s {dimension} {len(missing)} s of {len(mine)}: {self._spans(missing)}"
        wrong = {s: (mine[s], theirs[s]) for s in mine.keys() & theirs.keys() if not _same(mine[s], theirs[s])}
        if wrong:
            yield f"{name} has other values of {origin}'s {dimension}: {wrong}"

    def _spans(self, seconds: Sequence[int]) -> str:
        """
        @param seconds: Ascending.
        @return: Where they are, counted from the beginning.
        """
        began = int(self._began)
        spans: list[list[int]] = []
        for second in seconds:
            if spans and second == spans[-1][1] + 1:
                spans[-1][1] = second
            else:
                spans.append([second, second])
        return ", ".join(f"{first - began}-{last - began}" for first, last in spans)


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-9)


def simulate(seed: int, most: int = 6) -> tuple[Plan, Sequence[str]]:
    """
    Carry out what a seed stands for.

    @return: Its plan, and what was wrong at the end.
    """
    it = plan(seed, most)
    fast = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="netstream-", dir=fast) as directory:
        return it, Simulation(it, Path(directory)).run()


def again(seed: int, most: int = 6) -> str:
    """
    @return: The command that carries out a seed once more.
    """
    return f"python -m netstream.testing.simulation --once --seed {seed} --nodes {most}"


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Try seeds for as long as asked.

    @return: Exit status: 1 if something was wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m netstream.testing.simulation", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to try (default: 1)")
    parser.add_argument("--seed", type=int, help="begin with this one (default: the time)")
    parser.add_argument("--once", action="store_true", help="only that one, and say what happens in it")
    parser.add_argument("--nodes", type=int, default=12, help="nodes at most (default: 12)")
    options = parser.parse_args(arguments)
    seed = int(time.time()) if options.seed is None else options.seed
    end = time.monotonic() + 60 * options.minutes
    tried = failed = 0
    while True:
        it, problems = simulate(seed, options.nodes)
        tried += 1
        if options.once:
            print(it)
        if problems:
            failed += 1
            print(f"{it}\n  " + "\n  ".join(problems))
            print(f"  again: {again(seed, options.nodes)}", flush=True)
        if options.once or time.monotonic() >= end:
            break
        seed += 1
    print(f"{tried} seeds tried, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
