"""
What passes between nodes, in numbers, from one process of this node to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import astuple

from netstream.hub.figures import Counts, Traffic, Upstream
from netstream.hub.hub import Host
from netstream.model.progress import Progress


def _traffic(traffic: Traffic) -> list[int]:
    return [traffic.wire, traffic.text, traffic.samples, traffic.functions, traffic.replication]


def _know(traffic: Traffic, said: list[int]) -> None:
    traffic.wire, traffic.text, traffic.samples, traffic.functions, traffic.replication = said


def _progress(progress: Progress | None) -> list[Any] | None:
    return None if progress is None else list(astuple(progress))


def host_fields(host: Host, now: float) -> dict[str, Any]:
    """
    @return: The figures of a host; nothing if it has none.
    """
    said: dict[str, Any] = {}
    link, upstream = host.link, host.upstream
    if link is not None:
        said["link"] = [_traffic(link.traffic), link.clock.heard, link.clock.skew, link.clock.ahead]
        said["replication"] = _progress(host.replication)
        said["incomplete"] = sorted(host.incomplete)
    if upstream is not None:
        said["upstream"] = {
            "destination": upstream.destination,
            "connected": upstream.connected,
            "since": upstream.since,
            "attempts": upstream.attempts,
            "reason": upstream.reason,
            "spoken": list(upstream.spoken),
            "peer": upstream.peer,
            "certificate": upstream.certificate,
            "traffic": _traffic(upstream.traffic),
            "dropped": upstream.dropped,
            "backlog": upstream.backlog(),
            "lag": round(upstream.lag(now), 1),
            "replication": _progress(upstream.replication),
        }
    return said


def take_host(host: Host, said: Mapping[str, Any]) -> None:
    """
    Take in what L{host_fields} gave, for a host of another process.
    """
    if "link" in said and host.link is not None:
        traffic, heard, skew, ahead = said["link"]
        _know(host.link.traffic, traffic)
        host.link.clock.know(heard, skew, ahead)
        host.replication = None if said["replication"] is None else Progress(*said["replication"])
        host.incomplete = set(said["incomplete"])
    shown = said.get("upstream")
    if shown is None:
        host.upstream = None
        return
    fields = dict(shown)
    traffic, spoken, progress = (fields.pop(name) for name in ("traffic", "spoken", "replication"))
    backlog, lag = fields.pop("backlog"), fields.pop("lag")
    upstream = host.upstream = host.upstream or Upstream()
    for name, value in fields.items():
        setattr(upstream, name, value)
    _know(upstream.traffic, traffic)
    upstream.spoken = tuple(spoken)
    upstream.replication = None if progress is None else Progress(*progress)
    upstream.backlog = lambda: backlog
    upstream.lag = lambda now: lag


def counts_fields(counts: Counts) -> dict[str, Any]:
    """
    @return: What a worker counted since it runs.
    """
    return {
        "received": _traffic(counts.received),
        "sent": _traffic(counts.sent),
        "numbers": [counts.ahead, counts.dropped, counts.spilled, counts.accepted, counts.broken],
        "refused": dict(counts.refused),
        "calls": dict(counts.calls),
    }


def add_counts(counts: Counts, said: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """
    Count what a worker counted since it told last.

    @param before: What it told then; nothing if it had not.
    """
    for traffic, name in ((counts.received, "received"), (counts.sent, "sent")):
        known = before.get(name, [0] * 5)
        wire, text, samples, functions, replication = (new - old for new, old in zip(said[name], known, strict=True))
        traffic.moved(wire=wire, text=text, samples=samples, functions=functions, replication=replication)
    known = before.get("numbers", [0] * 5)
    ahead, dropped, spilled, accepted, broken = (new - old for new, old in zip(said["numbers"], known, strict=True))
    counts.ahead += ahead
    counts.dropped += dropped
    counts.spilled += spilled
    counts.accepted += accepted
    counts.broken += broken
    for counter, name in ((counts.refused, "refused"), (counts.calls, "calls")):
        known = before.get(name, {})
        for what, number in said[name].items():
            counter[what] += number - known.get(what, 0)
