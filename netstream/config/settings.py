"""
The settings of a node: what the files say, as values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from netstream.model.pattern import SimplePattern, pattern

EVERYTHING = pattern("*")
NOTHING = pattern("")
COMPRESSIONS = ("zstd", "lz4", "brotli", "gzip")
"""The algorithms that there are, the preferred first."""


class Role(Enum):
    """
    What a node is for; it only presets options.
    """

    STANDALONE = "standalone"
    CHILD = "child"
    PARENT = "parent"
    PROXY = "proxy"


class Mode(Enum):
    """
    Which database keeps the samples of a host.
    """

    NONE = "none"
    RAM = "ram"
    DBENGINE = "dbengine"


@frozen
class Destination:
    """
    One parent to stream to.

    @ivar text: The entry as it was written; its identity in logs.
    @ivar protocol: C{tcp} or C{unix}.
    @ivar host: Name or address; the path for C{unix}.
    @ivar port: TCP port; 0 for C{unix}.
    @ivar interface: Scope of a link-local address, or C{""}.
    @ivar tls: Whether the entry ends with C{:SSL}.
    """

    text: str
    protocol: str
    host: str
    port: int
    interface: str = ""
    tls: bool = False


@frozen
class Listener:
    """
    One entry of C{bind to}.

    @ivar text: The entry as it was written.
    @ivar protocol: C{tcp} or C{unix}.
    @ivar host: Address to bind; C{""} for all.  The path for C{unix}.
    @ivar features: What is served there: C{dashboard}, C{registry},
        C{badges}, C{management}, C{streaming}, C{netdata.conf}.
    @ivar tls: C{""}, C{force} or C{optional}.
    """

    text: str
    protocol: str
    host: str
    port: int
    features: frozenset[str]
    interface: str = ""
    tls: str = ""


@frozen
class NodeSettings:
    """
    Section C{[global]}.

    @ivar workers: Processes that take children's connections beside the one
        that serves; 0 is one process for all.
    """

    hostname: str
    timezone: str = ""
    ephemeral: bool = False
    unstable_connection: bool = False
    workers: int = 0


@frozen
class DBSettings:
    """
    Section C{[db]}.

    @ivar retention: Seconds that memory modes keep.
    @ivar tier_retention: Seconds that C{dbengine} keeps, by tier: as many as
        C{storage_tiers}.  0 is no limit of time.
    @ivar tier_size: Bytes that C{dbengine} may use, by tier: as many as
        C{storage_tiers}.  0 is no limit of size.
    @ivar precision: C{float64} or C{float32}: what C{dbengine} stores of a
        value.
    @ivar gap_when_lost: Missed points that interpolation may bridge.
    @ivar cleanup_charts: Seconds after which a chart that is not collected
        any more is no longer shown.
    @ivar cleanup_hosts: Seconds after which a host that is gone is.
    @ivar cleanup_ephemeral: Seconds after which an ephemeral host that is
        gone is forgotten with its samples; 0 is never.
    """

    mode: Mode = Mode.DBENGINE
    update_every: int = 1
    retention: int = 3600
    storage_tiers: int = 3
    tier_retention: Sequence[int] = (14 * 86400, 90 * 86400, 730 * 86400)
    tier_size: Sequence[int] = (1 << 30, 1 << 30, 1 << 30)
    precision: str = "float64"
    gap_when_lost: int = 1
    cleanup_charts: int = 3600
    cleanup_hosts: int = 3600
    cleanup_ephemeral: int = 0


@frozen
class WebSettings:
    """
    Section C{[web]}.

    @ivar listeners: Empty means that nothing listens (C{mode = none}).
    @ivar allow: Patterns on the peer's address, by what is asked for:
        C{connections}, C{dashboard}, C{badges}, C{streaming}, C{management},
        C{netdata.conf}.  A missing C{dashboard} means loopback, private and
        link-local addresses.
    @ivar host_names: Names besides addresses, C{localhost} and its own under
        which the node may be called by browsers.
    @ivar streaming_every: Seconds between two accepted streaming requests.
    @ivar idle_timeout: Seconds after which an idle HTTP client is cut off.
    @ivar first_request_timeout: Seconds a client has for its first request.
    """

    listeners: Sequence[Listener] = ()
    allow: Mapping[str, SimplePattern] = field(factory=dict)
    host_names: SimplePattern = NOTHING
    streaming_every: int = 0
    idle_timeout: int = 60
    first_request_timeout: int = 60
    gzip: bool = True


@frozen
class StreamSettings:
    """
    Where the samples of a host are sent: section C{[stream]}, with what a key
    or GUID section says instead for the hosts it accepts.

    @ivar enabled: Whether they are sent at all.
    @ivar timeout: Seconds to connect, to be answered, and without progress.
    @ivar buffer_size: Bytes that may wait for a slow parent.
    @ivar reconnect_delay: Upper bound of the random pause after a round of
        failures, seconds.
    @ivar compression: Whether to offer it.
    @ivar zstd_level: 1 to 22, higher compresses more.
    @ivar lz4_acceleration: 1 to 9, higher is faster and compresses less.
    @ivar brotli_level: 0 to 11, higher compresses more.
    @ivar gzip_level: 1 to 9, higher compresses more.
    """

    enabled: bool = False
    destinations: Sequence[Destination] = ()
    api_key: str = field(default="", repr=False)
    timeout: float = 60.0
    charts: SimplePattern = EVERYTHING
    buffer_size: int = 10 << 20
    reconnect_delay: float = 15.0
    clock_resync_iterations: int = 60
    compression: bool = True
    zstd_level: int = 3
    lz4_acceleration: int = 1
    brotli_level: int = 3
    gzip_level: int = 3


@frozen
class KeySettings:
    """
    An API key or machine GUID section of C{stream.conf}, or what both and the
    defaults give together for one host.

    @ivar retention: Entries that memory modes keep.
    @ivar kept: Seconds that C{dbengine} keeps samples; 0 is no limit, and
        L{None} what C{[db]} says.
    @ivar update_every: Base period, only of a GUID section; 0 takes the
        child's.
    @ivar health: C{yes}, C{no} or C{auto}.
    @ivar compression: Whether to accept it.
    @ivar compressions: Names of the algorithms to accept, the preferred
        first.
    """

    enabled: bool
    allow_from: SimplePattern = EVERYTHING
    mode: Mode = Mode.DBENGINE
    retention: int = 3600
    kept: int | None = None
    update_every: int = 0
    health: str = "auto"
    postpone_alerts: int = 60
    proxy: StreamSettings = StreamSettings()
    compression: bool = True
    compressions: Sequence[str] = COMPRESSIONS
    replication: bool = True
    replication_period: int = 86400
    replication_step: int = 3600


class Refused(Exception):
    """
    C{stream.conf} does not admit a host.

    @ivar reason: Why, and which line would admit it; for our log, never for
        the peer.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Admission(Protocol):
    """
    What the UUID sections of C{stream.conf} say.
    """

    @property
    def keys(self) -> Sequence[str]:
        """
        Fingerprints of the API keys, also of those that are not enabled.
        """

    @property
    def modes(self) -> frozenset[Mode]:
        """
        Every database that an admitted host may need.
        """

    def admit(self, key: str, guid: str, address: str) -> KeySettings:
        """
        As L{Settings.admit}.
        """


