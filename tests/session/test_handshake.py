"""
Tests for L{netstream.session.handshake}.
"""

from __future__ import annotations

import json
import re

from twisted.trial.unittest import SynchronousTestCase

from netstream.session.handshake import OFFER, OWN, agreed, negotiate
from netstream.wire.capabilities import COMPRESSIONS, MARKERS, Capability
from netstream.wire.handshake import Accepted, ReplyReader, accepted
from tests.recordings import ROOT, children, parents

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
        probes = json.loads((ROOT / "handshake-probes.json").read_text())
        count = 0
        for probe in probes:
            found = re.fullmatch(r"ver=(None|\d+)", probe["probe"])
            if found is None:
                continue
            version = 0 if found[1] == "None" else int(found[1])
            reply = accepted(negotiate(Capability.parse(version), REAL[probe["agent"]]))
            self.assertEqual(reply.decode(), probe["reply"][0]["text"], probe["probe"])
            count += 1
        self.assertEqual(count, 32)

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
            unspoken = COMPRESSIONS | MARKERS | Capability.REPLICATION | Capability.SLOTS | Capability.MLMODELS
            self.assertFalse(answer & unspoken)
            has_v2 = Capability.INTERPOLATED in recording.request.capabilities
            self.assertEqual(Capability.INTERPOLATED in answer, has_v2, recording.name)

    def test_old_children(self) -> None:
        """
        Children older than masks are not told to compress, which we cannot
        read.
        """
        answers = [accepted(negotiate(Capability.parse(version))).decode()[-12:] for version in range(6)]
        self.assertEqual(
            answers, ["them over...", "them over...", "st labels...", "he version=3", "he version=4", "he version=4"]
        )

    def test_child(self) -> None:
        """
        Our child uses what it offered and the parent agreed to, whatever a
        parent says beyond it.
        """
        self.assertEqual(agreed(Capability((1 << 29) - 1)), OFFER)
        self.assertEqual(agreed(negotiate(OFFER, REAL["1.37.1"])).names(), ["VCAPS", "HLABELS", "CLAIM", "CLABELS"])
        self.assertEqual(agreed(negotiate(OFFER, OWN)), OFFER & ~MARKERS)
        self.assertNotIn(Capability.FUNCTIONS, OFFER)
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
