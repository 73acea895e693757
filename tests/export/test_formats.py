"""
What each receiver is told, to the byte, whatever things are called.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import cramjam
import numpy as np
from attrs import evolve
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.settings import ExportTarget
from netstream.export.format import Format
from netstream.export.formats import format_of
from netstream.export.names import Origin, Series
from netstream.export.protobuf import varint
from netstream.model.chart import Algorithm, Chart, Dimension
from tests.export.schemas import Request, WriteRequest

TIME = 1795360205
LOAD = Chart(
    "system.load",
    title="Load",
    units="load",
    family="load",
    context="system.load",
    dimensions={d: Dimension(d, divisor=1000) for d in ("load1", "load5")},
)
DISK = Chart(
    "disk.sda",
    name="disk.system",
    title="Disk I/O",
    units="KiB/s",
    family="sda",
    context="disk.io",
    dimensions={"r": Dimension("r", "reads", Algorithm.INCREMENTAL)},
)
HOST = Origin("web-1.example", "netdata", "v1.37.1", (("rack", "r 1"), ("site", "berlin")))

EVIL = "a\n1 2;x=~\"'\\{},=#%s %d\r\u2028\x00é$(id)\ud800|"
"""What a child may call anything."""


def form(kind: str, http: bool = False, source: str = "average", **more: Any) -> Format:
    """
    @return: What such a target speaks.
    """
    return format_of(ExportTarget(f"{kind}:x", kind, http, source=source, **more))


def told(
    form: Format,
    series: list[tuple[Chart, str, float]],
    origin: Origin = HOST,
    seconds: int = TIME,
) -> bytes:
    """
    @param series: Chart, dimension and value; NaN is none.
    @return: The body that says so.
    """
    named = [Series(chart, chart.dimensions[d], chart.name, chart.dimensions[d].name) for chart, d, _ in series]
    block = form.block(origin, named)
    values = np.array([value for _, _, value in series], float)
    present = ~np.isnan(values)
    values = values[present]
    if form.naming.integers:
        values = values.astype(np.int64)
    return form.body([form.fill(block, present, values, np.full(len(values), seconds, np.int64))])


ONE = [(LOAD, "load1", 5.25)]

TEXTS: tuple[tuple[str, bool, str, list[tuple[Chart, str, float]], str], ...] = (
    (
        "graphite",
        False,
        "average",
        ONE,
        f"netdata.web-1.example.system.load.load1;rack=r_1;site=berlin 5.2500000 {TIME}\n",
    ),
    (
        "graphite",
        True,
        "as collected",
        [(DISK, "r", -7)],
        f"netdata.web-1.example.disk.system.reads;rack=r_1;site=berlin -7 {TIME}\n",
    ),
    (
        "opentsdb",
        False,
        "average",
        ONE,
        f"put netdata.system.load.load1 {TIME} 5.2500000 host=web-1.example rack=r_1 site=berlin\n",
    ),
    (
        "opentsdb",
        True,
        "average",
        [*ONE, (LOAD, "load5", math.nan), (DISK, "r", 1)],
        f'[\n{{"metric":"netdata.system.load.load1","timestamp":{TIME},"value":5.2500000,'
        '"tags":{"host":"web-1.example","rack":"r_1","site":"berlin"}},\n'
        f'{{"metric":"netdata.disk.system.reads","timestamp":{TIME},"value":1.0000000,'
        '"tags":{"host":"web-1.example","rack":"r_1","site":"berlin"}}\n]\n',
    ),
    (
        "json",
        False,
        "average",
        ONE,
        '{"prefix":"netdata","hostname":"web-1.example","labels":{"rack":"r 1","site":"berlin"},'
        '"chart_id":"system.load","chart_name":"system.load","chart_family":"load","chart_context":"system.load",'
        f'"chart_type":"system","units":"load","id":"load1","name":"load1","value":5.2500000,"timestamp":{TIME}}}\n',
    ),
    (
        "influxdb",
        True,
        "average",
        [*ONE, (DISK, "r", 1)],
        "netdata.system.load,chart=system.load,family=load,host=web-1.example,rack=r\\ 1,site=berlin "
        f"load1=5.2500000 {TIME}000000000\n"
        "netdata.disk.io,chart=disk.system,family=sda,host=web-1.example,rack=r\\ 1,site=berlin "
        f"reads=1.0000000 {TIME}000000000\n",
    ),
    (
        "influxdb",
        False,
        "as collected",
        [(DISK, "r", 12)],
        "netdata.disk.io,chart=disk.system,family=sda,host=web-1.example,rack=r\\ 1,site=berlin "
        f"reads=12i {TIME}000000000\n",
    ),
)


class TextTests(SynchronousTestCase):
    """
    Formats that are text.
    """

    def test_bytes(self) -> None:
        """
        Each receiver gets what its documentation says.
        """
        for kind, http, source, series, expected in TEXTS:
            self.assertEqual(told(form(kind, http, source), series).decode(), expected)

    def test_prefix(self) -> None:
        """
        Without a prefix names begin with what comes after it.
        """
        self.assertTrue(told(form("graphite", prefix=""), ONE).startswith(b"web-1.example.system.load."))
        self.assertTrue(told(form("opentsdb", prefix=""), ONE).startswith(b"put system.load.load1 "))
        self.assertTrue(told(form("influxdb", prefix="my own"), ONE).startswith(b"my\\ own.system.load,"))

    def test_array(self) -> None:
        """
        Arrays are JSON, also of what several nodes said.
        """
        for kind in ("json", "opentsdb"):
            one = form(kind, True)
            block = one.block(HOST, [Series(LOAD, LOAD.dimensions["load1"], "c", "d")])
            part = one.fill(block, np.ones(1, bool), np.array([1.5]), np.array([TIME]))
            self.assertEqual([point["value"] for point in json.loads(one.body([part, part]))], [1.5, 1.5])


class HostileTests(SynchronousTestCase):
    """
    Names that try to become something else.
    """

    def setUp(self) -> None:
        self.chart = evolve(
            LOAD,
            id=EVIL,
            name=EVIL + "n",
            title=EVIL,
            units=EVIL,
            family=EVIL,
            context=EVIL,
            dimensions={EVIL: Dimension(EVIL)},
        )
        self.origin = Origin(EVIL, EVIL, EVIL, ((EVIL, EVIL),))
        self.series = [(self.chart, EVIL, 1.0), (LOAD, "load1", 2.0)]

    def said(self, kind: str, http: bool = False, **more: Any) -> bytes:
        """
        @return: A body of two points, one with such names.
        """
        return told(form(kind, http, prefix=EVIL, **more), self.series, self.origin)

    def test_lines(self) -> None:
        """
        No name makes a second line, a second word, or another value.
        """
        for kind, fields in (("graphite", 3), ("opentsdb", 5 + 1)):
            lines = self.said(kind).decode().split("\n")
            self.assertEqual((len(lines), lines[-1]), (3, ""))
            for line in lines[:2]:
                self.assertEqual(len(line.split(" ")), fields)
                self.assertNotRegex(line, r"[\x00-\x1f\x7f\u2028]")
            at = 1 if kind == "graphite" else 3
            self.assertEqual([float(line.split(" ")[at]) for line in lines[:2]], [1.0, 2.0])

    def test_tags(self) -> None:
        """
        No label becomes another one.
        """
        (line, _, _) = self.said("graphite").decode().split("\n")
        path, *tags = line.split(" ")[0].split(";")
        self.assertRegex(path, r"\A[A-Za-z0-9._-]+\Z")
        self.assertEqual([len(tag.split("=", 1)) for tag in tags], [2])
        (line, _, _) = self.said("opentsdb").decode().split("\n")
        for tag in line.split(" ")[4:]:
            self.assertRegex(tag, r"\A[\w./-]+=[\w./-]+\Z")

    def test_objects(self) -> None:
        """
        JSON stays JSON, of so many objects.
        """
        found = [json.loads(line) for line in self.said("json").splitlines()]
        self.assertEqual([point["value"] for point in found], [1.0, 2.0])
        self.assertIn("%s %d", found[0]["chart_id"])
        for kind in ("json", "opentsdb"):
            self.assertEqual([point["value"] for point in json.loads(self.said(kind, True))], [1.0, 2.0])

    def test_influx(self) -> None:
        """
        Each line has a measurement with tags, one field and a time.
        """
        text = self.said("influxdb", True).decode()
        lines = text.split("\n")
        self.assertEqual((len(lines), lines[-1]), (3, ""))
        for line in lines[:2]:
            measurement, field, time = re.split(r"(?<!\\) ", line)
            self.assertFalse(line.startswith("#"))
            self.assertEqual(int(time), TIME * 10**9)
            self.assertEqual(len(re.split(r"(?<!\\)=", field)), 2)
            for tag in re.split(r"(?<!\\),", measurement)[1:]:
                self.assertEqual(len(re.split(r"(?<!\\)=", tag)), 2)

    def test_protobuf(self) -> None:
        """
        Messages are read by the real library, names in labels only.
        """
        first = WriteRequest.FromString(self.said("prometheus_remote_write", True))
        second = Request.FromString(self.said("prometheus_remote_write", True, version="2.0"))
        third = ExportMetricsServiceRequest.FromString(self.said("otlp", True))
        self.assertEqual([series.samples[0].value for series in first.timeseries], [1.0, 2.0])
        self.assertEqual([series.samples[0].value for series in second.timeseries], [1.0, 2.0])
        metrics = third.resource_metrics[0].scope_metrics[0].metrics
        self.assertEqual([metric.gauge.data_points[0].as_double for metric in metrics], [1.0, 2.0])
        for series in first.timeseries:
            labels = {label.name: label.value for label in series.labels}
            self.assertRegex(labels["__name__"], r"\A[a-zA-Z_][a-zA-Z0-9_]*\Z")
            self.assertNotIn("\n", "".join(labels.values()))

    def test_no_name(self) -> None:
        """
        What has no name at all still has its place.
        """
        chart = evolve(LOAD, id="x", name="x", units="", dimensions={"d": Dimension("d")})
        named = [Series(chart, chart.dimensions["d"], "", "")]
        for kind, http in (("graphite", False), ("opentsdb", False), ("json", False), ("influxdb", True)):
            one = form(kind, http, prefix="")
            block = one.block(Origin("", "", ""), named)
            line = one.fill(block, np.ones(1, bool), np.array([1.5]), np.array([TIME])).decode()
            self.assertIn("1.5", line)
            self.assertEqual(line.count("\n"), 1)


class RemoteWriteTests(SynchronousTestCase):
    """
    Prometheus remote write.
    """

    series = [(LOAD, "load1", 5.25), (LOAD, "load5", math.nan), (DISK, "r", 100.5)]

    def labels(self, series: Any) -> dict[str, str]:
        """
        @return: Labels of a series, which come sorted and each once.
        """
        names = [label.name for label in series.labels]
        self.assertEqual(names, sorted(set(names)))
        return {label.name: label.value for label in series.labels}

    def test_version_1(self) -> None:
        """
        Series have the names that a scraper sees, sorted labels and
        milliseconds.
        """
        target = form("prometheus_remote_write", True)
        headers, content = target.request(told(target, self.series))
        self.assertEqual(
            headers,
            {
                "Content-Type": "application/x-protobuf",
                "Content-Encoding": "snappy",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
        )
        found = WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(content))).timeseries
        self.assertEqual(
            [self.labels(series) for series in found],
            [
                {
                    "__name__": "netdata_system_load_load_average",
                    "chart": "system.load",
                    "dimension": "load1",
                    "family": "load",
                    "instance": "web-1.example",
                },
                {
                    "__name__": "netdata_disk_io_KiB_persec_average",
                    "chart": "disk.system",
                    "dimension": "reads",
                    "family": "sda",
                    "instance": "web-1.example",
                },
            ],
        )
        self.assertEqual(
            [(s.samples[0].value, s.samples[0].timestamp) for s in found], [(5.25, TIME * 1000), (100.5, TIME * 1000)]
        )

    def test_bytes(self) -> None:
        """
        To the byte, for those who read without a library.
        """
        chart = evolve(LOAD, id="a", name="a", family="f", units="", context="c", dimensions={"d": Dimension("d")})
        found = told(form("prometheus_remote_write", True, prefix="p"), [(chart, "d", 1.0)], Origin("h"), 1)
        labels = b"".join(
            b"\x0a" + bytes([len(pair)]) + pair
            for pair in (
                b"\x0a\x08__name__\x12\x0bp_c_average",
                b"\x0a\x05chart\x12\x01a",
                b"\x0a\x09dimension\x12\x01d",
                b"\x0a\x06family\x12\x01f",
                b"\x0a\x08instance\x12\x01h",
            )
        )
        sample = b"\x12\x10\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\xe8\x87\x80\x80\x80\x00"
        self.assertEqual(found, b"\x0a" + varint(len(labels + sample)) + labels + sample)

    def test_version_2(self) -> None:
        """
        Texts stand in one table; type, help and unit come along.
        """
        target = form("prometheus_remote_write", True, "as collected", version="2.0")
        headers, content = target.request(told(target, [(LOAD, "load1", 5250), (DISK, "r", 7)]))
        self.assertEqual(headers["Content-Type"], "application/x-protobuf;proto=io.prometheus.write.v2.Request")
        self.assertEqual(headers["X-Prometheus-Remote-Write-Version"], "2.0.0")
        found = Request.FromString(bytes(cramjam.snappy.decompress_raw(content)))
        self.assertEqual(found.symbols[0], "")
        self.assertEqual(len(found.symbols), len(set(found.symbols)))
        told_of = []
        for series in found.timeseries:
            words = [found.symbols[ref] for ref in series.labels_refs]
            self.assertEqual(words[::2], sorted(set(words[::2])))
            meta = series.metadata
            about = (meta.type, found.symbols[meta.help_ref], found.symbols[meta.unit_ref])
            told_of.append((words[1], about, series.samples[0].value, series.samples[0].timestamp))
        self.assertEqual(
            told_of,
            [
                ("netdata_system_load", (2, "Load", "load"), 5250, TIME * 1000),
                ("netdata_disk_io_total", (1, "Disk I/O", "KiB/s"), 7, TIME * 1000),
            ],
        )

    def test_unlike_dimensions(self) -> None:
        """
        Dimensions that count differently are metrics of their own, as for a
        scraper.
        """
        mixed = evolve(LOAD, dimensions={"a": Dimension("a"), "b": Dimension("b", algorithm=Algorithm.INCREMENTAL)})
        target = form("prometheus_remote_write", True, "as collected")
        found = WriteRequest.FromString(told(target, [(mixed, "a", 1), (mixed, "b", 2)])).timeseries
        self.assertEqual(
            [self.labels(series)["__name__"] for series in found],
            ["netdata_system_load_a", "netdata_system_load_b_total"],
        )
        self.assertNotIn("dimension", self.labels(found[0]))

    def test_info(self) -> None:
        """
        One series says what the node is, with its labels in order.
        """
        for version, message in (("1.0", WriteRequest), ("2.0", Request)):
            target = form("prometheus_remote_write", True, version=version)
            block = target.info(HOST)
            assert block is not None
            found = message.FromString(target.fill(block, np.ones(1, bool), np.ones(1), np.array([TIME])))
            (series,) = found.timeseries
            if message is WriteRequest:
                self.assertEqual(
                    self.labels(series),
                    {
                        "__name__": "netdata_info",
                        "application": "netdata",
                        "instance": "web-1.example",
                        "rack": "r 1",
                        "site": "berlin",
                        "version": "v1.37.1",
                    },
                )
            self.assertEqual(series.samples[0].value, 1)

    def test_times(self) -> None:
        """
        Any second that a sample may have is told.
        """
        target = form("prometheus_remote_write", True)
        for second in (0, 1, 34359738, 34359739, 2**32, 4398046510):
            found = WriteRequest.FromString(told(target, ONE, seconds=second))
            self.assertEqual(found.timeseries[0].samples[0].timestamp, second * 1000)


class OTLPTests(SynchronousTestCase):
    """
    OpenTelemetry.
    """

    def test_message(self) -> None:
        """
        The node is the resource; gauges and counters are told apart.
        """
        target = form("otlp", True)
        headers, content = target.request(told(target, [*ONE, (LOAD, "load5", math.nan)]))
        self.assertEqual(headers, {"Content-Type": "application/x-protobuf"})
        (resource,) = ExportMetricsServiceRequest.FromString(content).resource_metrics
        attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
        self.assertEqual(
            attributes,
            {"service.name": "netdata", "host.name": "web-1.example", "rack": "r 1", "site": "berlin"},
        )
        (scope,) = resource.scope_metrics
        self.assertEqual(scope.scope.name, "netstream")
        (metric,) = scope.metrics
        self.assertEqual((metric.name, metric.description, metric.unit), ("netdata.system.load", "Load", "load"))
        (point,) = metric.gauge.data_points
        self.assertEqual((point.as_double, point.time_unix_nano), (5.25, TIME * 10**9))
        self.assertEqual(
            {a.key: a.value.string_value for a in point.attributes},
            {"chart": "system.load", "dimension": "load1", "family": "load"},
        )
        counter = told(form("otlp", True, "as collected"), [(DISK, "r", 7), (LOAD, "load1", -3)])
        counted, gauge = ExportMetricsServiceRequest.FromString(counter).resource_metrics[0].scope_metrics[0].metrics
        self.assertTrue(counted.sum.is_monotonic)
        self.assertEqual((counted.sum.aggregation_temporality, counted.sum.data_points[0].as_int), (2, 7))
        self.assertEqual(gauge.gauge.data_points[0].as_int, -3)

    def test_several_nodes(self) -> None:
        """
        What several nodes said can be one request.
        """
        target = form("otlp", True)
        body = target.body([told(target, ONE), told(target, ONE, Origin("other"))])
        names = [
            a.value.string_value
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
            for a in resource.resource.attributes
            if a.key == "host.name"
        ]
        self.assertEqual(names, ["web-1.example", "other"])
