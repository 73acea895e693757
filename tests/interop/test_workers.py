"""
A netstream parent in several processes, with real agents as children.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.interop.case import InteropTestCase
from tests.interop.fixture import absolute
from tests.interop.peers import KEY, NetstreamNode, accepting, wait_for
from tests.interop.test_parent import CLOCKS, FIXTURE_CHARTS


def workers_of(parent: NetstreamNode) -> list[int]:
    """
    @return: The processes that a node started, in no order.
    """
    text = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text()
    return [int(pid) for pid in text.split()]


def connections_of(pid: int, port: int) -> int:
    """
    @return: How many connections to a port a process holds.
    """
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *rest = line.split()
        if local.endswith(f":{port:04X}") and state == "01":
            inodes.add(f"socket:[{rest[5]}]")
    held = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held += os.readlink(entry) in inodes
        except OSError:
            continue
    return held


class WorkersTests(InteropTestCase):
    """
    Two workers carry the children, and the node shows them as one.
    """

    def parent(self, workers: int = 2, name: str = "ns-parent") -> NetstreamNode:
        """
        @return: A parent that runs.
        """
        return self.node(
            name, role="parent", stream=accepting(KEY), options=[f"global/workers={workers}", "plugins/proc=no"]
        )

    def test_shows_what_the_children_show(self) -> None:
        """
        Each worker holds the connection of one child, and the API of the node shows the charts, labels,
        samples and newest values of both; when it stops and runs again as one process, all is still there.
        """
        parent = self.parent()
        children = [
            self.agent(name, sends_to=[parent.address], fixture=True) for name in ("real-child-a", "real-child-b")
        ]
        for child in children:
            parent.wait_host(child.name)
            shown = parent.wait_samples("fixture.simple", child.name, count=8)
            for second, value in shown["absolute dim"].items():
                self.assertEqual(value, absolute(second))
            self.assert_same_charts(child, parent)
            for chart in FIXTURE_CHARTS:
                self.assert_same_samples(child, parent, chart, CLOCKS)
            wait_for(
                "the labels of the child at the parent",
                lambda child=child: parent.get("info", child.name)["host_labels"] == child.get("info")["host_labels"],
            )
            newest = parent.get("allmetrics", child.name, format="json")["fixture.simple"]
            self.assertEqual(newest["dimensions"]["abs"]["value"], absolute(newest["last_updated"]))
        self.assertEqual(sorted(connections_of(pid, parent.port) for pid in workers_of(parent)), [1, 1])
        before = {child.name: parent.samples("fixture.simple", child.name) for child in children}
        for child in children:
            child.stop()
        self.assert_stopped(parent)
        parent.options = ["plugins/proc=no"]
        parent.start()
        self.assertEqual(workers_of(parent), [])
        for name, samples in before.items():
            self.assertIn(name, parent.reachable())
            found = parent.samples("fixture.simple", name, after=-120)["absolute dim"]
            self.assertLessEqual(samples["absolute dim"].items(), found.items())
        self.assert_stopped(parent)

    def test_killed(self) -> None:
        """
        A worker that is killed is started again, its child comes back by itself, and no sample that was
        there before is gone; the other child does not notice.
        """
        parent = self.parent()
        children = [
            self.agent(name, sends_to=[parent.address], fixture=True) for name in ("real-child-a", "real-child-b")
        ]
        for child in children:
            parent.wait_samples("fixture.simple", child.name, count=5)
        victim, other = workers_of(parent)
        before = {child.name: parent.samples("fixture.simple", child.name) for child in children}
        os.kill(victim, signal.SIGKILL)
        wait_for("the worker runs again", lambda: len(set(workers_of(parent)) - {victim, other}) == 1)
        parent.wait_log(r"worker \d ended: .*signal 9", 10)
        for child in children:
            newest = max(before[child.name]["absolute dim"])
            after = parent.wait_samples("fixture.simple", child.name, newer=newest + 3, count=2)
            self.assertLessEqual(before[child.name]["absolute dim"].items(), after["absolute dim"].items())
        self.assertIn(other, workers_of(parent))
        for child in children:
            child.stop()
        parent.stop()

    def test_main_killed(self) -> None:
        """
        When the process that serves is killed, its workers write what they have and end by themselves, so that
        the node can be started again at once.
        """
        parent = self.parent()
        child = self.agent("real-child-a", sends_to=[parent.address], fixture=True)
        parent.wait_samples("fixture.simple", child.name, count=5)
        before = parent.samples("fixture.simple", child.name)["absolute dim"]
        workers = workers_of(parent)
        os.kill(parent.pid, signal.SIGKILL)
        wait_for("the workers end", lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
        parent.kill()
        parent.start()
        found = parent.wait_samples("fixture.simple", child.name, newer=max(before) + 1, count=2)
        self.assertLessEqual(before.items(), found["absolute dim"].items())
        child.stop()
        self.assert_stopped(parent)
