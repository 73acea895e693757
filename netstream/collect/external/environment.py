"""
What an external plugin is told when it starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from netstream.config.settings import Settings

_PASSED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "TMPDIR", "SSL_CERT_FILE")
"""Variables of our own environment that a plugin has too; others may hold secrets."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def room(settings: Settings) -> Path:
    """
    @return: The directory in which plugins keep what they like.
    """
    return settings.data_dir / "plugins"


def environment(
    settings: Settings, directory: Path, guid: str, update_every: int, inherited: Mapping[str, str]
) -> dict[str, str]:
    """
    @param directory: In which the plugin is.
    @param guid: Machine GUID of this node.
    @param update_every: Seconds.
    @param inherited: Our own environment.
    """
    plugins = settings.feeds.plugins
    stock = plugins.stock or directory.parent / "conf.d"
    kept = room(settings)
    passed = {name: inherited[name] for name in _PASSED if name in inherited}
    port = next((listener.port for listener in settings.web.listeners if listener.port), 0)
    return {
        "PATH": _PATH,
        **passed,
        # What Python writes into a pipe would else wait until there are 8 KiB of it.
        "PYTHONUNBUFFERED": "1",
        "NETDATA_HOSTNAME": settings.node.hostname,
        "NETDATA_UPDATE_EVERY": str(update_every),
        "NETDATA_CONFIG_DIR": str(settings.config_dir),
        "NETDATA_USER_CONFIG_DIR": str(settings.config_dir),
        "NETDATA_STOCK_CONFIG_DIR": str(stock if stock.is_dir() else settings.config_dir),
        "NETDATA_PLUGINS_DIR": str(directory),
        "NETDATA_USER_PLUGINS_DIRS": " ".join(f'"{each}"' for each in plugins.directories),
        "NETDATA_WEB_DIR": str(kept / "web"),
        "NETDATA_CACHE_DIR": str(kept / "cache"),
        "NETDATA_LIB_DIR": str(kept / "lib"),
        "NETDATA_LOCK_DIR": str(kept / "lock"),
        "NETDATA_LOG_DIR": str(kept / "log"),
        "NETDATA_HOST_PREFIX": "",
        "NETDATA_LISTEN_PORT": str(port),
        "NETDATA_REGISTRY_UNIQUE_ID": guid,
        "NETDATA_REGISTRY_HOSTNAME": settings.node.hostname,
        "NETDATA_DEBUG_FLAGS": "0x0000000000000000",
        "NETDATA_INTERNALS_MONITORING": "NO",
        "NETDATA_ERRORS_THROTTLE_PERIOD": "1200",
        "NETDATA_ERRORS_PER_PERIOD": "200",
    }
