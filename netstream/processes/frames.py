"""
What two processes of one node say to each other, as bytes.

A frame is::

    u32 length of what follows | u8 kind | u32 number | u32 length of the head | head | parts

in the byte order of the machine.  The head is JSON: the verb, the fields of
the message, and the length of each part.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

import orjson
from attrs import frozen

from netstream.db.messages import NOTHING, Message

LONGEST = 1 << 30
"""Bytes of a frame at most."""

_LENGTH = struct.Struct("=I")
_HEAD = struct.Struct("=BII")


class Kind(IntEnum):
    """
    What a frame is.
    """

    TELL = 0
    ASK = 1
    ANSWER = 2
    FAILURE = 3


class BadFrame(Exception):
    """
    What came is no frame, so that nothing behind it can be one.
    """


@frozen
class Frame:
    """
    One thing said.

    @ivar number: Of the question that is asked or answered; 0 for what is
        told.
    @ivar verb: What is asked for or told.
    """

    kind: Kind
    number: int = 0
    verb: str = ""
    message: Message = NOTHING

    def pieces(self) -> list[bytes | memoryview]:
        """
        @return: The frame, to be written piece by piece.
        @raise ValueError: It is too long.
        """
        parts = [memoryview(part).cast("B") for part in self.message.parts]
        head = _dumped([self.verb, self.message.fields, [len(part) for part in parts]])
        length = _HEAD.size + len(head) + sum(map(len, parts))
        if length > LONGEST:
            raise ValueError(f"an answer of {length} bytes is too long; ask for less at once")
        return [_LENGTH.pack(length) + _HEAD.pack(self.kind, self.number, len(head)) + head, *parts]

    @classmethod
    def read(cls, data: bytes) -> Frame:
        """
        @param data: All of it behind its length.
        @raise BadFrame: It is none.
        """
        try:
            kind, number, length = _HEAD.unpack_from(data)
            at = _HEAD.size + length
            verb, fields, lengths = _loaded(data[_HEAD.size : at])
            view, parts = memoryview(data), []
            for size in lengths:
                parts.append(view[at : at + size])
                at += size
            if at != len(data):
                raise ValueError("its lengths do not add up")
            return cls(Kind(kind), number, verb, Message(fields, parts))
        except (ValueError, TypeError, struct.error) as problem:
            raise BadFrame(f"not a frame: {problem}") from problem


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # half of a surrogate pair, or an integer of more than 64 bits
        return json.dumps(value, separators=(",", ":"), default=_mapping).encode()


def _mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is nothing that a message can say")


def _loaded(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        return json.loads(data)


class FrameReader:
    """
    Frames from however many pieces.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._wanted = 0

    def receive(self, data: bytes) -> Iterator[Frame]:
        """
        @return: The frames that are complete now.
        @raise BadFrame: What came is none.
        """
        self._data += data
        at = 0
        try:
            while len(self._data) - at >= max(_LENGTH.size, self._wanted):
                (length,) = _LENGTH.unpack_from(self._data, at)
                if length > LONGEST:
                    raise BadFrame(f"a frame of {length} bytes")
                self._wanted = _LENGTH.size + length
                if len(self._data) - at < self._wanted:
                    return
                frame = bytes(memoryview(self._data)[at + _LENGTH.size : at + self._wanted])
                at += self._wanted
                self._wanted = 0
                yield Frame.read(frame)
        finally:
            del self._data[:at]
