"""
C{/proc/net/dev}: network interfaces.
"""

from __future__ import annotations

from collections.abc import Sequence

from netstream.collect.cgroup_networks import Owner, Owners
from netstream.collect.charts import AREA, LINE, ChartText, Source, absolute, incremental
from netstream.collect.collector import PROC, Odd
from netstream.collect.files import KernelFile, Machine, read_word
from netstream.model.pattern import pattern

_IGNORED = pattern("lo fireqos* *-ifb fwpr* fwbr* fwln*")
_COLUMNS = 16
_SLOWLY = 10_000_000
"""Microseconds between two looks at what hardly ever changes: speed, duplex, MTU."""

_DUPLEX = ("full", "half", "unknown")
_OPERATION = ("up", "down", "notpresent", "lowerlayerdown", "testing", "dormant", "unknown")
_CARRIER = ("up", "down")

_FIRST = 7000
_FIRST_OF_CONTAINER = 43000
"""Priorities of the first chart."""


def _state(states: Sequence[str], current: str) -> tuple[int, ...]:
    if current not in states:
        current = states[-1]
    return tuple(int(state == current) for state in states)


class Interface:
    """
    One network interface.

    @ivar name: As the kernel names it.
    @ivar virtual: Whether no hardware belongs to it.
    @ivar owner: The container at its other end, whose it is shown as.
    """

    def __init__(self, name: str, machine: Machine, source: Source, owner: Owner | None = None) -> None:
        """
        @param name: As the kernel names it.
        """
        self.name = name
        self.owner = owner
        self._directory = machine.sys / "class/net" / name
        self._duplex, self._speed, self._mtu = "unknown", 0, ""
        self._looked = 0
        self.virtual = (machine.sys / "devices/virtual/net" / name).exists()
        labels = {"interface_type": "virtual" if self.virtual else "real", "device": name}
        family, context, first = name, "net.", _FIRST
        if owner is not None:
            family, context, first = f"net {owner.inner}", f"{owner.context}.net_", _FIRST_OF_CONTAINER

        def chart_id(kind: str) -> str:
            of_kind = f"net_{kind}" if kind else "net"
            return f"{of_kind}.{name}" if owner is None else f"{owner.charts}.{of_kind}_{owner.inner}"

        def chart(
            kind: str, title: str, units: str, place: int, *dimensions: tuple[str, int], states: Sequence[str] = ()
        ) -> ChartText:
            counted = [incremental(dimension, multiplier) for dimension, multiplier in dimensions]
            return source.chart(
                chart_id(kind),
                title,
                units,
                family,
                f"{context}{kind}",
                LINE,
                first + place,
                *(counted or (absolute(state) for state in states)),
                detail=True,
                labels=labels,
            )

        self._traffic = source.chart(
            chart_id(""),
            "Bandwidth",
            "kilobits/s",
            family,
            f"{context}net",
            AREA,
            first,
            incremental("received", 8, 1000),
            incremental("sent", -8, 1000),
            labels=labels,
            variables={} if self.virtual else {"nic_speed_max": self._nominal_speed()},
        )
        self._packets = chart("packets", "Packets", "packets/s", 1, ("received", 1), ("sent", -1), ("multicast", 1))
        self._errors = chart("errors", "Interface Errors", "errors/s", 2, ("inbound", 1), ("outbound", -1))
        self._drops = chart("drops", "Interface Drops", "drops/s", 3, ("inbound", 1), ("outbound", -1))
        self._fifo = chart("fifo", "Interface FIFO Buffer Errors", "errors", 4, ("receive", 1), ("transmit", -1))
        self._compressed = chart("compressed", "Compressed Packets", "packets/s", 5, ("received", 1), ("sent", -1))
        self._events = chart(
            "events",
            "Network Interface Events",
            "events/s",
            6,
            ("frames", 1),
            ("collisions", -1),
            ("carrier", -1),
        )
        self._speeds = chart("speed", "Interface Speed", "kilobits/s", 7, states=("speed",))
        self._duplexes = chart("duplex", "Interface Duplex State", "state", 8, states=_DUPLEX)
        self._operation = chart("operstate", "Interface Operational State", "state", 9, states=_OPERATION)
        self._carriers = chart("carrier", "Interface Physical Link State", "state", 10, states=_CARRIER)
        self._mtus = chart("mtu", "Interface MTU", "octets", 11, states=("mtu",))

    def _nominal_speed(self) -> float:
        """
        @return: Kilobits a second; 0 if the hardware does not say.
        """
        text = read_word(self._directory / "speed") or ""
        return int(text) * 1000.0 if text.isdigit() else 0.0

    def _look(self, now: int) -> None:
        if 0 < now - self._looked < _SLOWLY:
            return
        self._looked = now
        self._mtu = read_word(self._directory / "mtu") or ""
        if not self.virtual:
            self._duplex = read_word(self._directory / "duplex") or "unknown"
            self._speed = int(self._nominal_speed())

    def collect(self, now: int, columns: Sequence[int]) -> bytes:
        """
        @param columns: Its numbers in C{/proc/net/dev}.
        """
        (received, packets, errors, drops, fifo, frames, compressed, multicast) = columns[:8]
        (sent, packets_out, errors_out, drops_out, fifo_out, collisions, carrier, compressed_out) = columns[8:_COLUMNS]
        if self.owner is not None:
            # What comes in at this end went out at the other.
            received, sent, packets, packets_out = sent, received, packets_out, packets
            errors, errors_out, drops, drops_out = errors_out, errors, drops_out, drops
            fifo, fifo_out, compressed, compressed_out = fifo_out, fifo, compressed_out, compressed
        self._look(now)
        text = [
            self._traffic.unless_idle(now, received, sent),
            self._packets.unless_idle(now, packets, packets_out, multicast),
            self._errors.unless_idle(now, errors, errors_out),
            self._drops.unless_idle(now, drops, drops_out),
            self._fifo.unless_idle(now, fifo, fifo_out),
            self._compressed.unless_idle(now, compressed, compressed_out),
            self._events.unless_idle(now, frames, collisions, carrier),
        ]
        if not self.virtual:
            text.append(self._speeds.block(now, self._speed))
            text.append(self._duplexes.block(now, *_state(_DUPLEX, self._duplex)))
        if operation := read_word(self._directory / "operstate"):
            text.append(self._operation.block(now, *_state(_OPERATION, operation)))
        # Only an interface that is up says whether there is a carrier.
        if link := read_word(self._directory / "carrier"):
            text.append(self._carriers.block(now, *((1, 0) if link == "1" else (0, 1))))
        if self._mtu.isdigit():
            text.append(self._mtus.block(now, int(self._mtu)))
        return b"".join(text)

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares its charts obsolete.
        """
        charts = (
            self._traffic,
            self._packets,
            self._errors,
            self._drops,
            self._fifo,
            self._compressed,
            self._events,
            self._speeds,
            self._duplexes,
            self._operation,
            self._carriers,
            self._mtus,
        )
        return b"".join(chart.withdraw() for chart in charts)


class NetDev:
    """
    The traffic of each network interface, and of all that are hardware.
    """

    def __init__(self, machine: Machine, update_every: int, owners: Owners | None = None) -> None:
        """
        @param owners: Who knows of containers.
        """
        self._owners = owners or Owners()
        self._waiting: set[str] = set()
        self._file = KernelFile(machine.proc / "net/dev")
        self._machine = machine
        self._from = Source(PROC, "/proc/net/dev", update_every)
        self._interfaces: dict[bytes, Interface | None] = {}
        self._all = self._from.chart(
            "system.net",
            "Physical Network Interfaces Aggregated Bandwidth",
            "kilobits/s",
            "network",
            "system.net",
            AREA,
            500,
            incremental("InOctets", 8, 1000, "received"),
            incremental("OutOctets", -8, 1000, "sent"),
        )

    @property
    def source(self) -> str:
        return str(self._file.path)

    def _found(self, key: bytes) -> Interface | None:
        name = key.decode("utf-8", "replace")
        if _IGNORED.matches(name) or "/" in name:
            self._interfaces[key] = None
            return None
        owner = self._owners.of.get(name)
        found = Interface(name, self._machine, self._from, owner)
        if self._owners.sought and owner is None and found.virtual and name not in self._waiting:
            # It may have come with a container, which is known at the next tick if somebody looks now.
            self._waiting.add(name)
            self._owners.asked = True
            return None
        self._waiting.discard(name)
        self._interfaces[key] = found
        return found

    def _hand_over(self) -> bytes:
        """
        Begin those anew that came to be, or are no longer, a container's.

        @return: Protocol text that declares what they had obsolete.
        """
        text = []
        for key, interface in list(self._interfaces.items()):
            if interface is not None and interface.owner != self._owners.of.get(interface.name):
                text.append(interface.withdraw())
                del self._interfaces[key]
        return b"".join(text)

    def collect(self, now: int) -> bytes:
        lines = self._file.read().split(b"\n")
        if len(lines) < 2 or b"|" not in lines[1]:
            raise Odd(self._file.path, "it has no heading")
        text = [self._hand_over()]
        received = sent = 0
        present = set()
        for line in lines[2:]:
            # A name may contain a colon, a number cannot.
            key, colon, numbers = line.rpartition(b":")
            if not colon:
                continue
            key = key.strip()
            present.add(key)
            interface = self._interfaces[key] if key in self._interfaces else self._found(key)
            if interface is None:
                continue
            columns = [int(number) for number in numbers.split()]
            if len(columns) < _COLUMNS:
                raise Odd(self._file.path, f"{key.decode(errors='replace')} has {len(columns)} columns")
            text.append(interface.collect(now, columns))
            if not interface.virtual:
                received += columns[0]
                sent += columns[8]
        for key in self._interfaces.keys() - present:
            if (gone := self._interfaces.pop(key)) is not None:
                text.append(gone.withdraw())
        self._waiting &= {key.decode("utf-8", "replace") for key in present}
        text.append(self._all.unless_idle(now, received, sent))
        return b"".join(text)

    def withdraw(self) -> bytes:
        interfaces = (interface.withdraw() for interface in self._interfaces.values() if interface is not None)
        return b"".join(interfaces) + self._all.withdraw()

    def close(self) -> None:
        self._file.close()
