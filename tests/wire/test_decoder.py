"""
Tests for L{netstream.wire.decoder}.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.kernel import Ingest
from netstream.model.chart import Algorithm
from netstream.model.samples import SampleBatch, SeriesTable
from netstream.wire.capabilities import Capability
from netstream.wire.commands import (
    TO_CHILD,
    Command,
    DefineChart,
    DefineDimension,
    EndDefinition,
    FunctionResult,
    JsonPayload,
    OverwriteLabels,
    ReplayBegin,
    ReplayChart,
    ReplayEnd,
    ReplaySet,
    Unknown,
)
from netstream.wire.decoder import LONGEST_LINE, Decoder, LineDecoder
from netstream.wire.errors import WireError
from netstream.wire.handshake import Accepted, ReplyReader
from tests.recordings import children, compressed, parents

NOW = 1795360900_000000
DEFINED = b"CHART a.b\nDIMENSION x\n"


class Peer:
    """
    A decoder with one who tells its kernel what was defined.
    """

    def __init__(self, longest_payload: int = 1 << 20) -> None:
        self.table = SeriesTable("node")
        self.ingest = Ingest()
        self.decoder = Decoder(self.ingest, self.table, longest_payload=longest_payload)
        self.said: list[object] = []
        self._chart = ""

    def receive(self, data: bytes) -> None:
        self.decoder.receive(data)
        for item in self.decoder.items(NOW):
            if isinstance(item, SampleBatch):
                self._samples(item)
            else:
                self._define(item)
                self.said.append(item)

    def _define(self, item: Command) -> None:
        if isinstance(item, DefineChart):
            self._chart = item.id
            self.ingest.chart(item.id, item.update_every or 1, False)
        elif isinstance(item, DefineDimension):
            number = self.table.number(self._chart, item.id)
            algorithm = int(Algorithm.parse(item.algorithm))
            self.ingest.dimension(self._chart, item.id, number, algorithm, item.multiplier, item.divisor)

    def _samples(self, batch: SampleBatch) -> None:
        columns = [c.tobytes() for c in (batch.series, batch.time, batch.collected, batch.value, batch.flags)]
        columns.append(batch.lines or b"")
        if self.said and isinstance(self.said[-1], list):
            columns = [old + new for old, new in zip(self.said.pop(), columns, strict=True)]  # type: ignore[call-overload]
        self.said.append(columns)


def said(pieces: Iterable[bytes]) -> tuple[list[object], int]:
    """
    @return: What a child said, stretches of samples joined, and the number of
        lines.
    """
    peer = Peer()
    for piece in pieces:
        peer.receive(piece)
    return peer.said, peer.decoder.line_number


def pieces(data: bytes, random: Random) -> list[bytes]:
    """
    @return: The bytes cut at random.
    """
    cuts = sorted(random.sample(range(len(data) + 1), min(len(data), random.choice([1, 3, 20, 200]))))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


class DecoderTests(SynchronousTestCase):
    """
    Bytes become commands and samples, in order.
    """

    def wrong(self, data: bytes, *, longest_payload: int = 1 << 20) -> tuple[WireError, list[object]]:
        peer = Peer(longest_payload)
        return self.assertRaises(WireError, peer.receive, data), peer.said

    def test_order(self) -> None:
        """
        Samples and commands come in the order of their lines.
        """
        found, lines = said([DEFINED + b"BEGIN2 a.b 1 100 #\nSET2 x 5 # A\nEND2\nOVERWRITE labels\nNEW x\n"])
        self.assertEqual(found[:2], [DefineChart("a.b"), DefineDimension("x")])
        self.assertIsInstance(found[2], list)
        self.assertEqual(found[3:], [OverwriteLabels(), Unknown("NEW")])
        self.assertEqual(lines, 7)

    def test_recordings_in_pieces(self) -> None:
        """
        What children were recorded to say is the same wherever it is cut.
        """
        random = Random(1)
        for recording in children():
            whole = said([recording.data])
            self.assertEqual(whole[1], recording.data.count(b"\n"), recording.name)
            for _ in range(3):
                self.assertEqual(said(pieces(recording.data, random)), whole, recording.name)

    def test_every_byte(self) -> None:
        """
        It is the same even byte for byte.
        """
        for recording in children():
            if len(recording.data) < 12000:
                single = (recording.data[at : at + 1] for at in range(len(recording.data)))
                self.assertEqual(said(single), said([recording.data]), recording.name)

    def test_compressed(self) -> None:
        """
        A child that compresses without being asked to is told apart, from its
        first byte on.
        """
        for recording in compressed():
            for data in (recording.data, recording.data[:1]):
                error, _ = self.wrong(data)
                self.assertEqual(error.line_number, 1)
                self.assertIn("compressed frame", str(error))

    def test_wrong_line(self) -> None:
        """
        A line that cannot be read is named with its number, after what was
        good before it.
        """
        for bad in (b"CHART nodot", b"REND 1", b"SET y = 5", b"BEGIN no.such", b"END x y z", b"CLAIMED_ID x NULL"):
            error, found = self.wrong(DEFINED + b"\nOVERWRITE labels\n" + bad + b"\nOVERWRITE labels\n")
            self.assertEqual(found[:3], [DefineChart("a.b"), DefineDimension("x"), OverwriteLabels()])
            self.assertEqual((error.line_number, error.line), (5, bad))
            self.assertIn("line 5: ", str(error))

    def test_unusual_samples(self) -> None:
        """
        Sample lines that are spelled unusually are sample lines.
        """
        plain, _ = said([DEFINED + b"BEGIN2 a.b 1 100 #\nSET2 x 5 # A\nEND2\n"])
        odd, lines = said([DEFINED + b' \t BEGIN2 "a.b" 1 100 #\n"SET2" x 5 # A\r\n=END2\n'])
        self.assertEqual(odd, plain)
        self.assertEqual(lines, 5)
        between, _ = said([DEFINED + b" BEGIN2 a.b 1 100 #\n SET2 x 5 # A\n END2\nOVERWRITE labels\n"])
        self.assertEqual(between, [*plain, OverwriteLabels()])

    def test_rows(self) -> None:
        """
        Rows of a replication are samples for who asked for them, however they
        are spelled, and commands for everyone else.
        """
        text = b"RBEGIN 'a.b'\nRBEGIN '' 1700000000 1700000001 1700000060\n"
        text += b" RSET 'x' 5 A\n'RSET' x 6 A\nREND 1 2 3 true 4 5 6\n"

        def seen(replicated: bool) -> list[object]:
            ingest = Ingest(replicated=replicated)
            ingest.chart("a.b", 1)
            ingest.dimension("a.b", "x", 0, 0, 1, 1)
            decoder = Decoder(ingest, SeriesTable("node"))
            decoder.receive(text)
            found: list[object] = []
            for item in decoder.items(NOW):
                if isinstance(item, SampleBatch):
                    found += item.value.tolist()
                else:
                    found.append(type(item))
            self.assertEqual(decoder.line_number, 5)
            return found

        self.assertEqual(seen(True), [5.0, 6.0, ReplayEnd])
        self.assertEqual(seen(False), [ReplayBegin, ReplayBegin, ReplaySet, ReplaySet, ReplayEnd])

    def test_said_again(self) -> None:
        """
        Lines that end definitions and answers tell the same when they are
        said again, and those of former seconds are not kept.
        """
        decoder = Decoder(Ingest(replicated=True), SeriesTable("node"))
        for second in range(1000):
            text = b"CHART_DEFINITION_END 1 %d 3\nREND 1 2 %d true 4 5 6\n" % (second, second)
            decoder.receive(text * 2)
            expected = [EndDefinition(1, second, 3), ReplayEnd(1, 2, second, True, 4, 5, 6)]
            self.assertEqual(list(decoder.items(NOW)), expected * 2)
        self.assertEqual(decoder.line_number, 4000)
        self.assertLess(len(decoder._momentary), 100)

    def test_long_line(self) -> None:
        """
        A line without end is given up, whether its end has come or not.
        """
        for end in (b"", b"\n"):
            error, found = self.wrong(b"OVERWRITE labels\nLABEL a 1 " + b"x" * LONGEST_LINE + end)
            self.assertEqual(found, [OverwriteLabels()])
            self.assertEqual(error.line_number, 2)
            self.assertLess(len(error.line), 1000)
            self.assertLess(len(str(error)), 1000)

    def test_payload(self) -> None:
        """
        A body of several lines is one command, and its lines are nothing else.
        """
        data = b'FUNCTION_RESULT_BEGIN "t" 200 "text/plain" 0\nBEGIN x\n\nCHART nodot\n\nFUNCTION_RESULT_END\nEND_\n'
        expected = [FunctionResult("t", 200, "text/plain", 0, b"BEGIN x\n\nCHART nodot"), Unknown("END_")]
        for at in range(len(data)):
            self.assertEqual(said([data[:at], data[at:]]), (expected, 7))
        self.assertEqual(said([b"JSON X\nJSON_PAYLOAD_END\r\n"])[0], [JsonPayload("X")])

    def test_long_payload(self) -> None:
        """
        A body may be longer than a line, but not without end.
        """
        body = b"x" * 50000
        found, _ = said([b"JSON X\n" + body + b"\nJSON_PAYLOAD_END\n"])
        self.assertEqual(found, [JsonPayload("X", body)])
        for data in (b"x" * 1100, b"x" * 1100 + b"\n", b"x\n" * 600, b"\n" * 1100):
            error, _ = self.wrong(b"JSON X\n" + data, longest_payload=1000)
            self.assertIn("longer than 1000 bytes", str(error))

    @given(st.lists(st.binary(max_size=200), max_size=20))
    @settings(max_examples=300, deadline=None)
    def test_any_bytes(self, chunks: list[bytes]) -> None:
        """
        No bytes do worse than an error that can be logged.
        """
        try:
            said([DEFINED, *chunks])
        except WireError as error:
            str(error).encode()


class LineDecoderTests(SynchronousTestCase):
    """
    What a parent says is understood by its child.
    """

    def test_recordings(self) -> None:
        """
        Every recorded command is known, but for those that were made up.
        """
        for recording in parents():
            reader = ReplyReader(Capability((1 << 29) - 1))
            reply = reader.receive(recording.data) or reader.finish()
            if not isinstance(reply, Accepted):
                continue
            decoder = LineDecoder()
            decoder.receive(reply.rest)
            found = list(decoder.commands())
            unknown = {command.keyword for command in found if isinstance(command, Unknown)}
            self.assertLessEqual(unknown, {"UNKNOWN", "UNKNOWN_CMD"}, recording.name)
            requests = sum(isinstance(command, ReplayChart) for command in found)
            self.assertEqual(requests, recording.data.count(b"REPLAY_CHART"), recording.name)

    def test_tolerant(self) -> None:
        """
        A command that cannot be read is skipped like one that is not known.
        """
        decoder = LineDecoder()
        decoder.receive(b"FUNCTION x\nNEW\n\nREPLAY_CHART a.b true 0 0\nFUNCTION_PAYLOAD x\n")
        found = list(decoder.commands(tolerant=True))
        self.assertEqual(
            found, [Unknown("FUNCTION"), Unknown("NEW"), ReplayChart("a.b", True), Unknown("FUNCTION_PAYLOAD")]
        )

    @given(st.lists(st.sampled_from([*TO_CHILD, "x", '"', "JSON_PAYLOAD_END", "\n", " ", "\\", "0"]), max_size=60))
    @settings(max_examples=300, deadline=None)
    def test_any_words(self, words: list[str]) -> None:
        """
        No parent makes a child fail.
        """
        decoder = LineDecoder()
        decoder.receive(" ".join(words).encode())
        list(decoder.commands(tolerant=True))
