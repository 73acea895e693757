"""
Asking a SOCKS5 proxy for a connection: RFC 1928, with user and password of
RFC 1929.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address

_VERSION, _LOGIN_VERSION, _CONNECT = 5, 1, 1
_NO_LOGIN, _PASSWORD, _NONE_GOOD = 0x00, 0x02, 0xFF
_IPV4, _NAME, _IPV6 = 1, 3, 4
_LONGEST = 255
"""Bytes of a name, a user or a password."""

_REFUSALS = {
    1: "it met an error of its own",
    2: "its rules do not allow this connection",
    3: "it has no way to that network",
    4: "it cannot reach that host, or does not know its name",
    5: "that host refuses the connection",
    6: "the packets to that host died on the way",
    7: "it knows no connections, which are all that is asked for",
    8: "it knows no addresses of that kind",
}


class SocksError(Exception):
    """
    The proxy does not connect us; the text says why.
    """


class _Stage(Enum):
    GREETED = "greeted"
    LOGGING_IN = "logging in"
    ASKED = "asked"
    DONE = "done"


class SocksRequest:
    """
    What is said to a proxy and what it answers, as bytes.

    @ivar done: Whether what comes now comes from the host that was asked for.
    @ivar rest: What came behind the proxy's last answer.
    @ivar heard: The first bytes of the proxy, which tell who it is if it is
        none.
    """

    def __init__(self, host: str, port: int, user: str = "", password: str = "") -> None:
        """
        @param host: Name, which the proxy looks up, or numeric address.
        @param user: C{""} for a proxy that does not ask.
        @raise ValueError: Something is too long to be said.
        """
        self._login = user.encode(), password.encode()
        if any(len(part) > _LONGEST for part in self._login):
            raise ValueError(f"user and password of a SOCKS proxy are {_LONGEST} bytes at most")
        self._target = _address(host) + port.to_bytes(2, "big")
        self._stage = _Stage.GREETED
        self._data = b""
        self.heard = b""
        self.rest = b""

    @property
    def done(self) -> bool:
        """
        Whether the proxy has connected us.
        """
        return self._stage is _Stage.DONE

    def begin(self) -> bytes:
        """
        @return: What is said first.
        """
        methods = bytes([_NO_LOGIN, _PASSWORD] if self._login[0] else [_NO_LOGIN])
        return bytes([_VERSION, len(methods)]) + methods

    def receive(self, data: bytes) -> bytes:
        """
        Read what the proxy says, in however many pieces.

        @return: What to say now.
        @raise SocksError: It does not connect us, or is no such proxy.
        """
        if not self.heard:
            self.heard = data[:2048]
        self._data += data
        answer = b""
        while (step := self._step()) is not None:
            answer += step
            if self.done:
                self.rest, self._data = self._data, b""
                break
        return answer

    def _step(self) -> bytes | None:
        """
        @return: What to say to the next whole answer; L{None} if there is none.
        """
        if self._stage is _Stage.GREETED:
            return self._greeted()
        if self._stage is _Stage.LOGGING_IN:
            return self._logged_in()
        return self._connected()

    def _take(self, size: int) -> bytes | None:
        if len(self._data) < size:
            return None
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def _greeted(self) -> bytes | None:
        if self._data and self._data[0] != _VERSION:
            raise SocksError("what answers is no SOCKS5 proxy")
        answer = self._take(2)
        if answer is None:
            return None
        if answer[1] == _NO_LOGIN:
            return self._ask()
        if answer[1] == _PASSWORD and self._login[0]:
            self._stage = _Stage.LOGGING_IN
            user, password = self._login
            return bytes([_LOGIN_VERSION, len(user)]) + user + bytes([len(password)]) + password
        if answer[1] == _NONE_GOOD and not self._login[0]:
            raise SocksError("it wants a user and a password; write 'proxy = socks5://USER:PASSWORD@HOST:PORT'")
        raise SocksError("it knows neither to let everyone in nor users with passwords")

    def _logged_in(self) -> bytes | None:
        answer = self._take(2)
        if answer is None:
            return None
        if answer[1]:
            raise SocksError("it does not accept this user and password")
        return self._ask()

    def _ask(self) -> bytes:
        self._stage = _Stage.ASKED
        return bytes([_VERSION, _CONNECT, 0]) + self._target

    def _connected(self) -> bytes | None:
        data = self._data
        if len(data) < 2:
            return None
        if data[1]:
            raise SocksError(_REFUSALS.get(data[1], f"it refuses with number {data[1]}"))
        if len(data) < 5:
            return None
        size = {_IPV4: 4, _IPV6: 16, _NAME: 1 + data[4]}.get(data[3])
        if data[0] != _VERSION or size is None:
            raise SocksError("its answer is malformed")
        if self._take(4 + size + 2) is None:
            return None
        self._stage = _Stage.DONE
        return b""


def _address(host: str) -> bytes:
    try:
        address = ip_address(host)
    except ValueError:
        name = host.encode("ascii" if host.isascii() else "idna")
        if not 0 < len(name) <= _LONGEST:
            raise ValueError(f"a name of {len(name)} bytes is not one that a SOCKS proxy can look up") from None
        return bytes([_NAME, len(name)]) + name
    kind = _IPV4 if isinstance(address, IPv4Address) else _IPV6
    assert isinstance(address, IPv4Address | IPv6Address)
    return bytes([kind]) + address.packed
