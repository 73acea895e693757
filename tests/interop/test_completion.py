"""
A new parent becomes equal to an old one, both real processes.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from twisted.internet.task import Clock

from netstream.db import DBEngine
from netstream.db.interfaces import HostRecord
from netstream.db.workers import Inline
from netstream.model.chart import Chart, Dimension
from netstream.model.host import HostInfo
from netstream.model.samples import SampleBatch, SeriesTable
from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, Peer, accepting, sending, wait_for

HOUR, DAY = 3600, 86400
CHARTS = ("old.running", "old.ended")


class CompletionTests(InteropTestCase):
    """
    A netstream node with a long history, whose samples themselves are gone
    already, and a parent that is started for the first time.
    """

    def history(self, directory: Path, guid: str, name: str, last: int) -> None:
        """
        Write databases as a node leaves them that collected for three days.
        """
        clock = Clock()
        clock.advance(last - 3 * DAY)
        db = DBEngine(directory, clock, retention=(30 * DAY, 90 * DAY, 730 * DAY), workers=Inline())
        self.successResultOf(db.open())
        self.successResultOf(db.put_host(HostRecord(HostInfo(guid, name))))
        table = SeriesTable(guid)
        series = []
        for chart in CHARTS:
            dimensions = {dimension: Dimension(dimension) for dimension in ("a", "b")}
            self.successResultOf(db.put_chart(guid, Chart(chart, dimensions=dimensions, obsolete=chart == "old.ended")))
            series += [table.number(chart, dimension) for dimension in dimensions]
        for begin in range(last - 3 * DAY, last, HOUR):
            times = np.arange(begin + 1, begin + HOUR + 1)
            some = series[:2] if begin > last - 2 * DAY else series
            time_ = np.tile(times, len(some))
            numbers = np.repeat(np.array(some, np.int32), len(times))
            values = np.round(np.sin(time_ / 500) * 1000) + numbers
            zeros = np.zeros(len(time_), np.int64)
            clock.advance(HOUR)
            flags = zeros.astype(np.uint8)
            self.successResultOf(db.append(SampleBatch(table, numbers, time_, zeros, values, flags)))
        for _ in range(400):
            clock.advance(60)
        self.successResultOf(db.close())

    def shown(
        self, peer: Peer, host: str, chart: str, after: int, before: int, step: int
    ) -> dict[str, dict[int, float]]:
        data = peer.get(
            "data", host, chart=chart, after=after, before=before, points=(before - after) // step, options="seconds"
        )
        return {
            label: {int(row[0]): row[place] for row in data["data"] if row[place] is not None}
            for place, label in enumerate(data["labels"][1:], 1)
        }

    def test_equal(self) -> None:
        """
        Both show the same points of each tier, of charts that are collected
        no more as well.
        """
        parent = self.node("new-parent", role="parent", stream=accepting(KEY), options=["db/mode=dbengine"])
        old = self.node(
            "old-parent",
            role="proxy",
            stream=sending(parent.address) + accepting(KEY),
            options=[
                "db/mode=dbengine",
                "db/dbengine tier 0 retention time=6h",
                "db/cleanup obsolete charts after=90d",
            ],
        )
        old.stop()
        end = int(time.time()) // HOUR * HOUR - 8 * HOUR
        directory = old.directory / "data" / "db"
        for path in sorted(directory.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        self.history(directory, old.guid, old.name, end)
        old.start()
        parent.wait_log("were missing and came")
        spans = {60: (end - 2 * DAY, end - HOUR), HOUR: (end - 3 * DAY, end - HOUR)}
        for step, (after, before) in spans.items():
            for chart in CHARTS:

                def equal(chart: str = chart, after: int = after, before: int = before, step: int = step) -> bool:
                    expected = self.shown(old, "", chart, after, before, step)
                    self.found = expected, self.shown(parent, old.name, chart, after, before, step)
                    return bool(expected["a"]) and self.found[0] == self.found[1]

                try:
                    wait_for(f"{chart} by {step} s", equal, every=1.0)
                except AssertionError:
                    self.assertEqual(*self.found)
