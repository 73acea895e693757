"""
How bodies reach a receiver: written to a connection, or posted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IStreamClientEndpoint

from netstream.config.settings import Destination
from netstream.export.spool import Spool

Connect = Callable[[Destination, float], IStreamClientEndpoint]
"""Makes the endpoint of a destination, encrypted if that asks for it; the number is seconds to connect."""


class Unreachable(Exception):
    """
    A receiver takes nothing now; the same may be sent again later.

    @ivar reason: Why, for the log.
    @ivar after: Seconds that it asks to be left alone; L{None} if it does not.
    @ivar worked: Whether it had taken something on this connection.
    """

    def __init__(self, reason: str, after: float | None = None, worked: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.worked = worked


class Told(Protocol):
    """
    Who is told what became of records.
    """

    def taken(self, samples: int) -> None:
        """
        A receiver has samples.
        """

    def refused(self, samples: int, reason: str) -> None:
        """
        A receiver never will have them.
        """


class Carrier(Protocol):
    """
    One connection to one of a target's destinations at a time.
    """

    async def carry(self, destination: Destination, spool: Spool, told: Told) -> None:
        """
        Send what waits, and confirm it when the receiver has it.  It ends when
        nothing waits, or never.

        @raise Unreachable: No more can be sent now.
        """

    def wake(self) -> None:
        """
        There is more to send.
        """

    async def close(self) -> None:
        """
        Let go of the connection; nothing is carried any more.
        """
