"""
Request lines as clients of agents send them, and what is said to those that
are none.
"""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes

from netstream.web.answer import Answer, text_answer

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_ENCODED = "".join(map(chr, range(0x21, 0x7F)))
"""What a target may have as it is."""

TOO_LARGE = 431
"""HTTP status of a head that has too much in it."""


def encoded(line: bytes) -> bytes:
    """
    Encode what a client has not: agents take a target with blanks and with
    letters of any alphabet, and C{curl} sends such as they were typed.

    @param line: A line of the head of a request.
    @return: The same, if it is no request line or has nothing of the kind.
    """
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if not (target.startswith(b"/") and version.startswith(b"HTTP/")) or _CONTROL.search(line):
        return line
    if target.isascii() and b" " not in target:
        return line
    return b"%b %b %b" % (method, quote_from_bytes(target, _ENCODED).encode(), version)


def refused(size: int, largest: int, count: int, most: int) -> Answer:
    """
    @param size: Bytes of the head, as far as it is known.
    @param largest: How many it may have.
    @param count: Headers of it.
    @param most: How many it may have.
    @return: What is said to a client whose request cannot be read.
    """
    if size > largest:
        return text_answer(f"The head of a request, its target and headers, may have {largest} bytes.\n", TOO_LARGE)
    if count > most:
        return text_answer(f"A request may have {most} headers.\n", TOO_LARGE)
    return text_answer("This is no request of HTTP/1.1, such as 'GET /api/v1/info HTTP/1.1'.\n", 400)
