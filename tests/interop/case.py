"""
What a test of several nodes starts from, and how it compares them.
"""

from __future__ import annotations

import contextlib
import functools
import math
import shutil
import signal
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from tests.interop.peers import NetstreamNode, Peer, PeerFailed, RealAgent, require_agent, wait_for

PRECISION = 5e-6
"""The relative error that the agent's own 32-bit number format makes, with some room."""

COMPARED = (
    "id",
    "name",
    "type",
    "family",
    "context",
    "title",
    "priority",
    "plugin",
    "module",
    "units",
    "chart_type",
    "update_every",
    "dimensions",
    "chart_labels",
)
"""What two nodes must show alike of a chart."""


class InteropTestCase(SynchronousTestCase):
    """
    A test that starts nodes: they stop with it, and their logs are printed
    when it fails.
    """

    def run(self, result: Any = None) -> Any:
        """
        Run the test so that its failure is explained (called by trial).
        """
        name = self._testMethodName
        setattr(self, name, self._explained(getattr(self, name)))
        return super().run(result)

    def _explained(self, method: Callable[[], None]) -> Callable[[], None]:
        @functools.wraps(method)
        def run() -> None:
            try:
                method()
            except SkipTest:
                raise
            except Exception:
                print(f"\n=== logs of {self.id()}")
                for peer in self._peers:
                    print(peer.tail())
                raise

        return run

    def setUp(self) -> None:
        # Not below trial's own directory: the path of a Unix socket is limited to some 100 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="netstream-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self._peers: list[Peer] = []

    def _started(self, peer: Peer) -> None:
        self._peers.append(peer)
        self.addCleanup(peer.kill)
        peer.start()

    def agent(self, name: str, **settings: Any) -> RealAgent:
        """
        Start a real agent; see L{RealAgent}.
        """
        require_agent()
        peer = RealAgent(name, self.directory / name, **settings)
        self._started(peer)
        return peer

    def node(self, name: str, **settings: Any) -> NetstreamNode:
        """
        Start a netstream node; see L{NetstreamNode}.
        """
        peer = NetstreamNode(name, self.directory / name, **settings)
        self._started(peer)
        return peer

    def assert_stopped(self, *nodes: NetstreamNode) -> None:
        """
        Stop nodes one after the other; each must end by itself, without a
        complaint in its log.
        """
        for node in nodes:
            # Having stopped in good order, twistd ends by the signal that asked for it.
            self.assertIn(node.stop(), (0, -signal.SIGTERM), f"exit status of {node.name}")
            self.assertIn("Server Shut Down.", node.log().splitlines()[-1])
            for word in ("Traceback", "Unhandled", "never awaited", "ResourceWarning"):
                self.assertNotIn(word, node.log())

    def assert_same_charts(self, origin: Peer, viewer: Peer, charts: Iterable[str] | None = None) -> None:
        """
        A node shows the charts of another as that one shows them itself, as
        soon as it has heard of all.

        @param origin: Whose charts they are.
        @param viewer: Who received them.
        @param charts: Ids of those that are compared; all of the origin's when
            L{None}.
        """
        wanted = None if charts is None else set(charts)
        shown: list[dict[str, dict[str, Any]]] = []

        def same() -> bool:
            shown[:] = [
                {
                    chart: {name: about.get(name) for name in COMPARED}
                    for chart, about in found.items()
                    if wanted is None or chart in wanted
                }
                for found in (origin.charts(), viewer.charts(origin.name))
            ]
            return shown[0] == shown[1]

        with contextlib.suppress(PeerFailed):  # what is compared says what differs
            wait_for(f"{viewer.name} shows the charts of {origin.name}", same, every=0.5)
        expected, found = shown
        self.assertEqual(sorted(expected), sorted(found))
        for chart in expected if wanted is None else wanted:
            self.assertEqual(expected[chart], found[chart])

    def assert_same_samples(
        self,
        origin: Peer,
        viewer: Peer,
        chart: str,
        tolerance: Mapping[str, float] | None = None,
        *,
        least: int = 5,
        timed: bool = False,
    ) -> None:
        """
        A node shows the samples of another, at the same seconds, as soon as
        there are so many; see L{assert_same_values}.

        @param timed: Whether only those seconds are compared in which the
            origin, a netstream node, measured in time: what its version 2 lines
            say of seconds that it missed cannot be said in version 1 to a node
            behind the next.
        """
        expected: Mapping[str, Mapping[int, float]] = {}
        found: Mapping[str, Mapping[int, float]] = {}

        def enough() -> bool:
            nonlocal expected, found
            expected, found = origin.samples(chart), viewer.samples(chart, origin.name)
            if isinstance(viewer, RealAgent):
                # An agent makes the first out of the last that it was told and of nothing.
                found = {name: {at: values[at] for at in sorted(values)[1:]} for name, values in found.items()}
            if timed:
                steady = self._steady(origin, viewer)
                expected, found = (self._within(steady, shown) for shown in (expected, found))
            return bool(found) and all(
                len(self._comparable(values, found.get(dimension, {}), dimension in (tolerance or {}))) >= least
                for dimension, values in expected.items()
            )

        with contextlib.suppress(PeerFailed):  # what is compared says what is missing
            wait_for(f"{viewer.name} has {least} samples of {chart}", enough, every=0.5)
        self.assert_same_values(expected, found, tolerance, least=least)

    def _steady(self, origin: Peer, viewer: Peer) -> set[int]:
        """
        @return: The seconds in which both say of the origin's machine that it
            was up a second longer than in the one before.
        """
        ups = [peer.samples("system.uptime", origin.name)["uptime"] for peer in (origin, viewer)]
        since = statistics.median(up - second for second, up in ups[0].items())
        in_time = set.intersection(*({at for at, up in shown.items() if abs(up - at - since) < 0.1} for shown in ups))
        return {at for at in in_time if at - 1 in in_time}

    def _within(self, seconds: set[int], shown: Mapping[str, Mapping[int, float]]) -> dict[str, dict[int, float]]:
        """
        @return: What is shown of some seconds.
        """
        return {name: {at: value for at, value in values.items() if at in seconds} for name, values in shown.items()}

    def _comparable(self, expected: Mapping[int, float], found: Mapping[int, float], tolerant: bool) -> list[int]:
        """
        @return: The seconds of which both have something to compare.
        """
        common = sorted(expected.keys() & found.keys())
        return [second for second in common if second >= min(found) + 2] if tolerant else common

    def assert_seamless(self, origin: Peer, viewer: Peer, chart: str, seconds: int) -> None:
        """
        A node has every sample of another from its own first on, but for the
        newest, which may be under way, and with the same values.

        What the origin lacks as well was never collected: the machine may have
        stood still.

        @param seconds: How many samples are waited for.
        """
        viewer.wait_samples(chart, origin.name, count=seconds)
        # The viewer first, and the origin farther back: it must have whatever the viewer has.
        found, expected = viewer.samples(chart, origin.name), origin.samples(chart, after=-600)
        self.assert_same_values(expected, found, least=seconds - 5)
        for dimension, values in found.items():
            first, last = min(values), max(values)
            inside = [second for second in expected[dimension] if first <= second <= last]
            self.assertEqual(sorted(values), sorted(inside), dimension)
            self.assertGreater(len(inside), (last - first) / 2, f"{dimension}: {origin.name} has next to nothing")

    def assert_same_values(
        self,
        expected: Mapping[str, Mapping[int, float]],
        found: Mapping[str, Mapping[int, float]],
        tolerance: Mapping[str, float] | None = None,
        *,
        least: int = 5,
    ) -> None:
        """
        What two nodes show of a chart is the same wherever both have a sample.

        @param tolerance: By dimension name, the relative difference that the
            clocks of two nodes may make, except in the first two samples, of
            which a node may have seen only a part; others must be equal but
            for the precision that the agent stores with.
        @param least: How many samples of each dimension must be in both.
        """
        tolerance = tolerance or {}
        self.assertEqual(sorted(expected), sorted(found))
        for dimension, values in expected.items():
            common = self._comparable(values, found[dimension], dimension in tolerance)
            self.assertGreaterEqual(len(common), least, f"{dimension}: {dict(values)} and {dict(found[dimension])}")
            for second in common:
                if not math.isclose(
                    values[second], found[dimension][second], rel_tol=tolerance.get(dimension, PRECISION), abs_tol=1e-6
                ):
                    self.fail(
                        f"{dimension} at {second}: {values[second]} and {found[dimension][second]}; "
                        f"{dict(values)} and {dict(found[dimension])}"
                    )
