"""
Calls of the functions that nodes offer, and what comes of them.
"""

from __future__ import annotations

from typing import Protocol

from attrs import field, frozen

MOST_TIMEOUT = 3600
"""Seconds that a caller may wait at most."""


@frozen
class Call:
    """
    Someone asks a node for something.

    @ivar transaction: Tells calls apart, the same on each hop if it can be.
    @ivar command: Name of the function, and its arguments behind it.
    @ivar timeout: Seconds that the caller waits.
    @ivar access: What the caller may do, as a mask; L{None} if nobody said.
    @ivar source: Who the caller is, as text.
    @ivar content_type: Of the payload.
    @ivar payload: What comes with the call; L{None} is nothing.
    """

    transaction: str
    command: str
    timeout: int
    access: int | None = None
    source: str = ""
    content_type: str = ""
    payload: bytes | None = field(default=None, repr=False)


@frozen
class Outcome:
    """
    What a caller gets.

    @ivar code: HTTP status.
    @ivar expires: UTC second until which it may be kept; 0 is not at all.
    @ivar local: It was made up here or on the way, because no answer came.
    """

    code: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"
    expires: int = 0
    local: bool = False


class Caller(Protocol):
    """
    Who waits for an answer.
    """

    def progressed(self, done: int, everything: int) -> None:
        """
        The answer is on its way.
        """

    def answered(self, outcome: Outcome) -> None:
        """
        This is the answer, the only one.
        """


class Running(Protocol):
    """
    A call that was passed on.
    """

    def cancel(self) -> None:
        """
        Nobody waits any more; there will be no answer.
        """

    def ask(self) -> None:
        """
        The caller still waits, and wants to know how far it is.
        """


class Callee(Protocol):
    """
    What answers calls of one node's functions.
    """

    def call(self, call: Call, caller: Caller) -> Running:
        """
        Ask for an answer, which may come before this returns.
        """


class Over:
    """
    A call that was answered at once.
    """

    def cancel(self) -> None:
        """
        Nothing is left to do.
        """

    def ask(self) -> None:
        """
        Nothing is left to do.
        """


def failed(code: int, reason: str) -> Outcome:
    """
    @param reason: Why there is no answer, a sentence without quotes and
        backslashes.
    @return: An answer that says so.
    """
    body = f'{{"status":{code},"error_message":"{reason}"}}'
    return Outcome(code, body.encode(), local=True)
