"""
Compiles the kernel where that is possible, and installs it as plain Python
where it is not.  Everything else about the package is in C{setup.cfg}.
"""

import os
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

MODULES = (
    "cells",
    "clocks",
    "columns",
    "encode",
    "forms",
    "frames",
    "index",
    "ingest",
    "interpolate",
    "latest",
    "lines",
    "numbers",
    "portions",
    "replay",
    "requests",
    "rows",
    "seal",
    "standing",
    "sums",
    "tables",
    "text",
)


class OptionalBuildExt(build_ext):
    """
    Goes on when there is no compiler.  C{Extension(optional=True)} is not
    enough: it lets an L{OSError} through, and that is what a missing compiler
    is.  The kernel is compiled as a whole or not at all.
    """

    def run(self):
        try:
            super().run()
        except Exception as problem:
            print(f"netstream: the kernel is not compiled ({problem}); the plain Python one will run", file=sys.stderr)
            for extension in self.extensions:
                paths = [self.get_ext_fullpath(extension.name)]
                if not self.inplace:
                    paths.append(os.path.join(self.build_lib, self.get_ext_filename(extension.name)))
                for path in paths:
                    if os.path.exists(path):
                        os.unlink(path)
            self.extensions = []


def extensions():
    """
    @return: What is to be compiled; nothing without Cython, or when the
        environment says C{NETSTREAM_PURE}.
    """
    if os.environ.get("NETSTREAM_PURE"):
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    # Both make the results those of the plain Python: no fused multiply-add, and integers wrap around.
    flags = [] if sys.platform == "win32" else ["-O2", "-g0", "-ffp-contract=off", "-fwrapv"]
    try:
        return cythonize(
            [
                Extension(
                    f"netstream.kernel.{name}",
                    [f"netstream/kernel/{name}.py"],
                    # Copying bytes is three times as fast with vectors.
                    extra_compile_args=[*flags, "-O3"] if flags and name == "frames" else flags,
                )
                for name in MODULES
            ],
            build_dir="build/cython",
            compiler_directives={
                "language_level": 3,
                "annotation_typing": False,
                "auto_pickle": False,
                "boundscheck": False,
                "wraparound": False,
                "initializedcheck": False,
                "cdivision": True,
            },
        )
    except Exception as problem:
        print(f"netstream: the kernel is not compiled ({problem}); the plain Python one will run", file=sys.stderr)
        return []


setup(ext_modules=extensions(), cmdclass={"build_ext": OptionalBuildExt})
