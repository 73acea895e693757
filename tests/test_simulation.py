"""
Whole trees of nodes to which everything happens.
"""

from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.testing.simulation import NEW, Plan, Simulation, again, plan, simulate
from tests.test_world import START, WorldCase

SEEDS, BATCH = 240, 10


class CrashTests(WorldCase):
    """
    Nodes of a simulated world may end in any way.
    """

    def test_killed(self) -> None:
        """
        A node that is killed comes back with what it had on disk, and what
        its parents were told of its end is what a kernel tells them.
        """
        world = self.world()
        parent = world.node("parent", "parent")
        child = world.node("child", "child", destination="parent", mode="dbengine")
        world.advance(10)
        child.crash()
        world.advance(1)
        self.assertFalse(parent.hub.find("child").online)
        child.start()
        world.advance(20)
        self.assertTrue(parent.hub.find("child").online)
        found = child.read("child", "test.clock", "second", START + 3, START + 9)
        self.assertEqual(found, {t: float(t) for t in range(START + 4, START + 10)})

    def test_power(self) -> None:
        """
        Nobody hears of a machine without power until it has been silent for
        long, or is there again.
        """
        world = self.world()
        parent = world.node("parent", "parent")
        child = world.node("child", "child", destination="parent")
        world.advance(10)
        child.crash(silent=True)
        world.advance(30)
        self.assertTrue(parent.hub.find("child").online)
        world.advance(40)
        self.assertFalse(parent.hub.find("child").online)
        child.start()
        world.advance(20)
        self.assertTrue(parent.hub.find("child").online)

    def test_skew(self) -> None:
        """
        The clock of a machine may be wrong.
        """
        world = self.world()
        node = world.node("one", skew=-3.0)
        world.advance(10)
        found = node.read("one", "test.clock", "second", START, START + 9)
        self.assertEqual(max(found), START + 7)


class PlanTests(SynchronousTestCase):
    """
    A seed stands for what happens.
    """

    def test_same(self) -> None:
        """
        The same seed is the same plan, another seed another, and what is
        printed of it tells all.
        """
        self.assertEqual(plan(7), plan(7))
        self.assertNotEqual(plan(7), plan(8))
        for seed in range(50):
            it = plan(seed, 12)
            self.assertLessEqual(len(it.members), 12)
            text = str(it)
            for member in it.members:
                self.assertIn(f"{member.name}: {member.role}", text)
                names = [other.name for other in it.members]
                self.assertTrue(set(member.destinations) <= {*names, NEW} - {member.name})
            for fault in it.faults:
                self.assertIn(f"{fault.kind} {' '.join(fault.who)}", text)


class SimulationTests(SynchronousTestCase):
    """
    What holds after everything that happened.
    """

    def outcome(self, it: Plan) -> list[str]:
        directory = Path(self.mktemp())
        directory.mkdir(parents=True)
        return list(Simulation(it, directory).run())

    def test_repeats(self) -> None:
        """
        A simulation that failed can be had again, exactly.
        """
        self.assertEqual(self.outcome(plan(21, 8)), self.outcome(plan(21, 8)))

    def test_incomplete(self) -> None:
        """
        It is seen when a parent that is new does not get the past of the
        others.
        """
        it = next(it for it in map(plan, range(SEEDS)) if it.joins)
        self.assertIn("a new parent above top-0", str(it))
        directory = Path(self.mktemp())
        directory.mkdir(parents=True)
        simulation = Simulation(it, directory)
        simulation.joining = "[db]\n    replicate tiers = no\n"
        problems = list(simulation.run())
        self.assertEqual(len(problems), 2, problems)
        self.assertIn("rows of top-0 otherwise", problems[0])
        self.assertIn("does not know charts of top-0: old.gone", problems[1])

    def check(self, seeds: range) -> None:
        for seed in seeds:
            it, problems = simulate(seed)
            self.assertEqual(list(problems), [], f"{it}\n  again: {again(seed)}")


def _batch(first: int) -> Callable[[SimulationTests], None]:
    def test(self: SimulationTests) -> None:
        """
        Whatever happens, all comes together again: each node has each second
        of all nodes below it, with its value, and none that was never
        collected; and everybody knows which way samples take. A parent that
        is added at the end has every tier and chart of the one below it.
        """
        self.check(range(first, first + BATCH))

    return test


for _first in range(0, SEEDS, BATCH):
    # One test for some seeds each, so that several processes share them.
    setattr(SimulationTests, f"test_nothing_lost_{_first:03}", _batch(_first))
