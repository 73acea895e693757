"""
Requests for data, of which many differ in the window alone.
"""

import re
from typing import Any

COMPILED = not __file__.endswith(".py")

Window = tuple[bytes, int | None, int | None, int | None]

_LINE = re.compile(rb"[^ ]* [^ ?]*\?([^ ]*)(?= )")
_NUMBER = re.compile(rb"-?[0-9]{1,11}\Z")
_NAMES = (b"after", b"before", b"points")
_ALL_NAMES = b"after=before=points="
_MOST_DIGITS = 11


def window_of(data: bytes) -> Window | None:
    """
    Take the window out of a request for data.

    @param data: A request: method, target and the rest, divided by blanks.
    @return: The request without the numbers of C{after}, C{before} and
        C{points}, and these; L{None} for each that is not there.  L{None} if
        there is none of them, or one that is twice there or not just a number
        of at most eleven digits.
    """
    return _byte_by_byte(data) if COMPILED else _pair_by_pair(data)


def _byte_by_byte(data: bytes) -> Any:
    """
    The compiled way.
    """
    size = len(data)
    source: Any = data
    text = bytearray(size)
    kept: Any = text
    names: Any = _ALL_NAMES
    first = 0
    second = 0
    third = 0
    seen = 0
    blanks = 0
    asks = 0
    length = 0
    i = 0
    while i < size:
        letter = source[i]
        kept[length] = letter
        length += 1
        i += 1
        if letter == 32:
            blanks += 1
            if blanks == 2:
                break
        if blanks != 1 or (letter != 38 if asks else letter != 63):
            continue
        asks = 1
        which = 0
        begin = 0
        width = 6
        if i < size and source[i] == 98:
            which, begin, width = 1, 6, 7
        elif i < size and source[i] == 112:
            which, begin, width = 2, 13, 7
        if i + width >= size:
            continue
        at = 0
        while at < width and source[i + at] == names[begin + at]:
            at += 1
        if at < width:
            continue
        if seen & (1 << which):
            return None
        seen |= 1 << which
        for at in range(width):
            kept[length + at] = source[i + at]
        length += width
        i += width
        minus = source[i] == 45
        if minus:
            i += 1
        number = 0
        digits = 0
        while i < size and 48 <= source[i] <= 57 and digits <= _MOST_DIGITS:
            number = 10 * number + source[i] - 48
            digits += 1
            i += 1
        if not digits or digits > _MOST_DIGITS or i >= size or (source[i] != 38 and source[i] != 32):
            return None
        if minus:
            number = -number
        if which == 0:
            first = number
        elif which == 1:
            second = number
        else:
            third = number
    if not seen or blanks != 2:
        return None
    while i < size:
        kept[length] = source[i]
        length += 1
        i += 1
    return (
        bytes(memoryview(text)[:length]),
        first if seen & 1 else None,
        second if seen & 2 else None,
        third if seen & 4 else None,
    )


def _pair_by_pair(data: bytes) -> Window | None:
    """
    The way without a compiler.
    """
    line = _LINE.match(data)
    if line is None:
        return None
    numbers: dict[bytes, int] = {}
    pairs = line[1].split(b"&")
    for place, pair in enumerate(pairs):
        name, equals, value = pair.partition(b"=")
        if not equals or name not in _NAMES:
            continue
        if name in numbers or not _NUMBER.match(value):
            return None
        numbers[name] = int(value)
        pairs[place] = name + b"="
    if not numbers:
        return None
    text = data[: line.start(1)] + b"&".join(pairs) + data[line.end(1) :]
    after, before, points = map(numbers.get, _NAMES)
    return text, after, before, points
