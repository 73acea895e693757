"""
Tests for the lines of L{netstream.wire.commands}.
"""

from __future__ import annotations

import math

from twisted.trial.unittest import SynchronousTestCase

from netstream.wire.commands import (
    TO_CHILD,
    TO_PARENT,
    AskProgress,
    CancelFunction,
    ChartLabel,
    ClaimedId,
    CommitChartLabels,
    DefineChart,
    DefinedHostLabel,
    DefineDimension,
    DefineHost,
    Disable,
    EndDefinition,
    EndHostDefinition,
    Flush,
    FunctionCall,
    FunctionCallWithPayload,
    FunctionProgress,
    FunctionResult,
    HostLabel,
    JsonPayload,
    Line,
    NodeId,
    OverwriteLabels,
    RegisterFunction,
    ReplayBegin,
    ReplayChart,
    ReplayChartState,
    ReplayDimensionState,
    ReplayEnd,
    ReplaySet,
    SelectHost,
    SetVariable,
    Unknown,
    WithdrawFunction,
)
from netstream.wire.decoder import LineDecoder
from netstream.wire.words import parent_words

GUID = "11111111-1111-4111-8111-111111111111"

FROM_CHILDREN: list[tuple[Line, str]] = [
    (
        DefineChart(
            "fixture.quotes",
            "renamed_chart",
            "A 'quoted' title, with commas",
            "%",
            "my family",
            "fixture.quotes",
            "stacked",
            1001,
            1,
            frozenset({"detail"}),
            "fixture.plugin",
            "mod two",
        ),
        'CHART "fixture.quotes" "renamed_chart" "A \'quoted\' title, with commas" "%" "my family" "fixture.quotes"'
        ' "stacked" 1001 1 " detail  " "fixture.plugin" "mod two"\n',
    ),
    (ChartLabel("_collect_module", "mod", 536870913), 'CLABEL "_collect_module" "mod" 536870913\n'),
    (CommitChartLabels(), "CLABEL_COMMIT\n"),
    (
        DefineDimension("neg", "neg", "absolute", -1, 1000, frozenset({"noreset"})),
        'DIMENSION "neg" "neg" "absolute" -1 1000 "  noreset"\n',
    ),
    (
        DefineDimension("d s", "D S", "incremental", 1, 1, frozenset({"obsolete", "hidden"})),
        'DIMENSION "d s" "D S" "incremental" 1 1 "obsolete hidden "\n',
    ),
    (SetVariable("chart_var", 7.25, True), "VARIABLE CHART chart_var = 7.25\n"),
    (SetVariable("host_var", 42.5, False), "VARIABLE HOST host_var = 42.5\n"),
    (SetVariable("any_var", 1.0), "VARIABLE any_var = 1\n"),
    (EndDefinition(1795359543, 1795359544, 1795359545), "CHART_DEFINITION_END 1795359543 1795359544 1795359545\n"),
    (ClaimedId(GUID), f"CLAIMED_ID {GUID} NULL\n"),
    (ClaimedId(GUID, GUID), f"CLAIMED_ID {GUID} {GUID}\n"),
    (HostLabel("environment", "test lab", 2), 'LABEL "environment" = 2 "test lab"\n'),
    (OverwriteLabels(), "OVERWRITE labels\n"),
    (Flush(), "FLUSH\n"),
    (Disable(), "DISABLE\n"),
    (SelectHost(GUID), f"HOST {GUID}\n"),
    (DefineHost(GUID, "vnode"), f"HOST_DEFINE {GUID} vnode\n"),
    (DefinedHostLabel("a", "b c"), 'HOST_LABEL "a" "b c"\n'),
    (EndHostDefinition(), "HOST_DEFINE_END\n"),
    (
        RegisterFunction("fixture-chart", 15, "A chart test function", details=False),
        'FUNCTION "fixture-chart" 15 "A chart test function"\n',
    ),
    (
        RegisterFunction("fixture-global", 20, "A global test function", "top", 0x13, 101, 0, True),
        'FUNCTION GLOBAL "fixture-global" 20 "A global test function" "top" 0x13 101 0\n',
    ),
    (WithdrawFunction("f", True), 'FUNCTION_DEL GLOBAL "f"\n'),
    (WithdrawFunction("f"), 'FUNCTION_DEL "f"\n'),
    (
        FunctionResult("tx1", 200, "application/json", 1795360427, b'{"status":200}\n\n{}'),
        'FUNCTION_RESULT_BEGIN "tx1" 200 "application/json" 1795360427\n{"status":200}\n\n{}\nFUNCTION_RESULT_END\n',
    ),
    (FunctionProgress("tx1", 3, 10), 'FUNCTION_PROGRESS "tx1" 3 10\n'),
    (JsonPayload("STREAM_PATH", b'{"a":1}'), 'JSON STREAM_PATH\n{"a":1}\nJSON_PAYLOAD_END\n'),
    (ReplayBegin("fixture.simple"), 'RBEGIN "fixture.simple"\n'),
    (ReplayBegin("", 1795359634, 1795359635, 1795359695), 'RBEGIN "" 1795359634 1795359635 1795359695\n'),
    (ReplaySet("abs", 45.0, "A"), 'RSET "abs" 45 "A"\n'),
    (ReplaySet("late", math.nan, "E"), 'RSET "late" nan "E"\n'),
    (
        ReplayDimensionState("inc", 1795359544050271, 1030, 0.1826938, 1.8173062),
        'RDSTATE "inc" 1795359544050271 1030 0.1826938 1.8173062\n',
    ),
    (ReplayChartState(1795359544050265, 1795359544000000), "RSSTATE 1795359544050265 1795359544000000\n"),
    (
        ReplayEnd(1, 1795359544, 1795359545, True, 1795359543, 1795359544, 1795359546),
        "REND 1 1795359544 1795359545 true 1795359543 1795359544 1795359546\n",
    ),
]

