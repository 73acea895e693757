"""
Tests for how many connections there may be that say nothing.
"""

from __future__ import annotations

import resource

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.streaming import lobby as module
from netstream.streaming.lobby import TOLD_EVERY, Lobby, descriptors_spared
from netstream.web.site import Channel
from tests.streaming.case import WorldCase
from tests.web.stage import Stage


class Silent:
    """
    A connection that says nothing.
    """

    away = False

    def send_away(self) -> None:
        self.away = True


class LobbyTests(WorldCase):
    """
    L{Lobby}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.lobby = Lobby(self.clock, 3, 2)

    def told(self, text: str) -> int:
        return sum(text in line for line in self.logged)

    def test_oldest(self) -> None:
        """
        One too many, and the one that has said nothing for longest has to go;
        one that has told what it wants does not count.
        """
        guests = [Silent() for _ in range(5)]
        for guest in guests[:3]:
            self.assertTrue(self.lobby.enter(guest))
        self.lobby.leave(guests[0])
        self.assertTrue(self.lobby.enter(guests[3]))
        self.assertTrue(self.lobby.enter(guests[4]))
        self.assertEqual([guest.away for guest in guests], [False, True, False, False, False])

    def test_handshakes(self) -> None:
        """
        The same holds for handshakes of TLS, of which there may be fewer.
        """
        guests = [Silent() for _ in range(3)]
        for guest in guests:
            self.lobby.enter(guest)
            self.lobby.begin_handshake(guest)
        self.assertEqual([guest.away for guest in guests], [True, False, False])
        self.lobby.end_handshake(guests[1])
        self.lobby.begin_handshake(guests[1])
        self.assertEqual([guest.away for guest in guests], [True, False, False])

    def test_descriptors(self) -> None:
        """
        Connections leave some file descriptors to files: when no more are
        left, who says nothing makes room, and if nobody does, the next one
        is closed; the log has one line a minute, and one when it is over.
        """
        self.patch(module.resource, "getrlimit", lambda which: (256, 256))
        files = [256 - descriptors_spared(256) - 3]
        lobby = Lobby(self.clock, count=lambda: files[0] + lobby._connections)
        guests = [Silent() for _ in range(20)]
        for guest in guests[:3]:
            self.assertTrue(lobby.enter(guest))
        self.assertEqual([guest.away for guest in guests[:3]], [True, False, False])
        lobby.lost(guests[0])
        for guest in guests[1:3]:
            lobby.leave(guest)
        self.assertFalse(lobby.enter(guests[3]))
        for _ in range(10):
            self.assertFalse(lobby.enter(silent := Silent()))
            lobby.lost(silent)
        self.assertEqual((self.told("the 256 file descriptors"), lobby.turned_away), (1, 12))
        files[0] = 20
        self.clock.advance(TOLD_EVERY)
        for guest in guests[4:7]:
            self.assertTrue(lobby.enter(guest))
        self.assertEqual(self.told("there is room for connections again; 11 more were closed meanwhile"), 1)
        self.assertEqual(len(self.logged), 2)
        files[0] = 256
        self.clock.advance(1)
        self.assertTrue(lobby.enter(guests[7]))
        self.assertEqual([guest.away for guest in guests[4:8]], [True, True, False, False])

    def test_no_limit(self) -> None:
        """
        A process without a limit has room.
        """
        self.patch(module.resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)
        self.assertTrue(self.lobby.enter(Silent()))


class RequestTests(WorldCase):
    """
    How long a connection counts as one that has told nothing.
    """

    def test_whole_requests(self) -> None:
        """
        A begun request is not one that was made, by HTTP or for streaming.
        """
        node = self.world.node("a", "parent")
        assert node.service._ports is not None
        (front,) = node.service._ports.fronts
        begun = [self.connect(node) for _ in range(3)]
        for child, said in zip(begun, (b"", b"GET / HTTP/1.1\r\nHost: loc", b"STREAM key="), strict=True):
            child.say(said)
        asked = [self.child(node), self.connect(node)]
        asked[1].say(b"GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.world.advance(1)
        self.assertTrue(asked[0].received and asked[1].received)
        self.assertEqual((len(front.lobby._waiting), len(front._connections)), (3, 5))
        for child in (*begun, *asked):
            child.leave()
        self.world.advance(1)
        self.assertEqual((len(front.lobby._waiting), len(front._connections)), (0, 0))


class SocketTests(SynchronousTestCase):
    """
    C{[web] web server max sockets}.
    """

    def test_idle(self) -> None:
        """
        Who has been idle for longest makes room for the next client.
        """
        stage = Stage(max_sockets=3)
        clients = [stage.connect() for _ in range(3)]
        self.assertEqual(stage.ask(clients[0]), 200)
        clients.append(stage.connect())
        self.assertEqual([transport.disconnected for _, transport in clients], [False, True, False, False])
        self.assertEqual(stage.ask(clients[0]), 200)
        clients[2][0].dataReceived(b"GET / HTTP/1.1\r\nHost: loc")
        clients.append(stage.connect())
        self.assertEqual([transport.disconnected for _, transport in clients], [False, True, True, False, False])
        self.assertEqual(len(stage.site.open), 3)
        self.assertTrue(all(isinstance(each, Channel) for each in stage.site.open))
