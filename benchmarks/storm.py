"""
All children of a parent come at once.

    python -m benchmarks.storm                       # 2 000 children, both programs
    python -m benchmarks.storm --target netstream --children 500

One process plays the children, each with a connection, charts and a sample of
each metric a second.  They all connect at once; then the parent is restarted,
and they come back as children of netstream do, after random pauses.  Told is
how long it takes until the last one streams, how many answers were refusals,
and how long a visitor of the API had to wait meanwhile.
"""

from __future__ import annotations

import argparse
import heapq
import random
import selectors
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.figures import Figure, arguments, chosen, run
from benchmarks.footprint import cpu, memory
from benchmarks.load import NoLoad
from benchmarks.targets import make_parent, scratch
from netstream.streaming.destinations import AWAY, Backoff
from tests.interop.peers import KEY, Peer

VERSION_2 = 16384 | 64 | 56
VERSION_1 = 64 | 56
ACCEPTED = b"Hit me baby"
MOST = 300.0
"""Seconds after which it is given up."""


class Child:
    """
    One child.

    @ivar answered: Seconds that it waited for its answer, each time.
    """

    def __init__(self, storm: Storm, number: int) -> None:
        self._storm = storm
        self._number = number
        self._backoff = Backoff(AWAY, 15.0, storm.random.random)
        self._socket: socket.socket | None = None
        self._asked = 0.0
        self._out = b""
        self.streaming = False

    def connect(self) -> None:
        """
        Begin.
        """
        connection = self._socket = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", self._storm.port))
        self._asked = time.monotonic()
        guid = f"5707f000-0000-4000-8000-{self._number:012x}"
        self._out = (
            f"STREAM key={KEY}&hostname=storm-{self._number:05d}&machine_guid={guid}&update_every=1&hops=1&os=linux"
            f"&timezone=UTC&ver={self._storm.version} HTTP/1.1\r\nUser-Agent: storm/1\r\n\r\n"
        ).encode()
        self._storm.selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def ready(self, events: int) -> None:
        """
        Its connection can be written to, or says something.
        """
        assert self._socket is not None
        try:
            if events & selectors.EVENT_WRITE:
                self._send()
            if events & selectors.EVENT_READ:
                said = self._socket.recv(65536)
                if not said:
                    self._lost()
                elif not self.streaming:
                    self._answer(said)
        except OSError:
            self._lost()

    def _send(self) -> None:
        assert self._socket is not None
        if self._out:
            sent = self._socket.send(self._out)
            self._out = self._out[sent:]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
        self._storm.selector.modify(self._socket, wanted, self)

    def say(self, text: bytes) -> None:
        """
        Send something, if it streams.
        """
        if self.streaming and len(self._out) < 1 << 20:
            self._out += text
            try:
                self._send()
            except OSError:
                self._lost()

    def _answer(self, said: bytes) -> None:
        if not said.startswith(ACCEPTED):
            self._storm.refusals += 1
            self._lost(random.uniform(5, 60))
            return
        self._storm.waits.append(time.monotonic() - self._asked)
        self.streaming = True
        self._backoff.reset()
        self.say(self._storm.definitions)

    def _lost(self, pause: float | None = None) -> None:
        if self._socket is None:
            return
        self._storm.selector.unregister(self._socket)
        self._socket.close()
        self._socket = None
        if pause is None:
            pause = 0.1 + 0.4 * self._storm.random.random() if self.streaming else self._backoff.next()
        self.streaming = False
        self._storm.later(pause, self.connect)

    def end(self) -> None:
        """
        Be gone.
        """
        if self._socket is not None:
            self._storm.selector.unregister(self._socket)
            self._socket.close()
            self._socket = None


class Storm:
    """
    All children.

    @ivar waits: Seconds that each of those accepted waited for its answer.
    """

    def __init__(self, port: int, children: int, charts: int, version: int) -> None:
        self.port = port
        self.version = version
        self.random = random.Random(1)
        self.selector = selectors.DefaultSelector()
        self.refusals = 0
        self.waits: list[float] = []
        self.charts = charts
        self.definitions = b"".join(
            b"CHART storm.chart%d '' 'A chart' units storm storm.chart line %d 1\n" % (number, number)
            + b"".join(b"DIMENSION d%d '' absolute 1 1\n" % each for each in range(4))
            for number in range(charts)
        )
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.children = [Child(self, number) for number in range(children)]

    def later(self, pause: float, call: Callable[[], None]) -> None:
        """
        Do something after a while.
        """
        self._count += 1
        heapq.heappush(self._timers, (time.monotonic() + pause, self._count, call))

    def _samples(self) -> None:
        self.later(1.0, self._samples)
        now = int(time.time())
        if self.version == VERSION_2:
            begin, value = b"BEGIN2 storm.chart%d 1 " + b"%d #\n" % now, b"SET2 d%d %d # A\n"
        else:
            begin, value = b"BEGIN storm.chart%d 1000000\n", b"SET d%d = %d\n"
        end = b"END2\n" if self.version == VERSION_2 else b"END\n"
        text = b"".join(
            (begin % number) + b"".join(value % (each, now % 1000) for each in range(4)) + end
            for number in range(self.charts)
        )
        for child in self.children:
            child.say(text)

    def begin(self) -> None:
        """
        All connect at once.
        """
        for child in self.children:
            child.connect()
        self.later(1.0, self._samples)

    def until(self, share: float, most: float = MOST) -> float:
        """
        Go on until so many children stream.

        @return: Seconds that took.
        @raise NoLoad: It took too long.
        """
        began = time.monotonic()
        while sum(child.streaming for child in self.children) < share * len(self.children):
            if time.monotonic() - began > most:
                count = sum(child.streaming for child in self.children)
                raise NoLoad(f"only {count} of {len(self.children)} children stream after {most:.0f} s")
            self.turn()
        return time.monotonic() - began

    def for_(self, seconds: float) -> None:
        """
        Go on for a while.
        """
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.turn()

    def turn(self) -> None:
        """
        Do what is due.
        """
        wait = max(0.0, min(0.05, self._timers[0][0] - time.monotonic())) if self._timers else 0.05
        for key, events in self.selector.select(wait):
            key.data.ready(events)
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def end(self) -> None:
        """
        All are gone.
        """
        for child in self.children:
            child.end()
        self.selector.close()


