"""
Files of the kernel, read again and again.
"""

from __future__ import annotations

import os
from pathlib import Path

from attrs import frozen

_SIZE = 65536


@frozen
class Machine:
    """
    Where a machine shows itself.

    @ivar proc: C{/proc}, or a tree like it.
    @ivar sys: C{/sys}, or a tree like it.
    @ivar etc: The folder of the configuration.
    @ivar var: C{/var}, or a tree like it.
    """

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    etc: Path = Path("/etc/netstream")
    var: Path = Path("/var")


class KernelFile:
    """
    A file whose content changes under us; it is opened once.

    @ivar path: For messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def read(self) -> bytes:
        """
        @return: All that it contains now.
        @raise OSError: It cannot be opened or read.
        """
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        text = os.pread(self._descriptor, _SIZE, 0)
        # The kernel may hand out a long file page by page: only nothing is the end.
        more = text
        while more:
            more = os.pread(self._descriptor, _SIZE, len(text))
            text += more
        return text

    def close(self) -> None:
        """
        Release the descriptor; the next reading opens it anew.
        """
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_once(path: str) -> bytes:
    """
    @return: All that a file contains now, of which there may be too many to
        keep each open.
    @raise OSError: It cannot be opened or read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = more = os.read(descriptor, _SIZE)
        while more:
            more = os.read(descriptor, _SIZE)
            text += more
        return text
    finally:
        os.close(descriptor)


def read_word(path: Path) -> str | None:
    """
    @return: What a small file says, without its newline; L{None} if it cannot
        be read, which is how the kernel says that it does not apply.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, 4096).decode("utf-8", "replace").strip()
    except OSError:
        return None
    finally:
        os.close(descriptor)
