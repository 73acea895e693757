"""
Badges: the value of a chart or an alert as a small picture, for pages
elsewhere.

Who shows a badge sees a picture and nothing else, so what is wrong with a
question is said in one as well.
"""

from __future__ import annotations

import math
import re

from attrs import evolve

from netstream.health.alerts import Alert, Status
from netstream.health.engine import HostAlerts
from netstream.health.numbers import MOST_DECIMALS, value_text
from netstream.hub.hub import Host
from netstream.model.chart import Chart
from netstream.turns import Turns
from netstream.web.answer import Answer, Refusal
from netstream.web.charts import named, newest
from netstream.web.features import BADGES
from netstream.web.formats import folded
from netstream.web.query import Choices, view
from netstream.web.questions import FAR, MOST_ROWS, OPTIONS, Question, Terms
from netstream.web.svg import COLORS, LARGEST_SCALE, WIDEST, Badge, color_of
from netstream.web.target import Parameters, Target

CONTENT_TYPE = "image/svg+xml"
LONGEST_REFRESH = 86400
"""Seconds."""
UNSIGNED = frozenset(("display-absolute", "display_absolute"))
"""Options that show a value without its sign, which its colour still heeds."""
_LATE = 5
"""Seconds that a sample may be on its way, however often one is collected."""
_UNKNOWN = "555"
_STATUS_COLORS = {
    Status.CRITICAL: "red",
    Status.WARNING: "orange",
    Status.CLEAR: "brightgreen",
    Status.UNDEFINED: "lightgrey",
    Status.UNINITIALIZED: "000",
}
_CONDITION = re.compile(r"([^<>={}():!]*)(?:(<=|>=|!=|<>|[<>={}():!])(.*))?\Z", re.DOTALL)
_SAME = {"{": "<", "}": ">", "(": "<=", ")": ">=", "!": "!=", "<>": "!=", ":": "="}
_WHOLE = re.compile(r"\s*[+-]?\d{1,18}", re.ASCII)
_LARGEST = 10**15


def _fits(value: float, operator: str, limit: str) -> bool:
    if limit.strip().lower() == "null":
        return math.isnan(value) == (operator == "=")
    if math.isnan(value):
        return False
    written = _WHOLE.match(limit)
    number = int(written[0]) if written else 0
    return {
        "<": value < number,
        ">": value > number,
        "<=": value <= number,
        ">=": value >= number,
        "=": value == number,
        "!=": value != number,
    }[operator]


def value_color(text: str, value: float) -> str:
    """
    @param text: A list such as C{red>90|yellow>=70|grey:null|green}.
    @param value: NaN if there is none.
    @return: Hexadecimal digits of the first colour whose condition fits, else
        of the last one; without any, what a badge has of itself.
    """
    color = ""
    for choice in text.split("|"):
        color, operator, limit = _CONDITION.match(choice).groups()  # type: ignore[union-attr]  # it fits any text
        if operator is None or _fits(value, _SAME.get(operator, operator), limit):
            break
    if color := color.strip():
        return color_of(color, _UNKNOWN)
    return "999" if math.isnan(value) else COLORS["brightgreen"]


def _answer(badge: Badge, status: int = 200, refresh: int = 0) -> Answer:
    headers = {"Cross-Origin-Resource-Policy": "cross-origin"}  # pages elsewhere may show it
    if refresh:
        headers["Refresh"] = str(refresh)
    return Answer(badge.drawn(), CONTENT_TYPE, status, headers=headers)


def failed(label: str, scale: int = 100) -> Answer:
    """
    @return: A badge that says what is wrong.
    """
    return _answer(Badge(label, "-", scale=scale))


def pictured_for(target: Target, refusal: Answer) -> Answer:
    """
    @param refusal: A text.
    @return: Where a badge was asked for the first line of it as one, else the
        text.
    """
    if target.place.feature != BADGES:
        return refusal
    text = refusal.body.decode().strip()
    badge = _answer(Badge(text.partition("\n")[0], "-", title=text), refusal.status)
    return evolve(badge, headers={**refusal.headers, **badge.headers})


