"""
What feeds this node besides its own collectors: values of their options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen


@frozen
class PluginOptions:
    """
    Section C{[plugin:NAME]}, of one external plugin.

    @ivar update_every: Seconds; 0 is that of the node.
    @ivar arguments: After the period, one word each.
    """

    update_every: int = 0
    arguments: Sequence[str] = ()


@frozen
class PluginSettings:
    """
    External plugins: C{[directories] plugins}, and what C{[plugins]} says of
    them besides their names.

    @ivar directories: Where they are looked for.
    @ivar stock: Directory of the configuration that came with them; L{None}
        is C{conf.d} beside their directory.
    @ivar new: Whether those run of which nothing is said.
    @ivar look_every: Seconds between two looks for new ones; 0 is never.
    @ivar options: By name.
    """

    directories: Sequence[Path] = ()
    stock: Path | None = None
    new: bool = True
    look_every: int = 60
    options: Mapping[str, PluginOptions] = field(factory=dict)


@frozen
class FeedSettings:
    """
    What feeds this node besides its own collectors.
    """

    plugins: PluginSettings = PluginSettings()
