"""
Tests for L{netstream.session.path}.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.session.path import parse_path, path_document

GUID = "11111111-1111-4111-8111-111111111111"
ENTRY: dict[str, Any] = {
    "version": 1,
    "hostname": "child-a",
    "host_id": GUID,
    "node_id": None,
    "claim_id": None,
    "hops": 0,
    "since": 1795360866,
    "first_time_t": 1795360868,
    "start_time": 0,
    "shutdown_time": 0,
    "capabilities": ["V1", "V2"],
    "flags": [],
}


def body(*entries: Any) -> bytes:
    return json.dumps({"version": 1, "streaming_path": list(entries)}).encode()


class PathTests(SynchronousTestCase):
    """
    The path of a host's samples is read and written.
    """

    def test_order(self) -> None:
        """
        The origin comes first.
        """
        found = parse_path(body({**ENTRY, "hops": 1, "hostname": "parent"}, ENTRY))
        self.assertEqual([entry["hostname"] for entry in found], ["child-a", "parent"])
        self.assertEqual(found[0]["capabilities"], ("V1", "V2"))

    def test_round_trip(self) -> None:
        """
        A path is the same after another hop.
        """
        entries = parse_path(body(ENTRY, {**ENTRY, "hops": 2, "node_id": GUID, "flags": ["virtual"]}))
        document = path_document(entries)
        self.assertTrue(document.startswith(b'JSON STREAM_PATH\n{"version":1,"streaming_path":[{'))
        self.assertTrue(document.endswith(b"\nJSON_PAYLOAD_END\n"))
        self.assertEqual(parse_path(document.split(b"\n")[1]), entries)

    def test_dropped(self) -> None:
        """
        Entries without a name, identity, time or capabilities are dropped.
        """
        for change in (
            {"hostname": ""},
            {"hostname": 5},
            {"host_id": "00000000-0000-0000-0000-000000000000"},
            {"host_id": None},
            {"hops": -1},
            {"hops": "x"},
            {"hops": True},
            {"since": 0},
            {"since": 2**64},
            {"capabilities": []},
            {"capabilities": "V1"},
        ):
            self.assertEqual(len(parse_path(body({**ENTRY, **change}, ENTRY, 5))), 1, change)

    def test_no_path(self) -> None:
        """
        What is no such document is an error, however deep it is.
        """
        for data in (
            b"",
            b"{}",
            b"[]",
            b"\xff",
            b'{"streaming_path":5}',
            b'{"streaming_path":[NaN]}',
            b"[" * 100000,
            b'{"streaming_path":' + b"[" * 4000 + b"]" * 4000 + b"}",
            b'{"a":' * 3000 + b"1" + b"}" * 3000,
            b'{"streaming_path":[' + b"9" * 5000 + b"]}",
        ):
            self.assertRaises(ValueError, parse_path, data)

    @given(st.binary(max_size=200))
    @settings(max_examples=200, deadline=None)
    def test_any_bytes(self, data: bytes) -> None:
        """
        No bytes do worse.
        """
        for document in (data, b'{"streaming_path":[' + data + b"]}"):
            try:
                parse_path(document)
            except ValueError:
                continue
