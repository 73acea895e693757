"""
All nodes at a glance.
"""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from netstream.turns import Turns
from netstream.web import fleet
from tests.health.stage import Stage as Watching
from tests.web.stage import CHILD, GUID, NOW, Stage
from tests.web.test_alerts import TEXT, Client


class FleetTests(SynchronousTestCase):
    """
    Tests for L{netstream.web.fleet}.
    """

    def test_overview(self) -> None:
        """
        Each node is there with its state, its newest sample, how busy it is
        and how large; one that left says so.
        """
        stage = Stage()
        stage.usual()
        said = stage.get("/api/v3/overview").json()
        self.assertEqual((said["now"], said["own"], said["keys"]), (NOW, GUID, []))
        own, child = said["nodes"]
        self.assertEqual(
            (own["hostname"], own["hops"], own["state"], own["newest"], own["cpu"], own["labels"]),
            ("parent.example", 0, "live", NOW, 25.0, {"site": "berlin"}),
        )
        self.assertEqual((child["guid"], child["state"], child["metrics"], child["cpu"]), (CHILD, "live", 2, None))
        self.assertEqual(child["alarms"], {"normal": 0, "warning": 0, "critical": 0})
        stage.clock.advance(fleet.RECENT - 1)
        self.assertEqual(25.0, stage.get("/api/v3/overview").json()["nodes"][0]["cpu"])
        stage.clock.advance(1)
        self.assertIsNone(stage.get("/api/v3/overview").json()["nodes"][0]["cpu"], "it was long ago")
        host = stage.hub.find("web1")
        assert host is not None
        stage.hub.disconnect(host, NOW)
        self.assertEqual("offline", stage.get("/api/v3/overview").json()["nodes"][1]["state"])

    def test_many(self) -> None:
        """
        A thousand nodes are all there.
        """
        stage = Stage()
        for number in range(1000):
            stage.child(f"web{number}", f"00000000-0000-0000-0000-{number:012}")
        self.assertEqual(1001, len(stage.get("/api/v3/overview").json()["nodes"]))

    def test_turns(self) -> None:
        """
        Between any two nodes other work may have its turn.
        """
        stage = Stage()
        for number in range(8):
            stage.child(f"web{number}", f"00000000-0000-0000-0000-{number:012}")
        for target in ("overview", "raised", "nodes", "node_instances", "stream_path"):
            asked = []

            async def breathe(turns: Turns, asked: list[Turns] = asked) -> None:
                asked.append(turns)

            with mock.patch.object(Turns, "breathe", breathe):
                self.assertEqual(stage.get(f"/api/v3/{target}").status, 200)
            self.assertGreaterEqual(len(asked), 9, target)

    def test_alerts(self) -> None:
        """
        Raised alerts and what happened are told with the node that they are
        of, the newest first and no more than asked for.
        """
        node = Watching(Path(self.mktemp()), TEXT)
        self.addCleanup(node.start().stopService)
        client = Client(node)
        node.values = [4.0, 2.0]
        node.advance(30)
        raised = client.get("/api/v3/raised").json()
        self.assertEqual([("load_high", "WARNING")], [(each["name"], each["status"]) for each in raised["alerts"]])
        self.assertEqual(raised["alerts"][0]["guid"], node.hub.local.info.guid)
        every = client.get("/api/v3/raised?all").json()
        self.assertEqual(2, every["total"])
        whole = client.get("/api/v3/transitions").json()["transitions"]
        self.assertIn(("load_high", "WARNING"), [(each["name"], each["status"]) for each in whole])
        self.assertEqual(sorted((each["when"] for each in whole), reverse=True), [each["when"] for each in whole])
        self.assertEqual(whole[:1], client.get("/api/v3/transitions?last=1").json()["transitions"])
