"""
TLS contexts that offer nothing weak.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from OpenSSL import SSL
from OpenSSL.crypto import X509

from netstream.config.errors import ConfigError
from netstream.tls.certificates import Pair

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


def present(context: SSL.Context, pair: Pair) -> None:
    """
    Let a context show a certificate.
    """
    context.use_certificate(pair.certificate)
    for authority in pair.chain[1:]:
        context.add_extra_chain_cert(authority)
    context.use_privatekey(pair.key)
    context.check_privatekey()
