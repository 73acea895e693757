"""
TLS contexts that offer nothing weak.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL
from OpenSSL.crypto import X509, X509StoreContext, X509StoreContextError

from netstream.config.errors import ConfigError
from netstream.tls.certificates import Pair, described

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""The suites of TLS 1.2 that have forward secrecy and authenticated encryption; those of 1.3 all do."""

_VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_SESSION = b"netstream"


def _sound(cipher: str) -> bool:
    return cipher.startswith("TLS_") or (
        cipher.startswith("ECDHE-") and any(mode in cipher for mode in ("GCM", "CHACHA20", "CCM"))
    )


def sound_ciphers(wanted: str) -> tuple[str, tuple[str, ...]]:
    """
    Leave out of a cipher list what is not sound.

    @param wanted: An OpenSSL list; C{""} and C{none} are our own.
    @return: The list to use, and the names that were left out.
    @raise ConfigError: It is no such list, or nothing is left.
    """
    if wanted in ("", "none"):
        return CIPHERS, ()
    context = SSL.Context(SSL.TLS_METHOD)
    try:
        context.set_cipher_list(wanted.encode())
    except SSL.Error:
        raise ConfigError(
            "netstream.conf", "web", "tls ciphers", f"'{wanted}' is no list of OpenSSL ciphers such as '{CIPHERS}'"
        ) from None
    offered = [name for name in SSL.Connection(context, None).get_cipher_list() if not name.startswith("TLS_")]
    kept = [name for name in offered if _sound(name)]
    if not kept:
        raise ConfigError(
            "netstream.conf",
            "web",
            "tls ciphers",
            f"of '{wanted}' no cipher has ECDHE and authenticated encryption, so none may be used; leave the option "
            f"out, or write '{CIPHERS}'",
        )
    return ":".join(kept), tuple(name for name in offered if name not in kept)


def hardened(newest: str = "1.3", ciphers: str = CIPHERS) -> SSL.Context:
    """
    @param newest: C{1.2} or C{1.3}, the newest version to speak.
    @param ciphers: What L{sound_ciphers} returned.
    @return: A context for TLS 1.2 and 1.3: no compression, no renegotiation,
        no tickets, forward secrecy and authenticated encryption only.
    """
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(_VERSIONS[newest])
    context.set_options(
        SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET | SSL.OP_CIPHER_SERVER_PREFERENCE
    )
    # An idle connection keeps no buffers of its own.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(_SESSION)
    context.set_cipher_list(ciphers.encode())
    return context


def trust(context: SSL.Context, authorities: Iterable[x509.Certificate]) -> None:
    """
    Let certificates be good that any of these issued, or that is one of these.
    """
    store = context.get_cert_store()
    assert store is not None
    for authority in authorities:
        store.add_cert(X509.from_cryptography(authority))


def present(context: SSL.Context, pair: Pair, file: Path, option: str) -> None:
    """
    Let a context show a certificate.

    @param file: Where the certificate is, for messages.
    @param option: Which option names it.
    @raise ConfigError: OpenSSL takes it for too weak, or for nothing to show.
    """
    try:
        context.use_certificate(pair.certificate)
        for authority in pair.chain[1:]:
            context.add_extra_chain_cert(authority)
        context.use_privatekey(pair.key)
        context.check_privatekey()
    except (SSL.Error, TypeError) as problem:
        reasons = problem.args[0] if isinstance(problem, SSL.Error) and problem.args else ()
        reason = next((each[-1] for each in reasons if each[-1]), "") or str(problem)
        raise ConfigError(
            str(file),
            "",
            "",
            f"cannot be shown: {reason}; a key of RSA has 2048 bits or more, and SHA-256 signs; the certificate has "
            f"{described(pair.certificate)} ({option})",
        ) from problem


_PURPOSE, _SHORT_KEY = 26, 66
_LEAST_BITS = 2048


@frozen
class Fault:
    """
    What is wrong with a chain of certificates.

    @ivar certificate: The one at fault.
    @ivar number: How OpenSSL numbers the fault.
    @ivar depth: 0 is the first of the chain.
    """

    certificate: x509.Certificate
    number: int
    depth: int


def fault(context: SSL.Context, chain: Sequence[x509.Certificate], *, client: bool) -> Fault | None:
    """
    Judge a chain that was presented where OpenSSL does not run the handshake,
    as it would there.

    @param context: Has the authorities that are trusted.
    @param chain: The first is whose key it is.
    @param client: Whether a client presented it.
    @return: L{None} if nothing is wrong.
    """
    store = context.get_cert_store()
    assert store is not None
    first, *others = (X509.from_cryptography(certificate) for certificate in chain)
    try:
        X509StoreContext(store, first, others).verify_certificate()
    except X509StoreContextError as problem:
        number, depth, _ = problem.errors
        return Fault(problem.certificate.to_cryptography(), number, depth)
    if not _meant_for(chain[0], client):
        return Fault(chain[0], _PURPOSE, 0)
    key = chain[0].public_key()
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_BITS:
        return Fault(chain[0], _SHORT_KEY, 0)
    return None


def _meant_for(certificate: x509.Certificate, client: bool) -> bool:
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except (x509.DuplicateExtension, ValueError):
        return False
    wanted = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    return wanted in uses or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in uses
