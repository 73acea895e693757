"""
The hot path: sample lines to columns, and columns to lines.

The modules are ordinary Python.  Where there is a compiler, C{setup.py}
compiles them with Cython, with the C types that the C{.pxd} files beside them
add; the results are the same to the bit.  The environment variable
C{NETSTREAM_PURE}, set to anything, makes Python take the sources although
compiled ones are there.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any


class _Sources(MetaPathFinder):
    """
    Finds the modules of this package in their sources only.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if package != __name__:
            return None
        source = str(Path(__file__).with_name(f"{name}.py"))
        return spec_from_file_location(fullname, source, loader=SourceFileLoader(fullname, source))


_PLACES = {
    "Encoder": "encode",
    "Ingest": "ingest",
    "SampleError": "text",
    "gather": "sums",
    "newest": "latest",
    "payloads": "frames",
    "renew": "latest",
    "select": "encode",
}
"""What is offered here besides modules, and where it is."""
_MODULES = (
    "cells",
    "clocks",
    "columns",
    "forms",
    "frames",
    "ingest",
    "interpolate",
    "latest",
    "portions",
    "records",
    "replay",
    "requests",
    "rows",
    "seal",
)


def __getattr__(name: str) -> Any:
    """
    Import what is asked for: who stores nothing needs only half of it.
    """
    if name in _PLACES:
        found = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    elif name in _MODULES:
        found = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


if TYPE_CHECKING:
    from netstream.kernel import (
        cells,
        clocks,
        columns,
        forms,
        frames,
        ingest,
        interpolate,
        latest,
        portions,
        records,
        replay,
        requests,
        rows,
        seal,
    )
    from netstream.kernel.encode import Encoder, select
    from netstream.kernel.frames import payloads
    from netstream.kernel.ingest import Ingest
    from netstream.kernel.latest import newest, renew
    from netstream.kernel.sums import gather
    from netstream.kernel.text import SampleError

if os.environ.get("NETSTREAM_PURE"):
    _sources = _Sources()
    sys.meta_path.insert(0, _sources)
    try:
        # All at once, so that all are of one kind.
        for _name in (*_MODULES, *_PLACES):
            __getattr__(_name)
    finally:
        sys.meta_path.remove(_sources)

COMPILED: bool = not import_module(f"{__name__}.ingest").__file__.endswith(".py")  # type: ignore[union-attr]
"""Whether the compiled kernel runs."""

__all__ = [
    "COMPILED",
    "Encoder",
    "Ingest",
    "SampleError",
    "cells",
    "clocks",
    "columns",
    "forms",
    "frames",
    "gather",
    "ingest",
    "interpolate",
    "latest",
    "newest",
    "payloads",
    "portions",
    "records",
    "renew",
    "replay",
    "requests",
    "rows",
    "seal",
    "select",
]
