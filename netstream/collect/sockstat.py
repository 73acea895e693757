"""
C{/proc/net/sockstat} and C{/proc/net/sockstat6}: sockets in use.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

from netstream.collect.charts import AREA, LINE
from netstream.collect.counters import CounterFile, Row, level

_PAGE = os.sysconf("SC_PAGE_SIZE")


class SockStat(CounterFile):
    """
    Sockets by protocol, and their memory.
    """

    PATH = "net/sockstat"
    ROWS: ClassVar[Sequence[Row]] = (
        Row(
            "ipv4.sockstat_sockets",
            "IPv4 Sockets Used",
            "sockets",
            "sockets",
            LINE,
            5100,
            level("sockets used", "used"),
        ),
        Row(
            "ipv4.sockstat_tcp_sockets",
            "IPv4 TCP Sockets",
            "sockets",
            "tcp",
            LINE,
            5201,
            level("TCP alloc", "alloc"),
            level("TCP orphan", "orphan"),
            level("TCP inuse", "inuse"),
            level("TCP tw", "timewait"),
        ),
        Row(
            "ipv4.sockstat_tcp_mem",
            "IPv4 TCP Sockets Memory",
            "KiB",
            "tcp",
            AREA,
            5290,
            level("TCP mem", "mem", _PAGE, 1024),
        ),
        Row(
            "ipv4.sockstat_udp_sockets",
            "IPv4 UDP Sockets",
            "sockets",
            "udp",
            LINE,
            5300,
            level("UDP inuse", "inuse"),
        ),
        Row(
            "ipv4.sockstat_udp_mem",
            "IPv4 UDP Sockets Memory",
            "KiB",
            "udp",
            AREA,
            5390,
            level("UDP mem", "mem", _PAGE, 1024),
        ),
        Row(
            "ipv4.sockstat_udplite_sockets",
            "IPv4 UDPLITE Sockets",
            "sockets",
            "udplite",
            LINE,
            5400,
            level("UDPLITE inuse", "inuse"),
        ),
        Row(
            "ipv4.sockstat_raw_sockets",
            "IPv4 RAW Sockets",
            "sockets",
            "raw",
            LINE,
            5450,
            level("RAW inuse", "inuse"),
        ),
        Row(
            "ipv4.sockstat_frag_sockets",
            "IPv4 FRAG Sockets",
            "fragments",
            "fragments",
            LINE,
            5460,
            level("FRAG inuse", "inuse"),
        ),
        Row(
            "ipv4.sockstat_frag_mem",
            "IPv4 FRAG Sockets Memory",
            "KiB",
            "fragments",
            AREA,
            5470,
            level("FRAG memory", "mem", 1, 1024),
        ),
    )

    def numbers(self, text: bytes) -> dict[str, int]:
        """
        Read lines of a protocol, a colon, and pairs of a name and a number.
        """
        of: dict[str, int] = {}
        for line in text.decode("ascii").splitlines():
            protocol, *words = line.split()
            names = (f"{protocol.rstrip(':')} {word}" for word in words[::2])
            of.update(zip(names, map(int, words[1::2]), strict=True))
        return of


class SockStat6(SockStat):
    """
    Sockets of version 6 by protocol.
    """

    PATH = "net/sockstat6"
    ROWS: ClassVar[Sequence[Row]] = (
        Row(
            "ipv6.sockstat6_frag_sockets",
            "IPv6 FRAG Sockets",
            "fragments",
            "fragments6",
            LINE,
            6400,
            level("FRAG6 inuse", "inuse"),
        ),
        Row(
            "ipv6.sockstat6_tcp_sockets",
            "IPv6 TCP Sockets",
            "sockets",
            "tcp6",
            LINE,
            6500,
            level("TCP6 inuse", "inuse"),
        ),
        Row(
            "ipv6.sockstat6_udp_sockets",
            "IPv6 UDP Sockets",
            "sockets",
            "udp6",
            LINE,
            6600,
            level("UDP6 inuse", "inuse"),
        ),
        Row(
            "ipv6.sockstat6_udplite_sockets",
            "IPv6 UDPLITE Sockets",
            "sockets",
            "udplite6",
            LINE,
            6700,
            level("UDPLITE6 inuse", "inuse"),
        ),
        Row(
            "ipv6.sockstat6_raw_sockets",
            "IPv6 RAW Sockets",
            "sockets",
            "raw6",
            LINE,
            6800,
            level("RAW6 inuse", "inuse"),
        ),
    )
