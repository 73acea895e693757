"""
What can be wrong with TLS, also for those who do without it: nothing here needs OpenSSL.
"""

from __future__ import annotations

from attrs import frozen

HELLO, CERTIFICATE, FINISH = "hello", "certificate", "finish"
"""Phases of a handshake."""


@frozen
class Problem:
    """
    Why a handshake failed.

    @ivar phase: How far it came.
    @ivar text: What was wrong, and what would be right.
    @ivar certificate: Whether a certificate was not accepted, by either side.
    """

    phase: str
    text: str
    certificate: bool = False

    def __str__(self) -> str:
        return f"TLS handshake failed ({self.phase}): {self.text}"


@frozen
class TLSFailed(Exception):
    """
    No TLS connection came about.

    @ivar problem: Why.
    """

    problem: Problem

    def __str__(self) -> str:
        return str(self.problem)
