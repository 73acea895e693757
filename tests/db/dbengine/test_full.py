"""
The engine on disk when the disk is full: a small file system of its own where
it may be mounted, and calls that fail.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
from pathlib import Path

from netstream.db.interfaces import HostRecord
from netstream.model.chart import Chart
from netstream.model.host import HostInfo
from netstream.testing.metrics_db import NODE, NOW, X, Y
from tests.db.dbengine.lives import Case

SIZE = 24 << 20


def no_room(*_: object) -> int:
    """
    What each call does on a disk that is full.
    """
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullTests(Case):
    """
    A full disk costs what finds no room, and that is said.
    """

    def fill(self) -> Path:
        """
        Leave no byte free where the engine has its files.
        """
        path = self.directory / "ballast"
        with path.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as problem:
                    self.assertEqual(problem.errno, errno.ENOSPC)
        return path

    def mount(self) -> None:
        """
        Start in a file system of its own.
        """
        self.stop()
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(self.directory)], capture_output=True, text=True
        )
        if done.returncode:
            self.start()
            self.skipTest(f"a file system can be mounted by root alone: {done.stderr.strip()}")
        self.addCleanup(self.unmount)
        self.start()

    def unmount(self) -> None:
        """
        End, and give the file system up.
        """
        try:
            self.stop()
        finally:
            subprocess.run(["umount", "--lazy", str(self.directory)], check=True)

    def test_full(self) -> None:
        """
        Series that have room go on, others are counted; what is stored stays,
        is read and survives; when there is room again all goes on.
        """
        self.mount()
        self.append(0, 100)
        self.pass_time(100)
        ballast = self.fill()
        self.append(100, 100)
        late = [(f"chart.{i}", "x") for i in range(3)]
        self.append(-20_000, 10, *late)
        new = [(f"wide.{i}", "x") for i in range(2000)]
        self.append(100, 2, *new)
        self.pass_time(100)
        self.assert_seconds(range(200))
        self.assertEqual(self.values(late[0]), {})
        problem = self.db.problem
        assert problem is not None
        self.assertRegex(problem, "disk is full|No space left on device")
        said = [line for line in self.lines if "cannot be written" in line]
        self.assertEqual(len(said), len(set(said)))
        self.assertLessEqual(len(said), 4, said)
        # The time of the page goes by; row groups find no room.
        self.pass_time(900)
        self.assert_seconds(range(200))
        self.append(1100, 10)
        self.assertNotIn(1100, self.values())
        self.die()
        ballast.unlink()
        self.start()
        self.assert_seconds(range(200))
        self.assertEqual(self.db.damaged, 0)
        self.append(1110, 10)
        self.pass_time(30)
        self.assert_seconds([*range(200), *range(1110, 1120)])
        self.assertEqual(self.db.problem, None)
        self.stop()
        self.start()
        self.assert_seconds([*range(200), *range(1110, 1120)])

    def test_room_again(self) -> None:
        """
        Without a restart it stores again as soon as there is room, and says
        how many samples were not stored.
        """
        self.mount()
        self.append(0, 100)
        ballast = self.fill()
        self.pass_time(1000)
        self.append(1000, 7)
        self.append(-50_000, 3)
        self.assertIn("full", str(self.db.problem))
        self.assert_seconds(range(100))
        ballast.unlink()
        self.pass_time(10)
        self.append(1010, 5)
        self.pass_time(10)
        self.assert_seconds([*range(100), *range(1010, 1015)])
        self.assertEqual(self.db.problem, None)
        [said] = [line for line in self.lines if "were not stored meanwhile" in line and " 0 samples" not in line]
        self.assertIn(" 10 samples", said)
        self.stop()
        self.start()
        self.assert_seconds([*range(100), *range(1010, 1015)])

    def test_holes(self) -> None:
        """
        A page that was copied with holes in it does not end the process when
        there is no room to fill them.
        """
        self.mount()
        self.append(1, 100)
        self.pass_time(2)
        self.die()
        [page] = self.files("hot/*.page")
        data = page.read_bytes()
        with page.open("r+b") as file:
            file.truncate(0)
            file.truncate(len(data))
            for at in range(0, len(data), 4096):
                if data[at : at + 4096].strip(b"\0"):
                    file.seek(at)
                    file.write(data[at : at + 4096])
        self.assertLess(page.stat().st_blocks * 512, len(data))
        self.start()
        self.assertEqual(page.stat().st_blocks * 512, len(data))
        self.fill()
        self.append(101, 800)
        self.assert_seconds(range(1, 901))

    def test_no_page(self) -> None:
        """
        Without room for a page samples are counted as not stored; after five
        seconds it is tried again.
        """
        self.append(1, 10)
        before = self.files("hot/*")
        real = os.posix_fallocate
        self.patch(os, "posix_fallocate", no_room)
        self.append(-5000, 10)
        self.assertEqual(len(self.lines), 1)
        self.assertIn("No space left on device", self.lines[0])
        self.assertEqual(self.lines[0], self.db.problem)
        self.pass_time(3)
        self.append(-7000, 10)
        self.assertEqual(len(self.lines), 1)
        self.assertEqual(self.files("hot/*"), before)
        self.patch(os, "posix_fallocate", real)
        self.pass_time(5)
        self.append(-9000, 10)
        self.assertEqual(len(self.lines), 2)
        self.assertIn("20 samples were not stored", self.lines[1])
        self.assert_seconds([*range(-9000, -8990), *range(1, 11)])

    def test_no_names(self) -> None:
        """
        A series whose name cannot be written is not stored until it can.
        """
        self.append(0, 10)
        real = os.write
        self.patch(os, "write", no_room)
        self.append(10, 10, X, Y)
        self.assert_seconds(range(20))
        self.assertEqual(self.values(Y), {})
        self.assertIn("names of series", str(self.db.problem))
        self.die()
        self.start()
        self.assertEqual(self.values(Y), {})
        self.patch(os, "write", real)
        self.append(20, 10, X, Y)
        self.assertEqual(self.db.problem, None)
        self.die()
        self.start()
        self.assert_seconds(range(30))
        self.assert_seconds(range(20, 30), Y)

    def test_half_a_name(self) -> None:
        """
        A name that was written in part is taken back.
        """
        self.append(0, 1)
        real = os.write
        self.patch(os, "write", lambda descriptor, data: real(descriptor, data[:-1]))
        self.append(0, 1, Y)
        self.patch(os, "write", real)
        self.append(1, 1, Y)
        self.die()
        self.start()
        self.assertEqual(self.db.damaged, 0)
        self.assert_seconds([1], Y)
        self.assert_seconds([0])

    def test_no_row_groups(self) -> None:
        """
        What cannot become a row group stays where it is, is read, and is tried
        again.
        """
        self.append(0, 100)
        real = os.pwritev
        self.patch(os, "pwritev", no_room)
        self.pass_time(1000)
        self.append(50, 10, offset=0)
        self.pass_time(1000)
        self.assert_seconds(range(100))
        self.assertIn("row groups", str(self.db.problem))
        self.assertEqual(len(self.lines), 1)
        self.die()
        self.start()
        self.assert_seconds(range(100))
        self.pass_time(100)
        self.patch(os, "pwritev", real)
        self.pass_time(100)
        self.assertEqual(self.db.problem, None)
        self.assertEqual(self.files("hot/*.page"), [])
        self.assert_seconds(range(100))

    def test_one_that_fails(self) -> None:
        """
        An epoch that cannot become a row group does not keep others from it.
        """
        node = self.db._node(NODE)
        self.append(-20_000, 10)
        self.append(-20_000, 10, Y)
        [epoch] = node.epochs.values()
        storage = self.db._storage
        assert storage is not None
        real = storage._seal

        def seal(job: object) -> None:
            if getattr(job, "epoch", None) is epoch:
                raise ValueError("it cannot be done")
            real(job)  # type: ignore[arg-type]

        self.patch(type(storage), "_seal", lambda _, job: seal(job))
        other = "22222222-2222-4222-8222-222222222222"
        self.append(0)
        self.table = type(self.table)(other)
        self.append(-20_000, 10)
        self.pass_time(200)
        self.assertGreater(len(self.flushLoggedErrors(ValueError)), 0)
        self.assertEqual(list(node.sealing), [epoch])
        self.assertEqual([e.start > NOW - 1000 for e in self.db._node(other).hot()], [])
        self.assertEqual(len(self.values(X)), 11)

    def test_no_definitions(self) -> None:
        """
        Definitions that cannot be stored are stored later.
        """
        storage = self.db._storage
        assert storage is not None

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        real = storage.catalog.put
        self.patch(storage.catalog, "put", full)
        self.successResultOf(self.db.put_host(HostRecord(HostInfo(NODE, "host"))))
        self.successResultOf(self.db.put_chart(NODE, Chart("chart.a", title="old")))
        self.append(0, 10)
        self.pass_time(5)
        self.successResultOf(self.db.put_chart(NODE, Chart("chart.a", title="new")))
        self.append(10, 10, X, Y)
        self.pass_time(5)
        self.assertEqual(len(self.lines), 1)
        self.assertIn("disk is full", self.lines[0])
        self.die()
        self.start()
        self.assert_seconds(range(20))
        self.assert_seconds(range(10, 20), Y)
        self.stop()
        self.start()
        storage = self.db._storage
        assert storage is not None
        self.patch(storage.catalog, "put", full)
        self.successResultOf(self.db.put_host(HostRecord(HostInfo(NODE, "host"))))
        self.successResultOf(self.db.put_chart(NODE, Chart("chart.a", title="new")))
        self.pass_time(2)
        del real
        self.patch(storage.catalog, "put", type(storage.catalog).put.__get__(storage.catalog))
        self.pass_time(2)
        self.assertEqual(self.db.problem, None)
        self.die()
        self.start()
        [stored] = self.successResultOf(self.db.stored())
        self.assertEqual(stored.charts["chart.a"].title, "new")
