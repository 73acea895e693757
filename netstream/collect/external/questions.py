"""
What a plugin is asked on its standard input.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer, IReactorTime
from zope.interface import implementer

from netstream.hub.figures import Counts
from netstream.model.calls import Call, Caller, Over, Running, failed
from netstream.session.functions import Asked
from netstream.streaming.calls import AskedChild
from netstream.wire.capabilities import Capability

DEAF = failed(503, "The plugin that should answer does not read its standard input")


@implementer(IPushProducer)
class Questions:
    """
    Asks one process of a plugin, as a child is asked, while it reads.
    """

    def __init__(self, say: Callable[[bytes], None], clock: IReactorTime, counts: Counts | None = None) -> None:
        """
        @param say: Writes to its standard input.
        """
        self._child = AskedChild(Capability.FUNCTIONS | Capability.PROGRESS, say, clock, counts)
        self._deaf = False

    @property
    def asked(self) -> Asked:
        """
        The calls that wait for it.
        """
        return self._child.asked

    def call(self, call: Call, caller: Caller) -> Running:
        """
        Ask it.
        """
        if self._deaf:
            caller.answered(DEAF)
            return Over()
        return self._child.call(call, caller)

    def end(self) -> None:
        """
        The process is gone.
        """
        self._child.end()

    def pauseProducing(self) -> None:
        """
        It does not read what it was asked (called by Twisted).
        """
        self._deaf = True

    def resumeProducing(self) -> None:
        """
        It has read all (called by Twisted).
        """
        self._deaf = False

    def stopProducing(self) -> None:
        """
        It reads no more (called by Twisted).
        """
        self._deaf = True
