"""
The side that is connected to: its certificate, and those of clients.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

from attrs import frozen
from cryptography import x509
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, ISSLTransport
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.config.errors import ConfigError
from netstream.config.settings import ServerTLS
from netstream.tls.certificates import Pair, described, doubts, read_certificates, read_pair
from netstream.tls.contexts import fault, hardened, present, sound_ciphers, trust
from netstream.tls.explain import failed, not_trusted, with_certificate
from netstream.tls.problem import CERTIFICATE, Problem

_CERTIFICATE, _KEY, _CLIENT_CA = "[web] ssl certificate", "[web] ssl key", "[web] ssl client CA"

Signature = tuple[tuple[int, int, int] | None, ...]


@frozen
class Client:
    """
    What was found of the certificate of one client.

    @ivar problem: Why it was not accepted; C{""} if it was, or if there was
        none.
    @ivar certificate: The one at fault.
    """

    problem: str = ""
    certificate: x509.Certificate | None = None


@implementer(IOpenSSLServerConnectionCreator)
class Server:
    """
    Makes the TLS side of each connection that is accepted, with the
    certificate as it is on disk by then.

    A new certificate that cannot be used leaves the old one in use, and the
    log says why.

    @ivar pair: What is presented now.
    @ivar left_out: Names of C{tls ciphers} that are not used, being weak.
    """

    _log = Logger()

    def __init__(self, settings: ServerTLS, now: Callable[[], float] = time.time) -> None:
        """
        @param now: Gives UTC seconds.
        @raise ConfigError: The certificate cannot be used.
        """
        self._now = now
        self._clients: WeakKeyDictionary[SSL.Connection, Client] = WeakKeyDictionary()
        self._settings: ServerTLS
        self.left_out: Sequence[str]
        self.pair: Pair
        self.prepare(settings)()

    def prepare(self, settings: ServerTLS) -> Callable[[], None]:
        """
        Read the files that other settings name.

        @return: Lets new connections begin with them.
        @raise ConfigError: The certificate cannot be used; nothing changes.
        """
        ciphers, left_out = sound_ciphers(settings.ciphers)
        signature = _look(settings)
        pair, context = self._make(settings, ciphers)

        def go_by() -> None:
            self._settings, self._ciphers, self.left_out = settings, ciphers, left_out
            self._signature, self.pair, self._context = signature, pair, context

        return go_by

    def _make(self, settings: ServerTLS, ciphers: str) -> tuple[Pair, SSL.Context]:
        pair = read_pair(settings.certificate, settings.key, self._now(), _CERTIFICATE, _KEY)
        context = hardened(settings.newest, ciphers)
        present(context, pair, settings.certificate, _CERTIFICATE)
        if settings.client_ca is not None:
            authorities = read_certificates(settings.client_ca, _CLIENT_CA)
            trust(context, authorities)
            for authority in authorities:
                context.add_client_ca(authority)
            demand = SSL.VERIFY_FAIL_IF_NO_PEER_CERT if settings.client_needed == "yes" else 0
            context.set_verify(SSL.VERIFY_PEER | demand, self._verify)
        return pair, context

    @property
    def asks(self) -> bool:
        """
        Whether clients are asked for a certificate.
        """
        return self._settings.client_ca is not None

    def refresh(self) -> Pair:
        """
        Look whether there is a new certificate.

        @return: What is presented now.
        """
        signature = _look(self._settings)
        if signature != self._signature:
            self._signature = signature
            self._reload()
        return self.pair

    def examine(self, chain: Sequence[x509.Certificate]) -> Problem | None:
        """
        Judge what a client presented where OpenSSL does not run the handshake.

        @param chain: The first is the client's own; empty if it presented
            none.
        @return: What is wrong, if anything.
        """
        if not self.asks:
            return None
        if not chain:
            return self._none_presented(CERTIFICATE) if self._settings.client_needed == "yes" else None
        found = fault(self._context, chain, client=True)
        if found is None:
            return None
        text = self._not_trusted(found.certificate, found.number)
        return Problem(CERTIFICATE, with_certificate(text, found.certificate), certificate=True)

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        Make the TLS side of a connection (called by Twisted).
        """
        self.refresh()
        connection = SSL.Connection(self._context, None)
        self._clients[connection] = Client()
        return connection

    def _verify(self, connection: SSL.Connection, presented: X509, number: int, depth: int, good: int) -> bool:
        """
        Judge one certificate of a client's chain (called by OpenSSL).
        """
        if good:
            return True
        certificate = presented.to_cryptography()
        self._clients[connection] = Client(self._not_trusted(certificate, number), certificate)
        return False

    def _not_trusted(self, certificate: x509.Certificate, number: int) -> str:
        return not_trusted(
            certificate,
            number,
            self._now(),
            f"add it to the file that '{_CLIENT_CA}' names, or give the child a certificate of an authority in it",
            "renew it at the child ('ssl certificate' in [stream])",
        )

    def _reload(self) -> None:
        try:
            self.pair, self._context = self._make(self._settings, self._ciphers)
        except (ConfigError, SSL.Error) as problem:
            self._log.error(
                "{problem}; the certificate of before stays in use [{certificate}]",
                problem=str(problem),
                certificate=described(self.pair.certificate),
            )
            return
        self._log.info(
            "new connections get the new certificate [{certificate}]", certificate=described(self.pair.certificate)
        )
        self.remind()

    @property
    def expires(self) -> float:
        """
        When the certificate that is used now expires, UTC seconds.
        """
        return self.pair.certificate.not_valid_after_utc.timestamp()

    def remind(self) -> None:
        """
        Warn if the certificate is about to expire or weak, or its key is open.
        """
        for doubt in doubts(self.pair.certificate, self._now()):
            self._log.warn("{file}: {doubt}", file=str(self._settings.certificate), doubt=doubt)
        if self.pair.open_to_others:
            self._log.warn(
                "{file}: is a private key, but others can read it; chmod 600 it", file=str(self._settings.key)
            )

    def _none_presented(self, phase: str) -> Problem:
        needs = "'ssl require client certificate' in [web] demands one: it needs 'ssl certificate' and 'ssl key'"
        return Problem(phase, f"it presented no certificate, and {needs}", certificate=True)

    def explain(self, connection: SSL.Connection | None, reason: Failure) -> Problem:
        """
        Say why a handshake failed.

        @param connection: What L{serverConnectionForTLS} made; L{None} where
            OpenSSL did not run it.
        """
        client = self._clients.get(connection, Client()) if connection is not None else Client()
        if client.problem:
            return Problem(CERTIFICATE, with_certificate(client.problem, client.certificate), certificate=True)
        problem = failed(reason)
        if problem is None:
            return Problem(CERTIFICATE, "its certificate is not accepted", certificate=True)
        if problem.text == "it presented no certificate":
            return self._none_presented(problem.phase)
        if problem.certificate:
            advice = (
                "it needs 'CAfile' with the authority of this certificate, or 'ssl certificate fingerprint', in its "
                "[stream]; or put one that it accepts in 'ssl certificate' of [web] here"
            )
            return Problem(problem.phase, with_certificate(f"{problem.text}; {advice}", self.pair.certificate), True)
        return problem


def _look(settings: ServerTLS) -> Signature:
    """
    @return: What tells that a file was changed or replaced.
    """
    return tuple(map(_signature, filter(None, (settings.certificate, settings.key, settings.client_ca))))


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def presented(transport: object) -> x509.Certificate | None:
    """
    @param transport: Of a connection, with TLS or without.
    @return: The certificate that the other end presented, verified as the
        settings say; L{None} if there is none.
    """
    if not ISSLTransport.providedBy(transport):
        return None
    certificate = ISSLTransport(transport).getPeerCertificate()
    return certificate.to_cryptography() if isinstance(certificate, X509) else None


def expires(transport: object) -> float:
    """
    @return: When the certificate of the other end expires, UTC seconds; 0 if
        there is none.
    """
    certificate = presented(transport)
    return certificate.not_valid_after_utc.timestamp() if certificate is not None else 0.0
