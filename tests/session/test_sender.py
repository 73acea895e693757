"""
Tests for L{netstream.session.sender}.
"""

from __future__ import annotations

import math

import numpy as np
from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.host import Function, Label
from netstream.model.pattern import pattern
from netstream.model.samples import ANOMALOUS, EMPTY, RESET, SampleBatch, SeriesTable
from netstream.model.updates import (
    ChartDefined,
    ClaimSet,
    FunctionOffered,
    FunctionWithdrawn,
    LabelsReplaced,
    PathKnown,
    Update,
    VariableSet,
)
from netstream.session.errors import ProtocolError
from netstream.session.handshake import OFFER, OWN, agreed, negotiate
from netstream.session.receiver import Receiver
from netstream.session.sender import Sender
from netstream.wire.capabilities import MARKERS, Capability
from netstream.wire.commands import NodeId, ReplayChart
from netstream.wire.decoder import LONGEST_LINE
from netstream.wire.handshake import Accepted, ReplyReader
from tests.recordings import child, children, parents
from tests.session.model import HostModel, model

GUID = "11111111-1111-4111-8111-111111111111"
NOW = 1795360900.0

V1 = Capability.V1
PLAIN = OFFER & ~Capability.REPLICATION
OLD = negotiate(PLAIN, Capability(16376))
DECIMAL = negotiate(PLAIN & ~Capability.IEEE754, OWN)
NEW = negotiate(PLAIN, OWN)
FULL = OWN & ~Capability.REPLICATION | Capability.PATHS | Capability.FUNCDEL

CHART = Chart(
    "a.b",
    "a.name",
    'The "title"',
    "things/s",
    "fam",
    "ctx",
    ChartType.AREA,
    7,
    2,
    "plug",
    "mod",
    store_first=True,
    dimensions={
        "x": Dimension("x", "X's", Algorithm.INCREMENTAL, -3, 1000, True, True),
        "y z": Dimension("y z", obsolete=True),
    },
    labels={"k": Label("a value", 2)},
)


def sender(capabilities: Capability = NEW, charts: str = "*") -> Sender:
    return Sender(capabilities, GUID, pattern(charts))


def heard(*said: bytes, capabilities: Capability = FULL) -> HostModel:
    """
    @return: What a parent makes of it, with a line at the end that ends the
        last definition.
    """
    return model(Receiver(SeriesTable(GUID), capabilities).receive(b"".join(said) + b"DISABLE\n", NOW))


def batch(table: SeriesTable, *rows: tuple[str, str, int, int, float, int], lines: bytes | None = None) -> SampleBatch:
    columns = list(zip(*((table.number(chart, dimension), *rest) for chart, dimension, *rest in rows), strict=True))
    series, time, collected, value, flags = columns or ((), (), (), (), ())
    return SampleBatch(
        table,
        np.array(series, np.int32),
        np.array(time, np.int64),
        np.array(collected, np.int64),
        np.array(value, np.float64),
        np.array(flags, np.uint8),
        lines,
    )


