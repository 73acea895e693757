"""
Tests of the lines of statsd.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from netstream.collect.statsd.lines import LONGEST_LINE, LONGEST_NAME, Kind, Said, parse
from netstream.collect.statsd.naming import chart_id

GOOD = [
    (b"a:1|c", Said(b"a", Kind.COUNTER, b"1")),
    (b"a:1|C", Said(b"a", Kind.COUNTER, b"1")),
    (b"a:-1.5e3|g", Said(b"a", Kind.GAUGE, b"-1.5e3")),
    (b"a.b c:320|ms|@0.1", Said(b"a.b c", Kind.TIMER, b"320", 0.1)),
    (b"a:4|h|@7", Said(b"a", Kind.HISTOGRAM, b"4")),
    (b"a:4|h|@0.000001", Said(b"a", Kind.HISTOGRAM, b"4", 0.001)),
    (b"a:1:2:3|h", Said(b"a", Kind.HISTOGRAM, b"1:2:3")),
    (b"a:bob:2|s", Said(b"a", Kind.SET, b"bob:2")),
    (b"a:x y|d|@0.5", Said(b"a", Kind.DICTIONARY, b"x y", 0.5)),
    (b"a:3|m", Said(b"a", Kind.METER, b"3")),
    (b"a", Said(b"a", Kind.METER, b"1")),
    (b"a:5", Said(b"a", Kind.METER, b"5")),
    (b"a|c", Said(b"a", Kind.COUNTER, b"1")),
    (b"a=7|g", Said(b"a", Kind.GAUGE, b"7")),
    (b" a : 7 |g", Said(b"a", Kind.GAUGE, b"7")),
    (
        b"a:1|g|#units:req/s,name:my name,family:f,host:x,y",
        Said(b"a", Kind.GAUGE, b"1", tags={"units": "req/s", "name": "my name", "family": "f"}),
    ),
    (b"a:1|c|@0.5|#units:x|c:ci-123|T1656581400", Said(b"a", Kind.COUNTER, b"1", 0.5, {"units": "x"})),
]

BAD = [
    b":1|c",
    b"|c",
    b"a:x|c",
    b"a:1|x",
    b"a:|g",
    b"a:nan|g",
    b"a:inf|g",
    b"a:1_0|g",
    b"a:|s",
    b"a:1:x|h",
    b"a:1|c|@0",
    b"a:1|c|@-1",
    b"a:1|c|@x",
    b"a" * (LONGEST_NAME + 1) + b":1|c",
    b"a:" + b"1" * LONGEST_LINE + b"|s",
]


class LineTests(SynchronousTestCase):
    """
    What a line says.
    """

    def test_good(self) -> None:
        """
        Lines of all dialects are understood.
        """
        for line, said in GOOD:
            with self.subTest(line=line):
                self.assertEqual(parse(line), said)

    def test_bad(self) -> None:
        """
        What makes no sense is refused with a reason.
        """
        for line in BAD:
            with self.subTest(line=line):
                self.assertTrue(str(self.assertRaises(ValueError, parse, line)))

    def test_anything(self) -> None:
        """
        No bytes do worse than being refused.
        """
        random = Random(7)
        for _ in range(3000):
            line = bytes(random.choice(b"ab:|@#,.=+-19e_ \xff\x00gcmshd") for _ in range(random.randrange(20)))
            try:
                said = parse(line)
            except ValueError:
                continue
            self.assertTrue(said.name and said.value)


class NamingTests(SynchronousTestCase):
    """
    What charts are called.
    """

    def test_ids(self) -> None:
        """
        Ids are those that a real agent makes.
        """
        for name, expected in (
            ("g1", "statsd_g1.gauge"),
            ("g_bad", "statsd_g.bad_gauge"),
            ("a.b.c", "statsd_a.b.c_gauge"),
            ("a..d", "statsd_a..d_gauge"),
            (".lead", "statsd_.lead_gauge"),
            ("trail.", "statsd_trail.gauge"),
            ("g.4/x y", "statsd_g.4_x_y_gauge"),
            ("sp ace", "statsd_sp_ace.gauge"),
            ("Ünï", "statsd___n__.gauge"),
            ("com,ma", "statsd_com.ma.gauge"),
            ("UPPER.Case", "statsd_upper.case_gauge"),
            ("q\"uo'te", "statsd_q_uo_te.gauge"),
            ("p(a)r[n]", "statsd_p_a_r_n_.gauge"),
            ("a.dash-b_c", "statsd_a.dash-b_c_gauge"),
        ):
            with self.subTest(name=name):
                self.assertEqual(chart_id(name.encode(), Kind.GAUGE), expected)
