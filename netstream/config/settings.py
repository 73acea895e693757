"""
The settings of a node: what the files say, as values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from netstream.config.cgroups import CgroupSettings
from netstream.config.feeds import FeedSettings
from netstream.model.networks import NO_NETWORKS, Networks
from netstream.model.pattern import SimplePattern, pattern

EVERYTHING = pattern("*")
NOTHING = pattern("")
PROTECTABLE = ("dashboard", "registry", "badges", "netdata.conf")
"""What may be kept for those who sign in.  C{management} has a token of its
own, and children have their API keys."""
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
    @ivar protocol: C{tcp}, C{udp} or C{unix}.
    @ivar host: Name or address; the path for C{unix}.
    @ivar port: 0 for C{unix}.
    @ivar interface: Scope of a link-local address, or C{""}.
    @ivar tls: Whether the entry ends with C{:SSL}, or is C{udp}.
    """

    text: str
    protocol: str
    host: str
    port: int
    interface: str = ""
    tls: bool = False


@frozen
class SocksProxy:
    """
    A SOCKS5 proxy through which parents are connected to.

    @ivar user: C{""} for none.
    """

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def text(self) -> str:
        """
        Where it is, for a log.
        """
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@frozen
class Listener:
    """
    One entry of C{bind to}.

    @ivar text: The entry as it was written.
    @ivar protocol: C{tcp}, C{udp} or C{unix}.
    @ivar host: Address to bind; C{""} for all.  The path for C{unix}.
    @ivar features: What is served there: C{dashboard}, C{registry},
        C{badges}, C{management}, C{streaming}, C{netdata.conf}.
    @ivar tls: C{""}, C{force} or C{optional}.  Where there is a certificate,
        C{""} takes plain streams as well, and sends plain HTTP to HTTPS.
    @ivar mode: Who may connect to a Unix socket, as of a file.
    @ivar backlog: Connections that may wait to be accepted.
    """

    text: str
    protocol: str
    host: str
    port: int
    features: frozenset[str]
    interface: str = ""
    tls: str = ""
    mode: int = 0o660
    backlog: int = 4096


@frozen
class ServerTLS:
    """
    TLS as C{[web]} sets it up, for those who connect.

    @ivar certificate: PEM file of the certificate, and of what it was issued
        by.
    @ivar key: PEM file of its private key.
    @ivar newest: C{1.2} or C{1.3}, the newest version to speak.
    @ivar ciphers: As written; C{none} for our own choice.
    @ivar client_ca: PEM file of the authorities of clients' certificates;
        L{None} asks for none.
    @ivar client_needed: Who has to present a certificate: C{no}, C{streaming}
        or C{yes} for everyone.
    """

    certificate: Path
    key: Path
    newest: str = "1.3"
    ciphers: str = "none"
    client_ca: Path | None = None
    client_needed: str = "streaming"


