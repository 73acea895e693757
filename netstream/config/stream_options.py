"""
Every option of C{stream.conf}.
"""

from __future__ import annotations

from netstream.config.options import (
    ADDRESSES,
    ALGORITHMS,
    API_KEY,
    BEGINNING,
    BOOLEAN,
    BYTES,
    DELAY,
    DURATION,
    ENDING,
    KEY,
    LIST,
    MODE,
    NUMBER,
    PATH,
    PATTERN,
    PERIOD,
    PORT,
    RETENTION,
    SHA256,
    SWITCH,
    THREE_VALUED,
    TIMEOUT,
    choice,
    later,
    option,
    whole,
)

STREAM = "stream"

STREAM_OPTIONS = (
    option(STREAM, "enabled", BOOLEAN, "no", field="enabled"),
    option(STREAM, "destination", LIST),
    option(STREAM, "api key", API_KEY, field="api_key"),
    option(STREAM, "timeout", TIMEOUT, "60s", "timeout seconds", field="timeout"),
    option(STREAM, "default port", PORT, "19999"),
    option(STREAM, "send charts matching", PATTERN, "*", field="charts"),
    option(STREAM, "buffer size", BYTES, "10MiB", "buffer size bytes", field="buffer_size"),
    option(STREAM, "reconnect delay", DELAY, "15s", "reconnect delay seconds", field="reconnect_delay"),
    option(STREAM, "initial clock resync iterations", NUMBER, "60", field="clock_resync_iterations"),
    option(STREAM, "enable compression", BOOLEAN, "yes", field="compression"),
    option(STREAM, "brotli compression level", whole(0, 11), "3", field="brotli_level"),
    option(STREAM, "zstd compression level", whole(1, 22), "3", field="zstd_level"),
    option(STREAM, "lz4 compression acceleration", whole(1, 9), "1", field="lz4_acceleration"),
    option(STREAM, "gzip compression level", whole(1, 9), "3", field="gzip_level"),
    option(STREAM, "ssl skip certificate verification", BOOLEAN, "no"),
    option(STREAM, "ssl verify hostname", SWITCH, "yes"),
    option(STREAM, "CApath", PATH),
    option(STREAM, "CAfile", PATH),
    option(STREAM, "ssl certificate fingerprint", SHA256),
    option(STREAM, "ssl certificate", PATH),
    option(STREAM, "ssl key", PATH),
    later(STREAM, "parent using h2o", BOOLEAN, "no"),
)
"""Section C{[stream]}: this node as a sender."""

KEY_OPTIONS = (
    option(KEY, "type", choice("api", "machine")),
    option(KEY, "enabled", BOOLEAN),
    option(KEY, "allow from", ADDRESSES, "*"),
    option(KEY, "valid from", BEGINNING),
    option(KEY, "valid until", ENDING),
    option(KEY, "ssl client certificate", PATTERN),
    option(KEY, "update every", PERIOD, field="update_every"),
    option(KEY, "retention", RETENTION, "", "default history", "history"),
    option(KEY, "db", MODE, "", "default memory mode", "memory mode", field="mode"),
    later(KEY, "health enabled", THREE_VALUED, "", "health enabled by default", field="health"),
    later(
        KEY,
        "postpone alerts on connect",
        DURATION,
        "",
        "default postpone alarms on connect seconds",
        "postpone alarms on connect seconds",
        field="postpone_alerts",
    ),
    later(KEY, "health log retention", DURATION, "", "default health log history", "health log history"),
    option(KEY, "proxy enabled", BOOLEAN, "", "default proxy enabled", field="proxy.enabled"),
    option(KEY, "proxy destination", LIST, "", "default proxy destination"),
    option(KEY, "proxy api key", API_KEY, "", "default proxy api key", field="proxy.api_key"),
    option(KEY, "proxy send charts matching", PATTERN, "", "default proxy send charts matching", field="proxy.charts"),
    option(KEY, "enable compression", BOOLEAN, field="compression"),
    option(KEY, "compression algorithms order", ALGORITHMS, "zstd lz4 brotli gzip", field="compressions"),
    later(KEY, "enable replication", BOOLEAN, field="replication"),
    later(KEY, "replication period", DURATION, "", "seconds to replicate", field="replication_period"),
    later(
        KEY,
        "replication step",
        PERIOD,
        "",
        "seconds per replication step",
        "replication_step",
        field="replication_step",
    ),
    later(KEY, "is ephemeral node", BOOLEAN),
)
"""Sections named by an API key or a machine GUID: this node as a receiver."""
