"""
A forwarder of UDP that loses, doubles and delays, and that changes its own
address towards the target; a program of its own.

    python forwarder.py TARGET_PORT LOSS DOUBLES LATE MOVE_EVERY SEED

It says on a line where it listens, and on a line each time that it moves.
"""

from __future__ import annotations

import heapq
import random
import select
import socket
import sys
import time

LATENESS = 0.03
"""Seconds by which a datagram is late."""

Item = tuple[float, int, socket.socket, bytes, tuple[str, int]]


def run(target: int, loss: float, doubles: float, late: float, move_every: float, seed: int) -> None:
    """
    Forward until the process is ended.

    @param move_every: Seconds after which another port is used towards the
        target; 0 for never.
    """
    chance = random.Random(seed).random
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind(("127.0.0.1", 0))
    print(f"listens {front.getsockname()[1]}", flush=True)
    backs: dict[tuple[str, int], socket.socket] = {}
    clients: dict[socket.socket, tuple[str, int]] = {}
    waiting: list[Item] = []
    count, moves, moved = 0, 0, time.monotonic()
    while True:
        now = time.monotonic()
        if move_every and now - moved >= move_every:
            moved, moves = now, moves + 1
            for back in backs.values():
                back.close()
            backs.clear()
            clients.clear()
            waiting.clear()
            print(f"moved {moves}", flush=True)
        while waiting and waiting[0][0] <= now:
            _, _, out, data, place = heapq.heappop(waiting)
            out.sendto(data, place)
        until = min(0.05, waiting[0][0] - now) if waiting else 0.05
        for ready in select.select([front, *clients], [], [], max(0.0, until))[0]:
            try:
                data, source = ready.recvfrom(65536)
            except OSError:
                continue
            if ready is front:
                back = backs.get(source)
                if back is None:
                    back = backs[source] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    back.bind(("127.0.0.1", 0))
                    clients[back] = source
                out, place = back, ("127.0.0.1", target)
            else:
                out, place = front, clients[ready]
            if chance() < loss:
                continue
            for _ in range(2 if chance() < doubles else 1):
                count += 1
                delay = LATENESS * chance() if chance() < late else 0.0
                heapq.heappush(waiting, (time.monotonic() + delay, count, out, data, place))


if __name__ == "__main__":
    run(int(sys.argv[1]), *map(float, sys.argv[2:6]), int(sys.argv[6]))
