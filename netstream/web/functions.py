"""
Functions of nodes, called over HTTP.

What a function answers comes from another machine: it is handed on as text or
JSON, never as something that a browser would run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

from attrs import frozen
from twisted.internet.defer import Deferred

from netstream.hub.hub import Host
from netstream.model.address import peer_name
from netstream.model.calls import MOST_TIMEOUT, Call, Outcome, failed
from netstream.model.host import Function
from netstream.model.pattern import SimplePattern
from netstream.web.answer import Answer, Refusal

LONGEST_COMMAND = 4096
"""Characters of a function's name and arguments."""

ANONYMOUS = 0x8
"""The permissions of a caller who did not sign in, as the bits of newer agents."""

_PLAIN = frozenset(("text/plain", "text/csv", "text/yaml", "application/yaml", "application/x-yaml"))


@frozen
class _Visitor:
    """
    Who waits for an answer over HTTP.
    """

    outcome: Deferred[Outcome]

    def progressed(self, done: int, everything: int) -> None:
        """
        There is nobody to tell.
        """

    def answered(self, outcome: Outcome) -> None:
        self.outcome.callback(outcome)


def described(functions: Iterable[Function]) -> dict[str, Any]:
    """
    @return: Functions by name, as agents list them; one of the whole node
        stands before those of its charts.
    """
    found: dict[str, Any] = {}
    for function in sorted(functions, key=lambda function: not function.chart):
        found.setdefault(
            function.name,
            {
                "help": function.help,
                "timeout": function.timeout,
                "options": "LOCAL" if function.chart else "GLOBAL",
                "tags": function.tags,
                "access": function.access,
                "priority": function.priority,
            },
        )
    return found


def check(address: str, allowed: SimplePattern | None) -> None:
    """
    Let a visitor call functions, or not: that makes a machine work, which
    reading what a node knows does not.

    @param allowed: C{[web] allow management from}.
    @raise Refusal: The visitor may not.
    """
    name = peer_name(address)
    if name == "localhost" if allowed is None else allowed.matches(name):
        return
    was = "localhost" if allowed is None else allowed.text
    raise Refusal(
        403,
        f"This node lets nobody at {name} call functions.\n"
        "To let them, its owner writes in netstream.conf:\n\n"
        f"[web]\n    allow management from = {was} {name}\n",
    )


async def call(
    host: Host, command: str, timeout: int, address: str, on_gone: Callable[[Callable[[], None]], None]
) -> Answer:
    """
    Call a function of a node and wait for what it answers.

    @param timeout: Seconds; 0 is what the function itself says.
    @param address: Of the visitor.
    @param on_gone: Takes what is to be done if the visitor leaves.
    """
    if not command.strip():
        raise Refusal(400, "Which function? function=NAME names it; functions lists those there are.\n")
    if len(command) > LONGEST_COMMAND:
        raise Refusal(400, f"function: more than {LONGEST_COMMAND} characters.\n")
    function = host.function(command)
    if function is not None and function.access & ~ANONYMOUS:
        reason = f"This function asks for permissions that nobody has over HTTP: 0x{function.access:x}"
        return _answer(failed(403, reason))
    seconds = timeout or (function.timeout if function is not None else 10)
    outcome: Deferred[Outcome] = Deferred()
    source = f"method=none,role=any,permissions=0x{ANONYMOUS:x},ip={peer_name(address)}"
    running = host.call(
        Call(uuid4().hex, command, max(1, min(seconds, MOST_TIMEOUT)), ANONYMOUS, source), _Visitor(outcome)
    )
    on_gone(running.cancel)
    return _answer(await outcome)


def _answer(outcome: Outcome) -> Answer:
    kind = outcome.content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and kind not in _PLAIN:
        kind = "text/plain" if kind.startswith("text/") else "application/octet-stream"
    status = outcome.code
    if not (200 <= status < 300 or 400 <= status < 600):
        status = 502
    elif status in (204, 205, 206):
        status = 200  # they would say that there is no body, or only a part
    charset = "" if kind == "application/octet-stream" else "; charset=utf-8"
    return Answer(outcome.body, kind + charset, status)
