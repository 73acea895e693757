"""
Python's search for garbage, at times at which it holds nobody up.

Objects that refer to each other in a circle are found by looking at all there
are, which by itself Python does whenever there are a quarter more: with 100 000
metrics that is a tenth of a second, in the middle of whatever goes on.  Here
what has lived for a while is put aside, where it is not looked at, and all of
it is searched once a day.

Free memory is another matter: the C library gives it back to the system as soon
as there is a little of it, and has to ask for it again, page by page, for the next
read of a connection.
"""

from __future__ import annotations

import ctypes
import gc

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

YOUNG = 2000
"""New objects after which the young ones are searched."""
MIDDLE = 1
"""Searches of the young ones after which the next one is also of those that were found alive once: some
milliseconds at most."""
OLD = 2500
"""Searches of those after which Python would look at all that is not put aside: ten million new objects."""
ASIDE_EVERY = 600.0
"""Seconds between two times at which what lives is put aside."""
ALL_EVERY = 144
"""Times after which all is searched: a day."""

KEPT_FREE = 8 << 20
"""Bytes of free memory from which on it is given back to the system."""
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def keep_free() -> bool:
    """
    Keep free memory in this process as long as it is little.

    @return: Whether the C library does so: that of GNU does.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    # What is larger comes from the system, and is given back at once.
    return bool(mallopt(_M_MMAP_THRESHOLD, KEPT_FREE // 2)) and bool(mallopt(_M_TRIM_THRESHOLD, KEPT_FREE))


class Garbage(Service):
    """
    Decides when Python looks for garbage in this process.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._loop = LoopingCall(self._put_aside)
        self._loop.clock = clock
        self._usual = gc.get_threshold()
        self._times = 0

    def startService(self) -> None:
        """
        Begin (called by Twisted).
        """
        super().startService()
        self._usual = gc.get_threshold()
        gc.set_threshold(YOUNG, MIDDLE, OLD)
        gc.collect()
        gc.freeze()
        self._loop.start(ASIDE_EVERY, now=False)

    def stopService(self) -> None:
        """
        Leave it to Python again (called by Twisted).
        """
        super().stopService()
        if self._loop.running:
            self._loop.stop()
        gc.unfreeze()
        gc.set_threshold(*self._usual)

    def _put_aside(self) -> None:
        self._times += 1
        if self._times % ALL_EVERY == 0:
            gc.unfreeze()
            gc.collect()
        else:
            gc.collect(1)
        gc.freeze()
