"""
Every option of C{netstream.conf}, which are those of C{netdata.conf}.
"""

from __future__ import annotations

from netstream.config.cgroup_options import CGROUP_OPTIONS
from netstream.config.options import (
    ADDRESSES,
    BACKLOG,
    BOOLEAN,
    BYTES,
    CLEANUP,
    DAYS,
    DECIMAL,
    DURATION,
    FEATURES,
    FILE_MODE,
    LISTENERS,
    MEBIBYTES,
    MODE,
    NETWORKS,
    NUMBER,
    PATH,
    PATTERN,
    PERIOD,
    PORT,
    PRECISION,
    RETENTION,
    TEXT,
    THREE_VALUED,
    TLS_VERSION,
    Option,
    choice,
    later,
    one_of,
    option,
    tiers,
    whole,
)
from netstream.config.remote_write_options import REMOTE_WRITE_OPTIONS
from netstream.config.statsd_options import STATSD_OPTIONS

GLOBAL, DB, WEB, HEALTH, ML = "global", "db", "web", "health", "ml"
DIRECTORIES, LOGS, REGISTRY = "directories", "logs", "registry"
HOST_LABELS, PLUGINS, PLUGIN, PLUGIN_PROC = "host labels", "plugins", "plugin:", "plugin:proc"
PROMETHEUS = "prometheus:"
"""Begins the names of sections of exporters that are scraped."""
TIERS = 5
"""The most tiers that a file may ask for, as agents have them."""
TIERS_USED = 3
"""The most tiers a database can have."""

FREE_SECTIONS = (HOST_LABELS, PLUGINS, PLUGIN_PROC)
"""Sections whose options may have any name."""


def free(section: str) -> bool:
    """
    @return: Whether the options of a section may have any name, as those of
        C{[plugin:NAME]}, where the name is of an external plugin, and of
        C{[prometheus:NAME]}.
    """
    if section in FREE_SECTIONS:
        return True
    kind, colon, name = section.partition(":")
    return kind + colon in (PLUGIN, PROMETHEUS) and bool(name) and ":" not in name


LATER_SECTIONS = {"pulse": "pulse", "global statistics": "pulse", "telemetry": "pulse"}
"""Sections that are known by their name alone, with their name today."""

GLOBAL_OPTIONS = (
    option(GLOBAL, "hostname", TEXT, field="hostname"),
    later(GLOBAL, "run as user", TEXT),
    later(GLOBAL, "host access prefix", PATH),
    option(GLOBAL, "timezone", TEXT, field="timezone"),
    later(GLOBAL, "OOM score", TEXT),
    later(GLOBAL, "process scheduling policy", TEXT),
    later(GLOBAL, "pthread stack size", BYTES),
    later(GLOBAL, "profile", choice("standalone", "parent", "child", "iot")),
    option(GLOBAL, "is ephemeral node", BOOLEAN, "no", (HEALTH, "is ephemeral"), field="ephemeral"),
    option(
        GLOBAL,
        "has unstable connection",
        BOOLEAN,
        "no",
        (HEALTH, "has unstable connection"),
        field="unstable_connection",
    ),
    option(GLOBAL, "workers", whole(0, 64), "0", field="workers"),
    later(GLOBAL, "cpu cores", NUMBER),
    later(GLOBAL, "libuv worker threads", NUMBER),
    later(GLOBAL, "crash reports", TEXT),
)


def _tier(tier: int) -> tuple[Option, ...]:
    name = f"dbengine tier {tier}"
    sizes: tuple[str | tuple[str, str], ...] = (f"{name} multihost disk space MB", f"{name} disk space MB")
    if tier == 0:
        sizes += (
            "dbengine multihost disk space MB",
            "dbengine disk space MB",
            (GLOBAL, "dbengine multihost disk space"),
            (GLOBAL, "dbengine disk space"),
        )
    known = option if tier < TIERS_USED else later
    options = (
        known(DB, f"{name} retention size", MEBIBYTES, "1024MiB", *sizes),
        known(DB, f"{name} retention time", DAYS, ("14d", "3mo")[tier] if tier < 2 else "2y", f"{name} retention days"),
    )
    if tier == 0:
        return options
    return (*options, later(DB, f"{name} update every iterations", whole(2, 255), "60"))


