"""
Tests for the control socket: what is said on it, and who may.
"""

from __future__ import annotations

import socket
import stat
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from twisted.internet import defer, reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from netstream.cli import main
from netstream.control.client import say
from netstream.control.lines import LONGEST, CannotDo, Request, done, not_done, result_of, socket_path
from netstream.control.service import CONNECTIONS_MOST, IDLE_FOR, ControlProtocol, ControlSocket


class Told:
    """
    Stands where commands are done.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.waiting: list[Deferred[Any]] = []

    def run(self, request: Request) -> Deferred[Any]:
        self.requests.append(request)
        if request.command == "wait":
            self.waiting.append(Deferred())
            return self.waiting[-1]
        if request.command == "fail":
            return defer.fail(CannotDo("it is too late"))
        if request.command == "break":
            return defer.fail(ZeroDivisionError())
        return defer.succeed({"said": request.command, **request.arguments})


class LineTests(SynchronousTestCase):
    """
    What is said.
    """

    def test_round_trip(self) -> None:
        """
        Commands and answers are read as they were written.
        """
        request = Request("nodes", {"a": [1, "x\n"]})
        self.assertEqual(Request.parse(request.line()), request)
        self.assertEqual(request.line().count(b"\n"), 1)
        self.assertEqual(result_of(done({"a": "ü\n"})), {"a": "ü\n"})
        with self.assertRaises(CannotDo) as caught:
            result_of(not_done("too late"))
        self.assertEqual(str(caught.exception), "too late")

    def test_wrong(self) -> None:
        """
        What is none is said to be none.
        """
        for line in (b"", b"x", b"[]", b"{}", b'{"command": 1}', b'{"command": "a", "arguments": 1}', b"[" * 9999):
            self.assertRaises(CannotDo, Request.parse, line)
        for line in (b"", b"x", b"[]", b"{}", b'{"ok": 1}', b"5"):
            self.assertRaises(CannotDo, result_of, line)


class ProtocolTests(SynchronousTestCase):
    """
    One connection.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.told = Told()
        self.service: Any = ControlSocket(self.told, Path("nowhere"), self.clock)  # type: ignore[arg-type]
        self.wire = StringTransport()
        self.protocol = ControlProtocol(self.service)
        self.protocol.makeConnection(self.wire)

    def answers(self) -> list[bytes]:
        lines = self.wire.value().splitlines()
        self.wire.clear()
        return lines

    def test_commands(self) -> None:
        """
        Commands are done one after the other, in their order, and each is
        answered on a line of its own.
        """
        self.protocol.dataReceived(Request("wait").line() + Request("a", {"b": 1}).line() + b"nonsense\n")
        self.assertEqual([each.command for each in self.told.requests], ["wait"])
        self.told.waiting[0].callback("done")
        first, second, third = self.answers()
        self.assertEqual(result_of(first), "done")
        self.assertEqual(result_of(second), {"said": "a", "b": 1})
        self.assertRaises(CannotDo, result_of, third)

    def test_failures(self) -> None:
        """
        A command that cannot be done says why; our own mistake goes to the
        log, and its details to nobody else.
        """
        for command in ("fail", "break"):
            self.protocol.dataReceived(Request(command).line())
        first, second = self.answers()
        self.assertIn(b"it is too late", first)
        self.assertIn(b"the log of the node", second)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_idle(self) -> None:
        """
        A connection on which nothing is said is closed, one that waits for its
        answer is not.
        """
        self.protocol.dataReceived(Request("wait").line())
        self.clock.advance(IDLE_FOR * 2)
        self.assertFalse(self.wire.disconnecting)
        self.told.waiting[0].callback(None)
        self.clock.advance(IDLE_FOR)
        self.assertTrue(self.wire.disconnecting)

    def test_bounded(self) -> None:
        """
        A line without end, and commands without end, end the connection.
        """
        self.protocol.dataReceived(Request("wait").line() + Request("a").line() * (CONNECTIONS_MOST + 1))
        self.assertTrue(self.wire.disconnecting)
        other = StringTransport()
        protocol = ControlProtocol(self.service)
        protocol.makeConnection(other)
        protocol.dataReceived(b"x" * (LONGEST + 1))
        self.assertTrue(other.disconnecting)

    def test_lost(self) -> None:
        """
        Who goes before its answer harms nobody.
        """
        self.protocol.dataReceived(Request("wait").line())
        self.protocol.connectionLost()
        self.told.waiting[0].callback("done")
        self.assertEqual(self.answers(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SocketTests(TestCase):
    """
    The socket itself.
    """

    def setUp(self) -> None:
        self.directory = Path(mkdtemp(prefix="netstream-"))
        self.addCleanup(rmtree, self.directory, ignore_errors=True)
        self.told = Told()

    def service(self, directory: Path) -> ControlSocket:
        service = ControlSocket(self.told, directory, reactor)  # type: ignore[arg-type]
        service.startService()
        self.addCleanup(service.stopService)
        return service

    async def test_said(self) -> None:
        """
        A command that is said on this machine is done; only the owner can say
        one; when the node stops the socket is gone.
        """
        service = self.service(self.directory)
        path = socket_path(self.directory)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(path.parent.stat().st_mode), 0o700)
        result = await deferToThread(say, self.directory, Request("hello", {"a": 1}), 10.0)
        self.assertEqual(result, {"said": "hello", "a": 1})
        with self.assertRaises(CannotDo):
            await deferToThread(say, self.directory, Request("fail"), 10.0)
        await service.stopService()
        self.assertFalse(path.exists())
        with self.assertRaises(CannotDo) as caught:
            say(self.directory, Request("hello"))
        self.assertIn("no node runs", str(caught.exception))

    async def test_left_behind(self) -> None:
        """
        A socket that a killed node left is replaced.
        """
        first = self.service(self.directory)
        await first.stopService()
        path = socket_path(self.directory)
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        self.assertTrue(path.exists())
        self.service(self.directory)
        self.assertEqual((await deferToThread(say, self.directory, Request("a"), 10.0))["said"], "a")

    def test_long_path(self) -> None:
        """
        A path that no socket can have is said; the node runs without.
        """
        deep = self.directory / ("x" * 120)
        service = self.service(deep)
        self.assertTrue(service.running)
        self.assertFalse(deep.exists())
        self.assertRaises(CannotDo, say, deep, Request("a"))

    async def test_command_line(self) -> None:
        """
        C{netstream ctl} says what it is told, prints the answer, and says why
        something cannot be done.
        """
        self.service(self.directory)

        def run(*arguments: str) -> tuple[int, str, str]:
            out, err = StringIO(), StringIO()
            with redirect_stdout(out), redirect_stderr(err):
                status = main(["ctl", *arguments, "--data-dir", str(self.directory)])
            return status, out.getvalue(), err.getvalue()

        self.told.run = lambda request: defer.fail(CannotDo("there is none"))  # type: ignore[method-assign]
        status, _, problem = await deferToThread(run, "remove-node", "x")
        self.assertEqual((status, problem), (1, "netstream ctl: there is none\n"))
        with redirect_stderr(StringIO()) as err:
            status = await deferToThread(main, ["ctl", "--data-dir", str(self.directory), "remove-node", "x"])
        self.assertEqual((status, err.getvalue()), (1, "netstream ctl: there is none\n"))
        answers: dict[str, Any] = {
            "keys": {
                "keys": [
                    {
                        "key": "12345678",
                        "state": "valid",
                        "valid_from": None,
                        "valid_until": 1_800_000_000.0,
                        "section": "s.c:3",
                        "nodes": 0,
                        "used": 1_790_000_000,
                    },
                    {
                        "key": "9abcdef0",
                        "state": "disabled",
                        "valid_from": 1_700_000_000.0,
                        "valid_until": None,
                        "section": "s.c:7",
                        "nodes": 2,
                        "used": 1_790_000_000,
                    },
                ]
            },
            "drain": {"draining": True, "told": 3},
            "rebalance": {"told": 2, "of": 5},
            "remove-node": {"hostname": "a\x1b[2J", "guid": "g"},
        }
        asked: list[Request] = []

        def answer(request: Request) -> Deferred[Any]:
            asked.append(request)
            return defer.succeed(answers[request.command])

        self.told.run = answer  # type: ignore[method-assign]
        for arguments, expected in (
            (
                ["keys"],
                "key       state     valid from            valid until           nodes  last used             section\n"
                "12345678  valid     -                     2027-01-15T08:00:00Z  0      2026-09-21T14:13:20Z  s.c:3\n"
                "9abcdef0  disabled  2023-11-14T22:13:20Z  -                     2      now                   s.c:7\n",
            ),
            (["drain"], "3 children were told to go; none is taken until 'netstream ctl drain --end'\n"),
            (["rebalance", "--share", "40", "web-1"], "2 of 5 children were told to choose anew\n"),
            (["remove-node", "a"], "a?[2J (g)\n"),
        ):
            status, said, problem = await deferToThread(run, *arguments)
            self.assertEqual((status, said, problem), (0, expected, ""))
        self.assertEqual(asked[2].arguments, {"share": 40.0, "nodes": ["web-1"]})
