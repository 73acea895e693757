"""
What is said again as long as it holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.application.internet import TimerService
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from netstream.config.settings import Destination
from netstream.tls.server import Server

EVERY = 3600.0
"""Seconds between two warnings that any certificate is trusted."""

_EVERY_DAY = 24
_log = Logger("netstream.tls.reminders")


class Reminders(TimerService):
    """
    Warns each hour while parents are not verified, and each day when the
    certificate of this node is about to expire.
    """

    def __init__(self, clock: IReactorTime, server: Server | None, unverified: Sequence[Destination]) -> None:
        """
        @param unverified: Destinations with TLS whose certificate nobody looks
            at.
        """
        super().__init__(EVERY, self._remind)
        self.clock = clock
        self._server = server
        self._unverified = unverified
        self._hours = 0

    def reconfigure(self, server: Server | None, unverified: Sequence[Destination]) -> None:
        """
        Remind of others, as of C{__init__}.
        """
        self._server = server
        self._unverified = unverified

    def _remind(self) -> None:
        if self._unverified:
            _log.warn(
                "'ssl skip certificate verification' is on: whoever stands between can read and change what goes to"
                " {destinations}; 'CAfile' or 'ssl certificate fingerprint' in [stream] verifies",
                destinations=", ".join(each.text for each in self._unverified),
            )
        if self._server is not None and self._hours % _EVERY_DAY == 0:
            self._server.remind()
        self._hours += 1
