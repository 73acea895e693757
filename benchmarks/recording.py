"""
What a real child says: this machine's own metrics, recorded once a second and
played back as often as wanted, as if they had been collected at other times.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import frozen

from benchmarks.load import NoLoad
from tests.interop.peers import KEY, NetstreamNode, sending

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BEGIN = re.compile(rb"BEGIN2 ('[^']*' \S+) #(\S+) [^\n]*\n((?:SET2 [^\n]*\n)*END2\n)")
CAPABILITIES = 8 | 16 | 32 | 64 | 128 | 512 | 16384 | 32768
"""v2 without slots, compression and replication."""


@frozen
class Tape:
    """
    What was recorded.

    @ivar definitions: Lines that define charts and dimensions.
    @ivar seconds: For each second, by chart: what stands before and behind
        its time.
    """

    definitions: bytes
    seconds: list[list[tuple[bytes, bytes]]]

    @property
    def samples(self) -> int:
        """
        How many there are.
        """
        return sum(block.count(b"SET2 ") for second in self.seconds for _, block in second)

    def at(self, second: int, shift: int = 0) -> bytes:
        """
        @return: The lines for a second; the recording is repeated.
        """
        time_text = b"#" + base64(second) + b" #\n"
        return b"".join(
            before + time_text + behind for before, behind in self.seconds[(second + shift) % len(self.seconds)]
        )


def base64(number: int) -> bytes:
    """
    @return: A number as 2.x agents write it.
    """
    text = b""
    while number or not text:
        text = _ALPHABET[number & 63 : (number & 63) + 1] + text
        number >>= 6
    return text


def tape_of(text: bytes) -> Tape:
    """
    @return: The tape of what a child said.  Charts that are collected less
        often than each second stay so.
    """
    numbers = {digit: value for value, digit in enumerate(_ALPHABET)}
    by_second: dict[int, list[tuple[bytes, bytes]]] = {}
    for found in _BEGIN.finditer(text):
        second = 0
        for digit in found[2]:
            second = second << 6 | numbers[digit]
        by_second.setdefault(second, []).append((b"BEGIN2 " + found[1] + b" ", found[3]))
    definitions = _BEGIN.sub(b"", text[: text.rfind(b"\n") + 1])
    lines = [line for line in definitions.splitlines() if line.startswith((b"CHART ", b"DIMENSION "))]
    seconds = sorted(by_second)[1:-1]
    if len(seconds) < 2:
        raise NoLoad("nothing was recorded")
    return Tape(b"\n".join(lines) + b"\n", [by_second.get(second, []) for second in range(seconds[0], seconds[-1] + 1)])


class Recorder:
    """
    A parent that writes down what a child of this machine says, while the
    block runs::

        with Recorder(directory) as recorder:
            time.sleep(600)
        tape = recorder.tape()
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._text = bytearray()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._directory.mkdir(exist_ok=True)
        address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        options = ["db/mode=none"]
        self._child = NetstreamNode("recorded", self._directory, role="child", stream=sending(address), options=options)
        self._child.start()
        return self

    def _listen(self) -> None:
        try:
            connection, _ = self._listener.accept()
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096)
            connection.sendall(f"Hit me baby, push them over with the version={CAPABILITIES}".encode())
            while data := connection.recv(1 << 16):
                self._text += data
            connection.close()
        except OSError:
            return

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._listener.close()
        self._thread.join(5)

    def tape(self) -> Tape:
        """
        @return: What was recorded so far.
        """
        return tape_of(bytes(self._text))


def play(tape: Tape, port: int, hosts: int, first: int, last: int) -> tuple[int, list[socket.socket]]:
    """
    Send the tape to a parent as fast as it takes it, from some hosts, each
    beginning elsewhere in it.

    @param first: First second.
    @param last: Last second.
    @return: How many samples were sent, and the connections, which are open.
    """
    connections = []
    for number in range(hosts):
        connection = socket.create_connection(("127.0.0.1", port), timeout=120)
        connection.sendall(
            f"STREAM key={KEY}&hostname=real-{number}&registry_hostname=real-{number}"
            f"&machine_guid=4ea10000-0000-4000-8000-{number:012}&update_every=1&os=linux&timezone=Etc/UTC"
            f"&abbrev_timezone=UTC&utc_offset=0&hops=1&ver={CAPABILITIES}&NETDATA_PROTOCOL_VERSION=1.1 HTTP/1.1\r\n"
            "User-Agent: benchmark/1\r\nAccept: */*\r\n\r\n".encode()
        )
        answer = connection.recv(4096)
        if not answer.startswith(b"Hit me baby"):
            raise NoLoad(f"refused: {answer!r}")
        connection.sendall(tape.definitions)
        connections.append(connection)
    sent = 0
    for begin in range(first, last + 1, 60):
        for number, connection in enumerate(connections):
            data = b"".join(_minute(tape, begin, min(begin + 59, last), number * 101))
            connection.sendall(data)
            sent += data.count(b"SET2 ")
    return sent, connections


def _minute(tape: Tape, first: int, last: int, shift: int) -> Iterator[bytes]:
    for second in range(first, last + 1):
        yield tape.at(second, shift)


def main() -> None:
    """
    Record some seconds to a file: the plain text of the child.
    """
    # Whoever ends the recording ends the child that is recorded with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    seconds, output = int(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="netstream-bench-") as place:
        with Recorder(Path(place) / "child") as recorder:
            time.sleep(seconds)
        output.write_bytes(bytes(recorder._text))


def in_background(seconds: int, output: Path) -> subprocess.Popen[bytes]:
    """
    Record while something else runs.

    @return: The process that does so, and ends by itself.
    """
    return subprocess.Popen([sys.executable, "-m", "benchmarks.recording", str(seconds), str(output)])


if __name__ == "__main__":
    main()
