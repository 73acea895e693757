"""
C{/sys/class/hwmon} and C{/sys/class/thermal}: how warm it is.
"""

from __future__ import annotations

from pathlib import Path

from netstream.collect.charts import LINE, ChartText, Source, absolute, safe_id
from netstream.collect.collector import PROC
from netstream.collect.devices import Device, Devices, numbers
from netstream.collect.files import KernelFile, Machine, read_word

_PRIORITY = 60000


class Sensors:
    """
    The temperatures of one chip.
    """

    def __init__(self, chip: str, files: dict[str, KernelFile], labels: dict[str, str], source: Source) -> None:
        """
        @param chip: Its name.
        @param files: By the sensors' ids; they hold thousandths of a degree.
        @param labels: Names for people, of those that have one.
        """
        self._files = files
        self._chart: ChartText = source.chart(
            f"sensors.{safe_id(chip)}_temperature",
            "Temperature",
            "Celsius",
            "temperature",
            "sensors.temperature",
            LINE,
            _PRIORITY,
            *(absolute(name, 1, 1000, labels.get(name, "")) for name in files),
            labels={"chip": chip},
        )

    def collect(self, now: int) -> bytes:
        """
        Measure.
        """
        return self._chart.block(now, *(int(file.read()) for file in self._files.values()))

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares its chart obsolete.
        """
        return self._chart.withdraw()

    def close(self) -> None:
        """
        Release what is open.
        """
        for file in self._files.values():
            file.close()


class HardwareMonitors(Devices):
    """
    Chips that measure temperatures.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        super().__init__(machine.sys / "class/hwmon")
        self._from = Source(PROC, "/sys/class/hwmon", update_every)

    def found(self, path: Path) -> Device | None:
        """
        @return: The chip at this place, if it has a temperature.
        """
        inputs = sorted(file.name for file in path.glob("temp*_input"))
        files = {name.removesuffix("_input"): file for name, file in numbers(path, *inputs).items()}
        if not files:
            return None
        labels = {name: read_word(path / f"{name}_label") or "" for name in files}
        return Sensors(f"{read_word(path / 'name') or 'chip'}-{path.name}", files, labels, self._from)


class ThermalZones(Devices):
    """
    Zones that the kernel keeps cool.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        super().__init__(machine.sys / "class/thermal")
        self._from = Source(PROC, "/sys/class/thermal", update_every)

    def found(self, path: Path) -> Device | None:
        """
        @return: The zone at this place.
        """
        if not path.name.startswith("thermal_zone"):
            return None
        files = numbers(path, "temp")
        labels = {"temp": read_word(path / "type") or ""}
        return Sensors(path.name, files, labels, self._from) if files else None
