"""
Where the files of a node are.
"""

from __future__ import annotations

import os
from pathlib import Path

STOCK = Path(__file__).parent / "stock"
"""The files that come with netstream."""

STREAM_CONF = "stream.conf"
EXPORTING_CONF = "exporting.conf"
NOTIFY_CONF = "health_alarm_notify.conf"
NODE_CONFS = ("netstream.conf", "netdata.conf")
"""The first of these that is there is read."""
OWN_KEYS = "keys.conf"
"""In the data directory: API keys that the node had to keep there."""


def config_directory(chosen: Path | str | None = None) -> Path:
    """
    @param chosen: What the command line says.
    @return: It, else C{/etc/netstream} if it is there, else
        C{~/.config/netstream}.
    """
    if chosen is not None:
        return Path(chosen).expanduser()
    system = Path("/etc/netstream")
    return system if system.is_dir() else Path.home() / ".config" / "netstream"


def data_directory(chosen: Path | str | None = None) -> Path:
    """
    @param chosen: What the command line says.
    @return: It, else C{/var/lib/netstream} if it is writable, else
        C{~/.local/share/netstream}.
    """
    if chosen is not None:
        return Path(chosen).expanduser()
    system = Path("/var/lib/netstream")
    return system if os.access(system, os.W_OK | os.X_OK) else Path.home() / ".local" / "share" / "netstream"


def node_conf(directory: Path) -> Path | None:
    """
    @return: The file that stands for C{netstream.conf}; L{None} if there is
        none.
    """
    return next((directory / name for name in NODE_CONFS if (directory / name).exists()), None)


def foreign(directory: Path) -> bool:
    """
    @return: Whether a directory belongs to a Netdata agent, so that only that
        agent's owner should change it.
    """
    found = node_conf(directory)
    return found is not None and found.name != NODE_CONFS[0]


def sync_directory(directory: Path) -> None:
    """
    Wait until the disk knows which files a directory has.

    @raise OSError: It does not; the error names the directory.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as problem:
        raise OSError(problem.errno, problem.strerror, str(directory)) from problem