@frozen
class ClientTLS:
    """
    TLS as C{[stream]} sets it up, for connections to parents.

    @ivar skip_verification: Whether any certificate is good.
    @ivar verify_hostname: Whether the certificate must be for the name that
        is connected to.
    @ivar ca_file: PEM file of more authorities.
    @ivar ca_path: Directory of more authorities, as C{openssl rehash} makes it.
    @ivar fingerprint: SHA-256 of the one certificate that is good, hexadecimal
        digits; C{""} to trust authorities.
    @ivar certificate: PEM file of our own certificate.
    @ivar key: PEM file of its private key.
    """

    skip_verification: bool = False
    verify_hostname: bool = True
    ca_file: Path | None = None
    ca_path: Path | None = None
    fingerprint: str = ""
    certificate: Path | None = None
    key: Path | None = None


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
    @ivar origins: Other sites whose pages may read what is answered.
    @ivar access_file: Tokens and users of whom one is needed; L{None} asks
        for none.
    @ivar protected: Features of C{bind to} for which it is.
    @ivar proxies: Whose word is taken for whom they ask, and how they were
        called.
    @ivar files: A folder with another dashboard; L{None} shows that of the
        program.
    @ivar streaming_every: Seconds between two accepted streaming requests.
    @ivar idle_timeout: Seconds after which an idle HTTP client is cut off.
    @ivar first_request_timeout: Seconds a client has for its first request.
    @ivar max_sockets: HTTP connections at once.
    @ivar tls: L{None} if this node has no certificate.
    """

    listeners: Sequence[Listener] = ()
    allow: Mapping[str, SimplePattern] = field(factory=dict)
    host_names: SimplePattern = NOTHING
    origins: SimplePattern = NOTHING
    access_file: Path | None = None
    protected: frozenset[str] = frozenset(PROTECTABLE)
    proxies: Networks = NO_NETWORKS
    files: Path | None = None
    streaming_every: int = 0
    idle_timeout: int = 60
    first_request_timeout: int = 60
    max_sockets: int = 5000
    gzip: bool = True
    tls: ServerTLS | None = None


@frozen
class HealthSettings:
    """
    Section C{[health]}.

    @ivar enabled: Whether the alerts of this node itself are evaluated.
    @ivar repeat_warning: Seconds after which a warning is told again, unless
        the alert says; 0 is never.
    @ivar repeat_critical: The same for a critical alert.
    @ivar log_entries: Transitions of each host that are held in memory, and
        that C{alarm_log} answers unless it is asked for more.
    @ivar log_retention: Seconds that transitions are kept.
    @ivar exec: Program that tells people, in place of what is built in.
    @ivar exec_timeout: Seconds that such a program has; 0 is no limit.
    @ivar alerts: Names of the alerts that run.
    @ivar stock: Whether the alerts that come with netstream apply.
    @ivar hibernation: Seconds without alerts after the machine slept.
    @ivar use_summary: Begin messages with the summary of an alert.
    @ivar silencers_file: Where silencers are kept, if not in the data
        directory.
    @ivar ownership: For which hosts people are told: C{all}; C{nearest} for
        this node and its own children, not for those behind a proxy;
        C{highest} for those that this node does not stream on to a parent.
    """

    enabled: bool = True
    repeat_warning: int = 0
    repeat_critical: int = 0
    log_entries: int = 1000
    log_retention: int = 5 * 86400
    exec: str = ""
    exec_timeout: int = 120
    alerts: SimplePattern = EVERYTHING
    stock: bool = True
    hibernation: int = 60
    use_summary: bool = True
    silencers_file: str = ""
    ownership: str = "all"


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
    @ivar spool: Where samples of nodes without a database wait for a parent:
        C{memory}, C{disk}, or C{no}where.
    @ivar spool_size: Bytes that they may need, over all nodes.
    @ivar tls: What holds for destinations with C{:SSL}.
    @ivar proxy: Through which TCP destinations are connected to.
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
    spool: str = "memory"
    spool_size: int = 16 << 20
    tls: ClientTLS = ClientTLS()
    proxy: SocksProxy | None = None


@frozen
class Quota:
    """
    What the hosts of one key, or one host, may use up; 0 is no limit.

    @ivar nodes: Hosts that are connected at once.
    @ivar metrics: Dimensions of all their charts.
    @ivar samples: Samples that all of them send in a second.
    @ivar of: Whose it is, for messages; its identity.
    @ivar place: Where it is set, for messages.
    """

    nodes: int = 0
    metrics: int = 0
    samples: int = 0
    of: str = ""
    place: str = ""


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
    @ivar health: C{yes}, C{no} or C{auto}: while the host is connected.
    @ivar postpone_alerts: Seconds after a connection began before alerts are
        evaluated.
    @ivar log_retention: Seconds that its transitions are kept; L{None} is
        what C{[health]} says.
    @ivar until: UTC seconds at which the first of its sections expires; L{None}
        if none does.
    @ivar compression: Whether to accept it.
    @ivar compressions: Names of the algorithms to accept, the preferred
        first.
    @ivar quotas: All of which it has to keep to.
    @ivar owner: Whose the API key is; C{""} if nobody is named.
    @ivar stated: Whether the section of the machine GUID says whose it is.
    """

    enabled: bool
    allow_from: SimplePattern = EVERYTHING
    mode: Mode = Mode.DBENGINE
    retention: int = 3600
    kept: int | None = None
    update_every: int = 0
    health: str = "auto"
    postpone_alerts: int = 60
    log_retention: int | None = None
    proxy: StreamSettings = StreamSettings()
    compression: bool = True
    compressions: Sequence[str] = COMPRESSIONS
    replication: bool = True
    replication_period: int = 86400
    replication_step: int = 3600
    until: float | None = None
    quotas: Sequence[Quota] = ()
    tiers: bool = True
    owner: str = ""
    stated: bool = False


@frozen
class KeyRecord:
    """
    What there is to say of an API key without telling it.

    @ivar mark: The first digits of its SHA-256.
    @ivar place: File and line of its section.
    @ivar valid_from: UTC seconds before which it opens nothing; L{None} if not
        given.
    @ivar valid_until: UTC seconds from which on it opens nothing.
    """

    mark: str
    enabled: bool
    place: str
    valid_from: float | None = None
    valid_until: float | None = None

    def state(self, now: float) -> str:
        """
        @return: C{valid}, C{disabled}, C{not yet valid} or C{expired}.
        """
        if not self.enabled:
            return "disabled"
        if self.valid_from is not None and now < self.valid_from:
            return "not yet valid"
        return "expired" if self.valid_until is not None and now >= self.valid_until else "valid"


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
    def records(self) -> Sequence[KeyRecord]:
        """
        The same keys, with what there is to say of them.
        """

    @property
    def secrets(self) -> Sequence[str]:
        """
        The API keys that are enabled, whole: for nobody but their owner.
        """

    @property
    def modes(self) -> frozenset[Mode]:
        """
        Every database that an admitted host may need.
        """

    def onward(self, now: float) -> Sequence[tuple[str, StreamSettings]]:
        """
        @return: The sections that say themselves where their hosts are sent on
            to, whole names and all: for nobody but their owner.
        """

    def owners(self, now: float) -> frozenset[str]:
        """
        @param now: UTC seconds.
        @return: Of the API keys that are enabled and have not expired; C{""}
            is among them if one is nobody's.
        """

    def admit(self, key: str, guid: str, address: str, now: float, certificate: Sequence[str] = ()) -> KeySettings:
        """
        As L{Settings.admit}.
        """


