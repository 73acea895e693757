"""
netstream: metrics streamed between nodes in real time.

A node collects, receives, stores, shows and forwards metrics.  L{Node} is the
service that does so in any Twisted application; L{settings} makes its
configuration from the same names that the files use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Node", "settings"]

if TYPE_CHECKING:
    from netstream.config import load as settings
    from netstream.roles import Node


def __getattr__(name: str) -> Any:
    """
    Import what is public only when it is asked for, so that one room can be
    used without all the others.
    """
    if name == "Node":
        from netstream.roles import Node

        return Node
    if name == "settings":
        from netstream.config import load as settings

        return settings
    raise AttributeError(name)
