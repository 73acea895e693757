"""
From TCP to UDP: each connection goes on as a stream by UDP.

    python -m benchmarks.bridge PORT     # of the parent's UDP, on this machine

It prints the TCP port that it took.  What nginx does for the other transports,
this does for UDP, in Python, so it may be the slower part: see the parent's
CPU, and the rate as what two such ends carry on one machine.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from netstream.config.settings import ClientTLS
from netstream.quic.client import QuicEndpoint
from netstream.tls.client import Client


class _Half(Protocol):
    """
    One side; what it reads, the other writes.
    """

    transport: Any
    other: _Half | None = None

    def join(self, other: _Half) -> None:
        """
        Let both go on.
        """
        self.other, other.other = other, self
        for one, two in ((self, other), (other, self)):
            one.transport.registerProducer(two.transport, True)
            two.transport.resumeProducing()

    def dataReceived(self, data: bytes) -> None:
        """
        Pass it on (called by Twisted).
        """
        if self.other is not None:
            self.other.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End the other side too (called by Twisted).
        """
        other, self.other = self.other, None
        if other is not None:
            other.other = None
            other.transport.unregisterProducer()
            other.transport.loseConnection()


class _Outer(_Half):
    """
    The side of TCP.
    """

    def __init__(self, endpoint: QuicEndpoint) -> None:
        self._endpoint = endpoint

    def connectionMade(self) -> None:
        """
        Connect by UDP (called by Twisted).
        """
        self.transport.pauseProducing()
        connecting: Any = self._endpoint.connect(Factory.forProtocol(_Half))
        connecting.addCallbacks(self.join, lambda failure: self.transport.abortConnection())


def main() -> None:
    """
    Run until the process is ended.
    """
    from twisted.internet import reactor

    trust = Client(ClientTLS(skip_verification=True))
    endpoint = QuicEndpoint(reactor, "127.0.0.1", int(sys.argv[1]), lambda: trust)
    factory = Factory.forProtocol(lambda: _Outer(endpoint))
    listening: Any = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
    listening.addCallback(lambda port: print(port.getHost().port, flush=True))
    reactor.run()  # type: ignore[attr-defined]  # whatever reactor it is


if __name__ == "__main__":
    main()
