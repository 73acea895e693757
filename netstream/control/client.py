"""
Saying a command to a node that runs on this machine, and waiting for its
answer.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from netstream.control.lines import LONGEST_PATH, CannotDo, Request, result_of, socket_path

ANSWER_WITHIN = 600.0
"""Seconds: to let thousands of children go takes a while."""

LONGEST_ANSWER = 64 << 20
"""Bytes of an answer that are read."""


def say(data_dir: Path, request: Request, within: float = ANSWER_WITHIN) -> Any:
    """
    Say a command, and wait.

    @param data_dir: Of the node.
    @return: Its result.
    @raise CannotDo: It was not done, or there is no node.
    """
    path = socket_path(data_dir)
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise CannotDo(f"{path}: the path is too long for a Unix socket; choose a shorter --data-dir for the node")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(within)
        try:
            connection.connect(os.fspath(path))
            connection.sendall(request.line())
            answer = _line(connection)
        except (FileNotFoundError, ConnectionRefusedError):
            raise CannotDo(f"no node runs with its data in {data_dir}; name that of the node with --data-dir") from None
        except TimeoutError:
            raise CannotDo(f"the node did not answer within {within:g} s") from None
        except OSError as problem:
            raise CannotDo(f"{path}: {problem.strerror or problem}") from problem
    return result_of(answer)


def _line(connection: socket.socket) -> bytes:
    answer = bytearray()
    while not answer.endswith(b"\n"):
        piece = connection.recv(1 << 16)
        if not piece:
            raise CannotDo("the node ended the connection without an answer")
        answer += piece
        if len(answer) > LONGEST_ANSWER:
            raise CannotDo("the node's answer is too long")
    return bytes(answer)