class RoundTripTests(SynchronousTestCase):
    """
    What one node sends, the next understands.
    """

    def relayed(self, data: bytes, capabilities: Capability) -> tuple[HostModel, HostModel]:
        """
        @return: The host as a child told it, and as it is after another hop.
        """
        updates = list(Receiver(SeriesTable(GUID), OWN).receive(data, NOW))
        relay = sender(capabilities)
        said = [relay.start()] + [relay.send(update) for update in updates]
        return model(updates), heard(*said, capabilities=capabilities)

    def test_recordings(self) -> None:
        """
        A host is the same after another hop, whatever its child speaks, to the
        bit of every value.
        """
        for recording in children():
            before, after = self.relayed(recording.data, FULL)
            self.assertEqual(after.charts, before.charts, recording.name)
            self.assertEqual(after.labels, before.labels)
            self.assertEqual(after.variables, before.variables)
            self.assertEqual(after.functions, before.functions)
            self.assertEqual(after.path, before.path)
            self.assertEqual(set(after.claimed), set(before.claimed) | {None})
            self.assertEqual(after.samples, before.samples, recording.name)

    def test_decimal(self) -> None:
        """
        Without base 64 values have seven decimals.
        """
        for recording in children():
            before, after = self.relayed(recording.data, DECIMAL)
            self.assertEqual(set(after.samples), set(before.samples))
            for key, samples in before.samples.items():
                for old, new in zip(samples, after.samples[key], strict=True):
                    self.assertEqual((old[0], old[1], old[3]), (new[0], new[1], new[3]))
                    self.assertAlmostEqual(old[2], new[2], 7)

    def test_version_1(self) -> None:
        """
        From a version 1 child to a version 1 parent the lines themselves are
        handed on, so that the parent computes the same values.
        """
        for recording in children():
            if b"\nBEGIN2" in recording.data:
                continue
            for capabilities in (OLD, V1):
                before, after = self.relayed(recording.data, capabilities)
                self.assertEqual(after.lines, before.lines, recording.name)
                self.assertEqual(after.samples, before.samples, recording.name)

    def test_translated(self) -> None:
        """
        A version 2 child is understood by a version 1 parent.
        """
        before, after = self.relayed(child("v29-fp/03-caps-v2-norepl.c2p.bin").data, OLD)
        self.assertEqual(set(after.charts), set(before.charts))
        self.assertIn(b'SET "abs" = ', after.lines)

    def test_second_parent(self) -> None:
        """
        A parent that connects later gets all that is known by then.
        """
        for recording in children():
            before = model(Receiver(SeriesTable(GUID), OWN).receive(recording.data, NOW))
            claim_id = before.claimed[-1] if before.claimed else None
            said = sender(FULL).start(before.charts.values(), before.labels, before.variables, claim_id)
            after = heard(said)
            self.assertEqual(after.charts, before.charts)
            self.assertEqual(after.labels, before.labels)
            self.assertEqual(after.variables, before.variables)
            self.assertEqual(after.claimed, [claim_id])

    def test_chart(self) -> None:
        """
        All of a chart arrives, quotes and flags included.
        """
        self.assertEqual(heard(sender().start([CHART])).charts, {"a.b": CHART})

    def test_awkward_texts(self) -> None:
        """
        No text breaks a line, and ids that cannot be quoted as they are still
        make one chart whose samples arrive.
        """
        texts = ["a\nb", 'it\'s "it"', "\\", "=", "", "\x00", "é"]
        table = SeriesTable(GUID)
        for number, text in enumerate(texts):
            chart = Chart(
                f"a.{number}",
                f"a.{text}",
                text,
                text,
                text,
                text,
                plugin=text,
                module=text,
                dimensions={"x": Dimension("x", text)},
                labels={"k": Label(text, 1)},
            )
            one = sender()
            host = heard(
                one.start([chart], {"k": Label(text, 1)}, {("", "v"): 1.0}),
                one.send(batch(table, (chart.id, "x", 100, 1, 1.5, 0))),
            )
            self.assertEqual(host.samples, {(chart.id, "x"): [(100, 1, 1.5, 0)]}, repr(text))


