"""
Tests for the command line of C{twistd netstream}.
"""

import contextlib
import io
from pathlib import Path

from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

import netstream
from netstream.config.settings import Role
from netstream.tap import Options
from netstream.testing import KEY


class OptionsTests(SynchronousTestCase):
    """
    L{Options} become settings.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.printed = io.StringIO()

    def parse(self, *words: str) -> Options:
        options = Options()
        with contextlib.redirect_stdout(self.printed):
            options.parseOptions(
                [*words, "--config-dir", str(self.directory), "--data-dir", str(self.directory / "data")]
            )
        return options

    def test_child(self) -> None:
        """
        Role, destination, key and overrides of the line are what the node is
        told.
        """
        settings = self.parse(
            "--role", "child", "--destination", "a b:1", "--api-key", KEY, "--hostname", "me", "--set", "db/mode=none"
        ).settings
        self.assertEqual((settings.role, settings.node.hostname, settings.db.mode.value), (Role.CHILD, "me", "none"))
        self.assertEqual([(d.host, d.port) for d in settings.stream.destinations], [("a", 19999), ("b", 1)])
        self.assertEqual(settings.stream.api_key, KEY)

    def test_first_key(self) -> None:
        """
        A parent without a key makes one, once, and prints the very lines that
        a child needs.
        """
        first = self.parse("--role", "parent", "--hostname", "here").settings
        printed = self.printed.getvalue()
        self.assertEqual(len(first.keys), 1)
        self.assertIn("    destination = here:19999\n    api key = ", printed)
        key = printed.split("api key = ")[1].split()[0]
        self.assertTrue(first.admit(key, KEY, "192.0.2.1", 0.0).enabled)
        self.printed.truncate(0)
        self.assertEqual(self.parse("--role", "parent").settings.keys, first.keys)
        self.assertNotIn("api key", self.printed.getvalue())

    def test_wrong(self) -> None:
        """
        What is wrong is said in one line that names the place.
        """
        for words, message in (
            (["--role", "chief"], "--role: 'chief' is not one of"),
            (["--set", "db/update every=soon"], "update every"),
            (["--role", "child"], "destination"),
            (["--set", "nonsense"], "nonsense"),
        ):
            problem = self.assertRaises(usage.UsageError, self.parse, *words)
            self.assertIn(message, str(problem))
            self.assertNotIn("\n", str(problem))

    def test_version(self) -> None:
        """
        The version is that of netstream.
        """
        with self.assertRaises(SystemExit) as ended:
            self.parse("--version")
        self.assertFalse(ended.exception.code)
        self.assertEqual(self.printed.getvalue(), f"netstream {netstream.__version__}\n")
