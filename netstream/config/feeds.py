"""
What feeds this node besides its own collectors: values of their options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from netstream.config.synthetic import App
from netstream.model.pattern import SimplePattern, pattern


@frozen
class PluginOptions:
    """
    Section C{[plugin:NAME]}, of one external plugin.

    @ivar update_every: Seconds; 0 is that of the node.
    @ivar arguments: After the period, one word each.
    """

    update_every: int = 0
    arguments: Sequence[str] = ()


@frozen
class PluginSettings:
    """
    External plugins: C{[directories] plugins}, and what C{[plugins]} says of
    them besides their names.

    @ivar directories: Where they are looked for.
    @ivar stock: Directory of the configuration that came with them; L{None}
        is C{conf.d} beside their directory.
    @ivar new: Whether those run of which nothing is said.
    @ivar look_every: Seconds between two looks for new ones; 0 is never.
    @ivar options: By name.
    """

    directories: Sequence[Path] = ()
    stock: Path | None = None
    new: bool = True
    look_every: int = 60
    options: Mapping[str, PluginOptions] = field(factory=dict)


@frozen
class Socket:
    """
    Where metrics are listened for.

    @ivar text: As written.
    @ivar protocol: C{udp}, C{tcp}, C{unix} (streams) or C{unixgram}.
    @ivar host: Address to bind, C{""} for all; the path of a Unix socket.
    """

    text: str
    protocol: str
    host: str
    port: int = 0


@frozen
class StatsdSettings:
    """
    Section C{[statsd]}.

    @ivar sockets: Where it listens.
    @ivar backlog: Connections that may wait to be accepted.
    @ivar update_every: Seconds between two collections.
    @ivar private: Which metrics have a chart, by name.
    @ivar most_charts: How many charts there may be.
    @ivar obsolete_after: Seconds after which a metric that was not heard of
        has no chart any more; 0 is never.
    @ivar hidden: Whether dashboards shall leave the charts out.
    @ivar decimals: Digits after the point.
    @ivar percentile: Of histograms and timers, above 0 and below 100.
    @ivar most_texts: Dimensions of a dictionary, besides that for all others.
    @ivar events: Whether each chart has the number of lines, too.
    @ivar gaps: Kinds of which what was not heard of since the last collection
        has a gap, C{gauges} and so on.
    @ivar idle_timeout: Seconds after which an idle client is cut off; 0 is
        never.
    @ivar most_connections: Clients at once.
    @ivar apps: Charts of several metrics.
    """

    sockets: Sequence[Socket] = ()
    backlog: int = 4096
    update_every: int = 1
    private: SimplePattern = pattern("*")
    most_charts: int = 1000
    obsolete_after: int = 0
    hidden: bool = False
    decimals: int = 3
    percentile: float = 95.0
    most_texts: int = 200
    events: bool = False
    gaps: frozenset[str] = frozenset()
    idle_timeout: int = 600
    most_connections: int = 5000
    apps: Sequence[App] = ()


@frozen
class ScrapeTarget:
    """
    Section C{[prometheus:NAME]}: an exporter that is scraped.

    @ivar name: Of the target; its charts are C{prometheus_NAME}.
    @ivar url: Where it shows its metrics.
    @ivar update_every: Seconds between two looks.
    @ivar timeout: Seconds that an answer may take.
    @ivar metrics: Which metrics are taken, by the name of the series.
    @ivar labels: Which labels are kept, by name.
    @ivar wanted: By label, which values a series must have to be taken.
    @ivar added: Labels that all series get.
    @ivar most_series: More are left out.
    @ivar username: For basic authentication.
    @ivar token: For bearer authentication.
    @ivar ca_file: File of certificate authorities; L{None} is the system's.
    """

    name: str
    url: str
    update_every: int = 10
    timeout: float = 5.0
    metrics: SimplePattern = pattern("*")
    labels: SimplePattern = pattern("*")
    wanted: Mapping[str, SimplePattern] = field(factory=dict)
    added: Mapping[str, str] = field(factory=dict)
    most_series: int = 2000
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca_file: Path | None = None


@frozen
class WriteSettings:
    """
    Section C{[remote write]}: what Prometheus may write to this node.

    @ivar most_series: More are left out.
    @ivar metrics: Which metrics are taken, by the name of the series.
    @ivar labels: Which labels are kept, by name.
    """

    most_series: int = 20_000
    metrics: SimplePattern = pattern("*")
    labels: SimplePattern = pattern("*")


@frozen
class FeedSettings:
    """
    What feeds this node besides its own collectors.

    @ivar statsd: L{None} if there is none.
    @ivar targets: What is scraped.
    @ivar writes: L{None} if nobody may write.
    """

    plugins: PluginSettings = PluginSettings()
    statsd: StatsdSettings | None = None
    targets: Sequence[ScrapeTarget] = ()
    writes: WriteSettings | None = None
