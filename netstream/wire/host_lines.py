"""
The lines about a whole host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from attrs import frozen

from netstream.model.identity import guid
from netstream.wire.line import Line, Plain, needed, word
from netstream.wire.numbers import integer_or
from netstream.wire.words import bare, quote


@frozen
class ClaimedId(Line):
    """
    The id under which a host is known to its owner's cloud::

        CLAIMED_ID guid id|NULL

    @ivar guid: Machine GUID of the host, lower case.
    @ivar claim_id: UUID in lower case, or L{None}.
    """

    KEYWORD: ClassVar[str] = "CLAIMED_ID"

    guid: str
    claim_id: str | None = None

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(words, "machine GUID", "claim id")
        return cls(guid(words[0]), None if words[1] == "NULL" else guid(words[1]))

    def words(self) -> tuple[str, ...]:
        return self.guid, self.claim_id or "NULL"


@frozen
class HostLabel(Line):
    """
    A label of the host, held back until L{OverwriteLabels}::

        LABEL "name" = source "value"

    Old senders do not quote a value of several words.
    """

    KEYWORD: ClassVar[str] = "LABEL"

    name: str
    value: str
    source: int = 1

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(words, "label name", "label source")
        if len(words) < 3:
            raise ValueError("the label value is missing")
        return cls(words[0], " ".join(words[2:]), integer_or(words[1], 1))

    def words(self) -> tuple[str, ...]:
        return quote(self.name), "=", str(self.source), quote(self.value)


@frozen
class OverwriteLabels(Plain):
    """
    The labels since the last of these lines are all that the host has::

        OVERWRITE labels
    """

    KEYWORD: ClassVar[str] = "OVERWRITE"

    def words(self) -> tuple[str, ...]:
        return ("labels",)


@frozen
class NodeId(Line):
    """
    From a parent: the identity that the vendor's cloud gave to the child::

        NODE_ID 'claim_id' 'node_id' 'cloud_url'
    """

    KEYWORD: ClassVar[str] = "NODE_ID"

    claim_id: str
    node_id: str
    url: str = ""

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(words, "claim id", "node id")
        return cls(words[0], words[1], word(words, 2))

    def words(self) -> tuple[str, ...]:
        return quote(self.claim_id), quote(self.node_id), quote(self.url)


@frozen
class Flush(Plain):
    """
    From a collector: forget the samples since C{BEGIN}::

        FLUSH
    """

    KEYWORD: ClassVar[str] = "FLUSH"


@frozen
class Disable(Plain):
    """
    From a collector: it has nothing to collect and need not be started again::

        DISABLE
    """

    KEYWORD: ClassVar[str] = "DISABLE"


@frozen
class SelectHost(Line):
    """
    From a collector: what follows is about a virtual node, or about the node
    itself again::

        HOST guid|localhost
    """

    KEYWORD: ClassVar[str] = "HOST"

    host: str

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        return cls(needed(words, "host")[0])

    def words(self) -> tuple[str, ...]:
        return (bare(self.host),)


@frozen
class DefineHost(Line):
    """
    From a collector: the begin of a virtual node's definition::

        HOST_DEFINE guid name
    """

    KEYWORD: ClassVar[str] = "HOST_DEFINE"

    guid: str
    hostname: str

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(words, "machine GUID", "host name")
        return cls(guid(words[0]), words[1])

    def words(self) -> tuple[str, ...]:
        return self.guid, bare(self.hostname)


@frozen
class DefinedHostLabel(Line):
    """
    From a collector: a label of the virtual node that is being defined::

        HOST_LABEL "name" "value"
    """

    KEYWORD: ClassVar[str] = "HOST_LABEL"

    name: str
    value: str

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(words, "label name")
        return cls(words[0], word(words, 1))

    def words(self) -> tuple[str, ...]:
        return quote(self.name), quote(self.value)


@frozen
class EndHostDefinition(Plain):
    """
    From a collector: the end of a virtual node's definition::

        HOST_DEFINE_END
    """

    KEYWORD: ClassVar[str] = "HOST_DEFINE_END"
