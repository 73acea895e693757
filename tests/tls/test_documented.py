"""
The command lines of OpenSSL that the documentation shows work as typed.
"""

import re
import subprocess
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.tls.certificates import certificate_fingerprint, names, read_pair
from netstream.tls.client import is_for

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


def documented() -> list[str]:
    """
    @return: Each command line of C{openssl} in the page, in order.
    """
    return re.findall(r"^(openssl .*)$", PAGE.read_text(), re.MULTILINE)


class OpenSSLTests(SynchronousTestCase):
    """
    The commands, typed one after the other.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        (self.directory / "ssl").mkdir(parents=True)

    def type(self, command: str, answers: str = "\n" * 20) -> str:
        """
        @param answers: To what the command asks; return accepts what it
            proposes.
        @return: What it printed.
        """
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.directory,
            input=answers,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_commands(self) -> None:
        """
        Each makes or prints what the page says of it.
        """
        without, with_names, shown, rehash, client = documented()
        self.type(without)
        files = self.directory / "cert.pem", self.directory / "key.pem"
        pair = read_pair(*files, time.time(), "ssl certificate", "ssl key")
        self.assertEqual(names(pair.certificate), ())
        self.type(with_names)
        pair = read_pair(*files, time.time(), "ssl certificate", "ssl key")
        for name in ("parent.example", "10.0.0.5"):
            self.assertTrue(is_for(pair.certificate, name))
        digits = self.type(shown).partition("=")[2].strip().replace(":", "").lower()
        self.assertEqual(digits, certificate_fingerprint(pair.certificate))
        (self.directory / "ssl" / "ca.pem").write_bytes(files[0].read_bytes())
        self.type(rehash)
        self.assertEqual(len(list((self.directory / "ssl").glob("*.0"))), 1)
        # What it prints of a node is in the tests with real peers.
        self.assertTrue(client.startswith("openssl s_client -connect localhost:19999 "))
