"""
C{/sys/class/power_supply} and C{/sys/class/powercap}: batteries, and what
processors take.
"""

from __future__ import annotations

from pathlib import Path

from netstream.collect.charts import LINE, ChartText, Source, absolute, incremental, safe_id
from netstream.collect.collector import PROC
from netstream.collect.devices import Device, Devices, numbers
from netstream.collect.files import Machine, read_word

_AMOUNTS = {"charge": ("Battery charge", "Ah"), "energy": ("Battery energy", "Wh")}
_PRIORITY = 9500


class Supply:
    """
    One battery, or another supply that tells its voltage.
    """

    def __init__(self, path: Path, source: Source) -> None:
        self._name = path.name
        self._from = source
        self._charts: list[tuple[ChartText, list[str]]] = []
        self._files = numbers(
            path,
            "capacity",
            *(f"{what}_{which}" for what in _AMOUNTS for which in ("full_design", "full", "now", "empty")),
            *(f"voltage_{which}" for which in ("min_design", "min", "now", "max", "max_design")),
        )
        if "capacity" in self._files:
            self._add("capacity", "Battery capacity", "percentage", {"capacity": "capacity"}, 1)
        for what, (title, units) in _AMOUNTS.items():
            self._add(what, title, units, self._present(what, "empty", "full_design", "full", "now"), 1_000_000)
        voltage = self._present("voltage", "min", "max_design", "max", "now", "min_design")
        self._add("voltage", "Power supply voltage", "V", voltage, 1_000_000)

    def _present(self, what: str, *which: str) -> dict[str, str]:
        # As agents do it, a chart has all dimensions if there is one.
        files = {name: f"{what}_{name}" for name in which}
        return files if self._files.keys() & set(files.values()) else {}

    def _value(self, name: str) -> int:
        return int(self._files[name].read()) if name in self._files else 0

    def _add(self, what: str, title: str, units: str, files: dict[str, str], divisor: int) -> None:
        if not files:
            return
        chart = self._from.chart(
            f"powersupply_{what}.{safe_id(self._name)}",
            title,
            units,
            self._name,
            f"powersupply.{what}",
            LINE,
            _PRIORITY,
            *(absolute(name, 1, divisor) for name in files),
            labels={"device": self._name},
        )
        self._charts.append((chart, list(files.values())))

    @property
    def empty(self) -> bool:
        """
        Whether it tells nothing.
        """
        return not self._charts

    def collect(self, now: int) -> bytes:
        """
        Measure.
        """
        text = []
        for chart, names in self._charts:
            text.append(chart.block(now, *(self._value(name) for name in names)))
        return b"".join(text)

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares all its charts obsolete.
        """
        return b"".join(chart.withdraw() for chart, _ in self._charts)

    def close(self) -> None:
        """
        Release what is open.
        """
        for file in self._files.values():
            file.close()


class PowerSupplies(Devices):
    """
    Batteries and other supplies.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        super().__init__(machine.sys / "class/power_supply")
        self._from = Source(PROC, "/sys/class/power_supply", update_every)

    def found(self, path: Path) -> Device | None:
        """
        @return: The supply at this place, if it tells anything.
        """
        supply = Supply(path, self._from)
        return None if supply.empty else supply


class Zone:
    """
    Part of a processor that counts its energy.
    """

    def __init__(self, path: Path, name: str, source: Source) -> None:
        self._path = path
        self._energy = numbers(path, "energy_uj")
        self._range = int(read_word(path / "max_energy_range_uj") or "0")
        self._last = 0
        self._wrapped = 0
        self._chart = source.chart(
            f"cpu.powercap_intel_rapl_zone_{safe_id(path.name.replace(':', '_'))}",
            "Intel RAPL Zone Power Consumption",
            "Watts",
            "powercap",
            "cpu.powercap_intel_rapl_zone",
            LINE,
            5500,
            incremental("power", 1, 1_000_000),
            labels={"zone": name},
        )

    @property
    def readable(self) -> bool:
        """
        Whether this process may see its counter.
        """
        return bool(self._energy)

    def collect(self, now: int) -> bytes:
        """
        Measure.
        """
        energy = int(self._energy["energy_uj"].read())
        if energy < self._last:
            self._wrapped += self._range
        self._last = energy
        return self._chart.block(now, energy + self._wrapped)

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares its chart obsolete.
        """
        return self._chart.withdraw()

    def close(self) -> None:
        """
        Release what is open.
        """
        for file in self._energy.values():
            file.close()


class PowerCap(Devices):
    """
    What processors and their parts take.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        super().__init__(machine.sys / "class/powercap")
        self._from = Source(PROC, "/sys/class/powercap", update_every)

    def found(self, path: Path) -> Device | None:
        """
        @return: The zone at this place, if this process may see its counter.
        """
        name = read_word(path / "name")
        if not name:
            return None
        zone = Zone(path, name, self._from)
        return zone if zone.readable else None
