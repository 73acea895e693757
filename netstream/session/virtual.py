"""
Virtual nodes: a collector that speaks for others than the machine it runs on.

Its text says of which node the lines that follow are::

    HOST_DEFINE 22222222-2222-4222-8222-222222222222 router-1
    HOST_LABEL "site" "cellar"
    HOST_DEFINE_END
    HOST 22222222-2222-4222-8222-222222222222
    CHART ...
    HOST localhost

The answer to a call of a function may have such lines in it, which mean
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from attrs import field, frozen

from netstream.model.host import Label
from netstream.session.errors import ProtocolError
from netstream.session.labels import label, label_name
from netstream.wire.function_lines import FunctionResult
from netstream.wire.host_lines import DefinedHostLabel, DefineHost, EndHostDefinition, SelectHost
from netstream.wire.words import clean, parent_words

OS = "Netdata Virtual Host 1.0"
"""What virtual nodes say instead of an operating system."""

NODES_MOST = 1000
"""Virtual nodes of one collector."""

LABELS_MOST = 200
"""Labels of one virtual node."""

LONGEST_LINE = 16384
"""Bytes of a line."""

ITSELF = ""
"""Stands for the node that the collector runs on."""

_BEGIN, _END = FunctionResult.KEYWORD.encode(), FunctionResult.END.encode()

_APART = re.compile(
    rb"^[ \t]*(?:(HOST|HOST_DEFINE|HOST_LABEL|HOST_DEFINE_END)|" + _BEGIN + rb")(?:[ \t\r][^\n]*)?\n", re.MULTILINE
)
"""Lines about nodes, and those after which an answer begins."""

_ANSWERED = re.compile(rb"^[ \t]*" + _END + rb"[ \t\r]*\n", re.MULTILINE)
"""The line that ends an answer."""

_LONGEST_END = 100
"""Bytes that are kept of a line in an answer, since it may be that."""


@frozen
class VirtualNode:
    """
    A virtual node, as its definition says.

    @ivar guid: Machine GUID, lower case.
    """

    guid: str
    hostname: str
    labels: Mapping[str, Label] = field(factory=dict)


class HostLines:
    """
    Tells the text of a collector apart by the nodes that it is about.
    """

    def __init__(self, own: Sequence[str] = ()) -> None:
        """
        @param own: Names by which a collector may call the node itself,
            besides C{localhost}.
        """
        self._own = frozenset({"localhost", *own})
        self._unfinished = b""
        self._current = ITSELF
        self._defined: set[str] = set()
        self._open: DefineHost | None = None
        self._labels: dict[str, Label] = {}
        self._answering = False
        self._within = False

    def receive(self, data: bytes) -> Iterator[tuple[str, bytes] | VirtualNode]:
        """
        Take in text.

        @return: Whole lines with the machine GUID of the node they are about,
            which is L{ITSELF} for the node itself; and virtual nodes as they
            are defined.
        @raise ProtocolError: While it is exhausted: a line about nodes makes no
            sense, or a line is too long.
        """
        data = self._unfinished + data
        self._unfinished = b""
        at = 0
        while at < len(data):
            if self._answering:
                begun, at = at, self._answered(data, at)
                if at > begun:
                    yield self._current, data[begun:at]
                if self._answering:
                    break
                continue
            found = _APART.search(data, at) if data.find(b"HOST", at) >= 0 or data.find(_BEGIN, at) >= 0 else None
            if found is None:
                end = data.rfind(b"\n", at) + 1
                if end > at:
                    yield self._current, data[at:end]
                    at = end
                break
            self._answering = not found[1]
            upto = found.end() if self._answering else found.start()
            if upto > at:
                yield self._current, data[at:upto]
            at = found.end()
            node = None if self._answering else self._obey(found[0])
            if node is not None:
                yield node
        self._unfinished = data[at:]
        if len(self._unfinished) > LONGEST_LINE:
            self._unfinished = b""
            raise ProtocolError(0, f"a line of more than {LONGEST_LINE} bytes", data[at : at + 200])

    def _answered(self, data: bytes, at: int) -> int:
        """
        @return: Where what belongs to the answer ends, as far as it is known;
            the long lines of answers are not kept until they are complete.
        """
        if self._within:
            end = data.find(b"\n", at) + 1
            if not end:
                return len(data)
            self._within = False
            at = end
        found = _ANSWERED.search(data, at)
        if found is not None:
            self._answering = False
            return found.end()
        at = max(at, data.rfind(b"\n", at) + 1)
        self._within = len(data) - at > _LONGEST_END
        return len(data) if self._within else at

    def _obey(self, line: bytes) -> VirtualNode | None:
        words = parent_words(line.decode("utf-8", "surrogateescape"))
        try:
            match words[0]:
                case SelectHost.KEYWORD:
                    self._select(SelectHost.parse(words[1:]))
                case DefineHost.KEYWORD:
                    self._open = DefineHost.parse(words[1:])
                    self._labels = {}
                case DefinedHostLabel.KEYWORD:
                    self._label(DefinedHostLabel.parse(words[1:]))
                case EndHostDefinition.KEYWORD:
                    return self._end()
        except ValueError as problem:
            raise ProtocolError(0, str(problem), line.rstrip(b"\n")) from problem
        return None

    def _select(self, line: SelectHost) -> None:
        guid = line.host.lower()
        if guid in self._own:
            self._current = ITSELF
        elif guid in self._defined:
            self._current = guid
        else:
            raise ValueError("a virtual node that was not defined with HOST_DEFINE and HOST_DEFINE_END")

    def _label(self, line: DefinedHostLabel) -> None:
        if self._open is None:
            raise ValueError("a label without HOST_DEFINE before it")
        name = label_name(line.name)
        if len(self._labels) >= LABELS_MOST and name not in self._labels:
            raise ValueError(f"more than {LABELS_MOST} labels of one node")
        if name:
            self._labels[name] = label(line.value, 1)

    def _end(self) -> VirtualNode:
        opened, self._open = self._open, None
        if opened is None:
            raise ValueError("an end without HOST_DEFINE before it")
        if opened.guid in self._own:
            raise ValueError("the machine GUID is that of this node itself")
        if opened.guid not in self._defined and len(self._defined) >= NODES_MOST:
            raise ValueError(f"more than {NODES_MOST} virtual nodes")
        hostname = clean(opened.hostname)
        if not hostname:
            raise ValueError("the virtual node has no name")
        self._defined.add(opened.guid)
        return VirtualNode(opened.guid, hostname, self._labels)
