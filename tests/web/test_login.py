"""
Who signs in.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.credentials import Hashed
from netstream.model.pattern import pattern
from netstream.web import login
from netstream.web.gate import Gate
from tests.web.stage import CHILD, Stage

TOKEN = "0123456789abcdef-a-token"
OTHER = "another-token-of-someone"
CHEAP = "$scrypt$ln=4,r=1,p=1$"


def cheaply(password: str) -> str:
    """
    @return: A hash that takes no time, for a file.
    """
    from hashlib import scrypt

    digest = scrypt(password.encode(), salt=b"saltsalt", n=16, r=1, p=1, dklen=32)
    return Hashed(4, 1, 1, b"saltsalt", digest).text


def basic(name: str, password: str) -> str:
    """
    @return: What a browser says when someone has signed in.
    """
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


class LoginCase(SynchronousTestCase):
    """
    A node with a file of those who may look.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.write(TOKEN, f"sha256:{sha256(OTHER.encode()).hexdigest()}", f"alice:{cheaply('correct horse')}")

    def write(self, *lines: str) -> None:
        self.path.write_text("# Who may look\n\n" + "\n".join(lines) + "\n")
        stamp = getattr(self, "stamp", 10**18) + 1
        os.utime(self.path, ns=(stamp, stamp))
        self.stamp = stamp

    def stage(self, **web: Any) -> Stage:
        stage = Stage(access_file=self.path, **web)
        stage.usual()
        return stage


