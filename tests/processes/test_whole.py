"""
A host that a worker has is what a host of the process that serves is.
"""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred

from netstream.db.interfaces import IMetricsDB
from netstream.hub.figures import Upstream
from netstream.hub.hub import Host, Link
from netstream.hub.life import Life
from netstream.model.calls import Call, Caller, Outcome, Running
from netstream.model.host import Function
from netstream.model.progress import Progress
from netstream.model.updates import ChartDefined, FunctionOffered, PathKnown
from netstream.processes.crew import Crew
from netstream.processes.member import Member
from netstream.processes.reports import EVERY, FIGURES_EVERY
from netstream.processes.work import handed_fields, handed_of
from netstream.streaming.papers import Papers
from netstream.streaming.passing import Handed
from tests.processes.test_crew import CrewCase, child
from tests.processes.test_remote import over_the_wire
from tests.processes.test_reports import chart


class Asked:
    """
    A child that is asked, and how the call goes on.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.callers: list[Caller] = []
        self.said: list[str] = []

    def call(self, call: Call, caller: Caller) -> Running:
        self.calls.append(call)
        self.callers.append(caller)
        return self

    def cancel(self) -> None:
        self.said.append("cancel")

    def ask(self) -> None:
        self.said.append("ask")


class Waiting:
    """
    Who waits for an answer.
    """

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.steps: list[tuple[int, int]] = []

    def progressed(self, done: int, everything: int) -> None:
        self.steps.append((done, everything))

    def answered(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


class WholeTests(CrewCase):
    """
    Two hubs and what goes between them.
    """

    def setUp(self) -> None:
        super().setUp()
        self.the_crew: Crew = self.crew(1)
        self.worker = self.newest("worker 1").worker
        engine: IMetricsDB = self.worker.engines[-1]
        link = Link("127.0.0.1:1", self.clock.seconds(), 7, ("one", "two"), certificate=3.0)
        self.theirs = self.worker.hub.connect(child(1), engine, link)
        self.theirs.apply(ChartDefined(chart("a.b", "x")))
        self.settle()

    @property
    def member(self) -> Member:
        """
        The worker as the process that serves sees it.
        """
        return self.the_crew.members[0]

    def settle(self) -> None:
        """
        Let everything be told.
        """
        for _ in range(FIGURES_EVERY + 1):
            self.clock.advance(EVERY)
            for _ in range(6):
                self.clock.advance(0.02)

    def shown(self) -> Host:
        """
        @return: The host in the process that serves.
        """
        found = self.hub.get(child(1).guid)
        assert found is not None
        return found

    def offer(self) -> Asked:
        """
        @return: What answers calls of the host's functions from now on.
        """
        asked = Asked()
        self.theirs.apply(FunctionOffered(Function("top")))
        self.theirs.callee = asked
        self.settle()
        return asked

    def test_call(self) -> None:
        """
        A function of a host of a worker is called with all that the caller said, and its answer comes back.
        """
        asked, waiting = self.offer(), Waiting()
        call = Call("t1", "top by:cpu", 30, 5, "someone", "text/plain", b"body")
        running = self.shown().call(call, waiting)
        self.settle()
        self.assertEqual(asked.calls, [call])
        running.ask()
        asked.callers[0].progressed(1, 4)
        self.settle()
        self.assertEqual((asked.said, waiting.steps), (["ask"], [(1, 4)]))
        outcome = Outcome(200, b"\x00answer", "text/plain", 17)
        asked.callers[0].answered(outcome)
        self.settle()
        self.assertEqual(waiting.outcomes, [outcome])

    def test_cancelled(self) -> None:
        """
        A call whose caller leaves is cancelled where the host is, and nobody hears of it any more.
        """
        asked, waiting = self.offer(), Waiting()
        self.shown().call(Call("t1", "top", 30), waiting).cancel()
        self.settle()
        self.assertEqual((asked.said, waiting.outcomes), (["cancel"], []))

    def test_call_lost(self) -> None:
        """
        A worker that ends answers no call: the caller is told at once, and the next one that nobody is there.
        """
        self.offer()
        waiting = Waiting()
        self.shown().call(Call("t1", "top", 30), waiting)
        self.newest("worker 1").die()
        self.shown().call(Call("t2", "top", 30), waiting)
        self.assertEqual([outcome.code for outcome in waiting.outcomes], [503, 503])

    def test_no_functions(self) -> None:
        """
        As long as nothing in the worker answers, nobody is asked.
        """
        waiting = Waiting()
        self.shown().call(Call("t1", "top", 30), waiting)
        self.assertEqual([outcome.code for outcome in waiting.outcomes], [503])

    def test_figures(self) -> None:
        """
        What passed on the connections of a worker, how far replication is, where the host goes and how its clock
        stands is known in the process that serves; what all of them counted adds up, also over a restart.
        """
        link = self.theirs.link
        assert link is not None
        now = self.clock.seconds()
        link.traffic.moved(wire=10, text=30, samples=2)
        link.clock.note(now + 7, now)
        self.theirs.replication = Progress(charts=4, complete=1)
        self.theirs.incomplete.add("a.b")
        self.theirs.upstream = Upstream("up", connected=True, spoken=("v",), certificate=5.0, backlog=lambda: 9)
        counts = self.worker.hub.counts
        counts.accepted += 1
        counts.refused["denied"] += 2
        counts.received.moved(wire=10)
        self.settle()
        shown = self.shown()
        assert shown.link is not None and shown.upstream is not None
        self.assertEqual(
            (shown.link.spoken, shown.link.traffic.wire, shown.link.traffic.samples), (("one", "two"), 10, 2)
        )
        self.assertEqual((shown.link.clock.skew, shown.link.clock.off), (7.0, True))
        self.assertEqual((shown.replication, shown.incomplete), (Progress(charts=4, complete=1), {"a.b"}))
        self.assertEqual(
            (shown.upstream.destination, shown.upstream.spoken, shown.upstream.backlog()), ("up", ("v",), 9)
        )
        self.assertEqual((shown.link.certificate, shown.upstream.certificate), (3.0, 5.0))
        self.assertEqual((self.hub.counts.accepted, self.hub.counts.refused["denied"]), (1, 2))
        self.assertEqual(self.hub.counts.received.wire, 10)
        counts.accepted += 1
        self.settle()
        self.assertEqual(self.hub.counts.accepted, 2)
        self.theirs.upstream = None
        self.settle()
        self.assertIsNone(shown.upstream)

    def test_stays_live(self) -> None:
        """
        A host whose samples come is live, one that is silent is stale; neither is a new connection.
        """
        before = self.shown().link
        for _ in range(20):
            link = self.theirs.link
            assert link is not None
            link.clock.note(self.clock.seconds(), self.clock.seconds())
            self.theirs.apply(FunctionOffered(Function(f"f{self.clock.seconds()}")))
            self.settle()
        self.assertIs(self.shown().life(self.clock.seconds()), Life.LIVE)
        self.assertIs(self.shown().link, before)
        self.clock.advance(20)
        self.assertIs(self.shown().life(self.clock.seconds()), Life.STALE)

    def test_path(self) -> None:
        """
        The stream path of a host is what its worker knows of it: before, here and after.
        """
        before = {"host_id": child(1).guid, "hops": 0}
        after = {"host_id": "33333333-3333-4333-8333-333333333333", "hops": 2}
        self.theirs.info = evolve(child(1), hops=1)
        self.worker.hub.tell(self.theirs)
        self.theirs.apply(PathKnown((before,)))
        self.theirs.route.from_parent([after])
        self.settle()
        self.assertEqual(json.dumps(self.shown().path), json.dumps(self.theirs.path))
        self.assertEqual([entry["hops"] for entry in self.shown().path], [0, 1, 2])

    def test_told(self) -> None:
        """
        What children of a worker are told is told there, and counted.
        """
        told: list[tuple[object, str]] = []

        def let_go(guids: list[str], reason: str) -> Deferred[int]:
            told.append((guids, reason))
            done: Deferred[int] = Deferred()
            done.callback(len(guids))
            return done

        assert self.worker._parent is not None
        self.patch(self.worker._parent, "let_go", let_go)
        done = self.the_crew.let_go([child(1).guid, child(2).guid], "this node is drained")
        self.settle()
        self.assertEqual(self.successResultOf(done), 1)
        self.assertEqual(told, [([child(1).guid], "this node is drained")])
        moved = self.the_crew.choose_anew([child(1).guid])
        self.settle()
        self.assertEqual(self.successResultOf(moved), 0)

    def test_handed(self) -> None:
        """
        All that is known of a connection goes with it.
        """
        papers = Papers(("a", "b"), frozenset({"x", "y"}), "CN=a", 7.0, True)
        for handed in (
            Handed("::1", 5, b"head", b"rest", papers),
            Handed(None, 0, b"", b"", Papers(local=True)),
            Handed("127.0.0.1", 1, b"h", b""),
        ):
            self.assertEqual(handed_of(over_the_wire(handed_fields(handed))), handed)

    def test_removed(self) -> None:
        """
        A host that is removed is forgotten in its worker and its database, and does not come back with the next
        start of the worker.
        """
        self.worker.hub.disconnect(self.theirs, self.clock.seconds())
        self.settle()
        removed = self.hub.remove(self.shown())
        self.settle()
        self.successResultOf(removed)
        self.assertIsNone(self.worker.hub.get(child(1).guid))
        self.assertEqual(self.member.mirror.hosts, {})
        self.newest("worker 1").die()
        self.clock.advance(60)
        self.settle()
        self.assertTrue(self.member.ready)
        self.assertIsNone(self.hub.get(child(1).guid))

    def test_removed_meanwhile(self) -> None:
        """
        A host that is removed while its worker does not run is forgotten once that runs again.
        """
        self.worker.hub.disconnect(self.theirs, self.clock.seconds())
        self.settle()
        self.newest("worker 1").die()
        self.hub.tombstones.bury(child(1).guid, "child", self.clock.seconds())
        self.failureResultOf(self.hub.remove(self.shown()))
        self.clock.advance(60)
        self.settle()
        self.assertTrue(self.member.ready)
        self.assertIsNone(self.hub.get(child(1).guid))
        engine: IMetricsDB = self.newest("worker 1").worker.engines[-1]
        stored: Deferred[Any] = engine.stored().addCallback(list)
        self.assertEqual(self.successResultOf(stored), [])
