"""
Encrypted connections to receivers.
"""

from __future__ import annotations

from pathlib import Path

from OpenSSL import SSL, crypto
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import Certificate, CertificateOptions, optionsForClientTLS, trustRootFromCertificates
from twisted.internet.ssl import platformTrust as system_trust

from netstream.config.errors import ConfigError
from netstream.config.settings import ExportTarget

_BEGIN = b"-----BEGIN CERTIFICATE-----"


class TLS:
    """
    What a target says of certificates.
    """

    def __init__(self, target: ExportTarget) -> None:
        """
        @raise ConfigError: Its file of certificate authorities is of no use.
        """
        self._verify = target.verify
        self._trust = system_trust()
        if target.ca_file:
            self._trust = _authorities(target)

    def wrap(self, endpoint: IStreamClientEndpoint, host: str) -> IStreamClientEndpoint:
        """
        @param host: Name or address that the certificate has to be of.
        @return: An endpoint that encrypts.
        """
        options = optionsForClientTLS(host, trustRoot=self._trust) if self._verify else CertificateOptions(verify=False)
        wrapped: IStreamClientEndpoint = wrapClientTLS(options, endpoint)
        return wrapped


def _authorities(target: ExportTarget) -> object:
    def refusal(message: str) -> ConfigError:
        return ConfigError("exporting.conf", target.section, "CAfile", message)

    try:
        text = Path(target.ca_file).read_bytes()
        marks = text.split(_BEGIN)[1:]
        found = [Certificate.loadPEM(_BEGIN + part) for part in marks]
    except OSError as problem:
        raise refusal(f"cannot be read: {problem.strerror}") from problem
    except (SSL.Error, crypto.Error) as problem:
        raise refusal("holds a certificate that is none") from problem
    if not found:
        raise refusal("holds no PEM certificate")
    return trustRootFromCertificates(found)
