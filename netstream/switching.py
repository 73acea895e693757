"""
How soon a thread that works makes room for another that waits.

Only one thread at a time runs Python.  By itself, one that works in Python and
never waits goes on for 5 ms before it lets another run, and the reactor's
thread lets others run whenever it reads or writes: so each of its system calls
might take 5 ms while another thread packs or writes something.
"""

from __future__ import annotations

import sys

from twisted.application.service import Service

SOON = 0.002
"""Seconds."""


class Switching(Service):
    """
    Has the threads of this process make room soon.
    """

    def __init__(self) -> None:
        self._usual = sys.getswitchinterval()

    def startService(self) -> None:
        """
        Begin (called by Twisted).
        """
        super().startService()
        self._usual = sys.getswitchinterval()
        sys.setswitchinterval(SOON)

    def stopService(self) -> None:
        """
        Leave it to Python again (called by Twisted).
        """
        super().stopService()
        sys.setswitchinterval(self._usual)