@frozen
class Nobody:
    """
    Admits no host.
    """

    keys: Sequence[str] = ()
    modes: frozenset[Mode] = frozenset()

    def admit(self, key: str, guid: str, address: str) -> KeySettings:
        """
        @raise Refused: Always.
        """
        raise Refused("this node has no API key; add a section to stream.conf")


@frozen
class Settings:
    """
    Everything that a node was told.

    @ivar sources: Files that were read, in order.
    @ivar warnings: What was odd in them: one line each, with file and line.
    @ivar host_labels: Section C{[host labels]}.
    @ivar plugins: Section C{[plugins]}: which collectors run.
    @ivar access: Who may stream here.
    """

    role: Role
    config_dir: Path
    data_dir: Path
    node: NodeSettings
    db: DBSettings = DBSettings()
    web: WebSettings = WebSettings()
    stream: StreamSettings = StreamSettings()
    host_labels: Mapping[str, str] = field(factory=dict)
    plugins: Mapping[str, bool] = field(factory=dict)
    sources: Sequence[Path] = ()
    warnings: Sequence[str] = ()
    access: Admission = Nobody()

    @property
    def keys(self) -> Sequence[str]:
        """
        Fingerprints of the API keys that were given, also of those that are
        not enabled.
        """
        return self.access.keys

    @property
    def modes(self) -> frozenset[Mode]:
        """
        Every database that this node or a host it admits may need.
        """
        return self.access.modes | {self.db.mode}

    def admit(self, key: str, guid: str, address: str) -> KeySettings:
        """
        Decide on a host that wants to stream to this node.

        @param key: The API key that it presents.
        @param guid: Its machine GUID, in any case.
        @param address: Numeric address it comes from, or C{unix}; what
            L{netstream.model.address.peer_name} made of it is as good.
        @return: What holds for the host: its GUID section over its key section
            over the rest.
        @raise Refused: It may not.
        """
        return self.access.admit(key, guid, address)