class NegotiatedTests(SynchronousTestCase):
    """
    Nothing is said that was not agreed on.
    """

    UPDATES: list[Update] = [
        ClaimSet(GUID),
        LabelsReplaced({"a": Label("b")}),
        ChartDefined(CHART),
        FunctionOffered(Function("f", chart="a.b")),
        FunctionOffered(Function("g")),
        FunctionWithdrawn("f", "a.b"),
        PathKnown(()),
        VariableSet("v", 1.0),
        VariableSet("v", 2.0, "a.b"),
    ]

    def keywords(self, capabilities: Capability) -> set[bytes]:
        one = sender(capabilities)
        said = one.start([CHART], {"a": Label("b")}) + b"".join(one.send(update) for update in self.UPDATES)
        table = SeriesTable(GUID)
        said += one.send(batch(table, ("a.b", "x", 100, 1, 1.5, 0)))
        return {line.split()[0] for line in said.split(b"\n") if line[:1].isalpha()}

    def test_first_version(self) -> None:
        """
        The oldest parents get charts and samples.
        """
        self.assertEqual(self.keywords(V1), {b"CHART", b"DIMENSION", b"VARIABLE", b"BEGIN", b"SET", b"END"})

    def test_old_agent(self) -> None:
        """
        A 1.37.1 parent gets what it knows.
        """
        self.assertEqual(
            self.keywords(OLD) - self.keywords(V1),
            {b"CLAIMED_ID", b"LABEL", b"OVERWRITE", b"CLABEL", b"CLABEL_COMMIT", b"FUNCTION"},
        )

    def test_new(self) -> None:
        """
        A newer parent gets version 2, and functions if it takes them.
        """
        self.assertLessEqual({b"BEGIN2", b"SET2", b"END2"}, self.keywords(NEW))
        self.assertNotIn(b"FUNCTION", self.keywords(NEW & ~Capability.FUNCTIONS))
        self.assertLessEqual({b"FUNCTION", b"FUNCTION_DEL", b"JSON"}, self.keywords(FULL))

    def test_functions_of_old(self) -> None:
        """
        Functions have the form that a 1.37.1 parent reads, and those of the
        whole host are not for it.
        """
        one = sender(OLD | Capability.FUNCTIONS)
        one.start([CHART])
        self.assertEqual(one.send(FunctionOffered(Function("g"))), b"")
        said = one.send(FunctionOffered(Function("f", 5, "help", "a.b")))
        self.assertEqual(said.split(b"\n")[1], b'FUNCTION "f" 5 "help"')

    def test_functions_at_the_start(self) -> None:
        """
        A parent that comes later hears of all functions, and of dynamic
        configuration if it can reach it.
        """
        functions = [Function("g", 20, "all", "", "top", 0x13, 7, 1), Function("config", 120, tags="config")]
        said = sender(NEW).start([CHART], functions=functions)
        self.assertIn(b'FUNCTION GLOBAL "g" 20 "all" "top" 0x13 7 1\n', said)
        self.assertIn(b'FUNCTION GLOBAL "config" 120 ', said)
        self.assertNotIn(b"config", sender(NEW & ~Capability.DYNCFG).start([CHART], functions=functions))


class SelectionTests(SynchronousTestCase):
    """
    Charts that are not wanted are left out.
    """

    def selected(self, charts: str) -> bool:
        one = sender(charts=charts)
        said = one.start([CHART], variables={("a.b", "v"): 1.0})
        said += one.send(batch(SeriesTable(GUID), ("a.b", "x", 100, 1, 1.5, 0)))
        said += one.send(VariableSet("v", 2.0, "a.b"))
        if b"a.b" in said:
            self.assertEqual(len(heard(said).samples), 1)
            return True
        self.assertNotIn(b"CHART", said)
        return False

    def test_pattern(self) -> None:
        """
        Context, name or id must be wanted, and none refused.
        """
        for charts, expected in (
            ("*", True),
            ("ctx", True),
            ("a.name", True),
            ("a.b", True),
            ("a.* !x", True),
            ("c.d", False),
            ("", False),
            ("!*", False),
            ("!ctx *", False),
            ("!a.name *", False),
            ("!a.b *", False),
        ):
            self.assertEqual(self.selected(charts), expected, charts)

    def test_samples(self) -> None:
        """
        Of samples of many charts those wanted are sent, by version 2 and by
        version 1, with lines and without.
        """
        table = SeriesTable(GUID)
        other = Chart("c.d", dimensions={"x": Dimension("x")})
        rows = (("a.b", "x", 100, 1, 1.0, 0), ("c.d", "x", 100, 2, 2.0, 0), ("e.f", "x", 100, 3, 3.0, 0))
        lines = b'BEGIN "a.b" 5\nSET "x" = 1\nEND\nBEGIN "c.d" 5\nSET "x" = 2\nEND\nBEGIN "e.f" 5\nSET "x" = 3\nEND\n'
        for capabilities in (NEW, OLD):
            one = sender(capabilities, "!a.b *")
            one.start([CHART, other])
            for kept in (None, lines):
                said = one.send(batch(table, *rows, lines=kept))
                self.assertIn(b"c.d", said)
                self.assertNotIn(b"a.b", said)
                self.assertNotIn(b"e.f", said, "its definition was not sent")
        self.assertEqual(said, b'BEGIN "c.d" 5\nSET "x" = 2\nEND\n')

    def test_undefined(self) -> None:
        """
        Samples of a chart that was not defined wait for it.
        """
        table = SeriesTable(GUID)
        for capabilities in (NEW, OLD):
            one = sender(capabilities)
            one.start()
            samples = batch(table, ("a.b", "x", 100, 1, 1.0, 0))
            self.assertEqual(one.send(samples), b"")
            one.send(ChartDefined(CHART))
            self.assertIn(b"a.b", one.send(samples))

    def test_changed(self) -> None:
        """
        A chart that is renamed may begin or cease to be wanted, and a changed
        period is that of its samples.
        """
        table = SeriesTable(GUID)
        one = sender(charts="a.name")
        samples = batch(table, ("a.b", "x", 100, 1, 1.0, 0))
        one.start([CHART])
        self.assertIn(b"BEGIN2", one.send(samples))
        self.assertEqual(one.send(ChartDefined(evolve(CHART, name="a.other"))), b"")
        self.assertEqual(one.send(samples), b"")
        self.assertIn(b"CHART", one.send(ChartDefined(evolve(CHART, update_every=60))))
        self.assertIn(b" #8 ", one.send(samples))


