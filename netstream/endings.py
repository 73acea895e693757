"""
How connections ended, or were not made, as people understand it.

Twisted says this in words about sockets and its own classes, and these reach
the log, the API and the dashboard.
"""

from __future__ import annotations

import os

from twisted.internet.error import (
    ConnectError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
    TCPTimedOutError,
    TimeoutError,
)
from twisted.python.failure import Failure

_NO_ADDRESS = "no results for hostname lookup: "


def how_ended(reason: Failure, other: str = "the other side") -> str:
    """
    @param reason: Why a connection ended, or was not made.
    @param other: Who it was with.
    @return: The same for people, without a full stop.
    """
    if reason.check("OpenSSL.SSL.Error"):
        from netstream.tls.explain import failed

        return str(failed(reason, complete=True) or reason.getErrorMessage())
    problem = reason.value
    assert problem is not None
    detail = " ".join(str(each) for each in problem.args).rstrip(".")
    match problem:
        case ConnectionDone():
            text = f"the connection was closed by {other}"
        case ConnectionAborted():
            text = "the connection was broken off by this node"
        case ConnectionLost():
            text = f"the connection to {other} was lost"
        case ConnectionRefusedError(osError=str(said)) if said:
            return f"the connection was refused: {said}"
        case ConnectionRefusedError():
            return "the connection was refused: nothing listens there, or a firewall does not let it through"
        case TCPTimedOutError() | TimeoutError():
            return "the connection was not made in time: nobody answers there, or a firewall drops it"
        case DNSLookupError():
            return f"the name cannot be looked up: {detail.removeprefix(_NO_ADDRESS)}"
        case ConnectError(osError=int(number)):
            return os.strerror(number)
        case _:
            return (reason.getErrorMessage() or type(problem).__name__).rstrip(".")
    return f"{text}: {detail}" if detail else text
