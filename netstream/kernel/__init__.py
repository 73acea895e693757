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
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType


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


_sources = _Sources()
if os.environ.get("NETSTREAM_PURE"):
    sys.meta_path.insert(0, _sources)
try:
    # Each module is imported here, so that all are of one kind.
    from netstream.kernel import cells, columns, frames, ingest, interpolate, latest, records, replay, rows, seal
    from netstream.kernel.encode import Encoder, select
    from netstream.kernel.frames import payloads
    from netstream.kernel.ingest import Ingest
    from netstream.kernel.latest import renew
    from netstream.kernel.sums import gather
    from netstream.kernel.text import SampleError
finally:
    if _sources in sys.meta_path:
        sys.meta_path.remove(_sources)

COMPILED: bool = not ingest.__file__.endswith(".py")
"""Whether the compiled kernel runs."""

__all__ = [
    "COMPILED",
    "Encoder",
    "Ingest",
    "SampleError",
    "cells",
    "columns",
    "frames",
    "gather",
    "ingest",
    "interpolate",
    "latest",
    "payloads",
    "records",
    "renew",
    "replay",
    "rows",
    "seal",
    "select",
]
