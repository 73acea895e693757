"""
Fields of protocol buffers, and the columns that go into them.
"""

from __future__ import annotations

import numpy as np

from netstream.export.format import Numbers
from netstream.model.samples import Bytes, Int64s

MILLISECONDS = 6
"""Bytes of a time in milliseconds as a variable-length integer, from 1971 to 2109."""


def varint(number: int) -> bytes:
    """
    @param number: Not negative.
    @return: A variable-length integer.
    """
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def sized(number: int, content: bytes) -> bytes:
    """
    @param number: Of the field.
    @return: A field that says how long it is: a message, text or packed
        numbers.
    """
    return varint(number << 3 | 2) + varint(len(content)) + content


def text(number: int, content: str) -> bytes:
    """
    @return: A field that is text; C{b""} for none.
    """
    return sized(number, content.encode()) if content else b""


def integer(number: int, value: int) -> bytes:
    """
    @return: A field that is a variable-length integer.
    """
    return varint(number << 3) + varint(value)


def doubles(values: Numbers) -> Bytes:
    """
    @return: The bytes of each value as a double, of shape (values, 8).
    """
    return values.astype("<f8").view(np.uint8).reshape(-1, 8)


def longs(values: Int64s) -> Bytes:
    """
    @return: The bytes of each value as a fixed integer, of shape (values, 8).
    """
    return values.astype("<i8").view(np.uint8).reshape(-1, 8)


def milliseconds(times: Int64s) -> Bytes:
    """
    @param times: UTC seconds.
    @return: Each in milliseconds as a variable-length integer of always
        L{MILLISECONDS} bytes, of shape (times, MILLISECONDS).
    """
    shifts = np.arange(0, 7 * MILLISECONDS, 7, dtype=np.int64)
    septets = ((times * 1000)[:, None] >> shifts) & 0x7F
    septets[:, :-1] |= 0x80
    return septets.astype(np.uint8)
