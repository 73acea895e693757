"""
netstream as the parent of a real agent.
"""

from __future__ import annotations

import re
import socket
import time
from hashlib import sha256

from tests.interop.case import InteropTestCase
from tests.interop.fixture import absolute, gauge
from tests.interop.peers import KEY, accepting, wait_for

CLOCKS = {"inc": 0.1}
"""What the arrival of a sample may change of a rate: a tenth of a second, on a busy machine."""

FIXTURE_CHARTS = ("fixture.simple", "fixture.rows", "fixture.moves", "fixture.gaps")


class ChildTests(InteropTestCase):
    """
    A real child streams to a netstream parent.
    """

    def test_shows_what_the_child_shows(self) -> None:
        """
        Charts, labels and values of a real child are at the parent as the child itself shows them.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        child = self.agent("real-child", sends_to=[parent.address], fixture=True)
        parent.wait_host(child.name)
        shown = parent.wait_samples("fixture.simple", child.name, count=10)
        for second, value in shown["absolute dim"].items():
            self.assertEqual(value, absolute(second))
            self.assertAlmostEqual(shown["gauge"][second], gauge(second), places=6)
        self.assert_same_charts(child, parent)
        for chart in FIXTURE_CHARTS:
            self.assert_same_samples(child, parent, chart, CLOCKS)
        wait_for(
            "the labels of the child at the parent",
            lambda: parent.get("info", child.name)["host_labels"] == child.get("info")["host_labels"],
        )
        self.assertEqual(parent.samples("fixture.simple", child.guid).keys(), shown.keys())
        child.stop()
        self.assert_stopped(parent)

    def test_gaps_and_slow_charts(self) -> None:
        """
        A dimension that is not collected each time has the same gaps, and a slow chart the same period.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        child = self.agent("real-child", sends_to=[parent.address], fixture=True)
        parent.wait_samples("fixture.slow", child.name, count=2)
        theirs, ours = child.samples("fixture.gaps"), parent.samples("fixture.gaps", child.name)
        common = sorted(theirs["here"].keys() & ours["here"].keys())[1:]
        self.assertGreater(len(common), 5)
        for second in common:
            self.assertEqual(second in theirs["sometimes"], second in ours["sometimes"], f"at {second}")
        slow = parent.samples("fixture.slow", child.name)["s"]
        self.assertEqual([second for second in slow if second % 5], [])
        self.assertEqual([value for second, value in slow.items() if value != second % 10_000], [])

    def test_everything_that_an_agent_collects(self) -> None:
        """
        The charts of a whole machine arrive with all they are.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        child = self.agent("real-child", sends_to=[parent.address], proc=True)
        parent.wait_samples("system.cpu", child.name, count=8)
        expected, found = child.charts(), parent.charts(child.name)
        self.assertGreater(len(expected), 30)
        # A chart may begin between the two questions.
        self.assertLess(len(expected.keys() ^ found.keys()), 5)
        self.assert_same_charts(child, parent, sorted(expected.keys() & found.keys()))
        for chart in ("system.cpu", "system.ram"):
            self.assert_same_samples(child, parent, chart)
        parent.wait_samples("system.load", child.name, count=2)
        self.assert_same_samples(child, parent, "system.load", {"load1": 0.5, "load5": 0.5, "load15": 0.5}, least=1)

    def test_comes_back(self) -> None:
        """
        A child that was restarted streams on under the same name.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        child = self.agent("real-child", sends_to=[parent.address], fixture=True)
        parent.wait_samples("fixture.simple", child.name)
        child.stop()
        parent.wait_host(child.name, online=False)
        again = int(time.time())
        child.start()
        parent.wait_host(child.name)
        parent.wait_samples("fixture.simple", child.name, newer=again)


