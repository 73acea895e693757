"""
Tests for the nodes of version 3 of the API.
"""

from __future__ import annotations

import json

from attrs import evolve
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from netstream.hub.figures import Traffic, Upstream
from netstream.hub.hub import Link
from netstream.model.host import Function
from netstream.model.progress import Progress
from netstream.model.updates import FunctionOffered, PathKnown
from netstream.web.version3 import COMMANDS
from tests.web.stage import CHILD, GUID, LOAD, NOW, Stage

OWN = {"host_id": GUID, "hostname": "parent.example", "hops": 1, "capabilities": ("V1", "PATHS"), "flags": ()}
ORIGIN = {"host_id": CHILD, "hostname": "web1", "hops": 0, "capabilities": ("V1",), "flags": ()}
SPOKEN = ("VCAPS", "FUNCTIONS", "ZSTD")


class NodesTests(SynchronousTestCase):
    """
    Commands that tell of many nodes.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.usual()
        child = self.stage.hub.get(CHILD)
        assert child is not None
        self.child = child
        traffic = Traffic(self.stage.hub.counts.received)
        traffic.mark(NOW - 10)
        traffic.moved(wire=1000, text=3000, samples=50, functions=200, replication=300)
        traffic.mark(NOW)
        self.child.link = Link("10.0.0.9:1234", NOW - 100, 0, SPOKEN, traffic)
        self.child.replication = Progress(10, 3, 1, 20, 1000, 100, 300, NOW - 10, NOW)

    def test_nodes(self) -> None:
        """
        Each node is told of with what it is, this node first.
        """
        answer = self.stage.get("/api/v3/nodes").json()
        own, child = answer["nodes"]
        self.assertEqual((own["mg"], own["nm"], own["ni"], own["state"]), (GUID, "parent.example", 0, "reachable"))
        self.assertEqual((child["mg"], child["nm"], child["ni"]), (CHILD, "web1", 1))
        self.assertEqual(own["labels"], {"_os": "linux", "site": "berlin"})
        self.assertEqual(child["capabilities"], list(SPOKEN))
        self.assertEqual((own["v"], own["os"]["nm"], own["hw"]["cpus"]), ("v0.1.0", "unknown", "unknown"))
        self.assertEqual(answer["agents"], [{"mg": GUID, "nd": None, "nm": "parent.example", "now": NOW, "ai": 0}])
        self.stage.hub.disconnect(self.child, NOW)
        self.assertEqual(self.stage.get("/api/v2/nodes").json()["nodes"][1]["state"], "stale")

    def test_chosen(self) -> None:
        """
        Nodes are chosen by patterns of names or GUIDs, or by the path.
        """
        for target in (
            "/api/v3/nodes?scope_nodes=web*",
            f"/api/v3/nodes?nodes={CHILD}",
            "/api/v3/nodes?nodes=!parent*,*",
            "/host/web1/api/v3/nodes",
        ):
            self.assertEqual([n["nm"] for n in self.stage.get(target).json()["nodes"]], ["web1"], target)
        self.assertEqual(self.stage.get("/api/v3/nodes?nodes=none").json()["nodes"], [])

    def test_ingest(self) -> None:
        """
        How a child's samples come: since when, how far behind, how fast, how
        much compressed, and how far its gaps are filled.
        """
        node = self.stage.get("/host/web1/api/v3/node_instances").json()["nodes"][0]
        (instance,) = node["instances"]
        self.assertEqual(
            instance["db"],
            {
                "status": "online",
                "liveness": "live",
                "mode": "ram",
                "first_time": NOW - 600,
                "last_time": NOW,
                "metrics": 2,
                "instances": 1,
                "contexts": 1,
            },
        )
        ingest = instance["ingest"]
        self.assertEqual((ingest["type"], ingest["status"], ingest["hops"]), ("child", "replicating", 1))
        self.assertEqual((ingest["since"], ingest["age"], ingest["lag"]), (NOW - 100, 100, 0))
        self.assertEqual(
            ingest["replication"],
            {
                "in_progress": True,
                "completion": 25,
                "instances": 7,
                "given_up": 1,
                "samples": 1000,
                "samples_per_second": 100.0,
                "seconds_left": 30,
            },
        )
        self.assertEqual((ingest["source"]["remote"], ingest["source"]["capabilities"]), ("10.0.0.9:1234", [*SPOKEN]))
        self.assertEqual(
            ingest["source"]["traffic"],
            {
                "compression": True,
                "data": 2500,
                "functions": 200,
                "replication": 300,
                "bytes": 1000,
                "samples": 50,
                "compression_ratio": 3,
                "bytes_per_second": 100,
                "samples_per_second": 5,
            },
        )
        self.assertEqual(instance["stream"]["status"], "disabled")

    def test_offline(self) -> None:
        """
        Of a child that left it is said why; of one that was never here since
        the start, that.
        """
        self.child.left = "silent for 60 s"
        self.stage.hub.disconnect(self.child, NOW - 5)
        ingest = self.stage.get("/host/web1/api/v3/node_instances").json()["nodes"][0]["instances"][0]["ingest"]
        self.assertEqual((ingest["type"], ingest["status"], ingest["age"]), ("child", "offline", 5))
        self.assertEqual(ingest["reason"], "silent for 60 s")
        self.child.left = ""
        ingest = self.stage.get("/host/web1/api/v3/node_instances").json()["nodes"][0]["instances"][0]["ingest"]
        self.assertEqual((ingest["type"], ingest["status"]), ("archived", "archived"))

    def test_stream(self) -> None:
        """
        Where samples go on to, since when, and what waits or was dropped.
        """
        traffic = Traffic()
        traffic.moved(wire=10, text=25, samples=3)
        self.child.upstream = Upstream(
            destination="top:19999",
            connected=True,
            since=NOW - 7,
            attempts=3,
            spoken=("VCAPS",),
            peer="10.0.0.1:19999",
            traffic=traffic,
            dropped=4,
            backlog=lambda: 77,
            lag=lambda now: now - NOW + 2.5,
        )
        stream = self.stage.get("/host/web1/api/v3/node_instances").json()["nodes"][0]["instances"][0]["stream"]
        self.assertEqual((stream["status"], stream["hops"], stream["age"]), ("online", 2, 7))
        self.assertEqual((stream["backlog"], stream["lag"], stream["dropped"], stream["attempts"]), (77, 2.5, 4, 3))
        self.assertEqual(stream["destination"]["remote"], "top:19999")
        self.assertEqual(stream["destination"]["traffic"]["compression_ratio"], 2.5)
        self.child.upstream.connected, self.child.upstream.reason = False, "the parent is busy"
        stream = self.stage.get("/host/web1/api/v3/node_instances").json()["nodes"][0]["instances"][0]["stream"]
        self.assertEqual((stream["status"], stream["reason"]), ("offline", "the parent is busy"))
        self.assertEqual(stream["destination"]["capabilities"], [])

    def test_certificates(self) -> None:
        """
        How long the certificates last: of this node, of a child that presents
        one, and of the parent that takes its samples.
        """
        nodes = self.stage.get("/api/v3/node_instances").json()["nodes"]
        self.assertNotIn("certificate", json.dumps(nodes))
        self.stage.hub.certificate = lambda: NOW + 86400.5
        self.child.link = Link("10.0.0.9:1234", NOW - 100, certificate=NOW + 10)
        self.child.upstream = Upstream("top:19999:SSL", True, certificate=NOW + 20)
        own, child = self.stage.get("/api/v3/node_instances").json()["nodes"]
        self.assertEqual(own["certificate"], {"not_after": NOW + 86400})
        self.assertNotIn("certificate", child)
        instance = child["instances"][0]
        self.assertEqual(instance["ingest"]["source"]["certificate"], {"not_after": NOW + 10})
        self.assertEqual(instance["stream"]["destination"]["certificate"], {"not_after": NOW + 20})

    def test_path(self) -> None:
        """
        The agents that samples pass, in their order.
        """
        self.child.place(OWN)
        self.child.apply(PathKnown((ORIGIN,)))
        node = self.stage.get("/host/web1/api/v3/stream_path").json()["nodes"][0]
        self.assertEqual(
            [(e["hostname"], e["hops"]) for e in node["streaming_path"]], [("web1", 0), ("parent.example", 1)]
        )
        instance = self.stage.get("/host/web1/api/v3/node_instances").json()["nodes"][0]["instances"][0]
        self.assertEqual(instance["stream"]["path"], node["streaming_path"])

    def test_info(self) -> None:
        """
        This node, with what it has, and every loss.
        """
        counts = self.stage.hub.counts
        counts.ahead, counts.dropped = 5, 6
        counts.refused["denied"] += 2
        counts.calls["answered"] += 1
        (agent,) = self.stage.get("/api/v3/info").json()["agents"]
        self.assertEqual(agent["nodes"], {"total": 2, "receiving": 1, "sending": 0, "archived": 0})
        self.assertEqual((agent["metrics"], agent["instances"], agent["contexts"]), (8, 4, 3))
        losses = {
            "samples_dropped": 6,
            "samples_spilled": 0,
            "samples_ahead": 5,
            "samples_not_stored": 0,
            "children_refused": {"denied": 2},
            "connections_broken": 0,
        }
        self.assertEqual(agent["losses"], losses)
        self.assertEqual(agent["traffic"]["received"]["samples"], 50)
        self.assertEqual(agent["function_calls"], {"answered": 1})
        self.assertEqual(self.stage.get("/api/v1/info").json()["losses"], losses)
        self.assertNotIn("losses", self.stage.get("/host/web1/api/v1/info").json())
        self.assertNotIn("losses", Stage().get("/api/v1/info").json())

    def test_versions(self) -> None:
        """
        What is known in numbers, which change with it.
        """
        before = self.stage.get("/api/v3/versions").json()["versions"]
        self.stage.chart(evolve(LOAD, id="another.chart"))
        self.assertNotEqual(self.stage.get("/api/v3/versions").json()["versions"], before)

    def test_functions(self) -> None:
        """
        Functions are there in all versions, what is not is 404.
        """
        self.child.apply(FunctionOffered(Function("top")))
        for version in ("v1", "v2", "v3"):
            self.assertIn("top", self.stage.get(f"/host/web1/api/{version}/functions").json()["functions"])
        for target in ("/api/v3/charts", "/api/v1/nodes", "/api/v4/nodes", "/api/v3/"):
            self.assertEqual(self.stage.get(target).status, 404, target)
        for command in set(COMMANDS) - {"weights"}:  # of which there are none
            for version in ("v2", "v3"):
                self.assertEqual(self.stage.get(f"/api/{version}/{command}?q=web").json()["api"], 2)


class StreamInfoTests(SynchronousTestCase):
    """
    What children ask before they choose a parent.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.usual()

    def test_known(self) -> None:
        """
        A child learns whether it is known, whether it is here already, and
        since when and until when there are samples of it.
        """
        child = self.stage.get(f"/api/v3/stream_info?machine_guid={CHILD.upper()}")
        self.assertEqual(child.status, 200)
        answer = child.json()
        self.assertLess(answer.pop("nonce"), 1 << 32)
        self.assertEqual(
            answer,
            {
                "version": 1,
                "status": 200,
                "host_id": GUID,
                "nodes": 2,
                "receivers": 1,
                "db_status": "online",
                "db_liveness": "live",
                "ingest_type": "child",
                "ingest_status": "online",
                "first_time_s": NOW - 600,
                "last_time_s": NOW,
            },
        )
        unknown = self.stage.get("/api/v3/stream_info?machine_guid=77777777-7777-4777-8777-777777777777")
        self.assertEqual((unknown.status, unknown.json()["status"]), (404, 404))
        self.assertNotIn("db_status", unknown.json())
        own = self.stage.get(f"/api/v3/stream_info?machine_guid={GUID}").json()
        self.assertEqual((own["ingest_type"], own["ingest_status"]), ("localhost", "online"))

    def test_states(self) -> None:
        """
        A child that is filling gaps elsewhere, or has left, is told apart.
        """
        child = self.stage.hub.get(CHILD)
        assert child is not None and child.link is not None
        target = f"/api/v3/stream_info?machine_guid={CHILD}"
        child.replication = Progress(charts=1)
        self.assertEqual(self.stage.get(target).json()["ingest_status"], "replicating")
        child.left = "it closed"
        self.stage.hub.disconnect(child, NOW)
        answer = self.stage.get(target).json()
        self.assertEqual((answer["ingest_status"], answer["db_liveness"]), ("offline", "stale"))
        child.left = ""
        answer = self.stage.get(target).json()
        self.assertEqual((answer["ingest_type"], answer["ingest_status"]), ("archived", "archived"))

    def test_one_piece(self) -> None:
        """
        A real child of version 2.9, which reads once, gets all of it at once,
        by whatever name it calls us.
        """
        for status, guid in ((200, CHILD), (404, GUID.replace("1", "7"))):
            protocol = self.stage.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 4321))
            transport = StringTransport(peerAddress=IPv4Address("TCP", "127.0.0.1", 4321))
            protocol.makeConnection(transport)
            protocol.dataReceived(
                f"GET /api/v3/stream_info?machine_guid={guid} HTTP/1.1\r\n"
                "Host: tcp:parent.of.many.example:19999:SSL\r\nUser-Agent: netdata/v2.9.0\r\nAccept: */*\r\n"
                "Accept-Encoding: identity\r\nTE: identity\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            said = transport.value()  # before anything else had its turn
            head, _, body = said.partition(b"\r\n\r\n")
            self.assertIn(b"HTTP/1.1 %d " % status, head)
            self.assertIn(b"\r\nContent-Length: %d\r\n" % len(body), head + b"\r\n")
            self.assertNotIn(b"chunked", head.lower())
            self.assertEqual(json.loads(body)["status"], status)
            self.assertLess(len(said), 8192)
            self.assertTrue(transport.disconnecting)
