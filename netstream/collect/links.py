"""
Network interfaces whose other end is in another namespace, as the kernel tells anybody by netlink.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Final, Protocol

from attrs import frozen

_GETLINK: Final = 18
_NEWLINK: Final = 16
_GETNSID: Final = 90
_NEWNSID: Final = 88
_ERROR: Final = 2
_DONE: Final = 3
_REQUEST: Final = 0x1
_DUMP: Final = 0x300
_IFNAME, _LINK, _LINK_NETNSID = 3, 5, 37
_NSID, _PID = 1, 2
_HEAD: Final = struct.Struct("=IHHII")
_ABOUT_LINK: Final = struct.Struct("=BxHiII")
_ABOUT_NAMESPACE: Final = struct.Struct("=Bxxx")
_ATTRIBUTE: Final = struct.Struct("=HH")
_NUMBER: Final = struct.Struct("=i")
_TYPE: Final = 0x3FFF
"""Of the type of an attribute; what is above are flags."""
_LARGEST: Final = 1 << 16
_PATIENCE: Final = 0.5
"""Seconds that the kernel may take, which it never does."""


@frozen
class Link:
    """
    An end that is here.

    @ivar name: Of the interface.
    @ivar peer: Number that the other end has where it is.
    @ivar namespace: What the kernel calls that place, here.
    """

    name: str
    peer: int
    namespace: int


class Links(Protocol):
    """
    Knows of namespaces.
    """

    def far(self) -> list[Link]:
        """
        @return: Interfaces with the other end elsewhere.
        @raise OSError: It cannot be had.
        """

    def namespace(self, pid: int) -> int:
        """
        @return: What the kernel calls the namespace of a process; -1 if it is
            the own one, or no interface has an end there, or the process is gone.
        @raise OSError: It cannot be had.
        """


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if size < _ATTRIBUTE.size:
            return
        yield kind & _TYPE, data[at + _ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """
    @return: Of each message its type, and what comes after its head.
    """
    at = 0
    while at + _HEAD.size <= len(data):
        size, kind, _flags, _number, _pid = _HEAD.unpack_from(data, at)
        if size < _HEAD.size:
            return
        yield kind, data[at + _HEAD.size : at + size]
        at += (size + 3) & ~3


def link(body: bytes) -> Link | None:
    """
    @param body: Of a message about an interface.
    @return: L{None} if it has no other end, or that is here.
    """
    of = dict(_attributes(body[_ABOUT_LINK.size :]))
    if _LINK not in of or _LINK_NETNSID not in of or _IFNAME not in of:
        return None
    name = of[_IFNAME].rstrip(b"\0").decode("utf-8", "replace")
    return Link(name, _NUMBER.unpack(of[_LINK])[0], _NUMBER.unpack(of[_LINK_NETNSID])[0])


def _failed(body: bytes) -> int:
    """
    @return: Number of the error that a message says, 0 if it says none.
    """
    return -int(_NUMBER.unpack_from(body)[0])


def _request(kind: int, flags: int, body: bytes) -> bytes:
    return _HEAD.pack(_HEAD.size + len(body), kind, _REQUEST | flags, 1, 0) + body


class Netlink:
    """
    The kernel of this machine.
    """

    def _ask(self, request: bytes) -> Iterator[tuple[int, bytes]]:
        """
        @return: The messages of its answer.
        """
        with closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)) as kernel:
            kernel.settimeout(_PATIENCE)
            kernel.bind((0, 0))
            kernel.send(request)
            while True:
                for kind, body in _messages(kernel.recv(_LARGEST)):
                    if kind == _DONE:
                        return
                    yield kind, body

    def far(self) -> list[Link]:
        """
        @return: Interfaces with the other end elsewhere.
        @raise OSError: It cannot be had.
        """
        found = []
        for kind, body in self._ask(_request(_GETLINK, _DUMP, _ABOUT_LINK.pack(0, 0, 0, 0, 0))):
            if kind == _ERROR and (number := _failed(body)):
                raise OSError(number, os.strerror(number))
            if kind == _NEWLINK and (known := link(body)) is not None:
                found.append(known)
        return found

    def namespace(self, pid: int) -> int:
        """
        @return: What the kernel calls the namespace of a process; -1 if it has
            no name for it, or the process is gone.
        @raise OSError: It cannot be had.
        """
        about = _ATTRIBUTE.pack(_ATTRIBUTE.size + _NUMBER.size, _PID) + _NUMBER.pack(pid)
        for kind, body in self._ask(_request(_GETNSID, 0, _ABOUT_NAMESPACE.pack(0) + about)):
            if kind == _NEWNSID:
                of = dict(_attributes(body[_ABOUT_NAMESPACE.size :]))
                return int(_NUMBER.unpack(of[_NSID])[0]) if _NSID in of else -1
            if kind == _ERROR:
                return -1
        return -1
