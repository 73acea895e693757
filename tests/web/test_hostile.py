"""
Names are anything that a child sends; answers stay well-formed.
"""

import csv
import io
from urllib.parse import quote

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from netstream.hub.hub import Link
from netstream.model.chart import Chart, Dimension
from netstream.model.host import HostInfo, Label
from netstream.model.updates import LabelsReplaced
from netstream.web.formats import FORMATS
from tests.web.stage import CHILD, NOW, Stage

NASTY = (
    'quote"and\\back',
    "</script><script>alert(1)</script>",
    "line\r\nSet-Cookie: a=b",
    "null\x00\x01\x1b[31m",
    "=cmd|' /C calc'!A0",
    "separators\u2028\u2029\x85",
    "lone\udc80surrogate",
    "percent%s%d%%b{}",
    "a,b|c d\te",
    "\u202eright to left",
    "../../etc/passwd",
    "time",
    "x" * 2000,
)


class HostileTests(SynchronousTestCase):
    """
    A child whose every name is meant to do harm.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.host = self.stage.hub.connect(HostInfo(CHILD, NASTY[2]), self.stage.db, Link("x", 0))
        for at, name in enumerate(NASTY):
            chart = Chart(
                f"t{at}.{name}",
                name=f"n{at}.{name}",
                title=name,
                units=name,
                family=name,
                context=name,
                plugin=name,
                module=name,
                dimensions={id: Dimension(id) for id in NASTY},
                labels={name: Label(name)},
            )
            self.stage.fill(chart, {NOW - s: [float(at)] * len(NASTY) for s in range(12)}, self.host)
        self.host.apply(LabelsReplaced({name: Label(name) for name in NASTY}))

    def test_json(self) -> None:
        """
        JSON stays strict, and no name is lost from it.
        """
        self.assertEqual(self.stage.get("/api/v1/info").json()["mirrored_hosts"][1], NASTY[2])
        prefix = f"/host/{CHILD}/api/v1"
        self.assertEqual(len(self.stage.get(f"{prefix}/charts").json()["charts"]), len(NASTY))
        self.assertEqual(len(self.stage.get(f"{prefix}/allmetrics?format=json").json()), len(NASTY))
        self.assertEqual(len(self.stage.get(f"{prefix}/contexts?options=charts").json()["contexts"]), len(NASTY))
        self.assertEqual(len(self.stage.get(f"{prefix}/info").json()["host_labels"]), len(NASTY))

    def test_data(self) -> None:
        """
        Each format of each chart is well-formed, with a column for each name.
        """
        for chart in self.host.charts:
            if "\udc80" in chart:
                continue
            for name in FORMATS:
                for options in ("", "jsonwrap", "objectrows"):
                    target = f"/host/{CHILD}/api/v1/data?chart={quote(chart)}&format={name}&options={options}&after=-3"
                    answer = self.stage.get(target)
                    self.assertEqual(answer.status, 200)
                    if answer.headers["Content-Type"].startswith("application/json"):
                        answer.json()
                    else:
                        answer.body.decode("utf-8")
        rows = self.stage.get(f"/host/{CHILD}/api/v1/data?chart=t0*&options=objectrows&after=-1").json()["data"]
        self.assertEqual(len(rows[0]), len(NASTY) + 1)

    def test_csv(self) -> None:
        """
        A spreadsheet finds as many columns as there are, none a formula.
        """
        text = self.stage.get(f"/host/{CHILD}/api/v1/data?chart=t0*&format=csv&after=-3").text
        rows = list(csv.reader(io.StringIO(text, newline="")))
        self.assertEqual([len(row) for row in rows], [len(NASTY) + 1] * 4)
        self.assertFalse([cell for cell in rows[0] if cell[:1] in tuple("=+-@\t\r")])

    def test_prometheus(self) -> None:
        """
        The reference client reads all samples of all sources.
        """
        for source in ("average", "sum", "as-collected"):
            for names in ("yes", "no"):
                for form in ("prometheus", "prometheus_all_hosts"):
                    answer = self.stage.get(
                        f"/host/{CHILD}/api/v1/allmetrics?format={form}&source={source}&names={names}&help=yes&types=yes"
                    )
                    families = list(text_string_to_metric_families(answer.text))
                    samples = [s for family in families for s in family.samples if not s.name.endswith("_info")]
                    self.assertEqual(len(samples), len(NASTY) ** 2)

    def test_headers(self) -> None:
        """
        A name never becomes a header, be it of a host or in a target.
        """
        name = quote(NASTY[2])
        for target in (
            f"/host/{name}",
            f"/host/{name}/none",
            "/host/x%0d%0aSet-Cookie:%20a=b",
            "/api/v1/x%0d%0aSet-Cookie:%20a=b",
            "/api/x%0d%0aSet-Cookie:%20a=b/y",
            f"/host/{CHILD}/api/v1/chart?chart=x%0d%0aSet-Cookie:%20a=b",
            f"/host/{CHILD}/api/v1/data?chart=t0*&filename=x%0d%0aSet-Cookie:%20a=b",
            "/x%0d%0aSet-Cookie:%20a=b",
        ):
            answer = self.stage.get(target)
            self.assertNotIn("Set-Cookie", answer.headers, target)
            self.assertNotIn("text/html", answer.headers["Content-Type"])
        self.assertEqual(self.stage.get(f"/host/{name}").headers["Location"], f"{name.replace('/', '%2F')}/")

    def test_header_bytes(self) -> None:
        """
        Headers of any bytes, or twice the one that must be single, are no
        errors of ours.
        """
        for fields, status in (
            (b"Host: \xff\xfe", 400),
            (b"Host: localhost\r\nHost: localhost", 400),
            (b"Host: localhost\r\nAccept-Encoding: \xff\r\nIf-None-Match: \xff", 200),
        ):
            for target in (b"/", b"/api/v1/charts"):
                (answer,) = self.stage.raw(b"GET %b HTTP/1.1\r\n%b\r\n\r\n" % (target, fields))
                self.assertEqual(answer.status, status, fields)

    def test_garbage(self) -> None:
        """
        What is no request is refused, and the next client is answered.
        """
        for data in (
            b"\x00\x01\x02\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET /%zz%\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET / HTTP/9.9\r\nHost: \xff\xfe\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nHost: " + b"x" * 5000 + b"\r\n\r\n",
            b"GET /" + b"x" * 60000,
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
            b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ):
            for answer in self.stage.raw(data):
                self.assertIn(answer.status // 100, (2, 4), data[:40])
        self.assertEqual(self.stage.get("/api/v1/info").status, 200)
        self.flushLoggedErrors()
