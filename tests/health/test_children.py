"""
Children that fall silent.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.config.places import STOCK
from netstream.health.alerts import Status
from netstream.model.host import Label
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
