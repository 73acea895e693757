"""
Children that fall silent.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.places import STOCK
from netstream.db.none import NoneDB
from netstream.health.alerts import Status
from netstream.health.children import AT_ONCE, MOST_VALUES, Children
from netstream.hub.hub import Link
from netstream.model.host import HostInfo, Label
from netstream.model.samples import SampleBatch
from netstream.model.updates import LabelsReplaced
from tests.health.stage import CHILD, LOAD, Stage

CHART = f"netstream.child_{CHILD}"


class ChildrenTests(SynchronousTestCase):
    """
    The stock alerts about children.
    """

    def setUp(self) -> None:
        text = (STOCK / "health.d" / "children.conf").read_text()
        self.stage = Stage(Path(self.mktemp()), text)
        self.addCleanup(self.stage.start().stopService)
        self.child = self.stage.child()
        self.stage.define(LOAD, self.child)
        self.stage.advance(30)

    def test_silent(self) -> None:
        """
        A child that is gone is told by name, and that it came back.
        """
        self.assertEqual(self.stage.alert("child_silent", chart=CHART).status, Status.CLEAR)
        self.stage.hub.disconnect(self.child, self.stage.now)
        self.stage.advance(150)
        self.assertEqual(self.stage.alert("child_silent", chart=CHART).status, Status.WARNING)
        self.assertIn("child1 is silent", self.stage.outlet.messages[-1].headline)
        self.stage.child()
        self.stage.advance(30)
        self.assertEqual(self.stage.told, ["child_silent WARNING", "child_silent CLEAR"])

    def test_ephemeral(self) -> None:
        """
        A child that comes and goes is not missed.
        """
        self.child.apply(LabelsReplaced({"_is_ephemeral": Label("true")}))
        self.stage.hub.disconnect(self.child, self.stage.now)
        self.stage.advance(300)
        self.assertEqual(self.stage.told, [])

    def test_lost(self) -> None:
        """
        A child that did not come back after this node was restarted is told by name.
        """
        self.stage.hub.disconnect(self.child, self.stage.now)
        self.stage.service.stopService()
        self.stage.advance(5)
        self.stage.outlet.messages.clear()
        self.addCleanup(self.stage.start().stopService)
        self.stage.advance(300)
        self.assertEqual(self.stage.told, [])
        self.stage.advance(700)
        self.assertEqual(self.stage.told, ["child_lost WARNING"])
        self.assertIn("child1 never came back", self.stage.outlet.messages[-1].headline)

    def test_stopped(self) -> None:
        """
        A child that sends, but not all that it sent, is told with the number of its charts.
        """
        other = evolve(LOAD, id="system.other", name="system.other")
        self.stage.define(other, self.child)
        self.stage.advance(30)
        self.stage.feeds.pop()
        self.stage.advance(500)
        self.assertEqual(self.stage.told, ["child_charts_stopped WARNING"])
        self.assertEqual(self.stage.outlet.messages[-1].value, 1)
        self.assertIn("child1", self.stage.outlet.messages[-1].headline)

    def test_steps(self) -> None:
        """
        Others may work after each child whose charts are not known yet, and
        after every so many that are.
        """
        hub, now = self.stage.hub, self.stage.now
        for number in range(AT_ONCE):
            hub.connect(HostInfo(f"{number:08}-0000-4000-8000-000000000000", f"other{number}"), NoneDB(), Link("", now))
        children = Children(hub, now)
        self.assertEqual(len(list(children.collect(now, 0, 0))), AT_ONCE + 1)
        self.assertEqual(len(list(children.collect(now + 10, 0, 0))), 1)
        self.stage.define(evolve(LOAD, id="system.other", name="system.other"), self.child)
        self.assertEqual(len(list(children.collect(now + 20, 0, 0))), 2)

    def test_pieces(self) -> None:
        """
        The samples of many children are stored in pieces, each once.
        """
        hub, now = self.stage.hub, self.stage.now
        for number in range(MOST_VALUES):
            hub.connect(HostInfo(f"{number:08}-0000-4000-8000-000000000000", f"other{number}"), NoneDB(), Link("", now))
        batches: list[SampleBatch] = []
        hub.local.subscribe(lambda update: batches.append(update) if isinstance(update, SampleBatch) else None)
        children = Children(hub, now)
        for second in (now + 10, now + 20):
            batches.clear()
            for _ in children.collect(second, 0, 0):
                pass
            self.assertLess(max(map(len, batches)), MOST_VALUES + 4 * AT_ONCE)
            series = np.concatenate([batch.series for batch in batches])
            self.assertEqual(len(np.unique(series)), len(series))
            self.assertEqual(len(series), 3 + 4 * (MOST_VALUES + 1))
