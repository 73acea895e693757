"""
Several parents, ours and real ones: who is chosen, and how children move.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

from tests.interop.case import InteropTestCase
from tests.interop.fixture import absolute
from tests.interop.peers import KEY, NetstreamNode, Peer, accepting, free_port, sending, wait_for


class DestinationTests(InteropTestCase):
    """
    Children with more than one parent.
    """

    def parent(self, name: str) -> NetstreamNode:
        # It would not find a connection dead while a test waits: who takes a child back has another reason.
        stream = accepting(KEY, db="ram") + "[stream]\n    timeout = 10m\n"
        return self.node(name, role="parent", stream=stream)

    def child(self, *destinations: str) -> NetstreamNode:
        return self.node(
            "ns-child", role="child", stream=sending(*destinations, reconnect_delay="5"), options=["db/mode=ram"]
        )

    def taken(self, child: Peer) -> list[str]:
        """
        @return: The destinations that took the samples of a child, in order.
        """
        return re.findall(rf"{child.name} streams to (127\.0\.0\.1:\d+)(?:,|$)", child.log(), re.MULTILINE)

    def ctl(self, node: NetstreamNode, *arguments: str) -> Any:
        """
        @return: What a node answers to C{netstream ctl}.
        """
        command = [sys.executable, "-m", "netstream.cli", "ctl", *arguments, "--json"]
        command += ["--data-dir", str(node.directory / "data")]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(said.returncode, 0, said.stderr)
        return json.loads(said.stdout)

    def test_fails_over_to_a_real_parent(self) -> None:
        """
        A child of ours goes from our parent to a real one when ours ends,
        and is not kept by a third that cannot be reached.
        """
        ours = self.parent("ns-parent")
        real = self.agent("real-parent", accepts=[KEY])
        nobody = f"127.0.0.1:{free_port()}"
        child = self.child(nobody, ours.address, real.address)
        wait_for("the child streams", lambda: self.taken(child))
        first, second = (ours, real) if self.taken(child)[0] == ours.address else (real, ours)
        first.wait_samples("system.cpu", child.name, count=3)
        self.assertEqual(first.stop() if first is real else 0, 0)
        if first is ours:
            self.assert_stopped(ours)
        second.wait_samples("system.cpu", child.name, count=5)
        self.assertEqual(self.taken(child)[-1], second.address)
        self.assert_stopped(child)

    def test_drain(self) -> None:
        """
        C{netstream ctl drain} moves a child of ours to the other parent, and
        the two parents together have each of its seconds.
        """
        a, b = self.parent("ns-a"), self.parent("ns-b")
        child = self.child(a.address, b.address)
        wait_for("the child streams", lambda: self.taken(child))
        if self.taken(child)[0] == b.address:
            a, b = b, a
        shown = a.wait_samples("system.cpu", child.name, count=5)
        self.assertEqual(self.ctl(a, "drain")["told"], 1)
        after = b.wait_samples("system.cpu", child.name, count=8)
        before = a.samples("system.cpu", child.name)
        seconds = sorted({*next(iter(before.values())), *next(iter(after.values()))})
        self.assertGreater(len(seconds), len(next(iter(shown.values()))))
        # What it lacks itself was never collected.
        had = next(iter(child.samples("system.cpu", after=-600).values()))
        self.assertEqual(seconds, [second for second in sorted(had) if seconds[0] <= second <= seconds[-1]])
        states = {node["hostname"]: node["state"] for node in self.ctl(a, "nodes")["nodes"]}
        self.assertEqual(states, {a.name: "live", child.name: "offline"})
        self.ctl(a, "remove-node", child.name)
        self.assertNotIn(child.name, a.reachable())
        self.assert_stopped(child, a, b)

    def test_real_child_is_drained(self) -> None:
        """
        A real child with two parents of ours goes to the other when one is
        drained, and its values are right there.
        """
        a, b = self.parent("ns-a"), self.parent("ns-b")
        child = self.agent("real-child", sends_to=[a.address, b.address], fixture=True)
        a.wait_samples("fixture.simple", child.name, count=5)
        self.assertEqual(self.ctl(a, "drain")["told"], 1)
        a.wait_host(child.name, online=False)
        shown = b.wait_samples("fixture.simple", child.name, count=5)
        for second, value in shown["absolute dim"].items():
            self.assertEqual(value, absolute(second))
        self.assertEqual(self.ctl(a, "status")["children"], 0)

    def test_real_child_comes_back(self) -> None:
        """
        A real child that is killed and started again at once is taken back
        within seconds.
        """
        parent = self.parent("ns-parent")
        child = self.agent("real-child", sends_to=[parent.address], fixture=True)
        parent.wait_samples("fixture.simple", child.name, count=3)
        child.kill()
        child.start()
        newest = max(parent.samples("fixture.simple", child.name)["absolute dim"])
        parent.wait_samples("fixture.simple", child.name, newer=newest, count=3)

    def test_real_parent_gives_no_information(self) -> None:
        """
        Two real parents, which cannot be asked, are tried in the order of the
        list.
        """
        parents = [self.agent(f"real-{number}", accepts=[KEY]) for number in range(2)]
        child = self.child(*(parent.address for parent in parents))
        wait_for("the child streams", lambda: self.taken(child))
        self.assertEqual(self.taken(child), [parents[0].address])
        parents[0].kill()
        parents[1].wait_samples("system.cpu", child.name, count=5)
        self.assert_stopped(child)