class Visitor:
    """
    Asks the API all the time.

    @ivar worst: The longest wait for an answer, seconds.
    """

    def __init__(self, peer: Peer) -> None:
        self._url = f"http://127.0.0.1:{peer.port}/api/v1/chart?chart=netstream.cpu"
        self._over = threading.Event()
        self.worst = 0.0
        self._thread = threading.Thread(target=self._visit, daemon=True)
        self._thread.start()

    def _visit(self) -> None:
        while not self._over.wait(0.2):
            began = time.monotonic()
            try:
                with urllib.request.urlopen(self._url, timeout=30) as answer:
                    answer.read()
            except urllib.error.HTTPError:
                pass
            except OSError:
                continue  # it is restarted just now
            self.worst = max(self.worst, time.monotonic() - began)

    def stop(self) -> float:
        """
        Ask no more.

        @return: The longest wait for an answer, seconds.
        """
        self._over.set()
        self._thread.join(31)
        return self.worst


def once(target: str, options: argparse.Namespace) -> dict[str, Any]:
    """
    @return: What was seen of one program.
    """
    with scratch() as directory:
        parent = make_parent(target, directory)
        storm = None
        try:
            parent.start()
            time.sleep(1)
            empty, used = memory(parent.pid), cpu(parent.pid)
            version = VERSION_2 if target == "netstream" else VERSION_1
            storm = Storm(parent.port, options.children, options.charts, version)
            visitor = Visitor(parent)
            storm.begin()
            first = storm.until(1.0)
            waits = sorted(storm.waits)
            storm.for_(options.seconds)
            worst, used = visitor.stop(), cpu(parent.pid) - used
            held, refused = memory(parent.pid), storm.refusals
            known = sum(parent.reachable().values()) - 1
            going_on = threading.Thread(target=parent.stop)
            going_on.start()
            while going_on.is_alive():
                storm.turn()
            storm.for_(2.0)
            starting = threading.Thread(target=parent.start)
            starting.start()
            while starting.is_alive():
                storm.turn()
            visitor, storm.waits, storm.refusals = Visitor(parent), [], 0
            again = storm.until(1.0)
            storm.for_(options.seconds)
            return {
                "first_s": first,
                "first_refusals": refused,
                "first_longest_answer_s": waits[-1],
                "first_median_answer_s": waits[len(waits) // 2],
                "first_api_worst_s": worst,
                "cpu_s": used,
                "known": known,
                "again_s": again,
                "again_refusals": storm.refusals,
                "again_longest_answer_s": max(storm.waits),
                "again_api_worst_s": visitor.stop(),
                "again_known": sum(parent.reachable().values()) - 1,
                "KB_a_child": (held.rss - empty.rss) / options.children / 1024,
            }
        finally:
            if storm is not None:
                storm.end()
            parent.kill()


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of all programs.
    """
    if options.quick:
        options.children, options.seconds = min(options.children, 100), 1
    seen = {target: once(target, options) for target in chosen(options)}

    count = f"{options.children:,}".replace(",", " ")
    yield Figure.of(seen, f"{count} children at once: until all stream, s", "first_s", 20, details=True)
    yield Figure.of(seen, "longest wait of a visitor of the API meanwhile, s", "first_api_worst_s", 1)
    yield Figure.of(seen, "refusals", "first_refusals", 0)
    yield Figure.of(seen, "the parent restarts: until all stream again, s", "again_s", 30)
    yield Figure.of(
        seen, "longest wait of a visitor of the API meanwhile, after the restart, s", "again_api_worst_s", 1
    )
    yield Figure.of(seen, "refusals after the restart", "again_refusals", 0)
    yield Figure.of(seen, f"memory a child with {4 * options.charts} metrics, KB", "KB_a_child")


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    found = arguments(__doc__)
    found.add_argument("--children", type=int, default=2000)
    found.add_argument("--charts", type=int, default=5, help="of each child, with 4 dimensions")
    found.add_argument("--seconds", type=int, default=10, help="for which they stream before the restart")
    return found


if __name__ == "__main__":
    run(parser(), measure)
