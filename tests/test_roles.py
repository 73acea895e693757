"""
Tests for the life of a node: how it starts, fails to, and stops.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase

from netstream.config import load
from netstream.config.settings import Role
from netstream.db.workers import Inline
from netstream.roles import CannotServe, Node
from netstream.testing import Machine
from netstream.testing.network import Network
from netstream.testing.world import BEGINNING, Script


class Waiting(Inline):
    """
    Does no work before it is told to.
    """

    def __init__(self) -> None:
        self.jobs: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    def write(self, work: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.jobs.append((done, work))
        return done

    read = write

    def work(self) -> None:
        """
        Do what is to be done, and what comes of it.
        """
        while self.jobs:
            done, work = self.jobs.pop(0)
            try:
                result = work()
            except Exception:
                done.errback()
            else:
                done.callback(result)


class NodeTests(SynchronousTestCase):
    """
    L{Node} on a machine of its own.
    """

    def setUp(self) -> None:
        self.network = Network(BEGINNING)
        self.machine = self.network.machine("here")
        self.directory = Path(self.mktemp())
        (self.directory / "etc").mkdir(parents=True)
        self.scripts: list[Script] = []

    def node(self, *overrides: str, workers: Inline | None = None, machine: Machine | None = None) -> Node:
        settings = load(
            Role.PARENT,
            config_dir=self.directory / "etc",
            data_dir=self.directory / "data",
            overrides=("db/mode=dbengine", *overrides),
            hostname="here",
            destination=None,
            api_key=None,
        )

        def collect(*args: Any) -> Script:
            self.scripts.append(Script(*args))
            return self.scripts[-1]

        return Node(settings, machine or self.machine, collect, workers or Inline())

    def stopped(self, node: Node) -> None:
        """
        Stop a node: then nothing of it is left.
        """
        done = node.stopService()
        self.network.advance(1)
        self.successResultOf(done)
        self.nothing_left()

    def nothing_left(self) -> None:
        self.network.advance(0.01)
        self.assertEqual(self.network.clock.getDelayedCalls(), [])
        self.assertEqual(self.machine.ports, {})
        # The directory of the database is free for another.
        other = self.node("web/mode=none", machine=self.network.machine(f"other {len(self.network.machines)}"))
        other.startService()
        self.successResultOf(other.ready)
        done = other.stopService()
        self.network.advance(1)
        self.successResultOf(done)

    def test_life(self) -> None:
        """
        It starts, stops, and leaves nothing behind.
        """
        node = self.node()
        node.startService()
        self.assertIs(self.successResultOf(node.ready), node)
        self.assertEqual(node.port, 19999)
        self.network.advance(5)
        self.stopped(node)

    def test_order(self) -> None:
        """
        No port is open before what is kept was read, and nothing collects
        before the ports are open.
        """
        workers = Waiting()
        node = self.node(workers=workers)
        node.startService()
        self.assertEqual((self.machine.ports, self.scripts), ({}, []))
        workers.work()
        self.successResultOf(node.ready)
        self.assertEqual((list(self.machine.ports), len(self.scripts)), ([19999], 1))
        done = node.stopService()
        self.assertEqual(self.machine.ports, {})
        self.assertFalse(self.scripts[0].running)
        self.assertNoResult(done)
        workers.work()
        self.successResultOf(done)
        self.nothing_left()

    def test_stop_during_start(self) -> None:
        """
        One that is stopped while its database is being opened closes it again;
        it never was ready, and opens no port.
        """
        workers = Waiting()
        node = self.node(workers=workers)
        node.startService()
        done = node.stopService()
        self.assertNoResult(done)
        workers.work()
        self.failureResultOf(node.ready, CancelledError)
        self.successResultOf(done)
        self.assertEqual(self.scripts, [])
        self.nothing_left()

    def test_port_in_use(self) -> None:
        """
        One that can listen nowhere says where, closes its database, and can
        still be stopped.
        """
        taken = self.machine.listenTCP(19999, Factory())
        node = self.node()
        node.startService()
        failure = self.failureResultOf(node.ready, CannotServe)
        self.assertIn("bind to: *", failure.getErrorMessage())
        taken.stopListening()
        self.flushLoggedErrors()
        self.nothing_left()
        self.stopped(node)

    def test_one_port_of_two(self) -> None:
        """
        One that can listen somewhere serves there.
        """
        taken = self.machine.listenTCP(19999, Factory())
        node = self.node("web/bind to=*:19999 *:20000")
        node.startService()
        self.successResultOf(node.ready)
        self.assertEqual(node.urls, ["http://localhost:20000/"])
        taken.stopListening()
        self.stopped(node)

    def test_database_in_use(self) -> None:
        """
        One whose database another process uses says so and opens no port.
        """
        first = self.node()
        first.startService()
        self.successResultOf(first.ready)
        second = self.node("web/bind to=*:20000")
        second.startService()
        failure = self.failureResultOf(second.ready, OSError)
        self.assertIn("in use by process", failure.getErrorMessage())
        self.assertEqual(list(self.machine.ports), [19999])
        self.successResultOf(second.stopService())
        self.stopped(first)

    def test_collector_that_fails(self) -> None:
        """
        What was opened is closed again, whatever it is that cannot start.
        """

        def broken(*args: Any) -> Script:
            raise LookupError("broken")

        node = Node(self.node().settings, self.machine, broken, Inline())
        node.startService()
        self.network.advance(0.01)
        self.failureResultOf(node.ready, LookupError)
        self.nothing_left()

    def test_port_that_does_not_close(self) -> None:
        """
        A port that cannot be closed keeps nothing else from it.
        """
        node = self.node()
        node.startService()
        self.successResultOf(node.ready)
        port = self.machine.ports[19999]

        def fail() -> None:
            port.stopListening = stop  # type: ignore[method-assign]
            port.stopListening()
            raise FileNotFoundError("gone")

        stop = port.stopListening
        port.stopListening = fail  # type: ignore[assignment,method-assign]
        self.stopped(node)
        self.assertEqual(len(self.flushLoggedErrors(FileNotFoundError)), 1)

    def test_twice(self) -> None:
        """
        Stopping twice is as good as once.
        """
        node = self.node()
        node.startService()
        self.successResultOf(node.ready)
        self.stopped(node)
        self.successResultOf(node.stopService())
