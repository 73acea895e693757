"""
What connections cost a node that say nothing, or begin and never end: memory
while they last, and how long that is.

    python -m benchmarks.idle           # 10 000 of each kind, some five minutes
    python -m benchmarks.idle --quick   # 1 000

They come from a hundred addresses of this machine, so that no limit of a single
one ends them early.  The node is asked for its API meanwhile.  Both processes
need as many file descriptors (C{ulimit -n}); there are as many connections as
these allow.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import select
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.figures import Figure, arguments, run
from benchmarks.footprint import memory
from benchmarks.targets import make_parent, scratch
from netstream.tls.making import issue, make_authority, save
from tests.interop.peers import Peer

KINDS = {
    "say nothing": b"",
    "begin a request of HTTP": b"GET /api/v1/info HTTP/1.1\r\nHost: loc",
    "begin to ask for streaming": b"STREAM key=",
    "begin a handshake of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}
"""First bytes of idle connections, which never say more."""

ADDRESSES = 110
"""Addresses that they come from."""
SPARE = 500
"""File descriptors that are left for other things."""


def hello() -> bytes:
    """
    @return: With what a client of TLS begins.
    """
    context = ssl.create_default_context()
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


KINDS["leave a handshake of TLS when the node has answered"] = hello()


def parser() -> argparse.ArgumentParser:
    """
    @return: What may be said on the command line.
    """
    made = arguments(__doc__)
    made.add_argument("--connections", type=int, default=10_000)
    return made


def sockets(peer: Peer) -> int:
    """
    @return: How many sockets a node has.
    """
    found = 0
    for name in os.listdir(f"/proc/{peer.pid}/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/{peer.pid}/fd/{name}").startswith("socket:")
    return found


def occupy(port: int, count: int, said: bytes) -> list[socket.socket]:
    """
    Connect many times.

    @return: The connections.
    """
    found = []
    for number in range(count):
        made = socket.socket()
        made.bind((f"127.0.1.{1 + number % ADDRESSES}", 0))
        made.connect(("127.0.0.1", port))
        if said:
            made.sendall(said)
        found.append(made)
    return found


def closed(connections: Iterable[socket.socket]) -> int:
    """
    @return: How many of some connections the other side has closed.
    """
    seen = select.poll()
    for one in connections:
        seen.register(one, select.POLLRDHUP)
    return len(seen.poll(0))


def once(peer: Peer, count: int, said: bytes, longest: float = 120.0) -> dict[str, float]:
    """
    @param longest: Seconds after which all of them have to be gone.
    """
    peer.get("info")
    before, own = memory(peer.pid).rss, sockets(peer)
    began = time.monotonic()
    made = occupy(peer.port, count, said)
    opened = time.monotonic() - began
    most, slowest, peak = before, 0.0, 0
    while True:
        asked = time.monotonic()
        peer.get("info")  # behind all of them at first, so that they are accepted then
        slowest = max(slowest, time.monotonic() - asked)
        peak = max(peak, sockets(peer) - own)
        most = max(most, memory(peer.pid).rss)
        left = len(made) - closed(made)
        if not left or time.monotonic() - began > longest:
            break
        time.sleep(0.1)
    gone = time.monotonic() - began
    for one in made:
        one.close()
    return {
        "at once": peak,
        "KB each": (most - before) / 1024 / max(1, peak),
        "opened in, s": opened,
        "gone after, s": gone,
        "left": left,
        "slowest answer meanwhile, ms": 1000 * slowest,
    }


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of each kind, each of a node of its own.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(options.connections // (10 if options.quick else 1), hard - SPARE)
    for kind, said in KINDS.items():
        with scratch() as directory:
            more = _with_tls(directory) if said.startswith(b"\x16") else []
            peer = make_parent("netstream", directory / "node", options=["db/mode=ram", *more]).start()
            try:
                found = once(peer, count, said)
            finally:
                peer.stop()
        details = {"netstream": {name: round(value, 2) for name, value in found.items()}}
        for name in ("at once", "KB each", "gone after, s"):
            yield Figure(f"{count} {kind}: {name}", {"netstream": found[name]}, details=details)


def _with_tls(directory: Path) -> list[str]:
    now = time.time()
    authority = make_authority("bench", now)
    save(authority, directory / "ca.pem", directory / "ca-key.pem")
    save(issue(authority, ["localhost", "127.0.0.1"], now), directory / "cert.pem", directory / "key.pem")
    return [
        f"web/ssl certificate={directory}/cert.pem",
        f"web/ssl key={directory}/key.pem",
        "web/bind to=127.0.0.1^SSL=optional",
    ]


if __name__ == "__main__":
    run(parser(), measure)
