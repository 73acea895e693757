"""
C{netstream db}: what a person reads who looks at a database.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from unittest import mock

import numpy as np
from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netstream.cli import main
from netstream.config.processes import DATABASE, directory_of
from netstream.db import DBEngine
from netstream.db.dbengine.archive import opened
from netstream.db.workers import Inline
from netstream.model.samples import EMPTY
from tests.db.dbengine.test_version2 import make, unpacked

pyarrow: ModuleType | None
try:
    import pyarrow.parquet
except ImportError:
    pyarrow = None


class CommandCase(SynchronousTestCase):
    """
    Runs the command on a database with two hosts, C{host-1} and C{host-60}.
    """

    def setUp(self) -> None:
        self.db = unpacked(self, "killed")

    def run_command(self, action: str, *arguments: str) -> tuple[int, str, str]:
        """
        @return: Exit status, standard output and standard error.
        """
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(["db", action, *arguments, "--data-dir", str(self.db.parent)])
            except SystemExit as stop:
                status = int(stop.code or 0)
        return status, out.getvalue(), err.getvalue()

    def record(self, tier: int = 0) -> tuple[Path, int, int]:
        """
        @return: File, offset and length of the largest row group of C{host-1}
            in a tier, with what stands before it.
        """
        archive = opened(self.db)
        try:
            place = max(archive.tiers[tier].find(1, 0, 1 << 40), key=lambda place: place.length)
        finally:
            archive.close()
        return place.segment.path, place.offset, place.length + 64

    def damage(self, path: Path, at: int) -> None:
        """
        Flip one bit.
        """
        data = bytearray(path.read_bytes())
        data[at] ^= 4
        path.write_bytes(data)

    def move_to_a_worker(self) -> None:
        """
        Have the process that serves keep nothing, and its first worker all.
        """
        theirs = self.db.with_name("theirs")
        self.db.rename(theirs)
        db = DBEngine(self.db, Clock(), workers=Inline())
        self.successResultOf(db.open())
        self.successResultOf(db.close())
        theirs.rename(directory_of(self.db.parent, DATABASE, 1))


class CheckTests(CommandCase):
    """
    C{netstream db check}.
    """

    def test_sound(self) -> None:
        """
        A sound database is a table by host and tier, and exit status 0.
        """
        status, out, err = self.run_command("check")
        self.assertEqual((status, err), (0, ""))
        rows = [line.split() for line in out.splitlines()]
        self.assertEqual(rows[0][:7], ["host", "tier", "charts", "series", "first", "last", "samples"])
        table = {(row[0], row[1]): row[2:] for row in rows[1:-1]}
        self.assertEqual({tier for _, tier in table}, {"newest", "0", "1", "2"})
        self.assertEqual(table["host-1", "newest"][:2], ["2", "3"])
        first = datetime.fromtimestamp(make.START + 60, UTC).strftime("%FT%TZ")
        self.assertEqual(table["host-60", "0"][:3], ["1", "1", first])
        self.assertEqual(out.splitlines()[-1], "All checksums are right.")

    def test_command_line(self) -> None:
        """
        The command that is installed says the same, beside its exit status.
        """
        command = [sys.executable, "-m", "netstream.cli", "db", "check", "--data-dir", str(self.db.parent)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, self.run_command("check")[1])
        path, offset, _ = self.record()
        self.damage(path, offset + 100)
        self.assertEqual(subprocess.run(command, env=environment, capture_output=True, check=False).returncode, 1)

    def test_damaged_anywhere(self) -> None:
        """
        Wherever a bit of a row group is wrong, one line names the file, the
        host and the time, and the exit status is 1.
        """
        for tier in (0, 1, 2):
            path, offset, length = self.record(tier)
            whole = path.read_bytes()
            for at in (3, 70, 200, length // 2, length - 1):
                self.damage(path, offset + at)
                status, out, _ = self.run_command("check")
                self.assertEqual(status, 1, (tier, at))
                said = [line for line in out.splitlines() if line.startswith("damaged: ")]
                self.assertTrue(said and all(str(path) in line for line in said), out)
                path.write_bytes(whole)
        self.assertEqual(self.run_command("check")[0], 0)

    def test_what_is_lost(self) -> None:
        """
        Of a record of which one column is damaged the others are not lost,
        and that is said.
        """
        self.db = unpacked(self, "closed")
        path, offset, _ = self.record()
        self.damage(path, offset + 64 + 100)
        _, out, _ = self.run_command("check")
        [line] = [line for line in out.splitlines() if line.startswith("damaged: ")]
        self.assertRegex(line, r"host-1, \S+ \S+ to \S+ \S+: 1 of 2 columns are lost: value of series \d: ")

    def test_of_a_worker(self) -> None:
        """
        The database of a worker is looked at as well.
        """
        alone = self.run_command("check")
        self.move_to_a_worker()
        self.assertEqual(self.run_command("check"), alone)

    def test_other_files(self) -> None:
        """
        A damaged page, catalog or log of names is found as well.
        """
        pages = sorted((self.db / "hot").iterdir())
        for path, at in (
            (pages[0], 9),
            (self.db / "catalog.sqlite-wal", 60),
            (next((self.db / "names").iterdir()), 20),
        ):
            whole = path.read_bytes()
            self.damage(path, at)
            status, out, _ = self.run_command("check")
            self.assertEqual(status, 1, path)
            self.assertIn("damaged: ", out)
            path.write_bytes(whole)
        pages[0].write_bytes(pages[0].read_bytes()[:10000])
        self.assertIn("its end is cut off", self.run_command("check")[1])

    def test_beside_a_node(self) -> None:
        """
        Beside a node that runs nothing is disturbed, and that it runs is said.
        """
        clock = Clock()
        clock.advance(make.END + 5)
        db = DBEngine(self.db, clock, retention=make.RETENTION, workers=Inline(), boot="a boot id")
        self.successResultOf(db.open())
        status, out, _ = self.run_command("check")
        self.assertEqual(status, 0, out)
        self.assertIn("A node is running", out)
        rows = self.run_command("export", "--host", "host-1", "--chart", "late.chart")[1]
        self.assertEqual(len(rows.splitlines()), 2)
        self.successResultOf(db.close())
        self.assertNotIn("A node is running", self.run_command("check")[1])

    def test_nothing(self) -> None:
        """
        Where no database is, that is said and none is made.
        """
        self.db = Path(self.mktemp()) / "db"
        status, _, err = self.run_command("check")
        self.assertEqual(status, 1)
        self.assertIn("there is no database here; --data-dir names", err)
        self.assertFalse(self.db.exists())


class ExportTests(CommandCase):
    """
    C{netstream db export}.
    """

    def rows(self, *arguments: str) -> list[list[str]]:
        """
        @return: The rows of the CSV.
        """
        status, out, err = self.run_command("export", *arguments)
        self.assertEqual((status, err), (0, ""))
        return list(csv.reader(io.StringIO(out)))

    def test_exact(self) -> None:
        """
        Every sample comes out with its time and its exact value, a gap as
        nothing.
        """
        head, *rows = self.rows("--host", "host-1", "--chart", "system.cpu")
        self.assertEqual(head, ["time", "unix", "user", "idle"])
        times, values, _ = make.samples(make.USER)
        self.assertEqual([int(row[1]) for row in rows], times.tolist())
        self.assertEqual([row[2] for row in rows if not row[2]], [""] * 10)
        got = np.array([float(row[2] or "nan") for row in rows])
        self.assertEqual(np.nan_to_num(got).tobytes(), np.nan_to_num(values).tobytes())
        self.assertEqual({row[3] for row in rows}, {"7"})
        self.assertEqual(rows[0][0], datetime.fromtimestamp(make.START + 1, UTC).strftime("%FT%TZ"))
        self.assertEqual(float(self.rows("--host", make.FAST, "--chart", "late.chart")[1][2]), 2.0**-150 / 3)

    def test_of_a_worker(self) -> None:
        """
        A host is found that a worker has; one that nobody has is not.
        """
        alone = self.rows("--host", "host-1", "--chart", "system.cpu")
        self.move_to_a_worker()
        self.assertEqual(self.rows("--host", "host-1", "--chart", "system.cpu"), alone)
        status, out, err = self.run_command("export", "--host", "nobody", "--chart", "system.cpu")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("there is no host 'nobody'", err)

    def test_slow(self) -> None:
        """
        A host with a point a minute has a row a minute, all eleven days.
        """
        rows = self.rows("--host", "host-60", "--chart", "sensors.temp")[1:]
        times, values, _ = make.samples(make.OUTSIDE)
        self.assertEqual([int(row[1]) for row in rows], times.tolist())
        self.assertEqual([float(row[2]) for row in rows], values.tolist())

    def test_span(self) -> None:
        """
        C{--after} is excluded and C{--before} included, however they are
        written.
        """
        for write in (
            str,
            lambda second: datetime.fromtimestamp(second, UTC).isoformat(),
            lambda second: datetime.fromtimestamp(second, UTC).strftime("%FT%T"),
        ):
            for name, first in (("after", 11), ("before", 1)):
                spelled: Callable[[int], str] = write
                arguments = ("--host", "host-1", "--chart", "system.cpu", f"--{name}={spelled(make.START + 10)}")
                rows = self.rows(*arguments)[1:]
                self.assertEqual(int(rows[0][1]), make.START + first)
                if name == "before":
                    self.assertEqual(len(rows), 10)
        with mock.patch("time.time", return_value=float(make.END + 60)):
            for text in ("2m ago", "-2m", "-120"):
                rows = self.rows("--host", "host-1", "--chart", "system.cpu", f"--after={text}")[1:]
                self.assertEqual([int(row[1]) for row in rows], list(range(make.END - 59, make.END + 1)))
        status, _, err = self.run_command("export", "--host", "host-1", "--chart", "system.cpu", "--after", "soon")
        self.assertEqual(status, 1)
        self.assertIn("--after: 'soon' is no time such as", err)

    def test_dimensions_and_flags(self) -> None:
        """
        One can have some dimensions only, and words for what is special.
        """
        arguments = ("--host", "host-1", "--chart", "system.cpu", "--dimension", "user", "--flags")
        head, *rows = self.rows(*arguments)
        self.assertEqual(head, ["time", "unix", "user", "user flags"])
        self.assertEqual([row[3] for row in rows[199:211]], ["", *["anomalous"] * 10, ""])
        self.assertEqual([row[3] for row in rows[299:304]], ["", *["reset"] * 3, ""])
        _, _, flags = make.samples(make.USER)
        self.assertEqual(sum(row[3] != "" for row in rows), int(((flags > 0) & (flags != EMPTY)).sum()))

    def test_tiers(self) -> None:
        """
        Rows of coarser tiers have their five columns.
        """
        for tier, step in ((1, 60), (2, 3600)):
            head, *rows = self.rows("--host", "host-60", "--chart", "sensors.temp", "--tier", str(tier))
            self.assertEqual(head[2:], [f"outside {name}" for name in ("sum", "min", "max", "count", "anomalous")])
            times, values, _ = make.samples(make.OUTSIDE)
            self.assertGreater(len(rows), 10 * 86400 // step * 0.9)
            for row in (rows[0], rows[-1]):
                inside = values[(times > int(row[1]) - step) & (times <= int(row[1]))]
                self.assertEqual([float(row[3]), float(row[4]), int(row[5])], [inside.min(), inside.max(), len(inside)])
                self.assertAlmostEqual(float(row[2]), inside.sum())
        self.assertIn("there are tiers 0 to 2", self.run_command("export", "--host=a", "--chart=b", "--tier=3")[2])

    def test_unknown(self) -> None:
        """
        What is not there is answered with what is like it.
        """
        for arguments, words in (
            (("--host", "hots-1", "--chart", "x"), "there is no host 'hots-1'; did you mean host-1"),
            (("--host", "zzz", "--chart", "x"), "there is no host 'zzz'; there are host-1, host-60"),
            (("--host", "host-1", "--chart", "cpu"), "no samples of a chart 'cpu'; did you mean system.cpu?"),
            (
                ("--host", "host-1", "--chart", "system.cpu", "--dimension", "usr"),
                "system.cpu has no dimension 'usr'; did you mean user?",
            ),
        ):
            status, out, err = self.run_command("export", *arguments)
            self.assertEqual((status, out), (1, ""))
            self.assertIn(words, err)
            self.assertEqual(err.count("\n"), 1)

    def test_output(self) -> None:
        """
        A file has the same as the standard output, and is not there when it
        cannot be whole.
        """
        path = self.db.parent / "cpu.csv"
        arguments = ("--host", "host-1", "--chart", "system.cpu")
        status, out, err = self.run_command("export", *arguments, "--output", str(path))
        self.assertEqual((status, out), (0, ""))
        self.assertIn(f"5601 rows are in {path}", err)
        self.assertEqual(path.read_text(), self.run_command("export", *arguments)[1])
        status, _, err = self.run_command("export", *arguments, "--output", str(self.db / "no" / "cpu.csv"))
        self.assertEqual(status, 1)
        self.assertIn("No such file", err)

    def test_damaged(self) -> None:
        """
        What is damaged is missing and said; the rest comes out.
        """
        for name in ("killed", "closed"):
            self.db = unpacked(self, name)
            path, offset, _ = self.record()
            self.damage(path, offset + 64 + 100)
            status, out, err = self.run_command("export", "--host", "host-1", "--chart", "system.cpu")
            self.assertEqual(status, 1)
            self.assertIn("damaged: ", err)
            self.assertGreater(len(out.splitlines()), 4000)

    def test_parquet_is_missing(self) -> None:
        """
        Without pyarrow it is said what to install.
        """
        path = self.db.parent / "cpu.parquet"
        arguments = ("--host", "host-1", "--chart", "system.cpu", "--format", "parquet")
        with mock.patch.dict(sys.modules, {"pyarrow": None}):
            status, _, err = self.run_command("export", *arguments, "--output", str(path))
        self.assertEqual(status, 1)
        self.assertIn("pip install 'netstream[parquet]'", err)
        self.assertEqual(list(self.db.parent.glob("cpu*")), [])
        self.assertIn("name one with --output", self.run_command("export", *arguments)[2])

    def test_parquet(self) -> None:
        """
        A Parquet file has the same values, with nulls for gaps.
        """
        if pyarrow is None:
            raise SkipTest("pyarrow is not installed")
        path = self.db.parent / "cpu.parquet"
        arguments = ("--host", "host-1", "--chart", "system.cpu", "--format", "parquet", "--flags")
        self.assertEqual(self.run_command("export", *arguments, "--output", str(path))[0], 0)
        table = pyarrow.parquet.read_table(path)
        times, values, _ = make.samples(make.USER)
        self.assertEqual(table.column_names, ["time", "user", "idle", "user flags", "idle flags"])
        self.assertEqual([moment.timestamp() for moment in table["time"].to_pylist()], times.tolist())
        expected = [None if value != value else value for value in values.tolist()]
        self.assertEqual(table["user"].to_pylist(), expected)
        self.assertEqual(table["user flags"].to_pylist()[200], "anomalous")
