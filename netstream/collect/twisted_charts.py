"""
What goes on in the reactor, its thread pool and its connections.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IListeningPort, IProcessTransport, ITransport, IUDPTransport

from netstream.collect.program import NumberCharts

PROBES = 4
"""How often in a second it is measured how late the reactor is."""


def kind(reader: object) -> str:
    """
    @return: What a reader or writer of a reactor is.
    """
    if IUDPTransport.providedBy(reader):
        return "udp"
    if IListeningPort.providedBy(reader):
        return "listening"
    if IProcessTransport.providedBy(reader):
        return "other"
    if not ITransport.providedBy(reader):
        return "other"
    module = type(reader).__module__
    side = "server" if type(reader).__name__ == "Server" else "client"
    return f"{'unix' if module.endswith('.unix') else 'tcp'}_{side}"


KINDS = ("tcp_server", "tcp_client", "unix_server", "unix_client", "udp", "listening", "other")


class TwistedCharts(NumberCharts):
    """
    Charts C{twisted.*} of one reactor.

    Where a reactor does not tell something, as one of a test, that is left
    out.
    """

    def __init__(self, reactor: Any) -> None:
        super().__init__("twisted.plugin", "reactor", 130_500)
        self._reactor = reactor
        self._probe: IDelayedCall | None = None
        self._expected = 0.0
        self._late: list[float] = []
        latency = self.chart("twisted.reactor_latency", "How late timers are", "milliseconds", "reactor")
        self._average = latency.dimension("average", decimals=3)
        self._worst = latency.dimension("max", decimals=3)
        self._calls = self.chart("twisted.delayed_calls", "Timers that wait", "timers", "reactor").dimension("waiting")
        watched = self.chart("twisted.watched", "What the reactor waits for", "descriptors", "reactor")
        self._readers, self._writers = watched.dimension("readers"), watched.dimension("writers")
        connections = self.chart(
            "twisted.connections", "Connections and ports", "connections", "connections", chart_type="stacked"
        )
        self._kinds = {each: connections.dimension(each) for each in KINDS}
        threads = self.chart("twisted.threads", "Threads of the pool", "threads", "threads", chart_type="stacked")
        self._working, self._idle = threads.dimension("working"), threads.dimension("idle")
        queue = self.chart("twisted.thread_queue", "Work that waits for a thread", "jobs", "threads")
        self._queued = queue.dimension("waiting")

    def startService(self) -> None:
        """
        Begin to measure (called by Twisted).
        """
        super().startService()
        self._ask()

    def stopService(self) -> None:
        """
        Measure no more (called by Twisted).
        """
        super().stopService()
        if self._probe is not None and self._probe.active():
            self._probe.cancel()
        self._probe = None

    def _ask(self) -> None:
        self._expected = self._reactor.seconds() + 1 / PROBES
        self._probe = self._reactor.callLater(1 / PROBES, self._probed)

    def _probed(self) -> None:
        self._late.append(max(0.0, self._reactor.seconds() - self._expected))
        self._ask()

    def measure(self, now: float) -> None:
        """
        Ask the reactor.
        """
        late, self._late = self._late, []
        if late:
            self._average.set(1000 * sum(late) / len(late))
            self._worst.set(1000 * max(late))
        self._calls.set(len(self._reactor.getDelayedCalls()))
        if hasattr(self._reactor, "getReaders"):
            readers, writers = self._reactor.getReaders(), self._reactor.getWriters()
            self._readers.set(len(readers))
            self._writers.set(len(writers))
            # A connection that is both is one.
            counts = Counter(kind(each) for each in {id(each): each for each in (*readers, *writers)}.values())
            for name, number in self._kinds.items():
                number.set(counts[name])
        pool = getattr(self._reactor, "threadpool", None)
        if pool is not None:
            self._working.set(len(pool.working))
            self._idle.set(len(pool.waiters))
            self._queued.set(pool.q.qsize())