FROM_PARENTS: list[tuple[Line, str]] = [
    (
        ReplayChart("fixture.simple", False, 1795359634, 1795359654),
        'REPLAY_CHART "fixture.simple" "false" 1795359634 1795359654\n',
    ),
    (FunctionCall("0123", 7, "fixture-chart a:1"), 'FUNCTION 0123 7 "fixture-chart a:1"\n'),
    (
        FunctionCall("0123", 7, "fixture-chart a:1", 0xFFFF, "method=api,role=admin"),
        'FUNCTION 0123 7 "fixture-chart a:1" "0xffff" "method=api,role=admin"\n',
    ),
    (
        FunctionCallWithPayload("2123", 7, "fixture-global p", 0xFFFF, "src", "application/json", b'{"a":1}'),
        'FUNCTION_PAYLOAD 2123 7 "fixture-global p" "0xffff" "src" "application/json"\n{"a":1}\nFUNCTION_PAYLOAD_END\n',
    ),
    (CancelFunction("2123"), "FUNCTION_CANCEL 2123\n"),
    (AskProgress("3123"), "FUNCTION_PROGRESS 3123\n"),
    (NodeId(GUID, GUID, "https://x.invalid"), f'NODE_ID "{GUID}" "{GUID}" "https://x.invalid"\n'),
    (JsonPayload("STREAM_PATH", b"{}"), "JSON STREAM_PATH\n{}\nJSON_PAYLOAD_END\n"),
]


