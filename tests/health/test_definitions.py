"""
Definitions: every key, what shadows what, and how a mistake is told.
"""

from __future__ import annotations

import math
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.config.places import STOCK
from netstream.health.definitions import Definition, Delay, Repeat, first_of_each, parse
from netstream.health.library import library
from netstream.health.lookups import Lookup

WHOLE = """
# a comment
 alarm: cpu usage!
    on: system.cpu
    os: linux freebsd
 hosts: !bad* *
 plugin: proc.plugin
 module: *
 host labels: _os=linux  site = berlin paris
 host labels: tier=gold
 chart labels: device=!sda *
 class: "Utilization"
 type: System
 component: CPU
 lookup: average -10m at -1m every 20s unaligned percentage of user,system
 calc: $this * 2
 green: 10
 red: 20.5
 warn: $this > \\
    (($status >= $WARNING) ? (75) : (85))
 crit: $this > 95
 units: "%"
 summary: ${family} is busy
 info: 'CPU of ${label:device}'
 exec: /usr/local/bin/tell
 to: sysadmin webmaster
 delay: up 1m down 5m multiplier 1.5 max 1h
 repeat: warning 1h critical 10m
 options: no-clear-notification
 families: ignored
"""


def only(text: str) -> Definition:
    """
    @return: The one definition of a text without problems.
    """
    found = parse(text, "a.conf")
    assert not found.problems, found.problems
    (one,) = found.definitions
    return one


class DefinitionTests(SynchronousTestCase):
    """
    L{parse}.
    """

    def test_every_key(self) -> None:
        """
        Every key of the language is heeded, also over several lines.
        """
        one = only(WHOLE)
        self.assertEqual((one.name, one.template, one.on, one.line), ("cpu_usage_", False, "system.cpu", 3))
        assert one.os and one.hosts and one.plugin and one.lookup and one.calc and one.warn and one.crit
        self.assertTrue(one.os.matches("freebsd"))
        self.assertFalse(one.hosts.matches("bad1"))
        self.assertIsNone(one.module)
        self.assertEqual([name for name, _ in one.host_labels], ["_os", "site", "tier"])
        self.assertTrue(dict(one.host_labels)["site"].matches("paris"))
        self.assertFalse(dict(one.chart_labels)["device"].matches("sda"))
        self.assertEqual((one.classification, one.type, one.component), ("Utilization", "System", "CPU"))
        self.assertEqual(
            one.lookup,
            Lookup("average", "", -600, -60, 20, frozenset(("unaligned", "percentage")), "user,system"),
        )
        self.assertEqual((one.every, one.green, one.red, one.units), (20, 10, 20.5, "%"))
        self.assertEqual(one.warn.source, "$this > (($status >= $WARNING) ? (75) : (85))")
        self.assertEqual((one.summary, one.info), ("${family} is busy", "CPU of ${label:device}"))
        self.assertEqual((one.exec, one.to), ("/usr/local/bin/tell", "sysadmin webmaster"))
        self.assertEqual((one.delay, one.repeat), (Delay(60, 300, 1.5, 3600), Repeat(3600, 600)))
        self.assertTrue(one.no_clear)
        self.assertEqual(one.source, "line=3,file=a.conf")

    def test_defaults(self) -> None:
        """
        What is left out has the value that the language gives it.
        """
        one = only("template: x\non: a.b\nlookup: max -5m\n")
        self.assertTrue(one.template)
        self.assertEqual((one.every, one.to, one.classification), (300, "root", "Unknown"))
        self.assertEqual((one.delay, one.repeat, one.no_clear), (Delay(), None, False))
        self.assertTrue(math.isnan(one.green))
        assert one.lookup
        self.assertEqual((one.lookup.fold, one.lookup.pattern), ("sum", None))
        self.assertEqual(Delay.parse("up 10s down 1m multiplier 2").max, 120)

    def test_filters_that_refuse_everything(self) -> None:
        """
        A filter C{!*} switches a definition off; C{*} is none.
        """
        self.assertTrue(only("alarm: x\non: a.b\nevery: 1s\ncalc: 1\nhosts: !*\n").disabled)
        self.assertTrue(only("alarm: x\non: a.b\nevery: 1s\ncalc: 1\nos: !* *\n").disabled)
        self.assertFalse(only("alarm: x\non: a.b\nevery: 1s\ncalc: 1\nos: *\n").disabled)

    def test_bad_definitions(self) -> None:
        """
        A definition with a mistake is named with file and line, and the others stand.
        """
        good = "alarm: good\non: a.b\nevery: 10s\nwarn: $x > 1\n"
        for bad, line, reason in (
            ("alarm: bad\nevery: 10s\nwarn: 1\n", 1, "has no 'on' line"),
            ("alarm: bad\non: a.b\nwarn: 1\n", 1, "no 'every' line"),
            ("alarm: bad\non: a.b\nevery: 10s\n", 1, "nothing to watch"),
            ("alarm: bad\non: a.b\nevery: soon\nwarn: 1\n", 3, "'soon' is not a duration"),
            ("alarm: bad\non: a.b\nevery: 10s\nwarn: $x >\n", 4, "a value is missing"),
            ("alarm: bad\non: a.b\nlookup: often -1m\n", 3, "'often' is not a time aggregation"),
            ("alarm: bad\non: a.b\nlookup: average\n", 3, "says no time after"),
            ("alarm: bad\non: a.b\nlookup: average -1m quickly\n", 3, "'quickly' is no option"),
            ("alarm: bad\non: a.b\nlookup: countif(%5) -1m\n", 3, "countif takes a condition"),
            ("alarm: bad\non: a.b\nevery: 1s\nwarn: 1\ndelay: up 1m multiplier nan\n", 5, "multiplier"),
        ):
            found = parse(good + "\n" + bad + "\n" + good.replace("good", "better"), "x.conf")
            self.assertEqual([each.name for each in found.definitions], ["good", "better"])
            (problem,) = found.problems
            self.assertTrue(problem.startswith(f"x.conf:{line + 5}: alarm bad: "), problem)
            self.assertIn(reason, problem)

    def test_odd_lines(self) -> None:
        """
        Lines that mean nothing are named and left out, the definition stands.
        """
        found = parse(
            "junk\nevery: 1s\nalarm: x\non: a\nwarn: 1\nevery: 1s\ncolour: red\nred: no\ndelay: up\n", "x.conf"
        )
        self.assertEqual(len(found.definitions), 1)
        self.assertEqual([each.split(":")[1] for each in found.problems], ["1", "2", "7", "8", "9"])

    def test_lookups(self) -> None:
        """
        Lookups are read in all their forms.
        """
        one = Lookup.parse("countif(>= 5) -1h at -10m unaligned absolute null2zero of a|b c")
        self.assertEqual((one.method, one.condition, one.after, one.before), ("countif", ">= 5", -3600, -600))
        assert one.pattern
        self.assertTrue(one.pattern.matches("c"))
        self.assertEqual(Lookup.parse("MAX -60 of all").dimensions, "")
        self.assertEqual(Lookup.parse("percentile97 -1m min2max").fold, "min2max")
        self.assertEqual(Lookup.parse("average -5M").after, -300)
        self.assertEqual(Lookup.parse("sum -1m foreach a,b").foreach, "a,b")
        self.assertEqual(Lookup.parse("sum -1m abs match_ids").option_words, "absolute match-ids")

    def test_precedence(self) -> None:
        """
        An alarm comes before a template, a user's file before a stock one, then the first.
        """
        text = "template: x\non: c\nevery: 1s\nwarn: {}\nalarm: x\non: c\nevery: 1s\nwarn: {}\n"
        found = parse(text.format(1, 2), "stock", stock=True)
        parse(text.format(3, 4), "user", into=found)
        order = [each.warn.source for each in first_of_each(found.definitions) if each.warn]
        self.assertEqual(order, ["4", "2", "3", "1"])


