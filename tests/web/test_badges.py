"""
Badges: a value as a small picture.
"""

from __future__ import annotations

import math
import re
from html import unescape
from pathlib import Path
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netstream.health.numbers import value_text
from netstream.model.chart import Chart, Dimension
from netstream.web.badges import value_color
from netstream.web.svg import MOST_CHARACTERS, Badge
from tests.health.stage import Stage as Watching
from tests.web.stage import CHILD, NOW, Response, Stage
from tests.web.test_alerts import TEXT, Client
from tests.web.test_hostile import NASTY

SVG = "{http://www.w3.org/2000/svg}"


class Seen:
    """
    What someone sees of a badge, ours or that of an agent.
    """

    def __init__(self, picture: Response | bytes) -> None:
        if not isinstance(picture, bytes):
            assert picture.headers["Content-Type"] == "image/svg+xml", picture.headers
            picture = picture.body
        self.root = ElementTree.fromstring(picture)
        assert self.root.tag == f"{SVG}svg"
        texts = [each.text or "" for each in self.root.iter(f"{SVG}text")]
        assert texts[0::2] == texts[1::2] or texts[0] == texts[1], texts
        self.label, self.value = texts[0], texts[2]
        rects = [each.attrib for each in self.root.findall(f"{SVG}g/{SVG}rect")]
        self.colors = rects[0]["fill"], rects[1]["fill"]
        self.widths = rects[0]["width"], rects[1]["width"]
        self.height = rects[0]["height"]
        self.text_colors = tuple(
            each.attrib["fill"] for each in self.root.iter(f"{SVG}text") if "fill-opacity" not in each.attrib
        )

    @property
    def said(self) -> tuple[object, ...]:
        """
        All of it but how wide it is.
        """
        return self.label, self.value, self.colors, self.text_colors, self.height


