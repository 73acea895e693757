"""
The hosts that this node knows, and the changes of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from attrs import field, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.db import together
from netstream.db.interfaces import Health, HostRecord, IMetricsDB, StoredHost
from netstream.hub.figures import Counts, Traffic, Upstream
from netstream.hub.latest import Latest
from netstream.hub.life import Life, PeerClock, life
from netstream.hub.listeners import Listeners
from netstream.hub.owners import Owners
from netstream.hub.route import Entry, Route
from netstream.hub.shared import View
from netstream.hub.tombstones import Tombstones
from netstream.model.calls import Call, Callee, Caller, Over, Running, failed
from netstream.model.chart import Chart
from netstream.model.host import Function, HostInfo, Label
from netstream.model.progress import Progress
from netstream.model.samples import ChartState, SampleBatch, SeriesTable
from netstream.model.updates import (
    ChartDefined,
    ChartForgotten,
    ClaimSet,
    FunctionOffered,
    FunctionWithdrawn,
    HistoryComplete,
    HistorySought,
    LabelsReplaced,
    PathKnown,
    Update,
    VariableSet,
)

T = TypeVar("T")


def no_state(chart_id: str) -> ChartState | None:
    """
    @return: L{None}: the collection of no chart is known.
    """
    return None


Listener = Callable[[Update], None]
"""Is called with each update of a host, in order."""


@frozen
class Link:
    """
    How the samples of a host reach us while they do.

    @ivar peer: Where the connection comes from, as text.
    @ivar since: When it began, UTC seconds.
    @ivar capabilities: The mask that was agreed on.
    @ivar spoken: Names of what is in it.
    @ivar traffic: What was said.
    @ivar certificate: When that of its other end expires, UTC seconds; 0 if it
        presented none.
    @ivar clock: What its samples tell of its clock, and when the last came.
    """

    peer: str
    since: float
    capabilities: int = 0
    spoken: tuple[str, ...] = ()
    traffic: Traffic = field(factory=Traffic, eq=False)
    certificate: float = 0.0
    clock: PeerClock = field(init=False, eq=False)

    @clock.default
    def _begin(self) -> PeerClock:
        return PeerClock(self.since)


class Host:
    """
    One node, with what is known of it now.

    It changes by L{apply} alone, and tells its listeners after each change.
    One that fails harms neither the others nor whoever applies.

    @ivar db: What keeps its samples.
    @ivar charts: Chart definitions by id.
    @ivar labels: Host labels by name.
    @ivar variables: By (chart id or C{""}, name).
    @ivar functions: By (chart id or C{""}, name).
    @ivar route: The agents that its samples pass.
    @ivar table: Numbers its series.
    @ivar latest: Its newest samples.
    @ivar link: Its connection; L{None} for the local host and for one that is
        offline.
    @ivar local: Whether it is this node itself.
    @ivar seen: When its last connection ended, UTC seconds; 0 is never.
    @ivar known_since: When this process learned of it from a database, UTC
        seconds.
    @ivar virtual: Whether a collector of this node speaks for it.
    @ivar removed: Whether the hub knows it no more.
    @ivar incomplete: Charts whose past is being fetched.
    @ivar replication: How far that is; L{None} if nothing is.
    @ivar state: Tells where the collection of a chart stands, if that is done
        here.
    @ivar spool: Keeps samples for a parent that is away, where the database
        keeps none.
    @ivar unkept: Batches that the database has not accepted yet.
    @ivar upstream: Where its samples go; L{None} if nowhere.
    @ivar left: Why its last connection ended; C{""} if it had none.
    @ivar callee: Answers calls of its functions; L{None} if nothing does now.
    @ivar elsewhere: Whether another process of this node takes its samples
        and keeps what is to be kept.
    @ivar changes: How often it changed, or what is stored of it, as far as
        this process knows.
    @ivar definitions: How often it changed who it is, which charts it has,
        and which functions.
    """

    _log = Logger()

    def __init__(
        self,
        info: HostInfo,
        db: IMetricsDB,
        *,
        local: bool = False,
        elsewhere: bool = False,
        latest: Callable[[], Latest] = Latest,
    ) -> None:
        """
        @param latest: Makes the columns of its newest samples.
        """
        self.definitions = 0
        self.info = info
        self.db = db
        self.local = local
        self.elsewhere = elsewhere
        self.charts: dict[str, Chart] = {}
        self.labels: Mapping[str, Label] = {}
        self.variables: dict[tuple[str, str], float] = {}
        self.functions: dict[tuple[str, str], Function] = {}
        self.route = Route()
        self.claim_id: str | None = None
        self.table = SeriesTable(info.guid)
        self.latest = latest()
        self.link: Link | None = None
        self.callee: Callee | None = None
        self.upstream: Upstream | None = None
        self.left = ""
        self.seen = 0.0
        self.incomplete: set[str] = set()
        self.replication: Progress | None = None
        self.state: Callable[[str], ChartState | None] = no_state
        self.known_since = 0.0
        self.virtual = False
        self.removed = False
        self.spool: IMetricsDB | None = None
        self._listeners: Listeners[Listener] = Listeners()
        self._listeners_of_samples: Listeners[Listener] = Listeners()
        self.unkept = 0
        self.changes = 0
        self._waiting: list[Deferred[None]] = []
        self._obsolete: dict[str, float | None] = {}

    @property
    def info(self) -> HostInfo:
        """
        Who it is.
        """
        return self._info

    @info.setter
    def info(self, info: HostInfo) -> None:
        self._info = info
        self.definitions += 1

    @property
    def past(self) -> IMetricsDB:
        """
        What answers for its past when a parent asks.
        """
        return self.db if self.spool is None else self.spool

    @property
    def online(self) -> bool:
        """
        Whether samples are coming in.
        """
        return self.local or self.link is not None

    @property
    def ephemeral(self) -> bool:
        """
        Whether it is one that comes and goes.
        """
        label = self.labels.get("_is_ephemeral")
        return label is not None and label.value == "true"

    def life(self, now: float) -> Life:
        """
        @param now: UTC seconds.
        @return: How it is doing.
        """
        if self.local:
            return Life.LIVE
        heard = self.link.clock.heard if self.link is not None else 0.0
        return life(self.online, heard, self.seen, self.info.update_every, now)

    @property
    def _keeps(self) -> bool:
        return self.past.keeps and not self.elsewhere

    def subscribe(self, listener: Listener, *, samples: bool = True) -> Callable[[], None]:
        """
        Hear of every update from now on.

        @param samples: Whether of samples as well, which come most often.
        @return: Call it to hear no more.
        """
        cancel = self._listeners.add(listener)
        if not samples:
            return cancel
        cancel_samples = self._listeners_of_samples.add(listener)

        def cancel_both() -> None:
            cancel()
            cancel_samples()

        return cancel_both

    def apply(self, update: Update) -> None:
        """
        Take in an update: change, keep, and pass on.
        """
        self.changes += 1
        match update:
            case SampleBatch():
                self.latest.update(update)
                past = self.past
                if past.keeps and not self.elsewhere and len(update.series):
                    done = past.append(update)
                    self.keep(done if done.called else self._counted(done))
                if self._listeners_of_samples:
                    self._pass_on(update, self._listeners_of_samples)
                return
            case ChartDefined(chart):
                known = self.charts.get(chart.id)
                if known is chart or known == chart:
                    return  # said again, as on every connection
                self._define(chart)
                if self._keeps:
                    self.keep(self.past.put_chart(self.info.guid, chart))
            case ChartForgotten(chart_id):
                self._forget(chart_id)
            case HistorySought(chart_id):
                self.incomplete.add(chart_id)
            case HistoryComplete(chart_id):
                self.incomplete.discard(chart_id)
            case LabelsReplaced(labels):
                self.labels = dict(labels)
                self.save()
            case VariableSet(name, value, chart_id):
                self.variables[chart_id, name] = value
            case FunctionOffered(function):
                if self.functions.get((function.chart, function.name)) == function:
                    return
                self.functions[function.chart, function.name] = function
                self.definitions += 1
            case FunctionWithdrawn(name, chart_id):
                self.functions.pop((chart_id, name), None)
                self.definitions += 1
            case ClaimSet(claim_id):
                self.claim_id = claim_id
            case PathKnown(entries):
                if not self.route.from_child(entries):
                    return
                update = PathKnown(self.path)
        self._pass_on(update, self._listeners)

    @property
    def path(self) -> tuple[Entry, ...]:
        """
        Entries of the stream path, the origin first.
        """
        return self.route.entries

    def place(self, own: Entry) -> None:
        """
        Say what this node is in its path.
        """
        if self.route.place(own):
            self._pass_on(PathKnown(self.path), self._listeners)

    def _pass_on(self, update: Update, listeners: Listeners[Listener]) -> None:
        for listener in tuple(listeners):
            try:
                listener(update)
            except Exception:
                self._log.failure(
                    "{host}: {listener} did not take in an update",
                    Failure(),
                    host=self.info.hostname,
                    listener=listener,
                )

    def function(self, command: str) -> Function | None:
        """
        Find the function that a call means.

        @param command: Its name, and perhaps arguments behind it.
        @return: The one with the longest name, of the host before those of
            charts; L{None} if there is none.
        """
        names = {name: function for (chart, name), function in self.functions.items() if chart}
        names |= {name: function for (chart, name), function in self.functions.items() if not chart}
        words = command.strip()
        while words and words not in names:
            words = " ".join(words.split()[:-1])
        return names.get(words)

    def call(self, call: Call, caller: Caller) -> Running:
        """
        Call one of its functions.

        @param caller: Gets the answer, exactly one, perhaps before this
            returns; or none, if it cancels.
        """
        if self.callee is None and not self.local:
            caller.answered(failed(503, "The node that should answer is not connected"))
        elif self.callee is None or self.function(call.command) is None:
            caller.answered(failed(404, "The node has no such function"))
        else:
            return self.callee.call(call, caller)
        return Over()

    def _define(self, chart: Chart) -> None:
        self.definitions += 1
        self.charts[chart.id] = chart
        if chart.obsolete:
            self._obsolete.setdefault(chart.id, None)
        elif self._obsolete:
            self._obsolete.pop(chart.id, None)

    def _forget(self, chart_id: str) -> None:
        self.definitions += 1
        self.charts.pop(chart_id, None)
        self._obsolete.pop(chart_id, None)
        self.incomplete.discard(chart_id)
        if self.elsewhere:
            self.table.withdraw(chart_id)
        else:
            self.latest.forget(self.table.release(chart_id))
        for kept in (self.variables, self.functions):
            for key in [key for key in kept if key[0] == chart_id]:
                del kept[key]

    def sweep(self, now: float, after: float) -> None:
        """
        Forget the charts that have been obsolete for long; their history stays
        in the database as long as any.

        @param now: UTC seconds; call it again and again, at most every
            minute, since an obsolete chart is noticed by it.
        @param after: Seconds.
        """
        if self.elsewhere:
            return
        for chart_id, since in tuple(self._obsolete.items()):
            if since is None:
                self._obsolete[chart_id] = now
            elif now - since >= after:
                self.apply(ChartForgotten(chart_id))
        self.table.recycle()

    def restore(self, stored: StoredHost) -> None:
        """
        Take in what a database kept of the host.
        """
        for chart in stored.charts.values():
            self._define(chart)
        self.labels = stored.record.labels
        self.seen = float(stored.record.connected)

    def save(self) -> None:
        """
        Keep who it is.
        """
        if self._keeps:
            seen = int(self.link.since if self.link else self.seen)
            self.keep(self.past.put_host(HostRecord(self.info, self.labels, seen)))

    def keep(self, done: Deferred[None]) -> None:
        """
        Say so if something of it could not be stored.
        """
        if not done.called or done.paused or done.result is not None:
            done.addErrback(self._not_kept)

    def _counted(self, done: Deferred[None]) -> Deferred[None]:
        """
        @return: The same, which counts as long as it has not fired.
        """
        self.unkept += 1

        def kept(result: T) -> T:
            self.unkept -= 1
            if not self.unkept:
                waiting, self._waiting = self._waiting, []
                for deferred in waiting:
                    deferred.callback(None)
            return result

        return done.addBoth(kept)

    def kept(self) -> Deferred[None]:
        """
        @return: Fires when the database has accepted all samples so far.
        """
        if not self.unkept:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def _not_kept(self, failure: Failure) -> None:
        self._log.failure("{host}: was not stored", failure, host=self.info.hostname)


class Hub:
    """
    All hosts by machine GUID, this node first.

    @ivar local: This node.
    @ivar counts: What was counted since the start.
    @ivar tombstones: Nodes that were removed on purpose.
    @ivar draining: Whether its children shall go elsewhere.
    @ivar databases: Gives all databases of this node, those of its other
        processes as well.
    @ivar certificate: Tells when the certificate of this node expires, UTC
        seconds; L{None} if it has none.
    @ivar processes: Gives the ids of its other processes by name, 0 of one
        that does not run just now.
    """

    def __init__(
        self,
        info: HostInfo,
        db: IMetricsDB,
        tombstones: Tombstones | None = None,
        latest: Callable[[], Latest] = Latest,
        owners: Owners | None = None,
    ) -> None:
        """
        @param tombstones: In memory alone if not given.
        @param owners: Likewise.
        @param latest: Makes the columns of a host's newest samples.
        """
        self.counts = Counts()
        self.tombstones = tombstones if tombstones is not None else Tombstones()
        self.owners = owners if owners is not None else Owners()
        self.draining = False
        self.databases: Callable[[], Iterable[IMetricsDB]] = lambda: (db,)
        self.processes: Callable[[], Mapping[str, int]] = dict
        self._latest = latest
        self.certificate: Callable[[], float | None] = lambda: None
        self.local = Host(info, db, local=True)
        self._hosts = {info.guid: self.local}
        self._named: dict[str, Host] = {}
        self._watchers: Listeners[Callable[[Host], None]] = Listeners()

    def __iter__(self) -> Iterator[Host]:
        return iter(tuple(self._hosts.values()))

    def health(self) -> Health:
        """
        @return: How all databases of this node are, together.
        """
        return together.health(self.databases())

    def __len__(self) -> int:
        return len(self._hosts)

    def get(self, guid: str) -> Host | None:
        """
        @return: The host of that machine GUID.
        """
        return self._hosts.get(guid)

    def definition(self, guid: str, chart: str) -> Chart | None:
        """
        @return: The chart of a host; L{None} if it is not known.
        """
        host = self._hosts.get(guid)
        return None if host is None else host.charts.get(chart)

    def find(self, name: str) -> Host | None:
        """
        Look a host up as a person names it: by GUID, else by host name, where
        one that is online comes before one that is not.  Every node calls
        itself C{localhost}, unless a host is called that.
        """
        name = name.lower()
        found = self._hosts.get(name) or self._named.get(name)
        if found is None:
            named = [h for h in self if name == h.info.hostname.lower()]
            found = max(named, key=lambda h: h.online, default=None)
            if found is not None:
                self._named[name] = found
            elif name == "localhost":
                found = self.local
        return found

    def watch(self, watcher: Callable[[Host], None]) -> Callable[[], None]:
        """
        Hear of each host that is new, comes online or goes offline.

        @return: Call it to hear no more.
        """
        return self._watchers.add(watcher)

    def restore(self, stored: StoredHost, db: IMetricsDB) -> Host:
        """
        Know a host that a database kept; it is offline unless it is this node.
        """
        info = stored.record.info
        host = self._hosts.get(info.guid)
        if host is None:
            host = self._hosts[info.guid] = Host(info, db, latest=self._latest)
        host.restore(stored)
        self.tell(host)
        return host

    def connect(self, info: HostInfo, db: IMetricsDB, link: Link, *, virtual: bool = False) -> Host:
        """
        A host's samples begin to arrive.

        A host that is known keeps its database, as it keeps its charts.

        @param virtual: Whether a collector of this node speaks for it.

        @return: The host, which is online now.
        """
        host = self._hosts.get(info.guid)
        if host is None:
            host = self._hosts[info.guid] = Host(info, db, latest=self._latest)
        host.functions.clear()  # it says anew what it offers
        host.info = info
        host.link = link
        host.virtual = virtual
        host.replication = None
        host.save()
        self.tell(host)
        return host

    def mirror(self, info: HostInfo, db: IMetricsDB) -> Host:
        """
        Know a host of which another process of this node takes the samples.

        @param db: How it is asked what it keeps.
        @return: The host, which is this process' own if it was known so.
        """
        host = self._hosts.get(info.guid)
        if host is None:
            host = self._hosts[info.guid] = Host(info, db, elsewhere=True, latest=View)
        return host

    def adopt(self, host: Host, db: IMetricsDB, link: Link) -> None:
        """
        Know a host that was kept apart so far, as one that is connected.

        @param db: Where it is kept from now on.
        """
        self._hosts[host.info.guid] = host
        host.db = db
        host.link = link
        host.save()
        if db.keeps:
            for chart in host.charts.values():
                host.keep(db.put_chart(host.info.guid, chart))
        self.tell(host)

    def remove(self, host: Host) -> Deferred[None]:
        """
        Know a host no more that is not connected, and keep nothing of it.

        @return: Fires when its samples are forgotten; it is known no more
            before.
        @raise ValueError: It is connected, or this node itself.
        """
        if host.online:
            raise ValueError(f"{host.info.hostname} is connected")
        if self._hosts.get(host.info.guid) is host:
            del self._hosts[host.info.guid]
            host.removed = True
            self.tell(host)
        return host.past.forget(host.info.guid)

    def disconnect(self, host: Host, now: float) -> None:
        """
        A host's samples arrive no more; it stays known.
        """
        host.link = None
        host.seen = now
        host.incomplete.clear()
        host.state = no_state
        host.save()
        self.tell(host)

    def tell(self, host: Host) -> None:
        """
        A host is new, came online or went offline: tell who watches.
        """
        self._named.clear()
        for watcher in tuple(self._watchers):
            watcher(host)
