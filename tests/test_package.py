"""
What a person gets who installs netstream without its checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

CHECKOUT = Path(__file__).resolve().parents[1]
UNWANTED = {".git", ".venv", "__pycache__", "_trial_temp", "build", "dist", "run"}


def run(
    command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None, timeout: float = 600
) -> str:
    """
    @return: What a command prints, which must succeed within so many seconds.
    """
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{command} ended with status {done.returncode}:\n{done.stdout[-5000:]}")
    return done.stdout


def source_files(suffixes: Sequence[str]) -> set[str]:
    """
    @return: Paths below the checkout of the package's files with these
        suffixes.
    """
    return {
        path.relative_to(CHECKOUT).as_posix()
        for path in (CHECKOUT / "netstream").rglob("*")
        if path.is_file() and path.suffix in suffixes and not UNWANTED & set(path.parts)
    }


class WheelTests(SynchronousTestCase):
    """
    A wheel is built from a copy of the checkout, and installed beside nothing else of it.
    """

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="netstream-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def build(self) -> Path:
        """
        @return: The wheel.
        """
        source = self.directory / "source"
        ignore = shutil.ignore_patterns(
            *UNWANTED, "*.so", "*.c", "*.egg-info", "_trial_temp*", ".*_cache", "dropin.cache"
        )
        shutil.copytree(CHECKOUT, source, ignore=ignore)
        # Whatever the machine compiles with, the package is complete; and it need not take a minute.
        environment = {**os.environ, "CFLAGS": "-O0"}
        out = self.directory / "wheels"
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
        run([*command, "--no-build-isolation", "--no-index", "--wheel-dir", str(out), str(source)], source, environment)
        (wheel,) = out.glob("netstream-*.whl")
        return wheel

    def test_complete(self) -> None:
        """
        An installed node finds its plugin, dashboard, stock configuration and types, and C{twistd} knows it.
        """
        wheel = self.build()
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
        self.assertIn("twisted/plugins/netstream_plugin.py", names)
        self.assertNotIn("twisted/__init__.py", names)
        self.assertNotIn("twisted/plugins/__init__.py", names)
        self.assertIn("netstream/py.typed", names)
        for kind, suffixes in (
            ("modules", [".py", ".pxd"]),
            ("dashboard", [".html", ".js", ".css", ".svg", ".txt", ".woff2", ".ico"]),
            ("stock configuration", [".conf"]),
        ):
            expected = source_files(suffixes)
            self.assertTrue(expected, kind)
            self.assertEqual(sorted(expected - names), [], f"{kind} that the wheel lacks")
        self.assertEqual([name for name in names if name.startswith(("tests/", "benchmarks/", "docs/"))], [])

        home = self.directory / "venv"
        venv.create(home, system_site_packages=True, with_pip=False, symlinks=True)
        python = home / "bin" / "python"
        # The packages of this very interpreter, which may itself be in a virtual environment.
        (site,) = (home / "lib").glob("python*/site-packages")
        present = [path for path in sys.path if path.endswith("-packages")]
        (site / "present.pth").write_text("\n".join(present) + "\n")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        install = [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--python",
            str(python),
            "install",
            "--quiet",
        ]
        install += ["--no-deps", "--no-index", "--ignore-installed", str(wheel)]
        run(install, self.directory, environment)
        elsewhere = self.directory / "elsewhere"
        elsewhere.mkdir()
        where = "import netstream; print(netstream.__file__)"
        found = run([str(python), "-P", "-c", where], elsewhere, environment).strip()
        self.assertTrue(found.startswith(str(site)), found)
        twistd = [str(python), "-P", "-c", "from twisted.scripts.twistd import run; run()"]
        listed = [line.split()[:1] for line in run([*twistd, "--help"], elsewhere, environment).splitlines()]
        self.assertIn(["netstream"], listed)
        self.assertIn("--role", run([*twistd, "netstream", "--help"], elsewhere, environment))
        self.assertTrue(os.access(home / "bin" / "netstream", os.X_OK))
