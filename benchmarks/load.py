"""
Synthetic children: the program C{load.c}, compiled where it is needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs
from attrs import frozen

SOURCE = Path(__file__).with_name("load.c")
PREFIX = "load"


class NoLoad(Exception):
    """
    The load cannot be made here: no compiler, or the parent does not speak
    what was asked for.
    """


@frozen
class Event:
    """
    Something that the load did.

    @ivar time: When, in seconds by the (perhaps shifted) clock.
    @ivar samples: How many were written so far.
    @ivar bytes: How many were sent so far.
    @ivar raw: The same before compression.
    @ivar dropped: Samples that the parent was too slow for, in real time.
    @ivar waiting: Most bytes that ever waited for it, of one child.
    @ivar newest: By child, the second that it sent last.
    """

    event: str
    time: float
    samples: int
    bytes: int
    raw: int
    dropped: int
    waiting: int
    newest: Sequence[int]


def program() -> Path:
    """
    @return: The compiled load; it is kept for the next run.
    @raise NoLoad: There is no compiler.
    """
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        raise NoLoad("the load is a C program, and there is no C compiler here (apt-get install gcc libc6-dev)")
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    place = Path(tempfile.gettempdir()) / f"netstream-load-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid != os.getuid():
        raise NoLoad(f"{place} belongs to someone else")
    built = place / digest
    if not built.exists():
        fresh = place / f"{digest}.{os.getpid()}"
        done = subprocess.run(
            [compiler, "-O2", "-o", fresh, SOURCE, "-lm", "-ldl"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NoLoad(f"{compiler} could not compile the load: {done.stderr.strip()[-500:]}")
        fresh.rename(built)
    return built


@attrs.define(eq=False)
class Load:
    """
    Children that are connected until the block ends::

        with Load(port, {"children": 5, "protocol": "v2"}) as load:
            ready = load.until("ready")

    @ivar port: Of the parent, on loopback.
    @ivar options: As C{load.c} takes them; L{True} for those without a value.
    """

    port: int
    options: dict[str, Any]
    _process: subprocess.Popen[str] = attrs.field(init=False)

    def __enter__(self) -> Self:
        command = [str(program()), "--port", str(self.port), "--prefix", PREFIX]
        for name, value in self.options.items():
            if value is not None and value is not False:
                command += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return self

    @property
    def pid(self) -> int:
        """
        The process that sends.
        """
        return self._process.pid

    def until(self, event: str) -> Event:
        """
        Wait for an event.

        @raise NoLoad: The load ended before it.
        """
        assert self._process.stdout is not None and self._process.stderr is not None
        for line in self._process.stdout:
            found = Event(**json.loads(line))
            if found.event == event:
                return found
        raise NoLoad(self._process.stderr.read().strip()[-500:] or f"the load ended before {event!r}")

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.terminate()
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()


def child_name(number: int) -> str:
    """
    @return: The host name of a synthetic child.
    """
    return f"{PREFIX}-{number:04}"
