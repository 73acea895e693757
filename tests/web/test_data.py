"""
Samples over HTTP: windows, folding, options and formats.
"""

from __future__ import annotations

import csv
import json
import math
import re
from datetime import datetime
from typing import Any
from unittest import mock

import numpy as np
from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.ram import RamDB
from netstream.model.chart import Chart, Dimension
from netstream.model.host import Function, Label
from netstream.model.updates import FunctionOffered
from netstream.turns import Turns
from netstream.web import formats
from netstream.web.formats import FORMATS, cell
from netstream.web.query import MOST_CELLS
from netstream.web.questions import OPTIONS
from tests.web.stage import CPU, DISK, LOAD, NOW, Stage

NAN = float("nan")


class DataTests(SynchronousTestCase):
    """
    Tests for C{data}.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.fill(LOAD, {NOW - 4: [1, 10], NOW - 3: [2, 20], NOW - 2: [NAN, 30], NOW - 1: [4, 40.12345678]})
        self.window = f"after={NOW - 4}&before={NOW - 1}"

    def ask(self, question: str = "", chart: str = "system.load") -> Any:
        """
        @return: The answer over the four seconds, as JSON.
        """
        return self.stage.get(f"/api/v1/data?chart={chart}&{self.window}&{question}").json()

    def text(self, question: str) -> str:
        """
        @return: The same as text.
        """
        return self.stage.get(f"/api/v1/data?chart=system.load&{self.window}&{question}").text

    def test_tier(self) -> None:
        """
        Without points there is a row for each of the tier that is asked for,
        and tells of all that is in it; a tier that is not kept changes nothing.
        """
        stage = Stage()
        first = NOW - NOW % 3600 - 7200
        stage.fill(LOAD, {s: [s - first, 2] for s in range(first + 1, first + 7201)})
        self.patch(type(stage.local.db), "tiers", (1, 60, 3600))
        window = f"chart=system.load&after={first + 1}&before={first + 7200}&options=flip"

        def ask(question: str) -> Any:
            return stage.get(f"/api/v1/data?{window}&{question}").json()["data"]

        minutes, hours = ask("tier=1"), ask("tier=2")
        self.assertEqual([row[0] for row in minutes], [*range(first + 60, first + 7201, 60)])
        self.assertEqual(minutes[0][1], 30.5)
        self.assertEqual([row[:2] for row in hours], [[first + 3600, 1800.5], [first + 7200, 5400.5]])
        self.assertEqual(ask("tier=1&points=2"), hours)
        for question in ("tier=0", "tier=4", "tier=-1", "options=flip,selected-tier"):
            self.assertEqual(ask(question), ask(""), question)
        wrapped = stage.get(f"/api/v1/data?{window},jsonwrap&tier=1").json()
        self.assertEqual((wrapped["view_update_every"], wrapped["update_every"]), (60, 1))
        self.assertIn("selected-tier", wrapped["options"])
        self.assertEqual(stage.get(f"/api/v1/data?{window}&tier=x").status, 400)
        many = stage.get(f"/api/v3/data?scope_contexts=system.load&{window}&tier=2&options=flip,raw").json()
        self.assertEqual([row[0] for row in many["result"]["data"]], [first + 3600, first + 7200])

    def test_short_window(self) -> None:
        """
        A minute and a half is that, though minutes are kept, and tells of each
        second once, alone and together with others.
        """
        stage = Stage()
        end = NOW - NOW % 90
        stage.fill(LOAD, {s: [1, 2] for s in range(end - 400, NOW)})
        self.patch(type(stage.local.db), "tiers", (1, 60, 3600))
        row = stage.get("/api/v1/data?chart=system.load&after=-90&points=1&group=sum").json()["data"]
        self.assertEqual(row, [[end, 90, 180]])
        asked = "scope_contexts=system.load&after=-90&points=1&time_group=sum&format=json"
        self.assertEqual(stage.get(f"/api/v3/data?{asked}").json()["data"], row)

    def test_anomalies(self) -> None:
        """
        Which samples are anomalous is told instead of the values, or beside
        them, and not at all where none is.
        """
        stage = Stage()
        seconds = range(NOW - 4, NOW)
        stage.fill(LOAD, {s: [1, 2] if s != NOW - 4 else [NAN, 2] for s in seconds}, anomalous={NOW - 2})
        ask = f"/api/v1/data?chart=system.load&after={NOW - 4}&before={NOW - 1}&options=flip,"
        rates = [[NOW - 4, None, 0], [NOW - 3, 0, 0], [NOW - 2, 100, 100], [NOW - 1, 0, 0]]
        self.assertEqual(stage.get(ask + "anomaly-bit").json()["data"], rates)
        wrapped = stage.get(ask + "jsonwrap,jw-anomaly-rates").json()
        self.assertEqual(wrapped["anomaly_rates"], {"labels": ["time", "load1", "load5"], "data": rates})
        self.assertEqual(wrapped["result"]["data"][2], [NOW - 2, 1, 2])
        folded = stage.get(ask + "anomaly-bit&points=1&group=max").json()["data"]
        self.assertEqual([cell for row in folded for cell in row[1:]], [100, 100])
        calm = f"/api/v1/data?chart=system.load&after={NOW - 1}&before={NOW - 1}&options=jsonwrap,jw-anomaly-rates"
        self.assertNotIn("anomaly_rates", stage.get(calm).json())

    def test_json(self) -> None:
        """
        Rows come newest first, gaps are null, and numbers have seven decimals.
        """
        self.assertEqual(
            self.ask(),
            {
                "labels": ["time", "load1", "load5"],
                "data": [[NOW - 1, 4, 40.1234568], [NOW - 2, None, 30], [NOW - 3, 2, 20], [NOW - 4, 1, 10]],
            },
        )
        body = self.text("")
        self.assertIn(f"[{NOW - 3},2,20]", body)

    def test_last_value(self) -> None:
        """
        The question that home automation asks is answered with one row.
        """
        found = self.stage.get("/api/v1/data?chart=system.load&before=0&after=-1&options=seconds").json()
        self.assertEqual(found["data"], [[NOW - 1, 4, 40.1234568]])

    def test_order_and_times(self) -> None:
        """
        C{flip} begins with the oldest row, C{ms} counts milliseconds.
        """
        self.assertEqual([row[0] for row in self.ask("options=flip")["data"]], list(range(NOW - 4, NOW)))
        self.assertEqual(self.ask("options=ms,flip")["data"][0][0], (NOW - 4) * 1000)

    def test_groups(self) -> None:
        """
        Rows are folded to the points that are asked for, by the method that is
        asked for; a method that there is not is refused by name.
        """
        for group, expected in (
            ("average", [[4, 35.0617284], [1.5, 15]]),
            ("sum", [[4, 70.1234568], [3, 30]]),
            ("min", [[4, 30], [1, 10]]),
            ("max", [[4, 40.1234568], [2, 20]]),
        ):
            rows = self.ask(f"points=2&group={group}&options=unaligned")["data"]
            self.assertEqual([row[1:] for row in rows], expected, group)
        refused = self.stage.get("/api/v1/data?chart=system.load&group=nonsense")
        self.assertEqual(refused.status, 400)
        self.assertIn("'nonsense'", refused.text)

    def test_dimensions(self) -> None:
        """
        Dimensions are chosen by id or name, with patterns and refusals, in any
        spelling of the parameter; hidden ones only when they are named.
        """
        for parameter in ("dimension", "dimensions", "dim", "dims"):
            self.assertEqual(self.ask(f"{parameter}=load5")["labels"], ["time", "load5"])
        self.assertEqual(self.ask("dimensions=!load1|*")["labels"], ["time", "load5"])
        for several in ("dimensions=load1&dimensions=load5", "dimension=load1&dims=load5"):
            self.assertEqual(self.ask(several)["labels"], ["time", "load1", "load5"])
        self.stage.fill(CPU, {NOW - 1: [25, 75]})
        self.assertEqual(self.ask(chart="system.cpu")["labels"], ["time", "user"])
        self.assertEqual(self.ask("dimensions=idle", "system.cpu")["labels"], ["time", "idle"])
        self.assertEqual(self.ask("options=all-dimensions", "system.cpu")["labels"], ["time", "user", "idle"])

    def test_match_ids_or_names(self) -> None:
        """
        C{match-ids} and C{match-names} narrow what patterns are compared with.
        """
        self.stage.fill(evolve(LOAD, dimensions={"i": Dimension("i", "n")}), {NOW - 1: [1]})
        self.assertEqual(self.ask("dimensions=i")["labels"], ["time", "n"])
        self.assertEqual(self.ask("dimensions=n&options=match-names")["labels"], ["time", "n"])
        refused = self.stage.get("/api/v1/data?chart=system.load&dimensions=n&options=match-ids")
        self.assertEqual(refused.status, 404)

    def test_charts(self) -> None:
        """
        A chart is named by id, by name or by patterns, or by its context.
        """
        self.stage.fill(DISK, {NOW - 1: [5, -6]})
        for question in ("chart=disk.sda", "chart=disk.system", "chart=disk.*", "context=disk.io", "context=disk.*"):
            found = self.stage.get(f"/api/v1/data?{question}&after=-1").json()
            self.assertEqual(found, {"labels": ["time", "reads", "writes"], "data": [[NOW - 1, 5, -6]]})
        for labels, status in (
            ("chart_label_key=dev*", 200),
            ("chart_label_key=mount", 404),
            ("chart_labels_filter=mount:x,device:sda", 200),
            ("chart_labels_filter=device", 200),
            ("chart_labels_filter=_collect_plugin:*", 200),
            ("chart_labels_filter=device:sdb", 404),
            ("chart_label_key=device&chart_labels_filter=device:sdb", 404),
        ):
            found = self.stage.get(f"/api/v1/data?context=disk.io&after=-1&{labels}")
            self.assertEqual(found.status, status, labels)
        both = self.stage.get("/api/v1/data?chart=disk.sda,system.load&after=-1").json()
        self.assertEqual(both["labels"], ["time", "load1", "load5", "reads", "writes"])

    def test_options(self) -> None:
        """
        Values change as options say.
        """
        self.stage.fill(DISK, {NOW - 2: [NAN, 0], NOW - 1: [30, -10]})
        self.window = f"after={NOW - 2}&before={NOW - 1}"
        for options, expected in (
            ("", [[30, -10], [None, 0]]),
            ("abs", [[30, 10], [None, 0]]),
            ("null2zero", [[30, -10], [0, 0]]),
            ("abs,percentage", [[75, 25], [None, 0]]),
        ):
            rows = self.ask(f"options={options}", "disk.sda")["data"]
            self.assertEqual([row[1:] for row in rows], expected, options)
        self.stage.fill(LOAD, {NOW - 2: [0, 1], NOW - 1: [0, NAN]})
        self.assertEqual(self.ask("options=nonzero")["labels"], ["time", "load5"])
        self.stage.fill(CPU, {NOW - 2: [0, 0], NOW - 1: [0, 0]})
        self.assertEqual(self.ask("options=nonzero", "system.cpu")["labels"], ["time", "user"])

    def test_share_of_the_whole(self) -> None:
        """
        A percentage is of all dimensions of the chart, shown or not.
        """
        self.stage.fill(CPU, {NOW - 1: [50, 150]})
        found = self.stage.get("/api/v1/data?chart=system.cpu&after=-1&options=percentage").json()
        self.assertEqual(found["data"], [[NOW - 1, 25]])

    def test_object_rows(self) -> None:
        """
        Rows as objects have a key of its own for each column.
        """
        rows = self.ask("options=objectrows")["data"]
        self.assertEqual(rows[0], {"time": NOW - 1, "load1": 4, "load5": 40.1234568})
        self.assertEqual(rows[1]["load1"], None)
        self.stage.fill(evolve(LOAD, id="system.load2", name=""), {NOW - 1: [7, 8]})
        both = self.ask("options=objectrows", "system.load*")["data"][0]
        self.assertEqual(len(both), 5)
        self.assertEqual(both["system.load2.load1"], 7)

    def test_jsonwrap(self) -> None:
        """
        The wrapped answer says what it is an answer to.
        """
        found = self.ask("options=jsonwrap,flip&points=2&group=max")
        self.assertEqual(
            list(found),
            ["api", "id", "name", "view_update_every", "update_every", "first_entry", "last_entry", "before", "after",
             "group", "options", "dimension_names", "dimension_ids", "functions", "latest_values",
             "view_latest_values", "dimensions", "points", "format", "db_points_per_tier", "result", "min", "max"],
        )  # fmt: skip
        self.assertEqual((found["first_entry"], found["last_entry"]), (NOW - 4, NOW - 1))
        self.assertEqual((found["view_update_every"], found["update_every"], found["points"]), (2, 1, 2))
        self.assertEqual((found["before"] - found["after"], found["group"]), (3, "max"))
        self.assertEqual(found["options"], "flip,jsonwrap,virtual-points")
        self.assertEqual(self.ask("options=jsonwrap")["options"], "jsonwrap,natural-points")
        relative = self.stage.get("/api/v1/data?chart=system.load&after=-4&points=2&options=jsonwrap").json()
        self.assertEqual((relative["view_update_every"], relative["options"]), (2, "jsonwrap,natural-points"))
        self.assertEqual(found["latest_values"], [4, 40.1234568])
        self.assertEqual(found["view_latest_values"], found["result"]["data"][-1][1:])
        self.assertEqual((found["min"], found["max"]), (2, 40.1234568))

    def test_jsonwrap_of_contexts(self) -> None:
        """
        About contexts the wrapped answer says where each column comes from,
        and which functions there are.
        """
        stage = Stage()
        stage.usual()
        stage.chart(evolve(DISK, id="disk.sdb", name="disk.sdb", labels={"device": Label("sdb")}))
        for function in (Function("top", chart="disk.sdb"), Function("top", chart="disk.sda"), Function("all")):
            stage.local.apply(FunctionOffered(function))
        asked = "/api/v1/data?after=-5&options=jsonwrap&context=disk.io"
        found = stage.get(asked).json()
        self.assertEqual(found["chart_ids"], ["disk.sda"] * 2 + ["disk.sdb"] * 2)
        self.assertEqual(found["functions"], ["top"])
        self.assertTrue(
            found["id"].startswith("context://host:parent.example/contexts:disk.io/instances:*/dimensions:*/")
        )
        self.assertNotIn("chart_labels", found)
        found = stage.get(asked + "&chart_label_key=device,none").json()
        self.assertEqual(found["chart_labels"], {"device": ["sda", "sda", "sdb", "sdb"], "none": [""] * 4})
        found = stage.get("/api/v1/data?after=-5&options=jsonwrap&chart=system.load").json()
        self.assertEqual((found["functions"], "chart_ids" in found), ([], False))

    def test_another_time(self) -> None:
        """
        Averages are told for another time than a second, in rows that hold it
        a whole number of times; what is counted otherwise stays as it is.
        """
        stage = Stage()
        stage.fill(LOAD, {s: [2.0, s % 60] for s in range(NOW - 599, NOW + 1)})
        end = NOW // 60 * 60
        asked = f"/api/v1/data?chart=system.load&dimensions=load1&after={end - 299}&before={end}"
        self.assertEqual(
            stage.get(f"{asked}&gtime=60&points=5").json()["data"], [[end - 60 * n, 120.0] for n in range(5)]
        )
        self.assertEqual(stage.get(f"{asked}&gtime=60").json()["data"], [[end - 60 * n, 120.0] for n in range(5)])
        self.assertEqual(stage.get(f"{asked}&gtime=20&points=5&group=avg").json()["data"][0], [end, 40.0])
        self.assertEqual(stage.get(f"{asked}&gtime=40&points=5").json()["data"][0][1], 80.0)
        self.assertEqual(stage.get(f"{asked}&gtime=1&points=5").json()["data"][0], [end, 2.0])
        for method, wanted in (("sum", 120.0), ("max", 2.0)):
            row = stage.get(f"{asked}&gtime=60&points=5&group={method}").json()["data"][0]
            self.assertEqual(row, [end, wanted])
        long = stage.get(f"/api/v1/data?chart=system.load&dimensions=load1&gtime={10**9}").json()["data"]
        self.assertEqual(len(long), 1)

    def test_hypertext(self) -> None:
        """
        A table for people has the rows of the others, and names that are no
        markup.
        """
        self.stage.chart(evolve(LOAD, dimensions={d: Dimension(d, name=f"<b>{d}") for d in ("load1", "load5")}))
        answer = self.stage.get(f"/api/v1/data?chart=system.load&{self.window}&format=html&options=seconds,flip")
        self.assertEqual(answer.headers["Content-Type"], "text/html; charset=utf-8")
        rows = [re.findall("<td>(.*?)</td>", line) for line in answer.text.split("<tr>")[1:]]
        self.assertEqual(rows[0], ["time", "&lt;b&gt;load1", "&lt;b&gt;load5"])
        lines = self.text("format=csv&options=seconds,flip").split("\r\n")[1:-1]
        self.assertEqual(rows[1:], [line.split(",") for line in lines])

    def test_every_format(self) -> None:
        """
        Each format is answered alone and wrapped, with and without rows of
        times in seconds.
        """
        for name in FORMATS:
            for options in ("", "seconds", "ms", "jsonwrap", "jsonwrap,seconds,flip"):
                answer = self.stage.get(f"/api/v1/data?chart=system.load&{self.window}&format={name}&options={options}")
                self.assertEqual(answer.status, 200, name)
                if "jsonwrap" in options or answer.headers["Content-Type"].startswith("application/json"):
                    answer.json()
                if "jsonwrap" in options:
                    self.assertEqual(answer.json()["format"], name)

    def test_every_option(self) -> None:
        """
        Each option is accepted with each other, in both spellings; words that
        mean nothing are ignored.
        """
        for one in [*OPTIONS, "nonsense"]:
            for other in OPTIONS:
                self.ask(f"options={one}|{other}")

    def test_csv(self) -> None:
        """
        Spreadsheets get a header, local dates and CRLF, or seconds.
        """
        lines = self.text("format=csv&options=seconds").split("\r\n")
        self.assertEqual(lines[:3], ["time,load1,load5", f"{NOW - 1},4,40.1234568", f"{NOW - 2},null,30"])
        self.assertEqual(lines[-1], "")
        self.assertRegex(self.text("format=csv"), r"\r\n\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,4,40\.1234568\r\n")
        self.assertIn(f"{NOW - 1}\t4\t40.1234568\r\n", self.text("format=tsv&options=seconds"))
        self.assertEqual(self.text("format=markdown&options=seconds").split("\r\n")[1], ":---:|:---:|:---:")

    def test_lines_in_json(self) -> None:
        """
        Within JSON lines end with a line feed alone, as programs expect that
        take a C{result} apart.
        """
        for form in ("csv", "tsv", "tsv-excel", "markdown"):
            asked = f"format={form}&options=seconds"
            wrapped = self.stage.get(f"/api/v1/data?chart=system.load&{self.window}&{asked},jsonwrap").json()
            self.assertEqual(wrapped["result"], self.text(asked).replace("\r\n", "\n"))

    def test_long_csv(self) -> None:
        """
        Dates over months, with a change to summer time perhaps, are those of
        each row.
        """
        stage = Stage(RamDB(365 * 86400, 1))
        stage.fill(LOAD, {NOW - 200 * 86400: [1, 1], NOW: [2, 2]})
        lines = stage.get("/api/v1/data?chart=system.load&after=0&points=50&format=csv").text.split("\r\n")
        self.assertGreaterEqual(len(lines), 40)

    def test_one_number_a_row(self) -> None:
        """
        Formats without columns fold the dimensions of a row.
        """
        self.assertEqual(self.text("format=ssv"), "44.1234568 30 22 11")
        self.assertEqual(self.text("format=ssvcomma&options=flip"), "11,22,30,44.1234568")
        self.assertEqual(self.ask("format=array&options=average"), [22.0617284, 30, 11, 5.5])
        self.assertEqual(self.ask("format=array&options=max"), [40.1234568, 30, 20, 10])

    def test_other_json(self) -> None:
        """
        The formats of charting libraries are JSON as well.
        """
        self.assertEqual(self.ask("format=csvjsonarray")[:2], [["time", "load1", "load5"], [NOW - 1, 4, 40.1234568]])
        table = self.ask("format=datatable")
        self.assertEqual([column["label"] for column in table["cols"]], ["time", "", "", "load1", "load5"])
        self.assertRegex(table["rows"][0]["c"][0]["v"], r"Date\(20\d\d,\d+,\d+,\d+,\d+,\d+\)")
        self.assertEqual([c["v"] for c in table["rows"][1]["c"][1:]], [None, None, None, 30])

    def test_refusals(self) -> None:
        """
        What makes no sense is refused with a reason that names it.
        """
        for question, status, reason in (
            ("", 400, "No chart or context is given."),
            ("chart=none", 404, "No metrics where matched to query."),
            ("chart=system.load&dimensions=none", 404, "No metrics where matched to query."),
            ("chart=system.load&after=1000&before=2000", 404, "No metrics where matched to query."),
            ("chart=system.load&after=soon", 400, "after: 'soon' is not a whole number"),
            ("chart=system.load&before=--1", 400, "before: '--1' is not a whole number"),
            ("chart=system.load&points=nan", 400, "points: 'nan' is not a whole number"),
            ("chart=system.load&format=jsonp", 400, "format: 'jsonp' is not offered; there are json, csv"),
            ("chart=system.load&gtime=hour", 400, "gtime: 'hour' is not a whole number"),
        ):
            answer = self.stage.get(f"/api/v1/data?{question}")
            self.assertEqual((answer.status, answer.text[: len(reason)]), (status, reason), question)

    def test_coarse_rows(self) -> None:
        """
        Of a time that is long beside what is stored, rows are empty that end
        before it: the chart is there.
        """
        answer = self.stage.get("/api/v1/data?chart=system.load&after=-2592000&points=360")
        self.assertEqual(answer.status, 200)
        rows = answer.json()["data"]
        self.assertGreater(len(rows), 300)
        self.assertTrue(all(value is None for _, *values in rows for value in values))
        for hour in ("after=-7200&before=-3600", "after=-86400&before=-3600&points=2"):
            self.assertEqual(self.stage.get(f"/api/v1/data?chart=system.load&{hour}").status, 404)

    def test_absurd_numbers(self) -> None:
        """
        Numbers without measure cost no more than others.
        """
        huge = "9" * 25
        for question in (
            f"after=-{huge}&before={huge}",
            f"after={huge}&before=-{huge}",
            f"after=1&before={huge}&points={huge}",
            f"after=-{huge}&points={huge}",
            "after=0&before=0&points=0",
            f"after=-{10**9}",
        ):
            answer = self.stage.get(f"/api/v1/data?chart=system.load&{question}")
            self.assertIn(answer.status, (200, 404), question)
            self.assertLess(len(answer.body), 6 << 20)

    def test_wide_answers(self) -> None:
        """
        Many dimensions get fewer rows, and far too many are refused.
        """
        wide = Chart("w.w", dimensions={f"d{i}": Dimension(f"d{i}") for i in range(1000)})
        self.stage.fill(wide, {s: [1.0] * 1000 for s in range(NOW - 1200, NOW)})
        found = self.stage.get("/api/v1/data?chart=w.w&after=-1200").json()
        self.assertLessEqual(len(found["data"]) * 1000, MOST_CELLS)
        self.assertEqual(found["data"][0][1:], [1] * 1000)
        self.stage.chart(Chart("x.x", dimensions={f"d{i}": Dimension(f"d{i}") for i in range(2001)}))
        refused = self.stage.get("/api/v1/data?chart=x.x")
        self.assertEqual(refused.status, 400)
        self.assertIn("2001 dimensions", refused.text)

    def test_file_name(self) -> None:
        """
        A download gets the name that was asked for, and nothing else.
        """
        header = self.stage.get("/api/v1/data?chart=system.load&filename=a%22b%0d%0ac.csv").headers
        self.assertEqual(header["Content-Disposition"], 'attachment; filename="a_b__c.csv"')

    def test_numbers(self) -> None:
        """
        Numbers of any size survive, infinities are null, and zero has no sign.
        """
        values = [0.1, -0.0, 1e-9, 1e300, -1e308, float("inf"), 123456789012.5, 1e16, -1e-7]
        self.stage.fill(
            Chart("n.n", dimensions={"d": Dimension("d")}), {NOW - 9 + i: [v] for i, v in enumerate(values)}
        )
        body = self.stage.get("/api/v1/data?chart=n.n&after=-9&options=flip")
        found = [row[1] for row in body.json()["data"]]
        self.assertEqual(found, [0.1, 0, 0, 1e300, -1e308, None, 123456789012.5, 1e16, -1e-7])
        self.assertNotIn("-0,", body.text.replace("-0]", "-0,"))
        self.assertTrue(all(math.isfinite(v) for v in found if v is not None))

    def test_cells(self) -> None:
        """
        A name in a spreadsheet is a text, whatever it looks like.
        """
        for name, expected in (
            ("user", "user"),
            ("=1+1", "'=1+1"),
            ("+x", "'+x"),
            ("-x", "'-x"),
            ("@x", "'@x"),
            ("a,b", '"a,b"'),
            ('a"b', '"a""b"'),
            ("a\r\nb", "a  b"),
            ("\t=x", " =x"),
        ):
            written = cell(name, ",")
            self.assertEqual(written, expected)
            self.assertEqual(len(next(csv.reader([written]))), 1)

    def test_long(self) -> None:
        """
        An hour of seconds arrives complete and exact.
        """
        values = np.round(np.random.default_rng(1).random((3600, 2)) * 100, 7)
        self.stage.fill(LOAD, {NOW - 3600 + i: list(row) for i, row in enumerate(values)})
        rows = self.stage.get("/api/v1/data?chart=system.load&after=-3600&options=flip").json()["data"]
        self.assertEqual(len(rows), 3600)
        self.assertEqual(rows[:100], [[NOW - 3600 + i, *map(float, values[i])] for i in range(100)])
        self.assertEqual(json.loads(json.dumps(rows)), rows)

    def test_same_numbers_in_every_format(self) -> None:
        """
        Numbers of any kind are the same in all formats, as objects, and in
        either order.
        """
        rng = np.random.default_rng(5)
        values = rng.choice([1.0, 0.25, 1e-7, 1e5 / 3, 1e17], (300, 2)) * rng.integers(-9, 10, (300, 2))
        values[rng.random(values.shape) < 0.2] = NAN
        self.stage.fill(LOAD, {NOW - 300 + i: list(row) for i, row in enumerate(values)})
        self.window = f"after={NOW - 300}&before={NOW - 1}"
        rounded = [[None if math.isnan(v) else round(v, 7) for v in row] for row in values.tolist()]
        expected = [[NOW - 300 + i, *row] for i, row in enumerate(rounded)]
        self.assertEqual(self.ask("options=flip")["data"], expected)
        self.assertEqual(self.ask()["data"], expected[::-1])
        objects = self.ask("options=flip,objectrows")["data"]
        self.assertEqual([list(row) for row in objects], [["time", "load1", "load5"]] * 300)
        self.assertEqual([list(row.values()) for row in objects], expected)
        self.assertEqual(self.ask("format=csvjsonarray&options=flip")[1:], expected)
        cells = [row["c"] for row in self.ask("format=datatable&options=flip")["rows"]]
        self.assertEqual([[cell["v"] for cell in row[3:]] for row in cells], rounded)
        for name, separator in (("csv", ","), ("tsv", "\t"), ("markdown", "|")):
            lines = self.text(f"format={name}&options=flip,seconds").split("\r\n")[-301:-1]
            read = [[json.loads(text) for text in line.split(separator)] for line in lines]
            self.assertEqual(read, expected, name)
            dated = self.text(f"format={name}&options=flip").split("\r\n")[-301:-1]
            self.assertEqual(
                [line.split(separator)[1:] for line in dated], [line.split(separator)[1:] for line in lines]
            )
            dates = [datetime.fromisoformat(line.split(separator)[0]).timestamp() for line in dated]
            self.assertEqual(dates, [row[0] for row in expected])

    def test_written_in_slices(self) -> None:
        """
        A long answer is the same although other work gets its turn while it is
        written.
        """
        self.stage.fill(LOAD, {NOW - 50 + i: [i, -i / 3] for i in range(50)})
        for name in FORMATS:
            for options in ("", "flip", "ms", "objectrows", "jsonwrap"):
                target = f"/api/v1/data?chart=system.load&after=-50&format={name}&options={options}"
                whole = self.stage.get(target).body
                with mock.patch.object(formats, "MOST_AT_ONCE", 21):
                    self.assertEqual(self.stage.get(target).body, whole, target)

    def test_turns(self) -> None:
        """
        Formats whose numbers cost more are written fewer numbers at a time,
        and what is put around them is another piece.
        """
        self.stage.fill(LOAD, {NOW - 50 + i: [i, -i / 3] for i in range(50)})

        values = iter(range(10))

        def pauses(question: str) -> int:
            asked = []

            async def breathe(turns: Turns) -> None:
                asked.append(turns)

            self.stage.fill(LOAD, {NOW: [next(values), 0]})  # no answer is given twice
            with mock.patch.object(formats, "MOST_AT_ONCE", 20), mock.patch.object(Turns, "breathe", breathe):
                self.stage.get(f"/api/v1/data?chart=system.load&after=-50&points=25&{question}")
            return len(asked)

        plain = pauses("")
        self.assertGreater(plain, 1)
        self.assertGreater(pauses("options=jsonwrap"), plain)
        for question in ("options=objectrows", "format=datatable", "format=csv", "format=html"):
            self.assertGreater(pauses(question), plain, question)

    def test_odd_keys(self) -> None:
        """
        Objects have any name as a key, also in pieces, where all keys are
        written once.
        """
        names = ("50%", "%b", '"\\', "\u00e9")
        self.stage.fill(
            Chart("odd.c", dimensions={name: Dimension(name) for name in names}),
            {NOW - 2: [1, 2, 3, 4], NOW - 1: [5, 6, NAN, 8]},
        )
        self.patch(formats, "MOST_AT_ONCE", 1)
        with mock.patch.object(formats, "encode", wraps=formats.encode) as encode:
            rows = self.stage.get("/api/v1/data?chart=odd.c&after=-2&options=objectrows,flip").json()["data"]
        self.assertEqual(
            [[*row.items()][1:] for row in rows],
            [
                [*zip(names, (1, 2, 3, 4), strict=True)],
                [*zip(names, (5, 6, None, 8), strict=True)],
            ],
        )
        self.assertEqual(sum(call.args[0] == "50%" for call in encode.call_args_list), 1)

    def test_percentage_of_nothing(self) -> None:
        """
        Where dimensions of both signs make up nothing, their shares are told
        as an agent tells them: of 1.
        """
        self.stage.fill(DISK, {NOW - 2: [2, -2], NOW - 1: [3, -1]})
        read = json.loads(self.stage.get("/api/v1/data?chart=disk.sda&after=-2&options=percentage").body)
        self.assertEqual([row[1:] for row in read["data"]], [[150, -50], [200, -200]])
