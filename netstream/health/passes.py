"""
One pass over the alerts of a host: what is due, asked of the database in
batches, worked out in slices between which other work goes on.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.db.interfaces import UnknownMethod
from netstream.db.messages import Unavailable
from netstream.health.alerts import Alert, Transition
from netstream.health.engine import HostAlerts
from netstream.health.questions import Question

SLICE = 250
"""Alerts that are looked at at once."""

_log = Logger()


async def evaluate(these: HostAlerts, now: int, clock: IReactorTime) -> list[Transition]:
    """
    Evaluate what is due of a host.

    @param now: UTC second.
    @param clock: Lets other work go on in between.
    @return: What has happened.
    """
    due = these.due(now)
    host = these.host
    guid = host.info.guid
    wanted = these.spans_wanted(due, now)
    if wanted:
        try:
            these.span(wanted, await host.db.bounds(guid, wanted), now)
        except Unavailable:
            return []  # as below
    happened: list[Transition] = []
    ready: list[Alert] = []
    for start in range(0, len(due), SLICE):
        if start:
            await deferLater(clock, 0)
        runnable, questions, gone = these.ask(due[start : start + SLICE], now)
        happened += gone
        unanswered: set[int] = set()
        for question in questions:
            if not await answered(these, question):
                unanswered.update(question.waiting)
        runnable = [alert for alert in runnable if id(alert) not in unanswered]
        these.compute(runnable, now)
        ready += runnable
    for start in range(0, len(ready), SLICE):
        if start:
            await deferLater(clock, 0)
        # Meanwhile some may have been replaced.
        part = [alert for alert in ready[start : start + SLICE] if these.alerts.get((alert.chart, alert.name)) is alert]
        happened += these.judge(part, now)
    return happened


async def answered(these: HostAlerts, question: Question) -> bool:
    """
    Have a question answered.

    @return: Whether it was.
    """
    host, window = these.host, question.window
    try:
        if question.anomalies:
            columns = await host.db.read(host.info.guid, question.series, window.after, window.before)
        else:
            columns = await host.db.query(host.info.guid, question.series, window, question.method, question.condition)
    except UnknownMethod as problem:
        _log.error("{host}: {problem}", host=host.info.hostname, problem=str(problem))
        return False
    except Unavailable:
        return False  # a process of this node is being started again, as the log says
    except Exception:
        _log.failure("{host}: a lookup of alerts was not answered", Failure(), host=host.info.hostname)
        return False
    question.answer(columns)
    return True
