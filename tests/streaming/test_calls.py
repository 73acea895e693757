"""
Tests for L{netstream.streaming.calls}: functions called through nodes.
"""

from __future__ import annotations

import json
import re
from typing import Any

from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory

from netstream.testing import WorldNode
from tests.recordings import ROOT
from tests.recordings import child as child_of
from tests.streaming.case import GUID, ScriptedChild, WorldCase

OFFERS = (
    b"CHART a.b '' '' '' '' a.b\nDIMENSION c\n"
    b'FUNCTION "of-chart" 15 "A test"\nFUNCTION GLOBAL "top" 20 "Another" "top" 0x0 100 0\n'
    b'FUNCTION GLOBAL config 120 "Dynamic configuration" "config" 0x8 1000\n'
)
OPEN = "[web]\n    allow management from = *\n"
EVERYTHING = str((1 << 29) - 1 - 8 - 16 - 32 & ~(1 << 12 | 1 << 10 | 1 << 19 | 1 << 20 | 1 << 21))
"""What a newer child offers, without replication and compression."""
OLD = str(16376 & ~(1 << 12 | 1 << 10))
PATH = f"/host/{GUID}/api/v1/function?function="


class CallCase(WorldCase):
    """
    A scripted child at the end of a chain of nodes.
    """

    def chain(self, ver: str = EVERYTHING) -> tuple[ScriptedChild, WorldNode, WorldNode]:
        top = self.world.node("top", "parent", conf=OPEN)
        proxy = self.world.node("proxy", "proxy", destination="top", conf=OPEN)
        self.world.advance(2)
        child = self.child(proxy, ver=ver, hops="1")
        child.say(OFFERS)
        self.world.advance(2)
        return child, proxy, top

    def visit(self, node: WorldNode, path: str) -> Any:
        """
        @return: A connection on which an HTTP request was made.
        """
        visitor = self.connect(node)
        visitor.say(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.world.advance(0.2)
        return visitor

    def calls(self, child: ScriptedChild, keyword: bytes = b"FUNCTION") -> list[list[bytes]]:
        said = re.sub(rb"version=\d+", b"\n", child.received)
        return [line.split(b" ", 3) for line in said.split(b"\n") if line.split(b" ")[0] == keyword]

    def answer(self, child: ScriptedChild, body: bytes) -> None:
        """
        Let the child answer its first call.
        """
        transaction = self.calls(child)[0][1]
        child.say(b'FUNCTION_RESULT_BEGIN "%b" 200 "text/plain" 7\n%b\nFUNCTION_RESULT_END\n' % (transaction, body))

    def status(self, visitor: Any) -> int:
        return int(visitor.received.split()[1]) if visitor.received else 0


class ChainTests(CallCase):
    """
    A call reaches a child through its parents, and the answer its caller.
    """

    def assert_answered(self, ver: str, details: bool) -> None:
        child, proxy, top = self.chain(ver)
        listed = top.get(f"/host/{GUID}/api/v1/functions")["functions"]
        self.assertEqual(set(listed), {"of-chart", "top", "config"})
        visitor = self.visit(top, PATH + "of-chart%20a:1&timeout=7")
        (call,) = self.calls(child)
        self.assertEqual(call[2], b"7")
        self.assertTrue(call[3].startswith(b'"of-chart a:1"'), call)
        self.assertEqual(b'"0x8"' in call[3] and b"permissions=0x8" in call[3], details)
        self.assertEqual(self.status(visitor), 0)
        body = json.dumps({"rows": ["x" * 50] * 4000}, indent=1).encode()
        self.answer(child, body + b"\n")
        child.sample(self.world.now)
        self.world.advance(2)
        self.assertEqual(self.status(visitor), 200)
        self.assertTrue(visitor.received.endswith(b"\r\n\r\n" + body))
        self.assertEqual(len(top.read(GUID, "a.b", "c", self.world.now - 10, self.world.now)), 1)

    def test_answered(self) -> None:
        """
        A function of the child is called at the top, with its arguments, and
        its answer comes back as it was.
        """
        self.assert_answered(EVERYTHING, True)

    def test_answered_by_old(self) -> None:
        """
        A child of version 1.37 is called in the form that it knows.
        """
        self.assert_answered(OLD, False)

    def test_silent(self) -> None:
        """
        A child that does not answer keeps nobody waiting longer than asked
        for, is told that it need not answer, and goes on.
        """
        child, proxy, top = self.chain()
        visitor = self.visit(top, PATH + "top&timeout=5")
        self.world.advance(6)
        self.assertEqual(self.status(visitor), 504)
        self.assertIn(b'{"status":504,"error_message":"The node did not answer in time"}', visitor.received)
        self.assertEqual(len(self.calls(child, b"FUNCTION_CANCEL")), 1)
        self.answer(child, b"late")
        child.sample(self.world.now)
        self.world.advance(1)
        self.assertFalse(child.closed)
        self.assertNotIn(b"late", visitor.received)

    def test_gone(self) -> None:
        """
        When the child leaves, who waits for it is told at once, and so is
        whoever calls then.
        """
        child, proxy, top = self.chain()
        visitor = self.visit(top, PATH + "top&timeout=60")
        other = self.visit(proxy, PATH + "top&timeout=60")
        child.leave()
        self.world.advance(0.5)
        self.assertEqual((self.status(visitor), self.status(other)), (503, 503))
        self.assertEqual(self.status(self.visit(proxy, PATH + "top")), 503)

    def test_proxy_gone(self) -> None:
        """
        When a node on the way stops, the child is told that nobody waits.
        """
        child, proxy, top = self.chain()
        visitor = self.visit(top, PATH + "top&timeout=60")
        self.world.settle(top.service.stopService())
        self.world.advance(0.5)
        self.assertEqual(len(self.calls(child, b"FUNCTION_CANCEL")), 1)
        self.assertTrue(visitor.closed)

    def test_leaving(self) -> None:
        """
        A visitor that leaves takes the call back all the way down.
        """
        child, proxy, top = self.chain()
        visitor = self.visit(top, PATH + "top&timeout=60")
        visitor.transport.abortConnection()
        self.world.advance(1)
        self.assertEqual(
            [words[1] for words in self.calls(child)], [words[1] for words in self.calls(child, b"FUNCTION_CANCEL")]
        )

    def test_progress(self) -> None:
        """
        A call that makes progress may take longer than was asked for.
        """
        child, proxy, top = self.chain()
        visitor = self.visit(top, PATH + "top&timeout=5")
        transaction = self.calls(child)[0][1]
        for done in range(4):
            self.world.advance(3)
            child.say(b"FUNCTION_PROGRESS '%b' %d 4\n" % (transaction, done))
        self.world.advance(3)
        self.assertEqual(self.status(visitor), 0)
        self.answer(child, b"done")
        self.world.advance(1)
        self.assertEqual(self.status(visitor), 200)

    def test_payload_of_a_parent(self) -> None:
        """
        A call with a payload, its permissions and its caller pass a proxy as
        they came, and the answer, its progress and its cancellation too.
        """
        proxy = self.world.node("proxy", "proxy", destination="visitor:7777")
        listening = _Parent(self)
        self.world.advance(5)
        child = self.child(proxy, ver=EVERYTHING)
        child.say(OFFERS)
        self.world.advance(5)
        connection = listening.of(GUID)
        for offered in (b'FUNCTION "of-chart" 15', b'FUNCTION GLOBAL "top" 20', b'FUNCTION GLOBAL "config" 120'):
            self.assertIn(offered, connection.received)
        said = (
            b'FUNCTION_PAYLOAD tx-1 9 "config x update" "0xffff" "method=api,role=admin" "application/json"\n'
            b'{"a":\n\n1}\nFUNCTION_PAYLOAD_END\n'
        )
        connection.transport.write(said + b'FUNCTION tx-2 9 "top"\nFUNCTION_CANCEL tx-2\nFUNCTION_PROGRESS tx-1\n')
        self.world.advance(0.5)
        self.assertIn(said, child.received)
        self.assertIn(b'FUNCTION tx-2 9 "top"\nFUNCTION_CANCEL tx-2\nFUNCTION_PROGRESS tx-1\n', child.received)
        child.say(b"FUNCTION_PROGRESS 'tx-1' 1 2\n")
        child.say(b'FUNCTION_RESULT_BEGIN "tx-1" 202 "text/x" 77\nyes\n\nFUNCTION_RESULT_END\n')
        self.world.advance(1)
        self.assertIn(b'FUNCTION_PROGRESS "tx-1" 1 2\n', connection.received)
        self.assertIn(b'FUNCTION_RESULT_BEGIN "tx-1" 202 "text/x" 77\nyes\nFUNCTION_RESULT_END\n', connection.received)
        self.assertNotIn(b'FUNCTION_RESULT_BEGIN "tx-2"', connection.received)
        child.say(b'FUNCTION_DEL GLOBAL "top"\n')
        self.world.advance(1)
        connection.transport.write(b'FUNCTION tx-3 9 "top"\n')
        self.world.advance(1)
        self.assertIn(b'FUNCTION_DEL GLOBAL "top"\n', connection.received)
        self.assertIn(b'FUNCTION_RESULT_BEGIN "tx-3" 404 ', connection.received)

    def test_recorded(self) -> None:
        """
        A conversation of real agents of version 2.9, with us in the place of
        their proxy: calls and answers pass as they passed there, without the
        newlines that the proxy added.
        """
        asked = (ROOT / "v29-proxy/child-proxy.2.p2c.bin").read_bytes()
        calls = asked[asked.index(b"\nFUNCTION ") + 1 :]
        self.assertEqual(calls.count(b"FUNCTION "), 4)
        recording = child_of("v29-proxy/child-proxy.2.c2p.bin")
        at = recording.data.index(b"FUNCTION_RESULT_BEGIN ")
        guid = "11111111-1111-4111-8111-111111111111"
        proxy = self.world.node("proxy", "proxy", destination="visitor:7777")
        listening = _Parent(self)
        self.world.advance(5)
        child = self.child(proxy, ver=EVERYTHING, machine_guid=guid)
        child.say(recording.data[:at])
        self.world.advance(5)
        parent = listening.of(guid)
        parent.transport.write(calls)
        self.world.advance(1)
        self.assertTrue(child.received.endswith(calls), child.received[-2000:])
        child.say(recording.data[at:])
        self.world.advance(1)
        answers = re.findall(rb"FUNCTION_RESULT_BEGIN .*?FUNCTION_RESULT_END\n", recording.data, re.DOTALL)
        self.assertEqual(len(answers), 4)
        for answer in answers:
            self.assertIn(re.sub(rb"\n+FUNCTION_RESULT_END", b"\nFUNCTION_RESULT_END", answer), parent.received)


class _Parent:
    """
    A parent that says what a test wants said, on the visitor's machine.
    """

    def __init__(self, case: WorldCase) -> None:
        self._connections: list[ScriptedParent] = []
        endpoint = TCP4ServerEndpoint(case.world.visitor, 7777)
        case.successResultOf(endpoint.listen(Factory.forProtocol(self._build)))

    def _build(self) -> ScriptedParent:
        self._connections.append(ScriptedParent())
        return self._connections[-1]

    def of(self, guid: str) -> ScriptedParent:
        """
        @return: The connection that streams a host.
        """
        (found,) = (
            each for each in self._connections if b"machine_guid=" + guid.encode() in each.received and not each.closed
        )
        return found


class ScriptedParent(ScriptedChild):
    """
    Accepts whoever comes.
    """

    accepted = False

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if self.received.startswith(b"GET "):
            self.transport.loseConnection()  # as one that cannot be asked
        elif not self.accepted and b"\r\n\r\n" in self.received:
            self.accepted = True
            ver = int(self.received.partition(b"&ver=")[2].partition(b"&")[0])
            mask = ver & ~(8 | 16 | 32 | 1 << 12 | 1 << 10 | 1 << 19 | 1 << 20 | 1 << 21)
            self.transport.write(b"Hit me baby, push them over with the version=%d" % mask)
