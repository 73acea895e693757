"""
What is there to run a node as a service.
"""

from __future__ import annotations

import configparser
import contextlib
import io
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.tap import Options
from tests.interop.peers import missing

TOP = Path(__file__).resolve().parents[1]
UNIT = TOP / "packaging" / "netstream.service"
PAGE = TOP / "docs" / "security.md"


class UnitTests(SynchronousTestCase):
    """
    C{packaging/netstream.service}.
    """

    def settings(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for line in UNIT.read_text().splitlines():
            if line and not line.startswith(("#", "[")):
                name, _, value = line.partition("=")
                found.setdefault(name, []).append(value)
        return found

    def test_start(self) -> None:
        """
        The command of the unit is one that starts a node, in each role.
        """
        (command,) = self.settings()["ExecStart"]
        directory = Path(self.mktemp())
        directory.mkdir()
        places = {"/etc/netstream": f"{directory}/etc", "/var/lib/netstream": f"{directory}/data"}
        for role in ("standalone", "parent"):
            words = [places.get(word, role if word == "${ROLE}" else word) for word in shlex.split(command)]
            options = Options()
            with contextlib.redirect_stdout(io.StringIO()):
                options.parseOptions(words[words.index("netstream") + 1 :])
            self.assertEqual(options.settings.role.value, role)
        self.assertEqual(self.settings()["ExecReload"], ["/bin/kill -HUP $MAINPID"])

    def test_rights(self) -> None:
        """
        It runs as a user of its own, with no capability, and nobody else
        reads what it writes.
        """
        found = self.settings()
        for name, value in (
            ("User", "netstream"),
            ("CapabilityBoundingSet", ""),
            ("NoNewPrivileges", "yes"),
            ("ProtectSystem", "strict"),
            ("StateDirectory", "netstream"),
            ("StateDirectoryMode", "0700"),
            ("UMask", "0077"),
            ("LimitNOFILE", "65536"),
        ):
            self.assertEqual(found[name], [value], name)

    def test_exposure(self) -> None:
        """
        What systemd says of its exposure is what the documentation says.
        """
        program = shutil.which("systemd-analyze")
        if program is None:
            missing("systemd-analyze is not there (apt-get install systemd)")
        said = subprocess.run(
            [str(program), "security", "--offline=true", "--no-pager", str(UNIT)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        found = re.search(r"Overall exposure level for netstream.service: (\d+\.\d)", said.stdout)
        if found is None:
            missing(f"systemd-analyze cannot tell offline: {said.stderr[-300:]}")
        assert found is not None
        told = re.search(r"exposure level of (\d+\.\d)", PAGE.read_text())
        assert told is not None
        # Other versions of systemd ask for a little more, or less.
        self.assertLessEqual(float(found[1]), 2.0)
        self.assertAlmostEqual(float(found[1]), float(told[1]), delta=0.5)

    def test_well_formed(self) -> None:
        """
        No line is out of place.
        """
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(UNIT.read_text())
        self.assertEqual(parser.sections(), ["Unit", "Service", "Install"])
