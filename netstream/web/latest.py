"""
C{allmetrics} for programs and shells: the newest value of everything.
"""

from __future__ import annotations

import math
import re

from orjson import Fragment

from netstream.health.alerts import Alert
from netstream.health.engine import HostAlerts
from netstream.hub.hub import Host
from netstream.model.chart import Chart, Dimension
from netstream.model.pattern import SimplePattern
from netstream.turns import Turns
from netstream.web.answer import Members
from netstream.web.charts import fitting, newest

DECIMALS = 7
"""Digits after the point, as agents write them."""

_NOT_IN_NAMES = re.compile(r"[^A-Z0-9_]")
_NOT_IN_COMMENTS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


async def taken(host: Host, chosen: SimplePattern | None, turns: Turns) -> list[Chart]:
    """
    @param chosen: Which charts, by id or name; L{None} is all.
    @return: The charts of which C{allmetrics} tells.
    """

    def fits(chart: Chart) -> bool:
        if chart.hidden or chart.obsolete or not chart.dimensions:
            return False
        return chosen is None or chosen.matches(chart.id) or chosen.matches(chart.name)

    return await fitting(host.charts.values(), fits, turns)


def _number(value: float) -> float | None:
    return round(value, DECIMALS) if math.isfinite(value) else None


async def tree(host: Host, chosen: SimplePattern | None, turns: Turns) -> Fragment:
    """
    @param chosen: Which charts, by id or name; L{None} is all.
    @return: What C{allmetrics?format=json} answers.
    """
    found = Members()
    of, find = host.latest.of, host.table.find
    for chart in await taken(host, chosen, turns):
        await turns.breathe()
        told = {
            "name": chart.name,
            "family": chart.family,
            "context": chart.context,
            "units": chart.units,
            "last_updated": newest(host, chart),
            "dimensions": {
                d.id: {"name": d.name, "value": _number(of(find(chart.id, d.id))[1])} for d in chart.dimensions.values()
            },
        }
        found.add(chart.id, told)
    return found.whole()


def _variable(*parts: str) -> str:
    return "_".join(_NOT_IN_NAMES.sub("_", part.upper()) for part in ("NETDATA", *parts))


def _whole(value: float) -> int:
    """
    @return: The nearest whole number; of two the one farther from 0, as agents
        have it.
    """
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _upright(dimension: Dimension, value: float) -> int | None:
    """
    @return: The value as a whole number; one that is negative only to be drawn
        downward is positive here.
    """
    if not math.isfinite(value):
        return None
    return _whole(-value if dimension.multiplier < 0 or dimension.divisor < 0 else value)


def _comment(text: str) -> str:
    return _NOT_IN_COMMENTS.sub(" ", text)


def _alarm(alert: Alert, chart: Chart, units: str) -> str:
    name = "ALARM", chart.name, alert.name
    value = str(_whole(alert.value)) if math.isfinite(alert.value) else ""
    return (
        f'{_variable(*name, "VALUE")}="{value}"      # {_comment(units)}\n'
        f'{_variable(*name, "STATUS")}="{alert.status.name}"'
    )


async def shell(host: Host, chosen: SimplePattern | None, turns: Turns, these: HostAlerts | None = None) -> bytes:
    """
    @param chosen: Which charts, by id or name; L{None} is all.
    @param these: The alerts of the host, if anything watches it; each is told
        of, whatever was chosen.
    @return: What C{allmetrics?format=shell} answers: lines that a shell can
        source, whatever the charts are called.
    """
    out: list[str] = []
    of, find = host.latest.of, host.table.find
    for chart in await taken(host, chosen, turns):
        await turns.breathe()
        numbers = {d.id: _upright(d, of(find(chart.id, d.id))[1]) for d in chart.dimensions.values()}
        units = _comment(chart.units)
        out.append(f"\n# chart: {_comment(chart.id)} (name: {_comment(chart.name)})")
        for dimension in chart.dimensions.values():
            value = numbers[dimension.id]
            text = "" if value is None else str(value)
            out.append(f'{_variable(chart.name, dimension.name)}="{text}"      # {units}')
        total = sum(numbers[d.id] or 0 for d in chart.dimensions.values() if not d.hidden)
        out.append(f'{_variable(chart.name, "VISIBLETOTAL")}="{total}"      # {units}')
    out.append("\n# NETDATA ALARMS RUNNING")
    if these is not None:
        for alert in tuple(these.alerts.values()):
            await turns.breathe()
            watched = host.charts.get(alert.chart)
            if watched is not None:
                out.append(_alarm(alert, watched, these.units(alert, watched)))
    return ("\n".join(out) + "\n").encode("utf-8", "replace")
