"""
What goes between a database in another process and those who ask it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from attrs import field, frozen
from twisted.internet.defer import Deferred

from netstream.db.interfaces import Columns

Part = bytes | memoryview
"""Raw bytes, such as those of a column."""


def _parts(parts: Iterable[Part]) -> tuple[Part, ...]:
    return tuple(parts)


@frozen
class Message:
    """
    A question, an answer, or something that is told.

    @ivar fields: What JSON can say.
    @ivar parts: What it can not: columns as raw bytes.
    """

    fields: Mapping[str, Any] = field(factory=dict)
    parts: Sequence[Part] = field(default=(), converter=_parts)


NOTHING = Message()
"""Says nothing besides that it came."""


class Unavailable(Exception):
    """
    The process that should answer does not run just now.
    """


class Ask(Protocol):
    """
    Puts a question to another process.
    """

    def __call__(self, verb: str, message: Message = NOTHING) -> Deferred[Message]:
        """
        @param verb: What is asked for.
        @return: The answer; fails as what was asked failed there, or with
            L{Unavailable}.
        """


def array(part: Part, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """
    @return: A column that was a part of a message.
    @raise ValueError: The part is not a whole number of values.
    """
    return np.frombuffer(part, kind).copy()  # aligned, and its own


def part(column: npt.NDArray[Any]) -> memoryview:
    """
    @return: A column as a part of a message.
    """
    return np.ascontiguousarray(column).reshape(-1).view(np.uint8).data


def of_columns(columns: Columns) -> Message:
    """
    @return: Rows of several series as a message.
    """
    return Message(
        {"series": columns.values.shape[1]},
        (part(columns.times), part(columns.values), part(columns.flags)),
    )


def columns_of(message: Message) -> Columns:
    """
    @raise ValueError: The message is no rows.
    """
    times, values, flags = message.parts
    rows = array(times, np.int64)
    shape = len(rows), int(message.fields["series"])
    return Columns(rows, array(values, np.float64).reshape(shape), array(flags, np.uint8).reshape(shape))