@frozen
class Nobody:
    """
    Admits no host.
    """

    keys: Sequence[str] = ()
    records: Sequence[KeyRecord] = ()
    secrets: Sequence[str] = ()
    modes: frozenset[Mode] = frozenset()

    def onward(self, now: float) -> Sequence[tuple[str, StreamSettings]]:
        """
        @return: None.
        """
        return ()

    def owners(self, now: float) -> frozenset[str]:
        """
        @return: None.
        """
        return frozenset()

    def admit(self, key: str, guid: str, address: str, now: float, certificate: Sequence[str] = ()) -> KeySettings:
        """
        @raise Refused: Always.
        """
        raise Refused("this node has no API key; add a section to stream.conf")


@frozen
class ExportTarget:
    """
    Where metrics are sent besides other nodes: one section of
    C{exporting.conf} named C{TYPE:NAME}.

    @ivar section: Name of the section; the identity of the target in logs.
    @ivar kind: What it speaks: C{graphite}, C{opentsdb}, C{json},
        C{influxdb}, C{prometheus_remote_write} or C{otlp}.
    @ivar http: Whether it is spoken over HTTP.
    @ivar destinations: At least one, in the order of trying; each with C{tls}
        if the connection is encrypted.
    @ivar path: Path and query of the URL, for HTTP.
    @ivar source: C{average}, C{sum} or C{as collected}.
    @ivar update_every: Seconds between two points of a series.
    @ivar buffered: Seconds that points wait for a receiver that is away.
    @ivar spool_size: Bytes of disk that they may fill while they do.
    @ivar timeout: Seconds to connect, to be answered, and without progress.
    @ivar reconnect_delay: Upper bound of the pause between two attempts,
        seconds.
    @ivar hostname: What this node is called there; C{""} is its own name.
    @ivar version: Of the protocol, where it has several.
    @ivar ca_file: File of certificate authorities; C{""} is the system's.
    @ivar verify: Whether the receiver's certificate is looked at.
    """

    section: str
    kind: str
    http: bool = False
    destinations: Sequence[Destination] = ()
    path: str = ""
    source: str = "average"
    update_every: int = 10
    buffered: float = 3600.0
    spool_size: int = 256 << 20
    timeout: float = 10.0
    reconnect_delay: float = 60.0
    prefix: str = "netdata"
    hostname: str = ""
    hosts: SimplePattern = pattern("localhost *")
    charts: SimplePattern = EVERYTHING
    dimensions: SimplePattern = EVERYTHING
    names: bool = True
    configured_labels: bool = True
    automatic_labels: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    version: str = "1.0"
    ca_file: str = ""
    verify: bool = True


@frozen
class Settings:
    """
    Everything that a node was told.

    @ivar sources: Files that were read, in order.
    @ivar warnings: What was odd in them: one line each, with file and line.
    @ivar host_labels: Section C{[host labels]}.
    @ivar plugins: Section C{[plugins]}: which collectors run.
    @ivar modules: Section C{[plugin:proc]}: which of their parts do.
    @ivar cgroups: Section C{[plugin:cgroups]}.
    @ivar access: Who may stream here.
    @ivar exporting: Where metrics are sent besides other nodes.
    @ivar feeds: What feeds it besides its own collectors.
    @ivar effective: What it goes by, in the form of its file and without a
        secret.
    """

    role: Role
    config_dir: Path
    data_dir: Path
    node: NodeSettings
    db: DBSettings = DBSettings()
    web: WebSettings = WebSettings()
    stream: StreamSettings = StreamSettings()
    health: HealthSettings = HealthSettings()
    host_labels: Mapping[str, str] = field(factory=dict)
    plugins: Mapping[str, bool] = field(factory=dict)
    modules: Mapping[str, bool] = field(factory=dict)
    cgroups: CgroupSettings = CgroupSettings()
    sources: Sequence[Path] = ()
    warnings: Sequence[str] = ()
    access: Admission = Nobody()
    exporting: Sequence[ExportTarget] = ()
    feeds: FeedSettings = FeedSettings()
    effective: str = field(default="", repr=False, eq=False)

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

    def admit(self, key: str, guid: str, address: str, now: float, certificate: Sequence[str] = ()) -> KeySettings:
        """
        Decide on a host that wants to stream to this node.

        @param key: The API key that it presents, in any case.
        @param guid: Its machine GUID, in any case.
        @param address: Numeric address it comes from, or C{unix}; what
            L{netstream.model.address.peer_name} made of it is as good.
        @param now: UTC seconds.
        @param certificate: By which names the certificate is known that it
            presented, and that was verified; empty if it did not.
        @return: What holds for the host: its GUID section over its key section
            over the rest.
        @raise Refused: It may not.
        """
        return self.access.admit(key, guid, address, now, certificate)