class LineTests(SynchronousTestCase):
    """
    Every line is what its text says, both ways.
    """

    def decoded(self, text: str, parent: bool) -> list[object]:
        decoder = LineDecoder(TO_PARENT, parent_words) if parent else LineDecoder()
        decoder.receive(text.encode())
        return list(decoder.commands())

    def test_from_children(self) -> None:
        """
        Lines of children are written and read as in recordings.
        """
        for line, text in FROM_CHILDREN:
            self.assertEqual(line.line().decode(), text)
            self.assertEqual(self.decoded(text, True), [line])
        self.assertEqual({line.KEYWORD for line, _ in FROM_CHILDREN}, set(TO_PARENT))

    def test_from_parents(self) -> None:
        """
        So are lines of parents.
        """
        for line, text in FROM_PARENTS:
            self.assertEqual(line.line().decode(), text)
            self.assertEqual(self.decoded(text, False), [line])
        self.assertEqual({line.KEYWORD for line, _ in FROM_PARENTS}, set(TO_CHILD))

    def test_new_spellings(self) -> None:
        """
        Slots, base 64 numbers and single quotes of 2.x mean the same.
        """
        for text, line in (
            ('CHART SLOT:#B "a.b"\n', DefineChart("a.b")),
            ('DIMENSION SLOT:1 "d" "" "absolute" #B #K\n', DefineDimension("d", "", "absolute", 1, 10)),
            (f"CLAIMED_ID '{GUID.upper()}' 'NULL'\n", ClaimedId(GUID)),
            ("RBEGIN SLOT:#B '' #A #K #K\n", ReplayBegin("", 0, 10, 10)),
            ('RSET SLOT:#B "abs" @EAiAAAAAAAA A\n', ReplaySet("abs", 9.0, "A")),
            ("REND #B #A #A true  #A #A #K\n", ReplayEnd(1, 0, 0, True, 0, 0, 10)),
            (
                'FUNCTION GLOBAL config 120 "Dynamic configuration" "config" 0x8 1000\n',
                RegisterFunction("config", 120, "Dynamic configuration", "config", 8, 1000, 0, True),
            ),
        ):
            self.assertEqual(self.decoded(text, True), [line])

    def test_defaults(self) -> None:
        """
        What is left out has a default, and numbers without sense have it too.
        """
        for text, line in (
            ("CHART a.b\n", DefineChart("a.b")),
            ("CHART a.b '' '' '' '' '' '' x y\n", DefineChart("a.b")),
            ("CHART a.b n t u f c area 5 -3\n", DefineChart("a.b", "n", "t", "u", "f", "c", "area", 5, 0)),
            ("DIMENSION d '' '' 0 0\n", DefineDimension("d")),
            ("VARIABLE x = what\n", SetVariable("x", math.nan)),
            ("LABEL a = 1 two words\n", HostLabel("a", "two words", 1)),
            ("CLABEL a\n", ChartLabel("a", "", 1)),
            ("RSET d\n", ReplaySet("d")),
            ("FUNCTION f\n", RegisterFunction("f", details=False)),
            ("CHART_DEFINITION_END\n", EndDefinition()),
        ):
            self.assertEqual(self.decoded(text, True), [line], text)

    def test_odd_requests(self) -> None:
        """
        A parent that asks strangely is answered as real children answer.
        """
        text = 'REPLAY_CHART "fixture.simple" "maybe" abc 5\n'
        self.assertEqual(self.decoded(text, False), [ReplayChart("fixture.simple", False, 0, 5)])

    def test_missing(self) -> None:
        """
        A line without what it needs cannot be read.
        """
        for keyword, words in (
            ("CHART", []),
            ("CHART", ["nodot"]),
            ("CHART", [".x"]),
            ("DIMENSION", [""]),
            ("CLABEL", []),
            ("VARIABLE", ["CHART"]),
            ("CLAIMED_ID", ["x", "NULL"]),
            ("CLAIMED_ID", [GUID]),
            ("CLAIMED_ID", [GUID, "x"]),
            ("LABEL", ["a", "1"]),
            ("FUNCTION", []),
            ("JSON", []),
            ("REND", ["1", "2"]),
            ("HOST_DEFINE", ["x", "y"]),
        ):
            self.assertRaises(ValueError, TO_PARENT[keyword].parse, words)

    def test_unknown(self) -> None:
        """
        A keyword of the future is kept by its name, shortened.
        """
        self.assertEqual(self.decoded("NEW x\n#x\n", True), [Unknown("NEW"), Unknown("#x")])
        self.assertEqual(self.decoded("X" * 99 + "\n", True), [Unknown("X" * 40)])
