"""
Tests for L{netstream.session.functions}.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from attrs import define, evolve, field
from twisted.trial.unittest import SynchronousTestCase

from netstream.kernel import Ingest
from netstream.model.calls import Call, Outcome, Over
from netstream.model.pattern import SimplePattern
from netstream.model.samples import SeriesTable
from netstream.session.functions import (
    CANCELLED,
    DISCONNECTED,
    LONGEST_CALL,
    LONGEST_COMMAND,
    NO_FUNCTIONS,
    NO_PAYLOAD,
    TIMED_OUT,
    TOO_LARGE,
    TOO_LONG,
    TOO_MANY,
    Asked,
    Serving,
    answer,
    progress,
)
from netstream.session.handshake import OFFER, OWN, negotiate
from netstream.session.limits import Limits
from netstream.session.receiver import Receiver
from netstream.session.sender import Sender
from netstream.wire.capabilities import Capability
from netstream.wire.commands import (
    AskProgress,
    CancelFunction,
    FunctionCall,
    FunctionCallWithPayload,
    FunctionProgress,
    FunctionResult,
)
from netstream.wire.decoder import Decoder
from netstream.wire.handshake import Accepted, ReplyReader
from tests.recordings import ROOT, child

NEW = negotiate(OFFER, OWN)
OLD = negotiate(OFFER, Capability(16376))
TX = "0123456789abcdef0123456789abcdef"
CALL = Call(TX, "fixture-chart a:1", 7, 0x8, "method=none")
NOW = 1795360900.0


@define
class Recorder:
    """
    A caller that remembers.
    """

    outcomes: list[Outcome] = field(factory=list)
    progress: list[tuple[int, int]] = field(factory=list)

    def progressed(self, done: int, everything: int) -> None:
        self.progress.append((done, everything))

    def answered(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


@define
class Follower:
    """
    A call that was passed on, and remembers.
    """

    heard: list[str] = field(factory=list)

    def cancel(self) -> None:
        self.heard.append("cancel")

    def ask(self) -> None:
        self.heard.append("ask")


def asked(capabilities: Capability = NEW, most: int = 100) -> Asked:
    numbers: Iterator[int] = count(1)
    return Asked(capabilities, lambda: f"made{next(numbers)}", most)


class AskedTests(SynchronousTestCase):
    """
    Calls that a child has to answer.
    """

    def test_forms(self) -> None:
        """
        A newer child gets the caller's permissions as they came, an old one
        the form that it knows.
        """
        for capabilities, call, said in (
            (NEW, CALL, f'FUNCTION {TX} 7 "fixture-chart a:1" "0x8" "method=none"\n'),
            (
                NEW,
                evolve(CALL, access=0xFFFF),
                f'FUNCTION {TX} 7 "fixture-chart a:1" "0xffff" "method=none"\n',
            ),
            (NEW, evolve(CALL, access=None), f'FUNCTION {TX} 7 "fixture-chart a:1"\n'),
            (OLD, CALL, f'FUNCTION {TX} 7 "fixture-chart a:1"\n'),
            (
                NEW,
                evolve(CALL, payload=b'{"a":1}', content_type="application/json"),
                f'FUNCTION_PAYLOAD {TX} 7 "fixture-chart a:1" "0x8" "method=none" "application/json"\n'
                '{"a":1}\nFUNCTION_PAYLOAD_END\n',
            ),
        ):
            self.assertEqual(asked(capabilities).begin(call, Recorder(), NOW), (TX, said.encode()))

    def test_answered_once(self) -> None:
        """
        A caller gets the answer to its own call, and no second one.
        """
        calls, first, second = asked(), Recorder(), Recorder()
        one, _ = calls.begin(CALL, first, NOW)
        other, _ = calls.begin(evolve(CALL, transaction="x2"), second, NOW)
        calls.result(FunctionResult(other, 200, "text/plain", 5, b"two"))
        calls.result(FunctionResult(other, 200, "text/plain", 5, b"again"))
        calls.result(FunctionResult("unknown", 200))
        self.assertEqual(second.outcomes, [Outcome(200, b"two", "text/plain", 5)])
        self.assertEqual(first.outcomes, [])
        self.assertEqual((len(calls), calls.outcomes["late"], calls.outcomes["answered"]), (1, 2, 1))
        self.assertTrue(calls.wants(one))

    def test_transactions(self) -> None:
        """
        Two callers may use the same transaction, and one that could not stand
        in a line is replaced.
        """
        calls, first, second = asked(), Recorder(), Recorder()
        one, _ = calls.begin(CALL, first, NOW)
        other, said = calls.begin(CALL, second, NOW)
        self.assertEqual((one, other), (TX, "made1"))
        self.assertTrue(said.startswith(b"FUNCTION made1 7 "))
        for strange in ("", "a b", 'a"b', "a\nb", "x" * 101):
            self.assertTrue(calls.begin(evolve(CALL, transaction=strange), Recorder(), NOW)[0].startswith("made"))

    def test_time(self) -> None:
        """
        Who waits too long is told so, and the child that it need not answer;
        what it answers then is dropped.
        """
        calls, caller = asked(), Recorder()
        calls.begin(CALL, caller, NOW)
        self.assertEqual(calls.next, NOW + 7)
        self.assertEqual(calls.expire(NOW + 6.9), b"")
        self.assertEqual(calls.expire(NOW + 7), f"FUNCTION_CANCEL {TX}\n".encode())
        calls.result(FunctionResult(TX, 200))
        self.assertEqual(caller.outcomes, [TIMED_OUT])
        self.assertEqual((calls.next, calls.outcomes), (None, {"expired": 1, "late": 1}))
        old = asked(OLD)
        old.begin(CALL, caller, NOW)
        self.assertEqual(old.expire(NOW + 7), b"")

    def test_progress(self) -> None:
        """
        A call that makes progress, or whose caller says that it waits, may
        take longer, but not for ever.
        """
        calls, caller = asked(), Recorder()
        one, _ = calls.begin(CALL, caller, NOW)
        calls.progress(FunctionProgress(one, 1, 3), NOW + 5)
        calls.progress(FunctionProgress("unknown", 1, 3), NOW + 5)
        self.assertEqual((caller.progress, calls.next), ([(1, 3)], NOW + 12))
        self.assertEqual(calls.ask(one, NOW + 10), f"FUNCTION_PROGRESS {one}\n".encode())
        self.assertEqual(calls.next, NOW + 17)
        self.assertEqual(calls.ask("unknown", NOW), b"")
        calls.progress(FunctionProgress(one, 2, 3), NOW + 2 * LONGEST_CALL)
        self.assertEqual(calls.next, NOW + LONGEST_CALL)
        old = asked(OLD)
        self.assertEqual(old.ask(old.begin(CALL, caller, NOW)[0], NOW), b"")

    def test_cancel(self) -> None:
        """
        Who cancels hears nothing more, and a child that understands it is
        told.
        """
        for capabilities, said in ((NEW, f"FUNCTION_CANCEL {TX}\n".encode()), (OLD, b"")):
            calls, caller = asked(capabilities), Recorder()
            one, _ = calls.begin(CALL, caller, NOW)
            self.assertEqual(calls.cancel(one), said)
            self.assertEqual(calls.cancel(one), b"")
            calls.result(FunctionResult(one, 200))
            calls.lost()
            self.assertEqual(caller.outcomes, [])

    def test_refused(self) -> None:
        """
        Who cannot be answered is told at once why, and the child hears
        nothing.
        """
        for capabilities, call, outcome in (
            (NEW & ~Capability.FUNCTIONS, CALL, NO_FUNCTIONS),
            (OLD, evolve(CALL, payload=b""), NO_PAYLOAD),
            (NEW, evolve(CALL, command="x" * (LONGEST_COMMAND + 1)), TOO_LONG),
        ):
            caller = Recorder()
            self.assertEqual(asked(capabilities).begin(call, caller, NOW), ("", b""))
            self.assertEqual(caller.outcomes, [outcome])
        calls, last = asked(most=2), Recorder()
        for each in ("a", "b"):
            calls.begin(evolve(CALL, transaction=each), Recorder(), NOW)
        self.assertEqual(calls.begin(CALL, last, NOW), ("", b""))
        self.assertEqual(last.outcomes, [TOO_MANY])

    def test_lost(self) -> None:
        """
        When the child is gone, all who wait are told at once, and who calls
        then as well.
        """
        calls, callers = asked(), [Recorder() for _ in range(3)]
        for number, caller in enumerate(callers):
            calls.begin(evolve(CALL, transaction=f"t{number}"), caller, NOW)
        calls.lost()
        late = Recorder()
        calls.begin(CALL, late, NOW)
        for caller in (*callers, late):
            self.assertEqual(caller.outcomes, [DISCONNECTED])
        self.assertEqual(calls.next, None)

    def test_recorded(self) -> None:
        """
        What real children answered reaches the caller as it was said, without
        the newlines that each hop adds.
        """
        for name in ("v137-function/00-fn.c2p.bin", "v29-fp/04-functions.c2p.bin"):
            calls, caller = asked(), Recorder()
            calls.begin(CALL, caller, NOW)
            recording = child(name)
            table = SeriesTable("11111111-1111-4111-8111-111111111111")
            receiver = Receiver(table, OWN, asked=calls)
            for at in range(0, len(recording.data), 97):
                list(receiver.receive(recording.data[at : at + 97], NOW))
            (outcome,) = caller.outcomes
            self.assertEqual(outcome.body, b'{"status":200,"type":"table","data":[["x",1]]}')
            self.assertEqual((outcome.code, outcome.content_type, outcome.local), (200, "application/json", False))

    def test_many_hops(self) -> None:
        """
        However many hops an answer passes, it stays the same.
        """
        body = b'{"a":\n\n1}'
        said = answer("t", Outcome(200, body, "application/json", 77))
        padded = said.replace(b"FUNCTION_RESULT_END", b"\nFUNCTION_RESULT_END")
        for _ in range(5):
            calls, caller = asked(), Recorder()
            calls.begin(evolve(CALL, transaction="t"), caller, NOW)
            list(Receiver(SeriesTable("g"), OWN, asked=calls).receive(padded, NOW))
            self.assertEqual(caller.outcomes, [Outcome(200, body, "application/json", 77)])
            again = answer("t", caller.outcomes[0])
            self.assertEqual(again, said)

    def test_large(self) -> None:
        """
        An answer that is too large is not kept, in however few or many lines
        it comes; its caller is told, and the child goes on.
        """
        for body in (b"x" * 5000 + b"\n", b"x\n" * 2500, b"x" * 1001 + b"\nFUNCTION_RESULT_EN\n"):
            calls, caller = asked(), Recorder()
            calls.begin(CALL, caller, NOW)
            receiver = Receiver(SeriesTable("g"), OWN, limits=Limits(result=1000), asked=calls)
            text = (
                f'FUNCTION_RESULT_BEGIN "{TX}" 200 text/plain 0\n'.encode()
                + body
                + b"FUNCTION_RESULT_END\nOVERWRITE labels\n"
            )
            for size in (len(text), 11):
                found = [u for at in range(0, len(text), size) for u in receiver.receive(text[at : at + size], NOW)]
                self.assertEqual(len(found), 1)
            self.assertEqual(caller.outcomes, [TOO_LARGE])

    def test_unasked_is_not_kept(self) -> None:
        """
        What a child answers without being asked takes no memory.
        """
        decoder = Decoder(Ingest(1), SeriesTable("g"))
        decoder.room = lambda kind, words: 0
        decoder.receive(b'FUNCTION_RESULT_BEGIN "t" 200 text/plain 0\n')
        self.assertEqual(list(decoder.items(0)), [])
        for _ in range(100):
            decoder.receive(b"x" * 1000)
            self.assertEqual(list(decoder.items(0)), [])
        self.assertLess(len(decoder._unfinished), 2000)


class ServingTests(SynchronousTestCase):
    """
    Calls that a parent makes of us.
    """

    def test_recorded(self) -> None:
        """
        What a real parent asked is passed on as it was said.
        """
        data = (ROOT / "v29-fp/04-functions.p2c.bin").read_bytes()
        reply = ReplyReader(OFFER).receive(data)
        assert isinstance(reply, Accepted)
        lines = list(Sender(NEW, "g", SimplePattern.parse("*")).receive(reply.rest))
        serving = Serving()
        calls = [serving.begin(line) for line in lines if isinstance(line, FunctionCall)]
        self.assertEqual(
            calls,
            [
                Call("0123456789abcdef0123456789abcdef", "fixture-chart a:1", 7, 0xFFFF, "method=api,role=admin"),
                Call("1123456789abcdef0123456789abcdef", "config tree /", 7, 0xFFFF, "src"),
                Call(
                    "2123456789abcdef0123456789abcdef",
                    "fixture-global p",
                    7,
                    0xFFFF,
                    "src",
                    "application/json",
                    b'{"a":1}',
                ),
            ],
        )
        follower = Follower()
        serving.passed_on("2123456789abcdef0123456789abcdef", follower)
        for line in lines:
            if isinstance(line, CancelFunction):
                serving.cancel(line)
        self.assertEqual(follower.heard, ["cancel"])

    def test_answers(self) -> None:
        """
        An answer goes to a parent that still waits, once.
        """
        serving = Serving()
        serving.begin(FunctionCall("t", 7, "f"))
        self.assertTrue(serving.over("t"))
        self.assertFalse(serving.over("t"))
        serving.passed_on("t", Over())
        self.assertEqual(serving.under_way, {})
        self.assertEqual(progress("t", 1, 2), b'FUNCTION_PROGRESS "t" 1 2\n')

    def test_refused(self) -> None:
        """
        The same transaction twice, and more calls than may be under way, are
        answered at once.
        """
        serving = Serving(2)
        for transaction, code in (("a", 0), ("a", 400), ("b", 0), ("c", 503)):
            begun = serving.begin(FunctionCall(transaction, 7, "f"))
            self.assertEqual(begun.code if isinstance(begun, Outcome) else 0, code)
        self.assertEqual(set(serving.under_way), {"a", "b"})

    def test_ask_and_lose(self) -> None:
        """
        A parent that asks how far it is, or that is gone, is heard by whoever
        works for it.
        """
        serving, follower = Serving(), Follower()
        for transaction in ("a", "b"):
            serving.begin(FunctionCallWithPayload(transaction, 7, "f"))
        serving.passed_on("a", follower)
        serving.cancel(AskProgress("a"))
        serving.cancel(AskProgress("b"))
        serving.cancel(CancelFunction("unknown"))
        serving.lost()
        self.assertEqual(follower.heard, ["ask", "cancel"])
        self.assertEqual(serving.under_way, {})

    def test_reasons(self) -> None:
        """
        A caller that gets no answer gets JSON that says why.
        """
        self.assertEqual(CANCELLED.code, 499)
        self.assertEqual(TIMED_OUT.body, b'{"status":504,"error_message":"The node did not answer in time"}')
