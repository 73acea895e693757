"""
Tests for L{netstream.wire.handshake}.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.model.host import HostInfo
from netstream.wire.capabilities import Capability
from netstream.wire.handshake import (
    LONGEST_REQUEST,
    Accepted,
    HandshakeError,
    Refusal,
    ReplyReader,
    RequestReader,
    StreamRequest,
    accepted,
    parse_request,
)
from tests.recordings import ROOT, child, parents

KEY = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
GUID = "11111111-1111-4111-8111-111111111111"
OLD = (ROOT / "v137-plain/conn.1.c2p.bin").read_bytes().partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
OFFERED = Capability.parse(63241208)


def head(query: str, rest: str = " HTTP/1.1\r\nUser-Agent: netdata/v1\r\n\r\n") -> bytes:
    return f"STREAM {query}{rest}".encode()


class RequestTests(SynchronousTestCase):
    """
    A child's request says which host it streams.
    """

    def test_old_agent(self) -> None:
        """
        All that a 1.37.1 child says of itself is known.
        """
        request = parse_request(OLD)
        info = request.info
        self.assertEqual(request.key, KEY)
        self.assertEqual(request.capabilities, 15352)
        self.assertEqual((info.guid, info.hostname, info.registry_hostname), (GUID, "child-a", "child-a"))
        self.assertEqual((info.program, info.version), ("netdata", "v1.37.1"))
        self.assertEqual((info.update_every, info.hops, info.utc_offset), (1, 1, 0))
        self.assertEqual((info.os, info.timezone, info.abbrev_timezone), ("linux", "UTC", "UTC"))
        self.assertEqual((info.ml_capable, info.ml_enabled), (False, False))
        self.assertEqual(info.system["NETDATA_SYSTEM_OS_NAME"], "Example GNU/Linux")
        self.assertEqual(info.system["NETDATA_SYSTEM_OS_VERSION"], "12 (bookworm)")
        self.assertEqual(info.system["NETDATA_SYSTEM_TOTAL_RAM"], "8589934592")
        self.assertNotIn("NETDATA_PROTOCOL_VERSION", info.system)
        self.assertEqual(request.unknown, {})

    def test_virtual_node(self) -> None:
        """
        A virtual node of a 2.9.0 child is a host like any other.
        """
        request = child("v29-vnode/conn.2.c2p.bin").request
        assert request is not None
        self.assertEqual((request.info.hostname, request.info.hops), ("vnode-a", 2))
        self.assertEqual(request.info.os, "Netdata Virtual Host 1.0")
        self.assertEqual(request.info.system, {})

    def test_every_split(self) -> None:
        """
        A request that arrives in two pieces is the same request.
        """
        whole = parse_request(OLD)
        for at in range(1, len(OLD)):
            reader = RequestReader()
            first = reader.receive(OLD[:at])
            self.assertEqual(first or reader.receive(OLD[at:]), whole)
            self.assertEqual(reader.rest, b"")

    def test_rest(self) -> None:
        """
        What a hasty child sends behind the request is not lost.
        """
        reader = RequestReader()
        self.assertIsNotNone(reader.receive(OLD + b"CHART"))
        self.assertEqual(reader.rest, b"CHART")

    def test_tolerant(self) -> None:
        """
        Bare line feeds, no protocol at the end, blanks in a host name and
        parameters of the future are taken.
        """
        query = f"key={KEY}&hostname=a b&machine_guid={GUID.upper()}&later=1&hostname=c&os="
        for rest in ("\n\n", " HTTP/1.1\n\n", " HTTP/1.1\r\n\r\n"):
            reader = RequestReader()
            request = reader.receive(head(query, rest))
            assert request is not None
            self.assertEqual(request.info.guid, GUID)
            self.assertEqual(request.info.hostname, "a b")
            self.assertEqual(request.info.os, "unknown")
            self.assertEqual(request.unknown, {"later": "1"})
            self.assertEqual(request.capabilities, Capability.V1)

    def test_decoded_first(self) -> None:
        """
        An encoded C{&} splits a value, as at real parents.
        """
        request = parse_request(head(f"key={KEY}&hostname=a%26os%3dx&machine_guid={GUID}"))
        self.assertEqual((request.info.hostname, request.info.os), ("a", "x"))

    def test_odd_numbers(self) -> None:
        """
        Numbers without sense do not keep a child out.
        """
        query = f"key={KEY}&hostname=a&machine_guid={GUID}"
        odd = "&hops=-1&update_every=0&utc_offset=x&ver=y&ml_enabled=0"
        request = parse_request(head(query + odd))
        info = request.info
        self.assertEqual((info.hops, info.update_every, info.utc_offset), (1, 1, 0))
        self.assertEqual(request.capabilities, Capability.V1)

    def test_denied(self) -> None:
        """
        Without a good key, host name and machine GUID nobody gets in, and the
        error says why without the key.
        """
        good = {"key": KEY, "hostname": "a", "machine_guid": GUID}
        for name, value in (
            ("key", ""),
            ("hostname", ""),
            ("machine_guid", ""),
            ("key", "secret"),
            ("machine_guid", "secret"),
            ("machine_guid", GUID.replace("-", "")),
            ("key", "{" + KEY[:-2] + "}"),
        ):
            query = "&".join(f"{k}={v}" for k, v in {**good, name: value}.items())
            error = self.assertRaises(HandshakeError, parse_request, head(query))
            self.assertIs(error.refusal, Refusal.DENIED)
            self.assertNotIn(KEY[:20], str(error))
            if name == "key":
                self.assertNotIn("secret", str(error))

    def test_not_streaming(self) -> None:
        """
        Anything else is not ours to answer.
        """
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"stream key=1", b"STREAMS", b"\x16\x03\x01", b"X"):
            error = self.assertRaises(HandshakeError, RequestReader().receive, data)
            self.assertIsNone(error.refusal)

    def test_too_long(self) -> None:
        """
        A request without end is given up soon.
        """
        reader = RequestReader()
        self.assertIsNone(reader.receive(b"STREAM " + b"x" * (LONGEST_REQUEST - 8)))
        self.assertRaises(HandshakeError, reader.receive, b"x")

    @given(st.binary(max_size=300))
    @settings(max_examples=300, deadline=None)
    def test_hostile(self, data: bytes) -> None:
        """
        No bytes do worse than being refused.
        """
        for prefix in (b"", b"STREAM ", head(f"key={KEY}&machine_guid={GUID}&hostname=", "")):
            try:
                RequestReader().receive(prefix + data + b"\r\n\r\n")
            except HandshakeError as error:
                str(error).encode()

    def test_secret(self) -> None:
        """
        The key does not get into a log by way of the request.
        """
        self.assertNotIn(KEY, repr(parse_request(OLD)))


class OwnRequestTests(SynchronousTestCase):
    """
    Our request says to real parents what it should.
    """

    def test_round_trip(self) -> None:
        """
        What we write we read.
        """
        for name in ("v137-plain/conn.1.c2p.bin", "v29-plain/conn.2.c2p.bin", "v29-vnode/conn.2.c2p.bin"):
            request = child(name).request
            assert request is not None
            again = parse_request(request.head())
            kept = {name: value for name, value in request.info.system.items() if value not in ("none", "unknown")}
            self.assertEqual(again.info.system, kept)
            self.assertEqual(again.key, request.key)
            self.assertEqual(again.capabilities, request.capabilities)
            self.assertEqual(again.info.hostname, request.info.hostname)

    def test_form(self) -> None:
        """
        It has the form that 1.37.1 insists on.
        """
        info = HostInfo(GUID, "my host", os="linux", hops=1, program="netstream", version="0.1 x")
        data = StreamRequest(KEY, info, OFFERED).head()
        self.assertTrue(data.startswith(f"STREAM key={KEY}&hostname=my+host&registry_hostname=my+host&".encode()))
        self.assertIn(b"&ver=63241208&", data)
        self.assertTrue(
            data.endswith(
                b"NETDATA_PROTOCOL_VERSION=1.1 HTTP/1.1\r\nUser-Agent: netstream/0.1_x\r\nAccept: */*\r\n\r\n"
            )
        )

    @given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
    @settings(max_examples=200, deadline=None)
    def test_any_name(self, name: str) -> None:
        """
        No text in a value breaks the request, not even an ampersand.
        """
        info = HostInfo(GUID, name, system={"NETDATA_SYSTEM_OS_NAME": name, "OTHER": name})
        data = StreamRequest(KEY, info, OFFERED).head()
        again = parse_request(data)
        self.assertEqual(data.count(b"\r\n"), 4)
        self.assertEqual(again.info.guid, GUID)
        self.assertEqual(again.unknown, {})
        self.assertEqual(len(again.info.hostname), len(name))

    def test_too_long(self) -> None:
        """
        Facts are dropped from a request that would be too long, and a name
        that is too long by itself is an error here and not at the parent.
        """
        info = HostInfo(GUID, "a", system={"NETDATA_SYSTEM_OS_NAME": "x" * 9000})
        self.assertEqual(parse_request(StreamRequest(KEY, info, OFFERED).head()).info.system, {})
        self.assertRaises(ValueError, StreamRequest(KEY, HostInfo(GUID, "x" * 9000), OFFERED).head)


REPLIES = [
    ("Hit me baby, push them over...", Capability.V1),
    ("Hit me baby, push them over and bring the host labels...", Capability.parse(2)),
    ("Hit me baby, push them over with the version=5", Capability.parse(5)),
    ("Hit me baby, push them over with the version=15296", Capability(15296)),
    ("Hit me baby, push them over with the version=63241152", Capability(63241152)),
]


class ReplyTests(SynchronousTestCase):
    """
    A parent's reply is understood.
    """

    def read(self, *pieces: bytes) -> Accepted | Refusal:
        reader = ReplyReader(OFFERED)
        found: Accepted | Refusal | None = None
        for index, piece in enumerate(pieces):
            found = reader.receive(piece)
            if found is not None:
                rest = b"".join(pieces[index + 1 :])
                return Accepted(found.capabilities, found.rest + rest) if isinstance(found, Accepted) else found
        return reader.finish()

    def test_accepted(self) -> None:
        """
        Each form of acceptance is read and, but for superfluous bits, written.
        """
        for text, capabilities in REPLIES:
            self.assertEqual(self.read(text.encode()), Accepted(capabilities))
            self.assertEqual(accepted(capabilities), text.encode())

    def test_glued(self) -> None:
        """
        The first command may be glued to the reply, and the reply may come in
        two pieces anywhere.
        """
        for text, capabilities in REPLIES:
            data = text.encode() + b'REPLAY_CHART "a.b" "true" 0 0\n'
            for at in range(1, len(text)):
                found = self.read(data[:at], data[at:])
                self.assertEqual(found, Accepted(capabilities, data[len(text) :]), (text, at))

    def test_refused(self) -> None:
        """
        So is each refusal, wherever it is split.
        """
        for refusal in Refusal:
            data = refusal.line()
            if data:
                for at in range(1, len(data)):
                    self.assertIs(self.read(data[:at], data[at:]), refusal)

    def test_not_understood(self) -> None:
        """
        Anything else is not understood, at once.
        """
        for data in (b"HTTP/1.1 400 Bad Request\r\n", b"Hit me baby, push them over with the version=x", b"\x00"):
            self.assertIs(ReplyReader(OFFERED).receive(data), Refusal.NOT_UNDERSTOOD)

    def test_no_end(self) -> None:
        """
        A number whose end is not clear waits for the caller's word.
        """
        reader = ReplyReader(OFFERED)
        self.assertIsNone(reader.receive(b"Hit me baby, push them over with the version=536870911"))
        self.assertEqual(reader.finish(), Accepted(Capability(536870911)))

    def test_nothing(self) -> None:
        """
        No reply is no reply, and half a one not understood.
        """
        self.assertIs(self.read(), Refusal.NO_REPLY)
        self.assertIs(self.read(b"Hit me"), Refusal.NOT_UNDERSTOOD)

    def test_recordings(self) -> None:
        """
        Every recorded reply is understood.
        """
        outcomes = {}
        for recording in parents():
            reader = ReplyReader(Capability((1 << 29) - 1))
            outcomes[recording.name] = reader.receive(recording.data) or reader.finish()
        not_understood = {name for name, found in outcomes.items() if found is Refusal.NOT_UNDERSTOOD}
        self.assertEqual(not_understood, set())
        self.assertIs(outcomes["v137-badkey/conn.1.p2c.bin"], Refusal.DENIED)
        self.assertIs(outcomes["v137-dup/conn.2.p2c.bin"], Refusal.ALREADY_STREAMING)
        self.assertIs(outcomes["v137-dup/conn.3.p2c.bin"], Refusal.LOCALHOST)
        self.assertIs(outcomes["v137-denyweb/conn.1.p2c.bin"], Refusal.NOT_ALLOWED)

    def test_texts(self) -> None:
        """
        Refusals have the lengths that real children compare.
        """
        lengths = [len(refusal.line()) for refusal in (Refusal.DENIED, Refusal.ALREADY_STREAMING, Refusal.LOCALHOST)]
        self.assertEqual(lengths, [67, 45, 61])
        self.assertEqual(len({refusal.code for refusal in Refusal}), len(Refusal))
