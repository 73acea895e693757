"""
How the process of a plugin begins, so that all that it starts ends with it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from signal import SIGKILL

_BEGIN = """\
import os, signal, sys
os.environ.pop("LC_CTYPE", None)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
try:
    os.setsid()
except OSError:
    pass
program = sys.argv[1]
try:
    os.execv(program, sys.argv[1:])
except OSError as problem:
    what = program
    try:
        with open(program, "rb") as text:
            first = text.readline(200)
        if first.startswith(b"#!"):
            what += ", which is for " + first[2:].decode(errors="replace").strip()
    except OSError:
        pass
    sys.stderr.write("cannot run " + what + ": " + problem.strerror + "\\n")
    sys.exit(127)
"""
"""
Run by a Python of its own, which becomes the plugin: it has a session, and so a
group of processes, for itself, and what Python has changed for itself is as it
was.
"""


def launching(arguments: list[str]) -> list[str]:
    """
    @param arguments: The plugin and its arguments.
    @return: What is to be run in its place.
    """
    return [sys.executable, "-I", "-S", "-c", _BEGIN, *arguments]


def end_group(process_id: int) -> None:
    """
    Kill what a process that has just ended left behind.

    @param process_id: Of one that L{launching} has begun.
    """
    # Those of another user, and none at all, are not ours to end.
    with suppress(OSError):
        os.killpg(process_id, SIGKILL)
