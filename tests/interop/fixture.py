"""
A collector with known values, run by an agent as an external plugin.

It collects 0.3 s after each full second, far from both its neighbours, so that every node along
the way puts a sample into the same second.  Once the agent has taken a sample in time, each says how
long after the one before it was collected: where the machine stands still for a moment, the samples
of those seconds come late, but are theirs all the same.  The values are functions of that second
(L{absolute}, L{gauge}): a test knows what must have been stored.  Standard library only, and no
import of ours: the agent runs it as a program of its own.
"""

from __future__ import annotations

import array
import fcntl
import shlex
import sys
import termios
import threading
import time

DEFINITIONS = """\
CHART fixture.simple '' 'Simple' 'units/s' 'some family' 'fixture.context' 'area' 1234 1 '' 'fixture.plugin' 'simple'
CLABEL 'device' 'sda' 1
CLABEL 'mount' '/var/lib' 1
CLABEL_COMMIT
DIMENSION abs 'absolute dim' absolute 1 1
DIMENSION gauge '' absolute -1 1000
DIMENSION inc '' incremental 1 10
CHART fixture.rows 'other_name' 'Shares of a row' '%' 'rows' 'fixture.rows' 'stacked' 1235 1 '' 'fixture.plugin' 'rows'
DIMENSION one '' percentage-of-absolute-row 1 1
DIMENSION five '' percentage-of-absolute-row 1 1
CHART fixture.moves '' 'Shares of growth' '%' 'rows' 'fixture.moves' 'stacked' 1236 1 '' 'fixture.plugin' 'rows'
DIMENSION once '' percentage-of-incremental-row 1 1
DIMENSION thrice '' percentage-of-incremental-row 3 1
CHART fixture.gaps '' 'Not each time' 'units' 'some family' 'fixture.gaps' 'line' 1237 1 '' 'fixture.plugin' 'gaps'
DIMENSION here '' absolute 1 1
DIMENSION sometimes '' absolute 1 1
CHART fixture.slow '' 'Every five seconds' 'units' 'slow' 'fixture.slow' 'line' 1238 5 '' 'fixture.plugin' 'slow'
DIMENSION s '' absolute 1 1
"""


def absolute(second: int) -> int:
    """
    @return: What C{fixture.simple} C{abs} is in a second.
    """
    return second % 1000


def gauge(second: int) -> float:
    """
    @return: What C{fixture.simple} C{gauge} is in a second.
    """
    return -((second * 7919) % 1_000_003) / 1000


def collect(second: int, first: int, timed: bool, slow_timed: bool) -> str:
    """
    @param timed: Whether the agent knows when the collection before was.
    @param slow_timed: The same of the slow chart.
    @return: The lines of one collection.
    """
    second_ago = " 1000000" if timed else ""
    lines = [
        f"BEGIN fixture.simple{second_ago}",
        f"SET abs = {absolute(second)}",
        f"SET gauge = {(second * 7919) % 1_000_003}",
        f"SET inc = {5 * (second - first) ** 2 + 1000}",
        "END",
        f"BEGIN fixture.rows{second_ago}",
        f"SET one = {second % 100 + 1}",
        f"SET five = {5 * (second % 100) + 1}",
        "END",
        f"BEGIN fixture.moves{second_ago}",
        f"SET once = {(second - first) ** 2}",
        f"SET thrice = {second * 7}",
        "END",
        f"BEGIN fixture.gaps{second_ago}",
        f"SET here = {second % 50}",
    ]
    if second % 4 != 3:
        lines.append(f"SET sometimes = {second % 10}")
    lines.append("END")
    if second % 5 == 0:
        five_ago = " 5000000" if slow_timed else ""
        lines += [f"BEGIN fixture.slow{five_ago}", f"SET s = {second % 10_000}", "END"]
    return "\n".join(lines) + "\n"


FUNCTIONS = """\
CHART fixture.simple '' 'Simple' 'units/s' 'some family' 'fixture.context' 'area' 1234 1 '' 'fixture.plugin' 'simple'
FUNCTION 'fixture-chart' 15 'What it was asked'
FUNCTION 'fixture-silent' 2 'Never answers'
FUNCTION 'fixture-large' 15 'Many lines'
"""
"""What it answers if its first argument is C{functions}."""

LARGE = "\n".join(f"line {number} of many" for number in range(20_000))

_lock = threading.Lock()


def write(text: str) -> None:
    """
    Say something in one piece.
    """
    with _lock:
        sys.stdout.write(text)
        sys.stdout.flush()


def answer_calls() -> None:
    """
    Answer calls of functions until nobody calls any more.
    """
    for line in sys.stdin:
        words = shlex.split(line)
        if len(words) < 4 or words[0] != "FUNCTION" or words[3].startswith("fixture-silent"):
            continue
        body = LARGE if words[3].startswith("fixture-large") else f'{{"status":200,"asked":"{words[3]}"}}'
        kind = "text/plain" if body is LARGE else "application/json"
        write(f"FUNCTION_RESULT_BEGIN {words[1]} 200 {kind} {int(time.time()) + 3}\n{body}\nFUNCTION_RESULT_END\n")


def main() -> None:
    """
    Collect until nobody reads any more.
    """
    write(DEFINITIONS)
    if sys.argv[1:] == ["functions"]:
        write(FUNCTIONS)
        threading.Thread(target=answer_calls, daemon=True).start()
    first = second = int(time.time()) + 1
    timed = slow_timed = False
    while True:
        time.sleep(max(0.0, second + 0.3 - time.time()))
        slow = second % 5 == 0
        if timed or time.time() < second + 0.6:
            write(collect(second, first, timed, slow_timed))
            if not timed or (slow and not slow_timed):
                wait_taken()
                in_time = time.time() < second + 0.9
                timed, slow_timed = timed or in_time, slow_timed or (slow and in_time)
        if not timed:
            second = max(second, int(time.time()))
        second += 1


def wait_taken() -> None:
    """
    Wait until the agent has read what was written, and has had time to note
    when; where it is kept from that, so is who waits.
    """
    unread = array.array("i", [1])
    while unread[0]:
        time.sleep(0.005)
        fcntl.ioctl(sys.stdout.fileno(), termios.FIONREAD, unread)
    time.sleep(0.1)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)
