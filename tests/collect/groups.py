"""
Trees like C{/sys/fs/cgroup}, in which each number is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

from tests.collect.trees import write

CONTAINER = "0123456789abcdef" * 4
SCOPE = "89abcdef01234567" * 4
IDLE = "fedcba9876543210" * 4

GROUPS = (
    f"docker/{CONTAINER}",
    f"docker/{IDLE}",
    f"system.slice/docker-{SCOPE}.scope",
    "machine.slice/web",
    "machine.slice/a b",
    "machine.slice/machine-qemu\\x2d1\\x2dvm01.scope",
    "lxc/deep/inner",
    "lxc.payload.mail",
    "user.slice/user-1000.slice/session-3.scope",
    "system.slice/ssh.service",
    "system.slice/cron.service",
    f"system.slice/{IDLE}.service",
    "machine.slice/Odd@Name:x+y,z",
    f"kubepods/burstable/pod1234/{CONTAINER}",
    "system.slice/system-getty.slice/getty@tty1.service",
    "system.slice/tmp.mount",
    "init.scope",
)
"""Containers, virtual machines, services, and what is none of these."""

UNLIMITED_V1 = 9223372036854771712
"""How version 1 says that memory has no limit."""

_PRESSURE = """\
some avg10=1.01 avg60=1.02 avg300=1.03 total={0}001
full avg10=2.01 avg60=2.02 avg300=2.03 total={0}002
"""
_STAT_V2 = (
    "anon file kernel_stack sock shmem file_mapped file_dirty file_writeback anon_thp inactive_anon active_anon"
    " inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab pgfault pgmajfault"
)
_STAT_V1 = (
    "rss_huge cache rss shmem mapped_file dirty writeback swap pgpgin pgpgout pgfault pgmajfault inactive_anon"
    " active_anon inactive_file active_file unevictable"
)
_BLKIO = (
    "io_service_bytes",
    "io_serviced",
    "throttle.io_service_bytes",
    "throttle.io_serviced",
    "io_merged",
    "io_queued",
)


def _list(names: str, number: Callable[[], int]) -> str:
    return "".join(f"{name} {number()}\n" for name in names.split())


def _numbers() -> Iterator[int]:
    return count(4096 * 1000, 4096)


def second_version(root: Path, groups: Iterable[str] = GROUPS) -> None:
    """
    Write a tree of version 2. What is called L{IDLE} has done nothing, and is without limits like C{web}.
    """
    numbers = _numbers()
    root.mkdir(parents=True, exist_ok=True)
    (root / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    for group in groups:
        idle = IDLE in group

        def number(idle: bool = idle) -> int:
            return 0 if idle else next(numbers)

        free = idle or group.endswith("web")
        current = number()
        write(
            root / group,
            {
                "cgroup.procs": "1\n",
                "cpu.max": "max 100000\n" if free else "50000 100000\n",
                "cpu.stat": _list("usage_usec user_usec system_usec nr_periods nr_throttled throttled_usec", number),
                "memory.current": f"{current * 100}\n",
                "memory.swap.current": f"{number()}\n",
                "memory.max": "max\n" if free else f"{current * 150}\n",
                "memory.swap.max": "max\n" if free else f"{current * 200}\n",
                "memory.stat": _list(_STAT_V2, number),
                "io.stat": "".join(
                    f"{disk} rbytes={number()} wbytes={number()} rios={number()} wios={number()} dbytes=0 dios=0\n"
                    for disk in ("254:0", "8:16")
                ),
                **{
                    f"{what}.pressure": _PRESSURE.replace("1.", f"{n}.").format(n) if not idle else ""
                    for n, what in enumerate(("cpu", "io", "memory"), 3)
                },
            },
        )
        if idle:
            nothing = "".join(f"{kind} avg10=0.00 avg60=0.00 avg300=0.00 total=0\n" for kind in ("some", "full"))
            write(root / group, {f"{what}.pressure": nothing for what in ("cpu", "io", "memory")})


def first_version(root: Path, groups: Iterable[str] = GROUPS) -> None:
    """
    Write a tree of version 1, with a directory for each of its hierarchies. What is called L{IDLE} has done nothing,
    and is without limits like C{web}.
    """
    numbers = _numbers()
    for group in groups:
        idle = IDLE in group

        def number(idle: bool = idle) -> int:
            return 0 if idle else next(numbers)

        free = idle or group.endswith("web")
        usage = number() * 100
        memory = _list(_STAT_V1, number) + f"hierarchical_memory_limit {number()}\n"
        files = {
            "cpuacct": {
                "cpuacct.stat": _list("user system", number),
                "cpuacct.usage": f"{number() * 1000}\n",
                "cpuacct.usage_percpu": f"{number() * 1000} {number() * 1000} \n",
                "cpu.stat": _list("nr_periods nr_throttled throttled_time", lambda: number() * 1000),
                "cpu.cfs_quota_us": "-1\n" if free else "50000\n",
                "cpu.cfs_period_us": "100000\n",
            },
            "cpuset": {"cpuset.cpus": "0-1\n"},
            "blkio": {
                f"blkio.{file}{kind}": "".join(
                    f"{disk} {operation} {number()}\n"
                    for disk in ("8:0", "254:0")
                    for operation in ("Read", "Write", "Sync", "Async", "Discard", "Total")
                )
                + f"Total {number()}\n"
                for file in _BLKIO
                for kind in ("", "_recursive")
            },
            "memory": {
                "memory.stat": memory + "".join(f"total_{line}\n" for line in _list(_STAT_V1, number).splitlines()),
                "memory.usage_in_bytes": f"{usage}\n",
                "memory.memsw.usage_in_bytes": f"{usage + number()}\n",
                "memory.failcnt": f"{number()}\n",
                "memory.limit_in_bytes": f"{UNLIMITED_V1 if free else usage * 2}\n",
                "memory.memsw.limit_in_bytes": f"{UNLIMITED_V1 if free else usage * 3}\n",
            },
            "devices": {},
        }
        for hierarchy, texts in files.items():
            write(root / hierarchy / group, {"cgroup.procs": "1\n", **texts})
