"""
The workers of a node: who has which host, and that they run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.processes import DATABASE, directory_of, left_to, of_workers
from netstream.db import NoneDB
from netstream.db.interfaces import HostRecord
from netstream.db.messages import Unavailable
from netstream.hub.hub import Hub, Link
from netstream.model.host import HostInfo
from netstream.model.updates import ChartDefined
from netstream.processes.channel import Channel
from netstream.processes.crew import Crew
from netstream.processes.member import (
    ENDS_WITHIN,
    FIRST_PAUSE,
    STEADY_AFTER,
    WAITING_MOST,
    WAITS,
    CannotStart,
    Process,
)
from netstream.processes.work import ADOPT, BEGIN
from netstream.streaming.passing import Handed
from netstream.wire.handshake import Refusal
from tests.processes.case import Imitation, parent_settings, turns
from tests.processes.test_reports import chart

HERE = HostInfo("11111111-1111-4111-8111-111111111111", "here")


def child(number: int) -> HostInfo:
    """
    @return: One of many children.
    """
    return HostInfo(f"22222222-2222-4222-8222-{number:012}", f"child-{number}")


class CrewCase(SynchronousTestCase):
    """
    A crew with workers that are no processes.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.directory = Path(self.mktemp())
        self.spawned: list[tuple[str, Imitation]] = []
        self.hub = Hub(HERE, NoneDB())
        self.taken: list[tuple[str, bytes]] = []
        self.problem: OSError | None = None
        self.slow = False

    def spawn(self, name: str, channel: Channel) -> Process:
        if self.problem is not None:
            raise self.problem
        imitation = Imitation(channel, self.clock)
        imitation.channel.verbs[ADOPT] = self.adopt(name, imitation.channel)
        if self.slow:
            imitation.channel.verbs[BEGIN] = lambda message: Deferred()
        self.spawned.append((name, imitation))
        return imitation.process

    def adopt(self, name: str, channel: Channel) -> Callable[[object], None]:
        def adopted(message: object) -> None:
            os.close(channel.descriptor())
            self.taken.append((name, bytes(message.parts[0])))  # type: ignore[attr-defined]

        return adopted

    def crew(self, workers: int = 2, *overrides: str, spooled: Collection[str] = ()) -> Crew:
        """
        @return: A crew that is ready.
        """
        settings = parent_settings(self.directory, workers, *overrides)
        crew = Crew(settings, self.hub, self.clock, self.spawn, lambda: 1.0, spooled)
        started = crew.start()
        turns(self.clock, lambda: started.called)
        self.successResultOf(started)
        self.addCleanup(self.stop, crew)
        return crew

    def stop(self, crew: Crew) -> None:
        """
        Stop a crew, which takes a moment.
        """
        stopped = crew.stop()
        turns(self.clock, lambda: stopped.called)
        self.successResultOf(stopped)

    def newest(self, name: str) -> Imitation:
        """
        @return: The worker of that name that was started last.
        """
        return next(imitation for known, imitation in reversed(self.spawned) if known == name)

    def hand(self, crew: Crew, info: HostInfo) -> Refusal | None:
        """
        A child is admitted.

        @return: Why it is refused all the same.
        """
        taker = crew.where(info.guid)
        if isinstance(taker, Refusal):
            return taker
        assert taker is not None
        reads, writes = os.pipe()
        os.close(writes)
        taker(reads, Handed("127.0.0.1", 1, info.guid.encode(), b"")).addBoth(lambda _: os.close(reads))
        return None

    def connects(self, name: str, info: HostInfo) -> None:
        """
        A worker begins to have a host.
        """
        worker = self.newest(name).worker
        engine = worker.engines[-1]
        worker.hub.connect(info, engine, Link("127.0.0.1:1", self.clock.seconds()))


