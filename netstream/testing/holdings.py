"""
What nodes of a world keep on disk, in all tiers, and how they come by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netstream.db.interfaces import IExchange, exchange_of
from netstream.model.chart import Chart, Dimension
from netstream.model.samples import SampleBatch
from netstream.model.updates import ChartDefined
from netstream.testing.world import World, WorldNode

HOUR = 3600


def exchange_at(node: WorldNode) -> IExchange:
    """
    @param node: It has a database on disk.
    @return: What its database can exchange.
    """
    found = exchange_of(node.hub.local.db)
    assert found is not None
    return found


def keep(world: World, node: WorldNode, owner: str, chart: str, first: int, last: int) -> None:
    """
    Have a node keep samples of a chart of two dimensions, from second to
    second.

    @param owner: Host name of whose chart it is.
    """
    host = node.hub.find(owner)
    assert host is not None
    host.apply(ChartDefined(Chart(chart, dimensions={"a": Dimension("a"), "b": Dimension("b")})))
    numbers = [host.table.number(chart, dimension) for dimension in ("a", "b")]
    for begin in range(first, last + 1, HOUR):
        times = np.arange(begin, min(begin + HOUR, last + 1))
        series = np.repeat(np.array(numbers, np.int32), len(times))
        time = np.tile(times, 2)
        value = (np.round(np.sin(time / 700) * 100) + series % 7).astype(np.float64)
        zeros = np.zeros(len(time), np.int64)
        batch = SampleBatch(host.table, series, time, zeros, value, zeros.astype(np.uint8), past=True)
        world.settle(host.db.append(batch))


def holdings(world: World, node: WorldNode, owner: str) -> Mapping[tuple[Any, ...], Any]:
    """
    @param owner: Host name or machine GUID.
    @return: All that is stored of a host and changes no more: the fields, by
        tier, second, chart and dimension.
    """
    exchange, host = exchange_at(node), node.hub.find(owner)
    found: dict[tuple[Any, ...], Any] = {}
    if host is None:
        return found
    for where in exchange.kept(host.info.guid):
        if where.samples > 0:
            charts = sorted(world.settle(exchange.counts(host.info.guid, where)))
            charts = [chart for chart in charts if not chart.startswith("netstream.")]
            cells, _ = world.settle(exchange.cells(host.info.guid, where, charts, 0, 10_000))
            for place, key in enumerate(cells.series):
                values = cells.fields[:, place]
                for row in np.flatnonzero(~np.isnan(values[0])).tolist():
                    found[where.tier, where.start + where.step * row, *key] = tuple(values[:, row].tolist())
    return found
