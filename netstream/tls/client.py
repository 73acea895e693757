"""
The side that connects: whom it trusts, and under which name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from hmac import compare_digest
from ipaddress import ip_address
from pathlib import Path
from weakref import WeakKeyDictionary

from cryptography import x509
from OpenSSL import SSL
from OpenSSL.crypto import X509
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.config.errors import ConfigError
from netstream.config.settings import ClientTLS
from netstream.tls.certificates import Pair, certificate_fingerprint, read_certificates, read_pair
from netstream.tls.contexts import fault, hardened, present, trust
from netstream.tls.explain import failed, not_trusted, with_certificate, wrong_name
from netstream.tls.problem import CERTIFICATE, Problem

_CA_FILE, _CA_PATH = "[stream] CAfile", "[stream] CApath"
_CERTIFICATE, _KEY = "[stream] ssl certificate", "[stream] ssl key"


def is_address(name: str) -> bool:
    """
    @return: Whether a name is a numeric address.
    """
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def is_for(certificate: x509.Certificate, name: str) -> bool:
    """
    @return: Whether a certificate is for a host name or numeric address.
    """
    try:
        if is_address(name):
            verify_certificate_ip_address(certificate, name.partition("%")[0])
        else:
            verify_certificate_hostname(certificate, name)
    except (VerificationError, CertificateError, ValueError):
        return False
    return True


class Client:
    """
    Whom connections to parents trust, and what they present.

    @ivar pair: What is presented, if anything.
    """

    def __init__(self, settings: ClientTLS, now: Callable[[], float] = time.time) -> None:
        """
        @param now: Gives UTC seconds.
        @raise ConfigError: A file cannot be used.
        """
        self.settings = settings
        self.now = now
        self._attempts: WeakKeyDictionary[SSL.Connection, Attempt] = WeakKeyDictionary()
        self._signature = self._look()
        self.pair: Pair | None = None
        self._context = self._make()

    def _look(self) -> tuple[int | None, ...]:
        files = (self.settings.ca_file, self.settings.certificate, self.settings.key)
        return tuple(_changed(file) for file in files if file is not None)

    def _make(self) -> SSL.Context:
        settings = self.settings
        context = hardened()
        if not (settings.skip_verification or settings.fingerprint):
            context.set_default_verify_paths()
        if settings.ca_file is not None:
            trust(context, read_certificates(settings.ca_file, _CA_FILE))
        if settings.ca_path is not None:
            if not settings.ca_path.is_dir():
                raise ConfigError(str(settings.ca_path), "", "", f"is not a directory ({_CA_PATH})")
            context.load_verify_locations(None, str(settings.ca_path))
        if settings.certificate is not None and settings.key is not None:
            pair = read_pair(settings.certificate, settings.key, self.now(), _CERTIFICATE, _KEY, server=False)
            present(context, pair, settings.certificate, _CERTIFICATE)
            self.pair = pair
        context.set_verify(SSL.VERIFY_PEER, self._verify)
        return context

    def _verify(self, connection: SSL.Connection, presented: X509, number: int, depth: int, good: int) -> bool:
        """
        Judge one certificate of a parent's chain (called by OpenSSL).
        """
        return self._attempts[connection].judge(presented.to_cryptography(), number, depth, bool(good))

    def examine(self, attempt: Attempt, chain: Sequence[x509.Certificate]) -> bool:
        """
        Judge a chain that a parent presented where OpenSSL does not run the
        handshake.

        @return: Whether it is good.
        """
        found = fault(self._context, chain, client=False)
        if found is not None and not attempt.judge(found.certificate, found.number, found.depth, False):
            return False
        return attempt.judge(chain[0], 0, 0, True)

    def begin(self, attempt: Attempt) -> SSL.Connection:
        """
        @return: The TLS side of a connection, that an attempt judges.
        """
        connection = SSL.Connection(self._context, None)
        self._attempts[connection] = attempt
        return connection

    def attempt(self, name: str) -> Attempt:
        """
        Prepare one connection, with the files as they are by now.

        @param name: Host name or numeric address that is connected to.
        @raise ConfigError: A file that was changed cannot be used.
        """
        signature = self._look()
        if signature != self._signature:
            self._context = self._make()
            self._signature = signature
        return Attempt(self, name)


@implementer(IOpenSSLClientConnectionCreator)
class Attempt:
    """
    One connection to a parent: judges what the parent presents.

    @ivar trusted: Whether the certificate was judged, and is good.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name.removesuffix(".")
        self._problem = ""
        self._certificate: x509.Certificate | None = None
        self.trusted = False

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        Make the TLS side of the connection (called by Twisted).
        """
        connection = self._client.begin(self)
        if not is_address(self._name):
            connection.set_tlsext_host_name(self._name.encode("idna" if not self._name.isascii() else "ascii"))
        return connection

    @property
    def name(self) -> str | None:
        """
        The host name that is asked for; L{None} where that is an address.
        """
        return None if is_address(self._name) else self._name

    @property
    def pair(self) -> Pair | None:
        """
        What is presented, if anything.
        """
        return self._client.pair

    def examine(self, chain: Sequence[x509.Certificate]) -> bool:
        """
        Judge a whole chain where OpenSSL does not run the handshake.

        @param chain: The first is the parent's own.
        @return: Whether to go on.
        """
        return self._client.examine(self, chain)

    def judge(self, certificate: x509.Certificate, number: int, depth: int, good: bool) -> bool:
        """
        Judge one certificate of the chain.

        @param number: What OpenSSL finds wrong with it.
        @param depth: 0 is the parent's own, which comes last.
        @param good: Whether OpenSSL finds nothing wrong.
        @return: Whether to go on.
        """
        settings = self._client.settings
        if not settings.skip_verification and not settings.fingerprint and not good:
            self._refuse(certificate, self._not_trusted(certificate, number))
            return False
        if depth:
            return True
        if settings.fingerprint and not compare_digest(certificate_fingerprint(certificate), settings.fingerprint):
            found = certificate_fingerprint(certificate)
            self._refuse(
                certificate,
                "the certificate is another one than 'ssl certificate fingerprint' in [stream] says; if the parent has "
                f"a new one, write 'ssl certificate fingerprint = {found}'",
            )
            return False
        checks_name = settings.verify_hostname and not settings.skip_verification and not settings.fingerprint
        if checks_name and not is_for(certificate, self._name):
            self._refuse(certificate, wrong_name(certificate, self._name))
            return False
        self.trusted = True
        return True

    def _not_trusted(self, certificate: x509.Certificate, number: int) -> str:
        path: Path | None = self._client.settings.ca_path
        rehash = f" ('openssl rehash {path}' lets it be found in CApath)" if path is not None else ""
        return not_trusted(
            certificate,
            number,
            self._client.now(),
            "write 'CAfile = /path/of/the/authority.pem' in [stream], or 'ssl certificate fingerprint = "
            f"{certificate_fingerprint(certificate)}' if it is the parent's and that is what it has{rehash}",
            "renew it at the parent ('ssl certificate' in [web])",
        )

    def _refuse(self, certificate: x509.Certificate, problem: str) -> None:
        self.trusted = False
        self._problem = self._problem or problem
        self._certificate = self._certificate or certificate

    def explain(self, reason: Failure, complete: bool = False) -> Problem:
        """
        Say why the connection failed.

        @param complete: Whether the handshake was complete on our side.
        """
        if self._problem:
            return Problem(CERTIFICATE, with_certificate(self._problem, self._certificate), certificate=True)
        problem = failed(reason, complete)
        if problem is None:
            return Problem(CERTIFICATE, "the certificate is not accepted", certificate=True)
        if problem.certificate:
            own = self._client.settings.certificate
            advice = (
                "write 'ssl certificate' and 'ssl key' in [stream], of a certificate that the parent's 'ssl client CA' "
                "has issued"
                if own is None
                else f"'ssl certificate' in [stream] is {own}; the parent's log says what it misses"
            )
            return Problem(problem.phase, f"{problem.text}; {advice}", certificate=True)
        return problem


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