class CrewTests(CrewCase):
    """
    L{Crew}.
    """

    def test_new_hosts(self) -> None:
        """
        New hosts go to each worker in turn, also before anything is known of them, and come again to their own.
        """
        crew = self.crew()
        for _ in range(2):
            for number in range(4):
                self.assertIsNone(self.hand(crew, child(number)))
        self.clock.advance(0)
        self.clock.advance(0)
        of = {guid.decode(): name for name, guid in self.taken}
        self.assertEqual(len(self.taken), 8)
        self.assertEqual(sorted(of.values()), ["worker 1", "worker 1", "worker 2", "worker 2"])
        for name, guid in self.taken:
            self.assertEqual(of[guid.decode()], name)

    def test_least_loaded(self) -> None:
        """
        A new host goes where there are fewest series.
        """
        crew = self.crew()
        worker = self.newest("worker 1").worker
        host = worker.hub.connect(child(1), worker.engines[-1], Link("peer", 0.0))
        for number in range(5000):
            host.table.number("chart", str(number))
        turns(self.clock, lambda: crew.members[0].mirror.series == 5000)
        for number in range(2, 6):
            self.hand(crew, child(number))
        turns(self.clock, lambda: len(self.taken) == 4)
        self.assertEqual({name for name, _ in self.taken}, {"worker 2"})

    def test_own_hosts(self) -> None:
        """
        A host that the process that serves has from before stays its own.
        """
        crew = self.crew()
        self.hub.connect(child(1), NoneDB(), Link("peer", 0.0))
        self.assertIsNone(crew.where(child(1).guid))
        self.assertIsNone(crew.where(HERE.guid))

    def test_stays_over_restarts(self) -> None:
        """
        A host goes to the worker that has its history, also when the node was stopped meanwhile and when it has
        fewer workers now: then others open what that one has stored.
        """
        crew = self.crew(3)
        for number, name in enumerate(("worker 1", "worker 2", "worker 3")):
            self.connects(name, child(number))
            host = self.newest(name).worker.hub.get(child(number).guid)
            assert host is not None
            host.apply(ChartDefined(chart("a.b", "x")))
        self.clock.advance(5)
        turns(self.clock, lambda: len(self.hub) == 4)
        self.stop(crew)
        self.assertEqual(list(of_workers(self.directory / "data")), [1, 2, 3])
        self.hub = Hub(HERE, NoneDB())
        crew = self.crew(2)
        self.assertEqual([len(member.mirror.hosts) for member in crew.members], [2, 1])
        shown = self.hub.get(child(2).guid)
        assert shown is not None
        self.assertEqual((list(shown.charts), shown.online, shown.db.mode), (["a.b"], False, "dbengine"))
        self.hand(crew, child(2))
        turns(self.clock, lambda: bool(self.taken))
        self.assertEqual(self.taken[0][0], "worker 1")

    def test_started_again(self) -> None:
        """
        A worker that ends is started again, ever later if it ends soon; meanwhile its hosts are offline, and its
        children wait for it instead of being sent away.
        """
        crew = self.crew(1)
        self.connects("worker 1", child(1))
        turns(self.clock, lambda: len(self.hub) == 2)
        for pause in (FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE):
            count = len(self.spawned)
            self.newest("worker 1").die()
            host = self.hub.get(child(1).guid)
            assert host is not None
            self.assertFalse(host.online)
            self.assertIsNone(self.hand(crew, child(1)))
            self.clock.advance(pause - 0.1)
            self.assertEqual(len(self.spawned), count)
            turns(self.clock, lambda: crew.members[0].ready)
            turns(self.clock, lambda: bool(self.taken))
            self.taken.clear()
        self.clock.pump([10.0] * int(STEADY_AFTER // 10 + 1))
        self.newest("worker 1").die()
        self.clock.advance(FIRST_PAUSE)
        turns(self.clock, lambda: crew.members[0].ready)

    def test_ends_before_it_has_it(self) -> None:
        """
        A connection that a worker was given just when it ended is the next one's; so the child does not have to
        come again.
        """
        crew = self.crew(1)
        first = self.newest("worker 1")
        first.channel.verbs[ADOPT] = lambda message: Deferred()
        self.assertIsNone(self.hand(crew, child(1)))
        first.die()
        turns(self.clock, lambda: bool(self.taken))
        self.assertEqual(self.taken, [("worker 1", child(1).guid.encode())])

    def test_begins(self) -> None:
        """
        A worker that has only just been started is asked nothing before it can answer.
        """
        crew = self.crew(1)
        self.connects("worker 1", child(1))
        turns(self.clock, lambda: len(self.hub) == 2)
        self.newest("worker 1").die()
        host = self.hub.get(child(1).guid)
        assert host is not None
        self.slow = True
        self.clock.advance(FIRST_PAUSE)
        self.assertEqual(len(self.spawned), 2)
        self.failureResultOf(host.db.bounds(child(1).guid), Unavailable)
        self.slow = False
        self.newest("worker 1").die()
        turns(self.clock, lambda: crew.members[0].ready)
        asked = host.db.bounds(child(1).guid)
        turns(self.clock, lambda: asked.called)
        self.successResultOf(asked)

    def test_spooled(self) -> None:
        """
        Also after a restart a host without a database comes to the process whose spool on disk has what its
        parent has not got, and that of a worker that runs no more is gone on with.
        """
        disk = "db/db=none", "stream.conf:stream/spool=disk"
        crew = self.crew(3, *disk)
        for number in range(1, 4):
            databases = self.newest(f"worker {number}").worker._databases
            assert databases is not None and databases.spool is not None
            self.successResultOf(databases.spool.put_host(HostRecord(child(number), {}, 1)))
        self.stop(crew)
        crew = self.crew(2, *disk, spooled={child(9).guid})
        self.assertIsNone(crew.where(child(9).guid))
        for number, member in ((1, 0), (2, 1), (3, 0)):
            for _ in range(2):
                self.assertEqual(crew.where(child(number).guid), crew.members[member].take)
        databases = self.newest("worker 1").worker._databases
        assert databases is not None
        places = [databases.spool_of(child(number).guid) for number in (1, 2, 3)]
        self.assertEqual(places[0], places[1])
        self.assertIsNot(places[0], places[2])

    def test_not_for_ever(self) -> None:
        """
        No child waits for ever for a worker, and not more than a number of them.
        """
        crew = self.crew(1)
        self.newest("worker 1").die()
        self.problem = OSError(11, "no more processes")
        for number in range(WAITING_MOST):
            self.assertIsNone(self.hand(crew, child(number)))
        self.assertIs(self.hand(crew, child(WAITING_MOST)), Refusal.BUSY)
        self.clock.advance(WAITS)
        self.assertEqual(crew.members[0].crowded, False)
        self.problem = None
        turns(self.clock, lambda: crew.members[0].ready, 2000)
        self.assertEqual(self.taken, [])

    def test_cannot_start(self) -> None:
        """
        A node whose worker cannot open its database does not start, and says why.
        """
        directory = directory_of(self.directory / "data", DATABASE, 1)
        directory.parent.mkdir(parents=True)
        directory.write_text("no directory")
        crew = Crew(parent_settings(self.directory, 2), self.hub, self.clock, self.spawn)
        started = crew.start()
        turns(self.clock, lambda: started.called)
        problem = self.failureResultOf(started, CannotStart).value
        self.assertIn("worker 1 ended before it was ready", str(problem))
        self.assertIn(str(directory), str(problem))
        self.stop(crew)

    def test_does_not_end(self) -> None:
        """
        A worker that does not end when it is told to is killed.
        """
        crew = self.crew(1)
        self.newest("worker 1").hangs = True
        stopped = crew.stop()
        self.clock.advance(0)
        self.clock.advance(ENDS_WITHIN - 1)
        self.assertNoResult(stopped)
        self.clock.advance(1)
        self.successResultOf(stopped)

    def test_left(self) -> None:
        """
        Each database of a worker that runs no more is opened by exactly one process.
        """
        for count in range(4):
            opened = [each for number in range(count + 1) for each in left_to(number, count, range(1, 10))]
            self.assertEqual(sorted(opened), list(range(count + 1, 10)))