DB_OPTIONS = (
    option(DB, "db", MODE, "dbengine", "mode", (GLOBAL, "memory mode"), field="mode"),
    option(DB, "update every", PERIOD, "1s", (GLOBAL, "update every"), field="update_every"),
    option(DB, "retention", RETENTION, "3600", (GLOBAL, "history")),
    option(DB, "storage tiers", tiers(TIERS, TIERS_USED), "3", field="storage_tiers"),
    option(DB, "precision", PRECISION, "float64", field="precision"),
    later(
        DB,
        "dbengine page cache size",
        MEBIBYTES,
        "32MiB",
        "dbengine page cache size MB",
        (GLOBAL, "dbengine page cache size"),
        (GLOBAL, "page cache size"),
    ),
    *(each for tier in range(TIERS) for each in _tier(tier)),
    later(
        DB,
        "dbengine tier backfill",
        choice("new", "full", "none"),
        "new",
        *(f"dbengine tier {tier} backfill" for tier in range(1, TIERS)),
    ),
    option(
        DB,
        "cleanup obsolete charts after",
        CLEANUP,
        "1h",
        "cleanup obsolete charts after secs",
        (GLOBAL, "cleanup obsolete charts after seconds"),
        field="cleanup_charts",
    ),
    option(
        DB,
        "cleanup orphan hosts after",
        CLEANUP,
        "1h",
        "cleanup orphan hosts after secs",
        (GLOBAL, "cleanup orphan hosts after seconds"),
        field="cleanup_hosts",
    ),
    option(
        DB,
        "cleanup ephemeral hosts after",
        DURATION,
        "off",
        "cleanup ephemeral hosts after secs",
        field="cleanup_ephemeral",
    ),
    later(DB, "delete obsolete charts files", BOOLEAN, "yes", (GLOBAL, "delete obsolete charts files")),
    later(DB, "delete orphan hosts files", BOOLEAN, "yes", (GLOBAL, "delete orphan hosts files")),
    option(
        DB,
        "gap when lost iterations above",
        NUMBER,
        "1",
        (GLOBAL, "gap when lost iterations above"),
        field="gap_when_lost",
    ),
    option(DB, "enable replication", BOOLEAN, "yes"),
    option(DB, "replication period", DURATION, "1d", "seconds to replicate"),
    option(DB, "replication step", PERIOD, "1h", "seconds per replication step"),
    option(DB, "replicate tiers", BOOLEAN, "yes"),
    later(DB, "replication threads", whole(1, 256), "1"),
    later(DB, "replication prefetch", NUMBER, "10"),
    later(
        DB,
        "memory deduplication (ksm)",
        THREE_VALUED,
        "auto",
        (GLOBAL, "memory deduplication (ksm)"),
    ),
    later(DB, "extreme cardinality protection", BOOLEAN, "yes"),
    later(DB, "extreme cardinality keep instances", NUMBER, "1000"),
    later(DB, "extreme cardinality min ephemerality", NUMBER, "50"),
)

NEAR = "localhost fd* 10.* 192.168.* " + " ".join(f"172.{number}.*" for number in range(16, 32)) + " UNKNOWN"

ALLOW = {
    "connections": "localhost *",
    "dashboard": "",
    "badges": "*",
    "streaming": "*",
    "management": "localhost",
    "netdata.conf": NEAR,
}
"""What C{allow ... from} guards, with the defaults; C{dashboard} has none in words."""
GUARDED = frozenset(("badges", "connections", "dashboard", "management", "netdata.conf", "streaming"))
"""What there is to guard yet."""

