"""
How a QUIC connection ended, for people.
"""

from __future__ import annotations

from aioquic.quic.packet import QuicErrorCode
from attrs import frozen
from OpenSSL import SSL
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from netstream.tls.certificates import printable

DONE, ABORTED = 0, 1
"""How applications close: all was said, or not."""

CERTIFICATE_UNKNOWN, CERTIFICATE_REQUIRED = 46, 116
"""Alerts of TLS that we send ourselves."""

_NO_APPLICATION = 120
_ALERTS = {
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    48: "unknown ca",
    49: "access denied",
    51: "decrypt error",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    112: "unrecognized name",
    116: "certificate required",
}


@frozen
class Ending:
    """
    How a connection was closed.

    @ivar code: QUIC's, or the application's.
    @ivar reason: As it was given, by the other side maybe.
    @ivar frame: What was at fault; L{None} of an application.
    @ivar ours: Whether this side closed it.
    @ivar silent: Whether nobody said so: time ran out, or the like.
    """

    code: int
    reason: str
    frame: int | None
    ours: bool = False
    silent: bool = False

    @property
    def clean(self) -> bool:
        """
        Whether all was said.
        """
        return self.code == DONE and not self.silent

    @property
    def alert(self) -> int | None:
        """
        The alert of TLS that it was, if it was one.
        """
        number = self.code - QuicErrorCode.CRYPTO_ERROR
        return number if self.frame is not None and 0 <= number < 256 else None

    @property
    def other_application(self) -> bool:
        """
        Whether the two sides speak QUIC, but mean different things by it.
        """
        return self.alert == _NO_APPLICATION

    @property
    def text(self) -> str:
        """
        How it ended.
        """
        if self.reason == "Idle timeout":
            return "nothing was heard of the other side any more"
        if self.silent:
            return printable(self.reason)
        said = f" ('{printable(self.reason)}')" if self.reason else ""
        if self.frame is None and self.code == ABORTED:
            return "the other side aborted the connection"
        if self.ours:
            return f"the connection was closed{said}"
        return f"the other side closed the connection with QUIC error {self.code:#x}{said}"

    @property
    def failure(self) -> Failure:
        """
        The same as room C{tls} explains handshakes.
        """
        alert = self.alert
        if alert in _ALERTS and not self.ours:
            return Failure(SSL.Error([("SSL routines", "", f"alert {_ALERTS[alert]}")]))
        return Failure(ConnectionLost(self.text))
