"""
The documentation holds: what it tells to type works, and its links lead
somewhere.
"""

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import TestLoader, TestResult

from twisted.application.service import Application, IServiceCollection
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

import netstream
from benchmarks import pictures
from netstream.cli import main
from netstream.config import load
from netstream.db import DBEngine
from netstream.db.interfaces import HostRecord
from netstream.db.workers import Inline
from netstream.model.host import HostInfo
from netstream.model.samples import SeriesTable
from netstream.tap import Options
from netstream.testing import KEY, World
from netstream.testing.metrics_db import batch

TOP = Path(__file__).parents[1]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(
    r"`((?:\S*/)?(?:twistd|netstream (?=genkey|gencert|hash-password|check|edit-config|db |ctl ))[^`]+)`"
)
ELSEWHERE = ("git clone", "systemctl restart netdata", "systemctl daemon-reload", "systemctl enable")
"""Commands of other programs."""
PICTURE = re.compile(r'(?:src|srcset|href)="([^":]+)"')
MOST_OF_PICTURES = 3_000_000
"""Bytes."""
PLACES = {"parent.example": "localhost", "PARENT": "localhost", "KEY": KEY}


def blocks(*kinds: str) -> Iterator[tuple[str, str]]:
    """
    @return: Page and text of each fenced block of these kinds.
    """
    for page in PAGES:
        for kind, text in BLOCK.findall(page.read_text()):
            if kind in kinds:
                yield page.name, text


def commands() -> Iterator[tuple[str, str]]:
    """
    @return: Page and command of each line of a block of commands.
    """
    for page, text in blocks("sh", ""):
        for line in text.splitlines():
            if re.match(r"(\S*/)?(make|twistd|netstream|curl|git|systemctl) ", line):
                yield page, line
    for page in PAGES:
        for line in INLINE.findall(page.read_text()):
            if " -n" in line or line.partition(" ")[0] != "twistd":
                yield page.name, line


