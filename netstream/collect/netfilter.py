"""
C{/proc/net/stat}: connections that netfilter tracks, and its SYN proxy; and
C{/proc/net/ip_vs_stats}: the load balancer of the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from netstream.collect.charts import AREA, LINE
from netstream.collect.collector import LOOK_AGAIN, Odd
from netstream.collect.counters import CounterFile, Row, level, rate
from netstream.collect.files import Machine, read_word
from netstream.wire.commands import SetVariable


class _PerProcessor(CounterFile):
    """
    A table of hexadecimal numbers with a line for each processor.
    """

    def numbers(self, text: bytes) -> dict[str, int]:
        """
        @return: The sums of the columns, by their headings; of C{entries},
            which is the same in each line, one.
        """
        heading, *lines = text.decode("ascii").splitlines()
        names = heading.split()
        if not lines:
            raise Odd(self._file.path, "it has no line of a processor")
        of = dict.fromkeys(names, 0)
        for line in lines:
            for name, word in zip(names, line.split(), strict=True):
                of[name] += int(word, 16)
        of["entries"] = int(lines[0].split()[0], 16)
        return of


class ConnTrack(_PerProcessor):
    """
    Connections that netfilter tracks.
    """

    PATH = "net/stat/nf_conntrack"
    ROWS: ClassVar[Sequence[Row]] = (
        Row(
            "netfilter.conntrack_sockets",
            "Connection Tracker Connections",
            "active connections",
            "conntrack",
            LINE,
            8700,
            level("entries", "connections"),
            always=True,
        ),
        Row(
            "netfilter.conntrack_new",
            "Connection Tracker New Connections",
            "connections/s",
            "conntrack",
            LINE,
            8701,
            rate("new", "new"),
            rate("ignore", "ignore", -1),
            rate("invalid", "invalid", -1),
            always=True,
        ),
        Row(
            "netfilter.conntrack_changes",
            "Connection Tracker Changes",
            "changes/s",
            "conntrack",
            LINE,
            8702,
            rate("insert", "inserted"),
            rate("delete", "deleted", -1),
            rate("chainlength", "delete_list", -1),
            detail=True,
            always=True,
        ),
        Row(
            "netfilter.conntrack_expect",
            "Connection Tracker Expectations",
            "expectations/s",
            "conntrack",
            LINE,
            8703,
            rate("expect_create", "created"),
            rate("expect_delete", "deleted", -1),
            rate("expect_new", "new"),
            detail=True,
            always=True,
        ),
        Row(
            "netfilter.conntrack_search",
            "Connection Tracker Searches",
            "searches/s",
            "conntrack",
            LINE,
            8710,
            rate(("clashres", "searched"), "searched"),
            rate("search_restart", "restarted", -1),
            rate("found", "found"),
            detail=True,
            always=True,
        ),
        Row(
            "netfilter.conntrack_errors",
            "Connection Tracker Errors",
            "events/s",
            "conntrack",
            LINE,
            8705,
            rate("icmp_error", "icmp_error"),
            rate("insert_failed", "insert_failed", -1),
            rate("drop", "drop", -1),
            rate("early_drop", "early_drop", -1),
            detail=True,
            always=True,
        ),
    )

    def __init__(self, machine: Machine, update_every: int) -> None:
        super().__init__(machine, update_every)
        self._most = machine.proc / "sys/net/netfilter/nf_conntrack_max"
        self._looked = 0
        self._told = ""

    def collect(self, now: int) -> bytes:
        """
        Measure.
        """
        text = super().collect(now)
        if not 0 < now - self._looked < LOOK_AGAIN:
            self._looked = now
            most = read_word(self._most) or ""
            if most.isdigit() and most != self._told:
                self._told = most
                text += SetVariable("netfilter_conntrack_max", float(most), False).line()
        return text


class SynProxy(_PerProcessor):
    """
    Connections that netfilter opens in the name of servers.
    """

    PATH = "net/stat/synproxy"
    ROWS: ClassVar[Sequence[Row]] = (
        Row(
            "netfilter.synproxy_syn_received",
            "SYNPROXY SYN Packets received",
            "packets/s",
            "synproxy",
            LINE,
            8751,
            rate("syn_received", "received"),
        ),
        Row(
            "netfilter.synproxy_conn_reopened",
            "SYNPROXY Connections Reopened",
            "connections/s",
            "synproxy",
            LINE,
            8753,
            rate("conn_reopened", "reopened"),
        ),
        Row(
            "netfilter.synproxy_cookies",
            "SYNPROXY TCP Cookies",
            "cookies/s",
            "synproxy",
            LINE,
            8752,
            rate("cookie_valid", "valid"),
            rate("cookie_invalid", "invalid", -1),
            rate("cookie_retrans", "retransmits"),
        ),
    )


class IpVs(CounterFile):
    """
    The traffic of the load balancer.
    """

    PATH = "net/ip_vs_stats"
    ROWS: ClassVar[Sequence[Row]] = (
        Row(
            "ipvs.sockets",
            "IPVS New Connections",
            "connections/s",
            "ipvs",
            LINE,
            3101,
            rate("connections", "connections"),
            always=True,
        ),
        Row(
            "ipvs.packets",
            "IPVS Packets",
            "packets/s",
            "ipvs",
            LINE,
            3102,
            rate("packets in", "received"),
            rate("packets out", "sent", -1),
            always=True,
        ),
        Row(
            "ipvs.net",
            "IPVS Bandwidth",
            "kilobits/s",
            "ipvs",
            AREA,
            3100,
            rate("bytes in", "received", 8, 1000),
            rate("bytes out", "sent", -8, 1000),
            always=True,
        ),
    )

    def numbers(self, text: bytes) -> dict[str, int]:
        """
        Read the third line: five hexadecimal numbers.
        """
        words = text.decode("ascii").splitlines()[2].split()
        names = ("connections", "packets in", "packets out", "bytes in", "bytes out")
        return dict(zip(names, (int(word, 16) for word in words), strict=True))
