"""
What failed in a handshake, and what would make it succeed.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from netstream.tls.certificates import day, described, names, printable, utc
from netstream.tls.problem import CERTIFICATE, FINISH, HELLO, Problem

_EXPIRED = 10
_NOT_YET = 9
_SELF_SIGNED = (18, 19)
_NO_ISSUER = (2, 20, 21)
_PROBLEMS = {
    7: "its signature is wrong",
    23: "it is revoked",
    24: "it was issued by a certificate that is no authority",
    26: "it is not meant for this use (extended key usage)",
    66: "its key is too short; 2048 bits of RSA or 256 of ECDSA are needed",
    67: "the key of its authority is too short",
    68: "it is signed with a digest that is too weak; SHA-256 is sound",
}
"""Numbers by which OpenSSL says what is wrong with a certificate."""


def not_trusted(certificate: x509.Certificate, number: int, now: float, trusting: str, renewing: str) -> str:
    """
    Say why a chain of certificates was not accepted.

    @param certificate: The one that is at fault.
    @param number: How OpenSSL numbers the fault.
    @param now: UTC seconds.
    @param trusting: How to make an authority known.
    @param renewing: Where to put a new certificate.
    """
    if number == _EXPIRED:
        return (
            f"the certificate expired on {day(certificate.not_valid_after_utc)}, and it is {day(utc(now))} here; "
            f"{renewing}, if this clock is right"
        )
    if number == _NOT_YET:
        return (
            f"the certificate is not valid before {day(certificate.not_valid_before_utc)}, and it is {day(utc(now))} "
            "here; set the clocks right"
        )
    if number in _SELF_SIGNED:
        return f"the certificate is signed by itself and not known here; {trusting}"
    if number in _NO_ISSUER:
        return f"the certificate is issued by an authority that is not known here; {trusting}"
    return f"the certificate is not accepted: {_PROBLEMS.get(number, f'OpenSSL error {number}')}; {renewing}"


def wrong_name(certificate: x509.Certificate, name: str) -> str:
    """
    Say that a certificate is not for the name that was connected to.
    """
    its_names = names(certificate)
    way_back = "or write 'ssl verify hostname = no' in [stream], which trusts every certificate of its authority"
    if not its_names:
        return (
            f"the certificate has no names (subjectAltName), so it is not for '{printable(name)}'; make one for that "
            f"name ('netstream gencert {printable(name)}' at the parent), {way_back}"
        )
    return (
        f"the certificate is not for '{printable(name)}'; write one of its names in 'destination', make one for that "
        f"name, {way_back}"
    )


def with_certificate(text: str, certificate: x509.Certificate | None) -> str:
    """
    @return: What is wrong, and with which certificate.
    """
    return f"{text} [{described(certificate)}]" if certificate is not None else text


def _reasons(problem: BaseException | None) -> Sequence[str]:
    if not isinstance(problem, SSL.Error) or not problem.args or not isinstance(problem.args[0], list | tuple):
        return ()
    return [str(entry[-1]).lower() for entry in problem.args[0] if isinstance(entry, tuple)]


_ALERTS = (
    ("alert unknown ca", "it does not know the authority of the certificate that it was shown"),
    ("alert certificate required", "it demands a certificate"),
    ("alert bad certificate", "it does not accept the certificate that it was shown"),
    ("alert certificate expired", "for it, the certificate that it was shown has expired"),
    ("alert certificate revoked", "for it, the certificate that it was shown is revoked"),
    ("alert certificate unknown", "it does not accept the certificate that it was shown"),
    ("alert unsupported certificate", "it cannot use the kind of certificate that it was shown"),
    ("alert access denied", "it denies access to who holds this certificate"),
    ("alert decrypt error", "it could not verify a signature"),
    (
        "alert internal error",
        "it does not accept the certificate that it was shown, perhaps for its names, or met an error of its own",
    ),
)
"""What the other side says of a certificate."""

_MISMATCH = (
    ("alert protocol version", "it speaks no version of TLS that is spoken here (1.2 and 1.3)"),
    ("unsupported protocol", "it offers no version of TLS that is spoken here (1.2 and 1.3)"),
    ("no protocols available", "it offers no version of TLS that is spoken here (1.2 and 1.3)"),
    ("version too low", "it offers no version of TLS that is spoken here (1.2 and 1.3)"),
    (
        "no shared cipher",
        "no cipher is known to both; only those with ECDHE and authenticated encryption are used here",
    ),
    (
        "alert handshake failure",
        "it finds nothing that both can do: a cipher with ECDHE and authenticated encryption, or a certificate that it "
        "demands",
    ),
    ("alert insufficient security", "it finds our ciphers too weak"),
    ("alert unrecognized name", "it does not know the name that was asked for"),
    ("alert no renegotiation", "it does not negotiate again"),
)


def failed(reason: Failure, complete: bool = False) -> Problem | None:
    """
    Explain how OpenSSL or the transport ended a handshake.

    @param complete: Whether our side of the handshake was complete already.
    @return: L{None} if the certificate that was presented to us is at fault,
        of which OpenSSL knows less than who verified it.
    """
    problem = reason.value
    reasons = _reasons(problem)
    for found, text in _ALERTS:
        if any(found in said for said in reasons):
            return Problem(CERTIFICATE, f"the other side refused: {text}", certificate=True)
    for found, text in _MISMATCH:
        if any(found in said for said in reasons):
            return Problem(HELLO, text)
    if any("did not return a certificate" in said for said in reasons):
        return Problem(CERTIFICATE, "it presented no certificate", certificate=True)
    if any("certificate verify failed" in said for said in reasons):
        return None
    if reasons:
        return Problem(FINISH if complete else HELLO, f"OpenSSL says '{printable(', '.join(reasons))}'")
    if isinstance(problem, ConnectionDone | ConnectionLost):
        return Problem(FINISH if complete else HELLO, "the other side closed the connection")
    return Problem(FINISH if complete else HELLO, printable(str(problem)) or "the connection ended")
