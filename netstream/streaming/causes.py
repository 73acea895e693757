"""
Why a destination cannot be streamed to, in a sentence, and which option of
this node would change it.
"""

from __future__ import annotations

import os
from enum import Enum

from attrs import frozen
from OpenSSL import SSL
from twisted.internet.error import (
    ConnectError,
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
    TCPTimedOutError,
    TimeoutError,
    UnknownHostError,
)
from twisted.python.failure import Failure

from netstream.config.settings import Destination
from netstream.model.identity import fingerprint
from netstream.streaming.socks import SocksFailed
from netstream.streaming.strangers import ELSEWHERE, recognised
from netstream.tls.explain import failed
from netstream.tls.problem import TLSFailed
from netstream.wire.handshake import Refusal

NAME, CONNECTION, PROXY, TLS, ANSWER = "name", "connection", "proxy", "TLS", "answer"
KEY, CAPABILITIES, CLOCK, SAMPLE, PARENT = "key", "capabilities", "clock", "first sample", "parent"
"""The steps of a check."""


class Verdict(Enum):
    """
    How a step went.
    """

    GOOD = "ok"
    BAD = "FAILED"
    ODD = "odd"
    UNKNOWN = "-"


@frozen
class Finding:
    """
    What one step of a check found.

    @ivar text: What was found, or what is the cause, in a sentence.
    @ivar advice: What would be right; C{""} if all is.
    @ivar option: The option of C{[stream]} that would change it; C{""} if none
        of this node would.
    """

    step: str
    verdict: Verdict
    text: str
    advice: str = ""
    option: str = ""


def bad(step: str, text: str, advice: str, option: str = "") -> Finding:
    """
    @return: What a step found that failed.
    """
    return Finding(step, Verdict.BAD, text, advice, option)


def _parted(text: str) -> tuple[str, str]:
    """
    @return: Cause and advice of a sentence that has both.
    """
    cause, _, advice = text.partition("; ")
    return cause, advice


def cannot_connect(problem: BaseException, destination: Destination, within: float) -> Finding:
    """
    @param problem: With which connecting failed.
    @param within: Seconds that it might take.
    """
    if isinstance(problem, TLSFailed):
        return _no_tls(str(problem.problem))
    if isinstance(problem, SocksFailed):
        cause, advice = _parted(str(problem))
        if not advice or advice == ELSEWHERE:
            return bad(PROXY, cause, *_of_proxy(cause))
        return bad(PROXY, cause, advice, "proxy")
    where = destination.host if destination.protocol == "unix" else f"port {destination.port} of {destination.host}"
    if isinstance(problem, DNSLookupError | UnknownHostError):
        return bad(
            NAME,
            f"the name '{destination.host}' is not known to this machine",
            "write a name that 'getent hosts NAME' knows, or an address",
            "destination",
        )
    if destination.protocol == "unix" and not isinstance(problem, TimeoutError):
        return bad(
            CONNECTION,
            f"nothing listens on the socket {destination.host}: {_said(problem)}",
            "start the parent with 'unix:' in its 'bind to', or write the right path",
            "destination",
        )
    if isinstance(problem, ConnectionRefusedError):
        return bad(
            CONNECTION,
            f"nothing listens on {where}, or a firewall refuses",
            "start the parent, or write the port that 'bind to' in its [web] names",
            "destination",
        )
    if isinstance(problem, TimeoutError | TCPTimedOutError):
        return bad(
            CONNECTION,
            f"{where} did not answer within {within:g} s, as behind a firewall that drops packets, or where no machine"
            " has this address",
            "let the port through, or write the right address",
            "destination",
        )
    if isinstance(problem, NoRouteError):
        return bad(CONNECTION, f"there is no route to {destination.host}", "write the right address", "destination")
    step = CONNECTION if isinstance(problem, ConnectError | OSError) or destination.protocol == "udp" else ANSWER
    cause, advice = _parted(_said(problem))
    return bad(step, f"{where}: {cause}", advice or "look at host and port", "destination")


def _of_proxy(cause: str) -> tuple[str, str]:
    """
    @param cause: What keeps a proxy from connecting.
    @return: What would be right, and which option is about it.
    """
    for sign, advice, option in (
        ("does not accept this user", "write the user and the password that it knows", "proxy"),
        ("rules do not allow", "let its rules allow the destination, or name another proxy", "proxy"),
        ("host refuses", "start the parent, or write the port that 'bind to' in its [web] names", "destination"),
        ("cannot reach that host", "write a name or an address of the parent that the proxy knows", "destination"),
        ("no way to that network", "write an address of the parent that the proxy can reach", "destination"),
    ):
        if sign in cause:
            return advice, option
    return "start the proxy, or name the right one", "proxy"


