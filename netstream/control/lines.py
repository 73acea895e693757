"""
What is said on the control socket: one line of JSON for each command, and one
for its answer::

    {"command": "remove-node", "arguments": {"node": "web-1"}}
    {"ok": true, "result": {"hostname": "web-1"}}
    {"ok": false, "error": "no node is called web-1"}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

LONGEST = 65_536
"""Bytes of a command."""

LONGEST_PATH = 107
"""Bytes of the path of a Unix socket that a system takes."""


class CannotDo(Exception):
    """
    A command cannot be done; the text says why, and what would be right.
    """


def socket_path(data_dir: Path) -> Path:
    """
    @return: The control socket of the node that keeps its data there.
    """
    return data_dir / "run" / "netstream.sock"


@frozen
class Request:
    """
    One command.
    """

    command: str
    arguments: Mapping[str, Any] = field(factory=dict)

    @classmethod
    def parse(cls, line: bytes) -> Request:
        """
        @raise CannotDo: The line is none.
        """
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            raise CannotDo("a command is a line of JSON") from None
        command = said.get("command") if isinstance(said, dict) else None
        arguments = said.get("arguments", {}) if isinstance(said, dict) else None
        if not isinstance(command, str) or not isinstance(arguments, dict):
            raise CannotDo('a command is an object such as {"command": "status", "arguments": {}}')
        return cls(command, arguments)

    def line(self) -> bytes:
        """
        @return: It as one line.
        """
        return json.dumps({"command": self.command, "arguments": dict(self.arguments)}).encode() + b"\n"


def done(result: Any) -> bytes:
    """
    @return: The answer to a command that was done.
    """
    return json.dumps({"ok": True, "result": result}).encode() + b"\n"


def not_done(problem: str) -> bytes:
    """
    @return: The answer to one that was not.
    """
    return json.dumps({"ok": False, "error": problem}).encode() + b"\n"


def result_of(line: bytes) -> Any:
    """
    @return: The result that an answer tells.
    @raise CannotDo: It tells why there is none, or is no answer.
    """
    try:
        said = json.loads(line)
        if said["ok"] is True:
            return said["result"]
        problem = str(said["error"])
    except (ValueError, KeyError, TypeError):
        problem = "the node's answer was not understood"
    raise CannotDo(problem)