class LoginTests(LoginCase):
    """
    Tests for L{netstream.web.login} through the site.
    """

    def test_asked(self) -> None:
        """
        Pages, the API, samples as they come, and what programs scrape are for
        those who sign in; a browser asks for the password.
        """
        stage = self.stage()
        for target in ("/", "/nodes.html", "/static/app.js", "/api/v1/info", f"/host/{CHILD}/api/v1/charts", "/metrics",
                       "/api/v1/live?charts=system.load", "/api/v1/allmetrics", "/host/web1/", "/none",
                       "/api/v1/badge.svg", "/netdata.conf", "/api/v1/registry"):  # fmt: skip
            refused = stage.get(target)
            self.assertEqual(refused.status, 401, target)
            self.assertIn("Sign in to see this node", refused.text)
            self.assertEqual(refused.headers["WWW-Authenticate"], 'Basic realm="netstream", charset="UTF-8"')
            self.assertIn("default-src 'none'", refused.headers["Content-Security-Policy"])

    def test_page(self) -> None:
        """
        Who gives up in a browser reads on a page how to sign in, and may try
        again; nothing on it is anything but text.
        """
        stage = self.stage()
        refused = stage.get("/host/web1/", Accept="text/html,application/xhtml+xml")
        self.assertEqual(refused.status, 401)
        self.assertEqual(refused.headers["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(refused.headers["WWW-Authenticate"], 'Basic realm="netstream", charset="UTF-8"')
        self.assertIn('<a href="">Sign in</a>', refused.text)
        self.assertIn("&#x27;Authorization: Bearer TOKEN&#x27;", refused.text)
        self.assertNotIn("<script", refused.text)
        policy = refused.headers["Content-Security-Policy"]
        self.assertIn("default-src 'none'; style-src 'sha256-", policy)
        self.assertNotIn("unsafe", policy)

    def test_token(self) -> None:
        """
        A token opens the node, whether the file has it or its hash.
        """
        stage = self.stage()
        for token in (TOKEN, OTHER):
            for headers in (
                {"Authorization": f"Bearer {token}"},
                {"Authorization": f"bearer  {token}"},
                {"X_Auth_Token": token},
                {"Authorization": basic("token", token)},
                {"Authorization": basic("", token)},
            ):
                self.assertEqual(stage.get("/api/v1/info", **headers).status, 200, headers)

    def test_password(self) -> None:
        """
        A name with its password opens the node.
        """
        stage = self.stage()
        self.assertEqual(stage.get("/", Authorization=basic("alice", "correct horse")).status, 200)
        self.assertEqual(stage.get("/metrics", Authorization=basic("alice", "correct horse")).status, 200)

    def test_wrong(self) -> None:
        """
        Nothing else does.
        """
        stage = self.stage()
        for said in (
            basic("alice", "wrong"),
            basic("alice", ""),
            basic("bob", "correct horse"),
            basic("token", "correct horse"),
            basic("alice", TOKEN),
            "Bearer " + TOKEN[:-1],
            "Bearer",
            "Bearer " + sha256(OTHER.encode()).hexdigest(),
            "Basic !!!!",
            "Basic /////w==",
            "Digest username=alice",
        ):
            refused = stage.get("/api/v1/info", Authorization=said)
            self.assertEqual(refused.status, 401, said)

    def test_others(self) -> None:
        """
        Children ask what children ask, and features that need no token are
        for all whom addresses admit.
        """
        stage = self.stage(protected=frozenset({"dashboard"}))
        self.assertEqual(stage.get(f"/api/v3/stream_info?machine_guid={CHILD}").status, 200)
        self.assertEqual(stage.get("/api/v1/manage/health").status, 403)  # has a token of its own
        self.assertNotEqual(stage.get("/api/v1/badge.svg").status, 401)
        self.assertEqual(stage.get("/api/v1/info").status, 401)

    def test_addresses(self) -> None:
        """
        Who signs in may come from anywhere, unless a list says from where.
        """
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.assertEqual(self.stage().get("/", peer="203.0.113.7", **headers).status, 200)
        self.assertEqual(self.stage().get("/", peer="203.0.113.7").status, 401)
        listed = self.stage(allow={"dashboard": pattern("localhost")})
        self.assertEqual(listed.get("/", peer="203.0.113.7", **headers).status, 403)

    def test_changed(self) -> None:
        """
        A changed file counts at once; one that has become useless leaves who
        could sign in as it was, and is said to be.
        """
        stage = self.stage()
        headers = {"Authorization": basic("alice", "correct horse")}
        self.assertEqual(stage.get("/", **headers).status, 200)
        self.write("alice:nonsense")
        self.assertEqual(stage.get("/", **headers).status, 200)
        self.write(f"alice:{cheaply('battery staple')}")
        self.assertEqual(stage.get("/", **headers).status, 401)
        self.assertEqual(stage.get("/", Authorization=basic("alice", "battery staple")).status, 200)
        self.path.unlink()
        self.assertEqual(stage.get("/", Authorization=basic("alice", "battery staple")).status, 200)

    def test_guessing(self) -> None:
        """
        Who tries one password after the other has to wait; others, those who
        are known, and a browser that repeats one wrong password do not.
        """
        stage = self.stage()
        right = basic("alice", "correct horse")
        self.assertEqual(stage.get("/", peer="203.0.113.7", Authorization=right).status, 200)
        for _ in range(30):
            self.assertEqual(stage.get("/", peer="203.0.113.8", Authorization=basic("alice", "old")).status, 401)
        for number in range(login.WRONG_ALLOWED):
            said = basic("alice", str(number)) if number % 2 else f"Bearer {number}"
            self.assertEqual(stage.get("/", peer="203.0.113.7", Authorization=said).status, 401)
        waits = stage.get("/", peer="203.0.113.7", Authorization=basic("alice", "next"))
        self.assertEqual((waits.status, waits.headers["Retry-After"]), (429, "61"))
        self.assertEqual(stage.get("/", peer="203.0.113.7", Authorization=right).status, 200)
        self.assertEqual(stage.get("/", peer="203.0.113.8", Authorization=basic("alice", "next")).status, 401)
        stage.clock.advance(61)
        self.assertEqual(stage.get("/", peer="203.0.113.7", Authorization=basic("alice", "another")).status, 401)


class VerifyingTests(LoginCase):
    """
    Passwords are verified beside all other work.
    """

    def setUp(self) -> None:
        super().setUp()
        self.works: list[tuple[Callable[[], bool], Deferred[bool]]] = []
        self.there = self.stage()
        gate = self.there.site.resource
        assert isinstance(gate, Gate)
        gate.login = login.Login(self.path, self.there.clock, self.beside)  # type: ignore[arg-type]

    def beside(self, work: Callable[[], bool]) -> Deferred[bool]:
        done: Deferred[bool] = Deferred()
        self.works.append((work, done))
        return done

    def ask(self, said: str, target: str = "/api/v1/info") -> tuple[Any, StringTransport]:
        protocol = self.there.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        assert protocol is not None
        transport = StringTransport(IPv4Address("TCP", "127.0.0.1", 1), IPv4Address("TCP", "127.0.0.1", 1))
        protocol.makeConnection(transport)
        protocol.dataReceived(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {said}\r\n\r\n".encode())
        return protocol, transport

    def finish(self) -> None:
        while self.works:
            work, done = self.works.pop(0)
            done.callback(work())
        for _ in range(50):
            self.there.clock.advance(0)

    def test_once(self) -> None:
        """
        A page that makes many requests has its password verified once.
        """
        asked = [self.ask(basic("alice", "correct horse"))[1] for _ in range(20)]
        self.assertEqual((len(self.works), asked[0].value()), (1, b""))
        self.finish()
        for transport in asked:
            self.assertTrue(transport.value().startswith(b"HTTP/1.1 200 "), transport.value()[:100])
        _, later = self.ask(basic("alice", "correct horse"))
        self.finish()
        self.assertTrue(later.value().startswith(b"HTTP/1.1 200 "))

    def test_bounded(self) -> None:
        """
        Two are verified at once and some wait; the others are told to come
        again, and who is known is answered meanwhile.
        """
        asked = [self.ask(basic("alice", str(n)))[1] for n in range(login.MOST_CHECKED + login.MOST_WAITING + 1)]
        self.assertEqual(len(self.works), login.MOST_CHECKED)
        self.assertTrue(asked[-1].value().startswith(b"HTTP/1.1 503 "), asked[-1].value()[:100])
        _, known = self.ask(f"Bearer {TOKEN}")
        for _ in range(50):
            self.there.clock.advance(0)
        self.assertTrue(known.value().startswith(b"HTTP/1.1 200 "))
        self.finish()
        self.assertEqual({t.value()[:13] for t in asked[:-1]}, {b"HTTP/1.1 401 "})

    def test_gone(self) -> None:
        """
        Who leaves meanwhile leaves no error behind.
        """
        protocol, transport = self.ask(basic("alice", "correct horse"))
        protocol.connectionLost(Failure(ConnectionDone()))
        self.finish()
        self.assertEqual(transport.value(), b"")

    def test_broken(self) -> None:
        """
        What goes wrong in between lets nobody in.
        """
        _, transport = self.ask(basic("alice", "correct horse"))
        self.works.pop()[1].errback(MemoryError())
        self.finish()
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 401 "))
        self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)

    def test_changed_meanwhile(self) -> None:
        """
        A password that was verified by the old file is not known for the new
        one.
        """
        self.ask(basic("alice", "correct horse"))
        self.write(f"alice:{cheaply('battery staple')}")
        self.ask(f"Bearer {TOKEN}")
        self.finish()
        _, later = self.ask(basic("alice", "correct horse"))
        self.finish()
        self.assertTrue(later.value().startswith(b"HTTP/1.1 401 "))
