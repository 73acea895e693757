"""
Functions that a node offers, calls of them, and payloads of several lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from attrs import frozen

from netstream.wire.line import Line, needed, word
from netstream.wire.numbers import integer_or
from netstream.wire.words import bare, quote


class Payload(Line):
    """
    A line after which a body follows until a line that is the keyword of its
    end.

    @cvar END: That keyword.
    @cvar MAY_BE_SKIPPED: A body that is too large is not kept; else it is an
        error.
    """

    __slots__ = ()

    END: ClassVar[str]
    MAY_BE_SKIPPED: ClassVar[bool] = False

    body: bytes

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        return cls.of(words, b"")

    @classmethod
    def of(cls, words: Sequence[str], body: bytes | None) -> Self:
        """
        @param body: The lines between, without the newline of the last; L{None}
            if they were too many to be kept.
        @raise ValueError: A mandatory word is missing or not readable.
        """
        raise NotImplementedError

    def line(self) -> bytes:
        return super().line() + self.body + b"\n" + self.END.encode() + b"\n"


def _global(words: Sequence[str]) -> tuple[bool, Sequence[str]]:
    if len(words) > 1 and words[0] == "GLOBAL":
        return True, words[1:]
    return False, words


@frozen
class RegisterFunction(Line):
    """
    From a child: it can be asked for something::

        FUNCTION "name" timeout "help"
        FUNCTION [GLOBAL] "name" timeout "help" "tags" 0xACCESS priority version

    @ivar everywhere: Of the host; else of the current chart.
    @ivar timeout: Seconds.
    @ivar details: Write all words; the first form else, which is what 1.37
        reads.
    """

    KEYWORD: ClassVar[str] = "FUNCTION"

    name: str
    timeout: int = 10
    help: str = ""
    tags: str = "top"
    access: int = 0
    priority: int = 100
    version: int = 0
    everywhere: bool = False
    details: bool = True

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        everywhere, words = _global(words)
        words = needed(words, "function name")
        timeout = integer_or(word(words, 1), 0)
        return cls(
            words[0],
            timeout if timeout > 0 else 10,
            word(words, 2),
            word(words, 3) or "top",
            integer_or(word(words, 4), 0),
            integer_or(word(words, 5), 100),
            integer_or(word(words, 6), 0),
            everywhere,
            len(words) > 3,
        )

    def words(self) -> tuple[str, ...]:
        scope = ("GLOBAL",) if self.everywhere else ()
        details = (quote(self.tags), f"0x{self.access:x}", str(self.priority), str(self.version))
        start = (*scope, quote(self.name), str(self.timeout), quote(self.help))
        return (*start, *details) if self.details else start


@frozen
class WithdrawFunction(Line):
    """
    From a child: it cannot be asked for that any more::

        FUNCTION_DEL [GLOBAL] "name"
    """

    KEYWORD: ClassVar[str] = "FUNCTION_DEL"

    name: str
    everywhere: bool = False

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        everywhere, words = _global(words)
        return cls(needed(words, "function name")[0], everywhere)

    def words(self) -> tuple[str, ...]:
        return ("GLOBAL", quote(self.name)) if self.everywhere else (quote(self.name),)


@frozen
class FunctionResult(Payload):
    """
    From a child: the answer to a call::

        FUNCTION_RESULT_BEGIN "tx" code "content-type" expires
        body
        FUNCTION_RESULT_END

    @ivar code: HTTP status.
    @ivar expires: UTC second until which it may be kept; 0 is not at all.
    @ivar body: Without newlines at its end, of which each hop adds one.
    @ivar oversize: The body was too large to be kept.
    """

    KEYWORD: ClassVar[str] = "FUNCTION_RESULT_BEGIN"
    END: ClassVar[str] = "FUNCTION_RESULT_END"
    MAY_BE_SKIPPED: ClassVar[bool] = True

    transaction: str
    code: int
    content_type: str = "application/json"
    expires: int = 0
    body: bytes = b""
    oversize: bool = False

    @classmethod
    def of(cls, words: Sequence[str], body: bytes | None) -> Self:
        words = needed(words, "transaction", "status")
        return cls(
            words[0],
            integer_or(words[1], 500),
            word(words, 2) or "application/json",
            integer_or(word(words, 3), 0),
            (body or b"").rstrip(b"\r\n"),
            body is None,
        )

    def words(self) -> tuple[str, ...]:
        return quote(self.transaction), str(self.code), quote(self.content_type), str(self.expires)


@frozen
class FunctionProgress(Line):
    """
    From a child: how far the answer to a call is::

        FUNCTION_PROGRESS 'tx' done all
    """

    KEYWORD: ClassVar[str] = "FUNCTION_PROGRESS"

    transaction: str
    done: int = 0
    all: int = 0

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(words, "transaction")
        return cls(words[0], integer_or(word(words, 1), 0), integer_or(word(words, 2), 0))

    def words(self) -> tuple[str, ...]:
        return quote(self.transaction), str(self.done), str(self.all)


@frozen
class FunctionCall(Line):
    """
    From a parent: someone asks for something::

        FUNCTION tx timeout "name args"
        FUNCTION tx timeout "name args" "0xACCESS" "source"

    @ivar timeout: Seconds.
    @ivar access: The caller's permissions; L{None} is the first form.
    @ivar source: Who the caller is, as text.
    """

    KEYWORD: ClassVar[str] = "FUNCTION"

    transaction: str
    timeout: int
    command: str
    access: int | None = None
    source: str = ""

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(words, "transaction", "timeout", "function name")
        access = word(words, 3)
        return cls(
            words[0],
            integer_or(words[1], 10),
            words[2],
            integer_or(access, 0) if access else None,
            word(words, 4),
        )

    def words(self) -> tuple[str, ...]:
        start = (bare(self.transaction), str(self.timeout), quote(self.command))
        return start if self.access is None else (*start, f'"0x{self.access:x}"', quote(self.source))


@frozen
class FunctionCallWithPayload(FunctionCall, Payload):
    """
    From a parent: a call that comes with a body::

        FUNCTION_PAYLOAD tx timeout "name args" "0xACCESS" "source" "content-type"
        body
        FUNCTION_PAYLOAD_END
    """

    KEYWORD: ClassVar[str] = "FUNCTION_PAYLOAD"
    END: ClassVar[str] = "FUNCTION_PAYLOAD_END"

    content_type: str = ""
    body: bytes = b""

    @classmethod
    def of(cls, words: Sequence[str], body: bytes | None) -> Self:
        call = FunctionCall.parse(words)
        payload = body or b""
        return cls(call.transaction, call.timeout, call.command, call.access or 0, call.source, word(words, 5), payload)

    def words(self) -> tuple[str, ...]:
        access = f'"0x{self.access or 0:x}"'
        return (*super().words()[:3], access, quote(self.source), quote(self.content_type))

    def line(self) -> bytes:
        return Payload.line(self)


@frozen
class CancelFunction(Line):
    """
    From a parent: nobody waits for the answer any more::

        FUNCTION_CANCEL tx
    """

    KEYWORD: ClassVar[str] = "FUNCTION_CANCEL"

    transaction: str

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        return cls(needed(words, "transaction")[0])

    def words(self) -> tuple[str, ...]:
        return (bare(self.transaction),)


@frozen
class AskProgress(CancelFunction):
    """
    From a parent: the caller still waits; how far is it?  ::

        FUNCTION_PROGRESS tx
    """

    KEYWORD: ClassVar[str] = "FUNCTION_PROGRESS"


@frozen
class JsonPayload(Payload):
    """
    A document, in either direction::

        JSON name
        {...}
        JSON_PAYLOAD_END
    """

    KEYWORD: ClassVar[str] = "JSON"
    END: ClassVar[str] = "JSON_PAYLOAD_END"

    name: str
    body: bytes = b""

    @classmethod
    def of(cls, words: Sequence[str], body: bytes | None) -> Self:
        return cls(needed(words, "name of the document")[0], body or b"")

    def words(self) -> tuple[str, ...]:
        return (bare(self.name),)
