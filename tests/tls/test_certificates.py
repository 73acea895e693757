"""
Tests for reading and making certificates.
"""

import subprocess
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from twisted.trial.unittest import SynchronousTestCase

from netstream.config import ConfigError
from netstream.tls.certificates import (
    certificate_fingerprint,
    described,
    identities,
    machine_guids,
    names,
    printable,
    read_certificates,
    read_pair,
)
from netstream.tls.contexts import CIPHERS, sound_ciphers
from tests.tls.papers import authority, pair, write

GUID = "99999999-9999-4999-8999-999999999999"
OPTIONS = ("[web] ssl certificate", "[web] ssl key")


class ReadingTests(SynchronousTestCase):
    """
    L{read_pair}.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def wrong(self, certificate: Path, key: Path) -> str:
        return str(self.assertRaises(ConfigError, read_pair, certificate, key, time.time(), *OPTIONS))

    def test_good(self) -> None:
        """
        A pair that fits is read, with all that is in its file.
        """
        made = pair("parent.example", "10.0.0.5")
        certificate, key = write(made, self.directory)
        with certificate.open("ab") as file:
            file.write(authority().certificate.public_bytes(Encoding.PEM))
        found = read_pair(certificate, key, time.time(), *OPTIONS)
        self.assertEqual(found.chain, (made.certificate, authority().certificate))
        self.assertFalse(found.open_to_others)
        key.chmod(0o644)
        self.assertTrue(read_pair(certificate, key, time.time(), *OPTIONS).open_to_others)

    def test_wrong(self) -> None:
        """
        What is wrong with a file is said with its name, the option that names
        it, and what would be right.
        """
        certificate, key = write(pair("a.example"), self.directory)
        other, other_key = write(pair("b.example"), self.directory, "other-")
        nothing = self.directory / "nothing"
        nothing.write_text("hello")
        damaged = self.directory / "damaged"
        damaged.write_bytes(certificate.read_bytes()[:200] + b"\n-----END CERTIFICATE-----\n")
        for wrong, words in (
            ((self.directory / "none", key), ("none: cannot be read: No such file", "ssl certificate")),
            ((certificate, self.directory / "none"), ("none: cannot be read: No such file", "ssl key")),
            ((nothing, key), ("nothing: holds no certificate", "BEGIN CERTIFICATE")),
            ((damaged, key), ("damaged: is damaged",)),
            ((certificate, nothing), ("nothing: holds no private key",)),
            (
                (certificate, other_key),
                ("cert.pem: does not belong to the private key in", "other-key.pem", "a.example"),
            ),
        ):
            message = self.wrong(*wrong)
            for word in words:
                self.assertIn(word, message)
            self.assertNotIn("\n", message)

    def test_dates(self) -> None:
        """
        A certificate that is not valid now is refused, with its dates.
        """
        certificate, key = write(pair("a.example", made=-40), self.directory)
        self.assertRegex(self.wrong(certificate, key), r"expired on \d{4}-\d\d-\d\d .* UTC, and it is \d{4}")
        certificate, key = write(pair("a.example", made=2), self.directory)
        self.assertIn("is not valid before", self.wrong(certificate, key))

    def test_passphrase(self) -> None:
        """
        A key that asks for a passphrase is refused, with the way to change it.
        """
        certificate, key = write(pair("a.example"), self.directory)
        secret = ec.generate_private_key(ec.SECP256R1())
        key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
        self.assertIn("passphrase", self.wrong(certificate, key))


class DescriptionTests(SynchronousTestCase):
    """
    What people are told of a certificate.
    """

    def test_described(self) -> None:
        """
        Subject, issuer, dates and names are all there.
        """
        text = described(pair("parent.example", "10.0.0.5").certificate)
        for word in ("'CN=parent.example'", "'CN=Test CA'", "valid from 20", " to 20", "parent.example, 10.0.0.5"):
            self.assertIn(word, text)
        many = described(pair(*(f"n{number}.example" for number in range(20))).certificate)
        self.assertIn("and 12 more", many)

    def test_hostile(self) -> None:
        """
        What a peer wrote into its certificate cannot break a line of a log,
        nor fill it.
        """
        text = described(pair("a\nb\x1b[31m" + "c" * 40).certificate)
        self.assertNotIn("\n", text)
        self.assertNotIn("\x1b", text)
        self.assertEqual(len(printable("x" * 1000)), 200)

    def test_identities(self) -> None:
        """
        A client's certificate is known by its names, its machine GUID and its
        fingerprint.
        """
        certificate = pair(f"urn:uuid:{GUID}", "web-1", client=True).certificate
        self.assertEqual(machine_guids(certificate), {GUID})
        self.assertEqual(names(certificate), ("web-1",))
        digest = certificate_fingerprint(certificate)
        self.assertEqual(identities(certificate), (GUID, "web-1", f"urn:uuid:{GUID}", f"sha256:{digest}"))


class OpenSSLTests(SynchronousTestCase):
    """
    What we make, others accept.
    """

    def test_verifies(self) -> None:
        """
        C{openssl verify} accepts our certificates for what they are for, and
        agrees on the fingerprint.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        ca, _ = write(authority(), directory, "ca-")
        for client, purpose in ((False, "sslserver"), (True, "sslclient")):
            certificate, _ = write(pair("parent.example", client=client), directory)
            command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", str(ca), str(certificate)]
            subprocess.run(command, check=True, capture_output=True)
        shown = subprocess.run(
            ["openssl", "x509", "-in", str(certificate), "-noout", "-fingerprint", "-sha256"],
            check=True,
            capture_output=True,
        ).stdout.decode()
        (found,) = read_certificates(certificate, "")
        self.assertEqual(shown.partition("=")[2].strip().replace(":", "").lower(), certificate_fingerprint(found))


class CipherTests(SynchronousTestCase):
    """
    L{sound_ciphers}.
    """

    def test_ours(self) -> None:
        """
        Without a list, ours is used.
        """
        self.assertEqual(sound_ciphers("none"), (CIPHERS, ()))

    def test_weak(self) -> None:
        """
        What has no forward secrecy or no authentication is left out of a list.
        """
        kept, left_out = sound_ciphers("ECDHE-RSA-AES128-GCM-SHA256:AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA")
        self.assertEqual(kept, "ECDHE-RSA-AES128-GCM-SHA256")
        self.assertEqual(set(left_out), {"AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA"})

    def test_none_left(self) -> None:
        """
        A list of which nothing can be used is refused, as is what is no list.
        """
        for text, words in (("AES128-SHA", "no cipher has ECDHE"), ("nonsense", "no list of OpenSSL ciphers")):
            self.assertIn(words, str(self.assertRaises(ConfigError, sound_ciphers, text)))
