"""
The request with which a child introduces a host, and the replies to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from urllib.parse import quote_from_bytes, unquote_plus

from attrs import evolve, field, frozen

from netstream.model.host import HostInfo
from netstream.model.identity import guid
from netstream.wire.capabilities import MARKERS, Capability, of_old_version, old_version
from netstream.wire.numbers import integer_or
from netstream.wire.words import clean

LONGEST_REQUEST = 8192
"""Bytes of a request's head that real parents accept."""

_METHOD = b"STREAM "
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_SYSTEM = "NETDATA_"
_PROTOCOL = "NETDATA_PROTOCOL_VERSION"
_NOTHING = frozenset({"", "unknown", "none"})
_KNOWN = frozenset(
    {
        "key",
        "hostname",
        "registry_hostname",
        "machine_guid",
        "update_every",
        "os",
        "timezone",
        "abbrev_timezone",
        "utc_offset",
        "hops",
        "ml_capable",
        "ml_enabled",
        "mc_version",
        "tags",
        "ver",
        _PROTOCOL,
    }
)
_MOST_HOPS = 1000


class Refusal(Enum):
    """
    Why a connection came to nothing.

    @ivar code: The number under which Netdata's API and charts know it.
    @ivar text: The reply on the wire; C{""} if it is never a reply.
    @ivar postpone: Most seconds that the child keeps away from this parent.
    @ivar reason: For people.
    """

    NOT_UNDERSTOOD = (-1, "", 60, "the parent's reply was not understood")
    LOCALHOST = (
        -2,
        "Don't hit me baby, you are trying to stream my localhost back",
        3600,
        "the parent is the same node",
    )
    ALREADY_STREAMING = (
        -3,
        "This GUID is already streaming to this server",
        120,
        "the parent receives this machine GUID already",
    )
    DENIED = (
        -4,
        "You are not permitted to access this. Check the logs for more info.",
        60,
        "not permitted by the parent, whose log says why",
    )
    CANNOT_SEND = (-5, "", 60, "the request could not be sent")
    NO_REPLY = (-6, "", 30, "the parent did not reply in time")
    BAD_CERTIFICATE = (-7, "", 600, "the parent's certificate is not valid")
    TLS = (-8, "", 180, "TLS failed")
    CANNOT_CONNECT = (-9, "", 60, "the parent cannot be reached")
    BUSY = (-10, "The server is too busy now to accept this request. Try later.", 120, "the parent is busy")
    INTERNAL_ERROR = (
        -11,
        "The server encountered an internal error. Try later.",
        300,
        "the parent met an error of its own",
    )
    INITIALIZING = (-12, "The server is initializing. Try later.", 30, "the parent is starting")
    VIRTUAL_NODE = (
        -39,
        "Don't hit me baby, you are trying to stream my vnode back",
        3600,
        "the parent collects this virtual node itself",
    )
    NOT_ALLOWED = (
        -40,
        "You are not allowed to access this resource.",
        60,
        "the parent does not let this address in",
    )
    TLS_ONLY = (
        -41,
        "This port takes TLS only: write :SSL at the end of the destination.",
        300,
        "the parent's port takes TLS only; write ':SSL' at the end of the destination",
    )
    QUOTA = (
        -42,
        "The quota of your API key is used up.",
        120,
        "the quota of this API key is used up; the parent's log says how",
    )

    def __init__(self, code: int, text: str, postpone: int, reason: str) -> None:
        self.code = code
        self.text = text
        self.postpone = postpone
        self.reason = reason

    def line(self) -> bytes:
        """
        @return: The reply: bare text, neither header nor newline.
        """
        return self.text.encode()


@frozen
class HandshakeError(Exception):
    """
    A request that cannot be accepted.

    @ivar reason: What is wrong with it, for people.
    @ivar refusal: What to reply; L{None} if it is not a streaming request at
        all, for which a web server has an answer.
    """

    reason: str
    refusal: Refusal | None = None

    def __str__(self) -> str:
        return self.reason