class RestartTests(InteropTestCase):
    """
    A netstream parent with its database on disk is restarted.
    """

    def test_keeps_history(self) -> None:
        """
        What a parent showed before a restart it shows afterwards, also of a child that is gone.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY), options=["db/mode=dbengine"])
        child = self.agent("real-child", sends_to=[parent.address], fixture=True)
        parent.wait_samples("fixture.simple", child.name, count=8)
        labels = parent.get("info", child.name)["host_labels"]
        child.stop()
        parent.wait_host(child.name, online=False)
        charts = parent.charts(child.name)
        before = {chart: parent.samples(chart, child.name, after=-120) for chart in FIXTURE_CHARTS}
        self.assert_stopped(parent)
        parent.start()
        self.assertIs(parent.reachable()[child.name], False)
        self.assertEqual(parent.get("info", child.name)["host_labels"], labels)
        self.assertEqual(parent.charts(child.name).keys(), charts.keys())
        self.assert_same_charts_after(charts, parent.charts(child.name))
        after = {chart: parent.samples(chart, child.name, after=-120) for chart in FIXTURE_CHARTS}
        for chart, values in before.items():
            self.assert_same_values(values, after[chart], least=5 if chart != "fixture.gaps" else 3)
            for dimension, seconds in values.items():
                lost = [second for second in seconds if second not in after[chart][dimension]]
                # The window moves on while the node starts.
                self.assertEqual([second for second in lost if second > time.time() - 100], [])
        child.start()
        parent.wait_host(child.name)
        parent.wait_samples("fixture.simple", child.name, newer=int(time.time()))

    def assert_same_charts_after(
        self, before: dict[str, dict[str, object]], after: dict[str, dict[str, object]]
    ) -> None:
        """
        The definitions of charts are the same after a restart.
        """
        for chart, definition in before.items():
            for name in ("context", "family", "units", "title", "priority", "dimensions", "chart_labels"):
                self.assertEqual(after[chart][name], definition[name], f"{name} of {chart}")


def request(
    key: str,
    guid: str = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb",
    hostname: str = "stranger",
    version: int = 15352,
) -> bytes:
    """
    @return: The request of a child.
    """
    return (
        f"STREAM key={key}&hostname={hostname}&registry_hostname={hostname}&machine_guid={guid}&update_every=1"
        f"&os=linux&timezone=Etc/UTC&abbrev_timezone=UTC&utc_offset=0&hops=1&ml_capable=0&ml_enabled=0&mc_version=1"
        f"&tags=&ver={version}&NETDATA_PROTOCOL_VERSION=1.1 HTTP/1.1\r\n"
        "User-Agent: netdata/v1.37.1\r\nAccept: */*\r\n\r\n"
    ).encode()


def converse(port: int, data: bytes, *, enough: bytes | None = None, timeout: float = 60.0) -> tuple[bytes, bool]:
    """
    Send bytes to a node and listen.

    @param enough: Stop listening at this answer.
    @return: What it answered, and whether it closed the connection.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        answer = b""
        try:
            connection.sendall(data)
            while enough is None or not answer.startswith(enough):
                piece = connection.recv(65536)
                if not piece:
                    return answer, True
                answer += piece
        except (ConnectionError, TimeoutError) as problem:
            return answer, isinstance(problem, ConnectionError)
        return answer, False


def fingerprint(key: str) -> str:
    """
    @return: How a log names a key without telling it.
    """
    return sha256(key.encode()).hexdigest()[:8]


DENIED = b"You are not permitted to access this. Check the logs for more info."
UNKNOWN_KEY = "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
DISABLED_KEY = "dddddddd-dddd-4ddd-8ddd-dddddddddddd"
ELSEWHERE_KEY = "eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee"
BANNED_GUID = "ffffffff-ffff-4fff-8fff-ffffffffffff"


