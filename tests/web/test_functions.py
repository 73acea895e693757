"""
Tests for L{netstream.web.functions}.
"""

from __future__ import annotations

import gc
from typing import Any

from attrs import define, field
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netstream.model.calls import Call, Caller, Outcome
from netstream.model.host import Function
from netstream.model.pattern import SimplePattern
from netstream.model.updates import FunctionOffered
from tests.web.stage import CHILD, GUID, Stage

OPEN = {"management": SimplePattern.parse("localhost 10.*")}


@define
class Callee:
    """
    Answers calls as a test says.
    """

    outcome: Outcome | None = None
    calls: list[Call] = field(factory=list)
    heard: list[str] = field(factory=list)

    def call(self, call: Call, caller: Caller) -> Callee:
        self.calls.append(call)
        if self.outcome is not None:
            caller.answered(self.outcome)
        return self

    def cancel(self) -> None:
        self.heard.append("cancel")

    def ask(self) -> None:
        self.heard.append("ask")


class FunctionTests(SynchronousTestCase):
    """
    Functions of this node and of others.
    """

    def stage(self, outcome: Outcome | None, **web: Any) -> tuple[Stage, Callee]:
        stage = Stage(**web)
        host = stage.child()
        for function in (
            Function("top", 20, "The help", tags="top", priority=7),
            Function("of-chart", 5, "Another", "a.b"),
            Function("secret", access=0x13),
        ):
            host.apply(FunctionOffered(function))
        callee = Callee(outcome)
        host.callee = callee
        return stage, callee

    def test_list(self) -> None:
        """
        A node's functions are listed, and told in its information.
        """
        stage, _ = self.stage(None)
        listed = stage.get("/host/web1/api/v1/functions").json()["functions"]
        self.assertEqual(set(listed), {"top", "of-chart", "secret"})
        self.assertEqual(
            listed["top"],
            {"help": "The help", "timeout": 20, "options": "GLOBAL", "tags": "top", "access": 0, "priority": 7},
        )
        self.assertEqual(listed["of-chart"]["options"], "LOCAL")
        self.assertEqual(stage.get("/host/web1/api/v1/info").json()["functions"], listed)
        self.assertEqual(stage.get("/api/v1/functions").json(), {"functions": {}})

    def test_call(self) -> None:
        """
        A call reaches the node as it was made, and its answer the visitor.
        """
        stage, callee = self.stage(Outcome(200, b'{"a":1}'))
        response = stage.get(f"/host/{CHILD}/api/v1/function?function=top%20a:1&timeout=7")
        self.assertEqual((response.status, response.json()), (200, {"a": 1}))
        self.assertIn("no-store", response.headers["Cache-Control"])
        (call,) = callee.calls
        self.assertEqual((call.command, call.timeout, call.access, call.payload), ("top a:1", 7, 8, None))
        self.assertEqual(call.source, "method=none,role=any,permissions=0x8,ip=localhost")
        stage.get("/host/web1/api/v1/function?function=top")
        stage.get("/host/web1/api/v1/function?function=of-chart&timeout=999999")
        self.assertEqual([call.timeout for call in callee.calls[1:]], [20, 3600])
        self.assertEqual(len({call.transaction for call in callee.calls}), 3)

    def test_strange_answers(self) -> None:
        """
        Nothing that a node answers is run by a browser, or breaks HTTP.
        """
        for outcome, status, kind in (
            (Outcome(200, b"<script>", "text/html"), 200, "text/plain; charset=utf-8"),
            (Outcome(200, b"x", "image/svg+xml"), 200, "application/octet-stream"),
            (Outcome(200, b"x", "a\r\nb: c"), 200, "application/octet-stream"),
            (Outcome(200, b"x", "Application/JSON; charset=x"), 200, "application/json; charset=utf-8"),
            (Outcome(304, b"x", "text/plain"), 502, "text/plain; charset=utf-8"),
            (Outcome(204, b"x", "text/plain"), 200, "text/plain; charset=utf-8"),
            (Outcome(-5, b"x", "text/csv"), 502, "text/csv; charset=utf-8"),
            (Outcome(418, b"x", "text/plain"), 418, "text/plain; charset=utf-8"),
        ):
            stage, _ = self.stage(outcome)
            response = stage.get("/host/web1/api/v1/function?function=top")
            self.assertEqual((response.status, response.headers["Content-Type"]), (status, kind))
            self.assertEqual(response.body, outcome.body)
            self.assertEqual(response.headers["X-Content-Type-Options"], "nosniff")

    def test_no_answer(self) -> None:
        """
        Who cannot be answered is told why at once.
        """
        stage, callee = self.stage(Outcome(200))
        path = "/host/web1/api/v1/function"
        self.assertEqual(stage.get(path).status, 400)
        self.assertEqual(stage.get(f"{path}?function=" + "x" * 5000).status, 400)
        self.assertEqual(stage.get(f"{path}?function=unknown").status, 404)
        self.assertEqual(stage.get(f"{path}?function=secret").status, 403)
        self.assertEqual(stage.get("/api/v1/function?function=top").status, 404)
        host = stage.hub.get(CHILD)
        assert host is not None
        host.callee = None
        response = stage.get(f"{path}?function=top")
        self.assertEqual((response.status, response.json()["status"]), (503, 503))
        self.assertEqual(callee.calls, [])

    def test_who_may(self) -> None:
        """
        Only who may manage the node calls functions, and no page of another
        site through someone's browser.
        """
        stage, callee = self.stage(Outcome(200, b"{}"))
        path = "/host/web1/api/v1/function?function=top"
        refused = stage.get(path, "10.0.0.7")
        self.assertEqual(refused.status, 403)
        self.assertIn("allow management from = localhost 10.0.0.7\n", refused.text)
        self.assertEqual(stage.get(path, Sec_Fetch_Site="cross-site").status, 403)
        self.assertEqual(stage.get(path, Sec_Fetch_Site="same-origin").status, 200)
        stage, callee = self.stage(Outcome(200, b"{}"), allow=OPEN)
        self.assertEqual(stage.get(path, "10.0.0.7").status, 200)
        self.assertTrue(callee.calls[0].source.endswith(",ip=10.0.0.7"))
        self.assertEqual(stage.get(path, "192.168.0.7").status, 403)

    def test_leaving(self) -> None:
        """
        When the visitor leaves, the call is cancelled.
        """
        stage, callee = self.stage(None)
        protocol = stage.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 4321))
        transport = StringTransport(peerAddress=IPv4Address("TCP", "127.0.0.1", 4321))
        protocol.makeConnection(transport)
        protocol.dataReceived(b"GET /host/web1/api/v1/function?function=top HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual((len(callee.calls), callee.heard), (1, []))
        protocol.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(callee.heard, ["cancel"])
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_lookup(self) -> None:
        """
        A function is found by the longest name that a call begins with.
        """
        host = Stage().child()
        for name in ("config", "config tree", "top"):
            host.apply(FunctionOffered(Function(name, chart="a.b" if name == "top" else "")))
        host.apply(FunctionOffered(Function("top", help="of the node")))
        for command, name in (
            ("config tree /", "config tree"),
            ("config x y", "config"),
            (" top ", "top"),
            ("t", None),
        ):
            found = host.function(command)
            self.assertEqual(found.name if found else None, name)
        found = host.function("top a:1")
        assert found is not None
        self.assertEqual(found.help, "of the node")
        self.assertNotEqual(GUID, CHILD)
