"""
What passes between nodes, in numbers.

Counts are kept by the chunk and by the batch, never by the sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from attrs import define, field

from netstream.model.progress import Progress


class Traffic:
    """
    What was said in one direction, over one connection or over all.

    @ivar wire: Bytes as they travelled.
    @ivar text: Bytes of lines, before compression or after decompression.
    @ivar samples: Samples in them.
    @ivar functions: Bytes of lines that had to do with calls of functions.
    @ivar replication: Bytes of lines that filled gaps.
    @ivar bytes_per_second: Bytes on the wire in the last stretch between two
        marks; over all its time while there was none.
    @ivar samples_per_second: Samples in the same.
    """

    __slots__ = (
        "wire",
        "text",
        "samples",
        "functions",
        "replication",
        "bytes_per_second",
        "samples_per_second",
        "_total",
        "_mark",
    )

    def __init__(self, total: Traffic | None = None) -> None:
        """
        @param total: Counts the same, and more.
        """
        self.wire = 0
        self.text = 0
        self.samples = 0
        self.functions = 0
        self.replication = 0
        self.bytes_per_second = 0.0
        self.samples_per_second = 0.0
        self._total = total
        self._mark = (0.0, 0, 0)

    def moved(
        self, *, wire: int = 0, text: int = 0, samples: int = 0, functions: int = 0, replication: int = 0
    ) -> None:
        """
        Something was said.
        """
        traffic: Traffic | None = self
        while traffic is not None:
            traffic.wire += wire
            traffic.text += text
            traffic.samples += samples
            traffic.functions += functions
            traffic.replication += replication
            traffic = traffic._total

    def mark(self, now: float) -> None:
        """
        A stretch of time is over.
        """
        since, wire, samples = self._mark
        if since and now > since:
            self.bytes_per_second = (self.wire - wire) / (now - since)
            self.samples_per_second = (self.samples - samples) / (now - since)
        self._mark = (now, self.wire, self.samples)

    @property
    def ratio(self) -> float:
        """
        Bytes of lines for each byte on the wire; 1 if nothing was said.
        """
        return self.text / self.wire if self.wire and self.text else 1.0


@define(eq=False)
class Upstream:
    """
    Where a host's samples go from here, and how.

    @ivar destination: The parent that takes them, or that was tried last.
    @ivar connected: Whether it takes them.
    @ivar since: When that began, UTC seconds.
    @ivar attempts: Connections that were tried.
    @ivar reason: Why the last one ended or failed.
    @ivar spoken: Names of the capabilities that were agreed on.
    @ivar peer: The other end of the connection, as text.
    @ivar certificate: When that of the parent expires, UTC seconds; 0 if it
        presented none.
    @ivar traffic: What was said on this connection.
    @ivar dropped: Samples that a slow parent made us drop.
    @ivar backlog: Bytes that wait for the parent now.
    @ivar lag: Seconds for which the parent has taken nothing that waits.
    @ivar replication: How far the filling of its gaps is; L{None} if that was not
        agreed on.
    """

    destination: str = ""
    connected: bool = False
    since: float = 0.0
    attempts: int = 0
    reason: str = ""
    spoken: tuple[str, ...] = ()
    peer: str = ""
    certificate: float = 0.0
    traffic: Traffic = field(factory=Traffic)
    dropped: int = 0
    backlog: Callable[[], int] = field(default=lambda: 0)
    lag: Callable[[float], float] = field(default=lambda now: 0.0)
    replication: Progress | None = None


@define(eq=False)
class Counts:
    """
    What this node counted since its start, over all connections.

    @ivar received: From children.
    @ivar sent: To parents.
    @ivar ahead: Samples that were refused, being ahead of our clock.
    @ivar dropped: Samples that were dropped, since a parent was too slow.
    @ivar spilled: Samples that no parent was given and that the spool dropped,
        being full.
    @ivar accepted: Children that were admitted.
    @ivar refused: Children that were not, by the name of the refusal.
    @ivar broken: Connections of children that were closed because of what
        they said.
    @ivar lag: Seconds by which the child that is farthest behind was, lately.
    @ivar backlog: Bytes that waited for parents, lately.
    @ivar filling: Connections on which gaps were filled, lately.
    @ivar calls: Calls of functions of children, by what became of them.
    """

    received: Traffic = field(factory=Traffic)
    sent: Traffic = field(factory=Traffic)
    ahead: int = 0
    dropped: int = 0
    spilled: int = 0
    accepted: int = 0
    refused: Counter[str] = field(factory=Counter)
    broken: int = 0
    lag: float = 0.0
    backlog: int = 0
    filling: int = 0
    calls: Counter[str] = field(factory=Counter)