class BadgeTests(SynchronousTestCase):
    """
    Tests for L{netstream.web.badges}.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.usual()

    def seen(self, **asked: object) -> Seen:
        """
        @return: The badge for a chart with parameters.
        """
        response = self.stage.get("/api/v1/badge.svg?" + urlencode({"chart": "system.cpu", **asked}))
        self.assertEqual(response.status, 200)
        return Seen(response)

    def test_plain(self) -> None:
        """
        A badge shows name, newest value and units of a chart.
        """
        seen = self.seen()
        self.assertEqual((seen.label, seen.value), ("system.cpu", "25%"))
        self.assertEqual(seen.colors, ("#555", "#4c1"))
        self.assertEqual(self.seen(chart="disk.system").value, "50 KiB/s")
        self.assertEqual(self.seen(chart="disk.sda", options="abs").value, "150 KiB/s")
        self.assertEqual(self.seen(chart="disk.sda", options="min2max").value, "150 KiB/s")

    def test_parameters(self) -> None:
        """
        Whoever makes a badge chooses dimensions, window, text, units, factor
        and looks.
        """
        seen = self.seen(chart="system.load", dimensions="load5", label="five", units="procs", multiply=3, divide=2)
        self.assertEqual((seen.label, seen.value), ("five", "0.75 procs"))
        self.assertEqual(self.seen(chart="system.load", dim="load5").label, "load5")
        self.assertEqual(self.seen(chart="system.load", dimension="load1", after=-60, group="max").value, "0.9 load")
        self.assertEqual(self.seen(chart="system.load", dimension="load5", precision=3).value, "0.500 load")
        self.assertEqual(self.seen(chart="disk.sda", dimension="reads", options="percentage").value[-1], "%")
        first = self.seen(chart="system.load", dimension="load1", after=-5, points=5, options="flip").value
        last = self.seen(chart="system.load", dimension="load1", after=-5, points=5).value
        rows = self.stage.get("/api/v1/data?chart=system.load&dimension=load1&after=-5&points=5").json()["data"]
        self.assertEqual((first, last), (f"{rows[-1][1]:g} load", f"{rows[0][1]:g} load"))
        looks = self.seen(
            label_color="red", text_color_lbl="000", text_color_val="yellow", value_color="f0f", scale=200
        )
        self.assertEqual(looks.colors, ("#e05d44", "#f0f"))
        self.assertEqual(looks.text_colors, ("#000", "#dfb317"))
        self.assertEqual(looks.height, "40.00")
        self.assertEqual(self.seen(fixed_width_lbl=50, fixed_width_val=80).widths, ("50.00", "80.00"))
        self.assertNotEqual(self.seen(fixed_width_lbl=50).widths[0], "50.00")
        self.assertEqual(self.seen(label_color='"/><script>').colors[0], "#555")

    def test_colors(self) -> None:
        """
        The first colour whose condition fits is shown, else the last.
        """
        for text, value, wanted in (
            ("red<1|blue>=1", 5.0, "007ec6"),
            ("red:null|yellow>0", 5.0, "dfb317"),
            ("red:null|yellow>0", math.nan, "e05d44"),
            ("red!null|yellow", math.nan, "dfb317"),
            ("red(5|blue", 5.0, "e05d44"),
            ("red)6|blue", 5.0, "007ec6"),
            ("red{5|blue}4", 5.0, "007ec6"),
            ("red!5|blue:5", 5.0, "007ec6"),
            ("red!=5|blue<>4", 5.0, "007ec6"),
            ("red>1000|blue<0", 5.0, "007ec6"),
            ("red>1000", math.nan, "e05d44"),
            ("yellow", math.nan, "dfb317"),
            ("nothing", 5.0, "555"),
            ("RED", 5.0, "555"),
            ("red>x", 5.0, "e05d44"),
            ("|", 5.0, "4c1"),
            ("", 5.0, "4c1"),
            ("red<\n>", 5.0, "e05d44"),
        ):
            self.assertEqual(value_color(text, value), wanted, (text, value))

    def test_durations(self) -> None:
        """
        Times and states are said in words, as agents say them.
        """
        for value, units, wanted in (
            (7794.0, "seconds ago", "02:09:54 ago"),
            (7776000.0 + 18872, "seconds", "90 days 05:14:32"),
            (6820.0, "minutes", "4d 17h 40m"),
            (77.9, "minutes ago", "1h 17m ago"),
            (7794.0, "hours", "324d 18h"),
            (5.0, "hours ago", "5h ago"),
            (-90.0, "seconds", "-00:01:30"),
            (0.0, "seconds", "now"),
            (math.nan, "minutes", "undefined"),
            (math.nan, "x", "-"),
            (1.0, "up/down", "up"),
            (0.0, "ok/failed", "failed"),
            (7.25, "empty", "7.25"),
            (7.25, "  z", "7.25  z"),
        ):
            self.assertEqual(value_text(value, units), wanted)

    def test_missing(self) -> None:
        """
        A badge for what is not there says so, and remains a picture.
        """
        for target, label, status in (
            ("/api/v1/badge.svg?chart=none", "chart not found", 200),
            ("/api/v1/badge.svg?chart=system.cpu&alarm=none", "alarm not found", 200),
            ("/host/nobody/api/v1/badge.svg?chart=system.cpu", "host not found", 200),
            ("/api/v1/badge.svg?chart=system.cpu&dimension=none", "none", 200),
            ("/api/v1/badge.svg?chart=system.cpu&after=1000&before=2000", "system.cpu", 200),
            ("/api/v1/badge.svg", "No chart id is given at the request.", 400),
            ("/api/v1/badge.svg?chart=system.cpu&after=x", "after: 'x' is not a whole number such as -1.", 400),
        ):
            response = self.stage.get(target)
            seen = Seen(response)
            self.assertEqual((seen.label, seen.value, response.status), (label, "-", status))
        self.assertTrue(Seen(self.stage.get("/api/v1/badge.svg?chart=system.cpu&group=x")).label.startswith("group: "))

    def test_refused(self) -> None:
        """
        Whoever may not see a badge, or asks for it as nobody should, is told
        so by a picture.
        """
        users = Path(self.mktemp())
        users.write_text("0123456789abcdef-a-token\n")
        signed_in = Stage(access_file=users)
        elsewhere = Stage()
        elsewhere.site.serve({"dashboard"})
        target = "/api/v3/badge.svg?chart=system.load"
        for got, status, label in (
            (self.stage.get(target, method="POST"), 405, "Only GET, HEAD, OPTIONS are answered here."),
            (self.stage.get(target, Host="x.example"), 421, "This node does not know itself by the name x.example."),
            (self.stage.get(target, Host="a b"), 400, "The Host header is malformed."),
            (self.stage.get(target, peer="8.8.8.8"), 403, "This node does not show itself to 8.8.8.8."),
            (self.stage.get("/api/v9/badge.svg"), 404, "Unsupported API version: v9"),
            (self.stage.get("/host/web1/api/v9/badge.svg"), 404, "Unsupported API version: v9"),
            (signed_in.get(target), 401, "Sign in to see this node"),
        ):
            seen = Seen(got)
            self.assertEqual((got.status, seen.label[: len(label)], seen.value), (status, label, "-"))
        title = Seen(self.stage.get(target, peer="8.8.8.8")).root.findtext(f"{SVG}title")
        self.assertIn("allow dashboard from = localhost", title or "")
        self.assertIn("WWW-Authenticate", signed_in.get(target).headers)
        self.assertEqual(self.stage.get(target, method="POST").headers["Allow"], "GET, HEAD, OPTIONS")
        self.assertTrue(Seen(elsewhere.get(target)).label.startswith("This port does not serve 'badges'"))

    def test_old(self) -> None:
        """
        A chart that is not collected any more has no value, and no badge
        shows its last one for ever.
        """
        self.stage.clock.advance(60)
        seen = self.seen(value_color="grey:null|green")
        self.assertEqual((seen.value, seen.colors[1]), ("-", "#555"))
        self.assertEqual(self.seen(after=NOW - 60, before=NOW - 10).value, "25%")

    def test_headers(self) -> None:
        """
        Pages elsewhere may show a badge, and browsers look again as they are
        told, not at what they have kept.
        """
        for refresh, wanted in (("", None), ("auto", "5"), ("-7", "7"), ("9" * 12, "86400")):
            got = self.stage.get(f"/api/v1/badge.svg?chart=system.cpu&after=-5&refresh={refresh}").headers
            self.assertEqual(got.get("Refresh"), wanted)
            self.assertIn("no-store", got["Cache-Control"])
            self.assertEqual(got["Cross-Origin-Resource-Policy"], "cross-origin")

    def test_hosts(self) -> None:
        """
        Each node has badges, in each version.
        """
        for prefix in ("/host/web1", f"/host/{CHILD}"):
            for version in ("v1", "v2", "v3"):
                response = self.stage.get(f"{prefix}/api/{version}/badge.svg?chart=system.load")
                self.assertEqual(Seen(response).value, "3 load")

    def test_alarms(self) -> None:
        """
        The badge of an alert shows its value in the colour of its status.
        """
        node = Watching(Path(self.mktemp()), TEXT)
        self.addCleanup(node.start().stopService)
        client = Client(node)
        for values, color in (([4.0, 2.0], "#fe7d37"), ([9.0, 2.0], "#e05d44"), ([1.0, 2.0], "#4c1")):
            node.values = values
            node.advance(30)
            got = client.get("/api/v1/badge.svg?chart=system.load&alarm=load_high&refresh=auto")
            seen = Seen(got)
            self.assertEqual((seen.label, seen.value), ("load high", f"{values[0]:g} load"))
            self.assertEqual((seen.colors[1], got.headers["Refresh"]), (color, "5"))
        seen = Seen(client.get("/api/v1/badge.svg?chart=system.load&alarm=load_high&value_color=blue>0&multiply=2"))
        self.assertEqual((seen.value, seen.colors[1]), ("2 load", "#007ec6"))

    def test_hostile(self) -> None:
        """
        No name becomes anything but text in a badge, and none makes it huge.
        """
        chart = Chart("t.t", units=NASTY[1], dimensions={name: Dimension(name) for name in NASTY})
        self.stage.fill(evolve(chart, name=NASTY[0]), {NOW: [1.0] * len(NASTY)})
        for name in (*NASTY, 'x" onload="alert(1)', "]]><script/>", "&#x3c;script&#x3e;", "\ufffe\x0b"):
            name = name.encode("utf-8", "replace").decode()
            for parameter in ("label", "units", "dimension", "alarm", "value_color", "label_color", "chart"):
                target = f"/api/v1/badge.svg?chart=t.t&{parameter}={quote(name)}"
                response = self.stage.get(target)
                seen = Seen(response)
                self.assertNotIn(b"script", re.sub(rb">[^<]*<", b"><", response.body))
                tags = {each.tag.removeprefix(SVG) for each in seen.root.iter()}
                self.assertLessEqual(tags, {"svg", "title", "linearGradient", "stop", "clipPath", "rect", "g", "text"})
                named = {attribute for each in seen.root.iter() for attribute in each.attrib}
                self.assertFalse({each for each in named if each.startswith("on") or "href" in each})
                self.assertLess(len(response.body), 12_000)

    def test_long(self) -> None:
        """
        A text without an end is cut, and says so.
        """
        drawn = Badge("x" * 5000, "1").drawn().decode()
        self.assertIn("x" * (MOST_CHARACTERS - 1) + "…", unescape(drawn))
        self.assertNotIn("x" * MOST_CHARACTERS, drawn)
