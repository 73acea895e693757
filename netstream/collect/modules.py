"""
Which collectors there are, and what switches each off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netstream.collect.apps import Apps
from netstream.collect.cgroups import Cgroups
from netstream.collect.collector import MakeCollector
from netstream.collect.diskstats import DiskStats
from netstream.collect.edac import Edac
from netstream.collect.entropy import Entropy
from netstream.collect.filenr import FileHandles
from netstream.collect.interrupts import Interrupts, SoftIrqs
from netstream.collect.ipc import MessageQueues, Semaphores, SharedMemory
from netstream.collect.ksm import Ksm
from netstream.collect.loadavg import LoadAverage
from netstream.collect.mdstat import MdStat
from netstream.collect.meminfo import MemInfo
from netstream.collect.mounts import Mounts
from netstream.collect.netdev import NetDev
from netstream.collect.netfilter import ConnTrack, IpVs, SynProxy
from netstream.collect.netstat import NetStat
from netstream.collect.nfs import NfsClient, NfsServer
from netstream.collect.own import Own
from netstream.collect.power import PowerCap, PowerSupplies
from netstream.collect.pressure import CpuPressure, IoPressure, MemoryPressure
from netstream.collect.sctp import Sctp
from netstream.collect.snmp6 import Snmp6
from netstream.collect.sockstat import SockStat, SockStat6
from netstream.collect.softnet import SoftNet
from netstream.collect.stat import Stat
from netstream.collect.temperatures import HardwareMonitors, ThermalZones
from netstream.collect.timex import Timex
from netstream.collect.uptime import Uptime
from netstream.collect.vmstat import VMStat
from netstream.collect.zfs import ArcStats, ZfsPools
from netstream.collect.zram import ZramDisks

_PROC: Mapping[str, Sequence[MakeCollector]] = {
    "/proc/stat": (Stat,),
    "/proc/uptime": (Uptime,),
    "/proc/loadavg": (LoadAverage,),
    "/proc/sys/kernel/random/entropy_avail": (Entropy,),
    "/proc/pressure": (CpuPressure, IoPressure, MemoryPressure),
    "/proc/interrupts": (Interrupts,),
    "/proc/softirqs": (SoftIrqs,),
    "/proc/vmstat": (VMStat,),
    "/proc/meminfo": (MemInfo,),
    "/sys/kernel/mm/ksm": (Ksm,),
    "/sys/block/zram": (ZramDisks,),
    "/sys/devices/system/edac/mc": (Edac,),
    "/proc/net/dev": (NetDev,),
    "/proc/net/sockstat": (SockStat,),
    "/proc/net/sockstat6": (SockStat6,),
    "/proc/net/netstat": (NetStat, Snmp6),
    "/proc/net/sctp/snmp": (Sctp,),
    "/proc/net/softnet_stat": (SoftNet,),
    "/proc/net/ip_vs/stats": (IpVs,),
    "/proc/net/stat/conntrack": (ConnTrack,),
    "/proc/net/stat/synproxy": (SynProxy,),
    "/proc/diskstats": (DiskStats,),
    "/proc/mdstat": (MdStat,),
    "/proc/net/rpc/nfsd": (NfsServer,),
    "/proc/net/rpc/nfs": (NfsClient,),
    "/proc/spl/kstat/zfs/arcstats": (ArcStats,),
    "/proc/spl/kstat/zfs/pool/state": (ZfsPools,),
    "/proc/sys/fs/file-nr": (FileHandles,),
    "ipc": (Semaphores, MessageQueues, SharedMemory),
    "/sys/class/power_supply": (PowerSupplies,),
    "/sys/class/powercap": (PowerCap,),
    "/sys/class/hwmon": (HardwareMonitors,),
    "/sys/class/thermal": (ThermalZones,),
}

MODULES: Mapping[MakeCollector, str] = {make: option for option, makers in _PROC.items() for make in makers}
"""Options of C{[plugin:proc]} by the collectors that they switch off."""

PLUGINS: Mapping[str, Sequence[MakeCollector]] = {
    # It knows whose the network interfaces are that others show.
    "cgroups": (Cgroups,),
    "proc": tuple(MODULES),
    "diskspace": (Mounts,),
    "timex": (Timex,),
    "apps": (Apps,),
    "netstream monitoring": (Own,),
}
"""Collectors by the name that switches them off in C{[plugins]}."""

PATIENT = frozenset({Apps})
"""Those that measure in a thread, since they may have to wait."""

OPTIONAL = (
    Apps,
    ArcStats,
    Cgroups,
    ConnTrack,
    CpuPressure,
    Edac,
    FileHandles,
    HardwareMonitors,
    Interrupts,
    IoPressure,
    IpVs,
    Ksm,
    MdStat,
    MemoryPressure,
    MessageQueues,
    NetStat,
    NfsClient,
    NfsServer,
    PowerCap,
    PowerSupplies,
    Sctp,
    Semaphores,
    SharedMemory,
    Snmp6,
    SockStat,
    SockStat6,
    SoftIrqs,
    SoftNet,
    SynProxy,
    ThermalZones,
    ZfsPools,
    ZramDisks,
)
"""Collectors of what many machines do not have; that it is missing is no warning."""
