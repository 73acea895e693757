"""
C{/proc/net/rpc}: the client and the server of NFS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from netstream.collect.charts import AREA, LINE, STACKED
from netstream.collect.collector import Odd
from netstream.collect.counters import CounterFile, Row, level, rate
from netstream.collect.nfs_calls import OPERATIONS, PROC2, PROC3, PROC4


def _calls(chart_id: str, title: str, units: str, family: str, priority: int, key: str, names: Sequence[str]) -> Row:
    columns = (rate(f"{key} {number}", name) for number, name in enumerate(names, 1))
    return Row(chart_id, title, units, family, STACKED, priority, *columns)


class _Rpc(CounterFile):
    """
    Lines of a name and many numbers; some begin with how many there are.
    """

    def numbers(self, text: bytes) -> dict[str, int]:
        """
        @return: The numbers of each line by its name and their positions from 0.
        """
        of: dict[str, int] = {}
        for line in text.decode("ascii").splitlines():
            name, *words = line.split()
            if name.startswith("proc") and int(words[0]) != len(words) - 1:
                raise Odd(self._file.path, f"{name} announces {words[0]} numbers and has {len(words) - 1}")
            for position, word in enumerate(words):
                if word.isdigit():
                    of[f"{name} {position}"] = int(word)
        return of


class NfsClient(_Rpc):
    """
    What this machine asks of file servers.
    """

    PATH = "net/rpc/nfs"
    ROWS: ClassVar[Sequence[Row]] = (
        Row(
            "nfs.net",
            "NFS Client Network",
            "operations/s",
            "network",
            STACKED,
            2307,
            rate("net 1", "udp"),
            rate("net 2", "tcp"),
            detail=True,
        ),
        Row(
            "nfs.rpc",
            "NFS Client Remote Procedure Calls Statistics",
            "calls/s",
            "rpc",
            LINE,
            2308,
            rate("rpc 0", "calls"),
            rate("rpc 1", "retransmits", -1),
            rate("rpc 2", "auth_refresh", -1),
            detail=True,
        ),
        _calls("nfs.proc2", "NFS v2 Client Remote Procedure Calls", "calls/s", "nfsv2rpc", 2309, "proc2", PROC2),
        _calls("nfs.proc3", "NFS v3 Client Remote Procedure Calls", "calls/s", "nfsv3rpc", 2310, "proc3", PROC3),
        _calls("nfs.proc4", "NFS v4 Client Remote Procedure Calls", "calls/s", "nfsv4rpc", 2311, "proc4", PROC4),
    )


class NfsServer(_Rpc):
    """
    What others ask of this machine's file server.
    """

    PATH = "net/rpc/nfsd"
    ROWS: ClassVar[Sequence[Row]] = (
        Row(
            "nfsd.readcache",
            "NFS Server Read Cache",
            "reads/s",
            "cache",
            STACKED,
            2200,
            rate("rc 0", "hits"),
            rate("rc 1", "misses"),
            rate("rc 2", "nocache"),
        ),
        Row(
            "nfsd.filehandles",
            "NFS Server File Handles",
            "handles/s",
            "filehandles",
            LINE,
            2201,
            level("fh 0", "stale"),
            detail=True,
        ),
        Row(
            "nfsd.io",
            "NFS Server I/O",
            "kilobytes/s",
            "io",
            AREA,
            2202,
            rate("io 0", "read", 1, 1000),
            rate("io 1", "write", -1, 1000),
        ),
        Row("nfsd.threads", "NFS Server Threads", "threads", "threads", LINE, 2203, level("th 0", "threads")),
        Row(
            "nfsd.net",
            "NFS Server Network Statistics",
            "packets/s",
            "network",
            STACKED,
            2207,
            rate("net 1", "udp"),
            rate("net 2", "tcp"),
            detail=True,
        ),
        Row(
            "nfsd.rpc",
            "NFS Server Remote Procedure Calls Statistics",
            "calls/s",
            "rpc",
            LINE,
            2208,
            rate("rpc 0", "calls"),
            rate("rpc 2", "bad_format", -1),
            rate("rpc 3", "bad_auth", -1),
            detail=True,
        ),
        _calls("nfsd.proc2", "NFS v2 Server Remote Procedure Calls", "calls/s", "nfsv2rpc", 2209, "proc2", PROC2),
        _calls("nfsd.proc3", "NFS v3 Server Remote Procedure Calls", "calls/s", "nfsv3rpc", 2210, "proc3", PROC3),
        _calls(
            "nfsd.proc4", "NFS v4 Server Remote Procedure Calls", "calls/s", "nfsv4rpc", 2211, "proc4", ("null", "read")
        ),
        _calls("nfsd.proc4ops", "NFS v4 Server Operations", "operations/s", "nfsv4ops", 2212, "proc4ops", OPERATIONS),
    )
