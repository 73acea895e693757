"""
Tests for L{netstream.session.handshake}.
"""

from __future__ import annotations

import json
import re

from twisted.trial.unittest import SynchronousTestCase

from netstream.session.handshake import OFFER, OWN, SPOILED_FOR, Spoiled, agreed, negotiate
from netstream.wire.capabilities import COMPRESSIONS, MARKERS, Capability
from netstream.wire.handshake import Accepted, HandshakeError, ReplyReader, accepted, parse_request
from tests.recordings import ROOT, children, parents

PROBES = json.loads((ROOT / "handshake-probes.json").read_text())
KEY = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
GUID = "44444444-4444-4444-8444-44444444abcd"

REAL = {
    "1.37.1": Capability(16376),
    "2.9.0": Capability(130874304) | MARKERS | COMPRESSIONS,
}


class NegotiationTests(SynchronousTestCase):
    """
    Both sides know what may be said.
    """

    def test_as_real_parents(self) -> None:
        """
        To every C{ver} a parent with the capabilities of a real one answers
        what that one answers.
        """
        count = 0
        for probe in PROBES:
            found = re.fullmatch(r"ver=(None|\d+)", probe["probe"])
            if found is None:
                continue
            version = 0 if found[1] == "None" else int(found[1])
            reply = accepted(negotiate(Capability.parse(version), REAL[probe["agent"]]))
            self.assertEqual(reply.decode(), probe["reply"][0]["text"], probe["probe"])
            count += 1
        self.assertEqual(count, 32)

    def test_as_real_parents_check(self) -> None:
        """
        Requests with missing, malformed and odd parameters get the replies
        that real parents give.
        """
        good = {"key": KEY, "hostname": "synthetic-a", "machine_guid": GUID, "ver": "15352"}
        changes = {
            "no key": {"key": None},
            "no hostname": {"hostname": None},
            "no guid": {"machine_guid": None},
            "key not uuid": {"key": "not-a-uuid"},
            "guid not uuid": {"machine_guid": "not-a-uuid"},
            "guid upper": {"machine_guid": GUID.upper()},
            "empty value param": {"os": ""},
            "hops=0": {"hops": "0"},
            "hops=-1": {"hops": "-1"},
            "hops=99999": {"hops": "99999"},
            "encoded amp in hostname": {"hostname": "a%26b"},
        }
        seen = set()
        for probe in PROBES:
            if probe["probe"] in changes:
                parameters = {**good, **changes[probe["probe"]]}
                query = "&".join(f"{name}={value}" for name, value in parameters.items() if value is not None)
                reply = self._reply(f"STREAM {query} HTTP/1.1\r\n\r\n".encode(), REAL[probe["agent"]])
                self.assertEqual(reply.decode(), probe["reply"][0]["text"], probe["probe"])
                seen.add(probe["probe"])
        self.assertEqual(seen, set(changes))

    def _reply(self, head: bytes, own: Capability) -> bytes:
        try:
            return accepted(negotiate(parse_request(head).capabilities, own))
        except HandshakeError as error:
            return error.refusal.line() if error.refusal else b""

    def test_compressions(self) -> None:
        """
        One compression is kept, the best that both have.
        """
        offer = Capability(66912248)
        for kept, answer in (
            (Capability(0), 63241152),
            (Capability.ZSTD, 63765440),
            (Capability.LZ4, 63242176),
            (Capability.GZIP, 64289728),
            (Capability.BROTLI, 65338304),
        ):
            own = REAL["2.9.0"] & ~COMPRESSIONS | kept
            self.assertEqual(negotiate(offer, own), answer)
        self.assertEqual(negotiate(offer, REAL["2.9.0"]), 63765440)
        gzip_first = (Capability.GZIP, Capability.ZSTD)
        self.assertEqual(negotiate(offer, REAL["2.9.0"], gzip_first), 64289728)
        self.assertEqual(negotiate(offer, REAL["2.9.0"], ()), 63241152)
        self.assertEqual(negotiate(Capability(16376), OWN) & COMPRESSIONS, Capability.LZ4)
        self.assertEqual(negotiate(OFFER, OWN) & COMPRESSIONS, Capability.ZSTD)

    def test_spoiled(self) -> None:
        """
        An algorithm that failed is not agreed on with that host for a while, and the next of the order is.
        """
        spoiled = Spoiled()
        spoiled.note("a", "zstd", 1000.0)
        spoiled.note("a", "gzip", 1001.0)
        order = ("gzip", "zstd", "lz4")
        self.assertEqual(spoiled.left("a", order, 1002.0), [Capability.LZ4])
        self.assertEqual(spoiled.left("b", order, 1002.0), [Capability.GZIP, Capability.ZSTD, Capability.LZ4])
        later = 1000.5 + SPOILED_FOR
        self.assertEqual(spoiled.left("a", order, later), [Capability.ZSTD, Capability.LZ4])
        spoiled.note("c", "lz4", later)
        self.assertEqual(spoiled.left("a", order, later), [Capability.ZSTD, Capability.LZ4])

    def test_recordings(self) -> None:
        """
        Recorded children of both versions get an answer that keeps them from
        what we do not speak.
        """
        for recording in children():
            if recording.request is None:
                continue
            answer = negotiate(recording.request.capabilities)
            self.assertIn(Capability.VCAPS, answer)
            self.assertFalse(answer & (MARKERS | Capability.MLMODELS))
            self.assertLessEqual(int(answer & COMPRESSIONS).bit_count(), 1)
            has_v2 = Capability.INTERPOLATED in recording.request.capabilities
            self.assertEqual(Capability.INTERPOLATED in answer, has_v2, recording.name)

    def test_old_children(self) -> None:
        """
        Children older than masks get the highest version that both speak; they
        compress with the last one, if that is wanted.
        """
        answers = [accepted(negotiate(Capability.parse(version))).decode()[-12:] for version in range(6)]
        self.assertEqual(
            answers, ["them over...", "them over...", "st labels...", "he version=3", "he version=4", "he version=5"]
        )
        for order in ((), (Capability.ZSTD,)):
            self.assertEqual(accepted(negotiate(Capability.parse(5), OWN, order)).decode()[-12:], "he version=4")

    def test_child(self) -> None:
        """
        Our child uses what it offered and the parent agreed to, whatever a
        parent says beyond it.
        """
        self.assertEqual(agreed(Capability((1 << 31) - 1)), OFFER)
        self.assertEqual(agreed(Capability((1 << 29) - 1)), OFFER & ~Capability.TIERS)
        self.assertEqual(
            agreed(negotiate(OFFER, REAL["1.37.1"])).names(),
            ["VCAPS", "HLABELS", "CLAIM", "CLABELS", "LZ4", "FUNCTIONS", "REPLICATION", "BINARY"],
        )
        self.assertEqual(agreed(negotiate(OFFER, OWN)), OFFER & ~MARKERS & ~COMPRESSIONS | Capability.ZSTD)
        self.assertNotIn(Capability.SLOTS, OFFER)
        self.assertLess(OFFER, 1 << 31)

    def test_recorded_replies(self) -> None:
        """
        Of no recorded reply our child takes more than it offered.
        """
        for recording in parents():
            reader = ReplyReader(OFFER)
            reply = reader.receive(recording.data) or reader.finish()
            if isinstance(reply, Accepted):
                self.assertFalse(agreed(reply.capabilities) & ~OFFER)
