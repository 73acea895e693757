"""
The file of those who may look.
"""

import contextlib
import io
import sys
from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from netstream.cli import main
from netstream.config.credentials import Credentials, Hashed, hash_password, read_credentials
from netstream.config.errors import ConfigError
from tests.config.test_options import ConfigCase

TOKEN = "7f0c6f2e-8a0b-4c55-9a39-4c7b1b0d9c11"
WEB = "[web]\naccess token file = access\n"
KNOWN = "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43


class FileTests(ConfigCase):
    """
    L{read_credentials}, through C{[web] access token file}.
    """

    def entries(self, text: str) -> Credentials:
        config, _ = self.configuration()
        (config / "access").write_text(text)
        return read_credentials(config / "access")

    def test_entries(self) -> None:
        """
        Tokens, their hashes and users can stand in one file.
        """
        found = self.entries(f"# Who?\n\n{TOKEN}\n  sha256:{sha256(b'other').hexdigest().upper()} \nalice:{KNOWN}\n")
        for token, known in ((TOKEN, True), ("other", True), (TOKEN.upper(), False), ("", False), ("\udc80", False)):
            self.assertIs(found.has_token(token), known, token)
        self.assertEqual(list(found.users), ["alice"])
        self.assertNotIn(TOKEN, repr(found))

    def test_wrong(self) -> None:
        """
        What is wrong is told by its line, and not what stands there.
        """
        for line, problem in (
            ("short", "a token has at least 16 characters"),
            ("this is no token at all", "a token has at least 16 characters"),
            ("alice:secret-password", "what stands behind 'alice:' is no hash as 'netstream hash-password' makes it"),
            ("al ice:" + KNOWN, "what stands before ':' is no name of a user"),
            (":" + KNOWN, "what stands before ':' is no name of a user"),
            ("alice:" + KNOWN.replace("ln=10", "ln=19"), "too much work"),
            ("alice:" + KNOWN.replace("ln=10,r=8", "ln=0,r=8"), "a weak hash"),
            ("alice:" + KNOWN.replace("c2FsdHNhbHRzYWx0", "c2Fs"), "a weak hash"),
            (f"bob:{KNOWN}\nbob:{KNOWN}", "user bob is there twice"),
        ):
            with self.assertRaises(ConfigError) as caught:
                self.entries(f"# First\n{TOKEN}\n{line}\n")
            message = str(caught.exception)
            self.assertIn(problem, message)
            self.assertIn(f"access:{4 if 'bob' in line else 3}: [web] access token file: ", message)
            self.assertNotIn("secret", message)
        for text in ("", "# Nobody\n"):
            with self.assertRaisesRegex(ConfigError, "nobody is in it"):
                self.entries(text)

    def test_loaded(self) -> None:
        """
        A file that cannot be used stops the start, one that others can read
        is warned of, and C{check} says who may look.
        """
        self.assertIn("access: [web] access token file: cannot be read: No such file", self.wrong(WEB))
        config, data = self.configuration(WEB)
        (config / "access").write_text(TOKEN + "\n")
        (config / "access").chmod(0o644)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(main(["check", "--config-dir", str(config), "--data-dir", str(data)]), 0)
        self.assertIn("access: holds tokens or passwords, but others can read it; chmod 600 it", out.getvalue())
        self.assertIn("dashboard for: everyone who signs in\n", out.getvalue())
        self.assertNotIn(TOKEN, out.getvalue())

    def test_bearer(self) -> None:
        """
        A file of an agent that asks for protection by tokens does not start a
        node that anyone may look at.
        """
        asked = "[web]\nbearer token protection = yes\n"
        message = self.wrong(asked)
        self.assertIn("2: [web] bearer token protection: ", message)
        self.assertIn("'access token file'", message)
        self.assertEqual(self.load("[web]\nbearer token protection = no\n").warnings, ())
        self.assertEqual(self.load(asked + "mode = none\n").warnings, ())
        config, data = self.configuration(asked + "access token file = access\n")
        (config / "access").write_text(TOKEN + "\n")
        (config / "access").chmod(0o600)
        known = ["check", "--files", "--config-dir", str(config), "--data-dir", str(data)]
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(main(known), 0)
        self.assertNotIn("warning", out.getvalue())
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            self.assertEqual(main([*known, "--set", "web/access token for=badges"]), 1)
        self.assertIn("'access token for' leaves 'dashboard' out", out.getvalue())


class PasswordTests(SynchronousTestCase):
    """
    Hashes of passwords.
    """

    def run_command(self, name: str, typed: str) -> tuple[int, str, str]:
        self.patch(sys, "stdin", io.StringIO(typed))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["hash-password", name])
        return status, out.getvalue(), err.getvalue()

    def test_command(self) -> None:
        """
        What the command prints lets who knows the password in, and nobody
        else; the same password never has the same hash.
        """
        (_, first, _), (status, second, _) = (self.run_command("alice", "correct horse\n") for _ in range(2))
        self.assertEqual(status, 0)
        self.assertNotEqual(first, second)
        name, _, text = first.strip().partition(":")
        self.assertEqual(name, "alice")
        self.assertTrue(text.startswith("$scrypt$ln=14,r=8,p=5$"))
        known = Credentials(users={name: Hashed.parse(text)})
        self.assertTrue(known.password_fits("alice", "correct horse"))
        self.assertFalse(known.password_fits("alice", "correct horsE"))
        self.assertFalse(known.password_fits("bob", "correct horse"))

    def test_refused(self) -> None:
        """
        A password that is too short, or a name that nobody can have, is said.
        """
        self.assertEqual(
            self.run_command("alice", "short\n")[::2], (1, "hash-password: a password has at least 8 characters\n")
        )
        self.assertIn("is no name of a user", self.run_command("a:b", "correct horse\n")[2])

    def test_format(self) -> None:
        """
        Hashes are read as they are written.
        """
        made = hash_password("pässword", lambda length: bytes(range(length)))
        self.assertEqual(Hashed.parse(made.text), made)
        self.assertTrue(made.fits("pässword"))
        for text in ("", "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$x", made.text + "=", made.text.replace("ln", "n")):
            self.assertRaises(ValueError, Hashed.parse, text)