WEB_OPTIONS = (
    option(WEB, "mode", choice("none", "static-threaded", "single-threaded", "multi-threaded"), "static-threaded"),
    option(WEB, "bind to", LISTENERS, "*", (GLOBAL, "bind to"), (GLOBAL, "bind socket to IP")),
    option(WEB, "default port", PORT, "19999", (GLOBAL, "default port"), (GLOBAL, "port")),
    option(WEB, "unix socket mode", FILE_MODE, "660"),
    option(WEB, "listen backlog", BACKLOG, "4096", (GLOBAL, "http port listen backlog")),
    option(WEB, "ssl key", PATH),
    option(WEB, "ssl certificate", PATH),
    option(WEB, "ssl client CA", PATH),
    option(WEB, "ssl require client certificate", one_of("no", "streaming", "yes"), "streaming"),
    option(WEB, "tls version", TLS_VERSION, "1.3"),
    option(WEB, "tls ciphers", TEXT, "none"),
    *(
        (option if what in GUARDED else later)(WEB, f"allow {what} from", ADDRESSES, words)
        for what, words in ALLOW.items()
    ),
    option(WEB, "allowed host names", PATTERN, field="host_names"),
    option(WEB, "allowed origins", PATTERN, field="origins"),
    option(WEB, "access token file", PATH),
    option(WEB, "access token for", FEATURES, "dashboard registry badges netdata.conf", field="protected"),
    option(WEB, "trusted proxies", NETWORKS, field="proxies"),
    option(WEB, "dashboard files", PATH),
    *(later(WEB, f"allow {what} by dns", choice("yes", "no", "heuristic"), "heuristic") for what in ALLOW),
    option(
        WEB,
        "accept a streaming request every",
        DURATION,
        "off",
        "accept a streaming request every seconds",
        field="streaming_every",
    ),
    option(
        WEB,
        "disconnect idle clients after",
        PERIOD,
        "1m",
        "disconnect idle clients after seconds",
        (GLOBAL, "disconnect idle web clients after seconds"),
        field="idle_timeout",
    ),
    option(WEB, "timeout for first request", PERIOD, "1m", field="first_request_timeout"),
    later(WEB, "web server threads", NUMBER),
    option(WEB, "web server max sockets", whole(10, 1_000_000), "5000", field="max_sockets"),
    option(
        WEB,
        "enable gzip compression",
        BOOLEAN,
        "yes",
        (GLOBAL, "enable web responses gzip compression"),
        field="gzip",
    ),
    later(WEB, "gzip compression strategy", TEXT, "default", (GLOBAL, "web compression strategy")),
    later(WEB, "gzip compression level", whole(1, 9), "3", (GLOBAL, "web compression level")),
    later(WEB, "respect do not track policy", BOOLEAN, "no", (GLOBAL, "respect web browser do not track policy")),
    later(WEB, "x-frame-options response header", TEXT, "", (GLOBAL, "web x-frame-options header")),
    option(WEB, "bearer token protection", BOOLEAN, "no"),
    later(WEB, "ssl skip certificate verification", BOOLEAN, "no"),
)

HEALTH_OPTIONS = (
    option(HEALTH, "enabled", BOOLEAN, "yes", field="enabled"),
    option(HEALTH, "default repeat warning", DURATION, "never", field="repeat_warning"),
    option(HEALTH, "default repeat critical", DURATION, "never", field="repeat_critical"),
    option(HEALTH, "in memory max health log entries", whole(10, 1_000_000), "1000", field="log_entries"),
    option(HEALTH, "health log retention", DURATION, "5d", "health log history", field="log_retention"),
    option(HEALTH, "script to execute on alarm", PATH, field="exec"),
    option(HEALTH, "notification execution timeout", DURATION, "2m", field="exec_timeout"),
    option(HEALTH, "enabled alarms", PATTERN, "*", field="alerts"),
    option(HEALTH, "enable stock health configuration", BOOLEAN, "yes", field="stock"),
    later(HEALTH, "run at least every", DURATION, "10s", "run at least every seconds"),
    option(
        HEALTH,
        "postpone alarms during hibernation for",
        DURATION,
        "1m",
        "postpone alarms during hibernation for seconds",
        field="hibernation",
    ),
    option(HEALTH, "use summary for notifications", BOOLEAN, "yes", field="use_summary"),
    option(HEALTH, "silencers file", PATH, field="silencers_file"),
    option(HEALTH, "notification ownership", one_of("all", "nearest", "highest"), "all", field="ownership"),
)

