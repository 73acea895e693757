"""
Averages over another time than that of a sample: so much a minute, an hour.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from netstream.db.interfaces import Columns, IMetricsDB, SeriesKey, Window

_AVERAGES = frozenset(("average", "avg", "mean"))


async def resampled(
    db: IMetricsDB, node: str, series: Sequence[SeriesKey], plan: Window, method: str, argument: str, unit: int
) -> Columns:
    """
    Read samples as L{IMetricsDB.query} does, but make averages for a longer
    time, as agents do: of a row the sum of its samples, divided by how often
    this time is in it.  Other methods know of no time.

    @param unit: Seconds that averages are told for.
    """
    if method not in _AVERAGES:
        return await db.query(node, series, plan, method, argument)
    columns = await db.query(node, series, plan, "sum", argument)
    return evolve(columns, values=columns.values / (plan.step / unit))
