"""
What collectors say, taken in: of this node, and of the virtual nodes that they
speak for.
"""

from __future__ import annotations

from netstream.collect.feed import add_state
from netstream.collect.spoken import MakeReceiver, VirtualNodes
from netstream.hub.hub import Hub
from netstream.session.virtual import HostLines


class Collected:
    """
    Takes in the text of collectors.

    @ivar forget_states: Call it when another one takes over: the local host
        then no longer asks this one where the collection of charts stands.
    """

    def __init__(self, hub: Hub, make: MakeReceiver) -> None:
        self._hub = hub
        local = hub.local
        self._lines = HostLines((local.info.guid, local.info.hostname.lower()))
        self._receiver = make(local.table, local.info.guid)
        self.forget_states = add_state(local, self._receiver.state)
        self._others = VirtualNodes(hub, make)

    def tell(self, text: bytes, now: float) -> None:
        """
        Take in text.

        @param now: UTC seconds.
        @raise ProtocolError: It says what makes no sense.
        """
        for lines in self._others.sort(self._lines.receive(text), now):
            for update in self._receiver.receive(lines, now):
                self._hub.local.apply(update)

    def sweep(self, now: float) -> None:
        """
        See who has not been spoken for lately; call it again and again.
        """
        self._others.sweep(now)

    def stop(self, now: float) -> None:
        """
        Nothing more is collected.
        """
        self._others.stop(now)
        self.forget_states()
