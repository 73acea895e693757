"""
Tests with recorded conversations in which real agents filled gaps.
"""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from netstream.model.samples import SampleBatch, SeriesTable
from netstream.session.receiver import Receiver
from netstream.session.replication import Replication
from netstream.wire.capabilities import Capability
from netstream.wire.replication_lines import ReplayChart
from tests.recordings import ROOT, child

GUID = "11111111-1111-4111-8111-111111111111"

ASKED = re.compile(rb'REPLAY_CHART "([^"]+)" "(true|false)" (\d+) (\d+)')

CONVERSATIONS = (("v137-gap/conn.4", 20), ("v29-gap/reconn.2", 20), ("v29-gap-long/reconn.2", 30))
"""Each with the replication step of its parent, in seconds."""


class RecordedTests(SynchronousTestCase):
    """
    What a real parent asked, we ask; what a real child answers, we have.
    """

    def converse(self, name: str, step: int) -> tuple[list[ReplayChart], list[ReplayChart], dict[str, set[int]]]:
        """
        Be the parent in a conversation.

        @return: What the real parent asked, what we ask, and the seconds of
            each chart that we have at the end.
        """
        recording = child(f"{name}.c2p.bin")
        said = (ROOT / f"{name}.p2c.bin").read_bytes()
        theirs = [
            ReplayChart(chart.decode(), start == b"true", int(after), int(before))
            for chart, start, after, before in ASKED.findall(said)
        ]
        own: dict[str, int] = {}
        for question in theirs:
            own.setdefault(question.chart, question.after)
        replication = Replication(86400, step)
        table = SeriesTable(GUID)
        assert recording.request is not None
        agreed = recording.request.capabilities & ~(Capability.LZ4 | Capability.ZSTD | Capability.SLOTS)
        receiver = Receiver(table, agreed, replication=replication)
        now = float(re.search(rb"CHART_DEFINITION_END \d+ \d+ (\d+)", recording.data)[1])  # type: ignore[index]
        ours: list[ReplayChart] = []
        seconds: dict[str, set[int]] = {}
        for line in recording.data.splitlines(keepends=True):
            for update in receiver.receive(line, now):
                if isinstance(update, SampleBatch):
                    for number, time in zip(update.series.tolist(), update.time.tolist(), strict=True):
                        seconds.setdefault(table[number][0], set()).add(time)
            replication.found({chart: own.get(chart, 0) for chart in replication.wanting()})
            ours += replication.requests(now)
        self.assertFalse(replication.busy, name)
        return theirs, ours, seconds

    def test_questions(self) -> None:
        """
        We ask a child what a 1.37.1 and a 2.9.0 parent asked it in the same
        place, second for second; whether live samples are to follow, agents of
        different age decide differently.
        """
        for name, step in CONVERSATIONS:
            theirs, ours, _ = self.converse(name, step)
            for chart in {question.chart for question in theirs}:
                expected = [(question.after, question.before) for question in theirs if question.chart == chart]
                found = [(question.after, question.before) for question in ours if question.chart == chart]
                self.assertEqual(found[: len(expected)], expected, f"{name} {chart}")

    def test_answers(self) -> None:
        """
        With the answers of a real child nothing is missing from our newest
        sample on, up to the last one that came live.
        """
        for name, step in CONVERSATIONS:
            theirs, _, seconds = self.converse(name, step)
            for chart, every in (("fixture.simple", 1), ("fixture.slow", 5)):
                after = min(question.after for question in theirs if question.chart == chart)
                have = seconds[chart]
                missing = set(range(after + every, max(have) + 1, every)) - have
                self.assertEqual(missing, set(), f"{name} {chart}")
