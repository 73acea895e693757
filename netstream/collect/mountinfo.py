"""
C{/proc/self/mountinfo}: which file system is where.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from netstream.collect.files import KernelFile, Machine

_ESCAPED = re.compile(r"\\([0-7]{3})")


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)


@frozen
class Mount:
    """
    One mount.

    @ivar device: Major and minor number, as C{8:1}.
    @ivar root: Which directory of the file system it shows.
    @ivar point: Where it is.
    @ivar filesystem: Type, such as C{ext4}.
    @ivar read_only: Whether nothing can be written there.
    """

    device: str
    root: str
    point: str
    filesystem: str
    read_only: bool


def parse_mounts(text: bytes) -> Sequence[Mount]:
    """
    @return: The mounts in the order of the file; of several at one point the
        last one alone, which hides the others.
    """
    mounts: dict[str, Mount] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        before, dash, after = line.partition(" - ")
        words, kind = before.split(" "), after.split(" ")
        if not dash or len(words) < 6 or len(kind) < 3:
            continue
        point = _plain(words[4])
        options = {*words[5].split(","), *kind[2].split(",")}
        mounts.pop(point, None)
        mounts[point] = Mount(words[2], _plain(words[3]), point, kind[0], "ro" in options)
    return tuple(mounts.values())


class MountTable:
    """
    The mounts of this machine, read anew at times.

    @ivar source: The file that it is read from.
    """

    def __init__(self, machine: Machine) -> None:
        self._file = KernelFile(machine.proc / "self/mountinfo")
        self.source = str(self._file.path)

    def read(self) -> Sequence[Mount]:
        """
        @raise OSError: The file cannot be read.
        """
        return parse_mounts(self._file.read())

    def close(self) -> None:
        """
        Release the file.
        """
        self._file.close()