class LibraryTests(SynchronousTestCase):
    """
    L{library}.
    """

    def test_shadowing(self) -> None:
        """
        A user's file takes the place of the stock file of that name, in subdirectories too.
        """
        top = Path(self.mktemp())
        for path, name in (
            ("stock/cpu.conf", "stock_cpu"),
            ("stock/ram.conf", "stock_ram"),
            ("user/health.d/mine/cpu.conf", "my_cpu"),
            ("user/health.d/notes.txt", "no"),
        ):
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(f"alarm: {name}\non: a\nevery: 1s\nwarn: 1\n")
        found = library(top / "user", stock_dir=top / "stock")
        self.assertEqual(
            [(each.name, each.stock) for each in found.definitions], [("my_cpu", False), ("stock_ram", True)]
        )
        found = library(top / "user", stock_dir=top / "stock", stock=False)
        self.assertEqual([each.name for each in found.definitions], ["my_cpu"])

    def test_unreadable(self) -> None:
        """
        A file that cannot be read is named, and the others are.
        """
        top = Path(self.mktemp())
        (top / "health.d").mkdir(parents=True)
        (top / "health.d" / "huge.conf").write_bytes(b"#" * (5 << 20))
        found = library(top, stock=False)
        self.assertIn("huge.conf: is larger than", found.problems[0])

    def test_stock(self) -> None:
        """
        The alerts that come with netstream have nothing wrong in them.
        """
        found = library(Path(self.mktemp()), stock_dir=STOCK / "health.d")
        self.assertEqual(found.problems, [])
        self.assertEqual(len({each.name for each in found.definitions}), len(found.definitions))
