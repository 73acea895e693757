"""
History of which only coarser rows are left, as alerts are tried on it.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream import alertcommands
from netstream.cli import main
from netstream.db import DBEngine
from netstream.db.interfaces import HostRecord
from netstream.db.tier_rows import Aggregates
from netstream.db.workers import Inline
from netstream.health.stretches import Coarse, spread
from netstream.model.chart import Chart, Dimension
from netstream.model.host import HostInfo
from netstream.model.samples import SampleBatch, SeriesTable
from netstream.model.updates import ChartDefined
from tests.web.stage import Stage

START = 1_800_057_600
HOURS = 16
SPACE = Chart("disk.space", units="%", context="disk.space", update_every=10, dimensions={"used": Dimension("used")})
DEFINITIONS = """
template: peak
on: disk.space
lookup: max -1m unaligned of used
every: 1m
warn: $this > 90

template: mean
on: disk.space
lookup: average -1m unaligned of used
every: 1m
warn: $this > 90

template: total
on: disk.space
lookup: sum -10m unaligned of used
every: 1m
warn: $this < 3060
crit: $this > 3200
"""


class SpreadTests(SynchronousTestCase):
    """
    L{spread}.
    """

    def test_spread(self) -> None:
        """
        There are as many samples as a row was made of, each at its own pace and with the row's average.
        """
        count = np.array([[6.0, 4.0], [0.0, 5.0]])
        rows = Aggregates(
            np.array([60, 120]), count * [[3, 5]], count * 0 - [[1, 2]], count * 0 + [[7, 8]], count, count * 0
        )
        found = spread(rows, 60, [10, 12], 0, 200)
        values = found.columns.values
        of = {
            place: {int(time): value for time, value in zip(found.columns.times, values[:, place], strict=True)}
            for place in (0, 1)
        }
        there = [{time: value for time, value in each.items() if value == value} for each in of.values()]
        self.assertEqual(there[0], dict.fromkeys((10, 20, 30, 40, 50, 60), 3.0))
        self.assertEqual(there[1], dict.fromkeys((24, 36, 48, 60, 72, 84, 96, 108, 120), 5.0))
        self.assertEqual(np.nanmin(found.least, axis=0).tolist(), [-1, -2])
        self.assertEqual(np.nanmax(found.most, axis=0).tolist(), [7, 8])
        self.assertEqual((found.least == found.least).tolist(), (values == values).tolist())
        self.assertEqual(found.coarse, [Coarse(10, 120, 60)])

    def test_cut(self) -> None:
        """
        Seconds that are not asked for, or of which there are samples, are left out.
        """
        six = np.full((1, 1), 6.0)
        rows = Aggregates(np.array([60]), six, six, six, six, six * 0)
        self.assertEqual(spread(rows, 60, [10], 15, 40).columns.times.tolist(), [20, 30, 40])
        nothing = spread(rows, 60, [10], 60, 70)
        self.assertEqual((len(nothing.columns.times), nothing.coarse), (0, []))


class CoarseTests(SynchronousTestCase):
    """
    C{netstream alert test} on a database whose samples are partly past their retention.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.directory = Path(self.mktemp())
        info = HostInfo("11111111-1111-1111-1111-111111111111", "old")
        self.db = DBEngine(self.directory / "db", self.clock, retention=(6 * 3600, 0, 0), workers=Inline())
        self.successResultOf(self.db.open())
        self.addCleanup(self.db.close)
        self.db.put_host(HostRecord(info))
        self.db.put_chart(info.guid, SPACE)
        (self.directory / "machine.guid").write_text(info.guid)
        table = SeriesTable(info.guid)
        number = table.number("disk.space", "used")
        for hour in range(HOURS):
            times = np.arange(START + hour * 3600 + 10, START + (hour + 1) * 3600 + 1, 10)
            values = np.where(times % 3600 == 1830, 99.0, 52.0)
            numbers, flags = np.full(len(times), number, np.int32), np.zeros(len(times), np.uint8)
            self.db.append(SampleBatch(table, numbers, times, values.astype(np.int64), values, flags))
            for _ in range(60):
                self.clock.advance(60)
        self.file = Path(self.mktemp())
        self.file.write_text(DEFINITIONS)
        self.info = info

    def tried(self, against: str, *arguments: str) -> str:
        out = io.StringIO()
        span = ("--from", str(START + 1200), "--to", str(START + HOURS * 3600))
        with contextlib.redirect_stdout(out):
            status = main(["alert", "test", str(self.file), "--against", against, *span, *arguments])
        self.assertEqual(status, 0)
        return out.getvalue()

    def check(self, against: str) -> None:
        """
        Try the definitions, whose outcome is the same as if all samples were there.
        """
        found = json.loads(self.tried(against, "--json"))
        (coarse,) = found["precision"]
        self.assertEqual(coarse["seconds"], 60)
        self.assertLess(coarse["from"], START + 1860)
        self.assertGreater(coarse["to"], START + 5 * 3600)
        self.assertLess(coarse["to"], START + HOURS * 3600 - 3600)
        raised: dict[str, list[int]] = {}
        for event in found["events"]:
            if event["status"] in ("WARNING", "CRITICAL"):
                raised.setdefault(event["alert"], []).append(event["when"])
        self.assertEqual(list(raised), ["peak"])
        self.assertEqual(len(raised["peak"]), HOURS)
        for hour, when in enumerate(raised["peak"]):
            self.assertLessEqual(abs(when - (START + hour * 3600 + 1800)), 60)

    def test_files(self) -> None:
        """
        What happened before the oldest sample is seen in rows of minutes, and that is said.
        """
        self.check(str(self.directory))
        said = self.tried(str(self.directory))
        self.assertIn("there are only rows of 1m: lookups of min and max see the least and the most of each", said)
        self.assertIn("disk.space.peak: raised 16 times", said)

    def test_api(self) -> None:
        """
        The API of a node tells the same.
        """
        stage = Stage(self.db)
        stage.clock.advance(self.clock.seconds() - stage.clock.seconds())
        host = stage.child("old", self.info.guid)
        host.apply(ChartDefined(SPACE))

        def asked(remote: Any, path: str, parameters: dict[str, Any]) -> Any:
            return stage.get(f"/host/old{path}?{urlencode(parameters)}").json()

        self.patch(alertcommands.Remote, "_asked", asked)
        self.check("http://node.example")
