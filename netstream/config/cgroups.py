"""
Which control groups are shown.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from netstream.model.pattern import SimplePattern, pattern

SHOWN = (
    "!*/init.scope !/system.slice/run-*.scope *.scope /machine.slice/*.service */kubepods/pod*/* */kubepods/*/pod*/*"
    " */*-kubepods-pod*/* */*-kubepods-*-pod*/* !*kubepods* !*kubelet* !*/vcpu* !*/emulator !*.mount !*.partition"
    " !*.service !*.socket !*.slice !*.swap !*.user !/ !/docker !*/libvirt !/lxc !/lxc/*/* !/lxc.monitor*"
    " !/lxc.pivot !/lxc.payload !/machine !/qemu !/system !/systemd !/user *"
)
SEARCHED = (
    "!*/init.scope !*-qemu !*.libvirt-qemu !/init.scope !/system !/systemd !/user !/user.slice !/lxc/*/*"
    " !/lxc.monitor !/lxc.payload/*/* !/lxc.payload.* *"
)
RENAMED = (
    "!/ !*.mount !*.socket !*.partition /machine.slice/*.service !*.service !*.slice !*.swap !*.user !init.scope"
    " !*.scope/vcpu* !*.scope/emulator *.scope *docker* *lxc* *qemu* */kubepods/pod*/* */kubepods/*/pod*/*"
    " */*-kubepods-pod*/* */*-kubepods-*-pod*/* !*kubepods* !*kubelet* *.libvirt-qemu *"
)
SERVICES = "!/system.slice/*/*.service /system.slice/*.service"


@frozen
class CgroupSettings:
    """
    Section C{[plugin:cgroups]}; patterns are of paths of groups.

    @ivar search_every: Seconds between two searches for groups.
    @ivar unified: Whether version 2 is read: C{yes}, C{no}, or C{auto} for
        what there is.
    @ivar unified_path: Its root; C{""} is the usual one.
    @ivar paths: Roots of hierarchies of version 1 that are not the usual
        ones, by controller.
    @ivar most: How many groups are shown at most.
    @ivar deepest: How many levels are searched; 0 is all.
    @ivar shown: Groups that have charts.
    @ivar shown_names: The same, by the name they were given.
    @ivar searched: Groups that may have groups below them.
    @ivar renamed: Groups that are shown by the name of the container or the
        machine, not by their path.
    @ivar services: Whether there are charts of systemd's services.
    @ivar service_groups: Which groups those are.
    """

    search_every: int = 10
    unified: str = "auto"
    unified_path: str = ""
    paths: Mapping[str, str] = field(factory=dict)
    most: int = 1000
    deepest: int = 0
    shown: SimplePattern = pattern(SHOWN)
    shown_names: SimplePattern = pattern("*")
    searched: SimplePattern = pattern(SEARCHED)
    renamed: SimplePattern = pattern(RENAMED)
    services: bool = True
    service_groups: SimplePattern = pattern(SERVICES)
