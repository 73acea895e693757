"""
C{twistd netstream}: its options, and the service they make.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import resource
import signal
import sys
from atexit import register
from pathlib import Path
from typing import Any, ClassVar, NoReturn, cast

from twisted.application.service import IService
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python import usage
from twisted.python.failure import Failure

import netstream
from netstream.config import ConfigError, ensure_key
from netstream.config.reload import Configuration
from netstream.config.settings import Role, Settings
from netstream.garbage import Garbage, keep_free
from netstream.plain import leave_out_tls
from netstream.shedding import SETTLED, shed, sheds
from netstream.switching import Switching

MOST_DESCRIPTORS = 1 << 19
"""File descriptors that a node asks for at most."""


class Options(usage.Options):
    """
    The command line, and the settings that it gives with the files.

    @ivar configuration: Set once the options are read.
    """

    configuration: Configuration

    optParameters: ClassVar[list[list[str | None]]] = [
        ["role", "r", "standalone", "What the node is for: standalone, parent, child or proxy."],
        [
            "config-dir",
            "c",
            None,
            "Where the configuration files are [default: /etc/netstream, else ~/.config/netstream].",
        ],
        [
            "data-dir",
            "d",
            None,
            "Where the node keeps its data [default: /var/lib/netstream if writable, else ~/.local/share/netstream].",
        ],
        ["hostname", None, None, "The name of this node [default: the system's]."],
        ["destination", None, None, "Stream to these parents, in order: HOST[:PORT] ..."],
        ["api-key", None, None, "The API key to present to a parent; 'netstream genkey' makes one."],
    ]

    longdesc = (
        "Without options: a standalone node that measures this machine and shows it at http://localhost:19999/. "
        "Options of the files can be set with --set 'SECTION/OPTION=VALUE', as in --set 'web/bind to=127.0.0.1' or "
        "--set 'stream.conf:stream/timeout=30'."
    )

    def __init__(self) -> None:
        super().__init__()
        self._overrides: list[str] = []

    def opt_set(self, override: str) -> None:
        """
        SECTION/OPTION=VALUE: set an option over the files; may be repeated.
        SECTION may begin with 'stream.conf:'.
        """
        self._overrides.append(override)

    def opt_version(self) -> NoReturn:
        """
        Display the version of netstream and exit.
        """
        print(f"netstream {netstream.__version__}")
        sys.exit(0)

    def postOptions(self) -> None:
        """
        Read the files (called by Twisted).

        @raise usage.UsageError: An option or a file is wrong.
        """
        try:
            role = Role(self["role"])
        except ValueError:
            names = ", ".join(r.value for r in Role)
            raise usage.UsageError(f"--role: {self['role']!r} is not one of {names}") from None
        try:
            self.configuration = self._read(role)
            if role in (Role.PARENT, Role.PROXY) and not self.settings.keys:
                self._print_key(*ensure_key(self.settings))
                self.configuration = self._read(role)
        except ConfigError as problem:
            raise usage.UsageError(str(problem)) from problem

    @property
    def settings(self) -> Settings:
        """
        What they give, once they are read.
        """
        return self.configuration.settings

    def _print_key(self, key: str, path: Path) -> None:
        """
        Tell the person who starts the node, and no log, what a child needs.
        """
        ports = [listener.port for listener in self.settings.web.listeners if listener.port]
        print(
            f"There was no API key, so one was made and saved in {path}.\n"
            "A child needs these lines in its stream.conf:\n\n"
            "[stream]\n"
            "    enabled = yes\n"
            f"    destination = {self.settings.node.hostname}:{ports[0] if ports else 19999}\n"
            f"    api key = {key}\n",
            flush=True,
        )

    def _read(self, role: Role) -> Configuration:
        return Configuration(
            role,
            config_dir=Path(self["config-dir"]) if self["config-dir"] else None,
            data_dir=Path(self["data-dir"]) if self["data-dir"] else None,
            overrides=self._overrides,
            hostname=self["hostname"],
            destination=self["destination"],
            api_key=self["api-key"],
        )


def makeService(options: Options) -> IService:
    """
    Make the node (called by twistd).

    A node that cannot start says why and ends the process with status 1.
    """
    leave_out_tls(options.settings)
    from twisted.internet import reactor

    from netstream.roles import CannotServe, Node

    _take_all_descriptors()
    os.umask(os.umask(0o077) | 0o077)  # what a node keeps is for nobody else
    # Of classes that were made from text, the text: tracebacks do without it.
    linecache.clearcache()
    node = Node(options.settings, reactor, configuration=options.configuration)
    log = Logger("netstream")

    def failed(failure: Failure) -> None:
        if failure.check(CancelledError):
            return  # stopped before it was ready, which is no failure
        log.critical("the node cannot start: {reason}", reason=failure.getErrorMessage())
        if not failure.check(OSError, ValueError, ConfigError, CannotServe):
            log.failure("the node cannot start", failure)
        register(_end_with_failure)
        reactor.callWhenRunning(reactor.stop)

    def reload_health() -> None:
        Deferred.fromCoroutine(node.reload_health()).addErrback(
            lambda failure: log.failure("alert definitions were not read again", failure)
        )

    def not_reloaded(failure: Failure) -> None:
        if not failure.check(ConfigError, CancelledError):  # what is wrong in the files was said
            log.failure("the files were not read again", failure)

    def hung_up() -> None:
        if terminal and not _has_terminal():
            log.info("the terminal is gone")
            cast(Any, reactor).stop()
            return
        node.reload().addErrback(not_reloaded)

    terminal = _has_terminal()
    # SIGUSR2 as agents have it.
    later = cast(Any, reactor).callFromThread
    for number, action in ((signal.SIGUSR2, reload_health), (signal.SIGHUP, hung_up)):
        reactor.callWhenRunning(signal.signal, number, lambda *_, action=action: later(action))
    node.ready.addErrback(failed)
    if sheds(options.settings):
        cast(Any, reactor).callWhenRunning(reactor.callLater, SETTLED, shed)
    else:
        keep_free()
        Garbage(reactor).setServiceParent(node)
    Switching().setServiceParent(node)
    return node


def _has_terminal() -> bool:
    """
    @return: Whether a terminal controls this process, and is still there.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _take_all_descriptors() -> None:
    """
    Have as many file descriptors as the system allows: what it gives a process
    without being asked is for programs that know C{select} alone.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _end_with_failure() -> None:
    sys.stdout.flush()
    os._exit(1)
