"""
One target, run by libFuzzer; L{fuzz.__main__} starts it.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(
    include=["netstream.wire", "netstream.session", "netstream.db"], enable_loader_override=False
):
    from fuzz.targets import TARGETS

import netstream.kernel


def main() -> None:
    """
    Look for inputs until the time is over.
    """
    name, *arguments = sys.argv[1:]
    assert netstream.kernel.COMPILED, "the kernel is not compiled"
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
