"""
The recorded conversations of C{tests/captures}.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from netstream.wire.handshake import RequestReader, StreamRequest

ROOT = Path(__file__).with_name("captures")


@frozen
class Recording:
    """
    What one side said on one connection.

    @ivar name: Path below C{captures}.
    @ivar data: What it said after the handshake.
    @ivar request: With what it began, if it was a child and that was kept.
    """

    name: str
    data: bytes
    request: StreamRequest | None = None


def children() -> Iterator[Recording]:
    """
    @return: What children said, without compression or decompressed.
    """
    for path in sorted(ROOT.glob("**/*.c2p.*")):
        name, data = str(path.relative_to(ROOT)), path.read_bytes()
        if path.suffix == ".txt":
            yield Recording(name, data)
        elif data.startswith(b"STREAM "):
            reader = RequestReader()
            request = reader.receive(data)
            if not reader.rest.startswith(b"\xfa"):
                yield Recording(name, reader.rest, request)


def compressed() -> Iterator[Recording]:
    """
    @return: What children said in compressed frames.
    """
    for path in sorted(ROOT.glob("**/*.c2p.bin")):
        reader = RequestReader()
        request = reader.receive(path.read_bytes())
        if reader.rest.startswith(b"\xfa"):
            yield Recording(str(path.relative_to(ROOT)), reader.rest, request)


def parents() -> Iterator[Recording]:
    """
    @return: What parents said, the reply included.
    """
    for path in sorted(ROOT.glob("**/*.p2c.bin")):
        yield Recording(str(path.relative_to(ROOT)), path.read_bytes())


def child(name: str) -> Recording:
    """
    @return: One recording of a child.
    """
    (found,) = (recording for recording in children() if recording.name == name)
    return found
