"""
Tests for where a node listens.
"""

import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from netstream.config import ConfigError, load
from netstream.config.settings import Listener, Role
from netstream.db.workers import Inline
from netstream.hub.hub import Host
from netstream.roles import CannotServe, Node
from netstream.streaming.listening import listen
from netstream.testing.world import KEY, Script

FACTORY = Factory.forProtocol(Protocol)


def listener(host: str, interface: str = "") -> Listener:
    return Listener(host or "*", "tcp", host, 19999, frozenset(), interface)


class Socket:
    """
    Knows whether it takes IPv6 alone.
    """

    def __init__(self, alone: bool) -> None:
        self.alone = alone

    def getsockopt(self, level: int, option: int) -> int:
        return int(self.alone)


class System(MemoryReactor):
    """
    A system on which some addresses cannot be listened on.

    @ivar closed: Ports that were closed again.
    """

    def __init__(self, *missing: str, alone: bool = False) -> None:
        super().__init__()
        self.missing = missing
        self.alone = alone
        self.closed: list[str] = []

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        if interface in self.missing:
            raise CannotListenError(interface, port, OSError("not here"))
        listening = super().listenTCP(port, factory, backlog, interface)
        listening.socket = Socket(self.alone and ":" in interface)
        listening.stopListening = lambda: self.closed.append(interface)
        return listening

    @property
    def interfaces(self) -> list[str]:
        return [interface for _, _, _, interface in self.tcpServers]


class TCPTests(SynchronousTestCase):
    """
    L{listen} on TCP.
    """

    def test_addresses(self) -> None:
        """
        All addresses are IPv6 and IPv4; one address is that one, with its
        scope.
        """
        for entry, interface in (
            (listener(""), "::"),
            (listener("127.0.0.1"), "127.0.0.1"),
            (listener("::1"), "::1"),
            (listener("fe80::1", "eth0"), "fe80::1%eth0"),
        ):
            with self.subTest(entry=entry):
                system = System()
                self.assertEqual(len(self.successResultOf(listen(system, entry, FACTORY))), 1)
                self.assertEqual(system.interfaces, [interface])

    def test_without_ipv6(self) -> None:
        """
        On a machine without IPv6, all addresses are those of IPv4.
        """
        system = System("::")
        self.successResultOf(listen(system, listener(""), FACTORY))
        self.assertEqual(system.interfaces, [""])

    def test_ipv6_alone(self) -> None:
        """
        Where a port for IPv6 does not take IPv4, there are two.
        """
        system = System(alone=True)
        self.assertEqual(len(self.successResultOf(listen(system, listener(""), FACTORY))), 2)
        self.assertEqual(system.interfaces, ["::", ""])

    def test_half(self) -> None:
        """
        If IPv4 cannot be had, nothing is left open.
        """
        system = System("", alone=True)
        self.failureResultOf(listen(system, listener(""), FACTORY), CannotListenError)
        self.assertEqual(system.closed, ["::"])

    def test_nothing(self) -> None:
        """
        If neither can be had, that is said.
        """
        self.failureResultOf(listen(System("", "::"), listener(""), FACTORY), CannotListenError)


