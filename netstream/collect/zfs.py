"""
C{/proc/spl/kstat/zfs}: the cache of ZFS, and the state of its pools.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from netstream.collect.charts import AREA, LINE, STACKED, ChartText, Source, absolute, safe_id
from netstream.collect.collector import LOOK_AGAIN, PROC
from netstream.collect.counters import CounterFile, Row, level, part, rate, share
from netstream.collect.files import Machine, read_word


class ArcStats(CounterFile):
    """
    The adaptive replacement cache.
    """

    PATH = "spl/kstat/zfs/arcstats"
    ROWS: ClassVar[Sequence[Row]] = (
        Row(
            "zfs.arc_size",
            "ZFS ARC Size",
            "MiB",
            "size",
            AREA,
            2500,
            level("size", "size", 1, 1048576, name="arcsz"),
            level("c", "target", 1, 1048576),
            level("c_min", "min", 1, 1048576, name="min (hard limit)"),
            level("c_max", "max", 1, 1048576, name="max (high water)"),
        ),
        Row(
            "zfs.l2_size",
            "ZFS L2 ARC Size",
            "MiB",
            "size",
            AREA,
            2500,
            level("l2_asize", "actual", 1, 1048576),
            level("l2_size", "size", 1, 1048576),
        ),
        Row(
            "zfs.reads",
            "ZFS Reads",
            "reads/s",
            "accesses",
            AREA,
            2510,
            rate(("hits", "misses"), "areads", name="arc"),
            rate(
                ("demand_data_hits", "demand_data_misses", "demand_metadata_hits", "demand_metadata_misses"),
                "dreads",
                name="demand",
            ),
            rate(
                ("prefetch_data_hits", "prefetch_data_misses", "prefetch_metadata_hits", "prefetch_metadata_misses"),
                "preads",
                name="prefetch",
            ),
            rate(
                (
                    "demand_metadata_hits",
                    "demand_metadata_misses",
                    "prefetch_metadata_hits",
                    "prefetch_metadata_misses",
                ),
                "mreads",
                name="metadata",
            ),
            rate(("l2_hits", "l2_misses"), "l2reads", name="l2"),
        ),
        Row(
            "zfs.hits",
            "ZFS ARC Hits",
            "percentage",
            "efficiency",
            STACKED,
            2520,
            share("hits", "hits"),
            share("misses", "misses"),
        ),
        Row(
            "zfs.hits_rate",
            "ZFS ARC Hits Rate",
            "events/s",
            "efficiency",
            STACKED,
            2521,
            rate("hits", "hits"),
            rate("misses", "misses"),
        ),
        Row(
            "zfs.important_ops",
            "ZFS Important Operations",
            "operations/s",
            "operations",
            LINE,
            2522,
            rate("evict_skip", "eskip", name="evict skip"),
            rate("deleted", "deleted"),
            rate("mutex_miss", "mtxmis", name="mutex miss"),
            rate("hash_collisions", "hash_collisions", name="hash collisions"),
        ),
        Row(
            "zfs.memory_ops",
            "ZFS Memory Operations",
            "operations/s",
            "operations",
            LINE,
            2523,
            rate("memory_direct_count", "direct"),
            rate("memory_throttle_count", "throttled"),
            rate("memory_indirect_count", "indirect"),
        ),
        Row(
            "zfs.dhits",
            "ZFS Demand Hits",
            "percentage",
            "efficiency",
            STACKED,
            2530,
            share(("demand_data_hits", "demand_metadata_hits"), "hits"),
            share(("demand_data_misses", "demand_metadata_misses"), "misses"),
        ),
        Row(
            "zfs.dhits_rate",
            "ZFS Demand Hits Rate",
            "events/s",
            "efficiency",
            STACKED,
            2531,
            rate(("demand_data_hits", "demand_metadata_hits"), "hits"),
            rate(("demand_data_misses", "demand_metadata_misses"), "misses"),
        ),
        Row(
            "zfs.demand_data_hits",
            "ZFS Data Demand Efficiency",
            "percentage",
            "efficiency",
            STACKED,
            2540,
            share("demand_data_hits", "hits"),
            share("demand_data_misses", "misses"),
        ),
        Row(
            "zfs.demand_data_hits_rate",
            "ZFS Data Demand Efficiency Rate",
            "events/s",
            "efficiency",
            STACKED,
            2541,
            rate("demand_data_hits", "hits"),
            rate("demand_data_misses", "misses"),
        ),
        Row(
            "zfs.prefetch_data_hits",
            "ZFS Data Prefetch Efficiency",
            "percentage",
            "efficiency",
            STACKED,
            2550,
            share("prefetch_data_hits", "hits"),
            share("prefetch_data_misses", "misses"),
        ),
        Row(
            "zfs.prefetch_data_hits_rate",
            "ZFS Data Prefetch Efficiency Rate",
            "events/s",
            "efficiency",
            STACKED,
            2551,
            rate("prefetch_data_hits", "hits"),
            rate("prefetch_data_misses", "misses"),
        ),
        Row(
            "zfs.phits",
            "ZFS Prefetch Hits",
            "percentage",
            "efficiency",
            STACKED,
            2560,
            share(("prefetch_data_hits", "prefetch_metadata_hits"), "hits"),
            share(("prefetch_data_misses", "prefetch_metadata_misses"), "misses"),
        ),
        Row(
            "zfs.phits_rate",
            "ZFS Prefetch Hits Rate",
            "events/s",
            "efficiency",
            STACKED,
            2561,
            rate(("prefetch_data_hits", "prefetch_metadata_hits"), "hits"),
            rate(("prefetch_data_misses", "prefetch_metadata_misses"), "misses"),
        ),
        Row(
            "zfs.mhits",
            "ZFS Metadata Hits",
            "percentage",
            "efficiency",
            STACKED,
            2570,
            share(("prefetch_metadata_hits", "demand_metadata_hits"), "hits"),
            share(("prefetch_data_hits", "prefetch_metadata_hits"), "misses"),
        ),
        Row(
            "zfs.mhits_rate",
            "ZFS Metadata Hits Rate",
            "events/s",
            "efficiency",
            STACKED,
            2571,
            rate(("prefetch_metadata_hits", "demand_metadata_hits"), "hits"),
            rate(("prefetch_data_hits", "prefetch_metadata_hits"), "misses"),
        ),
        Row(
            "zfs.l2hits",
            "ZFS L2 Hits",
            "percentage",
            "efficiency",
            STACKED,
            2580,
            share("l2_hits", "hits"),
            share("l2_misses", "misses"),
        ),
        Row(
            "zfs.l2hits_rate",
            "ZFS L2 Hits Rate",
            "events/s",
            "efficiency",
            STACKED,
            2581,
            rate("l2_hits", "hits"),
            rate("l2_misses", "misses"),
        ),
        Row(
            "zfs.list_hits",
            "ZFS List Hits",
            "hits/s",
            "efficiency",
            AREA,
            2600,
            rate("mfu_hits", "mfu"),
            rate("mfu_ghost_hits", "mfug", name="mfu ghost"),
            rate("mru_hits", "mru"),
            rate("mru_ghost_hits", "mrug", name="mru ghost"),
        ),
        Row(
            "zfs.bytes",
            "ZFS ARC L2 Read/Write Rate",
            "KiB/s",
            "accesses",
            AREA,
            2700,
            rate("l2_read_bytes", "read", 1, 1024),
            rate("l2_write_bytes", "write", -1, 1024),
        ),
        Row(
            "zfs.hash_elements",
            "ZFS ARC Hash Elements",
            "elements",
            "hashes",
            LINE,
            2800,
            level("hash_elements", "current"),
            level("hash_elements_max", "max"),
        ),
        Row(
            "zfs.hash_chains",
            "ZFS ARC Hash Chains",
            "chains",
            "hashes",
            LINE,
            2810,
            level("hash_chains", "current"),
            level("hash_chain_max", "max"),
        ),
        Row(
            "zfs.arc_size_breakdown",
            "ZFS ARC Size Breakdown",
            "percentage",
            "efficiency",
            STACKED,
            2520,
            part("p", "recent"),
            part("frequent", "frequent"),
        ),
        Row(
            "zfs.actual_hits",
            "ZFS Actual Cache Hits",
            "percentage",
            "efficiency",
            STACKED,
            2519,
            share(("mfu_hits", "mru_hits"), "hits"),
            share("actual_misses", "misses"),
        ),
        Row(
            "zfs.actual_hits_rate",
            "ZFS Actual Cache Hits Rate",
            "events/s",
            "efficiency",
            STACKED,
            2520,
            rate(("mfu_hits", "mru_hits"), "hits"),
            rate("actual_misses", "misses"),
        ),
    )

    def numbers(self, text: bytes) -> dict[str, int]:
        """
        Read two lines of heading, then lines of a name, a type and a number.
        """
        words = [line.split() for line in text.decode("ascii").splitlines()[2:]]
        of = {name: int(value) for name, kind, value in words if kind != "7"}
        # What is kept is what was used often, but for the part that was used of late.
        if "p" in of:
            of["frequent"] = max(of["size"], of["c"]) - of["p"]
        of["actual_misses"] = of["hits"] + of["misses"] - of["mfu_hits"] - of["mru_hits"]
        return of


_STATES = ("online", "degraded", "faulted", "offline", "removed", "unavail")


class ZfsPools:
    """
    Whether each pool of ZFS is in order.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._directory = machine.proc / "spl/kstat/zfs"
        self._from = Source(PROC, "/proc/spl/kstat/zfs", update_every)
        self._pools: dict[str, ChartText] = {}
        self._looked = 0

    @property
    def source(self) -> str:
        return str(self._directory)

    def _look(self) -> bytes:
        present = {path.name for path in self._directory.iterdir() if (path / "state").exists()}
        for name in present - self._pools.keys():
            self._pools[name] = self._from.chart(
                f"zfspool.state_{safe_id(name)}",
                "ZFS pool state",
                "boolean",
                name,
                "zfspool.state",
                LINE,
                2820,
                *(absolute(state) for state in _STATES),
            )
        return b"".join(self._pools.pop(name).withdraw() for name in self._pools.keys() - present)

    def collect(self, now: int) -> bytes:
        text = []
        if not 0 < now - self._looked < LOOK_AGAIN:
            text.append(self._look())
            self._looked = now
        for name, chart in self._pools.items():
            state = (read_word(self._directory / name / "state") or "").lower()
            if state:
                text.append(chart.block(now, *(int(state == other) for other in _STATES)))
        return b"".join(text)

    def withdraw(self) -> bytes:
        return b"".join(chart.withdraw() for chart in self._pools.values())

    def close(self) -> None:
        """
        Nothing is open.
        """