class RefusalTests(InteropTestCase):
    """
    Who may not stream is told so in the words of the protocol, and the log of the parent tells how to admit it.
    """

    def setUp(self) -> None:
        super().setUp()
        stream = accepting(KEY)
        stream += accepting(DISABLED_KEY, enabled=False)
        stream += accepting(ELSEWHERE_KEY, allow_from="10.1.2.*")
        stream += f"[{BANNED_GUID}]\n    type = machine\n    enabled = no\n"
        self.parent = self.node("ns-parent", role="parent", stream=stream)

    def assert_refused(self, data: bytes, reply: bytes, *words: str, key: str = "") -> None:
        """
        A request is answered with a refusal and one log line.

        @param words: Must all be in the same line of the log.
        @param key: Must not be in the log.
        """
        self.assertEqual(converse(self.parent.port, data), (reply, True))
        wait_for(
            f"a log line with {words}",
            lambda: any(all(word in line for word in words) for line in self.parent.log().splitlines()),
        )
        if key:
            self.assertNotIn(key, self.parent.log())

    def test_unknown_key(self) -> None:
        """
        A key without a section is refused; the log names host, address, fingerprint and the section to add.
        """
        self.assert_refused(
            request(UNKNOWN_KEY),
            DENIED,
            "stranger",
            "127.0.0.1",
            fingerprint(UNKNOWN_KEY),
            "stream.conf",
            key=UNKNOWN_KEY,
        )

    def test_disabled_key(self) -> None:
        """
        A key that is not enabled is refused; the log names the option to change.
        """
        self.assert_refused(
            request(DISABLED_KEY),
            DENIED,
            "stranger",
            "127.0.0.1",
            fingerprint(DISABLED_KEY),
            "enabled",
            key=DISABLED_KEY,
        )

    def test_wrong_address(self) -> None:
        """
        A key used from elsewhere is refused; the log names the option to change.
        """
        self.assert_refused(
            request(ELSEWHERE_KEY),
            DENIED,
            "stranger",
            "127.0.0.1",
            fingerprint(ELSEWHERE_KEY),
            "allow from",
            key=ELSEWHERE_KEY,
        )

    def test_banned_machine(self) -> None:
        """
        A machine that is disabled is refused though its key is good.
        """
        self.assert_refused(request(KEY, BANNED_GUID), DENIED, "stranger", "127.0.0.1", BANNED_GUID, "enabled", key=KEY)

    def test_machine_guid_is_no_key(self) -> None:
        """
        The machine GUID of a known node does not open the door.
        """
        self.assert_refused(request(BANNED_GUID), DENIED, "stranger", "127.0.0.1")
        self.assert_refused(request(self.parent.guid), DENIED, "stranger", "127.0.0.1")

    def test_malformed_identity(self) -> None:
        """
        What is not a GUID is refused.
        """
        self.assert_refused(request("not-a-key"), DENIED, "127.0.0.1")
        self.assert_refused(request(KEY, "../../../../etc/passwd"), DENIED, "127.0.0.1")

    def test_own_guid(self) -> None:
        """
        A node with the parent's own machine GUID is told so.
        """
        reply = b"Don't hit me baby, you are trying to stream my localhost back"
        self.assert_refused(request(KEY, self.parent.guid), reply, "stranger", "127.0.0.1", self.parent.guid)

    def test_already_streaming(self) -> None:
        """
        A second connection of a live node is refused, and the first goes on.
        """
        child = self.agent("real-child", sends_to=[self.parent.address], fixture=True)
        self.parent.wait_host(child.name)
        self.parent.wait_samples("fixture.simple", child.name, count=1)
        reply = b"This GUID is already streaming to this server"
        self.assert_refused(request(KEY, child.guid), reply, "stranger", "127.0.0.1", child.guid)
        self.parent.wait_samples("fixture.simple", child.name, newer=int(time.time()))

    def test_real_child_with_an_unknown_key(self) -> None:
        """
        A real agent understands the refusal.
        """
        child = self.agent("real-child", sends_to=[self.parent.address], key=UNKNOWN_KEY, fixture=True)
        child.wait_log(r"(?i)denied|not permitted|refuse|reject")
        self.assertNotIn(child.name, self.parent.reachable())

    def test_replies_of_acceptance(self) -> None:
        """
        Children of every age get the reply that they understand.
        """
        for number, (version, reply) in enumerate(
            [
                (1, b"Hit me baby, push them over..."),
                (2, b"Hit me baby, push them over and bring the host labels..."),
                (4, b"Hit me baby, push them over with the version=4"),
            ]
        ):
            data = request(KEY, f"bbbbbbbb-bbbb-4bbb-8bbb-{number:012}", f"old-{number}", version)
            self.assertEqual(converse(self.parent.port, data, enough=reply), (reply, False))
        answer, _ = converse(self.parent.port, request(KEY), enough=b"Hit me baby, push them over with the version=")
        self.assertTrue(answer.startswith(b"Hit me baby, push them over with the version="), answer)


