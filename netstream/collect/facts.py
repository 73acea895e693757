"""
What a node says of itself: the machine, the system on it, and its labels.

All of it is read from files, once at start; nothing is executed and nothing is
asked over a network.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import netstream
from netstream.config.settings import Role, Settings
from netstream.model.host import HostInfo, Label
from netstream.session.labels import label_name, label_value

AUTOMATIC = 1
CONFIGURED = 2

SYSTEM_LABELS = {
    "_os_name": "NETDATA_SYSTEM_OS_NAME",
    "_os_version": "NETDATA_SYSTEM_OS_VERSION",
    "_kernel_version": "NETDATA_SYSTEM_KERNEL_VERSION",
    "_architecture": "NETDATA_SYSTEM_ARCHITECTURE",
    "_system_cores": "NETDATA_SYSTEM_CPU_LOGICAL_CPU_COUNT",
    "_system_cpu_freq": "NETDATA_SYSTEM_CPU_FREQ",
    "_system_ram_total": "NETDATA_SYSTEM_TOTAL_RAM",
    "_system_disk_space": "NETDATA_SYSTEM_TOTAL_DISK_SIZE",
    "_virtualization": "NETDATA_SYSTEM_VIRTUALIZATION",
    "_virt_detection": "NETDATA_SYSTEM_VIRT_DETECTION",
    "_container": "NETDATA_SYSTEM_CONTAINER",
    "_container_detection": "NETDATA_SYSTEM_CONTAINER_DETECTION",
    "_is_k8s_node": "NETDATA_HOST_IS_K8S_NODE",
}
"""Labels that repeat a fact of the system, by name."""

OS_RELEASE = {
    "NAME": "NETDATA_SYSTEM_OS_NAME",
    "ID": "NETDATA_SYSTEM_OS_ID",
    "ID_LIKE": "NETDATA_SYSTEM_OS_ID_LIKE",
    "VERSION": "NETDATA_SYSTEM_OS_VERSION",
    "VERSION_ID": "NETDATA_SYSTEM_OS_VERSION_ID",
}

MACHINES = (
    ("KVM", "kvm"),
    ("Amazon EC2", "amazon"),
    ("QEMU", "qemu"),
    ("VMware", "vmware"),
    ("VMW", "vmware"),
    ("innotek GmbH", "oracle"),
    ("VirtualBox", "oracle"),
    ("Xen", "xen"),
    ("Bochs", "bochs"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Hyper-V", "microsoft"),
    ("Google Compute Engine", "google"),
    ("OpenStack", "openstack"),
    ("DigitalOcean", "digitalocean"),
    ("Hetzner", "hetzner"),
)
"""What the firmware of a virtual machine calls itself, and what systemd calls that."""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\x00 \t\n")
    except OSError:
        return ""


def _os_release(root: Path) -> Mapping[str, str]:
    for name in ("etc/os-release", "usr/lib/os-release"):
        facts = {}
        for line in _text(root / name).splitlines():
            key, equals, value = line.strip().partition("=")
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            if equals and key in OS_RELEASE and value:
                facts[OS_RELEASE[key]] = value
        if facts:
            return {**facts, "NETDATA_SYSTEM_OS_DETECTION": f"/{name}"}
    return {}


def _virtualization(root: Path) -> tuple[str, str]:
    dmi = root / "sys/class/dmi/id"
    for name in ("product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version"):
        said = _text(dmi / name)
        for vendor, machine in MACHINES:
            if said.startswith(vendor) or vendor in said.split():
                return machine, "dmi"
    if hypervisor := _text(root / "sys/hypervisor/type"):
        return hypervisor, "/sys/hypervisor/type"
    if (root / "proc/xen").is_dir():
        return "xen", "/proc/xen"
    for line in _text(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            if "hypervisor" in value.split():
                return "vm-other", "/proc/cpuinfo"
            break
    return "none", "none"


def _container(root: Path) -> tuple[str, str]:
    if kind := _text(root / "run/systemd/container"):
        return kind, "/run/systemd/container"
    for setting in _text(root / "proc/1/environ").split("\x00"):
        key, _, value = setting.partition("=")
        if key == "container" and value:
            return value, "/proc/1/environ"
    for name, kind in ((".dockerenv", "docker"), ("run/.containerenv", "podman")):
        if (root / name).exists():
            return kind, f"/{name}"
    return "none", "none"


def _hertz(root: Path) -> int:
    kilohertz = _text(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    if kilohertz.isdigit():
        return int(kilohertz) * 1000
    for line in _text(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "cpu MHz":
            try:
                return round(float(value) * 1e6)
            except ValueError:
                return 0
    return 0


def _memory(root: Path) -> int:
    for line in _text(root / "proc/meminfo").splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "MemTotal:" and words[1].isdigit():
            return int(words[1]) * 1024
    return 0


def _disks(root: Path) -> Iterator[int]:
    try:
        names = sorted(os.listdir(root / "sys/block"))
    except OSError:
        return
    for name in names:
        sectors = _text(root / "sys/block" / name / "size")
        virtual = (root / "sys/devices/virtual/block" / name).exists()
        removable = _text(root / "sys/block" / name / "removable") == "1"
        if sectors.isdigit() and not virtual and not removable:
            yield int(sectors) * 512


def system_facts(root: Path = Path("/")) -> Mapping[str, str]:
    """
    The facts that a child tells of its machine when it connects.

    @param root: Below which C{etc}, C{proc} and C{sys} are.
    @return: By the names of the handshake; what is not known is left out.
    """
    kernel = os.uname()
    virtualization, virtualization_by = _virtualization(root)
    container, container_by = _container(root)
    kubernetes = "KUBERNETES_SERVICE_HOST" in os.environ
    facts = {
        **_os_release(root),
        "NETDATA_HOST_IS_K8S_NODE": "true" if kubernetes else "false",
        "NETDATA_SYSTEM_KERNEL_NAME": kernel.sysname,
        "NETDATA_SYSTEM_KERNEL_VERSION": kernel.release,
        "NETDATA_SYSTEM_ARCHITECTURE": kernel.machine,
        "NETDATA_SYSTEM_VIRTUALIZATION": virtualization,
        "NETDATA_SYSTEM_VIRT_DETECTION": virtualization_by,
        "NETDATA_SYSTEM_CONTAINER": container,
        "NETDATA_SYSTEM_CONTAINER_DETECTION": container_by,
        "NETDATA_SYSTEM_CPU_LOGICAL_CPU_COUNT": str(os.cpu_count() or ""),
        "NETDATA_SYSTEM_CPU_FREQ": str(_hertz(root) or ""),
        "NETDATA_SYSTEM_TOTAL_RAM": str(_memory(root) or ""),
        "NETDATA_SYSTEM_TOTAL_DISK_SIZE": str(sum(_disks(root)) or ""),
    }
    return {name: value for name, value in facts.items() if value}


def timezone_name(root: Path = Path("/")) -> str:
    """
    @return: IANA name of the time zone of this machine; C{unknown} if nothing
        tells it.
    """
    if zone := os.environ.get("TZ", "").lstrip(":"):
        return zone.partition("zoneinfo/")[2] or zone
    if zone := _text(root / "etc/timezone"):
        return zone.split()[0]
    try:
        target = os.readlink(root / "etc/localtime")
    except OSError:
        return "unknown"
    return target.partition("zoneinfo/")[2] or "unknown"


def host_info(guid: str, hostname: str, update_every: int, *, timezone: str = "", root: Path = Path("/")) -> HostInfo:
    """
    Introduce this node.

    @param guid: Its machine GUID.
    @param update_every: Its base period, seconds.
    @param timezone: IANA name, if the settings say it.
    @param root: Below which C{etc}, C{proc} and C{sys} are.
    """
    now = time.localtime()
    return HostInfo(
        guid=guid,
        hostname=hostname,
        registry_hostname=hostname,
        update_every=update_every,
        os="linux" if sys.platform.startswith("linux") else sys.platform,
        timezone=timezone or timezone_name(root),
        abbrev_timezone=now.tm_zone or "UTC",
        utc_offset=now.tm_gmtoff or 0,
        program="netstream",
        version=netstream.__version__,
        system=system_facts(root),
    )


def _yes(value: bool) -> str:
    return "true" if value else "false"


def host_labels(settings: Settings, root: Path = Path("/")) -> Mapping[str, Label]:
    """
    The labels of this node: what it finds out itself, then what C{[host
    labels]} says, which wins.

    @param root: Below which C{etc}, C{proc} and C{sys} are.
    """
    facts = system_facts(root)
    automatic = {name: facts[fact] for name, fact in SYSTEM_LABELS.items() if fact in facts}
    automatic["_hostname"] = settings.node.hostname
    automatic["_os"] = "linux" if sys.platform.startswith("linux") else sys.platform
    automatic["_timezone"] = settings.node.timezone or timezone_name(root)
    automatic["_is_parent"] = _yes(settings.role in (Role.PARENT, Role.PROXY))
    if settings.stream.enabled and settings.stream.destinations:
        automatic["_streams_to"] = " ".join(destination.text for destination in settings.stream.destinations)
    labels = {name: Label(label_value(value), AUTOMATIC) for name, value in automatic.items()}
    labels["_is_ephemeral"] = Label(_yes(settings.node.ephemeral), CONFIGURED)
    labels["_has_unstable_connection"] = Label(_yes(settings.node.unstable_connection), CONFIGURED)
    for name, value in settings.host_labels.items():
        if name := label_name(name):
            labels[name] = Label(label_value(value), CONFIGURED)
    return labels
