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
        most = 256 - descriptors_spared(256)
        self.assertTrue(self.lobby.enter(first := Silent(), most - 1))
        self.assertTrue(self.lobby.enter(second := Silent(), most))
        self.assertTrue(first.away)
        self.lobby.leave(second)
        for _ in range(10):
            self.assertFalse(self.lobby.enter(Silent(), most))
        self.assertEqual((self.told("the 256 file descriptors"), self.lobby.turned_away), (1, 11))
        self.clock.advance(TOLD_EVERY)
        self.assertTrue(self.lobby.enter(Silent(), 20))
        self.assertEqual(self.told("there is room for connections again; 10 more were closed meanwhile"), 1)
        self.assertTrue(self.lobby.enter(Silent(), 21))
        self.assertEqual(len(self.logged), 2)

    def test_no_limit(self) -> None:
        """
        A process without a limit has room.
        """
        self.patch(module.resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)
        self.assertTrue(self.lobby.enter(Silent(), 100_000))


class RequestTests(WorldCase):
    """
    How long a connection counts as one that has told nothing.
    """

    def test_whole_requests(self) -> None:
        """
        A begun request is not one that was made, by HTTP or for streaming.
        """
        node = self.world.node("a", "parent")
        (front,) = node.service._fronts
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
        self.assertEqual(len(stage.site.open), 3)
        self.assertTrue(all(isinstance(each, Channel) for each in stage.site.open))
