"""
The methods that stay on this machine: syslog, which may also be elsewhere, and
programs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred

from netstream.health.alerts import Status
from netstream.health.notify.message import Message
from netstream.health.notify.methods import Method, NotConfigured, Refused, Wires

_FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "security", "console", "solaris-cron", *(f"local{number}" for number in range(8))),
)
_LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_SYSLOG = re.compile(r"(?:(?:([a-z0-9-]+)(?:\.([a-z]+))?)?(?:@([^/:]+|\[[^\]]+\])(?::(\d{1,5}))?)?/)?([^/]*)\Z")
SOCKET = "/dev/log"
PROGRAM = "exec"
"""Name of the method of programs, which no file configures."""
BUILT_IN_SCRIPT = "alarm-notify.sh"
"""The agents' own script: what it does is built in here."""
MOST = 4000
"""Bytes of one argument."""


class Syslog(Method):
    """
    Syslog; recipients are C{[[FACILITY][.LEVEL]][@HOST[:PORT]]/PREFIX}.
    """

    name = "syslog"
    short = "SYSLOG"

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        return maybeDeferred(self._send, message, address)

    def _send(self, message: Message, address: str) -> Deferred[None]:
        found = _SYSLOG.match(address)
        if found is None:
            raise NotConfigured("DEFAULT_RECIPIENT_SYSLOG is not of the form FACILITY.LEVEL@HOST:PORT/PREFIX")
        facility, level, host, port, prefix = found.groups()
        facility = facility or self.option("SYSLOG_FACILITY", "local6")
        levels = {Status.CRITICAL: "crit", Status.WARNING: "warning", Status.CLEAR: "info"}
        level = level or levels.get(message.level, "notice")
        if facility not in _FACILITIES or level not in _LEVELS:
            raise NotConfigured(f"syslog knows no {facility}.{level}")
        priority = _FACILITIES.index(facility) * 8 + _LEVELS.index(level)
        tag = re.sub(r"[^A-Za-z0-9_-]", "_", prefix or "netstream")[:32]
        text = f"{message.headline} ({message.chart}, {message.status}, was {message.old_status}) {message.info}"
        if host is None:
            return self.wires.datagram(SOCKET, 0, f"<{priority}>{tag}: {text}".encode())
        at = datetime.fromtimestamp(message.when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        origin = re.sub(r"[^!-~]", "_", message.hostname)[:255] or "-"
        line = f"<{priority}>1 {at} {origin} {tag} - {message.name[:32]} - {text}"
        return self.wires.datagram(host.strip("[]"), int(port or 514), line.encode())


class Program(Method):
    """
    A program of the owner, called as agents call theirs; recipients are roles.

    It gets a list of arguments and an environment made here, and no shell sees
    either.
    """

    name = PROGRAM

    def __init__(self, options: Mapping[str, str], wires: Wires, config_dir: str = "") -> None:
        super().__init__(options, wires)
        self._config_dir = config_dir

    def lane(self, address: str) -> str:
        return f"{self.name} {address.partition(' ')[0]}"

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        program, _, roles = address.partition(" ")
        if not PurePosixPath(program).is_absolute():
            raise NotConfigured(f"exec: {program!r} is no absolute path")
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "NETDATA_HOSTNAME": message.hostname[:MOST],
            "NETDATA_USER_CONFIG_DIR": self._config_dir,
            "NETSTREAM_IDEMPOTENCY_KEY": key,
        }
        done: Deferred[Any] = self.wires.run(program, arguments(message, roles), environment)
        return done.addCallback(_status)


def _status(status: int) -> int:
    if status:
        raise Refused(f"it ended with status {status}")
    return status


def is_program(exec: str) -> bool:
    """
    @return: Whether an C{exec} line asks for something that is not built in.
    """
    return bool(exec) and PurePosixPath(exec).name != BUILT_IN_SCRIPT


def _edit(message: Message) -> str:
    """
    @return: The command that opens the definition, its line and the host, as
        scripts of agents take it apart.  People may put it into a shell.
    """
    line = message.source.partition(",")[0].removeprefix("line=")
    host = re.sub(r"[^A-Za-z0-9._-]", "_", message.hostname)
    return f"{message.edit}={line}={host}" if message.edit else ""


def arguments(message: Message, roles: str) -> list[str]:
    """
    @return: The 33 arguments that agents of version 2 give their script.
    """

    def exact(value: float | None) -> str:
        return "nan" if value is None else str(value).removesuffix(".0")

    def listed(raised: Any) -> str:
        return ",".join(f"{name}={when}" for name, when in raised)

    found = [
        roles,
        message.hostname,
        message.unique_id,
        message.alarm_id,
        message.event_id,
        message.when,
        message.name,
        message.chart,
        message.status,
        message.old_status,
        exact(message.value),
        exact(message.old_value),
        message.source,
        message.duration,
        message.raised_for,
        message.units,
        message.info,
        message.value_string,
        message.old_value_string,
        message.expression,
        "".join(f"[ {each} ] " for each in message.expression_values.split(", ") if each),
        len(message.warnings),
        len(message.criticals),
        listed(message.warnings),
        listed(message.criticals),
        message.classification,
        _edit(message),
        message.guid,
        message.transition_id,
        message.summary,
        message.context,
        message.component,
        message.type,
    ]
    return [str(each).encode()[:MOST].decode("utf-8", "ignore").replace("\0", " ") for each in found]
