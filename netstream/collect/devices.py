"""
Collectors of devices that come and go, each with files of its own in a
directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from netstream.collect.collector import LOOK_AGAIN
from netstream.collect.files import KernelFile


class Device(Protocol):
    """
    One device, measured.
    """

    def collect(self, now: int) -> bytes:
        """
        Measure.

        @raise OSError: It is gone.
        @raise ValueError: A file does not say what it should; it is left out
            from now on.
        """

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares all its charts obsolete.
        """

    def close(self) -> None:
        """
        Release what is open.
        """


class Devices:
    """
    All devices below a directory, which is searched every ten seconds. One
    that cannot be read any more, or is odd, ends alone.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._devices: dict[str, Device] = {}
        self._left_out: set[str] = set()
        self._looked = 0

    @property
    def source(self) -> str:
        """
        What it reads, for messages.
        """
        return str(self._directory)

    def found(self, path: Path) -> Device | None:
        """
        @param path: An entry of the directory.
        @return: The device, if it is one of those that are measured.
        """
        raise NotImplementedError

    def _look(self) -> bytes:
        present = {path.name: path for path in sorted(self._directory.iterdir())}
        for name in present.keys() - self._devices.keys() - self._left_out:
            device = self.found(present[name])
            if device is None:
                self._left_out.add(name)
            else:
                self._devices[name] = device
        self._left_out &= present.keys()
        return b"".join([self._end(name) for name in self._devices.keys() - present.keys()])

    def _end(self, name: str) -> bytes:
        device = self._devices.pop(name)
        device.close()
        return device.withdraw()

    def collect(self, now: int) -> bytes:
        """
        Measure.
        """
        text = []
        if not 0 < now - self._looked < LOOK_AGAIN:
            self._looked = now
            text.append(self._look())
        for name, device in sorted(self._devices.items()):
            try:
                text.append(device.collect(now))
            except OSError:
                text.append(self._end(name))
            except (ValueError, LookupError):
                text.append(self._end(name))
                self._left_out.add(name)
        return b"".join(text)

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares all charts obsolete.
        """
        return b"".join(device.withdraw() for device in self._devices.values())

    def close(self) -> None:
        """
        Release what is open.
        """
        for device in self._devices.values():
            device.close()


def numbers(path: Path, *names: str) -> dict[str, KernelFile]:
    """
    @return: Those of some files in a directory that hold an integer now.
    """
    found: dict[str, KernelFile] = {}
    for name in names:
        file = KernelFile(path / name)
        try:
            int(file.read())
        except (OSError, ValueError):
            file.close()
            continue
        found[name] = file
    return found