class CommandTests(SynchronousTestCase):
    """
    Every command that the documentation shows is one that works.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def run_command(self, line: str) -> None:
        line = line.partition(" >> ")[0]
        words = [PLACES.get(word, word) for word in shlex.split(line, comments=True)]
        program, arguments = words[0].rpartition("/")[2], words[1:]
        if program == "make":
            targets = re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(), re.MULTILINE)
            wanted = [word for word in arguments if "=" not in word and not word.startswith(("-", "["))]
            self.assertEqual([word for word in wanted if word not in targets], [])
        elif program == "twistd":
            arguments = arguments[arguments.index("netstream") + 1 :]
            options = Options()
            with contextlib.redirect_stdout(io.StringIO()):
                options.parseOptions(
                    [*arguments, "--config-dir", str(self.directory / "etc"), "--data-dir", str(self.directory)]
                )
            self.assertEqual([w for w in options.settings.warnings if "unknown" in w], [])
        elif program == "netstream":
            if arguments[0] == "db":
                self.run_on_database(arguments)
            elif arguments[0] == "alert":
                self.try_alerts(arguments)
            elif arguments[0] == "gencert":
                with contextlib.redirect_stdout(io.StringIO()):
                    self.assertEqual(main([*arguments, "--dir", str(self.directory / "ssl")]), 0)
            elif arguments[0] == "hash-password":
                self.patch(sys, "stdin", io.StringIO("correct horse\n"))
                with contextlib.redirect_stdout(io.StringIO()):
                    self.assertEqual(main(arguments), 0)
            elif arguments[0] == "ctl":
                self.tell_a_node(arguments)
            elif arguments[0] in ("genkey", "check"):
                more = ["--files"] if arguments[0] == "check" else []  # no test connects to the parents of an example
                if "child" in arguments:
                    more += ["--destination", "parent.example", "--api-key", "6ea7d4b2-52f0-4f43-9d5e-0d7cbbd1a3ba"]
                with contextlib.redirect_stdout(io.StringIO()):
                    self.assertIn(main([*arguments, *more]), (None, 0))
            else:
                self.assertIn(arguments[0], ("edit-config",))
        elif program == "curl":
            url = next(word for word in arguments if word.startswith("http"))
            self.visit(url.partition("/api")[1] + url.partition("/api")[2])
        else:
            self.assertTrue(line.startswith(ELSEWHERE), line)

    def tell_a_node(self, arguments: list[str]) -> None:
        """
        Say a command where no node runs: it is understood, and that is said.
        """
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            self.assertEqual(main([*arguments, "--data-dir", str(self.directory / "nowhere")]), 1)
        self.assertIn("no node runs", err.getvalue())

    def run_on_database(self, arguments: list[str]) -> None:
        """
        Run a command on a database that has the host and the chart that the
        documentation speaks of.
        """
        top = self.directory / "database"
        if not top.exists():
            db = DBEngine(top / "db", Clock(), workers=Inline())
            db.open()
            db.put_host(HostRecord(HostInfo("aaaaaaaa-bbbb-4ccc-8ddd-000000000001", "web-1")))
            table = SeriesTable("aaaaaaaa-bbbb-4ccc-8ddd-000000000001")
            db.append(batch(table, [(("system.cpu", "user"), 60, 1.0)]))
            db.close()
        for option, value in (("--data-dir", top), ("--output", top / "output")):
            if option in arguments:
                arguments[arguments.index(option) + 1] = str(value)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([*arguments, "--data-dir", str(top)])
        if "parquet" not in arguments or "pip install" not in err.getvalue():
            self.assertEqual(status, 0, err.getvalue())

    def try_alerts(self, arguments: list[str]) -> None:
        """
        Try definitions on a node of a world, which has the host that the
        documentation speaks of.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        world = World(directory)
        self.addCleanup(world.stop)
        node = world.node("web-1", mode="dbengine")
        world.advance(90)
        file = directory / "mine.conf"
        file.write_text("template: a\non: test.clock\ncalc: $second\nevery: 5s\nwarn: $this > 1\n")
        arguments[arguments.index("health.d/mine.conf")] = str(file)
        for option in ("--from", "--to", "--against"):
            if option in arguments:
                del arguments[arguments.index(option) : arguments.index(option) + 2]
        span = ["--from", str(world.now - 60), "--to", str(world.now)]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([*arguments, "--against", str(node.service.settings.data_dir), *span])
        self.assertEqual((status, err.getvalue()), (0, ""))
        self.assertIn("WARNING", out.getvalue())

    def visit(self, path: str) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        world = World(directory)
        self.addCleanup(world.stop)
        node = world.node("documented")
        for chart in ("system.cpu", "disk.sda"):
            node.say(f"CHART {chart} '' title units family {chart} stacked 100 1\nDIMENSION user '' absolute 1 1\n")
        for second in range(1250 if "baseline" in path or "weights" in path else 30):
            for chart in ("system.cpu", "disk.sda"):
                node.say(f"BEGIN {chart} 1000000\nSET user = {5 + second // 1100 * (second % 7)}\nEND\n")
            world.advance(1)
        answer = node.exchange(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer[:200])

    def test_commands(self) -> None:
        """
        What a reader types is understood.
        """
        found = list(commands())
        self.assertGreater(len(found), 15)
        for page, line in found:
            with self.subTest(page=page, line=line):
                try:
                    self.run_command(line)
                except Exception as problem:
                    self.fail(f"{page}: {line}: {problem!r}")

    def test_configuration(self) -> None:
        """
        Each piece of a configuration file that is shown is one without a
        warning.
        """
        (_, entries), *_ = blocks("access")
        (self.directory / "access").write_text(entries)
        (self.directory / "access").chmod(0o600)
        for page, text in blocks("ini"):
            if "[section]" in text:
                continue
            for name in ("cert.pem", "key.pem"):
                (self.directory / "ssl").mkdir(exist_ok=True)
                (self.directory / "ssl" / name).touch()
            for name in ("stream.conf", "netstream.conf", "exporting.conf"):
                (self.directory / name).unlink(missing_ok=True)
            of_stream = re.search(r"^\[(stream|[0-9a-f-]{36})\]", text, re.MULTILINE)
            path = self.directory / ("stream.conf" if of_stream else "netstream.conf")
            if "[exporting:global]" in text:
                path = self.directory / "exporting.conf"
            if "[app]" in text:
                (self.directory / "statsd.d").mkdir()
                path = self.directory / "statsd.d" / "app.conf"
            path.write_text(text)
            path.chmod(0o600)
            settings = load("standalone", self.directory, self.directory / "data", overrides=["plugins/statsd=yes"])
            self.assertEqual([w for w in settings.warnings if "not yet effective" not in w], [], page)

    def test_embedding(self) -> None:
        """
        The node of the README can be made in any program.
        """
        reactor = MemoryReactorClock()
        made = netstream.settings(role="child", data_dir=self.directory, destination="parent.example", api_key=KEY)
        self.assertEqual(netstream.Node(made, reactor).settings, made)

    def test_examples(self) -> None:
        """
        Examples of code can be run, and those that are tests pass.
        """
        ran = 0
        for page, text in blocks("python"):
            if page != "embedding.md":
                continue
            names: dict[str, Any] = {"__name__": "documented"}
            exec(compile(text, page, "exec"), names)
            for case in [n for n in names.values() if isinstance(n, type) and n.__module__ == "documented"]:
                result = TestResult()
                TestLoader().loadTestsFromTestCase(case).run(result)
                ran += result.testsRun
                self.assertEqual([text for _, text in result.failures + result.errors], [])
        self.assertEqual(ran, 1)

    def test_application(self) -> None:
        """
        The example of a node in an application gives it one.
        """
        text = next(text for page, text in blocks("python") if page == "embedding.md")
        names: dict[str, Any] = {}
        exec(text, names)
        application = Application("documented")
        node = names["add_child"](application, MemoryReactorClock(), KEY)
        self.assertEqual(list(IServiceCollection(application)), [node])


class LinkTests(SynchronousTestCase):
    """
    Links within the documentation.
    """

    def test_links(self) -> None:
        """
        Each page and picture that a page names is there.
        """
        for page in PAGES:
            text = page.read_text()
            for target in [*re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text), *PICTURE.findall(text)]:
                self.assertTrue((page.parent / target).exists(), f"{page.name}: {target}")

    def test_pictures(self) -> None:
        """
        There is a picture of each page in each size, light and dark, all are
        shown, and together they are no burden for whoever clones.
        """
        folder = TOP / "docs" / "images"
        wanted = {f"{page}-{size}-{theme}.png" for page in pictures.PAGES for size in pictures.SIZES
                  for theme in pictures.THEMES}  # fmt: skip
        self.assertEqual({file.name for file in folder.iterdir()}, wanted)
        shown = {Path(target).name for page in PAGES for target in PICTURE.findall(page.read_text())}
        self.assertEqual(shown, wanted)
        self.assertLess(sum(file.stat().st_size for file in folder.iterdir()), MOST_OF_PICTURES)