ML_OPTIONS = (
    later(ML, "enabled", THREE_VALUED, "auto"),
    later(ML, "training window", DURATION, "6h"),
    later(ML, "min training window", DURATION, "15m"),
    later(ML, "train every", DURATION, "3h"),
    later(ML, "number of models per dimension", NUMBER, "18"),
    later(ML, "delete models older than", DURATION, "7d"),
    later(ML, "num training threads", NUMBER),
    later(ML, "hosts to skip from training", PATTERN, "!*"),
    later(ML, "charts to skip from training", PATTERN, "netdata.*"),
    later(ML, "dimension anomaly score threshold", DECIMAL, "0.99"),
    later(ML, "host anomaly rate threshold", DECIMAL, "1.0"),
    later(ML, "stream anomaly detection charts", BOOLEAN, "yes"),
)

DIRECTORY_OPTIONS = (
    later(DIRECTORIES, "config", PATH, "", (GLOBAL, "config directory")),
    option(DIRECTORIES, "stock config", PATH, "", (GLOBAL, "stock config directory")),
    later(DIRECTORIES, "log", PATH, "", (GLOBAL, "log directory")),
    later(DIRECTORIES, "web", PATH, "", (GLOBAL, "web files directory")),
    later(DIRECTORIES, "cache", PATH, "", (GLOBAL, "cache directory")),
    later(DIRECTORIES, "lib", PATH, "", (GLOBAL, "lib directory")),
    later(DIRECTORIES, "home", PATH, "", (GLOBAL, "home directory")),
    later(DIRECTORIES, "lock", PATH, "", (GLOBAL, "lock directory")),
    option(DIRECTORIES, "plugins", PATH, "", (GLOBAL, "plugins directory")),
    later(DIRECTORIES, "registry", PATH, "", (REGISTRY, "registry db directory")),
    later(DIRECTORIES, "health config", PATH, "", (HEALTH, "health configuration directory")),
    later(DIRECTORIES, "stock health config", PATH, "", (HEALTH, "stock health configuration directory")),
    later(DIRECTORIES, "cloud.d", PATH),
)

LOG_OPTIONS = (
    later(LOGS, "daemon", PATH, "", "error", (GLOBAL, "error log")),
    later(LOGS, "collector", PATH),
    later(LOGS, "access", PATH, "", (GLOBAL, "access log")),
    later(LOGS, "health", PATH),
    later(LOGS, "debug", PATH, "", (GLOBAL, "debug log")),
    later(LOGS, "debug flags", TEXT, "", (GLOBAL, "debug flags")),
    later(LOGS, "facility", TEXT, "daemon", (GLOBAL, "facility log")),
    later(LOGS, "level", TEXT, "info", "severity level"),
    later(
        LOGS,
        "logs flood protection period",
        DURATION,
        "",
        "errors flood protection period",
        (GLOBAL, "errors flood protection period"),
    ),
    later(
        LOGS,
        "logs to trigger flood protection",
        NUMBER,
        "",
        "errors to trigger flood protection",
        (GLOBAL, "errors to trigger flood protection"),
    ),
)

REGISTRY_OPTIONS = (
    later(REGISTRY, "enabled", BOOLEAN, "no"),
    later(REGISTRY, "registry to announce", TEXT),
    later(REGISTRY, "registry hostname", TEXT),
    later(REGISTRY, "registry expire idle persons", DAYS, "", "registry expire idle persons days"),
)

NODE_OPTIONS = (
    *GLOBAL_OPTIONS,
    *DB_OPTIONS,
    *WEB_OPTIONS,
    *HEALTH_OPTIONS,
    *ML_OPTIONS,
    *DIRECTORY_OPTIONS,
    *LOG_OPTIONS,
    *REGISTRY_OPTIONS,
    *STATSD_OPTIONS,
    *CGROUP_OPTIONS,
    *REMOTE_WRITE_OPTIONS,
)
"""All of them."""
