"""
All databases of a node as one.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import astuple
from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from netstream.db.interfaces import Health, IMetricsDB, Stats
from netstream.db.messages import Unavailable


def health(engines: Iterable[IMetricsDB]) -> Health:
    """
    @return: The sum, with the first problem.
    """
    found = [engine.health() for engine in engines]
    disk: dict[str, int] = {}
    for one in found:
        for part, size in one.disk.items():
            disk[part] = disk.get(part, 0) + size
    problem = next((one.problem for one in found if one.problem is not None), None)
    return Health(problem, sum(one.damaged for one in found), sum(one.lost for one in found), disk)


def stats(engines: Iterable[IMetricsDB]) -> Deferred[Stats]:
    """
    @return: The sum, without what a process has that does not run just now.
    """

    def absent(failure: Failure) -> Stats:
        failure.trap(Unavailable)
        return Stats()

    asked = gatherResults([engine.stats().addErrback(absent) for engine in engines], consumeErrors=True)
    return asked.addCallback(lambda found: Stats(*map(sum, zip(*map(astuple, found), strict=True))))