class UnixTests(TestCase):
    """
    Nodes that talk through a Unix socket.
    """

    def setUp(self) -> None:
        # Names of sockets are short, and those of trial's directories are not.
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = self.directory / "socket"

    def start(self, role: Role, **options: Any) -> Deferred[Node]:
        config = self.directory / role.value
        config.mkdir()
        (config / "stream.conf").write_text(f"[{KEY}]\n type = api\n enabled = yes\n")
        (config / "stream.conf").chmod(0o600)
        bind = f"unix:{self.path}" if role is Role.PARENT else f"unix:{config}/socket"
        settings = load(
            role,
            config_dir=config,
            data_dir=config / "data",
            overrides=("db/mode=ram", f"web/bind to={bind}"),
            hostname=role.value,
            **{"destination": None, "api_key": None, **options},
        )
        node = Node(settings, reactor, Script, Inline())
        node.startService()
        self.addCleanup(node.stopService)
        return node.ready

    async def test_child_and_parent(self) -> None:
        """
        A child streams to a parent through its Unix socket, in the place of
        one that a killed process left; nothing is left of it after the stop.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
            left.bind(str(self.path))
        parent = await self.start(Role.PARENT)
        self.assertEqual(parent.urls, [f"unix:{self.path}"])
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o660)
        arrived: Deferred[Host] = Deferred()

        def came(host: Host) -> None:
            if host.online and not arrived.called:
                host.subscribe(lambda update: arrived.called or arrived.callback(host))

        parent.hub.watch(came)
        child = await self.start(Role.CHILD, destination=f"unix:{self.path}", api_key=KEY)
        host = await arrived.addTimeout(100, reactor)
        assert host.link is not None
        self.assertEqual((host.info.hostname, host.link.peer), ("child", "unix socket"))
        await child.stopService()
        await parent.stopService()
        self.assertFalse(host.online)
        self.assertFalse(os.path.exists(self.path))

    async def test_moves(self) -> None:
        """
        A Unix socket moves while a connection lives that came by the old one,
        who waits to be accepted is taken, and access to it changes in place.
        """
        parent = await self.start(Role.PARENT)

        def entry(path: Path, mode: int = 0o660) -> Any:
            web = parent.settings.web
            one = evolve(web.listeners[0], text=f"unix:{path}", host=str(path), mode=mode, backlog=7)
            return evolve(parent.settings, web=evolve(web, listeners=(one,)))

        inode = self.path.stat().st_ino
        await parent.reconfigure(entry(self.path, 0o600))
        self.assertEqual((stat.S_IMODE(self.path.stat().st_mode), self.path.stat().st_ino), (0o600, inode))
        other = self.directory / "other"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiting:
            waiting.connect(str(self.path))
            waiting.sendall(b"GET /api/v1/info HTTP/1.0\r\n\r\n")
            await parent.reconfigure(entry(other))
            self.assertEqual((self.path.exists(), other.is_socket()), (False, True))
            self.assertEqual(parent.urls, [f"unix:{other}"])
            answer = await deferToThread(waiting.recv, 100)
        self.assertIn(b"200 OK", answer)
        (self.directory / "file").write_text("precious")
        with self.assertRaises(ConfigError):
            await parent.reconfigure(entry(self.directory / "file"))
        self.assertTrue(other.is_socket())
        await parent.stopService()
        self.assertFalse(other.exists())

    async def test_served(self) -> None:
        """
        A socket that someone serves is not taken away from them.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.bind(str(self.path))
            other.listen()
            with self.assertRaises(CannotServe):
                await self.start(Role.PARENT)
            self.assertTrue(self.path.is_socket())

    async def test_no_socket(self) -> None:
        """
        A file that is no socket is left alone.
        """
        self.path.write_text("precious")
        with self.assertRaises(CannotServe):
            await self.start(Role.PARENT)
        self.assertEqual(self.path.read_text(), "precious")

    async def test_removed_meanwhile(self) -> None:
        """
        A node whose socket file was removed by someone stops none the less.
        """
        parent = await self.start(Role.PARENT)
        self.path.unlink()
        await parent.stopService()
        self.flushLoggedErrors(FileNotFoundError)


class FileTests(TestCase):
    """
    A path where something else is than a socket.
    """

    async def test_file(self) -> None:
        """
        A path of an ordinary file is said to be one, and the file stays.
        """
        path = Path(self.mktemp()).resolve()
        path.write_text("precious")
        with self.assertRaisesRegex(CannotListenError, "it is a file, not a socket"):
            await listen(reactor, Listener(f"unix:{path}", "unix", str(path), 0, frozenset()), FACTORY)
        self.assertEqual(path.read_text(), "precious")
