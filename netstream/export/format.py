"""
What a format is: the templates of many series at once, with room for values
and times.

A format renders the names of a series once, into a I{piece}.  A I{block} holds
the pieces of some series of one node; each interval the values and times of
those that have any are put into them, all at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from netstream.export.names import Naming, Origin, Series
from netstream.model.samples import Bytes, Int64s

Bools = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64 | np.int64]


@frozen(eq=False)
class Block:
    """
    Templates of some series of one node.

    @ivar pieces: One for each series.
    @ivar lengths: int64, the length of each.
    @ivar head: What stands before them, where a format has that.
    """

    pieces: Sequence[bytes] = field(repr=False)
    lengths: Int64s
    head: bytes = b""

    def __len__(self) -> int:
        return len(self.pieces)


def block(pieces: Sequence[bytes], head: bytes = b"") -> Block:
    """
    @return: A block of these pieces.
    """
    return Block(pieces, np.fromiter(map(len, pieces), np.int64, len(pieces)), head)


class Format:
    """
    One way to say what the values of series are.

    @cvar together: Whether what several blocks said can be one body.
    @ivar naming: How things are called.
    """

    together: ClassVar[bool] = True

    def __init__(self, naming: Naming) -> None:
        self.naming = naming

    def block(self, origin: Origin, series: Sequence[Series]) -> Block:
        """
        @return: The templates of some series of one node.
        """
        raise NotImplementedError

    def info(self, origin: Origin) -> Block | None:
        """
        @return: One series whose value is 1 and that says what a node is;
            L{None} where a format has no such.
        """
        return None

    def fill(self, block: Block, present: Bools, values: Numbers, times: Int64s) -> bytes:
        """
        @param present: Which series of the block have a value.
        @param values: Of those, in their order: finite, and int64 if the
            naming says integers.
        @param times: UTC seconds of those.
        @return: What a receiver is told of them.
        """
        raise NotImplementedError

    def body(self, parts: Sequence[bytes]) -> bytes:
        """
        @param parts: What L{fill} gave, at least one.
        @return: One body.
        """
        return b"".join(parts)

    def request(self, body: bytes) -> tuple[Mapping[str, str], bytes]:
        """
        @return: Headers and content of the HTTP request that carries a body.
        """
        raise NotImplementedError


class TextFormat(Format):
    """
    A format of text.

    A piece is a template for C{%}: a value and a time, in this or the other
    order.

    @cvar value_first: Whether the value comes first.
    """

    value_first: ClassVar[bool] = True

    @property
    def value(self) -> str:
        """
        Where the value goes in a piece.
        """
        return "%d" if self.naming.integers else "%.7f"

    def fill(self, block: Block, present: Bools, values: Numbers, times: Int64s) -> bytes:
        pieces = block.pieces if present.all() else compress(block.pieces, present.tolist())
        arguments: list[float | int] = [0] * (2 * len(values))
        arguments[not self.value_first :: 2] = values.tolist()
        arguments[self.value_first :: 2] = times.tolist()
        return b"".join(pieces) % tuple(arguments)


def literal(text: str) -> str:
    """
    @return: A text as it stands in a template.
    """
    return text.replace("%", "%%")


def put(block: Block, present: Bools, values: Bytes, value_from_end: int, times: Bytes, time_from_end: int) -> bytes:
    """
    Put values and times of fixed width into pieces.

    @param values: uint8 of shape (present, width).
    @param value_from_end: Where a value begins, counted from the end of a
        piece.
    @param times: uint8 of shape (present, width).
    @param time_from_end: Where a time begins, counted likewise.
    """
    if present.all():
        data, lengths = bytearray(b"".join(block.pieces)), block.lengths
    else:
        data = bytearray(b"".join(compress(block.pieces, present.tolist())))
        lengths = block.lengths[present]
    view = np.frombuffer(data, np.uint8)
    ends = np.cumsum(lengths)
    for column, from_end in ((values, value_from_end), (times, time_from_end)):
        starts = ends - from_end
        for at in range(column.shape[1]):
            view[starts + at] = column[:, at]
    del view
    return bytes(data)
