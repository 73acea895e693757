"""
The stream path: the agents that a host's samples pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from netstream.model.identity import guid
from netstream.wire.function_lines import JsonPayload
from netstream.wire.words import clean

DOCUMENT = "STREAM_PATH"
"""Name of its document on the wire."""

MOST_AGENTS = 64
"""Entries that are read; a path is never that long."""

_MOST_BRACKETS = 4096
_LONGEST_TEXT = 1000
_NUMBERS = ("version", "hops", "since", "first_time_t", "start_time", "shutdown_time")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(clean(text)[:_LONGEST_TEXT] for text in value[:100] if isinstance(text, str) and text)


def _uuid(value: Any) -> str | None:
    try:
        return guid(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _entry(value: Any) -> Mapping[str, Any] | None:
    if not isinstance(value, dict):
        return None
    entry: dict[str, Any] = {}
    for name in _NUMBERS:
        number = value.get(name, 0)
        if isinstance(number, bool) or not isinstance(number, int) or abs(number) >= 2**63:
            return None
        entry[name] = number
    hostname, host_id = value.get("hostname"), _uuid(value.get("host_id"))
    entry["hostname"] = clean(hostname)[:_LONGEST_TEXT] if isinstance(hostname, str) else ""
    entry["host_id"] = host_id
    entry["node_id"] = _uuid(value.get("node_id"))
    entry["claim_id"] = _uuid(value.get("claim_id"))
    entry["capabilities"] = _texts(value.get("capabilities"))
    entry["flags"] = _texts(value.get("flags"))
    good = (
        entry["hostname"]
        and host_id is not None
        and host_id.strip("0-")
        and entry["hops"] >= 0
        and entry["since"] > 0
        and entry["capabilities"]
    )
    return entry if good else None


def parse_path(body: bytes) -> tuple[Mapping[str, Any], ...]:
    """
    Read a stream path.

    @return: Its valid entries, the origin first.
    @raise ValueError: It is no document of a stream path.
    """
    if body.count(b"[") + body.count(b"{") > _MOST_BRACKETS:
        raise ValueError("the document is too complicated")
    try:
        document = json.loads(body, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None
    found = document.get("streaming_path") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise ValueError("the document has no streaming_path")
    entries = [entry for entry in map(_entry, found[:MOST_AGENTS]) if entry is not None]
    return tuple(sorted(entries, key=lambda entry: int(entry["hops"])))


def path_document(entries: Sequence[Mapping[str, Any]]) -> bytes:
    """
    Write a stream path as the document that is sent.
    """
    document = {"version": 1, "streaming_path": [dict(entry) for entry in entries]}
    return JsonPayload(DOCUMENT, json.dumps(document, separators=(",", ":")).encode()).line()