class _Asked:
    """
    How a badge shall look and what it shall say.
    """

    def __init__(self, parameters: Parameters) -> None:
        """
        @raise BadParameter: A number is none.
        """
        self.parameters = parameters
        self.multiply = parameters.number("multiply", 1, -_LARGEST, _LARGEST) or 1
        self.divide = parameters.number("divide", 1, -_LARGEST, _LARGEST) or 1
        self.precision = parameters.number("precision", -1, -1, MOST_DECIMALS)
        self.scale = parameters.number("scale", 100, 100, LARGEST_SCALE)
        widths = [parameters.number(f"fixed_width_{side}", -1, -1, WIDEST) for side in ("lbl", "val")]
        self.widths = (widths[0], widths[1]) if min(widths) > 0 else None
        self.dimensions = parameters.patterns("dimensions", "dimension", "dims", "dim")

    def question(self, chart: Chart) -> Question:
        """
        @return: What the value is folded from.
        @raise BadParameter: A number is none.
        """
        parameters = self.parameters
        terms = Terms(
            chart.id,
            "",
            self.dimensions,
            parameters.text("group", "time_group", default="average"),
            parameters.text("group_options"),
            "array",
            frozenset(OPTIONS[word] for word in parameters.words("options") if word in OPTIONS),
        )
        return Question(
            terms,
            parameters.number("after", -chart.update_every, -FAR, FAR),
            parameters.number("before", 0, -FAR, FAR),
            parameters.number("points", 1, 1, MOST_ROWS),
        )

    def refresh(self, usual: int) -> int:
        """
        @param usual: Seconds that C{auto} means.
        @return: Seconds after which a page shall look again; 0 is never.
        @raise BadParameter: It is no number.
        """
        if self.parameters.text("refresh") == "auto":
            return min(max(1, usual), LONGEST_REFRESH)
        return abs(self.parameters.number("refresh", 0, -LONGEST_REFRESH, LONGEST_REFRESH))

    def badge(self, label: str, value: float, units: str, status_color: str = "") -> Badge:
        """
        @param label: What it says where nobody said otherwise, as with units.
        @param value: NaN if there is none.
        @param status_color: Its colour, where nobody wants another.
        """
        asked = self.parameters
        value = value * self.multiply / self.divide
        colors = asked.text("value_color", default=status_color)
        shown = abs(value) if not UNSIGNED.isdisjoint(asked.words("options")) else value
        return Badge(
            asked.text("label", default=label),
            value_text(shown, asked.text("units", default=units), self.precision),
            color_of(asked.text("label_color"), "555"),
            value_color(colors, value),
            color_of(asked.text("text_color_lbl"), "fff"),
            color_of(asked.text("text_color_val"), "fff"),
            self.scale,
            self.widths,
        )


def _of_alert(asked: _Asked, these: HostAlerts, alert: Alert, chart: Chart) -> Answer:
    color = _STATUS_COLORS.get(alert.status, "grey")
    units = these.units(alert, chart)
    value = alert.value if math.isfinite(alert.value) else math.nan
    badge = asked.badge(alert.name.replace("_", " "), value, units, color)
    return _answer(badge, refresh=asked.refresh(alert.every))


async def _of_chart(asked: _Asked, host: Host, chart: Chart, missed: int, turns: Turns) -> Answer:
    now = int(turns.clock.seconds())
    question = asked.question(chart)
    value, refresh = math.nan, 0
    patience = max(_LATE, chart.update_every * (missed + 2))
    if question.before > 0 or newest(host, chart) >= now - patience:
        refresh = asked.refresh(_width(question, now) // question.points)
        try:
            found = await view(host, question, now, Choices(turns))
        except Refusal as nothing:
            if nothing.status != 404:
                raise
            refresh = 0
        else:
            values = folded(found)
            if len(values):
                value = float(values[0 if "flip" in question.terms.options else -1])
    if not math.isfinite(value):
        value = math.nan
    units = "%" if "percentage" in question.terms.options else chart.units
    return _answer(asked.badge(asked.dimensions.lstrip("|") or chart.name, value, units), refresh=refresh)


def _width(question: Question, now: int) -> int:
    """
    @return: Seconds of the window that is asked for.
    """
    before = question.before if question.before > 0 else now + question.before
    return before - question.after if question.after > 0 else -question.after


async def badge(host: Host, parameters: Parameters, these: HostAlerts | None, missed: int, turns: Turns) -> Answer:
    """
    @param these: The alerts of the host, if anything watches it.
    @param missed: Points of a chart that may be missing without a gap.
    @param turns: Tells the time, and lets other work go on in between.
    @return: The badge that is asked for, or one that says what is not there.
    @raise BadParameter: A number is none.
    @raise Refusal: It cannot be answered; L{pictured_for} shows why.
    """
    asked = _Asked(parameters)
    name, alarm = parameters.text("chart"), parameters.text("alarm")
    if not name:
        raise Refusal(400, "No chart id is given at the request.")
    chart = named(host, name)
    if chart is None:
        return failed("chart not found", asked.scale)
    if not alarm:
        return await _of_chart(asked, host, chart, missed, turns)
    alert = these.alerts.get((chart.id, alarm)) if these is not None else None
    if these is None or alert is None:
        return failed("alarm not found", asked.scale)
    return _of_alert(asked, these, alert, chart)