@frozen
class StreamRequest:
    """
    A child's request to stream one host::

        STREAM key=K&hostname=H&...&NETDATA_PROTOCOL_VERSION=1.1 HTTP/1.1
        User-Agent: PROGRAM/VERSION

    @ivar key: API key, as it was spelled: a secret.
    @ivar info: The host that is streamed, C{hops} as the receiver sees it.
    @ivar capabilities: What the child offers.
    @ivar unknown: Parameters that have no meaning to us.
    """

    key: str = field(repr=False)
    info: HostInfo
    capabilities: Capability
    unknown: Mapping[str, str] = field(factory=dict)

    def head(self) -> bytes:
        """
        Write the request in one piece, as it must be sent.

        Facts about the system that say nothing are left out, and all of them
        if the request were too long.

        @raise ValueError: It is longer than real parents accept.
        """
        data = self._head(self.info)
        if len(data) > LONGEST_REQUEST:
            data = self._head(evolve(self.info, system={}))
        if len(data) > LONGEST_REQUEST:
            raise ValueError(f"a request of {len(data)} bytes is too long")
        return data

    def _head(self, info: HostInfo) -> bytes:
        texts = {
            "key": self.key,
            "hostname": info.hostname,
            "registry_hostname": info.registry_hostname or info.hostname,
            "machine_guid": info.guid,
            "update_every": str(info.update_every),
            "os": info.os,
            "timezone": info.timezone,
            "abbrev_timezone": info.abbrev_timezone,
            "utc_offset": str(info.utc_offset),
            "hops": str(info.hops),
            "ver": str(int(self.capabilities)),
            "ml_capable": str(int(info.ml_capable)),
            "ml_enabled": str(int(info.ml_enabled)),
            "mc_version": "1",
        }
        system = {
            name: value
            for name, value in info.system.items()
            if name.startswith(_SYSTEM) and value.lower() not in _NOTHING
        }
        parameters = {**texts, **system, _PROTOCOL: "1.1"}
        query = "&".join(f"{name}={_encoded(value)}" for name, value in parameters.items() if value)
        agent = re.sub(r"[^!-~]", "_", f"{info.program}/{info.version}")
        return f"STREAM {query} HTTP/1.1\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\r\n".encode()


def _encoded(text: str) -> str:
    # Receivers decode before they split, so that not even an encoded & is safe.
    data = clean(text.replace("&", "+")).encode("utf-8", "replace")
    return re.sub("%..", lambda found: found[0].lower(), quote_from_bytes(data, safe=" ")).replace(" ", "+")


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for part in unquote_plus(query, errors="replace").split("&"):
        name, _, value = part.partition("=")
        if name and value:
            parameters.setdefault(clean(name), clean(value))
    return parameters


def _agent(lines: list[str]) -> tuple[str, str]:
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() == "user-agent":
            program, _, version = clean(value.strip()).partition("/")
            return program or "unknown", version
    return "unknown", ""


def parse_request(head: bytes) -> StreamRequest:
    """
    Read a request.

    As real parents do, it decodes the whole query before it splits it, takes
    the first of a repeated parameter, and ignores an empty one.

    @param head: All up to the empty line.
    @raise HandshakeError: It is not a streaming request, or a parameter is
        missing or malformed without which none can be accepted.
    """
    if not head.startswith(_METHOD):
        raise HandshakeError("not a streaming request")
    first, *lines = head.decode("utf-8", "replace").splitlines()
    query = first[len(_METHOD) :].strip()
    if " HTTP/" in query:
        query = query.rpartition(" HTTP/")[0]
    found = _parameters(query)
    for name in ("key", "hostname", "machine_guid"):
        if name not in found:
            raise HandshakeError(f"the request has no {name}", Refusal.DENIED)
    try:
        guid(found["key"])
    except ValueError:
        raise HandshakeError("the API key of the request is not a UUID", Refusal.DENIED) from None
    try:
        machine = guid(found["machine_guid"])
    except ValueError as problem:
        raise HandshakeError(f"the machine GUID of the request {problem}", Refusal.DENIED) from None
    program, version = _agent(lines)
    info = HostInfo(
        guid=machine,
        hostname=found["hostname"],
        registry_hostname=found.get("registry_hostname", found["hostname"]),
        update_every=max(1, min(integer_or(found.get("update_every", ""), 1), 86400)),
        os=found.get("os", "unknown"),
        timezone=found.get("timezone", ""),
        abbrev_timezone=found.get("abbrev_timezone", "UTC"),
        utc_offset=max(-86400, min(integer_or(found.get("utc_offset", ""), 0), 86400)),
        hops=max(1, min(integer_or(found.get("hops", ""), 1), _MOST_HOPS)),
        program=program,
        version=version,
        ml_capable=found.get("ml_capable", "0") not in {"0", "false"},
        ml_enabled=found.get("ml_enabled", "0") not in {"0", "false"},
        system={name: value for name, value in found.items() if name.startswith(_SYSTEM) and name != _PROTOCOL},
    )
    capabilities = Capability.parse(integer_or(found.get("ver", ""), 0))
    unknown = {name: value for name, value in found.items() if name not in _KNOWN and not name.startswith(_SYSTEM)}
    return StreamRequest(found["key"], info, capabilities, unknown)


