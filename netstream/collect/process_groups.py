"""
C{apps_groups.conf}: which processes are shown as one.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from attrs import field, frozen

OTHER = "other"
"""The group of what belongs to no other."""

STOCK = """
netstream: *netstream*
netdata: netdata
kernel: kthreadd kworker* ksoftirqd* kswapd* kcompactd*
systemd: systemd systemd-* dbus-daemon
ssh: ssh* sshd* scp
cron: cron crond atd
web: nginx* apache* httpd* caddy haproxy
sql: mysqld* mariad* postgres*
cache: redis* memcached*
container: dockerd containerd* runc crun podman conmon*
log: rsyslogd syslog-ng journald* vector fluent-bit
mail: master qmgr pickup exim* dovecot*
java: java
node: node
python: python*
"""
"""What is shown unless there is a file."""


@frozen
class Groups:
    """
    Groups by what processes are called.

    @ivar exact: Group by name.
    @ivar prefixes: Beginning of names, and group.
    @ivar suffixes: End of names, and group.
    @ivar parts: Part of command lines, and group.
    """

    exact: dict[str, str] = field(factory=dict)
    prefixes: list[tuple[str, str]] = field(factory=list)
    suffixes: list[tuple[str, str]] = field(factory=list)
    parts: list[tuple[str, str]] = field(factory=list)

    def of(self, name: str, command_line: str) -> str | None:
        """
        @param name: Of the process, as the kernel knows it.
        @return: Its group, if it is in one by itself.
        """
        if name in self.exact:
            return self.exact[name]
        for beginning, group in self.prefixes:
            if name.startswith(beginning):
                return group
        for end, group in self.suffixes:
            if name.endswith(end):
                return group
        for part, group in self.parts:
            if part in command_line:
                return group
        return None


def parse(lines: Iterable[str]) -> Groups:
    """
    Read lines of a group, a colon, and names of processes.

    A star at the end of a name stands for any end, at its beginning for any
    beginning; with both, the text is looked for in the command line.
    """
    groups = Groups()
    for line in lines:
        group, colon, rest = line.partition(":")
        group = group.strip().lstrip("-+")
        if not colon or not group or group.startswith("#"):
            continue
        try:
            names = shlex.split(rest, comments=True)
        except ValueError:
            names = rest.split()
        for name in (name.lstrip("-+") for name in names):
            text = name.strip("*")
            if not text:
                continue
            match name.startswith("*"), name.endswith("*"):
                case True, True:
                    groups.parts.append((text, group))
                case True, False:
                    groups.suffixes.append((text, group))
                case False, True:
                    groups.prefixes.append((text, group))
                case _:
                    groups.exact.setdefault(text[:15], group)
    return groups
