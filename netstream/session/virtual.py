"""
Virtual nodes: a collector that speaks for others than the machine it runs on.

Its text says of which node the lines that follow are::

    HOST_DEFINE 22222222-2222-4222-8222-222222222222 router-1
    HOST_LABEL "site" "cellar"
    HOST_DEFINE_END
    HOST 22222222-2222-4222-8222-222222222222
    CHART ...
    HOST localhost
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from attrs import field, frozen

from netstream.model.host import Label
from netstream.session.errors import ProtocolError
from netstream.session.labels import label, label_name
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

_ABOUT_HOSTS = re.compile(rb"^[ \t]*(?:HOST|HOST_DEFINE|HOST_LABEL|HOST_DEFINE_END)(?:[ \t\r][^\n]*)?\n", re.MULTILINE)


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
        end = data.rfind(b"\n") + 1
        self._unfinished = data[end:]
        if len(self._unfinished) > LONGEST_LINE:
            self._unfinished = b""
            raise ProtocolError(0, f"a line of more than {LONGEST_LINE} bytes", data[end : end + 200])
        at = 0
        if b"HOST" in data:
            for found in _ABOUT_HOSTS.finditer(data, 0, end):
                if found.start() > at:
                    yield self._current, data[at : found.start()]
                at = found.end()
                node = self._obey(found[0])
                if node is not None:
                    yield node
        if end > at:
            yield self._current, data[at:end]

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
