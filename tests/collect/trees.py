"""
Trees like C{/proc} and C{/sys}, and a reader of what collectors write.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.collect.collector import Collector
from netstream.collect.files import Machine
from netstream.wire.words import parent_words

SECOND = 1_000_000
"""Microseconds."""
NOW = 1_800_000_000 * SECOND
"""A time in UTC microseconds, at a whole minute."""

STAT = """\
cpu  100000 2000 30000 4000000 5000 600 700 80 9000 1100
cpu0 50000 1000 15000 2000000 2500 300 350 40 4500 550
cpu3 50000 1000 15000 2000000 2500 300 350 40 4500 550
intr 1234567 1 2 3
ctxt 7654321
btime 1700000000
processes 4242
procs_running 3
procs_blocked 2
softirq 99 1 2
"""
LOADAVG = "1.23 4.56 7.89 2/345 6789\n"
UPTIME = "12345.67 999.1\n"
VMSTAT = """\
nr_free_pages 1
pgpgin 1111
pgpgout 2222
pswpin 33
pswpout 44
pgfault 5555
pgmajfault 66
oom_kill 7
"""
MEMINFO = """\
MemTotal:       1000000 kB
MemFree:        100003 kB
MemAvailable:   300005 kB
Buffers:         20007 kB
Cached:         150011 kB
SwapCached:       9013 kB
SwapTotal:      500019 kB
SwapFree:       400023 kB
Dirty:            1029 kB
Writeback:        2031 kB
Shmem:           11041 kB
KReclaimable:     5043 kB
Slab:            30047 kB
SReclaimable:    17053 kB
SUnreclaim:      12059 kB
KernelStack:       601 kB
PageTables:        701 kB
NFS_Unstable:       11 kB
Bounce:             13 kB
WritebackTmp:       17 kB
Committed_AS:   700019 kB
VmallocUsed:      9023 kB
Percpu:            664 kB
HardwareCorrupted:  128 kB
AnonHugePages:    4096 kB
ShmemHugePages:   2048 kB
HugePages_Total:      16
HugePages_Free:        9
HugePages_Rsvd:        2
HugePages_Surp:        1
Hugepagesize:       2048 kB
"""
NET_HEADING = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
"""  # noqa: E501 -- as the kernel writes it
NET_DEV = (
    NET_HEADING
    + """\
    lo:  250024     254    0    0    0     0          0         0   250024     254    0    0    0     0       0     0
  eth0: 1001 1002 1003 1004 1005 1006 1007 1008 2001 2002 2003 2004 2005 2006 2007 2008
"""
)
DISKSTATS = """\
   7       0 loop0 1 0 1 0 1 0 1 0 0 1 1 0 0 0 0 0 0
 254       0 vda 100 3 1100 83 203 2 4064 90 1 637 1111 12 1 848 14 4 5
 254       1 vda1 100 3 1100 83 203 2 4064 90 1 637 1111 12 1 848 14 4 5
"""
PROCESS = {
    "7/stat": "7 (a b) S 1 7 7 0 -1 4194304 11 0 2 0 300 50 0 0 20 0 3 0 200 3133440 394 0\n",
    "7/status": "Name:\ta b\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nVmSize:\t  4096 kB\nRssAnon:\t  1024 kB\n"
    "VmSwap:\t   512 kB\n",
    "7/io": "rchar: 1024\nwchar: 2048\nsyscr: 1\nsyscw: 1\nread_bytes: 4096\nwrite_bytes: 8192\n",
    "7/cmdline": "a\0b\0",
}
MOUNTINFO = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
"""


def write(root: Path, files: Mapping[str, str]) -> None:
    """
    Write files below a directory; a file that was there keeps its identity.
    """
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def blocks(text: bytes) -> dict[str, dict[str, int]]:
    """
    @return: What was collected: by chart id and dimension id.
    """
    found: dict[str, dict[str, int]] = {}
    current: dict[str, int] = {}
    for line in text.decode().splitlines():
        words = parent_words(line)
        if words[0] == "BEGIN":
            current = found[words[1]] = {}
        elif words[0] == "SET":
            current[words[1]] = int(words[2])
    return found


def elapsed(text: bytes, chart: str) -> int:
    """
    @return: Microseconds that the block of a chart gives.
    """
    for line in text.decode().splitlines():
        words = parent_words(line)
        if words[:2] == ["BEGIN", chart]:
            return int(words[2])
    raise KeyError(chart)


def defined(text: bytes, *, obsolete: bool = False) -> list[str]:
    """
    @return: Ids of the charts that are defined, in order.
    @param obsolete: Those that are declared obsolete instead.
    """
    lines = [parent_words(line) for line in text.decode().splitlines() if line.startswith("CHART ")]
    return [words[1] for words in lines if ("obsolete" in words[10].split()) is obsolete]


class TreeTestCase(SynchronousTestCase):
    """
    A test with a machine made of files.
    """

    def setUp(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="netstream-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.machine = Machine(self.root / "proc", self.root / "sys")

    def proc(self, **files: str) -> None:
        """
        Write files of C{/proc}; C{__} stands for a slash.
        """
        write(self.machine.proc, {name.replace("__", "/"): text for name, text in files.items()})

    def sys(self, *names: str, **files: str) -> None:
        """
        Make directories and write files of C{/sys}; in names of files, C{__}
        stands for a slash.
        """
        for name in names:
            (self.machine.sys / name).mkdir(parents=True, exist_ok=True)
        write(self.machine.sys, {name.replace("__", "/"): text for name, text in files.items()})

    def closing(self, collector: Collector) -> Collector:
        """
        @return: The collector, which is closed after the test.
        """
        self.addCleanup(collector.close)
        return collector
