"""
C{/proc/sysvipc}: message queues, semaphores and shared memory of System V.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from netstream.collect.charts import AREA, STACKED, ChartText, Source, absolute
from netstream.collect.collector import PROC
from netstream.collect.files import KernelFile, Machine, read_word
from netstream.collect.growing import Growing
from netstream.model.chart import Dimension
from netstream.wire.commands import SetVariable

_MOST_QUEUES = 50
"""More queues than this are not shown one by one."""


def _rows(file: KernelFile) -> list[dict[str, int]]:
    heading, *lines = file.read().decode("ascii").splitlines()
    names = heading.split()
    return [dict(zip(names, map(int, line.split()), strict=True)) for line in lines]


class Semaphores:
    """
    How many semaphores there are.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "sysvipc/sem")
        self._limits = machine.proc / "sys/kernel/sem"
        self._told = False
        source = Source(PROC, "ipc", update_every)
        self._all = source.chart(
            "system.ipc_semaphores",
            "IPC Semaphores",
            "semaphores",
            "ipc semaphores",
            "system.ipc_semaphores",
            AREA,
            1203,
            absolute("semaphores"),
        )
        self._arrays = source.chart(
            "system.ipc_semaphore_arrays",
            "IPC Semaphore Arrays",
            "arrays",
            "ipc semaphores",
            "system.ipc_semaphore_arrays",
            AREA,
            1204,
            absolute("arrays"),
        )

    @property
    def source(self) -> str:
        return str(self._file.path)

    def collect(self, now: int) -> bytes:
        arrays = _rows(self._file)
        text = self._all.block(now, sum(row["nsems"] for row in arrays)) + self._arrays.block(now, len(arrays))
        if not self._told:
            self._told = True
            limits = (read_word(self._limits) or "").split()
            if len(limits) == 4 and all(limit.isdigit() for limit in limits):
                text += SetVariable("ipc_semaphores_max", float(limits[1]), False).line()
                text += SetVariable("ipc_semaphores_arrays_max", float(limits[3]), False).line()
        return text

    def withdraw(self) -> bytes:
        self._told = False
        return self._all.withdraw() + self._arrays.withdraw()

    def close(self) -> None:
        self._file.close()


class SharedMemory:
    """
    How much memory processes share in this way.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "sysvipc/shm")
        source = Source(PROC, "ipc", update_every)
        self._segments = source.chart(
            "system.shared_memory_segments",
            "IPC Shared Memory Number of Segments",
            "segments",
            "ipc shared memory",
            "system.shared_memory_segments",
            STACKED,
            1205,
            absolute("segments"),
        )
        self._bytes = source.chart(
            "system.shared_memory_bytes",
            "IPC Shared Memory Used Bytes",
            "bytes",
            "ipc shared memory",
            "system.shared_memory_bytes",
            STACKED,
            1206,
            absolute("bytes"),
        )

    @property
    def source(self) -> str:
        return str(self._file.path)

    def collect(self, now: int) -> bytes:
        segments = _rows(self._file)
        used = sum(row["size"] for row in segments)
        return self._segments.block(now, len(segments)) + self._bytes.block(now, used)

    def withdraw(self) -> bytes:
        return self._segments.withdraw() + self._bytes.withdraw()

    def close(self) -> None:
        self._file.close()


class MessageQueues:
    """
    What waits in each message queue.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "sysvipc/msg")
        self._from = Source(PROC, "ipc", update_every)
        self._messages = Growing(
            partial(self._chart, "messages", "IPC Message Queue Number of Messages", "messages", 1201), absolute
        )
        self._bytes = Growing(partial(self._chart, "bytes", "IPC Message Queue Used Bytes", "bytes", 1202), absolute)

    def _chart(self, what: str, title: str, units: str, priority: int, dimensions: Iterable[Dimension]) -> ChartText:
        chart_id = f"system.message_queue_{what}"
        return self._from.chart(chart_id, title, units, "ipc message queues", chart_id, STACKED, priority, *dimensions)

    @property
    def source(self) -> str:
        return str(self._file.path)

    def collect(self, now: int) -> bytes:
        queues = _rows(self._file)
        if len(queues) > _MOST_QUEUES:
            return self.withdraw()
        queues.reverse()
        return self._messages.block(now, {str(queue["msqid"]): queue["qnum"] for queue in queues}) + self._bytes.block(
            now, {str(queue["msqid"]): queue["cbytes"] for queue in queues}
        )

    def withdraw(self) -> bytes:
        return self._messages.withdraw() + self._bytes.withdraw()

    def close(self) -> None:
        self._file.close()
