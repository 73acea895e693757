"""
Tests of the kernel, both as it is installed and as plain Python.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

import netstream
import netstream.kernel

installed: ModuleType = netstream.kernel
"""The kernel that the rest of netstream uses; compiled where it could be."""


def _plain() -> ModuleType:
    """
    Import the kernel once more, from its sources, and leave no trace.
    """
    names = [name for name in sys.modules if name == "netstream.kernel" or name.startswith("netstream.kernel.")]
    saved = {name: sys.modules.pop(name) for name in names}
    before = os.environ.get("NETSTREAM_PURE")
    os.environ["NETSTREAM_PURE"] = "1"
    try:
        return importlib.import_module("netstream.kernel")
    finally:
        if before is None:
            del os.environ["NETSTREAM_PURE"]
        else:
            os.environ["NETSTREAM_PURE"] = before
        for name in [name for name in sys.modules if name.startswith("netstream.kernel")]:
            del sys.modules[name]
        sys.modules.update(saved)
        netstream.kernel = installed  # type: ignore[misc]


plain: ModuleType = _plain()
"""The kernel in plain Python."""
