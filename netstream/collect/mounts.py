"""
Space and inodes of what is mounted.

A file system in the network, or one that a program serves, may never answer.
Such a mount is asked in a thread of its own and less often; while it does not
answer, its charts have a gap and nothing else waits.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from netstream.collect.charts import STACKED, ChartText, Source, absolute, safe_id
from netstream.collect.files import Machine
from netstream.collect.mountinfo import Mount, MountTable
from netstream.model.pattern import pattern

DISKSPACE = "diskspace.plugin"

_POINTS_IGNORED = pattern("/proc/* /sys/* /var/run/user/* /run/user/* /snap/* /var/lib/docker/*")
_FILESYSTEMS_IGNORED = pattern("*gvfs *gluster* *s3fs *ipfs *davfs2 *httpfs *sshfs *gdfs *moosefs fusectl autofs")
_MAY_HANG = pattern("nfs* cifs smb* ceph lustre afs 9p ncpfs coda ocfs2 gfs* gpfs beegfs fuse* virtiofs")
_LOOK_EVERY = 15
"""Seconds between two looks for new mounts."""
_ASK_EVERY = 10
"""Seconds between two questions to a file system that may hang."""
_MOST_WAITING = 32
"""Questions without an answer; beyond, no file system that may hang is asked."""

StatVFS = Callable[[str], os.statvfs_result]


class Question:
    """
    What the state of a file system is, asked in a thread, which dies with
    the process even if it is never answered.

    @ivar answer: The answer, or the failure; L{None} until it is there.
    @ivar thread: Where it is asked.
    """

    def __init__(self, statvfs: StatVFS, point: str) -> None:
        self.answer: os.statvfs_result | OSError | None = None
        self._statvfs = statvfs
        self._point = point
        self.thread = Thread(target=self._ask, name=f"statvfs {point}", daemon=True)
        self.thread.start()

    def _ask(self) -> None:
        try:
            self.answer = self._statvfs(self._point)
        except OSError as problem:
            self.answer = problem


class MountedSpace:
    """
    The charts of one mount.

    @ivar mount: What is mounted where.
    """

    def __init__(self, mount: Mount, update_every: int, statvfs: StatVFS) -> None:
        """
        @param update_every: Seconds between two collections of a file system
            that answers at once.
        """
        self.mount = mount
        self._statvfs = statvfs
        self._may_hang = _MAY_HANG.matches(mount.filesystem)
        self._every = max(update_every, _ASK_EVERY) if self._may_hang else update_every
        self._from = Source(DISKSPACE, "", self._every)
        self._question: Question | None = None
        self._asked = 0
        self._space: ChartText | None = None
        self._inodes = self._chart(
            "disk_inodes", "Disk Files (inodes) Usage", "inodes", "disk.inodes", 2024, multiplier=1, divisor=1
        )

    def _chart(
        self, section: str, title: str, units: str, context: str, priority: int, *, multiplier: int, divisor: int
    ) -> ChartText:
        mount = self.mount
        return self._from.chart(
            f"{section}.{safe_id(mount.point)}",
            title,
            units,
            mount.point,
            context,
            STACKED,
            priority,
            absolute("avail", multiplier, divisor),
            absolute("used", multiplier, divisor),
            absolute("reserved_for_root", multiplier, divisor, "reserved for root"),
            labels={"mount_point": mount.point, "filesystem": mount.filesystem, "mount_root": mount.root},
        )

    @property
    def waiting(self) -> bool:
        """
        Whether a question has no answer yet.
        """
        return self._question is not None and self._question.answer is None

    def collect(self, now: int, may_ask: bool) -> bytes:
        """
        @param may_ask: Whether another thread may be started.
        """
        if self._may_hang:
            return self._patiently(now, may_ask)
        try:
            return self._blocks(now, self._statvfs(self.mount.point))
        except OSError:
            # Not for us to see, or gone since the table was read.
            return b""

    def _patiently(self, now: int, may_ask: bool) -> bytes:
        text = b""
        if self._question is not None:
            if self._question.answer is None:
                return b""
            if not isinstance(self._question.answer, OSError):
                text = self._blocks(now, self._question.answer)
            self._question = None
        turn = now // (self._every * 1_000_000)
        if turn != self._asked and may_ask:
            self._asked = turn
            # Without a thread to be had there is a gap, as without an answer.
            with suppress(RuntimeError):
                self._question = Question(self._statvfs, self.mount.point)
        return text

    def _blocks(self, now: int, state: os.statvfs_result) -> bytes:
        if not state.f_blocks:
            return b""
        if self._space is None:
            self._space = self._chart(
                "disk_space",
                "Disk Space Usage",
                "GiB",
                "disk.space",
                2023,
                multiplier=state.f_frsize,
                divisor=1 << 30,
            )
        text = self._space.block(
            now, state.f_bavail, state.f_blocks - state.f_bfree, max(0, state.f_bfree - state.f_bavail)
        )
        if state.f_files:
            text += self._inodes.block(
                now, state.f_favail, state.f_files - state.f_ffree, max(0, state.f_ffree - state.f_favail)
            )
        return text

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares its charts obsolete.
        """
        return (self._space.withdraw() if self._space else b"") + self._inodes.withdraw()


class Mounts:
    """
    The space of all that is mounted to be written to.
    """

    def __init__(self, machine: Machine, update_every: int, statvfs: StatVFS = os.statvfs) -> None:
        """
        @param statvfs: Asks for the state of the file system at a path.
        """
        self._table = MountTable(machine)
        self._update_every = update_every
        self._statvfs = statvfs
        self._mounts: dict[str, MountedSpace] = {}
        self._left: list[MountedSpace] = []
        self._looked = 0

    @property
    def source(self) -> str:
        return self._table.source

    def _look(self) -> bytes:
        wanted = {
            mount.point: mount
            for mount in self._table.read()
            if not mount.read_only
            and not _POINTS_IGNORED.matches(mount.point)
            and not _FILESYSTEMS_IGNORED.matches(mount.filesystem)
        }
        text = b""
        for point, known in list(self._mounts.items()):
            if wanted.get(point) != known.mount:
                text += known.withdraw()
                if known.waiting:
                    self._left.append(known)
                del self._mounts[point]
        for point, mount in wanted.items():
            if point not in self._mounts:
                self._mounts[point] = MountedSpace(mount, self._update_every, self._statvfs)
        return text

    def collect(self, now: int) -> bytes:
        text = []
        turn = now // (_LOOK_EVERY * 1_000_000)
        if turn != self._looked:
            self._looked = turn
            text.append(self._look())
        self._left = [mount for mount in self._left if mount.waiting]
        waiting = len(self._left) + sum(mount.waiting for mount in self._mounts.values())
        for mount in self._mounts.values():
            waited = mount.waiting
            text.append(mount.collect(now, waiting < _MOST_WAITING))
            waiting += mount.waiting - waited
        return b"".join(text)

    def withdraw(self) -> bytes:
        return b"".join(mount.withdraw() for mount in self._mounts.values())

    def close(self) -> None:
        self._table.close()
