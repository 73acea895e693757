"""
Who answers where a parent was expected.
"""

from __future__ import annotations

import re

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})[^\r\n]*")
_SERVER = re.compile(rb"\r\nserver:\s*([^\r\n]*)", re.IGNORECASE)
_PROXY = re.compile(rb"\r\n(?:proxy-[a-z-]+|via|x-squid-[a-z]+|x-cache-lookup):|proxy|squid", re.IGNORECASE)
_ALERT, _LAST_RECORD = 0x15, 0x17
_KNOWN = (
    (b"SSH-", "this is an SSH server"),
    (b"220 ", "this is a mail or FTP server"),
    (b"220-", "this is a mail or FTP server"),
    (b"* OK", "this is an IMAP server"),
    (b"+OK", "this is a POP3 or Redis server"),
    (b"-ERR", "this is a Redis server"),
    (b"RFB ", "this is a VNC server"),
    (b"\x05", "this is a SOCKS5 proxy; write it as 'proxy = socks5://HOST:PORT' in [stream]"),
)
ELSEWHERE = "check host and port of the destination"
"""What to do where a stranger answers."""


def _shown(data: bytes) -> str:
    return re.sub(r"[^ -~]", "?", data[:60].decode("latin-1"))


def _http(data: bytes, status: bytes, tls: bool) -> str:
    line = _shown(data.partition(b"\r\n")[0])
    server = _SERVER.search(data)
    by = f", from {_shown(server[1])}" if server is not None else ""
    if b"HTTP request was sent to HTTPS port" in data or b"client sent an HTTP request to an HTTPS server" in data:
        return f"plain on a TLS port ('{line}'{by}); write ':SSL' at the end of the destination"
    if b"speaks no TLS" in data:
        return f"TLS on a plain port ('{line}'{by}); leave ':SSL' out of the destination"
    if status == b"400" and server is not None and b"netdata" in server[1].lower():
        if tls:
            return f"a Netdata agent without a certificate ('{line}'{by}); leave ':SSL' out of the destination"
        return (
            f"a Netdata agent that takes no plain streams on this port ('{line}'{by}); if it has '^SSL=force', write "
            "':SSL' at the end of the destination"
        )
    if status == b"407" or _PROXY.search(data):
        return (
            f"this is an HTTP proxy ('{line}'{by}), through which nothing can be streamed; use 'proxy = "
            "socks5://HOST:PORT' in [stream], or a proxy of TCP (layer 4)"
        )
    return f"this is an HTTP server, not a streaming node ('{line}'{by}); {ELSEWHERE}"


def recognised(data: bytes, tls: bool = False) -> str:
    """
    Say who begins a conversation like this.

    @param data: The first bytes that came, some hundred at most are looked at.
    @param tls: Whether TLS was begun there.
    @return: For people; what the stranger wrote is shown without control
        characters and not whole.
    """
    data = data[:2048]
    status = _STATUS.match(data)
    if status is not None:
        return _http(data, status[1], tls)
    if data[:1] and _ALERT <= data[0] <= _LAST_RECORD and data[1:2] == b"\x03":
        return "plain on a TLS port; write ':SSL' at the end of the destination"
    for beginning, what in _KNOWN:
        if data.startswith(beginning):
            return f"{what}, not a streaming node; {ELSEWHERE}"
    if not data:
        return f"it closed without an answer; {ELSEWHERE}"
    return f"not a streaming node, it says '{_shown(data)}'; {ELSEWHERE}"
