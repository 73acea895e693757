"""
Start a node whose reactor is watched.

    python -m benchmarks.probed TURNS SHIFT LONG twistd's-arguments ...

A call is due every 5 ms; how late it comes is how long everybody waits.  Once
a second a JSON object is appended to the file TURNS: C{time}, C{worst} (ms
late, of this second), C{queued} (for how many of them the thread of the reactor
could have run and got no processor), C{own} (the most ms late of all calls, less
such waiting), C{worked} (the most ms of one late call for which it had a
processor: the rest it waited, for one, for the disk, or for the interpreter's
lock, whose holder may wait for a processor in turn), C{late} (how many calls came more than 5 ms late), and C{stolen}
(ms that the machine beneath took from all processors of this one).  The node's
clock is SHIFT seconds ahead, so that the end of a stretch of time need not be
waited for.

If LONG names a file, each call that comes more than 10 ms late is told there:
where the reactor's thread was after 8 ms and every 8 ms from then on, which
calls of the reactor took more than 1 ms, what the search for garbage took, and
what the other threads did, which may have had the interpreter's lock.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

EVERY: Final = 0.005
LONG: Final = 0.010
"""Seconds late from which on a turn is told of by itself."""
LOOK: Final = 0.008
"""Seconds late after which it is looked where all threads are."""
TELLING: Final = 0.001
"""Seconds from which on a call of the reactor is told of."""


def shift_clock(seconds: int) -> None:
    """
    Let this process' clock be ahead; before anything else reads it.
    """
    real, real_ns = time.time, time.time_ns
    if seconds:
        time.time = lambda: real() + seconds
        time.time_ns = lambda: real_ns() + seconds * 10**9


class Thread:
    """
    What the system says of the thread that makes this.
    """

    def __init__(self) -> None:
        self._descriptor = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def times(self) -> tuple[float, float]:
        """
        @return: Seconds for which it had a processor, and for which it waited
            for one, since it began.
        """
        ran, queued, _ = os.pread(self._descriptor, 100, 0).split()
        return int(ran) / 1e9, int(queued) / 1e9


def stolen() -> float:
    """
    @return: Seconds that the machine beneath this one kept its processors from
        it, since it began.
    """
    with open("/proc/stat", "rb") as file:
        return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


class Probe:
    """
    Watches a reactor.
    """

    def __init__(self, reactor: Any, path: Path, long: Long | None) -> None:
        self._reactor = reactor
        self._file = path.open("a", buffering=1)
        self._long = long
        self._thread = Thread()
        self._before = self._thread.times()
        self._stolen = stolen()
        self._worst, self._its_queue, self._own, self._worked = 0.0, 0.0, 0.0, 0.0
        self._late = 0
        self._due = time.perf_counter() + EVERY
        self._report = time.perf_counter() + 1
        reactor.callLater(EVERY, self._turn)

    def _turn(self) -> None:
        now = time.perf_counter()
        late = now - self._due
        ran, queued = (new - old for new, old in zip(self._thread.times(), self._before, strict=True))
        if late > self._worst:
            self._worst, self._its_queue = late, min(late, queued)
        self._own = max(self._own, late - queued)
        self._worked = max(self._worked, min(late, ran))
        self._late += late > EVERY
        if self._long is not None:
            self._long.turn(late, ran, queued)
        if now >= self._report:
            self._say(now)
        self._before = self._thread.times()
        self._due = time.perf_counter() + EVERY
        self._reactor.callLater(EVERY, self._turn)

    def _say(self, now: float) -> None:
        before, self._stolen = self._stolen, stolen()
        seen = {
            "time": round(time.time(), 3),
            "worst": round(self._worst * 1000, 2),
            "queued": round(self._its_queue * 1000, 2),
            "own": round(self._own * 1000, 2),
            "worked": round(self._worked * 1000, 2),
            "late": self._late,
            "stolen": round((self._stolen - before) * 1000),
        }
        self._file.write(json.dumps(seen) + "\n")
        self._worst, self._its_queue, self._own, self._worked = 0.0, 0.0, 0.0, 0.0
        self._late, self._report = 0, now + 1


class Others:
    """
    What all other threads of this process did.
    """

    def __init__(self) -> None:
        self._own = threading.get_native_id()
        self._before: dict[int, tuple[int, int]] = {}

    def since(self) -> dict[int, tuple[float, float]]:
        """
        @return: For each that did something since the last call, by its number
            in the system, the ms for which it had a processor and for which
            it waited for one.
        """
        found = {}
        for name in os.listdir("/proc/self/task"):
            if int(name) == self._own:
                continue
            try:
                ran, queued, _ = Path(f"/proc/self/task/{name}/schedstat").read_text().split()
            except OSError:
                continue  # it ended just now
            found[int(name)] = int(ran), int(queued)
        before, self._before = self._before, found
        return {
            number: ((ran - before[number][0]) / 1e6, (queued - before[number][1]) / 1e6)
            for number, (ran, queued) in found.items()
            if number in before and (ran, queued) != before[number]
        }


class Long:
    """
    Tells of turns that are long.

    A timer of the system interrupts the thread of the reactor wherever it is,
    and its stack is written down without asking for the interpreter's lock;
    those of others could not be read then.
    """

    def __init__(self, reactor: Any, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._calls: list[str] = []
        self._garbage = 0.0
        self._began = 0.0
        self._others = Others()
        faulthandler.register(signal.SIGALRM, self._file, all_threads=False)
        gc.callbacks.append(self._collects)
        later, from_thread, io = reactor.callLater, reactor.callFromThread, reactor._doReadOrWrite
        reactor.callLater = lambda delay, call, *args, **kw: later(delay, self._timed(call), *args, **kw)
        reactor.callFromThread = lambda call, *args, **kw: from_thread(self._timed(call), *args, **kw)
        reactor._doReadOrWrite = lambda selectable, *args: self._timed(io, selectable)(selectable, *args)

    def _timed(self, call: Callable[..., Any], of: object = None) -> Callable[..., Any]:
        def timed(*args: Any, **kw: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*args, **kw)
            finally:
                took = time.perf_counter() - began
                if took > TELLING:
                    self._calls.append(f"{(of or call)!r:.200}: {took * 1000:.1f}")

        return timed

    def _collects(self, phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            took = time.perf_counter() - self._began
            self._garbage += took
            if took > TELLING:
                self._calls.append(f"garbage of generation {about['generation']}: {took * 1000:.1f}")

    def turn(self, late: float, ran: float, queued: float) -> None:
        """
        A call came late.

        @param ran: Seconds for which the thread had a processor since the one before.
        @param queued: Seconds for which it waited for one.
        """
        others = self._others.since()
        if late > LONG:
            names = {thread.native_id: thread.name for thread in threading.enumerate()}
            told = [
                f"{names.get(number, number)} ran {its_run:.1f}, queued {its_queue:.1f}"
                for number, (its_run, its_queue) in others.items()
                if its_run + its_queue > TELLING * 1000
            ]
            self._file.write(
                f"{time.time():.3f}: {late * 1000:.1f} ms late, ran {ran * 1000:.1f}, queued {queued * 1000:.1f},"
                f" garbage {self._garbage * 1000:.1f}\n"
                + "".join(f"    {each}\n" for each in self._calls + told)
                + "\n"
            )
        elif late > LOOK:
            self._file.write("in time\n\n")
        self._calls.clear()
        self._garbage = 0.0
        signal.setitimer(signal.ITIMER_REAL, EVERY + LOOK, LOOK)


def main() -> None:
    """
    Start it.
    """
    turns, shift, long, *arguments = sys.argv[1:]
    shift_clock(int(shift))
    from twisted.scripts.twistd import run

    from netstream import tap

    make_service: Callable[..., Any] = tap.makeService

    def probed_service(options: Any) -> Any:
        from twisted.internet import reactor

        Probe(reactor, Path(turns), Long(reactor, Path(long)) if long else None)
        return make_service(options)

    tap.makeService = probed_service
    sys.argv = ["twistd", *arguments]
    run()


if __name__ == "__main__":
    main()
