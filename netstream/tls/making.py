"""
A certificate authority of one's own, and certificates that it issues.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from netstream.tls.certificates import Pair, utc

CA_DAYS = 3650
"""Days that an authority is valid."""

DAYS = 825
"""Days that a certificate is valid unless told otherwise."""

_EARLIER = timedelta(hours=1)
"""A clock that is behind must not take a new certificate for one of the future."""


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    if name.startswith("urn:"):
        return x509.UniformResourceIdentifier(name)
    return x509.DNSName(name if name.isascii() else name.encode("idna").decode())


def _begun(subject: x509.Name, issuer: x509.Name, public: Any, now: float, days: int) -> x509.CertificateBuilder:
    moment = utc(now).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _EARLIER)
        .not_valid_after(moment + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def make_authority(name: str, now: float, days: int = CA_DAYS) -> Pair:
    """
    @param now: UTC seconds.
    @return: A new authority, which signs itself.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    certificate = (
        _begun(subject, subject, key.public_key(), now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, SHA256())
    )
    return Pair((certificate,), key)


def issue(authority: Pair, names: Sequence[str], now: float, days: int = DAYS, *, client: bool = False) -> Pair:
    """
    Issue a certificate.

    @param names: What it is for: host names, numeric addresses,
        C{urn:uuid:GUID} for machine GUIDs.  The first is also its common name.
    @param now: UTC seconds.
    @param client: Whether it is for who connects, not for who is connected to.
    @raise ValueError: A name cannot be that of a certificate.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    issuer = authority.certificate
    use = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    signer = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _begun(_subject(names[0].removeprefix("urn:uuid:")), issuer.subject, public, now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in dict.fromkeys(names)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer),
            critical=False,
        )
        .sign(authority.key, SHA256())
    )
    return Pair((certificate,), key)


def save(pair: Pair, certificate: Path, key: Path) -> None:
    """
    Write a certificate and its key, the key for its owner only.  Each file is
    replaced as a whole.

    @raise OSError: One cannot be written.
    """
    text = b"".join(one.public_bytes(Encoding.PEM) for one in pair.chain)
    secret = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _replace(key, secret, 0o600)
    _replace(certificate, text, 0o644)


def _replace(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
