"""
Children that are written down, in a world of nodes.
"""

from pathlib import Path
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netstream.hub.hub import Host
from netstream.testing import KEY, World, WorldNode

GUID = "99999999-9999-4999-8999-999999999999"
CHART = b"CHART a.b '' '' '' '' a.b\nDIMENSION c\n"


class ScriptedChild(Protocol):
    """
    One connection of a child that says what a test wants said.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.closed = False

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed = True

    def say(self, data: bytes) -> None:
        self.transport.write(data)

    def sample(self, time: int, value: int = 5, chart: str = "a.b") -> None:
        self.say(f"BEGIN2 {chart} 1 {time} #\nSET2 c {value} # A\nEND2\n".encode())

    def leave(self) -> None:
        self.transport.loseConnection()


class WorldCase(SynchronousTestCase):
    """
    A world that is stopped at the end.

    @ivar logged: What was logged, as text.
    """

    def setUp(self) -> None:
        self.logged: list[str] = []
        observer = self.observe
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        directory = Path(self.mktemp())
        directory.mkdir(parents=True)
        self.world = World(directory)
        self.addCleanup(self.world.stop)

    def observe(self, event: Any) -> None:
        text = (event.get("log_format") or "").format(**event)
        if text:
            self.logged.append(text)

    def connect(self, node: WorldNode, machine: Any = None) -> ScriptedChild:
        """
        @return: A connection on which nothing was said.
        """
        child = ScriptedChild()
        endpoint = TCP4ClientEndpoint(machine or self.world.visitor, node.machine.address, node.port)
        endpoint.connect(Factory.forProtocol(lambda: child))
        self.world.advance(0.01 + 2 * self.world.network.latency)
        return child

    def child(self, node: WorldNode, **changes: str) -> ScriptedChild:
        """
        @return: A connection on which a child has asked for admission, and was
            answered.
        """
        parameters = {
            "key": KEY,
            "hostname": "asker",
            "machine_guid": GUID,
            "update_every": "1",
            "ver": "17144",
            **changes,
        }
        child = self.connect(node)
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        child.say(f"STREAM {query} HTTP/1.1\r\nUser-Agent: x/1\r\n\r\n".encode())
        self.world.advance(0.01 + 2 * self.world.network.latency)
        return child

    def host(self, node: WorldNode, guid: str = GUID) -> Host:
        found = node.hub.get(guid)
        assert found is not None
        return found
