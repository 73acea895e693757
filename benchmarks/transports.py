"""
What a parent pays for the way by which samples come: plain TCP, TLS, a Unix
socket, UDP.

    python -m benchmarks.transports           # some two minutes
    python -m benchmarks.transports --quick

The synthetic children send as fast as they can to nginx, which passes the bytes
on in each of the first three ways, so that all pay for it alike; a bridge in
Python does it for UDP (see C{bridge}), and the rate there is what it and the
parent carry together.  The CPU is the parent's, until it has nothing to do any
more.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, arguments, chosen, run
from benchmarks.footprint import cpu, settle
from benchmarks.load import Load, NoLoad
from benchmarks.targets import make_parent, scratch
from netstream.tls.making import issue, make_authority, save
from tests.interop.peers import free_port, wait_for

TRANSPORTS = ("plain", "tls", "unix", "udp")
CHECKOUT = Path(__file__).resolve().parents[1]
MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


@contextmanager
def nginx(directory: Path, target: str, *, tls: bool) -> Iterator[int]:
    """
    @param target: Where nginx passes bytes on to.
    @return: A port of nginx, which ends with the block.
    @raise NoLoad: nginx is not installed.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None or not MODULE.exists():
        raise NoLoad("nginx is not there (apt-get install --no-install-recommends nginx-light libnginx-mod-stream)")
    port = free_port()
    conf = directory / "nginx.conf"
    conf.write_text(
        f"load_module {MODULE};\ndaemon off;\nmaster_process off;\npid {directory}/nginx.pid;\n"
        f"events {{ }}\nstream {{\n server {{\n listen 127.0.0.1:{port};\n proxy_ssl {'on' if tls else 'off'};\n"
        f" proxy_pass {target};\n }}\n}}\n"
    )
    log = directory / "nginx.log"
    process = subprocess.Popen([program, "-p", str(directory), "-e", str(log), "-c", str(conf)])
    try:

        def listens() -> bool:
            with socket.create_connection(("127.0.0.1", port), 1):
                return True

        wait_for("nginx listens", listens)
        yield port
    finally:
        process.kill()
        process.wait()


@contextmanager
def bridge(directory: Path, port: int) -> Iterator[int]:
    """
    @param port: The parent's UDP port.
    @return: A TCP port that leads there, until the block ends.
    """
    with (directory / "bridge.log").open("wb") as log:
        command = [sys.executable, "-m", "benchmarks.bridge", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=CHECKOUT)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.strip():
            raise NoLoad(f"the bridge did not start: {(directory / 'bridge.log').read_text()[-500:]}")
        yield int(line)
    finally:
        process.kill()
        process.wait()


def once(transport: str, options: argparse.Namespace) -> dict[str, Any]:
    """
    @return: How much a parent takes by a transport, and at what price.
    @raise NoLoad: Something is not installed.
    """
    with scratch() as directory:
        certificate, key, path = (directory / name for name in ("cert.pem", "key.pem", "socket"))
        save(issue(make_authority("benchmark", time.time()), ["localhost"], time.time()), certificate, key)
        more = [f"web/bind to=127.0.0.1:0^SSL=optional unix:{path} udp:127.0.0.1:0"]
        more += [f"web/ssl certificate={certificate}", f"web/ssl key={key}"]
        parent = make_parent("netstream", directory / "parent", options=more)
        try:
            parent.start()
            target = f"unix:{path}" if transport == "unix" else f"127.0.0.1:{parent.port}"
            if transport == "udp":
                between = bridge(directory, int(parent.wait_log(r"serves udp:127\.0\.0\.1:(\d+)")[1]))
            else:
                between = nginx(directory, target, tls=transport == "tls")
            with between as port, Load(port, _load(options)) as load:
                ready, _ = load.until("ready"), load.until("begin")
                used = cpu(parent.pid)
                drained = load.until("drained")
                taken = drained.time - ready.time - 2
                settle(parent.pid, 5 if options.quick else 60)
                used = cpu(parent.pid) - used
                return {
                    "Msamples_s": drained.samples / taken / 1e6,
                    "MB_s": (drained.bytes - ready.bytes) / taken / 1e6,
                    "cpu_us_sample": used / drained.samples * 1e6,
                }
        finally:
            parent.kill()


def _load(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "protocol": "v2",
        "pace": "none",
        "compression": "plain",
        "children": options.children,
        "charts": options.charts,
        "dimensions": options.dimensions,
        "back": options.back,
        "seconds": options.seconds,
        "warmup": 0,
        "pause": 2,
    }


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of each transport.
    """
    if options.quick:
        options.seconds, options.back, options.charts = 3, 600, 100
    if "netstream" not in chosen(options):
        return
    for transport in options.transport or TRANSPORTS:
        seen = once(transport, options)
        for name, key in (("M samples/s", "Msamples_s"), ("MB/s", "MB_s"), ("CPU a sample, µs", "cpu_us_sample")):
            yield Figure(f"{transport}, {name}", {"netstream": seen[key]}, details={"netstream": seen})


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    found = arguments(__doc__)
    found.add_argument("--transport", action="append", choices=TRANSPORTS, help="default: all")
    found.add_argument("--children", type=int, default=5)
    found.add_argument("--charts", type=int, default=500, help="of each child")
    found.add_argument("--dimensions", type=int, default=4, help="of each chart")
    found.add_argument("--back", type=int, default=7200, help="seconds in the past to begin")
    found.add_argument("--seconds", type=int, default=12, help="to send; it ends earlier when the present is reached")
    return found


if __name__ == "__main__":
    run(parser(), measure)
