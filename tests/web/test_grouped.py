"""
Many series of many nodes as few: C{data} of version 3.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from random import Random
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.ram import RamDB
from netstream.model.chart import Chart, Dimension
from netstream.model.host import Label
from netstream.model.updates import LabelsReplaced
from netstream.web import grouped
from netstream.web.formats import FORMATS
from netstream.web.grouping import EMPTY_POINT, PARTIAL_POINT
from netstream.web.selection import LabelFilter
from tests.web.stage import CHILD, GUID, NOW, Stage

NAN = float("nan")
OTHER = "33333333-3333-3333-3333-333333333333"
ROOM = 60
"""Seconds of samples."""


def disk(device: str, every: int = 1) -> Chart:
    """
    @return: A chart of a disk.
    """
    dimensions = {name: Dimension(name, hidden=name == "discards") for name in ("reads", "writes", "discards")}
    return Chart(
        f"disk.{device}",
        title="Disk I/O",
        units="KiB/s",
        family=device,
        context="disk.io",
        priority=2000,
        update_every=every,
        plugin="proc.plugin",
        dimensions=dimensions,
        labels={"device": Label(device), "kind": Label("ssd" if device < "sdb" else "hdd")},
    )


NET = Chart(
    "net.eth0",
    title="Bandwidth",
    units="kilobits/s",
    family="eth0",
    context="net.net",
    priority=7000,
    dimensions={"received": Dimension("received"), "sent": Dimension("sent")},
)


class Fleet(Stage):
    """
    Three nodes with disks, one of which is measured every five seconds only,
    and a network; their numbers are such that sums are exact.
    """

    def __init__(self) -> None:
        super().__init__()
        chance = Random(7)
        self.samples: dict[tuple[str, str, str], dict[int, float]] = {}
        self.charts: dict[tuple[str, str], Chart] = {}
        children = (self.child("web1"), self.child("web2", OTHER))
        self.local.apply(LabelsReplaced({"site": Label("berlin")}))
        children[0].apply(LabelsReplaced({"site": Label("berlin"), "kind": Label("vm")}))
        children[1].apply(LabelsReplaced({"site": Label("paris")}))
        for host in (self.local, *children):
            for chart in (disk("sda"), disk("sdb", 5 if host.info.hostname == "web2" else 1), NET):
                rows: dict[int, list[float]] = {}
                for second in range(NOW - ROOM, NOW + 1):
                    if second % chart.update_every == 0:
                        rows[second] = [
                            NAN if chance.random() < 0.1 else chance.randrange(-400, 4000) / 8 for _ in chart.dimensions
                        ]
                self.fill(chart, rows, host)
                self.charts[host.info.guid, chart.id] = chart
                for place, dimension in enumerate(chart.dimensions):
                    series = {second: row[place] for second, row in rows.items() if row[place] == row[place]}
                    self.samples[host.info.guid, chart.id, dimension] = series

    def names(self) -> Iterator[tuple[str, str, Chart, Dimension]]:
        """
        @return: All series: node, its name, chart and dimension.
        """
        for guid, chart, dimension in self.samples:
            host = self.hub.get(guid)
            assert host is not None
            one = self.charts[guid, chart]
            yield guid, host.info.hostname, one, one.dimensions[dimension]

    def slowly(self, by: str, way: str, step: int, rows: list[int], context: str) -> dict[str, list[float | None]]:
        """
        @param by: What is grouped by.
        @param rows: The times of the rows.
        @return: The same as the node should answer, found number by number.
        """
        groups: dict[str, dict[int, list[float]]] = {}
        wholes: dict[str, dict[int, float]] = {}
        whole_of: dict[str, str] = {}
        for guid, _, chart, dimension in self.names():
            if chart.context != context:
                continue
            host = self.hub.get(guid)
            assert host is not None
            label = chart.labels.get("kind") or host.labels.get("kind")
            keys = {
                "dimension": dimension.name,
                "node": guid,
                "instance": f"{chart.id}@{guid}",
                "label": label.value if label else "[unset]",
                "context": chart.context,
                "units": chart.units,
                "selected": "selected",
                "dimension,node": f"{dimension.name},{guid}",
            }
            key = keys[by]
            whole = keys.get(by.removeprefix("dimension,"), "") if by != "dimension" else ""
            samples = self.samples[guid, chart.id, dimension.id]
            for row in rows:
                long = max(step, chart.update_every)
                end = -(-row // long) * long
                inside = [samples[s] for s in range(end - long + 1, end + 1) if s in samples]
                if not inside:
                    continue
                value = sum(inside) / len(inside)
                of_whole = wholes.setdefault(whole, {})
                of_whole[row] = of_whole.get(row, 0) + value
                if not dimension.hidden:
                    groups.setdefault(key, {}).setdefault(row, []).append(value)
                    whole_of[key] = whole
        made = {
            "sum": sum,
            "avg": lambda values: sum(values) / len(values),
            "min": min,
            "max": max,
            "extremes": lambda values: max(values) if max(values) >= -min(values) else min(values),
        }
        if way == "percentage":
            return {
                key: [100 * sum(cells[row]) / wholes[whole_of[key]][row] if row in cells else None for row in rows]
                for key, cells in groups.items()
            }
        return {key: [made[way](cells[row]) if row in cells else None for row in rows] for key, cells in groups.items()}


class GroupedTests(SynchronousTestCase):
    """
    Tests for L{netstream.web.grouped}.
    """

    def setUp(self) -> None:
        self.stage = Fleet()

    def ask(self, question: str, path: str = "/api/v3/data") -> Any:
        """
        @return: The answer over the last seconds, oldest first.
        """
        return self.stage.get(f"{path}?after={NOW - 29}&before={NOW}&options=flip&{question}").json()

    def values(self, question: str) -> dict[str, list[float | None]]:
        """
        @return: The values of each group.
        """
        result = self.ask(question)["result"]
        return {
            name: [row[at][0] for row in result["data"]] for at, name in enumerate(result["labels"]) if name != "time"
        }

    def test_exact(self) -> None:
        """
        Whatever is grouped in whatever way, the numbers are those that adding
        them up one by one gives.
        """
        bys = ("dimension", "node", "instance", "label", "context", "units", "selected", "dimension,node")
        ways = ("sum", "avg", "min", "max", "extremes", "percentage")
        for by, way, points in itertools.product(bys, ways, (0, 3)):
            question = f"contexts=disk.io&group_by={by}&aggregation={way}&group_by_label=kind&points={points}"
            answer = self.ask(question)
            result, step = answer["result"], answer["view"]["update_every"]
            self.assertEqual(step, 10 if points else 1)
            rows = [row[0] for row in result["data"]]
            expected = self.stage.slowly(by, way, step, rows, "disk.io")
            self.assertEqual(set(result["labels"][1:]), set(expected), question)
            for at, name in enumerate(result["labels"][1:], 1):
                found = [row[at][0] for row in result["data"]]
                for one, other in zip(found, expected[name], strict=True):
                    self.assertTrue(one == other or abs(one - other) <= 6e-8 * max(1, abs(other)), (question, name))

    def test_parts(self) -> None:
        """
        An answer is the same however few series are read at once, and whether
        a thread helps or not.
        """
        question = "scope_contexts=*&group_by=node,units&aggregation=sum"
        whole = self.ask(question)
        with mock.patch.object(grouped, "PART", 1), mock.patch.object(grouped, "AT_ONCE", 0):
            self.assertEqual(self.ask(question), whole)

    def test_twice(self) -> None:
        """
        What was put together can be put together once more, as the highest of
        the sums of the nodes.
        """
        sums = self.values("contexts=net.net&group_by=node&aggregation=sum")
        most = self.values(
            "contexts=net.net&group_by[0]=node&aggregation[0]=sum&group_by[1]=selected&aggregation[1]=max"
        )
        self.assertEqual(
            most["selected"],
            [max((v for v in row if v is not None), default=None) for row in zip(*sums.values(), strict=True)],
        )

    def test_average_of_charts(self) -> None:
        """
        The charts with a label are averaged as wholes, as the page that
        compares nodes asks for it: their dimensions are added up first.
        """
        wholes = self.values("contexts=disk.io&group_by=instance,label&group_by_label=kind&aggregation=sum")
        found = self.values(
            "contexts=disk.io&group_by=instance&aggregation=sum"
            "&group_by[1]=label&group_by_label[1]=kind&aggregation[1]=avg"
        )
        for kind, averages in found.items():
            charts = [values for name, values in wholes.items() if kind in name.split(",")]
            self.assertTrue(charts, kind)
            for average, *row in zip(averages, *charts, strict=True):
                there = [value for value in row if value is not None]
                if there:
                    self.assertAlmostEqual(average, sum(there) / len(there), 5)
                else:
                    self.assertIsNone(average)

    def test_share_of_an_instance(self) -> None:
        """
        How much of each disk's work is reading, hidden work included.
        """
        question = "contexts=disk.io&dimensions=reads&group_by=percentage-of-instance&nodes=web1"
        answer = self.ask(question)
        self.assertEqual(answer["result"]["labels"][1:], [f"disk.sda@{CHILD}", f"disk.sdb@{CHILD}"])
        self.assertEqual(answer["view"]["units"], "%")
        all_of = self.values(
            "contexts=disk.io&nodes=web1&group_by=instance&aggregation=sum&options=all-dimensions,flip"
        )
        reads = self.values("contexts=disk.io&nodes=web1&group_by=instance&aggregation=sum&dimensions=reads")
        name = f"disk.sda@{CHILD}"
        for row, total, read in zip(answer["result"]["data"], all_of[name], reads[name], strict=True):
            if read is not None:
                self.assertAlmostEqual(row[1][0], 100 * read / total, 5)

    def test_chosen(self) -> None:
        """
        Nodes, contexts, instances, dimensions and labels choose what the
        answer is made of, and the answer counts what was left out.
        """
        for question, ids in (
            ("nodes=web*&contexts=disk.io&group_by=node", {CHILD, OTHER}),
            ("scope_nodes=!web1,*&contexts=disk.io&group_by=node", {GUID, OTHER}),
            ("contexts=disk.*&dimensions=r*", {"reads"}),
            ("contexts=disk.*&dimensions=discards", {"discards"}),
            ("instances=disk.sda&group_by=instance&nodes=web1", {f"disk.sda@{CHILD}"}),
            (f"instances=disk.sda@{OTHER}&group_by=instance", {f"disk.sda@{OTHER}"}),
            ("labels=kind:ssd&group_by=instance&scope_nodes=web1", {f"disk.sda@{CHILD}"}),
            ("labels=site:paris&group_by=node&contexts=*", {OTHER}),
            ("scope_labels=site:*,kind:h*&group_by=node&contexts=*", {GUID, CHILD, OTHER}),
            ("labels=kind:vm&group_by=instance", {f"net.eth0@{CHILD}"}),
        ):
            self.assertEqual(set(self.ask(question)["result"]["labels"][1:]), ids, question)
        totals = self.ask("nodes=web1&contexts=disk.io&dimensions=reads")["totals"]
        self.assertEqual(totals["nodes"], {"sl": 1, "ex": 2, "qr": 1, "fl": 0})
        self.assertEqual(totals["contexts"], {"sl": 1, "ex": 1, "qr": 1, "fl": 0})
        self.assertEqual(totals["instances"], {"sl": 2, "ex": 7, "qr": 2, "fl": 0})
        self.assertEqual(totals["dimensions"], {"sl": 2, "ex": 22, "qr": 2, "fl": 0})
        alone = self.ask("contexts=disk.io&group_by=node", "/host/web2/api/v2/data")
        self.assertEqual(alone["result"]["labels"], ["time", OTHER])

    def test_label_filters(self) -> None:
        """
        Of several values of a label any will do, of several labels each has to
        fit, and C{!} refuses.
        """
        labels = {"site": "berlin", "kind": "ssd"}
        for text, passes in (
            ("", True),
            ("site:berlin", True),
            ("site", True),
            ("site:paris|site:b*", True),
            ("site:berlin,kind:hdd", False),
            ("site:berlin,kind:s*", True),
            ("!kind:ssd", False),
            ("!kind:hdd", True),
            ("rack", False),
            (",:x", True),
        ):
            self.assertEqual(LabelFilter(text).passes(labels), passes, text)

    def test_summary(self) -> None:
        """
        The answer tells what it is made of: nodes, contexts, instances,
        dimensions and labels, each with its share, and who answers.
        """
        answer = self.ask("contexts=disk.io&group_by=node&aggregation=sum")
        summary = answer["summary"]
        self.assertEqual([node["nm"] for node in summary["nodes"]], ["parent.example", "web1", "web2"])
        self.assertEqual(summary["nodes"][1]["is"], {"sl": 2, "ex": 1, "qr": 2, "fl": 0})
        self.assertEqual(summary["nodes"][1]["ds"], {"sl": 4, "ex": 4, "qr": 4, "fl": 0})
        self.assertEqual([(c["id"], c["is"]["sl"]) for c in summary["contexts"]], [("disk.io", 6), ("net.net", 0)])
        self.assertEqual({i["id"] for i in summary["instances"]}, {"disk.sda", "disk.sdb"})
        dimensions = {d["nm"]: d["ds"] for d in summary["dimensions"]}
        self.assertEqual(dimensions["discards"], {"sl": 0, "ex": 6, "qr": 0, "fl": 0})
        labels = {label["id"]: {v["id"]: v["ds"]["sl"] for v in label["vl"]} for label in summary["labels"]}
        self.assertEqual(labels["site"], {"berlin": 8, "paris": 4})
        self.assertEqual(labels["kind"], {"ssd": 6, "hdd": 6})
        self.assertAlmostEqual(sum(node["sts"]["con"] for node in summary["nodes"]), 100, 5)
        every = [v for row in answer["result"]["data"] for v, _, _ in row[1:] if v is not None]
        self.assertEqual((answer["view"]["min"], answer["view"]["max"]), (min(every), max(every)))
        self.assertEqual(answer["view"]["dimensions"]["names"], ["parent.example", "web1", "web2"])
        self.assertEqual(answer["view"]["dimensions"]["aggregated"], [4, 4, 4])
        self.assertEqual(answer["view"]["units"], "KiB/s")
        self.assertEqual(answer["db"]["update_every"], 1)
        self.assertEqual(answer["agents"][0]["mg"], GUID)

    def test_notes(self) -> None:
        """
        A point tells whether it is a gap, and whether something is missing
        in it.
        """
        stage = Stage()
        stage.fill(NET, {NOW - 4: [1, 2], NOW - 3: [NAN, 3], NOW - 2: [NAN, NAN], NOW - 1: [4, 5]})
        answer = stage.get(
            f"/api/v3/data?after={NOW - 4}&before={NOW - 1}&group_by=node&aggregation=sum&options=flip,raw"
        )
        result = answer.json()["result"]
        self.assertEqual(
            result["data"],
            [
                [NOW - 4, [3, 0, 0, 2]],
                [NOW - 3, [3, 0, PARTIAL_POINT, 1]],
                [NOW - 2, [None, 0, EMPTY_POINT, 0]],
                [NOW - 1, [9, 0, 0, 2]],
            ],
        )
        self.assertEqual(result["point"], {"value": 0, "arp": 1, "pa": 2, "count": 3})

    def test_anomalies(self) -> None:
        """
        A point tells how many percent of what it is made of are anomalous, and
        the summary how many of a node's were.
        """
        stage = Stage()
        seconds = range(NOW - 4, NOW)
        stage.fill(NET, {second: [1, 2] for second in seconds}, anomalous={NOW - 3})
        stage.fill(NET, {second: [1, 2] for second in seconds}, stage.child())
        answer = stage.get(f"/api/v3/data?after={NOW - 4}&before={NOW - 1}&group_by=context&options=flip").json()
        self.assertEqual([row[1][1] for row in answer["result"]["data"]], [0, 50, 0, 0])
        self.assertEqual([node["sts"]["arp"] for node in answer["summary"]["nodes"]], [25, 0])

    def test_few_groups(self) -> None:
        """
        Groups beyond a limit are one: the smallest.
        """
        question = "contexts=disk.io&group_by=instance&aggregation=sum"
        every, few = self.values(question), self.values(question + "&cardinality_limit=3")
        self.assertEqual(len(few), 3)
        rest = "__remaining_dimensions__"
        others = [every[name] for name in every if name not in few]
        summed = [sum(v for v in row if v is not None) for row in zip(*others, strict=True)]
        self.assertEqual(few[rest], summed)

    def test_options(self) -> None:
        """
        Rows come newest first unless they are to be flipped, in seconds or
        milliseconds; values may lose their sign.
        """
        base = f"/api/v3/data?after={NOW - 10}&before={NOW - 1}&contexts=net.net&group_by=node"
        rows = self.stage.get(base).json()["result"]["data"]
        self.assertEqual([row[0] for row in rows], list(range(NOW - 1, NOW - 11, -1)))
        rows = self.stage.get(base + "&options=flip,ms").json()["result"]["data"]
        self.assertEqual([row[0] for row in rows], [1000 * s for s in range(NOW - 10, NOW)])
        rows = self.stage.get(base + "&options=abs,null2zero&aggregation=min").json()["result"]["data"]
        self.assertTrue(all(cell[0] >= 0 for row in rows for cell in row[1:]))
        short = self.stage.get(base + "&options=minify")
        self.assertEqual(short.body.count(b"\n"), 1)

    def test_statistics_of_samples(self) -> None:
        """
        Of each column it is told what the samples are that it is made of,
        however they were put together.
        """
        plain = self.ask("contexts=net.net&group_by=node,dimension")
        names, each = plain["view"]["dimensions"]["ids"], plain["db"]["dimensions"]["sts"]
        highest = dict(zip(names, each["max"], strict=True))
        for question in (
            "group_by[0]=node,dimension&group_by[1]=node",
            "group_by=node,dimension&options=flip,nonzero",
            "group_by=node,dimension&cardinality_limit=2",
        ):
            answer = self.ask(f"contexts=net.net&{question}")
            db = answer["db"]["dimensions"]
            self.assertEqual(len(db["sts"]["max"]), len(db["ids"]), question)
            self.assertEqual(max(db["sts"]["max"]), max(highest.values()), question)
            self.assertAlmostEqual(sum(db["sts"]["con"]), 100, places=3)
            for id, high in zip(db["ids"], db["sts"]["max"], strict=True):
                of = [value for name, value in highest.items() if id in name.split(",") or id == name]
                if of:
                    self.assertEqual(high, max(of))

    def test_formats(self) -> None:
        """
        Groups are told of in each format of version 1, by name, alone or
        wrapped.
        """
        base = f"/api/v3/data?after={NOW - 9}&before={NOW}&contexts=net.net&group_by=node&aggregation=sum&options=flip"
        rows = self.stage.get(base).json()["result"]
        values = [[row[0], *(cell[0] for cell in row[1:])] for row in rows["data"]]
        plain = self.stage.get(base + "&format=json").json()
        self.assertEqual(plain["labels"], ["time", "parent.example", *plain["labels"][2:]])
        self.assertEqual(plain["data"], values)
        objects = self.stage.get(base + ",objectrows&format=json").json()["data"]
        self.assertEqual([list(row) for row in objects], [rows["labels"]] * len(objects))
        lines = self.stage.get(base + ",seconds&format=csv&filename=x.csv")
        self.assertEqual(lines.headers["Content-Disposition"], 'attachment; filename="x.csv"')
        read = [[json.loads(cell) for cell in line.split(",")] for line in lines.text.split("\r\n")[1:-1]]
        self.assertEqual(read, values)
        wrapped = self.stage.get(base + ",seconds,jsonwrap&format=csv").json()
        self.assertEqual(wrapped["result"], lines.text.replace("\r\n", "\n"))
        self.assertEqual(wrapped["view"]["dimensions"]["names"], plain["labels"][1:])
        for name in FORMATS:
            answer = self.stage.get(f"{base}&format={name}")
            self.assertEqual(answer.status, 200, name)
            wrapped = self.stage.get(f"{base},jsonwrap&format={name}").json()
            self.assertIn("result", wrapped)
            nothing = self.stage.get(f"/api/v3/data?contexts=no.such&format={name}")
            self.assertEqual((nothing.status, nothing.text), (404, "No metrics where matched to query.\n"))

    def test_another_time(self) -> None:
        """
        Averages are told for another time than a second, of fast and slow
        charts.
        """
        end = NOW // 10 * 10
        base = f"/api/v3/data?after={end - 19}&before={end}&contexts=disk.io&group_by=instance&aggregation=sum&points=2"
        plain = self.stage.get(base + "&time_group=sum").json()["result"]
        told = self.stage.get(base + "&time_resampling=10").json()["result"]
        self.assertEqual(told["labels"], plain["labels"])
        self.assertEqual([row[0] for row in told["data"]], [end, end - 10])
        self.assertEqual(told["data"], plain["data"])
        twice = self.stage.get(base + "&time_resampling=5").json()["result"]["data"]
        for row, other in zip(twice, plain["data"], strict=True):
            for one, two in zip(row[1:], other[1:], strict=True):
                self.assertAlmostEqual(one[0], two[0] / 2, places=6)

    def test_nothing(self) -> None:
        """
        A question that nothing fits has an answer without columns.
        """
        answer = self.ask("contexts=no.such")
        self.assertEqual(answer["result"]["labels"], ["time"])
        self.assertEqual(answer["totals"]["dimensions"]["sl"], 0)

    def test_refused(self) -> None:
        """
        What is not offered, or is too much, is refused with what would be
        right.
        """
        for question, reason in (
            ("group_by=colour", "group_by: 'colour' is none of dimension, instance"),
            ("group_by=label", "group_by_label: which label?"),
            ("aggregation=most", "aggregation: 'most' is none of avg"),
            ("time_group=no-such", "time_group: "),
            ("format=xml", "format: 'xml' is not offered; there are json2, json, csv"),
            ("time_resampling=hour", "time_resampling: 'hour' is not a whole number"),
            ("points=many", "points: 'many' is not a whole number"),
        ):
            answer = self.stage.get(f"/api/v3/data?{question}")
            self.assertEqual(answer.status, 400, question)
            self.assertIn(reason, answer.text)
        with mock.patch.object(grouped, "MOST_SERIES", 5):
            answer = self.stage.get("/api/v3/data")
        self.assertEqual((answer.status, answer.text[:23]), (400, "More than 5 series fit:"))

    def test_failed(self) -> None:
        """
        A node whose samples cannot be read is counted as failed, and the others
        are told of.
        """
        query = RamDB.query

        def broken(db: RamDB, node: str, *rest: Any) -> Deferred[Any]:
            return fail(OSError("the disk is gone")) if node == CHILD else query(db, node, *rest)

        with mock.patch.object(RamDB, "query", broken):
            answer = self.ask("contexts=net.net&group_by=node")
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertEqual(answer["totals"]["nodes"], {"sl": 3, "ex": 0, "qr": 2, "fl": 1})
        self.assertEqual([n["st"]["code"] for n in answer["summary"]["nodes"]], [200, 500, 200])


class CatalogTests(SynchronousTestCase):
    """
    Tests for L{netstream.web.catalog}.
    """

    def setUp(self) -> None:
        self.stage = Fleet()

    def test_contexts(self) -> None:
        """
        The contexts of all nodes, with what is asked for of each.
        """
        answer = self.stage.get("/api/v3/contexts").json()["contexts"]
        self.assertEqual(list(answer), ["disk.io", "net.net"])
        self.assertEqual(
            answer["net.net"],
            {
                "title": "Bandwidth",
                "family": "eth0",
                "units": "kilobits/s",
                "chart_type": "line",
                "priority": 7000,
                "first_entry": NOW - ROOM,
                "last_entry": NOW,
                "live": True,
                "nodes": 3,
            },
        )
        more = self.stage.get(
            "/api/v3/contexts?scope_contexts=disk*&nodes=web2&labels=kind:hdd&options=dimensions,instances,labels"
        ).json()["contexts"]
        self.assertEqual(list(more), ["disk.io"])
        self.assertEqual([d["id"] for d in more["disk.io"]["dimensions"]], ["reads", "writes"])
        self.assertEqual(more["disk.io"]["instances"], [{"id": "disk.sdb", "nm": "disk.sdb", "mg": OTHER}])
        self.assertEqual(more["disk.io"]["labels"]["device"], ["sdb"])
        for chosen, wanted in (
            ("dimensions=sent", ["net.net"]),
            ("scope_dimensions=writes", ["disk.io"]),
            ("scope_labels=device:sda", ["disk.io"]),
            ("dimensions=sent&labels=device", []),
        ):
            for path in ("contexts?", "q?q=/s&" if chosen.startswith("scope_") else "contexts?"):
                self.assertEqual(list(self.stage.get(f"/api/v3/{path}{chosen}").json()["contexts"]), wanted, chosen)

    def test_search(self) -> None:
        """
        Words are found in whatever has a name, in any case.
        """
        answer = self.stage.get("/api/v3/q?q=BERLIN").json()
        self.assertEqual([node["nm"] for node in answer["nodes"]], ["parent.example", "web1"])
        answer = self.stage.get("/api/v3/q?q=disk+SDB").json()
        self.assertEqual(list(answer["contexts"]), ["disk.io"])
        self.assertEqual(answer["contexts"]["disk.io"]["nodes"], 3)
        self.assertIn("instance", answer["contexts"]["disk.io"]["matched"])
        self.assertGreater(answer["searches"]["strings"], 10)
        self.assertEqual(self.stage.get("/api/v3/q?q=").status, 400)