class SampleTests(SynchronousTestCase):
    """
    Samples arrive as they are.
    """

    def test_flags(self) -> None:
        """
        Flags and gaps are the same after a hop.
        """
        table = SeriesTable(GUID)
        for capabilities in (NEW, DECIMAL):
            one = sender(capabilities)
            start = one.start([CHART])
            said = one.send(
                batch(
                    table,
                    *(("a.b", "x", 100 + flags, -5, 1.25, flags) for flags in (0, ANOMALOUS, RESET, ANOMALOUS | RESET)),
                    ("a.b", "y z", 105, 0, math.nan, EMPTY),
                )
            )
            samples = heard(start, said).samples
            self.assertEqual(samples["a.b", "x"], [(100 + flags, -5, 1.25, flags) for flags in (0, 1, 2, 3)])
            for _, _, value, flags in samples.get(("a.b", "y z"), []):
                self.assertTrue(math.isnan(value))
                self.assertTrue(flags & EMPTY)

    def test_nothing(self) -> None:
        """
        A batch without samples and lines says nothing.
        """
        for capabilities in (NEW, OLD):
            self.assertEqual(sender(capabilities).send(batch(SeriesTable(GUID))), b"")

    def test_first_lines(self) -> None:
        """
        Lines that make no samples yet are handed on as well.
        """
        lines = b'BEGIN "a.b" 0\nSET "x" = 1\nEND\n'
        one = sender(OLD)
        one.start([CHART])
        self.assertEqual(one.send(batch(SeriesTable(GUID), lines=lines)), lines)


class ParentTests(SynchronousTestCase):
    """
    What parents say is understood.
    """

    def test_recordings(self) -> None:
        """
        All that parents were recorded to say is read.
        """
        for recording in parents():
            reader = ReplyReader(OFFER)
            reply = reader.receive(recording.data) or reader.finish()
            if isinstance(reply, Accepted):
                one = Sender(agreed(reply.capabilities), GUID, pattern("*"))
                found = list(one.receive(reply.rest))
                requests = sum(isinstance(command, ReplayChart) for command in found)
                self.assertEqual(requests, recording.data.count(b"REPLAY_CHART"))
                self.assertLessEqual(set(one.notes), {"UNKNOWN", "UNKNOWN_CMD"})

    def test_skipped(self) -> None:
        """
        What cannot be read is skipped and noted.
        """
        one = sender()
        found = list(one.receive(b"FUNCTION x\nNEW\nNODE_ID a b\n"))
        self.assertEqual(found, [NodeId("a", "b")])
        self.assertEqual(dict(one.notes), {"FUNCTION": 1, "NEW": 1})

    def test_too_long(self) -> None:
        """
        A parent that never ends its line is told apart.
        """
        one = sender()
        with self.assertRaises(ProtocolError):
            list(one.receive(b"x" * (LONGEST_LINE + 1)))


class MarkerTests(SynchronousTestCase):
    """
    The capabilities that the tests above suppose are those that come of a
    handshake.
    """

    def test_negotiated(self) -> None:
        """
        Real parents leave these to our child.
        """
        self.assertEqual(agreed(OLD), OLD)
        self.assertFalse((OLD | NEW | DECIMAL) & MARKERS)
        self.assertIn(Capability.INTERPOLATED, NEW & DECIMAL)
        self.assertNotIn(Capability.INTERPOLATED, OLD)
