"""
How many connections there may be of peers that have not been let in: what they
do not need stays for those who were, and for files.
"""

from __future__ import annotations

import resource
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

MOST_UNDECIDED = 10_000
"""Connections on all ports that have not told what they want."""

MOST_HANDSHAKES = 2_000
"""Handshakes of TLS that are not complete: each takes some 50 KB."""

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


def descriptors_spared(limit: int) -> int:
    """
    @param limit: File descriptors that this process may have.
    @return: How many of them no connection gets, so that files can be opened.
    """
    return max(32, min(512, limit // 4))


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
    ) -> None:
        self._clock = clock
        self._most = most
        self._most_handshakes = handshakes
        self._waiting: dict[Guest, None] = {}
        self._shaking: dict[Guest, None] = {}
        self.turned_away = 0
        self._since_told = 0
        self._tell_at = 0.0
        self._crowded = False

    def enter(self, guest: Guest, descriptor: int = -1) -> bool:
        """
        A connection begins.

        @param descriptor: Its file descriptor, which is the lowest one that
            was free; -1 if that is not known.
        @return: Whether there is room for it.
        """
        full = descriptor >= 0 and descriptor >= _allowed()
        if full or len(self._waiting) >= self._most:
            self._turn_away(full)
            oldest = next(iter(self._waiting), None)
            if oldest is None:
                return False
            self.leave(oldest)
            oldest.send_away()
        elif self._crowded:
            self._room_again()
        self._waiting[guest] = None
        return True

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
