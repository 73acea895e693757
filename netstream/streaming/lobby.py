"""
How many connections there may be of peers that have not been let in: what they
do not need stays for those who were, and for files.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from itertools import islice
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

MOST_UNDECIDED = 10_000
"""Connections on all ports that have not told what they want."""

MOST_HANDSHAKES = 2_000
"""Handshakes of TLS that are not complete: each takes some 50 KB."""

COUNTED_EVERY = 1.0
"""Seconds between two counts of file descriptors, at the least."""

ONE_TURN = 30
"""Connections that may be accepted before one is closed that has to go."""

TOLD_EVERY = 60.0
"""Seconds between two lines of the log about connections for which there was
no room."""


class Guest(Protocol):
    """
    A connection that has not told what it wants.
    """

    def send_away(self) -> None:
        """
        End it, as there is no room.
        """


def descriptors() -> int:
    """
    @return: How many file descriptors this process has; 0 where that cannot be
        found out.
    """
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


def descriptors_spared(limit: int) -> int:
    """
    @param limit: File descriptors that this process may have.
    @return: How many of them no connection gets, so that files can be opened.
    """
    return max(min(128, limit // 2), min(1024, limit // 4))


class Lobby:
    """
    All connections that have not told what they want, over all ports.

    Where there is no room for one more, the oldest has to go: who means it
    says within a moment what it wants.

    @ivar turned_away: Connections for which there was no room.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        most: int = MOST_UNDECIDED,
        handshakes: int = MOST_HANDSHAKES,
        count: Callable[[], int] = descriptors,
    ) -> None:
        """
        @param most: Connections that have not told what they want.
        @param handshakes: Those of them that have begun with TLS.
        @param count: Counts the file descriptors of this process.
        """
        self._clock = clock
        self._most = most
        self._most_handshakes = handshakes
        self._waiting: dict[Guest, None] = {}
        self._shaking: dict[Guest, None] = {}
        self.turned_away = 0
        self._since_told = 0
        self._tell_at = 0.0
        self._crowded = False
        self._count = count
        self._count_at = clock.seconds()
        self._connections = self._others = 0

    def enter(self, guest: Guest) -> bool:
        """
        A connection begins.

        @return: Whether there is room for it.
        """
        self._connections += 1
        over = self._used() - _allowed()
        full = over >= 0
        if full or len(self._waiting) >= self._most:
            self._turn_away(full)
            # Where more is in use than one turn of accepting takes, two make room, so that it becomes less.
            oldest = tuple(islice(self._waiting, 2 if over > ONE_TURN else 1))
            if not oldest:
                return False
            for other in oldest:
                self.leave(other)
                other.send_away()
        elif self._crowded:
            self._room_again()
        self._waiting[guest] = None
        return True

    def lost(self, guest: Guest) -> None:
        """
        A connection is gone, whether it had told what it wants or not.
        """
        self._connections -= 1
        self.leave(guest)

    def _used(self) -> int:
        """
        @return: How many file descriptors this process has, as it was counted
            a moment ago and with the connections that came and went since.
        """
        now = self._clock.seconds()
        if now >= self._count_at:
            self._count_at = now + COUNTED_EVERY
            self._others = self._count() - self._connections
        return self._others + self._connections

    def begin_handshake(self, guest: Guest) -> None:
        """
        A connection begins with TLS.
        """
        while len(self._shaking) >= self._most_handshakes:
            self._turn_away(full=False)
            oldest = next(iter(self._shaking))
            self.leave(oldest)
            oldest.send_away()
        if guest in self._waiting:
            self._shaking[guest] = None

    def end_handshake(self, guest: Guest) -> None:
        """
        TLS is there.
        """
        self._shaking.pop(guest, None)

    def leave(self, guest: Guest) -> None:
        """
        A connection has told what it wants, or is gone.
        """
        self._waiting.pop(guest, None)
        self._shaking.pop(guest, None)

    def _turn_away(self, full: bool) -> None:
        self.turned_away += 1
        self._since_told += 1
        now = self._clock.seconds()
        self._crowded = True
        if now < self._tell_at:
            return
        self._tell_at = now + TOLD_EVERY
        self._since_told = 0
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._log.warn(
            "there is no room for more connections that say nothing: {why}; the oldest of them are closed",
            why=f"the {soft} file descriptors that this process may have are in use (LimitNOFILE, ulimit -n)"
            if full
            else f"{len(self._waiting)} have not said what they want",
        )

    def _room_again(self) -> None:
        if self._clock.seconds() < self._tell_at:
            return
        self._crowded = False
        self._log.info(
            "there is room for connections again; {count} more were closed meanwhile", count=self._since_told
        )
        self._since_told = 0


def _allowed() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 30
    return soft - descriptors_spared(soft)
