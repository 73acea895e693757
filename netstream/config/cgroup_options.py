"""
Section C{[plugin:cgroups]} of C{netstream.conf}.
"""

from __future__ import annotations

from netstream.config.cgroups import RENAMED, SEARCHED, SERVICES, SHOWN
from netstream.config.options import (
    BOOLEAN,
    NUMBER,
    PATH,
    PATTERN,
    PERIOD,
    THREE_VALUED,
    Option,
    later,
    option,
)

PLUGIN_CGROUPS = "plugin:cgroups"

PATHS = {name: f"path to /sys/fs/cgroup/{name}" for name in ("cpuacct", "cpuset", "blkio", "memory", "devices")}
"""The option that says where a hierarchy of version 1 begins."""

CGROUP_OPTIONS: tuple[Option, ...] = (
    option(PLUGIN_CGROUPS, "check for new cgroups every", PERIOD, "10s", field="search_every"),
    option(PLUGIN_CGROUPS, "use unified cgroups", THREE_VALUED, "auto", field="unified"),
    option(PLUGIN_CGROUPS, "path to unified cgroups", PATH, field="unified_path"),
    *(option(PLUGIN_CGROUPS, name, PATH) for name in PATHS.values()),
    option(PLUGIN_CGROUPS, "max cgroups to allow", NUMBER, "1000", field="most"),
    option(PLUGIN_CGROUPS, "max cgroups depth to monitor", NUMBER, "0", field="deepest"),
    option(PLUGIN_CGROUPS, "enable by default cgroups matching", PATTERN, SHOWN, field="shown"),
    option(PLUGIN_CGROUPS, "enable by default cgroups names matching", PATTERN, "*", field="shown_names"),
    option(PLUGIN_CGROUPS, "search for cgroups in subpaths matching", PATTERN, SEARCHED, field="searched"),
    option(PLUGIN_CGROUPS, "run script to rename cgroups matching", PATTERN, RENAMED, field="renamed"),
    option(PLUGIN_CGROUPS, "enable systemd services", BOOLEAN, "yes", field="services"),
    option(PLUGIN_CGROUPS, "cgroups to match as systemd services", PATTERN, SERVICES, field="service_groups"),
    later(PLUGIN_CGROUPS, "update every", PERIOD, "1s"),
    later(PLUGIN_CGROUPS, "script to get cgroup names", PATH),
    later(PLUGIN_CGROUPS, "script to get cgroup network interfaces", PATH),
    later(PLUGIN_CGROUPS, "enable systemd services detailed memory", BOOLEAN, "no"),
)
