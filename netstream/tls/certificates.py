"""
Certificates and keys: read, checked, and described for people.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from netstream.config.errors import ConfigError

SOON = 14 * 86400.0
"""Seconds before a certificate expires in which that is said."""

_WEAK = {
    SignatureAlgorithmOID.RSA_WITH_MD5: "MD5",
    SignatureAlgorithmOID.RSA_WITH_SHA1: "SHA-1",
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: "SHA-1",
}

_SHOWN = 200
"""Characters of a text out of a certificate that are shown: a peer wrote it."""

_NAMES_SHOWN = 8
_URN = "urn:uuid:"


@frozen
class Pair:
    """
    A certificate with its private key.

    @ivar chain: The certificate, and the authorities that come with it.
    @ivar key: The private key.
    @ivar open_to_others: Whether others than its owner can read the key.
    """

    chain: tuple[x509.Certificate, ...]
    key: Any = field(repr=False)
    open_to_others: bool = False

    @property
    def certificate(self) -> x509.Certificate:
        """
        The first of the chain: whose key it is.
        """
        return self.chain[0]


def printable(text: str) -> str:
    """
    @return: What a peer wrote, on one line and not too long.
    """
    return re.sub(r"[^ -~]", "?", text)[:_SHOWN]


def day(moment: datetime) -> str:
    """
    @return: A time as it is shown, UTC.
    """
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def utc(now: float) -> datetime:
    """
    @param now: UTC seconds.
    """
    return datetime.fromtimestamp(now, UTC)


def certificate_fingerprint(certificate: x509.Certificate) -> str:
    """
    @return: SHA-256 of the certificate, lower case hexadecimal digits.
    """
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _alternatives(certificate: x509.Certificate) -> Iterable[x509.GeneralName]:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """
    @return: The host names and addresses that it is for.
    """
    found = _alternatives(certificate)
    return tuple(str(name.value) for name in found if isinstance(name, x509.DNSName | x509.IPAddress))


def machine_guids(certificate: x509.Certificate) -> frozenset[str]:
    """
    @return: The machine GUIDs that it is bound to: its names of the form
        C{urn:uuid:GUID}, in lower case.
    """
    found = _alternatives(certificate)
    uris = [name.value.lower() for name in found if isinstance(name, x509.UniformResourceIdentifier)]
    return frozenset(uri.removeprefix(_URN) for uri in uris if uri.startswith(_URN))


def identities(certificate: x509.Certificate) -> tuple[str, ...]:
    """
    @return: All by which C{ssl client certificate} may know it: common name,
        host names and addresses, C{urn:uuid:GUID}, and its fingerprint as
        C{sha256:...}.
    """
    common = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    guids = sorted(_URN + guid for guid in machine_guids(certificate))
    return (*common, *names(certificate), *guids, f"sha256:{certificate_fingerprint(certificate)}")


def doubts(certificate: x509.Certificate, now: float) -> Iterable[str]:
    """
    @param now: UTC seconds.
    @return: What its owner should know of it before others complain.
    """
    end = certificate.not_valid_after_utc
    if end.timestamp() - now < SOON:
        yield f"expires on {day(end)}; put a new one there, no restart is needed"
    weak = _WEAK.get(certificate.signature_algorithm_oid)
    if weak:
        yield f"is signed with {weak}, which others do not trust; have it issued anew with SHA-256"


def described(certificate: x509.Certificate) -> str:
    """
    @return: What people need to recognise it: subject, issuer, dates, names.
    """
    its_names = [*names(certificate), *sorted(_URN + guid for guid in machine_guids(certificate))]
    shown = ", ".join(printable(name) for name in its_names[:_NAMES_SHOWN]) or "none"
    more = f" and {len(its_names) - _NAMES_SHOWN} more" if len(its_names) > _NAMES_SHOWN else ""
    return (
        f"subject '{printable(certificate.subject.rfc4514_string())}', "
        f"issuer '{printable(certificate.issuer.rfc4514_string())}', "
        f"valid from {day(certificate.not_valid_before_utc)} to {day(certificate.not_valid_after_utc)}, "
        f"names {shown}{more}"
    )


def _wrong(path: Path, option: str, message: str) -> ConfigError:
    return ConfigError(str(path), "", "", f"{message} ({option})")


def _content(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise _wrong(path, option, f"cannot be read: {problem.strerror}") from problem


def read_certificates(path: Path, option: str) -> tuple[x509.Certificate, ...]:
    """
    @param option: Which option names the file, for messages.
    @return: The certificates of a PEM file, one at least.
    @raise ConfigError: It cannot be read, or holds none.
    """
    content = _content(path, option)
    try:
        return tuple(x509.load_pem_x509_certificates(content))
    except ValueError as problem:
        what = "holds no certificate" if b"-----BEGIN CERTIFICATE-----" not in content else f"is damaged: {problem}"
        raise _wrong(path, option, f"{what}; it must be PEM, '-----BEGIN CERTIFICATE-----' and so on") from problem


def _read_key(path: Path, option: str) -> Any:
    content = _content(path, option)
    try:
        return load_pem_private_key(content, None)
    except TypeError as problem:
        raise _wrong(
            path, option, "is protected by a passphrase that a node cannot ask for; 'openssl pkey' writes it without"
        ) from problem
    except Exception as problem:  # whatever cryptography's parsers raise, and they raise their own
        raise _wrong(
            path, option, "holds no private key; it must be PEM, '-----BEGIN PRIVATE KEY-----' and so on"
        ) from problem


def read_pair(
    certificate: Path, key: Path, now: float, certificate_option: str, key_option: str, *, server: bool = True
) -> Pair:
    """
    Read a certificate and its private key, and check that they can serve.

    @param now: UTC seconds.
    @param certificate_option: Which option names the certificate, for
        messages.
    @param key_option: The same for the key.
    @param server: Whether it is a server's; for messages.
    @raise ConfigError: One cannot be read, they do not belong together, or
        the certificate is not valid now.
    """
    chain = read_certificates(certificate, certificate_option)
    private = _read_key(key, key_option)
    if chain[0].public_key() != private.public_key():
        raise _wrong(
            certificate,
            certificate_option,
            f"does not belong to the private key in {key} ({key_option}): they must be made together; the certificate "
            f"has {described(chain[0])}",
        )
    moment = utc(now)
    if moment >= chain[0].not_valid_after_utc:
        raise _wrong(
            certificate,
            certificate_option,
            f"expired on {day(chain[0].not_valid_after_utc)}, and it is {day(moment)}; put a new one there",
        )
    if moment < chain[0].not_valid_before_utc:
        raise _wrong(
            certificate,
            certificate_option,
            f"is not valid before {day(chain[0].not_valid_before_utc)}, and it is {day(moment)}; is the clock right?",
        )
    return Pair(chain, private, bool(stat.S_IMODE(key.stat().st_mode) & 0o044))
