"""
What is kept: the interface of a metrics database, its engines, and queries.

Engines are imported when they are asked for: a node that keeps nothing needs
none of what they need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netstream.db.dbengine.engine import DBEngine
    from netstream.db.none import NoneDB
    from netstream.db.ram import RamDB
    from netstream.db.spool import Spool

__all__ = ["DBEngine", "NoneDB", "RamDB", "Spool"]

_MODULES = {
    "DBEngine": "netstream.db.dbengine.engine",
    "NoneDB": "netstream.db.none",
    "RamDB": "netstream.db.ram",
    "Spool": "netstream.db.spool",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
