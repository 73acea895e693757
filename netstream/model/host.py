"""
What is known of a node that is not a chart.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class HostInfo:
    """
    One node, as it introduced itself.

    @ivar guid: Machine GUID, lower case: the identity.
    @ivar hostname: Its name, which need not be unique and may change.
    @ivar update_every: Its base collection period in seconds.
    @ivar utc_offset: Seconds east of UTC.
    @ivar hops: Distance from the origin: 0 for the node itself, 1 for a child
        that is connected to us, and one more for each proxy between.
    @ivar program: Name of the program at the origin, such as C{netdata}.
    @ivar version: Version of the program at the origin.
    @ivar system: System facts under the names of the handshake
        (C{NETDATA_SYSTEM_OS_NAME} and so on), those with a value only.
    """

    guid: str
    hostname: str
    registry_hostname: str = ""
    update_every: int = 1
    os: str = "linux"
    timezone: str = ""
    abbrev_timezone: str = "UTC"
    utc_offset: int = 0
    hops: int = 0
    program: str = "netstream"
    version: str = ""
    ml_capable: bool = False
    ml_enabled: bool = False
    system: Mapping[str, str] = field(factory=dict)


@frozen
class Label:
    """
    A label of a host or chart.

    @ivar source: Who gave it: 1 automatic, 2 configuration, 4 Kubernetes,
        8 cloud; may be combined.
    """

    value: str
    source: int = 1


@frozen
class Function:
    """
    A function that a node offers to those who look at it.

    @ivar chart: Chart id it belongs to, or C{""} for the whole node.
    @ivar timeout: Seconds after which a caller gives up.
    """

    name: str
    timeout: int = 10
    help: str = ""
    chart: str = ""
    tags: str = "top"
    access: int = 0
    priority: int = 100
    version: int = 0
