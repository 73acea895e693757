"""
What nodes tell of streams from and to real agents.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, NetstreamNode, Peer, accepting, sending, wait_for


class SightTests(InteropTestCase):
    """
    A real child streams through a netstream proxy to a real parent.
    """

    def instance(self, viewer: NetstreamNode, node: Peer) -> Any:
        answer = json.loads(viewer.fetch(f"/host/{node.guid}/api/v3/node_instances"))
        return answer["nodes"][0]["instances"][0]

    def test_proxy(self) -> None:
        """
        The proxy shows how the child's samples come, how they go on, which way
        they take, and that none was lost.
        """
        parent = self.agent("real-parent", accepts=[KEY])
        proxy = self.node("ns-proxy", role="proxy", stream=sending(parent.address) + accepting(KEY))
        child = self.agent("real-child", sends_to=[proxy.address], fixture=True)
        parent.wait_samples("fixture.simple", child.name, count=8)

        def measured() -> Any:
            instance = self.instance(proxy, child)
            ingest, stream = instance["ingest"], instance["stream"]
            speeds = [place["traffic"]["samples_per_second"] for place in (ingest["source"], stream["destination"])]
            # The slow chart begins later than the others, and its past is asked for then.
            settled = ingest["status"] == stream["status"] == "online" and not stream["backlog"]
            return instance if min(speeds) > 5 and settled else None

        instance = wait_for("speeds are measured, and the past is there", measured)
        ingest, stream = instance["ingest"], instance["stream"]
        self.assertEqual((ingest["type"], ingest["status"], ingest["hops"]), ("child", "online", 1))
        self.assertLess(abs(ingest["lag"]), 10)
        for traffic in (ingest["source"]["traffic"], stream["destination"]["traffic"]):
            self.assertTrue(traffic["compression"])
            self.assertGreater(traffic["compression_ratio"], 1)
            self.assertGreater(traffic["bytes_per_second"], 10)
        self.assertEqual((stream["status"], stream["hops"], stream["backlog"], stream["dropped"]), ("online", 2, 0, 0))
        self.assertEqual(stream["destination"]["remote"], parent.address)
        path = [(entry["hostname"], entry["host_id"], entry["hops"]) for entry in stream["path"]]
        self.assertEqual(path, [(child.name, child.guid, 0), (proxy.name, proxy.guid, 1)])
        shown = proxy.wait_samples("netstream.samples", count=2)
        self.assertGreater(max(shown["received"].values()), 5)
        self.assertNotIn("losses", proxy.get("info"))
        found = {
            sample.name: sample.value
            for family in text_string_to_metric_families(proxy.fetch("/metrics").decode())
            for sample in family.samples
            if sample.labels.get("guid", child.guid) == child.guid and "reason" not in sample.labels
        }
        self.assertGreater(found["netstream_child_received_samples_total"], 50)
        self.assertEqual((found["netstream_parent_up"], found["netstream_children"]), (1, 1))
        child.stop()
        proxy.wait_host(child.name, online=False)
        ingest = self.instance(proxy, child)["ingest"]
        self.assertEqual(ingest["status"], "offline")
        self.assertTrue(ingest["reason"])
        self.assert_stopped(proxy)

    def test_stream_info(self) -> None:
        """
        Who asks before it streams reads the whole answer at once.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        for guid, status in ((parent.guid, 200), ("77777777-7777-4777-8777-777777777777", 404)):
            with socket.create_connection(("127.0.0.1", parent.port), timeout=60) as asking:
                asking.sendall(
                    f"GET /api/v3/stream_info?machine_guid={guid} HTTP/1.1\r\nHost: parent.anywhere.example\r\n"
                    "Connection: close\r\n\r\n".encode()
                )
                head, _, body = asking.recv(8192).partition(b"\r\n\r\n")
                self.assertIn(f"\r\nContent-Length: {len(body)}\r\n".encode(), head + b"\r\n")
                self.assertEqual(json.loads(body)["status"], status)
                self.assertEqual(asking.recv(8192), b"")
        self.assert_stopped(parent)
