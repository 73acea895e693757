"""
Tests for L{netstream.session.receiver}.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import product
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.host import Function, Label
from netstream.model.samples import SampleBatch, SeriesTable
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
from netstream.session.handshake import OWN
from netstream.session.receiver import Limits, ProtocolError, Receiver
from netstream.session.stages import MISSING, NEXT, Stage
from netstream.wire.commands import TO_PARENT, DefineChart
from tests.recordings import ROOT, child, children
from tests.session.model import HostModel, model, told

GUID = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
NOW = 1795360900.0


def receiver(**changes: int) -> Receiver:
    return Receiver(SeriesTable(GUID), OWN, limits=Limits(**changes))


def heard(data: bytes, **changes: int) -> list[Update]:
    """
    @return: What a fresh receiver understands.
    """
    return list(receiver(**changes).receive(data, NOW))


def heard_in_pieces(pieces: Iterable[bytes]) -> list[Update]:
    one = receiver()
    return [update for piece in pieces for update in one.receive(piece, NOW)]


class RecordingTests(SynchronousTestCase):
    """
    Real children are understood.
    """

    def test_all(self) -> None:
        """
        Every recorded conversation is read to its end, with samples of
        charts that were defined before.
        """
        for recording in children():
            host = model(heard(recording.data))
            defined = {
                line.split(b'"')[1].decode() for line in recording.data.split(b"\n")[:-1] if b'CHART "' in line[:6]
            }
            self.assertLessEqual(defined, set(host.charts), recording.name)

    def test_random_splits(self) -> None:
        """
        What is understood does not depend on how the bytes are cut.
        """
        random = Random(2)
        for recording in children():
            data, whole = recording.data, told(heard(recording.data))
            for count in (1, 7, 100):
                cuts = sorted(random.sample(range(len(data) + 1), min(count, len(data))))
                pieces = (data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True))
                self.assertEqual(told(heard_in_pieces(pieces)), whole, recording.name)

    def test_every_byte(self) -> None:
        """
        Not even byte for byte.
        """
        for name in ("v137-norepl/conn.1.c2p.bin", "v29-fp/01-caps-v2-noslots-noieee.c2p.bin"):
            data = child(name).data
            single = (data[at : at + 1] for at in range(len(data)))
            self.assertEqual(told(heard_in_pieces(single)), told(heard(data)))

    def test_old_agent(self) -> None:
        """
        A 1.37.1 child's charts, labels and variables are those that it has.
        """
        self._check(model(heard(child("v137-plain/conn.1.c2p.bin").data)))

    def test_new_agent(self) -> None:
        """
        So are those of a 2.9.0 child.
        """
        host = model(heard(child("v29-proxy/child-proxy.2.c2p.bin").data))
        self._check(host)
        self.assertEqual(host.functions["", "fixture-global"].timeout, 20)
        self.assertEqual(host.functions["", "config"].priority, 1000)
        self.assertEqual([entry["hostname"] for entry in host.path], ["child-a"])
        self.assertEqual(host.variables["", "fixture_host_var"] // 1, 43)

    def _check(self, host: HostModel) -> None:
        self.assertEqual(set(host.charts), {"fixture.simple", "fixture.quotes", "fixture.slow"})
        simple = host.charts["fixture.simple"]
        self.assertEqual(list(simple.dimensions), ["abs", "inc", "neg", "late"])
        self.assertEqual(simple.dimensions["abs"], Dimension("abs", "absolute dim"))
        self.assertEqual(simple.dimensions["inc"], Dimension("inc", "inc", Algorithm.INCREMENTAL, 1, 10))
        self.assertEqual(simple.dimensions["neg"], Dimension("neg", "neg", multiplier=-1, divisor=1000, no_reset=True))
        self.assertEqual((simple.title, simple.units, simple.family), ("Simple chart", "units/s", "fam"))
        self.assertEqual(simple.labels["_collect_plugin"], Label("fixture.plugin", 1))
        quotes = host.charts["fixture.quotes"]
        self.assertEqual(quotes.name, "fixture.renamed_chart")
        self.assertEqual(quotes.title, "A 'quoted' title, with commas")
        self.assertEqual((quotes.chart_type, quotes.priority), (ChartType.STACKED, 1001))
        self.assertTrue(quotes.dimensions["dim with space"].hidden)
        self.assertEqual(quotes.dimensions["d2"].algorithm, Algorithm.PERCENTAGE_OF_INCREMENTAL_ROW)
        self.assertEqual(quotes.labels["label_two"], Label("a/b:c", 4))
        self.assertEqual(host.charts["fixture.slow"].update_every, 5)
        self.assertEqual(host.labels["environment"], Label("test lab", 2))
        self.assertEqual(host.labels["_os_name"], Label("Example GNU/Linux", 1))
        self.assertEqual(host.variables["fixture.quotes", "chart_var"], 7.25)
        self.assertEqual(host.functions["fixture.simple", "fixture-chart"].help, "A chart test function")
        self.assertEqual(host.claimed, [None])

    def test_values(self) -> None:
        """
        Values that a 2.9.0 child sends are the values that its collector made.
        """
        host = model(heard(child("v29-proxy/child-proxy.2.c2p.bin").data))
        samples = host.samples["fixture.simple", "abs"]
        times = [time for time, _, _, _ in samples]
        self.assertEqual(times, list(range(times[0], times[0] + len(times))))
        steps = {round(b[2] - a[2], 6) for a, b in zip(samples, samples[1:], strict=False)}
        self.assertEqual(steps, {3.0})

    def test_skipped(self) -> None:
        """
        What was not agreed on is skipped and noted, not fatal.
        """
        one = receiver()
        list(one.receive(child("v137-plain/conn.1.c2p.bin").data, NOW))
        self.assertEqual(set(one.notes), {"RBEGIN", "RSET", "RDSTATE", "RSSTATE", "REND"})


class DefinitionTests(SynchronousTestCase):
    """
    A chart is known when its definition is complete.
    """

    def charts(self, data: bytes) -> list[Chart]:
        return [update.chart for update in heard(data) if isinstance(update, ChartDefined)]

    def test_ends(self) -> None:
        """
        A definition ends at its end, at any line that is not part of it, or
        with samples; and not before.
        """
        start = b"CHART a.b\nDIMENSION x\n"
        for end in (
            b"CHART_DEFINITION_END 0 0 0\n",
            b"CHART c.d\n",
            b"OVERWRITE labels\n",
            b"VARIABLE HOST x = 1\n",
            b"BEGIN a.b\nSET x = 1\nEND\n",
            b"BEGIN2 a.b 1 100 #\nSET2 x 5 # A\nEND2\n",
        ):
            self.assertEqual(self.charts(start), [])
            self.assertEqual(self.charts(start + end), [Chart("a.b", dimensions={"x": Dimension("x")})], end)

    def test_defaults(self) -> None:
        """
        What a definition leaves out has the defaults of real parents, and its
        period is the connection's.
        """
        one = Receiver(SeriesTable(GUID), OWN, update_every=7)
        (update,) = one.receive(b"CHART a.b\nCHART_DEFINITION_END\n", NOW)
        assert isinstance(update, ChartDefined)
        chart = update.chart
        self.assertEqual((chart.name, chart.family, chart.context, chart.units), ("a.b", "a", "a.b", "unknown"))
        self.assertEqual((chart.chart_type, chart.priority, chart.update_every), (ChartType.LINE, 1000, 7))

    def test_names(self) -> None:
        """
        A chart's name is full, however it was given.
        """
        for given_name, name in (("''", "a.b"), ("NULL", "a.b"), ("(NULL)", "a.b"), ("c", "a.c"), ("a.c", "a.c")):
            (chart,) = self.charts(f"CHART a.b {given_name}\nOVERWRITE labels\n".encode())
            self.assertEqual(chart.name, name)

    def test_flags(self) -> None:
        """
        Flags that are not repeated are cleared.
        """
        first, second = self.charts(
            b"CHART a.b '' '' '' '' '' '' '' '' 'obsolete detail store_first hidden'\nCHART a.b\nOVERWRITE labels\n"
        )
        self.assertEqual((first.obsolete, first.detail, first.store_first, first.hidden), (True,) * 4)
        self.assertEqual((second.obsolete, second.detail, second.store_first, second.hidden), (False,) * 4)

    def test_redefined(self) -> None:
        """
        A chart keeps the dimensions and labels that are not repeated.
        """
        first, second = self.charts(
            b"CHART a.b\nCLABEL k v 1\nCLABEL_COMMIT\nDIMENSION x\nCHART_DEFINITION_END\n"
            b"CHART a.b '' title\nDIMENSION y '' incremental\nDIMENSION x '' '' '' '' obsolete\nCHART_DEFINITION_END\n"
        )
        self.assertEqual(list(first.dimensions), ["x"])
        self.assertEqual(list(second.dimensions), ["x", "y"])
        self.assertTrue(second.dimensions["x"].obsolete)
        self.assertEqual(second.title, "title")
        self.assertEqual(second.labels, {"k": Label("v", 1)})

    def test_labels(self) -> None:
        """
        Chart labels count once they are committed, and replace those before.
        """
        charts = self.charts(
            b"CHART a.b\nCLABEL a 1 1\nCLABEL b 2 2\nCLABEL_COMMIT\nCHART_DEFINITION_END\n"
            b"CHART a.b\nCLABEL c 3 536870913\nCLABEL_COMMIT\nCLABEL d 4 1\nCHART_DEFINITION_END\n"
        )
        self.assertEqual(charts[0].labels, {"a": Label("1", 1), "b": Label("2", 2)})
        self.assertEqual(charts[1].labels, {"c": Label("3", 1)})

    def test_current(self) -> None:
        """
        A chart that is only made current again is not a change.
        """
        found = heard(b"CHART a.b\nDIMENSION x\nCHART_DEFINITION_END\nCHART a.b\nVARIABLE CHART v = 1\nOVERWRITE x\n")
        self.assertEqual([type(update) for update in found], [ChartDefined, VariableSet, LabelsReplaced])

    def test_order(self) -> None:
        """
        What is said of a chart within its definition follows it.
        """
        found = heard(b"CHART a.b\nVARIABLE CHART v = 1\nFUNCTION f 5 help\nDIMENSION x\nCHART_DEFINITION_END\n")
        self.assertEqual(
            found,
            [
                ChartDefined(Chart("a.b", dimensions={"x": Dimension("x")})),
                VariableSet("v", 1.0, "a.b"),
                FunctionOffered(Function("f", 5, "help", "a.b")),
            ],
        )

    def test_late_dimension(self) -> None:
        """
        A dimension may follow without the chart being named again.
        """
        charts = self.charts(b"CHART a.b\nOVERWRITE x\nDIMENSION x\nOVERWRITE x\n")
        self.assertEqual([list(chart.dimensions) for chart in charts], [[], ["x"]])

    def test_revived(self) -> None:
        """
        Samples of an obsolete chart show that it is not obsolete.
        """
        found = heard(
            b"CHART a.b '' '' '' '' '' '' '' '' obsolete\nDIMENSION x\nCHART_DEFINITION_END\n"
            b"BEGIN2 a.b 1 100 #\nSET2 x 5 # A\nEND2\nBEGIN2 a.b 1 101 #\nSET2 x 5 # A\nEND2\n"
        )
        self.assertEqual([update.chart.obsolete for update in found if isinstance(update, ChartDefined)], [True, False])
        self.assertIsInstance(found[-1], SampleBatch)
        self.assertEqual(len(found), 3)

    def test_unprintable(self) -> None:
        """
        Ids that would break a log are spelled otherwise, and their samples
        still arrive; the lines that spell them are not handed on.
        """
        found = heard(
            b'CHART "a.b\x07\xff" "" "ti\x1btle"\nDIMENSION "x\x01"\nDIMENSION y\nCHART_DEFINITION_END\n'
            b'BEGIN2 "a.b\x07\xff" 1 100 #\nSET2 "x\x01" 5 # A\nSET2 y 6 # A\nEND2\n'
            b'BEGIN "a.b\x07\xff" 0\nSET y = 6\nVARIABLE CHART v = 1\nEND\n'
        )
        host = model(found)
        self.assertEqual(host.charts["a.b__"].title, "ti_tle")
        self.assertEqual(host.samples["a.b__", "x_"], [(100, 5, 5.0, 0)])
        self.assertEqual(host.variables, {("a.b__", "v"): 1.0})
        self.assertEqual(host.lines, b"")


class HostTests(SynchronousTestCase):
    """
    What is said of the whole host is known.
    """

    def test_labels(self) -> None:
        """
        Host labels count once they are complete.
        """
        data = b'LABEL "my name" = 2 "a,b"\nLABEL env = 536870913 two words\n'
        self.assertEqual(heard(data), [])
        self.assertEqual(
            heard(data + b"OVERWRITE labels\nOVERWRITE labels\n"),
            [LabelsReplaced({"my_name": Label("a.b", 2), "env": Label("two words", 1)}), LabelsReplaced({})],
        )

    def test_claim(self) -> None:
        """
        The claim id is taken, unless it is another host's.
        """
        data = f"CLAIMED_ID {GUID} {OTHER}\nCLAIMED_ID {GUID.upper()} NULL\nCLAIMED_ID {OTHER} NULL\n"
        self.assertEqual(heard(data.encode()), [ClaimSet(OTHER), ClaimSet(None)])

    def test_variables(self) -> None:
        """
        Variables are the host's or the chart's; without a word they are the
        current chart's if there is one.
        """
        found = heard(
            b"VARIABLE x = 1\nVARIABLE HOST x = 2\nVARIABLE GLOBAL x = 3\nCHART a.b\nVARIABLE x = 4\n"
            b"VARIABLE LOCAL x = 5\nVARIABLE CHART x = nan\nVARIABLE CHART x = y\nCHART_DEFINITION_END\n"
        )
        self.assertEqual(
            [(update.chart, update.value) for update in found if isinstance(update, VariableSet)],
            [("", 1.0), ("", 2.0), ("", 3.0), ("a.b", 4.0), ("a.b", 5.0)],
        )

    def test_variable_between_samples(self) -> None:
        """
        A variable between samples is of their chart, not of the last defined.
        """
        found = heard(
            b"CHART a.b\nDIMENSION x\nCHART c.d\nDIMENSION x\nBEGIN a.b 0\nSET x = 1\nVARIABLE CHART v = 1\nEND\n"
        )
        self.assertIn(VariableSet("v", 1.0, "a.b"), found)
        defined = [update.chart.id for update in found if isinstance(update, ChartDefined)]
        self.assertEqual(defined, ["a.b", "c.d"])

    def test_functions(self) -> None:
        """
        Functions are offered and withdrawn.
        """
        found = heard(
            b'FUNCTION GLOBAL "f" 20 "help" "top" 0x13 101 2\nFUNCTION_DEL GLOBAL "f"\n'
            b"CHART a.b\nFUNCTION f 0\nCHART_DEFINITION_END\nFUNCTION_DEL f\n"
        )
        self.assertEqual(found[0], FunctionOffered(Function("f", 20, "help", "", "top", 0x13, 101, 2)))
        self.assertEqual(found[1], FunctionWithdrawn("f"))
        self.assertEqual(found[3:], [FunctionOffered(Function("f", chart="a.b")), FunctionWithdrawn("f", "a.b")])

    def test_documents(self) -> None:
        """
        A document that is not known, or broken, is skipped and noted.
        """
        one = receiver()
        data = b"JSON ML_MODEL\n{}\nJSON_PAYLOAD_END\nJSON STREAM_PATH\n{\nJSON_PAYLOAD_END\n"
        self.assertEqual(list(one.receive(data, NOW)), [])
        self.assertEqual(dict(one.notes), {"JSON ML_MODEL": 1, "JSON STREAM_PATH": 1})
        self.assertEqual(one.notes.news(), ["JSON ML_MODEL", "JSON STREAM_PATH"])
        self.assertEqual(one.notes.news(), [])
        empty = b'JSON STREAM_PATH\n{"streaming_path":[]}\nJSON_PAYLOAD_END\n'
        self.assertEqual(list(one.receive(empty, NOW)), [PathKnown(())])

    def test_unknown(self) -> None:
        """
        Keywords of the future, of the past and of collectors are skipped, in
        the midst of a definition as well, and counted within bounds.
        """
        one = receiver()
        found = list(one.receive(b"CHART a.b\nNEW x\nDIMENSION x\nDYNCFG_RESET\nCHART_DEFINITION_END\nHOST x\n", NOW))
        self.assertEqual(len(found), 1)
        self.assertEqual(dict(one.notes), {"NEW": 1, "DYNCFG_RESET": 1, "HOST": 1})
        list(one.receive(b"".join(b"NEW%d\n" % number for number in range(1000)), NOW))
        self.assertEqual(len(one.notes), 101)
        self.assertEqual(sum(one.notes.values()), 1003)


class WrongTests(SynchronousTestCase):
    """
    A child that breaks the protocol is told apart.
    """

    def wrong(self, data: bytes, **changes: int) -> ProtocolError:
        return self.assertRaises(ProtocolError, heard, data, **changes)

    def test_table(self) -> None:
        """
        Every line of a definition is either allowed at a stage or has its
        reason why not.
        """
        for stage, line in product(Stage, [*MISSING, DefineChart]):
            self.assertTrue((stage, line) in NEXT or line in MISSING, (stage, line))

    def test_out_of_order(self) -> None:
        """
        A line that must not come yet is named with its number and reason.
        """
        for data, reason in (
            (b"DIMENSION x\n", "a dimension without a chart"),
            (b"CLABEL a b 1\n", "a chart label without a chart"),
            (b"CLABEL_COMMIT\n", "a commit without a chart label"),
            (b"CHART a.b\nCLABEL_COMMIT\n", "a commit without a chart label"),
            (b"CHART_DEFINITION_END\n", "the end of a definition without a chart"),
            (b"VARIABLE CHART x = 1\n", "a chart variable without a chart"),
            (b"FUNCTION f 5 help\n", "a chart function without a chart"),
        ):
            error = self.wrong(b"\n" + data)
            self.assertEqual(error.line_number, data.count(b"\n") + 1)
            self.assertIn(reason, str(error))
            self.assertTrue(str(error).startswith(f"line {error.line_number}: "))

    def test_unreadable(self) -> None:
        """
        So is a line that cannot be read, and a sample of what was not defined.
        """
        for line in (b"CHART nodot", b"CLAIMED_ID x NULL", b"LABEL x = 1", b"REND 1", b"BEGIN a.c", b"SET x = 1"):
            error = self.wrong(b"CHART a.b\n" + line + b"\n")
            self.assertEqual((error.line_number, error.line), (2, line))

    def test_as_real_parents(self) -> None:
        """
        We close upon what real parents close upon, but for keywords that they
        do not know.
        """
        start = "CHART a.b\nDIMENSION d\n"
        lines = {
            "unknown keyword": "NO_SUCH x",
            "empty lines": "\n\n",
            "comment": "# x",
            "defend no hist": "CHART_DEFINITION_END 0 0 5",
            "BEGIN unknown chart": "BEGIN no.such 0",
            "SET unknown dim": "BEGIN a.b 0\nSET z = 1",
            "SET w/o BEGIN": "SET d = 1",
            "CLAIMED_ID bad": "CLAIMED_ID x NULL",
            "CLAIMED_ID other": f"CLAIMED_ID {OTHER} NULL",
            "OVERWRITE w/o LABEL": "OVERWRITE labels",
            "LABEL missing value": 'LABEL "x" = 1',
            "REND short": "RBEGIN a.b\nREND 1 2",
        }
        seen = set()
        for probe in json.loads((ROOT / "handshake-probes.json").read_text()):
            if probe["probe"] in lines:
                seen.add(probe["probe"])
                try:
                    heard(f"{start}{lines[probe['probe']]}\n".encode())
                    closed = False
                except ProtocolError:
                    closed = True
                tolerated = probe["probe"] in {"unknown keyword", "comment"}
                self.assertEqual(closed, probe["closed_by_parent"] and not tolerated, probe["probe"])
        self.assertEqual(seen, set(lines))

    def test_good_before(self) -> None:
        """
        What was good before the error has arrived.
        """
        one = receiver()
        found = []
        with self.assertRaises(ProtocolError):
            for update in one.receive(b"OVERWRITE x\nDIMENSION x\nOVERWRITE x\n", NOW):
                found.append(update)
        self.assertEqual(found, [LabelsReplaced({})])

    def test_ceilings(self) -> None:
        """
        No child makes us keep more than a ceiling, which is named.
        """
        for name, limit, data in (
            ("charts", "charts", b"".join(b"CHART a.b%d\n" % n for n in range(11))),
            ("dimensions", "dimensions", b"CHART a.b\n" + b"".join(b"DIMENSION d%d\n" % n for n in range(11))),
            ("dimensions", "dimensions", b"CHART a.b\n" + b"".join(b"DIMENSION %c\n" % n for n in range(14, 26))),
            ("host labels", "host_labels", b"".join(b"LABEL a%d 1 x\n" % n for n in range(11))),
            ("chart labels", "chart_labels", b"CHART a.b\n" + b"".join(b"CLABEL a%d x 1\n" % n for n in range(11))),
            ("variables", "variables", b"".join(b"VARIABLE HOST a%d = 1\n" % n for n in range(11))),
            ("functions", "functions", b"".join(b"FUNCTION GLOBAL a%d\n" % n for n in range(11))),
            (
                "dimensions of one chart",
                "chart_dimensions",
                b"CHART a.b\n" + b"".join(b"DIMENSION d%d\n" % n for n in range(11)),
            ),
        ):
            self.assertIn(f"more than 10 {name}", str(self.wrong(data, **{limit: 10})))
            heard(data, **{limit: 12})

    def test_ceiling_of_text(self) -> None:
        """
        Nor more characters, in whatever they are.
        """
        text = b"x" * 600
        for data in (
            b"CHART a.b '' '" + text + b"'\n",
            b"CHART a.b\nDIMENSION x " + text + b"\n",
            b"CHART a.b\nDIMENSION x\nDIMENSION x " + text + b"\n",
            b"CHART a.b\nCLABEL x " + text + b" 1\n",
            b"VARIABLE HOST " + text + b" = 1\n",
            b"FUNCTION GLOBAL " + text + b"\n",
        ):
            self.assertIn("more than 500 characters", str(self.wrong(data, text=500)))
            heard(data, text=1000)

    def test_text_replaced(self) -> None:
        """
        What is defined again does not count twice.
        """
        data = b"CHART a.b '' title\nDIMENSION x name\nCLABEL k value 1\nCLABEL_COMMIT\nVARIABLE CHART v = 1\n"
        pending = b"CLABEL k value 1\nCHART_DEFINITION_END\n"
        heard((data + pending) * 50, text=100)

    def test_ceiling_of_labels(self) -> None:
        """
        Labels that were replaced or dropped do not count any more.
        """
        data = b"CHART a.b\nCLABEL a 1 1\nCLABEL b 1 1\nCLABEL_COMMIT\nCHART_DEFINITION_END\n"
        dropped = b"CHART a.b\nCLABEL a 1 1\nCHART_DEFINITION_END\n"
        heard(data * 20 + dropped * 20 + data, chart_labels=4)

    @given(
        st.lists(
            st.lists(
                st.sampled_from(
                    [*TO_PARENT, "BEGIN", "SET", "END", "BEGIN2", "SET2", "END2", "JSON_PAYLOAD_END", "a.b", "x", "y"]
                    + ["1", "-5", "#K", "0x1F", "@EAiAAAAAAAA", "=", '"', "'", "\\", "SLOT:#B", "HOST", "CHART", "A"]
                    + ["GLOBAL", "obsolete", "nan", "", GUID, "\x00", "\udcff", "9" * 25]
                ),
                max_size=8,
            ),
            max_size=30,
        )
    )
    @settings(max_examples=500, deadline=None)
    def test_any_words(self, lines: list[list[str]]) -> None:
        """
        No words in any order do worse than an error that can be logged.
        """
        text = "CHART a.b\nDIMENSION x\n" + "\n".join(" ".join(line) for line in lines) + "\n"
        try:
            heard(text.encode("utf-8", "surrogateescape"))
        except ProtocolError as error:
            str(error).encode()

    @given(st.data())
    @settings(max_examples=200, deadline=None)
    def test_damaged(self, data: st.DataObject) -> None:
        """
        Nor does a conversation with damaged bytes.
        """
        damaged = bytearray(child("v29-fp/03-caps-v2-norepl.c2p.bin").data)
        for _ in range(data.draw(st.integers(1, 5))):
            at = data.draw(st.integers(0, len(damaged) - 1))
            damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        try:
            heard(bytes(damaged))
        except ProtocolError as error:
            str(error).encode()
