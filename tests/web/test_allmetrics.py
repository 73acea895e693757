"""
The newest of everything, for Prometheus, programs and shells.
"""

from __future__ import annotations

import subprocess
from unittest import mock

from attrs import evolve
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from netstream.model.chart import Algorithm, Dimension
from netstream.model.naming import name_part, units_part
from netstream.turns import Turns
from netstream.web import answer as answers
from netstream.web.scraping import Visit, Visits
from tests.web.stage import CPU, DISK, LOAD, NOW, Stage

NAN = float("nan")


class PrometheusTests(SynchronousTestCase):
    """
    Tests for C{allmetrics?format=prometheus}.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.usual()

    def scrape(self, question: str = "", form: str = "prometheus", peer: str = "127.0.0.1") -> str:
        """
        @return: The text, after the parser of the reference client took it.
        """
        answer = self.stage.get(f"/api/v1/allmetrics?format={form}&{question}", peer=peer)
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/plain; version=0.0.4"))
        seen = [
            (s.name, tuple(sorted(s.labels.items())))
            for f in text_string_to_metric_families(answer.text)
            for s in f.samples
        ]
        self.assertEqual(len(seen), len(set(seen)), "a series is told twice")
        return answer.text

    def test_average(self) -> None:
        """
        Averages are named by context and units, of complete points only, at
        the time their window ends.
        """
        found = self.scrape().splitlines()
        self.assertEqual(
            found[0],
            'netdata_info{instance="parent.example",application="netstream",version="v0.1.0",'
            f'_os="linux",site="berlin"}} 1 {NOW}000',
        )
        end = f"{NOW - 3}000"
        for line in (
            'netdata_system_load_load_average{chart="system.load",family="load",dimension="load5"} 0.5000000 ',
            'netdata_system_cpu_percentage_average{chart="system.cpu",family="cpu",dimension="user"} 25.0000000 ',
            'netdata_system_cpu_percentage_average{chart="system.cpu",family="cpu",dimension="idle"} 75.0000000 ',
            'netdata_disk_io_KiB_persec_average{chart="disk.system",family="sda",dimension="writes"} -50.0000000 ',
        ):
            self.assertIn(line + end, found)

    def test_sum(self) -> None:
        """
        Sums have their own name without units.
        """
        line = f'netdata_system_load_sum{{chart="system.load",family="load",dimension="load5"}} 5.0000000 {NOW - 3}000'
        self.assertIn(line, self.scrape("source=sum"))
        self.assertIn(line, self.scrape("data=volume&server=another"))

    def test_windows(self) -> None:
        """
        What a scraper gets covers the time since it came last, so nothing is
        told twice and nothing is missed; scrapers do not disturb each other.
        """
        self.assertIn('dimension="load5"} 5.0000000', self.scrape("source=sum&filter=system.load"))
        self.stage.clock.advance(4)
        self.stage.fill(LOAD, {NOW + s: [0.0, 3.0] for s in range(1, 5)})
        again = self.scrape("source=sum&filter=system.load")
        self.assertIn(f'dimension="load5"}} 4.5000000 {NOW + 1}000', again)  # three of 0.5 and one of 3
        other = self.scrape("source=sum&filter=system.load&server=other")
        self.assertIn(f'dimension="load5"}} 7.5000000 {NOW + 1}000', other)

    def test_as_collected(self) -> None:
        """
        What was collected comes as it was, counters marked as such.
        """
        found = self.scrape("source=as-collected&types=yes").splitlines()
        for line in (
            "# TYPE netdata_disk_io_total counter",
            f'netdata_disk_io_total{{chart="disk.system",family="sda",dimension="reads"}} 1000 {NOW}000',
            "# TYPE netdata_system_load gauge",
            f'netdata_system_load{{chart="system.load",family="load",dimension="load5"}} 5 {NOW}000',
        ):
            self.assertIn(line, found)

    def test_unlike_dimensions(self) -> None:
        """
        Dimensions that differ in what they count are metrics of their own.
        """
        mixed = evolve(
            LOAD,
            id="m.m",
            name="",
            context="m.m",
            dimensions={"a": Dimension("a"), "b": Dimension("b", algorithm=Algorithm.INCREMENTAL)},
        )
        self.stage.fill(mixed, {NOW: [1, 2]})
        found = self.scrape("source=raw&filter=m.m")
        self.assertIn('netdata_m_m_a{chart="m.m",family="load"} 10', found)
        self.assertIn('netdata_m_m_b_total{chart="m.m",family="load"} 20', found)

    def test_scraped_counters(self) -> None:
        """
        Counters that were scraped elsewhere keep their name.
        """
        self.stage.fill(evolve(DISK, module="prometheus"), {NOW: [1, 2]})
        self.assertNotIn("_total", self.scrape("source=as-collected&filter=disk*"))

    def test_stopped(self) -> None:
        """
        A dimension that is not collected any more is not told any more.
        """
        self.scrape("source=as-collected")
        self.stage.clock.advance(60)
        self.stage.fill(LOAD, {NOW + 60: [1, 1]})
        self.scrape("source=as-collected")
        self.stage.clock.advance(10)
        found = self.scrape("source=as-collected")
        self.assertNotIn("netdata_system_cpu", found)

    def test_types_once(self) -> None:
        """
        Help and type come once a metric, with its samples together.
        """
        self.stage.fill(evolve(DISK, id="disk.sdb", name="", family="sdb"), {NOW - s: [1, 2] for s in range(20)})
        for source in ("average", "as-collected"):
            text = self.scrape(f"types=yes&help=yes&source={source}", "prometheus_all_hosts")
            lines = [line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE")]
            self.assertEqual(len(lines), len(set(lines)))
            names = [line.partition("{")[0] for line in text.splitlines() if not line.startswith("#")]
            runs = [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]
            self.assertEqual(len(runs), len(set(runs)))

    def test_all_hosts(self) -> None:
        """
        All nodes are told apart by their name.
        """
        found = self.scrape("", "prometheus_all_hosts")
        self.assertIn('dimension="load1",instance="web1"} 1.0000000', found)
        self.assertIn('dimension="load5",instance="parent.example"} 0.5000000', found)
        alone = self.stage.get("/host/web1/api/v1/allmetrics?format=prometheus").text
        self.assertIn('dimension="load1"} 1.0000000', alone)
        self.assertNotIn("instance=", alone.partition("\n")[2])

    def test_twins(self) -> None:
        """
        Of two nodes of one name, the second goes by its machine GUID.
        """
        twin = self.stage.child("web1", "99999999-2222-2222-2222-222222222222")
        self.stage.fill(LOAD, {NOW - s: [5.0, 5.0] for s in range(20)}, twin)
        found = self.scrape("", "prometheus_all_hosts")
        self.assertIn('dimension="load1",instance="web1"} 1.0000000', found)
        self.assertIn(f'dimension="load1",instance="{twin.info.guid}"}} 5.0000000', found)

    def test_choices(self) -> None:
        """
        Names, prefix, units, time and charts are as the scraper wants them.
        """
        self.stage.fill(evolve(LOAD, dimensions={"i": Dimension("i", "n")}), {NOW - s: [1] for s in range(20)})
        self.assertIn('chart="disk.sda"', self.scrape("names=no"))
        self.assertIn('dimension="i"', self.scrape("names=no"))
        self.assertIn('dimension="n"', self.scrape("names=yes"))
        self.assertIn("my_prefix_system_load_average{", self.scrape("prefix=my%20prefix&hideunits=yes"))
        self.assertIn("_9_system_load_load_average{", self.scrape("prefix=9"))
        self.assertIn('"} 1\n', self.scrape("timestamps=no"))
        only = self.scrape("filter=disk*,nothing")
        self.assertIn("netdata_disk_io", only)
        self.assertNotIn("netdata_system", only)
        self.assertIn("netdata_active_processors 2.0000000", self.scrape("variables=yes"))
        self.assertNotIn("netdata_active_processors", self.scrape())

    def test_old_units(self) -> None:
        """
        Who reads names of long ago gets them.
        """
        found = self.scrape("oldunits=yes")
        self.assertIn("netdata_disk_io_kilobytes_persec_average{", found)
        self.assertIn("netdata_system_cpu_percent_average{", found)
        self.assertIn("netdata_system_load_load_average{", found)
        self.assertIn("netdata_disk_io_average{", self.scrape("oldunits=yes&hideunits=yes"))

    def test_gaps(self) -> None:
        """
        What has no value is left out.
        """
        self.stage.fill(LOAD, {s: [NAN, 1.0] for s in range(NOW - 600, NOW + 1)})
        found = self.scrape("filter=system.load")
        self.assertNotIn("nan", found.lower())
        self.assertNotIn('dimension="load1"', found)

    def test_refusals(self) -> None:
        """
        Formats and sources that there are not are refused with those there are.
        """
        refused = self.stage.get("/api/v1/allmetrics?format=xml")
        self.assertEqual(refused.status, 400)
        self.assertEqual(
            refused.text,
            "Which format? 'shell', 'prometheus', 'prometheus_all_hosts' and 'json' are currently supported.\n",
        )
        refused = self.stage.get("/api/v1/allmetrics?format=prometheus&source=magic")
        self.assertEqual((refused.status, refused.text[:15]), (400, "source: 'magic'"))

    def test_many(self) -> None:
        """
        Thousands of charts are answered in turns with other work, complete.
        """
        for number in range(1000):
            chart = evolve(LOAD, id=f"many.c{number}", name="", context="many.c", family="f")
            self.stage.fill(chart, {NOW - s: [1.0, 2.0] for s in range(12)})
        self.assertEqual(self.scrape("filter=many.*").count("netdata_many_c_load_average{"), 2000)

    def test_turns(self) -> None:
        """
        Between any two charts other work may have its turn, in every answer
        about all of them.
        """
        for number in range(50):
            self.stage.fill(evolve(LOAD, id=f"many.c{number}", name=""), {NOW - 1: [1.0, 2.0]})
        charts = len(self.stage.local.charts)
        looks = {"charts": 1} | {f"allmetrics?format={name}": 2 for name in ("json", "shell", "prometheus")}
        for target, each in looks.items():
            asked = []

            async def breathe(turns: Turns, asked: list[Turns] = asked) -> None:
                asked.append(turns)

            with mock.patch.object(Turns, "breathe", breathe):
                self.assertEqual(self.stage.get(f"/api/v1/{target}").status, 200)
            self.assertGreaterEqual(len(asked), each * charts, target)

    def test_written_in_parts(self) -> None:
        """
        What is written some charts at a time is the same as all at once.
        """
        for target in ("charts", "allmetrics?format=json"):
            whole = self.stage.get(f"/api/v1/{target}").json()
            for together in (1, 2):
                with mock.patch.object(answers, "TOGETHER", together):
                    self.assertEqual(self.stage.get(f"/api/v1/{target}").json(), whole)

    def test_parts_of_names(self) -> None:
        """
        Metric names are made of letters, digits and underscores.
        """
        for units, part in (("%", "_percent"), ("KiB/s", "_KiB_persec"), ("", ""), ("a b/c", "_a_b_c"), ("°C", "__C")):
            self.assertEqual(units_part(units), part)
        self.assertEqual(name_part("disk.io-x"), "disk_io_x")


class VisitTests(SynchronousTestCase):
    """
    Tests for L{netstream.web.scraping}.
    """

    def test_windows_touch(self) -> None:
        """
        However visits fall, the windows of a slow chart follow one another
        without gap.
        """
        visits = Visits()
        last = visits.visit("n", "s", 1000).window(5).before
        for now in (1007, 1013, 1020, 1031, 1090):
            plan = visits.visit("n", "s", now).window(5)
            self.assertEqual(plan.after, last)
            last = plan.before

    def test_too_early(self) -> None:
        """
        A scraper that comes again within a period gets the last point again.
        """
        visits = Visits()
        visits.visit("n", "s", 1000)
        plan = visits.visit("n", "s", 1000).window(10)
        self.assertEqual((plan.before - plan.after, len(plan)), (10, 1))

    def test_bounded(self) -> None:
        """
        Scrapers without number cost bounded memory, an absence a bounded
        window, and a clock that jumps back no error.
        """
        visits = Visits()
        for number in range(5000):
            visits.visit("n", str(number), 1000)
        self.assertLessEqual(len(visits._seen), 1000)
        self.assertEqual(visits.visit("n", "4999", 10**6), Visit(10**6 - 3600, 10**6))
        self.assertEqual(visits.visit("n", "4999", 10), Visit(10, 10))


class OtherFormatTests(SynchronousTestCase):
    """
    Tests for the formats C{json} and C{shell}.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.usual()

    def test_json(self) -> None:
        """
        A program gets the newest value of each dimension, hidden ones too.
        """
        self.stage.fill(LOAD, {NOW + 1: [NAN, 1.5]})
        found = self.stage.get("/api/v1/allmetrics?format=json&help=no&types=no&timestamps=yes&names=yes&data=average")
        tree = found.json()
        self.assertEqual(
            tree["system.load"],
            {
                "name": "system.load",
                "family": "load",
                "context": "system.load",
                "units": "load",
                "last_updated": NOW + 1,
                "dimensions": {"load1": {"name": "load1", "value": None}, "load5": {"name": "load5", "value": 1.5}},
            },
        )
        self.assertEqual(tree["system.cpu"]["dimensions"]["idle"]["value"], 75)
        only = self.stage.get("/api/v1/allmetrics?format=json&filter=disk*").json()
        self.assertEqual(list(only), ["disk.sda"])

    def test_shell(self) -> None:
        """
        A shell can source the answer; downward values are positive there.
        """
        found = self.stage.get("/api/v1/allmetrics").text
        self.assertIn('\n# chart: disk.sda (name: disk.system)\nNETDATA_DISK_SYSTEM_READS="100"      # KiB/s\n', found)
        self.assertIn('NETDATA_DISK_SYSTEM_WRITES="50"      # KiB/s', found)
        self.assertIn('NETDATA_DISK_SYSTEM_VISIBLETOTAL="150"', found)
        self.assertIn('NETDATA_SYSTEM_CPU_VISIBLETOTAL="25"', found)

    def test_sourced(self) -> None:
        """
        Whatever charts are called, nothing but assignments is run.
        """
        nasty = evolve(
            CPU,
            id='x.$(touch "/tmp/no")`id`',
            name="",
            units="\nexit 7\r\n\u2028",
            dimensions={'";exit 8;"\n': Dimension('";exit 8;"\n')},
        )
        self.stage.fill(nasty, {NOW: [1.0]})
        script = self.stage.get("/api/v1/allmetrics").body + b'\necho "$NETDATA_SYSTEM_LOAD_LOAD5"\n'
        done = subprocess.run(["/bin/sh"], input=script, capture_output=True, timeout=100)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout, b"1\n")
