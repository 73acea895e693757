"""
Nodes that speak no TLS do without it: OpenSSL and what belongs to it are a fifth of a small node's memory.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from netstream.config.errors import ConfigError
from netstream.config.settings import Mode, Settings

_LEFT_OUT = "OpenSSL"


class LeftOut(MetaPathFinder):
    """
    Says of pyOpenSSL that it is not installed; Twisted has its own ways then.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """
        Refuse, if it is asked for that (called by Python).
        """
        if fullname.partition(".")[0] == _LEFT_OUT:
            raise ModuleNotFoundError("TLS was left out: nothing that this node was told needs it", name=fullname)
        return None


def needs_tls(settings: Settings) -> bool:
    """
    @return: Whether a node may have to speak TLS: if it listens, keeps
        anything (then alerts are told), exports, scrapes, has workers, or
        streams encrypted.
    """
    stream = settings.stream
    encrypted = stream.enabled and any(it.tls or it.protocol == "udp" for it in stream.destinations)
    others = settings.web.listeners or settings.exporting or settings.node.workers or settings.feeds.targets
    return bool(others or settings.modes != {Mode.NONE} or encrypted)


def check(settings: Settings) -> None:
    """
    @raise ConfigError: They need TLS, which this process was started without.
    """
    if needs_tls(settings) and any(isinstance(finder, LeftOut) for finder in sys.meta_path):
        what = "this node was started without TLS, which its files ask for now; restart it"
        raise ConfigError("configuration", "", "", what)


def leave_out_tls(settings: Settings) -> None:
    """
    See to it that OpenSSL is not loaded, if this node does not need it and
    nothing else has loaded it.
    """
    if not needs_tls(settings) and _LEFT_OUT not in sys.modules:
        sys.meta_path.insert(0, LeftOut())
