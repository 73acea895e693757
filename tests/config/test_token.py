"""
Tests for L{netstream.config.token}.
"""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.config import ConfigError
from netstream.config.token import VARIABLE, token_of


class TokenTests(SynchronousTestCase):
    """
    L{token_of}.
    """

    def setUp(self) -> None:
        self.file = Path(self.mktemp())

    def test_found(self) -> None:
        """
        The file that is named counts, else the environment; without both
        there is no token.
        """
        self.file.write_text("# mine\n\n  one  \ntwo\n")
        self.assertEqual(token_of(self.file, {VARIABLE: "other"}), "one")
        self.assertEqual(token_of(None, {VARIABLE: "other\n"}), "other")
        self.assertEqual(token_of(None, {}), "")

    def test_refused(self) -> None:
        """
        What cannot be a token is said, without it: hashes, several words, and
        what would be a header of its own.
        """
        with self.assertRaises(ConfigError) as caught:
            token_of(self.file, {})
        self.assertEqual(str(caught.exception), f"{self.file}: No such file or directory")
        for text, why in (
            ("# none", "no token in it"),
            ("sha256:0123secret", "what a node keeps"),
            ("alice:$scrypt$0123secret", "what a node keeps"),
            ("two secret", "one word"),
            ("secret\x00", "one word"),
            ("secreté", "one word"),
            ("secret" * 500, "one word"),
        ):
            self.file.write_text(text)
            with self.assertRaises(ConfigError) as caught:
                token_of(self.file, {})
            self.assertIn(why, str(caught.exception))
            self.assertNotIn("secret", str(caught.exception))
        with self.assertRaises(ConfigError) as caught:
            token_of(None, {VARIABLE: "a\r\nX-Other: b"})
        self.assertIn(VARIABLE, str(caught.exception))