class GarbageTests(InteropTestCase):
    """
    What is not a child, or not a good one, harms nobody else.
    """

    def test_closes_only_that_connection(self) -> None:
        """
        Garbage before, in and after the handshake ends its own connection; a real child streams on.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        child = self.agent("real-child", sends_to=[parent.address], fixture=True)
        parent.wait_samples("fixture.simple", child.name, count=2)
        good = b'CHART "a.b" "" "t" "u" "f" "c" "line" 1000 1 "" "p" "m"\nDIMENSION "d" "d" "absolute" 1 1 ""\n'
        before: list[bytes] = [
            bytes(range(256)) * 64,
            b"\x00" * 70000,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 600,
            b"stream key=1 HTTP/1.1\r\n\r\n",
            b"STREAM " + b"x" * 200_000,
            b"STREAM  HTTP/1.1\r\n\r\n",
            b"STREAM key=%zz&&&=&hostname HTTP/1.1\r\n\r\n",
            b"GET " + b"/" * 100_000,
        ]
        for data in before:
            answer, closed = converse(parent.port, data, enough=b"HTTP/1.1 4")
            # What looks like HTTP may be answered as such.
            self.assertTrue(closed or answer.startswith(b"HTTP/1.1 4"), f"after {data[:40]!r}: {answer[:100]!r}")
        after = [
            b'SET "d" = 1\n',
            b'BEGIN "no.such.chart" 0\n',
            good + b'BEGIN "a.b" 0\nSET "nosuch" = 1\nEND\n',
            good + b'BEGIN "a.b" 0\nSET "d" = twelve\nEND\n',
            b"x" * 1_000_000,
            b'CHART "' + b"a" * 200_000,
        ]
        for number, data in enumerate(after):
            guid, name = f"bbbbbbbb-bbbb-4bbb-8bbb-{number:012}", f"bad-{number}"
            with socket.create_connection(("127.0.0.1", parent.port), timeout=60) as connection:
                connection.sendall(request(KEY, guid, name))
                self.assertTrue(connection.recv(4096).startswith(b"Hit me baby"))
                address = "{}:{}".format(*connection.getsockname())
                try:
                    connection.sendall(data)
                    while connection.recv(4096):
                        pass
                except ConnectionError:
                    pass
                except TimeoutError:
                    self.fail(f"not closed after {data[:60]!r}")
            parent.wait_log(rf"(?m)^.*{re.escape(address)}.*{name}.*$")
        self.assertIs(parent.reachable()[child.name], True)
        parent.wait_samples("fixture.simple", child.name, newer=int(time.time()))
        self.assertNotIn("disconnected", "".join(line for line in parent.log().splitlines() if child.name in line))
        self.assertNotIn("Traceback", parent.log())
        self.assert_stopped(parent)

    def test_half_a_request(self) -> None:
        """
        A handshake that is never finished is closed after a time limit.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        self.assertEqual(converse(parent.port, b"STREAM key=", timeout=100), (b"", True))
        self.assertEqual(converse(parent.port, b"STR", timeout=100), (b"", True))
