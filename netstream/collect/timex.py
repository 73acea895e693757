"""
C{adjtimex(2)}: whether the clock follows a time server, and how far it is off.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from attrs import frozen

from netstream.collect.charts import LINE, Source, absolute
from netstream.collect.files import Machine

PLUGIN = "timex.plugin"
EVERY = 10
"""Seconds between two samples, at least."""

_UNSYNCHRONIZED, _NANOSECONDS, _ERROR = 0x0040, 0x2000, 5


class _Timex(ctypes.Structure):
    """
    C{struct timex} as far as it is read; the rest is room for it.
    """

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 256),
    )


@frozen
class ClockState:
    """
    What the kernel says of its clock.

    @ivar state: What the call returned.
    @ivar status: Bits.
    @ivar offset: Microseconds that it is still to be moved.
    """

    state: int
    status: int
    offset: float


def adjtimex() -> ClockState:
    """
    Ask the kernel; nothing is changed.

    @raise OSError: It does not say.
    """
    library = ctypes.CDLL(None, use_errno=True)
    found = _Timex()
    call: Callable[..., int] | None = getattr(library, "adjtimex", None)
    if call is None:
        raise OSError(38, "adjtimex is not there")
    state = call(ctypes.byref(found))
    if state < 0:
        raise OSError(ctypes.get_errno(), "adjtimex")
    scale = 1000.0 if found.status & _NANOSECONDS else 1.0
    return ClockState(state, found.status, found.offset / scale)


class Timex:
    """
    The clock, each ten seconds.
    """

    source = "adjtimex"

    def __init__(self, machine: Machine, update_every: int, ask: Callable[[], ClockState] = adjtimex) -> None:
        """
        @param ask: Asks the kernel.
        """
        self._ask = ask
        every = max(EVERY, update_every)
        self._every = every * 1_000_000
        self._turn = -1
        source = Source(PLUGIN, "", every)
        self._state = source.chart(
            "system.clock_sync_state",
            "System Clock Synchronization State",
            "state",
            "clock synchronization",
            "system.clock_sync_state",
            LINE,
            11000,
            absolute("state"),
        )
        self._offset = source.chart(
            "system.clock_sync_offset",
            "Computed Time Offset Between Local System and Reference Clock",
            "milliseconds",
            "clock synchronization",
            "system.clock_sync_offset",
            LINE,
            11020,
            absolute("offset", 1, 1000),
        )

    def collect(self, now: int) -> bytes:
        turn = now // self._every
        if turn == self._turn:
            return b""
        self._turn = turn
        found = self._ask()
        synchronized = found.state != _ERROR and not found.status & _UNSYNCHRONIZED
        return self._state.block(now, int(synchronized)) + self._offset.block(now, round(found.offset))

    def withdraw(self) -> bytes:
        return self._state.withdraw() + self._offset.withdraw()

    def close(self) -> None:
        pass
