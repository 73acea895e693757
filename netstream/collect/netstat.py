"""
C{/proc/net/netstat} and C{/proc/net/snmp}: what IP, ICMP, TCP and UDP count.
"""

from __future__ import annotations

from netstream.collect.charts import Source
from netstream.collect.collector import PROC, Odd
from netstream.collect.counters import Sheet
from netstream.collect.files import KernelFile, Machine
from netstream.collect.netstat_charts import ROWS


class NetStat:
    """
    The protocols of the internet, version 4. One chart needs counters of both
    files, so they are read together.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._files = KernelFile(machine.proc / "net/netstat"), KernelFile(machine.proc / "net/snmp")
        self._sheet = Sheet(Source(PROC, "/proc/net/netstat", update_every), ROWS)
        self._headings: dict[bytes, list[str]] = {}

    @property
    def source(self) -> str:
        return str(self._files[0].path)

    def _numbers(self, file: KernelFile, of: dict[str, int]) -> None:
        lines = file.read().split(b"\n")
        for heading, numbers in zip(lines[::2], lines[1::2], strict=False):
            names = self._headings.get(heading)
            if names is None:
                protocol, *counters = heading.decode("ascii").split()
                if len(self._headings) > 64:
                    self._headings.clear()
                names = self._headings[heading] = [protocol.rstrip(":") + counter for counter in counters]
            protocol_bytes, *words = numbers.split()
            if len(words) != len(names) or not heading.startswith(protocol_bytes):
                raise Odd(file.path, f"the line {protocol_bytes.decode(errors='replace')} does not fit its heading")
            of.update(zip(names, map(int, words), strict=True))

    def collect(self, now: int) -> bytes:
        of: dict[str, int] = {}
        for file in self._files:
            self._numbers(file, of)
        if not of:
            raise Odd(self._files[0].path, "it has no counters")
        return self._sheet.blocks(now, of)

    def withdraw(self) -> bytes:
        return self._sheet.withdraw()

    def close(self) -> None:
        for file in self._files:
            file.close()
