"""
The benchmarks still run: each in a size that takes seconds, and shows nothing
about speed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from unittest import SkipTest
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import (
    child,
    dashboards,
    disk,
    figures,
    footprint,
    idle,
    latency,
    parent,
    proxy,
    recording,
    saturation,
    stall,
    storm,
    transports,
)
from benchmarks.figures import Figure
from benchmarks.load import Load, NoLoad, program
from benchmarks.recording import Tape
from benchmarks.targets import make_parent, scratch


def small(part: object, *given: str) -> argparse.Namespace:
    """
    @return: The options of a part, for netstream alone.
    """
    options: argparse.Namespace = part.parser().parse_args(["--target", "netstream", *given])  # type: ignore[attr-defined]
    return options


class FiguresTests(SynchronousTestCase):
    """
    What is printed.
    """

    def test_table(self) -> None:
        """
        A row has the goal, and a value or the reason why there is none.
        """
        rows = [
            Figure("CPU, µs", {"netstream": 0.2, "agent": 1234.5}, 0.25),
            Figure("rate, M/s", {"netstream": 6.0}, 8, False, {"agent": "refused"}),
        ]
        with patch.object(figures, "agent_version", lambda: "1.37.1"):
            table = list(figures.markdown(rows))
        self.assertEqual(
            table,
            [
                "| | goal | netstream | agent 1.37.1 |",
                "|---|---|---|---|",
                "| CPU, µs | ≤ 0.25 | 0.20 | 1,234 |",
                "| rate, M/s | ≥ 8.00 | 6.00 | refused |",
            ],
        )
        self.assertEqual([row.reached for row in rows], [True, False])

    def test_report(self) -> None:
        """
        Everything that was seen is in a file of JSON, with the machine.
        """
        path = Path(self.mktemp())
        with redirect_stdout(StringIO()) as printed:
            figures.report([Figure("x", {"netstream": 1.0}, details={"netstream": {"y": 2}})], path, 3.0)
        written = json.loads(path.read_text())
        self.assertEqual(written["figures"][0]["details"], {"netstream": {"y": 2}})
        self.assertIn(written["machine"]["python"], printed.getvalue())


class FootprintTests(SynchronousTestCase):
    """
    What processes and files occupy.
    """

    def test_files(self) -> None:
        """
        Files that were just written are on disk and in the page cache.
        """
        place = Path(self.mktemp())
        place.mkdir()
        (place / "file").write_bytes(b"x" * 100_000)
        self.assertGreaterEqual(footprint.cached(place), 100_000)
        self.assertLess(footprint.cached(place), 120_000)
        with (place / "file").open("rb") as written:
            subprocess.run(["sync", "-d", str(place / "file")], check=True, stdin=written)
        self.assertGreaterEqual(footprint.disk(place), 100_000)

    def test_process(self) -> None:
        """
        A process, and what it started, have memory and use CPU.
        """
        shell = shutil.which("sh")
        assert shell is not None
        with subprocess.Popen([shell, "-c", "cat; :"], stdin=subprocess.PIPE) as process:
            held = footprint.memory(process.pid)
            assert process.stdin is not None
            process.stdin.close()
        self.assertGreater(held.rss, held.anonymous)
        self.assertGreaterEqual(held.rss, held.pss)


class TapeTests(SynchronousTestCase):
    """
    The recording of real metrics.
    """

    TEXT = b"CHART 'a.b' '' '' u f c line 1 1\nDIMENSION 'x' '' absolute 1 1\n" + b"".join(
        b"BEGIN2 'a.b' #B #%s #\nSET2 'x' #%s # A\nEND2\n" % (recording.base64(second), recording.base64(second - 1000))
        for second in range(1000, 1006)
    )

    def test_repeats(self) -> None:
        """
        It is played at any time, again from its beginning when it is over;
        its first and last second, which may be parts, are left out.
        """
        tape: Tape = recording.tape_of(self.TEXT)
        self.assertEqual(len(tape.seconds), 4)
        self.assertEqual(tape.samples, 4)
        self.assertIn(b"DIMENSION 'x'", tape.definitions)
        self.assertEqual(tape.at(2000), b"BEGIN2 'a.b' #B #" + recording.base64(2000) + b" #\nSET2 'x' #B # A\nEND2\n")
        self.assertEqual(tape.at(2005).partition(b"SET2")[2], tape.at(2001).partition(b"SET2")[2])

    def test_nothing(self) -> None:
        """
        A recording without samples is refused.
        """
        self.assertRaises(NoLoad, recording.tape_of, b"CHART 'a.b' ''\n")


class SmokeTests(SynchronousTestCase):
    """
    Each part, small, against a real node.
    """

    def setUp(self) -> None:
        try:
            program()
        except NoLoad as problem:
            raise SkipTest(str(problem)) from None

    def test_parent(self) -> None:
        """
        CPU and memory under a paced load are told.
        """
        given = ["--rate=200", "--charts=10", "--seconds=2", "--warmup=1", "--pause=1", "--protocol=v2"]
        found = {figure.name: figure.values["netstream"] for figure in parent.measure(small(parent, *given))}
        self.assertEqual(len(found), 5)
        self.assertTrue(all(value is not None and value >= 0 for value in found.values()), found)

    def test_proxy(self) -> None:
        """
        What a proxy takes goes on to the parent, all of it.
        """
        given = ["--rate=200", "--charts=10", "--seconds=6", "--warmup=1", "--pause=2"]
        used, _, missing = proxy.measure(small(proxy, *given))
        self.assertIsNotNone(used.values["netstream"])
        self.assertEqual(missing.values, {"netstream": 0})

    def test_saturation(self) -> None:
        """
        All that is sent as fast as possible is found afterwards.
        """
        given = ["--children", "2", "--charts", "20", "--back", "60", "--compression", "plain"]
        rate, _, missing = saturation.measure(small(saturation, *given))
        self.assertEqual(missing.values, {"netstream": 0})
        self.assertEqual(rate.details["netstream"]["missing"], 0)
        self.assertGreater(rate.details["netstream"]["checked"], 0)

    def test_transports(self) -> None:
        """
        Samples come by TLS, by a Unix socket and by UDP as well.
        """
        given = [
            "--children",
            "2",
            "--charts",
            "20",
            "--back",
            "60",
            "--quick",
            "--transport",
            "tls",
            "--transport",
            "unix",
            "--transport",
            "udp",
        ]
        try:
            found = {
                figure.name: figure.values["netstream"] for figure in transports.measure(small(transports, *given))
            }
        except NoLoad as problem:
            raise SkipTest(str(problem)) from problem
        self.assertEqual(len(found), 9)
        self.assertTrue(all(value is not None and value > 0 for value in found.values()), found)

    def test_idle(self) -> None:
        """
        Connections that say nothing are all closed after a while.
        """
        with scratch() as directory:
            peer = make_parent("netstream", directory, options=["db/mode=ram"]).start()
            try:
                found = idle.once(peer, 50, idle.KINDS["say nothing"], 60)
            finally:
                peer.stop()
        self.assertEqual((found["at once"] >= 40, found["left"]), (True, 0), found)

    def test_requests(self) -> None:
        """
        Questions are answered, those of one kind and of the other.
        """
        told = list(dashboards.measure(small(dashboards, "--children=0", "--asking=1")))
        self.assertEqual(len(told), 6)
        for figure in told:
            if "netstream" in figure.notes:
                raise SkipTest(figure.notes["netstream"])
            self.assertGreater(figure.values["netstream"] or 0, 0, figure)

    def test_dashboards(self) -> None:
        """
        Pages open, listen and are told, beside nodes that are gone and a large
        child that comes.
        """
        given = ["--children=2", "--open=4", "--known=5", "--large=50", "--watched=2"]
        seen = dashboards.watched(small(dashboards, *given))
        self.assertEqual(seen["known"], 8)  # the large one, and not the parent
        self.assertGreater(seen["opened_requests"], 4 * (1 + 20 + 2 + 1 + 12))
        self.assertGreater(seen["events_a_page_s"], 0.4)
        for stretch in ("before", "opening", "during", "large"):
            self.assertGreater(seen[f"{stretch}_ms"], 0, stretch)

    def test_storm(self) -> None:
        """
        Children that come at once all stream, before and after a restart.
        """
        found = {figure.name: figure for figure in storm.measure(small(storm, "--children=20", "--charts=1"))}
        details = next(iter(found.values())).details["netstream"]
        self.assertEqual((details["known"], details["again_known"]), (20, 20))

    def test_others(self) -> None:
        """
        The command lines of the other parts can be read.
        """
        for part in (child, disk, latency, stall):
            self.assertFalse(small(part).quick)

    def test_refused(self) -> None:
        """
        A load that has no parent says so.
        """
        with self.assertRaises(NoLoad), Load(1, {"children": 1}) as load:
            load.until("ready")
