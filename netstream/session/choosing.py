"""
Which parent to prefer: what each of them says of a host before it is asked to
take it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from attrs import frozen

from netstream.model.identity import guid

LONGEST = 8192
"""Bytes of an answer that are read."""

EQUAL = 120
"""Seconds by which the newest samples of two parents may differ before one of
them is preferred."""

_T = TypeVar("_T")
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r?\Z")
_TAKING = frozenset({"online", "replicating"})
_OWN = frozenset({"localhost", "virtual"})


@frozen
class StreamInfo:
    """
    What a parent says of a host.

    @ivar agent: Machine GUID of the parent.
    @ivar known: Whether it knows the host; all below is about that.
    @ivar last: Second of the newest sample it has; 0 if there is none.
    @ivar kind: C{localhost}, C{virtual}, C{child} or C{archived}.
    @ivar status: C{archived}, C{initializing}, C{replicating}, C{online} or
        C{offline}.
    @ivar starting: Whether it takes nobody just now, since it is starting or
        about to stop.
    """

    agent: str
    known: bool = False
    last: int = 0
    kind: str = ""
    status: str = ""
    starting: bool = False


class Verdict(Enum):
    """
    Whether a parent comes into question.
    """

    TRY = "try"
    STARTING = "it is starting"
    LOOP = "it is nearer to the host than this node is"
    ITSELF = "it is the host itself"


def question(host: str, name: str, program: str) -> bytes:
    """
    @param host: Machine GUID of the host that shall be streamed.
    @param name: What the parent is called.
    @param program: What we are called, with a version.
    @return: What a parent is asked, in one piece.
    """
    return (
        f"GET /api/v3/stream_info?machine_guid={host} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: {program}\r\n"
        "Accept: */*\r\nAccept-Encoding: identity\r\nTE: identity\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
        "Connection: close\r\n\r\n"
    ).encode()


class AnswerReader:
    """
    Reads an answer from however many pieces.
    """

    def __init__(self) -> None:
        self._data = b""

    def receive(self, data: bytes) -> bool:
        """
        @return: Whether it is complete, or too long to be one.
        """
        self._data += data
        if len(self._data) > LONGEST:
            return True
        head, found, body = self._data.partition(b"\r\n\r\n")
        length = _length(head) if found else None
        return length is not None and len(body) >= length

    def finish(self) -> StreamInfo | None:
        """
        Nothing more comes.

        @return: What the parent says; L{None} if that is no information.
        """
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found or len(self._data) > LONGEST:
            return None
        status = _STATUS.match(head.partition(b"\r\n")[0])
        if status is None or int(status[1]) not in (200, 404):
            return None
        length = _length(head)
        if length is not None and len(body) < length:
            return None
        return _read(body[:length])


def _length(head: bytes) -> int | None:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            value = value.strip()
            return int(value) if value.isdigit() and len(value) < 10 else LONGEST + 1
    return None


def _read(body: bytes) -> StreamInfo | None:
    try:
        said = json.loads(body)
        if not isinstance(said, dict) or said.get("version") != 1:
            return None
        agent = guid(said["host_id"])
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    starting = said.get("db_status") == "initializing" or said.get("ingest_status") == "initializing"
    if said.get("status") != 200:
        return StreamInfo(agent, starting=starting)
    last = said.get("last_time_s")
    good = isinstance(last, int) and not isinstance(last, bool) and 0 <= last < 1 << 40
    kind, status = said.get("ingest_type"), said.get("ingest_status")
    return StreamInfo(
        agent,
        True,
        last if good and isinstance(last, int) else 0,
        kind if isinstance(kind, str) else "",
        status if isinstance(status, str) else "",
        starting,
    )


def judge(info: StreamInfo | None, path: Iterable[Mapping[str, Any]], hops: int, nodes: Iterable[str] = ()) -> Verdict:
    """
    Whether a parent that was asked comes into question for a host.

    @param info: What it says; L{None} is no information.
    @param path: The agents that the samples of the host pass.
    @param hops: How far from the host the parent would be, through us.
    @param nodes: Machine GUIDs of the host and of this node.
    """
    if info is None:
        return Verdict.TRY
    if info.agent in nodes or (info.known and info.kind in _OWN):
        return Verdict.ITSELF
    nearer = any(entry.get("host_id") == info.agent and entry.get("hops", hops) < hops for entry in path)
    if info.status in _TAKING and nearer:
        return Verdict.LOOP
    return Verdict.STARTING if info.starting else Verdict.TRY


def ranked(candidates: Sequence[tuple[_T, StreamInfo | None]], random: Callable[[], float]) -> list[_T]:
    """
    Bring parents into the order of trying.

    Who has the newest samples comes first, so that the fewest are missing.
    Those that differ little count as equal, and change places at random, so
    that many hosts spread over them.  Where nobody says anything, the order
    stays.

    @param candidates: In the order of the configuration, with what they say.
    @param random: Gives a random number from 0 to 1.
    """
    if all(info is None for _, info in candidates):
        return [candidate for candidate, _ in candidates]
    left = sorted(
        ((info.last if info is not None else 0, candidate) for candidate, info in candidates),
        key=lambda pair: -pair[0],
    )
    order: list[_T] = []
    while left:
        best = left[0][0]
        equal = [candidate for last, candidate in left if best - last <= EQUAL]
        left = left[len(equal) :]
        shuffled = sorted((random(), number) for number in range(len(equal)))
        order += [equal[number] for _, number in shuffled]
    return order
