"""
Nodes as processes: the agent that Debian packages, and netstream itself.

Each lives in a directory of its own, listens on a loopback port that was free, and is waited for
with a time limit.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self, TypeVar
from unittest import SkipTest
from urllib.parse import quote, urlencode

CHECKOUT = Path(__file__).resolve().parents[2]
FIXTURE = Path(__file__).with_name("fixture.py")
AGENT = Path(os.environ.get("NETSTREAM_AGENT", "/usr/sbin/netdata"))
KEY = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
PATIENCE = 120.0
"""Seconds that something which must happen may take: who waits goes on as soon as it has happened, and a machine with
much to do stands still for seconds."""
START_TIMEOUT = 180.0
STOP_TIMEOUT = 90.0

COLLECTORS = (
    "timex",
    "idlejitter",
    "netdata monitoring",
    "netdata monitoring extended",
    "profile",
    "tc",
    "diskspace",
    "proc",
    "cgroups",
    "statsd",
    "enable running new plugins",
    "check for new plugins every",
    "apps",
    "charts.d",
    "ebpf",
    "fping",
    "ioping",
    "nfacct",
    "perf",
    "slabinfo",
    "cups",
    "go.d",
    "python.d",
    "freeipmi",
    "xenstat",
)
"""What the agent would collect if it were not told otherwise."""

FACTS = {
    "NETDATA_CONTAINER_OS_NAME": "none",
    "NETDATA_CONTAINER_OS_ID": "none",
    "NETDATA_CONTAINER_OS_ID_LIKE": "none",
    "NETDATA_CONTAINER_OS_VERSION": "none",
    "NETDATA_CONTAINER_OS_VERSION_ID": "none",
    "NETDATA_CONTAINER_OS_DETECTION": "none",
    "NETDATA_HOST_OS_NAME": "Test & Linux/OS",
    "NETDATA_HOST_OS_ID": "testlinux",
    "NETDATA_HOST_OS_ID_LIKE": "debian",
    "NETDATA_HOST_OS_VERSION": "12 (bookworm)",
    "NETDATA_HOST_OS_VERSION_ID": "12",
    "NETDATA_HOST_OS_DETECTION": "/etc/os-release",
    "NETDATA_HOST_IS_K8S_NODE": "false",
    "NETDATA_SYSTEM_KERNEL_NAME": "Linux",
    "NETDATA_SYSTEM_KERNEL_VERSION": "6.1.0-test",
    "NETDATA_SYSTEM_ARCHITECTURE": "x86_64",
    "NETDATA_SYSTEM_VIRTUALIZATION": "none",
    "NETDATA_SYSTEM_VIRT_DETECTION": "none",
    "NETDATA_SYSTEM_CONTAINER": "none",
    "NETDATA_SYSTEM_CONTAINER_DETECTION": "none",
    "NETDATA_SYSTEM_CPU_LOGICAL_CPU_COUNT": "4",
    "NETDATA_SYSTEM_CPU_VENDOR": "unknown",
    "NETDATA_SYSTEM_CPU_MODEL": "Test CPU",
    "NETDATA_SYSTEM_CPU_FREQ": "2400000000",
    "NETDATA_SYSTEM_TOTAL_RAM": "8589934592",
    "NETDATA_SYSTEM_TOTAL_DISK_SIZE": "107374182400",
    "NETDATA_INSTANCE_CLOUD_TYPE": "unknown",
    "NETDATA_INSTANCE_CLOUD_INSTANCE_TYPE": "unknown",
    "NETDATA_INSTANCE_CLOUD_INSTANCE_REGION": "unknown",
}
"""What an agent is told of its machine.  One that is told nothing dies when it becomes a child."""

ANY_CERTIFICATE = ssl.create_default_context()
"""Trusts whatever a node shows, as tests of its API are not about that."""
ANY_CERTIFICATE.check_hostname = False
ANY_CERTIFICATE.verify_mode = ssl.CERT_NONE

T = TypeVar("T")


class PeerFailed(AssertionError):
    """
    A node did not start, stop or answer as it must.
    """


class PeerExited(PeerFailed):
    """
    A node ended instead of serving.

    @ivar status: Its exit status.
    @ivar output: What it said.
    """

    def __init__(self, name: str, status: int, output: str) -> None:
        super().__init__(f"{name} exited with status {status} instead of serving\n{output}")
        self.status = status
        self.output = output


def missing(reason: str) -> None:
    """
    Skip a test, unless the environment says that everything must be here.

    @param reason: What is missing and how to get it.
    """
    if os.environ.get("NETSTREAM_REQUIRE_PEERS") == "1":
        raise PeerFailed(f"NETSTREAM_REQUIRE_PEERS=1, but {reason}")
    raise SkipTest(reason)


def require_agent() -> None:
    """
    Skip a test where the agent is not installed.
    """
    if not RealAgent.installed():
        missing(f"{AGENT} is not there (apt-get install --no-install-recommends netdata-core)")


_kept: dict[int, socket.socket] = {}


def keep_port(port: int = 0) -> int:
    """
    Keep a loopback port for whom it is meant until this process ends: the
    system gives it to nobody who asks for any port or connects somewhere, and
    refuses connections to it. A server opens it all the same, as servers allow
    addresses that are in use (C{SO_REUSEADDR}).

    @param port: One that nobody listens on; any when 0.
    @return: The port.
    @raise OSError: Somebody listens on it.
    """
    if port not in _kept:
        keeper = socket.socket()
        try:
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            keeper.bind(("127.0.0.1", port))
        except OSError:
            keeper.close()
            raise
        port = keeper.getsockname()[1]
        _kept[port] = keeper
    return port


def free_port() -> int:
    """
    @return: A loopback port that is free, and stays so; see L{keep_port}.
    """
    return keep_port()


def wait_for(what: str, found: Callable[[], T | None], timeout: float = PATIENCE, every: float = 0.1) -> T:
    """
    Ask until there is an answer.

    @param what: For the message of the failure.
    @param found: Returns something true once it is there.  While it raises
        L{OSError}, L{HTTPException}, L{LookupError} or L{ValueError}, it is
        not there yet.
    @param timeout: Seconds after which it is given up; what passes while this
        process is kept from running does not count.
    """
    deadline = time.monotonic() + timeout
    problem: Exception | None = None
    while True:
        try:
            if answer := found():
                return answer
            problem = None
        except (OSError, HTTPException, LookupError, ValueError) as error:
            problem = error
        if time.monotonic() > deadline:
            raise PeerFailed(f"not within {timeout:g} s: {what}" + (f" ({problem!r})" if problem else ""))
        began = time.monotonic()
        time.sleep(every)
        deadline += max(0.0, time.monotonic() - began - every)


class Peer:
    """
    A node that runs as a process of its own.

    @ivar name: Its host name.
    @ivar guid: Its machine GUID.
    @ivar directory: Where its files are.
    @ivar port: Where it listens; stays the same over a restart.
    @ivar scheme: How its API is asked: C{http} or C{https}.
    @ivar token: What opens its API, where that is needed.
    """

    def __init__(self, name: str, directory: Path, guid: str | None = None) -> None:
        self.name = name
        self.guid = guid or str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        self.directory = directory
        self.port = 0
        self.scheme = "http"
        self.token = ""
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        """
        Its process; L{PeerFailed} if it does not run.
        """
        if self._process is None:
            raise PeerFailed(f"{self.name} does not run")
        return self._process.pid

    @property
    def address(self) -> str:
        """
        What a child writes as its destination.
        """
        return f"127.0.0.1:{self.port}"

    def logs(self) -> Sequence[Path]:
        """
        @return: Its log files.
        """
        raise NotImplementedError

    def log(self) -> str:
        """
        @return: All that it has logged.
        """
        return "".join(path.read_text(errors="replace") for path in self.logs() if path.exists())

    def tail(self, lines: int = 60) -> str:
        """
        @return: The end of each of its logs, with a heading.
        """
        parts = []
        for path in self.logs():
            text = path.read_text(errors="replace") if path.exists() else ""
            parts.append(f"--- {self.name}: {path.name}\n" + "\n".join(text.splitlines()[-lines:]))
        return "\n".join(parts)

    def wait_log(self, expression: str, timeout: float = PATIENCE) -> re.Match[str]:
        """
        Wait until its log matches a regular expression.
        """
        return wait_for(f"{self.name} logs {expression!r}", lambda: re.search(expression, self.log()), timeout)

    def fetch(self, path: str, timeout: float = 60.0) -> bytes:
        """
        @return: The body of an answer of its HTTP API.
        @raise OSError: It did not answer, or not with success.
        """
        url = f"{self.scheme}://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, headers={"X-Auth-Token": self.token} if self.token else {})
        with urllib.request.urlopen(request, timeout=timeout, context=ANY_CERTIFICATE) as answer:
            body: bytes = answer.read()
            return body

    def get(self, path: str, host: str = "", **parameters: object) -> Any:
        """
        @param path: Below C{/api/v1/}.
        @param host: Host name or GUID of the node that is asked for; its own
            when empty.
        @return: The answer, parsed as JSON.
        """
        prefix = f"/host/{quote(host)}" if host else ""
        query = "?" + urlencode(parameters) if parameters else ""
        return json.loads(self.fetch(f"{prefix}/api/v1/{path}{query}"))

    def charts(self, host: str = "") -> dict[str, dict[str, Any]]:
        """
        @return: Its charts by id, as the API shows them.
        """
        found: dict[str, dict[str, Any]] = self.get("charts", host)["charts"]
        return found

    def samples(self, chart: str, host: str = "", after: int = -60, before: int = 0) -> dict[str, dict[int, float]]:
        """
        @return: What it shows of a chart, without gaps: by dimension name and
            second.
        """
        data = self.get("data", host, chart=chart, after=after, before=before, format="json", options="seconds")
        columns: dict[str, dict[int, float]] = {label: {} for label in data["labels"][1:]}
        for second, *values in data["data"]:
            for label, value in zip(data["labels"][1:], values, strict=True):
                if value is not None:
                    columns[label][int(second)] = float(value)
        return columns

    def wait_samples(
        self,
        chart: str,
        host: str = "",
        *,
        dimension: str | None = None,
        newer: int = 0,
        count: int = 3,
        timeout: float = PATIENCE,
    ) -> dict[str, dict[int, float]]:
        """
        Wait until it shows enough samples of a chart.

        @param dimension: Name of the dimension that is looked at; the first
            when L{None}.
        @param newer: Only samples after this second count.
        """

        def found() -> dict[str, dict[int, float]] | None:
            try:
                columns = self.samples(chart, host)
            except urllib.error.HTTPError:
                return None
            column = columns[dimension] if dimension else next(iter(columns.values()), {})
            return columns if sum(second > newer for second in column) >= count else None

        return wait_for(f"{self.name} shows {count} samples of {chart} of {host or 'itself'}", found, timeout, 0.25)

    def reachable(self) -> Mapping[str, bool]:
        """
        @return: The nodes that it knows, by host name, and whether each is
            connected.
        """
        return {entry["hostname"]: bool(entry["reachable"]) for entry in self.get("info")["mirrored_hosts_status"]}

    def wait_host(self, name: str, online: bool = True, timeout: float = PATIENCE) -> None:
        """
        Wait until it lists a node as connected, or as not connected.
        """
        state = "online" if online else "offline"
        wait_for(
            f"{self.name} lists {name} as {state}", lambda: self.reachable().get(name) is online, timeout, every=0.25
        )

    def start(self) -> Self:
        """
        Start it, and wait until it answers.
        """
        raise NotImplementedError

    def _launch(self, command: Sequence[str], environment: Mapping[str, str], directory: Path, output: Path) -> None:
        with output.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=directory,
                start_new_session=True,
            )

    def _exited(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def signal(self, number: int) -> None:
        """
        Send a signal to it and to what it started.
        """
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self) -> int:
        """
        End it: ask first, then make sure.

        @return: Its exit status, negative for a signal; 0 if it did not run.
        """
        if self._process is None:
            return 0
        process = self._process
        if process.poll() is None:
            process.terminate()
        try:
            status = process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise PeerFailed(f"{self.name} did not stop within {STOP_TIMEOUT:g} s of SIGTERM\n{self.tail()}") from None
        finally:
            self.kill()
        return status

    def kill(self) -> None:
        """
        End it, and what it started, at once.
        """
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait(STOP_TIMEOUT)
            self._process = None
            self._keep_port()

    def _keep_port(self) -> None:
        """
        See that it can listen where it did when it is started again.
        """
        if self.port:
            with contextlib.suppress(OSError):
                keep_port(self.port)


class RealAgent(Peer):
    """
    The agent of the Debian package, with a private configuration.

    @ivar accepts: API keys of children that it accepts.
    @ivar sends_to: Destinations that it streams to, with L{KEY}.
    @ivar fixture: Whether it runs the collector of C{fixture.py}.
    @ivar functions: Whether that collector offers functions.
    @ivar proc: Whether it collects the machine.
    @ivar mode: What it stores with.
    @ivar tiers: How many tiers C{dbengine} keeps.
    @ivar alerts: Definitions of alerts; it evaluates none when empty.
    @ivar web: More of section C{[web]}, over what it has; C{PORT} stands for
        its port.
    @ivar statsd: Section C{[statsd]}; there is none when empty.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        *,
        accepts: Sequence[str] = (),
        sends_to: Sequence[str] = (),
        key: str = KEY,
        fixture: bool = False,
        functions: bool = False,
        proc: bool = False,
        mode: str = "ram",
        tiers: int = 1,
        stream: Mapping[str, str] | None = None,
        alerts: str = "",
        web: Mapping[str, str] | None = None,
        statsd: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, directory)
        self.statsd = statsd or {}
        self.alerts = alerts
        self.web = web or {}
        if "ssl key" in self.web:
            self.scheme = "https"
        self.accepts = accepts
        self.sends_to = sends_to
        self.key = key
        self.fixture = fixture
        self.functions = functions
        self.proc = proc
        self.mode = mode
        self.tiers = tiers
        self.stream = stream or {}

    @staticmethod
    def installed() -> bool:
        """
        @return: Whether the agent is on this machine.
        """
        return os.access(AGENT, os.X_OK)

    def logs(self) -> Sequence[Path]:
        return [self.directory / "output.log", self.directory / "log" / "error.log"]

    def _write(self) -> None:
        base = self.directory
        for part in ("etc/health.d", "cache", "lib/registry", "lib/lock", "log", "tmp", "plugins.d"):
            (base / part).mkdir(parents=True, exist_ok=True)
        (base / "etc" / ".opt-out-from-anonymous-statistics").touch()
        (base / "lib" / "registry" / "netdata.public.unique.id").write_text(self.guid)
        wanted = {"fixture": self.fixture, "proc": self.proc, "statsd": bool(self.statsd)}
        plugins = "\n".join(f"    {name} = {'yes' if wanted.get(name) else 'no'}" for name in (*COLLECTORS, "fixture"))
        statsd = "\n".join(f"    {name} = {value}" for name, value in (self.statsd or {"enabled": "no"}).items())
        wanted_web = {"bind to": "127.0.0.1", "default port": "PORT", **self.web}
        web = "\n".join(f"    {name} = {value.replace('PORT', str(self.port))}" for name, value in wanted_web.items())
        facts = base / "plugins.d" / "system-info.sh"
        facts.write_text("#!/bin/sh\n" + "".join(f"echo '{fact}={value}'\n" for fact, value in FACTS.items()))
        facts.chmod(0o755)
        if self.fixture:
            script = base / "plugins.d" / "fixture.plugin"
            more = " functions" if self.functions else ""
            script.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{FIXTURE}'{more}\n")
            script.chmod(0o755)
        (base / "etc" / "health.d" / "test.conf").write_text(self.alerts)
        (base / "etc" / "netdata.conf").write_text(
            f"""[global]
    run as user = {pwd.getpwuid(os.getuid()).pw_name}
    hostname = {self.name}
    process scheduling policy = keep
    OOM score = keep
[directories]
    config = {base}/etc
    stock config = {base}/etc
    log = {base}/log
    cache = {base}/cache
    lib = {base}/lib
    lock = {base}/lib/lock
    home = {base}/lib
    plugins = "{base}/plugins.d"
    health config = {base}/etc/health.d
    stock health config = {base}/etc/stock.d
    web = /usr/share/netdata/web
[db]
    mode = {self.mode}
    retention = 3600
    storage tiers = {self.tiers}
    dbengine multihost disk space MB = 256
    replication threads = 1
[plugins]
{plugins}
[web]
{web}
[health]
    enabled = {"yes" if self.alerts else "no"}
    run at least every seconds = 1
    script to execute on alarm = /bin/true
[ml]
    enabled = no
[cloud]
    enabled = no
[registry]
    enabled = no
    registry to announce = http://127.0.0.1:{self.port}
[statsd]
{statsd}
[logs]
    debug = none
    access = none
    health = none
"""
        )
        (base / "etc" / "cloud.conf").write_text("[global]\n    enabled = no\n")
        stream = {
            "enabled": "yes" if self.sends_to else "no",
            "destination": " ".join(self.sends_to),
            "api key": self.key,
            "timeout seconds": "10",
            "reconnect delay seconds": "1",
            **self.stream,
        }
        lines = ["[stream]", *(f"    {name} = {value}" for name, value in stream.items())]
        for key in self.accepts:
            lines += [f"[{key}]", "    type = api", "    enabled = yes", f"    default memory mode = {self.mode}"]
            lines += ["    health enabled by default = no"]
        (base / "etc" / "stream.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> Self:
        require_agent()
        known = self.port != 0
        for _ in range(1 if known else 5):
            if not known:
                self.port = free_port()
            self._write()
            environment = {
                **os.environ,
                "HOME": f"{self.directory}/lib",
                "TMPDIR": f"{self.directory}/tmp",
                "NETDATA_USER_CONFIG_DIR": f"{self.directory}/etc",
                "NETDATA_CACHE_DIR": f"{self.directory}/cache",
                "DISABLE_TELEMETRY": "1",
            }
            command = [str(AGENT), "-D", "-c", f"{self.directory}/etc/netdata.conf"]
            command += ["-P", f"{self.directory}/netdata.pid"]
            self._launch(command, environment, self.directory, self.directory / "output.log")
            try:
                wait_for(f"{self.name} answers on port {self.port}", self._answers, START_TIMEOUT)
            except PeerFailed as problem:
                self.kill()
                raise PeerFailed(f"{problem}\n{self.tail()}") from None
            if self._exited() is None:
                return self
            self.kill()
        raise PeerFailed(f"{self.name} found no port or did not start\n{self.tail()}")

    def _answers(self) -> bool:
        return self._exited() is not None or self.get("info")["uid"] == self.guid


TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
"""The C{twistd} of this very interpreter, wherever it is installed."""


class NetstreamNode(Peer):
    """
    netstream from this checkout, as C{twistd} runs it.

    @ivar role: As on the command line.
    @ivar stream: Text of its C{stream.conf}.
    @ivar options: More C{--set}, each C{SECTION/OPTION=VALUE}.
    @ivar arguments: More arguments of C{netstream}.
    @ivar reactor: Which reactor runs it; the default when empty.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        *,
        role: str,
        stream: str = "",
        options: Sequence[str] = (),
        arguments: Sequence[str] = (),
        reactor: str = "",
        health: str = "",
    ) -> None:
        super().__init__(name, directory)
        self.role = role
        self.stream = stream
        self.options = options
        self.arguments = arguments
        self.reactor = reactor
        (directory / "etc" / "health.d").mkdir(parents=True, exist_ok=True)
        (directory / "etc" / "health.d" / "test.conf").write_text(health)
        (directory / "data").mkdir(exist_ok=True)
        guid = directory / "data" / "machine.guid"
        guid.write_text(self.guid + "\n")
        guid.chmod(0o600)

    def logs(self) -> Sequence[Path]:
        return [self.directory / "output.log"]

    def start(self) -> Self:
        configuration = self.directory / "etc" / "stream.conf"
        configuration.touch(0o600)
        configuration.write_text(self.stream)
        command = [*TWISTD, "-n", "--pidfile="]
        if self.reactor:
            command.append(f"--reactor={self.reactor}")
        command += ["netstream", "--role", self.role, "--hostname", self.name]
        command += ["--config-dir", f"{self.directory}/etc", "--data-dir", f"{self.directory}/data"]
        for option in (f"web/bind to=127.0.0.1:{self.port}", *self.options):
            command += ["--set", option]
        command += self.arguments
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH", "")))),
            "PYTHONUNBUFFERED": "1",
        }
        output = self.directory / "output.log"
        earlier = output.stat().st_size if output.exists() else 0
        self._launch(command, environment, CHECKOUT, output)

        def served() -> re.Match[str] | None:
            status = self._exited()
            if status is not None:
                raise PeerExited(self.name, status, self.tail())
            text = output.read_text(errors="replace")[earlier:]
            return re.search(r"serves (https?)://[^/\s]*:(\d+)/|runs without a port", text)

        try:
            found = wait_for(f"{self.name} says where it serves", served, START_TIMEOUT)
        except PeerExited:
            self.kill()
            raise
        except PeerFailed as problem:
            self.kill()
            raise PeerFailed(f"{problem}\n{self.tail()}") from None
        assert isinstance(found, re.Match)
        if found[1]:
            self.scheme, self.port = found[1], int(found[2])
        return self


def accepting(*keys: str, enabled: bool = True, **options: str) -> str:
    """
    @return: Text of a C{stream.conf} that accepts children with these keys.
    """
    more = "".join(f"    {name.replace('_', ' ')} = {value}\n" for name, value in options.items())
    return "".join(f"[{key}]\n    enabled = {'yes' if enabled else 'no'}\n{more}" for key in keys)


def sending(*destinations: str, key: str = KEY, **options: str) -> str:
    """
    @return: Text of a C{stream.conf} that streams to these parents, in order.
    """
    more = "".join(f"    {name.replace('_', ' ')} = {value}\n" for name, value in options.items())
    return f"[stream]\n    enabled = yes\n    destination = {' '.join(destinations)}\n    api key = {key}\n{more}"
