"""
What a running node writes, and does without.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import SkipTest

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, NetstreamNode, accepting, missing, sending, wait_for
from tests.tls.papers import pair, write

NO_NEW_CODE = (
    "import ctypes, os, sys\n"
    "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): sys.exit(77)\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)
"""Refuses memory that can be written and run from then on, as
C{MemoryDenyWriteExecute} does."""


FILTERED = """
import ctypes, os, sys
lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p
lib.seccomp_init.argtypes = [ctypes.c_uint32]
lib.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
lib.seccomp_load.argtypes = [ctypes.c_void_p]
refuse, allow, number = 0x00050001, 0x7FFF0000, lib.seccomp_syscall_resolve_name
context = lib.seccomp_init(refuse)
for name in sys.argv[1].split():
    if number(name.encode()) != -1:
        lib.seccomp_rule_add(context, allow, number(name.encode()), 0)
if lib.seccomp_load(context): sys.exit(77)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Refuses all system calls but some from then on, as C{SystemCallFilter} does."""
UNIT = Path(__file__).resolve().parents[2] / "packaging" / "netstream.service"


def permitted() -> str:
    """
    @return: The system calls that the unit permits, with a blank between.
    """
    program = shutil.which("systemd-analyze")
    if program is None:
        missing("systemd-analyze is not there (apt-get install systemd)")
    assert program is not None
    said = subprocess.run([program, "syscall-filter"], capture_output=True, text=True, check=False, timeout=60).stdout
    groups: dict[str, list[str]] = {}
    for line in said.splitlines():
        if line.startswith("@"):
            group = groups.setdefault(line.strip(), [])
        elif line.strip() and not line.strip().startswith("#"):
            group.append(line.strip())

    def names(of: str) -> set[str]:
        return set().union(*map(names, groups[of])) if of.startswith("@") else {of}

    found = names("@default")
    for value in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE):
        called = set().union(*map(names, value.removeprefix("~").split()))
        found = found - called if value.startswith("~") else found | called
    return " ".join(sorted(found))


class StrictNode(NetstreamNode):
    """
    A node whose memory holds no code but that of files.
    """

    def _launch(self, command: Sequence[str], environment: Mapping[str, str], directory: Path, output: Path) -> None:
        super()._launch([sys.executable, "-c", NO_NEW_CODE, *command], environment, directory, output)


class FilteredNode(NetstreamNode):
    """
    A node that may call of the system what the unit permits.
    """

    def _launch(self, command: Sequence[str], environment: Mapping[str, str], directory: Path, output: Path) -> None:
        filtered = [sys.executable, "-c", FILTERED, permitted(), *command]
        super()._launch(filtered, environment, directory, output)


class PrivilegeTests(InteropTestCase):
    """
    Processes of the system.
    """

    def test_files(self) -> None:
        """
        Nobody but the user of the node can read or write what it keeps.
        """
        old = os.umask(0o022)
        self.addCleanup(os.umask, old)
        data = self.directory / "kept"
        parent = self.node(
            "atlas",
            role="parent",
            stream=accepting(KEY),
            options=["db/mode=dbengine"],
            arguments=["--data-dir", str(data)],
        )
        child = self.node("borealis", role="child", stream=sending(parent.address))
        parent.wait_samples("system.cpu", child.name, count=3)
        seen = 0
        for path in (data, *data.rglob("*")):
            try:
                found = path.lstat().st_mode
            except FileNotFoundError:
                continue  # the node puts another in its place now and then
            mode = stat.S_IMODE(found)
            if stat.S_ISDIR(found):
                self.assertEqual(mode & 0o077, 0, f"{path}: {mode:o}")
            elif not stat.S_ISLNK(found):
                self.assertIn(mode, (0o600, 0o400), f"{path}: {mode:o}")
            seen += 1
        self.assertGreater(seen, 10)
        parent.stop()
        for path in data.rglob("*"):
            self.assertEqual(stat.S_IMODE(path.lstat().st_mode) & 0o077, 0, path)

    def test_no_new_code(self) -> None:
        """
        A node needs no memory that can be both written and run: with TLS, a
        database, compression and alerts it works without.
        """
        if subprocess.run([sys.executable, "-c", NO_NEW_CODE, "/bin/true"], check=False, timeout=60).returncode == 77:
            raise SkipTest("this kernel cannot refuse memory that is written and run, as Linux 6.3 does")
        self.well(StrictNode)

    def test_system_calls(self) -> None:
        """
        Under the filter of the unit a node does all that it does: collects,
        streams with TLS, stores, tells of alerts with a program, and ends in
        good order.
        """
        known = [sys.executable, "-c", FILTERED, permitted(), "/bin/true"]
        done = subprocess.run(known, check=False, timeout=60, capture_output=True)
        if done.returncode:
            raise SkipTest(f"no filter of system calls can be set here: {done.returncode} {done.stderr[-200:]!r}")
        refused = subprocess.run(
            [*known[:-1], sys.executable, "-c", "import os; os.sched_setaffinity(0, [0])"],
            check=False,
            timeout=60,
            capture_output=True,
        )
        self.assertIn(b"Operation not permitted", refused.stderr)
        self.well(FilteredNode)

    def well(self, kind: type[NetstreamNode]) -> None:
        """
        A node that is started in a special way works.
        """
        certificate, key = write(pair("localhost", "127.0.0.1"), self.directory / "papers")
        told, program = self.directory / "told", self.directory / "tell"
        program.write_text(f"#!/bin/sh\necho $7 >> {told}\n")
        program.chmod(0o755)
        node = kind(
            "atlas",
            self.directory / "special",
            role="parent",
            stream=accepting(KEY),
            options=[
                "db/mode=dbengine",
                f"web/ssl certificate={certificate}",
                f"web/ssl key={key}",
                "web/bind to=127.0.0.1:0^SSL=optional",
            ],
            health=f"template: up\non: system.uptime\nevery: 1s\nwarn: $uptime > 0\nexec: {program}\nto: sysadmin\n",
        )
        self._peers.append(node)
        node.start()
        self.addCleanup(node.kill)
        child = self.node(
            "borealis",
            role="child",
            stream=sending(f"127.0.0.1:{node.port}:SSL", **{"ssl skip certificate verification": "yes"}),
        )
        node.scheme = "http"
        node.wait_samples("system.cpu", child.name, count=3)
        wait_for("the program is run", told.exists)
        child.stop()
        self.assert_stopped(node)