class RequestReader:
    """
    Reads the head of a request from however many pieces.

    @ivar head: All of it up to the empty line, once it is complete.
    @ivar rest: What came behind it; a real child sends nothing before the
        reply.
    """

    def __init__(self, longest: int = LONGEST_REQUEST) -> None:
        self.head = b""
        self.rest = b""
        self._longest = longest
        self._data = bytearray()

    def receive(self, data: bytes) -> StreamRequest | None:
        """
        @return: The request; L{None} while it is not complete.
        @raise HandshakeError: It cannot be accepted.
        """
        self._data += data
        begin = bytes(self._data[: len(_METHOD)])
        if not _METHOD.startswith(begin):
            raise HandshakeError("not a streaming request")
        end = _HEAD_END.search(self._data, 0, self._longest)
        if end is not None:
            self.rest = bytes(self._data[end.end() :])
            self.head = bytes(self._data[: end.start()])
            return parse_request(self.head)
        if len(self._data) >= self._longest:
            raise HandshakeError(f"the request is longer than {self._longest} bytes")
        return None


_ACCEPTED_1 = "Hit me baby, push them over..."
_ACCEPTED_2 = "Hit me baby, push them over and bring the host labels..."
_ACCEPTED_N = "Hit me baby, push them over with the version="


def accepted(capabilities: Capability) -> bytes:
    """
    Write the reply that accepts a child.

    @param capabilities: What was agreed on; without C{VCAPS} the child is
        older than masks and gets the number of a version.
    """
    if Capability.VCAPS in capabilities:
        return f"{_ACCEPTED_N}{int(capabilities & ~MARKERS)}".encode()
    version = old_version(capabilities)
    if version == 1:
        return _ACCEPTED_1.encode()
    return (_ACCEPTED_2 if version == 2 else f"{_ACCEPTED_N}{version}").encode()


@frozen
class Accepted:
    """
    The parent takes what we send.

    @ivar capabilities: What it says we may use.
    @ivar rest: What came behind the reply: first commands.
    """

    capabilities: Capability
    rest: bytes = b""


class ReplyReader:
    """
    Reads a parent's reply from however many pieces, with commands glued to it.

    The number of a reply has no end of its own.  It is taken as complete when
    something else follows or when all of it was offered by us; else the caller
    waits a moment and calls L{finish}.
    """

    def __init__(self, offered: Capability) -> None:
        self._offered = offered
        self._data = b""

    @property
    def data(self) -> bytes:
        """
        All that it read.
        """
        return self._data

    def receive(self, data: bytes) -> Accepted | Refusal | None:
        """
        @return: What the parent answered; L{None} while that is not clear.
        """
        self._data += data
        return self._read(final=False)

    def finish(self) -> Accepted | Refusal:
        """
        Nothing more came for a while, or the connection ended.

        @return: What the parent answered: L{Refusal.NO_REPLY} if nothing.
        """
        if not self._data:
            return Refusal.NO_REPLY
        return self._read(final=True) or Refusal.NOT_UNDERSTOOD

    def _read(self, final: bool) -> Accepted | Refusal | None:
        data = self._data
        if data.startswith(_ACCEPTED_N.encode()):
            return self._numbered(data[len(_ACCEPTED_N) :], final)
        for text, version in ((_ACCEPTED_1, 1), (_ACCEPTED_2, 2)):
            if data.startswith(text.encode()):
                return Accepted(of_old_version(version), data[len(text) :])
        for refusal in Refusal:
            if refusal.text and data.startswith(refusal.text.encode()):
                return refusal
        texts = [_ACCEPTED_1, _ACCEPTED_2, _ACCEPTED_N, *(refusal.text for refusal in Refusal)]
        if any(text.encode().startswith(data) for text in texts):
            return None
        return Refusal.NOT_UNDERSTOOD

    def _numbered(self, data: bytes, final: bool) -> Accepted | Refusal | None:
        digits = re.match(rb"[0-9]{0,10}", data)
        assert digits is not None
        text, rest = digits[0], data[digits.end() :]
        if not text:
            return Refusal.NOT_UNDERSTOOD if rest or final else None
        number = int(text)
        answer = Capability.parse(number)
        ours = bool(number & Capability.VCAPS) and not answer & ~(self._offered & ~MARKERS)
        if rest or final or ours:
            return Accepted(answer, rest)
        return None
