"""
C{exporting.conf}: what it says, and what is said of it.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.config import ConfigError, load
from netstream.config.export_options import ELSEWHERE, EXPORT_OPTIONS, HTTP_PORTS, PATHS, PORTS, TYPES
from netstream.config.places import STOCK
from netstream.config.settings import ExportTarget, Settings

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
ON = "[exporting:global]\nenabled = yes\n"


class ExportingCase(SynchronousTestCase):
    """
    A directory for the file.
    """

    def load(self, text: str, *overrides: str) -> Settings:
        """
        @return: What a node with that file is told.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / "exporting.conf").write_text(text)
        (directory / "exporting.conf").chmod(0o600)
        return load("standalone", directory, directory / "data", overrides)

    def target(self, text: str) -> ExportTarget:
        """
        @return: The only target of a file, which gets no warning.
        """
        settings = self.load(text)
        self.assertEqual(settings.warnings, ())
        (target,) = settings.exporting
        return target

    def wrong(self, text: str) -> str:
        """
        @return: The error that stops the start.
        """
        return str(self.assertRaises(ConfigError, self.load, text))


class ReadingTests(ExportingCase):
    """
    What the file means.
    """

    def test_off(self) -> None:
        """
        Nothing is sent unless exporting and the target are switched on.
        """
        self.assertEqual(self.load("[graphite:a]\nenabled = yes\n").exporting, ())
        self.assertEqual(self.load(ON + "[graphite:a]\ndestination = x\n").exporting, ())
        self.assertEqual(self.load("").exporting, ())
        self.assertEqual(len(self.load(ON + "[graphite:a]\nenabled = yes\n").exporting), 1)

    def test_layers(self) -> None:
        """
        The section of the target comes first, then that of its type, then the
        global one.
        """
        text = "{}[graphite]\n{}[graphite:a]\nenabled = yes\n{}"
        for glob, kind, own, prefix in (
            ("", "", "", "netdata"),
            ("prefix = g\n", "", "", "g"),
            ("prefix = g\n", "prefix = t\n", "", "t"),
            ("prefix = g\n", "prefix = t\n", "prefix = o\n", "o"),
        ):
            self.assertEqual(self.target(text.format(ON + glob, kind, own)).prefix, prefix)

    def test_types(self) -> None:
        """
        Each type has its port and path, encrypted or not.
        """
        for kind in TYPES:
            for transport in ("", ":http", ":https"):
                target = self.target(f"{ON}[{kind}{transport}:x y]\nenabled = yes\ndestination = h\n")
                http = bool(transport) or kind not in PORTS
                (place,) = target.destinations
                self.assertEqual((target.kind, target.http, target.path), (kind, http, PATHS[kind]))
                self.assertEqual(place.port, (HTTP_PORTS if http else PORTS)[kind])
                self.assertEqual(place.tls, transport == ":https")

    def test_values(self) -> None:
        """
        Options are read in the words of an agent's file.
        """
        target = self.target(
            ON + "[graphite:a]\nenabled = yes\ndestination = one tcp:two:99 [::1]:7 three:8:SSL\n"
            "data source = as-collected\nupdate every = 30\nbuffer on failures = 20\ntimeout ms = 2500\n"
            "send names instead of ids = no\nsend configured labels = no\nsend automatic labels = yes\n"
            "send charts matching = system.* !*\nsend hosts matching = web*\nhostname = me\nspool size = 10MiB\n"
        )
        self.assertEqual(
            [(d.host, d.port, d.tls) for d in target.destinations],
            [("one", 2003, False), ("two", 99, False), ("::1", 7, False), ("three", 8, True)],
        )
        self.assertEqual((target.source, target.update_every, target.buffered), ("as collected", 30, 600))
        self.assertEqual((target.timeout, target.spool_size, target.hostname), (2.5, 10 << 20, "me"))
        self.assertEqual((target.names, target.configured_labels, target.automatic_labels), (False, False, True))
        self.assertTrue(target.charts.matches("system.cpu"))
        self.assertFalse(target.hosts.matches("db1"))
        self.assertEqual(self.target(ON + "[json:a]\nenabled=yes\nbuffer on failures = 2h").buffered, 7200)
        old = self.target(ON + "[prometheus_remote_write:p]\nenabled = yes\nremote write URL path = /api/v1/write\n")
        self.assertEqual(old.path, "/api/v1/write")

    def test_command_line(self) -> None:
        """
        The command line wins.
        """
        settings = self.load(
            ON + "[graphite:a]\nenabled = yes\nprefix = file\n",
            "exporting.conf:graphite:a/prefix=line",
            "exporting.conf:json:b/enabled=yes",
        )
        self.assertEqual(
            [(t.section, t.prefix) for t in settings.exporting], [("graphite:a", "line"), ("json:b", "netdata")]
        )

    def test_errors(self) -> None:
        """
        What must not be guessed stops the start, with file, line, section,
        option and what would be right.
        """
        self.assertEqual(
            self.wrong(ON + "[graphite:a]\nenabled = yes\nupdate every = soon\n"),
            "exporting.conf:5: [graphite:a] update every: 'soon' is not a duration such as '90s', '5m' or '1h'",
        )
        for line in (
            "update every = 0",
            "update every = 2h",
            "data source = median",
            "buffer on failures = -1",
            "timeout ms = 0",
            "reconnect delay = 0",
            "spool size = 3",
            "spool size = much",
            "url path = here",
            "url path = /a b",
            "remote write version = 3.0",
            "destination =",
            "destination = udp:a",
            "destination = a:b:c",
            "destination = a:99999",
        ):
            message = self.wrong(f"{ON}[graphite:a]\nenabled = yes\n{line}\n")
            self.assertRegex(message, r"^exporting\.conf:5: \[graphite:a\] [a-z ]+: .", line)
        secret = self.wrong(ON + "[json:http:a]\nenabled = yes\npassword = gehe\u00efm\n")
        self.assertNotIn("gehe", secret)
        message = str(self.assertRaises(ConfigError, self.load, ON, "exporting.conf:graphite"))
        self.assertIn("exporting.conf:SECTION/OPTION=VALUE", message)

    def test_warnings(self) -> None:
        """
        What has no effect is told, and stops nothing.
        """
        settings = self.load(
            ON + "[grafite:a]\nenabled = yes\nprefix = x\n[graphite:b]\nenabled = yes\nprefx = y\nusername = me\n"
            "[kinesis:c]\nenabled = yes\n[json:http:d]\nenabled = yes\npassword = secret\nsend variables = yes\n"
        )
        told = "\n".join(settings.warnings)
        self.assertEqual(len(settings.warnings), 6, told)
        self.assertIn(
            "exporting.conf:4: [grafite:a]: not a known section, ignored; did you mean [graphite:NAME]?", told
        )
        self.assertIn("[graphite:b] prefx: not known, ignored; did you mean 'prefix'?", told)
        self.assertIn("[graphite:b] username: no effect for [graphite:b], which is not HTTP", told)
        self.assertIn("[kinesis:c]: left out: netstream has no kinesis connector", told)
        self.assertIn("[json:http:d] password: goes over the network in plain text", told)
        self.assertIn("send variables: not yet effective", told)
        self.assertNotIn("secret", told)
        self.assertNotIn("secret", repr(settings))
        self.assertEqual(len(settings.exporting), 2)

    def test_readable(self) -> None:
        """
        A file with a password that others can read is pointed out.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        path = directory / "exporting.conf"
        path.write_text(ON + "[json:https:d]\nenabled = yes\npassword = secret\n")
        path.chmod(0o644)
        (warning,) = load("standalone", directory, directory / "data").warnings
        self.assertIn("chmod 600", warning)


class DocumentationTests(ExportingCase):
    """
    What people read about the file is true.
    """

    def test_stock_file(self) -> None:
        """
        The stock file changes nothing as it is, names every option, and each
        value that it shows is the default.
        """
        text = (STOCK / "exporting.conf").read_text()
        self.assertEqual(self.load(text).exporting, ())
        self.assertEqual(self.load(text).warnings, ())
        for option in EXPORT_OPTIONS:
            self.assertRegex(text, rf"(?m)^    #{re.escape(option.name)} =", option.name)
        for kind in TYPES:
            self.assertRegex(text, rf"(?m)^\[{kind}(:http)?:")
        shown = re.sub(r"(?m)^    #([a-zA-Z][a-zA-Z ]+ = .+)$", r"    \1", text)
        shown = shown.replace("enabled = no", "enabled = yes")
        bare = re.sub(r"(?m)^    #?enabled = no$", "    enabled = yes", text)
        bare = re.sub(r"(?m)^    #enabled = no$", "    enabled = yes", bare)
        with_values, without = self.load(shown), self.load(bare)
        self.assertEqual(len(with_values.exporting), 6)
        for one, other in zip(with_values.exporting, without.exporting, strict=True):
            for field in ("path", "source", "update_every", "buffered", "timeout", "prefix", "names", "version"):
                self.assertEqual(getattr(one, field), getattr(other, field), field)
            self.assertEqual(
                [(d.host, d.port) for d in one.destinations], [(d.host, d.port) for d in other.destinations]
            )

    def test_page(self) -> None:
        """
        The page about the configuration names every option and type.
        """
        page = PAGE.read_text()
        for option in EXPORT_OPTIONS:
            for _, name in option.spellings():
                self.assertTrue(f"`{name}`" in page, name)
        for kind in (*TYPES, *ELSEWHERE):
            self.assertTrue(f"`{kind}`" in page, kind)
