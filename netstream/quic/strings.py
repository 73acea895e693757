"""
Endpoints by UDP as strings, of C{clientFromString} and C{serverFromString}.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IStreamClientEndpoint, IStreamServerEndpoint

from netstream.config.settings import ClientTLS, ServerTLS
from netstream.quic.client import QuicEndpoint
from netstream.quic.server import QuicServerEndpoint
from netstream.tls.client import Client
from netstream.tls.server import Server

_WORDS = {"yes": True, "no": False}


def _yes(name: str, text: str) -> bool:
    if text not in _WORDS:
        raise ValueError(f"{name}={text}: write yes or no")
    return _WORDS[text]


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def client(
    reactor: Any,
    host: str,
    port: str,
    *,
    caFile: str = "",
    caPath: str = "",
    fingerprint: str = "",
    verifyHostname: str = "yes",
    skipVerification: str = "no",
    certificate: str = "",
    privateKey: str = "",
    hostname: str = "",
    timeout: str = "30",
) -> IStreamClientEndpoint:
    """
    An endpoint that connects by UDP.

    @param reactor: Provides time, UDP and names.
    @param caFile: PEM file of authorities that are trusted besides the
        system's.
    @param caPath: Directory of such files.
    @param fingerprint: SHA-256 of the one certificate that is trusted.
    @param verifyHostname: Whether the certificate must be for the host.
    @param skipVerification: Whether any certificate is good.
    @param certificate: PEM file of what is presented.
    @param privateKey: PEM file of its key.
    @param hostname: For what the certificate must be, if not for C{host}.
    @param timeout: Seconds.
    @raise ConfigError: A file cannot be used.
    @raise ValueError: An argument is malformed.
    """
    trust = Client(
        ClientTLS(
            skip_verification=_yes("skipVerification", skipVerification),
            verify_hostname=_yes("verifyHostname", verifyHostname),
            ca_file=_path(caFile),
            ca_path=_path(caPath),
            fingerprint=fingerprint.replace(":", "").lower(),
            certificate=_path(certificate),
            key=_path(privateKey),
        )
    )
    return QuicEndpoint(reactor, host, int(port), lambda: trust, float(timeout), hostname)


def server(
    reactor: Any,
    port: str,
    *,
    certificate: str,
    privateKey: str,
    interface: str = "",
    clientCA: str = "",
) -> IStreamServerEndpoint:
    """
    An endpoint that listens by UDP.

    @param reactor: Provides time and UDP.
    @param certificate: PEM file, with those that issued it.
    @param privateKey: PEM file of its key.
    @param interface: Numeric address; all of them without.
    @param clientCA: PEM file of the authorities of clients, who then must
        present a certificate.
    @raise ConfigError: A file cannot be used.
    """
    settings = ServerTLS(
        Path(certificate), Path(privateKey), client_ca=_path(clientCA), client_needed="yes" if clientCA else "no"
    )
    return QuicServerEndpoint(reactor, int(port), Server(settings), interface)
