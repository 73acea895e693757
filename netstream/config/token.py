"""
The token that a command presents to a node where people sign in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from re import compile

from netstream.config.errors import ConfigError

VARIABLE = "NETSTREAM_TOKEN"
"""Of the environment."""
LARGEST = 1 << 16
"""Bytes of a file."""
HELP = (
    "a file with a token of the node's '[web] access token file', where it has one; default: what the environment "
    f"variable {VARIABLE} holds"
)
_TOKEN = compile(r"[\x21-\x7e]{1,1024}\Z")


def token_of(path: Path | None, environment: Mapping[str, str]) -> str:
    """
    Find the token.  It comes from a file or from the environment, as who looks
    at the processes of a machine sees what a command was given.

    @param path: The first line of this file that is neither empty nor a
        comment.
    @return: C{""} if there is none.
    @raise ConfigError: It cannot be used; the message does not have it.
    """
    if path is None:
        said, where = environment.get(VARIABLE, "").strip(), f"the environment variable {VARIABLE}"
        if not said:
            return ""
    else:
        where = str(path)
        try:
            with path.open("rb") as file:
                lines = [line.strip() for line in file.read(LARGEST).decode("utf-8", "replace").splitlines()]
        except OSError as problem:
            raise ConfigError(where, "", "", str(problem.strerror)) from problem
        said = next((line for line in lines if line and not line.startswith("#")), "")
        if not said:
            raise ConfigError(
                where, "", "", "there is no token in it; write one, which the node has, on a line of its own"
            )
    if said.startswith("sha256:") or ":$" in said:
        raise ConfigError(where, "", "", "this is what a node keeps of a token or password; write the token itself")
    if not _TOKEN.match(said):
        raise ConfigError(where, "", "", "a token is one word of printable ASCII characters")
    return said
