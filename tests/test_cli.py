"""
The C{netstream} command.
"""

import os
import stat
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from netstream.cli import main
from netstream.config.places import STOCK
from netstream.model.identity import fingerprint, guid

KEY = "11111111-2222-4333-8444-555555555555"
TOUCH = f"{sys.executable} -c pass"


class CommandTests(SynchronousTestCase):
    """
    What the command prints and leaves.
    """

    def setUp(self) -> None:
        """
        Make a configuration directory.
        """
        self.top = Path(self.mktemp())
        self.config = self.top / "etc"
        self.config.mkdir(parents=True)

    def run_command(self, *arguments: str) -> tuple[int, str, str]:
        """
        @return: Exit status, output, and errors.
        """
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                status = main(arguments)
            except SystemExit as end:
                status = int(end.code or 0)
        return status, out.getvalue(), err.getvalue()

    def check(self, *arguments: str) -> tuple[int, str, str]:
        """
        Run C{netstream check} on the directories of the test.
        """
        return self.run_command(
            "check", "--config-dir", str(self.config), "--data-dir", str(self.top / "data"), *arguments
        )

    def edit(self, *arguments: str) -> tuple[int, str, str]:
        """
        Run C{netstream edit-config} on the directory of the test.
        """
        return self.run_command("edit-config", "--config-dir", str(self.config), *arguments)

    def test_help(self) -> None:
        """
        The help names the commands that there are; none at all is an error.
        """
        status, out, _ = self.run_command("--help")
        self.assertEqual(status, 0)
        for name in ("genkey", "check", "edit-config"):
            self.assertIn(name, out)
        self.assertEqual(self.run_command()[0], 2)

    def test_genkey(self) -> None:
        """
        Each key is a new UUID.
        """
        first, second = self.run_command("genkey"), self.run_command("genkey")
        self.assertEqual(guid(first[1].strip()), first[1].strip())
        self.assertNotEqual(first, second)

    def test_check(self) -> None:
        """
        A sound configuration is summed up, warnings first, and no key shown.
        """
        (self.config / "stream.conf").write_text(f"[{KEY}]\nenabled = yes\n[stream]\nbad line\n")
        (self.config / "stream.conf").chmod(0o600)
        status, out, err = self.check(
            "--files",
            "--role",
            "proxy",
            "--destination",
            "up:1",
            "--api-key",
            KEY,
            "--hostname",
            "box",
            "--set",
            "db/mode=none",
        )
        self.assertEqual((status, err), (0, ""))
        self.assertIn("warning: stream.conf:4: ", out)
        for words in ("proxy", "box", "none", f"up:1 with API key {fingerprint(KEY)}", str(self.config)):
            self.assertIn(words, out)
        self.assertNotIn(KEY, out)

    def test_check_keys(self) -> None:
        """
        A key that opens nothing is marked as such.
        """
        sections = (
            f"[{KEY[:-1]}{n}]\ntype = api\n{line}\n" for n, line in enumerate(("enabled = yes", "enabled = no"))
        )
        (self.config / "stream.conf").write_text("".join(sections) + "valid until = 2020-01-01\n")
        _, out, _ = self.check("--role", "parent")
        self.assertIn(f"API keys:      {fingerprint(KEY[:-1] + '0')} {fingerprint(KEY[:-1] + '1')} (disabled)\n", out)

    def test_check_writes_nothing(self) -> None:
        """
        Checking leaves no trace, and says when a key will be made.
        """
        status, out, _ = self.check("--role", "parent")
        self.assertEqual(status, 0)
        self.assertIn("the first start makes one", out)
        self.assertEqual(list(self.top.rglob("*")), [self.config])

    def test_check_fails(self) -> None:
        """
        A wrong configuration is one line and exit status 1.
        """
        (self.config / "stream.conf").write_text("[stream]\ntimeout = soon\n")
        status, _, err = self.check()
        self.assertEqual(status, 1)
        self.assertEqual(err, "stream.conf:2: [stream] timeout: 'soon' is not a duration such as '90s', '5m' or '1h'\n")

    def test_edit_begins_with_stock(self) -> None:
        """
        A file that is not there begins as the stock one; keys are for its
        owner only.
        """
        for name, mode in (("stream.conf", 0o600), ("netstream.conf", 0o644)):
            old = os.umask(0o022)
            try:
                status, out, _ = self.edit(name, "--editor", TOUCH)
            finally:
                os.umask(old)
            self.assertEqual(status, 0)
            self.assertIn("netstream check", out)
            path = self.config / name
            self.assertEqual(path.read_text(), (STOCK / name).read_text())
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), mode)

    def test_edit_keeps(self) -> None:
        """
        A file that is there is edited as it is, also by its absolute path.
        """
        path = self.config / "stream.conf"
        path.write_text("mine")
        write = f"{sys.executable} -c \"import sys; open(sys.argv[1], 'a').write(' and more')\""
        with mock.patch.dict(os.environ, EDITOR=write):
            self.assertEqual(self.edit(str(path.resolve()))[0], 0)
            self.assertEqual(self.edit("--file", "stream.conf")[0], 0)
        self.assertEqual(path.read_text(), "mine and more and more")

    def test_edit_below(self) -> None:
        """
        Files in new directories begin empty.
        """
        self.assertEqual(self.edit("health.d/mine.conf", "--editor", TOUCH)[0], 0)
        self.assertEqual((self.config / "health.d" / "mine.conf").read_text(), "")

    def test_edit_refuses(self) -> None:
        """
        Nothing outside of the directory is touched, by whatever path.
        """
        (self.config / "link").symlink_to(self.top.resolve())
        (self.config / "directory").mkdir()
        for name in ("../x", "/etc/x", "a/../../x", "link/x", ".", "", "directory"):
            status, _, err = self.edit(name, "--editor", TOUCH)
            self.assertNotEqual(status, 0, name)
            self.assertIn("x" if "x" in name else "", err)
        self.assertFalse((self.top / "x").exists())

    def test_edit_fails(self) -> None:
        """
        An editor that is missing or fails gives exit status 1.
        """
        status, _, err = self.edit("stream.conf", "--editor", "no-such-editor")
        self.assertEqual(status, 1)
        self.assertIn("no editor", err)
        self.assertFalse((self.config / "stream.conf").exists())
        self.assertEqual(self.edit("stream.conf", "--editor", f"{sys.executable} -c exit(3)")[0], 1)

    def test_list(self) -> None:
        """
        The stock files can be listed.
        """
        status, out, _ = self.run_command("edit-config", "--list")
        self.assertEqual(status, 0)
        stock = {"exporting.conf", "netstream.conf", "stream.conf", "health_alarm_notify.conf"}
        self.assertLessEqual(stock, set(out.split()))
        self.assertEqual(self.run_command("edit-config")[0], 2)