def _said(problem: BaseException) -> str:
    number = getattr(problem, "osError", None)
    return os.strerror(number) if isinstance(number, int) else str(problem) or type(problem).__name__


def _no_tls(text: str) -> Finding:
    cause, advice = _parted(text)
    return bad(TLS, cause, advice or "look at the log of the parent", _tls_option(text))


def _tls_option(text: str) -> str:
    """
    @return: The option that the text of a problem with TLS is about.
    """
    for sign, option in (
        ("write 'CAfile", "CAfile"),
        ("'ssl certificate fingerprint' in [stream] says", "ssl certificate fingerprint"),
        ("'ssl certificate' and 'ssl key' in [stream]", "ssl certificate"),
        ("'ssl certificate' in [stream]", "ssl certificate"),
        ("renew it at the parent", ""),
        ("set the clocks right", ""),
    ):
        if sign in text:
            return option
    return "destination"


def ended(reason: Failure) -> Finding | None:
    """
    @param reason: How a connection ended over which nothing came.
    @return: What that means if TLS ended it.
    """
    if not reason.check(SSL.Error):
        return None
    problem = failed(reason, complete=True)
    if problem is None or not problem.certificate:
        return _no_tls(f"{problem or 'TLS failed'}; look at the log of the parent")
    return bad(
        TLS,
        str(problem),
        "write 'ssl certificate' and 'ssl key', of a certificate that the parent's 'ssl client CA' has issued",
        "ssl certificate",
    )


def silent(destination: Destination, within: float) -> Finding:
    """
    @param within: Seconds after which nothing had come over a connection.
    """
    plain = not destination.tls and destination.protocol != "unix"
    return bad(
        ANSWER,
        f"it takes the connection, but says nothing for {within:g} s",
        "look at host and port" + ("; write ':SSL' at the end if it takes TLS only" if plain else ""),
        "destination",
    )


def refused(refusal: Refusal, data: bytes, destination: Destination, key: str, node: str) -> Finding:
    """
    @param refusal: How a request to stream was answered.
    @param data: What came.
    @param key: The API key.
    @param node: Who asked, for a sentence.
    """
    mark = f"API key {fingerprint(key.lower())}"
    if refusal is Refusal.NOT_UNDERSTOOD:
        cause, advice = _parted(recognised(data))
        return bad(
            ANSWER, f"what answers is no parent: {cause}", advice, "proxy" if "SOCKS5" in cause else "destination"
        )
    if refusal is Refusal.NO_REPLY:
        plain = not destination.tls and destination.protocol != "unix"
        return bad(
            ANSWER,
            "it closed without an answer" + (", as ports do that take TLS only" if plain else ""),
            "write ':SSL' at the end if it takes TLS only; else the log of the parent says why"
            if plain
            else "the log of the parent says why",
            "destination" if plain else "",
        )
    if refusal is Refusal.DENIED:
        return bad(
            KEY,
            f"the parent does not permit it: {mark} is not known there, disabled, expired, not allowed from this"
            " address or without this certificate, or a machine GUID",
            "'netstream ctl refusals' at the parent, or its log, says which of these and names the line; or write a key"
            " that it has",
            "api key",
        )
    if refusal is Refusal.NOT_ALLOWED:
        return bad(
            KEY,
            "the parent does not let this address stream",
            "at the parent add it to 'allow streaming from' in [web], or 'streaming' to the features of this port in"
            " 'bind to'",
        )
    if refusal is Refusal.QUOTA:
        return bad(
            KEY,
            f"the quota of {mark} is used up",
            "'netstream ctl refusals' at the parent says how, and names the line; or write another key that it has",
            "api key",
        )
    if refusal is Refusal.TLS_ONLY:
        return bad(ANSWER, "the port takes TLS only", "write ':SSL' at the end of it", "destination")
    if refusal is Refusal.ALREADY_STREAMING:
        return bad(
            PARENT,
            f"the parent receives {node} already, from another connection",
            "if that is not this node, two machines have one machine GUID: remove the machine.guid of one while it is"
            " stopped",
        )
    if refusal is Refusal.LOCALHOST:
        return bad(PARENT, "the parent is this node itself", "name another node", "destination")
    if refusal is Refusal.VIRTUAL_NODE:
        return bad(PARENT, f"{node} is a virtual node that the parent collects itself", "remove one of the two")
    if refusal in (Refusal.BUSY, Refusal.INITIALIZING):
        return Finding(PARENT, Verdict.ODD, f"{refusal.reason} just now", "try again in a minute")
    return bad(PARENT, refusal.reason, "the log of the parent says more")
