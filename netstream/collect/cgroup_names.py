"""
What control groups are called: containers, virtual machines, services.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

_NOT_PLAIN = re.compile(r"[^a-z0-9._-]")
_CONTAINER = re.compile(r".*/(?:docker|libpod)[-/](?P<id>[0-9a-f]{64})(?:\.scope)?(?:/|\Z)")
_NSPAWN = re.compile(r"/machine\.slice/(?P<name>[^/]+)\.service\Z")
_MACHINE = re.compile(r".*/machine-(?P<kind>qemu|lxc)\\x2d[0-9]+\\x2d(?P<name>.*)\.scope\Z")
_ESCAPED = "\\x2d"
"""How systemd writes a hyphen in a name."""
_SHORT = 12
"""Letters of a container's id that Docker shows."""


def plain(path: str) -> str:
    """
    @return: The path of a group as one word, of which charts can be named.
    """
    return _NOT_PLAIN.sub("_", path.strip("/").lower().replace(",", "."))


def chart_word(name: str) -> str:
    """
    @return: The same for a name; the type of a chart has no dot.
    """
    return plain(name).replace(".", "-")


class ContainerNames:
    """
    What Docker and Podman call the containers that they keep.

    It is read from their own files, which are for root: a node that runs as
    its own user shows the beginning of the id.
    """

    def __init__(self, var: Path) -> None:
        """
        @param var: C{/var}, or a tree like it.
        """
        self._docker = var / "lib" / "docker" / "containers"
        self._podman = var / "lib" / "containers" / "storage" / "overlay-containers" / "containers.json"

    def name(self, container: str) -> str:
        """
        @param container: Its whole id.
        @return: Its name, else the beginning of the id.
        """
        return self._of_docker(container) or self._of_podman(container) or container[:_SHORT]

    def _of_docker(self, container: str) -> str:
        try:
            found = json.loads((self._docker / container / "config.v2.json").read_bytes())["Name"]
        except (OSError, ValueError, LookupError, TypeError):
            return ""
        return found.strip("/") if isinstance(found, str) else ""

    def _of_podman(self, container: str) -> str:
        try:
            listed = json.loads(self._podman.read_bytes())
            return next((str(it["names"][0]) for it in listed if it["id"] == container), "")
        except (OSError, ValueError, LookupError, TypeError):
            return ""


def group_name(path: str, containers: ContainerNames) -> str:
    """
    @param path: Of the group, below the root of the tree.
    @return: What people call it.
    """
    if "/kubepods" in path or "-kubepods" in path:
        return f"k8s_{plain(path)}"
    container = _CONTAINER.match(path)
    if container:
        return containers.name(container["id"])
    machine = _MACHINE.match(path)
    if machine:
        return f"{machine['kind']}_{machine['name'].replace(_ESCAPED, '')}"
    nspawn = _NSPAWN.match(path)
    if nspawn:
        return nspawn["name"]
    return plain(path).removeprefix("lxc.payload.")
