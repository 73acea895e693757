"""
Connecting to one of several parents: which, after asking them.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.config.settings import Destination
from netstream.endings import how_ended
from netstream.hub.hub import Host
from netstream.session.choosing import StreamInfo, Verdict, judge, question, ranked
from netstream.streaming.asking import ASK_WITHIN, ask
from netstream.streaming.destinations import Destinations
from netstream.tls.problem import TLSFailed
from netstream.wire.handshake import Refusal

Connector = Callable[[Destination, float], IStreamClientEndpoint]
"""Makes the endpoint of a destination, with a limit in seconds to connect."""

LOOP_FOR = 60.0, 120.0
"""Seconds for which a destination is left out that would close a loop, at
least and at most: the topology may change."""


class NothingToTry(Exception):
    """
    Every destination is to be left alone for a while.
    """


def _name(destination: Destination) -> str:
    """
    @return: What a destination is called in the head of a question.
    """
    if destination.protocol == "unix":
        return "localhost"
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    return f"{host}:{destination.port}"


@implementer(IStreamClientEndpoint)
class Choice:
    """
    Connects to whichever destination is next.

    When a round begins, it asks all that come into question what they have of
    the host.  Only who has a single parent for its own samples does not ask.
    """

    def __init__(
        self,
        host: Host,
        destinations: Destinations,
        connector: Connector,
        clock: IReactorTime,
        timeout: float,
        jitter: Callable[[], float],
        say: Callable[[Destination, str], None],
        node: str = "",
    ) -> None:
        """
        @param timeout: Seconds to connect.
        @param jitter: Gives a random number from 0 to 1.
        @param say: Is told why a destination cannot be streamed to.
        @param node: Machine GUID of this node.
        """
        self._host = host
        self._destinations = destinations
        self._connector = connector
        self._clock = clock
        self._timeout = timeout
        self._jitter = jitter
        self._say = say
        self._wanted = False
        self._nodes = frozenset({host.info.guid, node} - {""})

    def reconfigure(self, destinations: Destinations, connector: Connector, timeout: float) -> None:
        """
        Choose among others from the next attempt on, as of C{__init__}.
        """
        self._destinations, self._connector, self._timeout = destinations, connector, timeout

    def __repr__(self) -> str:
        return f"<the parents of {self._host.info.hostname}>"

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Try the next destination (called by Twisted).

        @return: Fails also with L{NothingToTry}.
        """
        self._wanted = True
        work = Deferred.fromCoroutine(self._connect(protocolFactory))
        connecting: Deferred[IProtocol] = Deferred(lambda _: self._give_up(work))
        work.chainDeferred(connecting)
        return connecting

    def _give_up(self, work: Deferred[IProtocol]) -> None:
        # Parents that are being asked give no information then, which is no reason to try one.
        self._wanted = False
        work.cancel()

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        destinations = self._destinations
        several = len(destinations.due(self._clock.seconds())) > 1
        if destinations.begins() and (several or not self._host.local):
            await self.look()
        if not self._wanted:
            raise CancelledError()
        destination = destinations.choose(self._clock.seconds())
        if destination is None:
            raise NothingToTry()
        try:
            # A name is resolved anew each time, and each of its addresses is tried.
            connected: IProtocol = await self._connector(destination, self._timeout).connect(factory)
        except Exception as problem:
            if self._wanted:
                self._unreachable(destination, problem)
            raise
        return connected

    def _unreachable(self, destination: Destination, problem: BaseException) -> None:
        now, what = self._clock.seconds(), how_ended(Failure(problem))
        if isinstance(problem, TLSFailed):
            # It is there, and needs somebody's hand.
            refusal = Refusal.BAD_CERTIFICATE if problem.problem.certificate else Refusal.TLS
            self._destinations.refused(destination, refusal, now)
        else:
            self._destinations.unreachable(destination, now)
            what = f"cannot connect: {what}"
        self._say(destination, what)

    async def look(self) -> list[Destination]:
        """
        Ask those that are not to be left alone, and bring them into the order
        of trying.

        @return: Those that come into question, the best first.
        """
        asked = self._destinations.due(self._clock.seconds())
        answers = await gatherResults([self._ask(destination) for destination in asked])
        candidates: list[tuple[Destination, StreamInfo | None]] = []
        for destination, answer in zip(asked, answers, strict=True):
            if isinstance(answer, BaseException):
                self._unreachable(destination, answer)
            elif self._comes_into_question(destination, answer):
                candidates.append((destination, answer))
        order = ranked(candidates, self._jitter)
        self._destinations.arrange(order)
        return order

    def _ask(self, destination: Destination) -> Deferred[StreamInfo | BaseException | None]:
        info = self._host.info
        text = question(info.guid, _name(destination), f"{info.program}/{info.version}")
        asking: Deferred[StreamInfo | None] = ask(self._connector(destination, ASK_WITHIN), text, self._clock)
        return asking.addErrback(lambda failure: failure.value)

    def _comes_into_question(self, destination: Destination, info: StreamInfo | None) -> bool:
        verdict = judge(info, self._host.path, self._host.info.hops + 1, self._nodes)
        now = self._clock.seconds()
        if verdict is Verdict.ITSELF:
            self._destinations.exclude(destination)
        elif verdict is Verdict.LOOP:
            least, most = LOOP_FOR
            self._destinations.postpone(destination, most, now, least)
        elif verdict is Verdict.STARTING:
            self._destinations.refused(destination, Refusal.INITIALIZING, now)
        else:
            return True
        self._say(destination, f"{verdict.value}; left out")
        return False
