"""
Tests for C{netstream gencert}.
"""

import contextlib
import io
import stat
import time
from pathlib import Path
from types import SimpleNamespace

from cryptography import x509
from cryptography.x509.oid import SignatureAlgorithmOID
from twisted.trial.unittest import SynchronousTestCase

from netstream.cli import main
from netstream.config import load
from netstream.tls.certificates import doubts, machine_guids, names, read_pair
from netstream.tls.client import Client
from netstream.tls.server import Server
from tests.tls.papers import pair, write

GUID = "99999999-9999-4999-8999-999999999999"


class GencertTests(SynchronousTestCase):
    """
    Certificates for parents and children.
    """

    def setUp(self) -> None:
        self.config = Path(self.mktemp())
        self.config.mkdir()
        self.directory = self.config / "ssl"

    def run_command(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["gencert", *arguments, "--config-dir", str(self.config)])
        return status, out.getvalue(), err.getvalue()

    def test_parent_and_child(self) -> None:
        """
        What it makes is where a parent finds it, and what it prints is what a
        child needs.
        """
        status, said, _ = self.run_command("parent.example", "10.0.0.5")
        self.assertEqual(status, 0)
        self.assertIn("destination = parent.example:19999:SSL", said)
        self.assertIn("CAfile", said)
        settings = load("parent", self.config, self.config / "data", overrides=["web/bind to=*^SSL=force"])
        assert settings.web.tls is not None
        server = Server(settings.web.tls)
        self.assertEqual(names(server.pair.certificate), ("parent.example", "10.0.0.5"))
        for name in ("key.pem", "ca-key.pem"):
            self.assertEqual(stat.S_IMODE((self.directory / name).stat().st_mode), 0o600)
        overrides = [f"stream/CAfile={(self.directory / 'ca.pem').resolve()}"]
        child = load("child", self.config, None, overrides, None, "parent.example:SSL", GUID)
        self.assertIsNotNone(Client(child.stream.tls))

    def test_check(self) -> None:
        """
        C{netstream check} tells of a certificate with which a node would not
        start.
        """
        self.run_command("parent.example")
        check = ["check", "--config-dir", str(self.config), "--set", "web/bind to=*^SSL=force"]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.assertEqual(main(check), 0)
            (self.directory / "key.pem").write_bytes((self.directory / "ca-key.pem").read_bytes())
            self.assertEqual(main(check), 1)
        self.assertIn("TLS:           with", out.getvalue())
        self.assertIn("does not belong to the private key", err.getvalue())

    def test_doubts(self) -> None:
        """
        C{check} warns of a certificate that expires soon, or is signed in a way that others do not trust.
        """
        soon = pair("parent", days=5)
        self.directory.mkdir()
        write(soon, self.directory)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(main(["check", "--files", "--config-dir", str(self.config)]), 0)
        self.assertRegex(out.getvalue(), "warning: .*cert.pem: expires on .*; put a new one there")
        self.assertEqual([*doubts(pair("parent").certificate, time.time())], [])
        weak = SimpleNamespace(
            not_valid_after_utc=pair("parent").certificate.not_valid_after_utc,
            signature_algorithm_oid=SignatureAlgorithmOID.RSA_WITH_SHA1,
        )
        (doubt,) = doubts(weak, time.time())  # type: ignore[arg-type]
        self.assertIn("signed with SHA-1", doubt)

    def test_client(self) -> None:
        """
        A child's certificate comes from the same authority, and is bound to its
        machine GUID.
        """
        self.run_command("parent.example")
        status, said, _ = self.run_command("--client", GUID.upper())
        self.assertEqual(status, 0)
        self.assertIn("ssl client CA", said)
        files = self.directory / f"client-{GUID}-cert.pem", self.directory / f"client-{GUID}-key.pem"
        made = read_pair(*files, time.time(), "", "")
        self.assertEqual(machine_guids(made.certificate), {GUID})
        authority = x509.load_pem_x509_certificate((self.directory / "ca.pem").read_bytes())
        made.certificate.verify_directly_issued_by(authority)

    def test_again(self) -> None:
        """
        Nothing is replaced unless it shall be, and the authority never is.
        """
        self.run_command("parent.example")
        before, ca = ((self.directory / name).read_bytes() for name in ("cert.pem", "ca.pem"))
        status, _, problem = self.run_command("parent.example")
        self.assertEqual(status, 1)
        self.assertIn("cert.pem: is there already; --force replaces it", problem)
        self.assertEqual((self.directory / "cert.pem").read_bytes(), before)
        self.assertEqual(self.run_command("parent.example", "--force", "--days", "3")[0], 0)
        self.assertNotEqual((self.directory / "cert.pem").read_bytes(), before)
        self.assertEqual((self.directory / "ca.pem").read_bytes(), ca)

    def test_own_names(self) -> None:
        """
        Without names, a certificate is for this machine.
        """
        self.assertEqual(self.run_command()[0], 0)
        (found,) = x509.load_pem_x509_certificates((self.directory / "cert.pem").read_bytes())
        self.assertLessEqual({"localhost", "127.0.0.1", "::1"}, set(names(found)))

    def test_wrong(self) -> None:
        """
        What cannot be made is said, and leaves no certificate.
        """
        for arguments, words in (
            (("parent.example", "--days", "0"), "--days 0 is not between"),
            (("a" * 64 + "\u20ac" + ".example",), "no names of a certificate"),
        ):
            status, _, problem = self.run_command(*arguments)
            self.assertEqual(status, 1)
            self.assertIn(words, problem)
            self.assertFalse((self.directory / "cert.pem").exists())
        self.directory.mkdir(exist_ok=True)
        (self.directory / "ca.pem").write_text("nonsense")
        self.assertIn("ca.pem: holds no certificate", self.run_command("a")[2])
