"""
Questions for data: what a client asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from attrs import frozen

from netstream.db.windows import RELATIVE
from netstream.web.answer import Refusal
from netstream.web.charts import label_patterns
from netstream.web.target import Parameters, starred

MOST_ROWS = 86400
"""Rows of an answer; more are folded."""
MOST_TIERS = 5
"""Of any agent."""

FAR = 10**11
AFTER = -600
"""Where a window begins if nothing says more."""
_FIXED = 10**9

OPTIONS = {
    "nonzero": "nonzero",
    "flip": "flip",
    "reversed": "flip",
    "reverse": "flip",
    "jsonwrap": "jsonwrap",
    "min2max": "min2max",
    "ms": "ms",
    "milliseconds": "ms",
    "abs": "abs",
    "absolute": "abs",
    "absolute-sum": "abs",
    "absolute_sum": "abs",
    "seconds": "seconds",
    "null2zero": "null2zero",
    "objectrows": "objectrows",
    "percentage": "percentage",
    "unaligned": "unaligned",
    "match-ids": "match-ids",
    "match_ids": "match-ids",
    "match-names": "match-names",
    "match_names": "match-names",
    "all-dimensions": "all-dimensions",
    "all_dimensions": "all-dimensions",
    "anomaly-bit": "anomaly-bit",
    "anomaly_bit": "anomaly-bit",
    "jw-anomaly-rates": "jw-anomaly-rates",
    "jw_anomaly_rates": "jw-anomaly-rates",
    "selected-tier": "selected-tier",
    "selected_tier": "selected-tier",
    "label-quotes": "label-quotes",
    "label_quotes": "label-quotes",
    "average": "average",
    "min": "min",
    "max": "max",
}
"""Words of C{options} and what they are called in an answer, in its order."""


Numbers = tuple[int | None, int | None, int | None]
"""What a request has for C{after}, C{before} and C{points}; L{None} for what is
not there."""
_WINDOW: Final = frozenset(("after", "before", "points"))


@frozen(cache_hash=True)
class Terms:
    """
    What a client asked for, whatever the window: those who look at another
    part of a chart ask in the same terms.

    @ivar options: Canonical names of L{OPTIONS}.
    @ivar labels: Lists of patterns of C{name} or C{name:value}: a chart has a
        label that fits each of them.
    @ivar unit: Seconds that averages are told for; 0 for those of a sample.
    @ivar tier: The tier of which each row is told where no C{points} are; -1 for
        any.
    """

    chart: str
    context: str
    dimensions: str
    method: str
    argument: str
    format: str
    options: frozenset[str]
    labels: Sequence[str] = ()
    label_key: str = ""
    unit: int = 0
    tier: int = -1

    @classmethod
    def parse(cls, parameters: Parameters) -> Terms:
        """
        @raise BadParameter: A number is none, or patterns have too many stars.
        @raise Refusal: Neither chart nor context is named.
        """
        return _terms(tuple([pair for pair in parameters.values.items() if pair[0] not in _WINDOW]))

    @property
    def label_keys(self) -> list[str]:
        """
        The labels of which an answer about contexts tells.
        """
        return [key for key in self.label_key.replace("|", ",").split(",") if key]

    @property
    def option_words(self) -> str:
        """
        The options as an answer repeats them.
        """
        return ",".join(dict.fromkeys(o for o in OPTIONS.values() if o in self.options))


@lru_cache(512)
def _terms(pairs: tuple[tuple[str, str], ...]) -> Terms:
    parameters = Parameters(dict(pairs))
    chart, context = parameters.patterns("chart"), parameters.patterns("context")
    if not chart and not context:
        raise Refusal(400, "No chart or context is given.\n")
    words = [*parameters.words("options"), *(["selected-tier"] if parameters.text("tier") else [])]
    named = [name for name in ("dimensions", "dimension", "dims", "dim") if parameters.text(name)]
    return Terms(
        chart,
        context,
        starred(" and ".join(named), "|".join(map(parameters.text, named))),
        parameters.text("group", "time_group", default="average"),
        parameters.text("group_options"),
        parameters.text("format", default="json"),
        frozenset(OPTIONS[word] for word in words if word in OPTIONS),
        tuple(label_patterns(parameters)),
        parameters.text("chart_label_key"),
        parameters.number("gtime", 0, 0, RELATIVE),
        parameters.number("tier", -1, -1, MOST_TIERS),
    )


@frozen
class Question:
    """
    What a client asked for.

    @ivar after: First second wanted, as the client wrote it.
    @ivar before: Last second wanted, as the client wrote it.
    @ivar points: Rows wanted; 0 is one for each stored point.
    """

    terms: Terms
    after: int
    before: int
    points: int

    @classmethod
    def parse(cls, parameters: Parameters) -> Question:
        """
        @raise BadParameter: A number is none.
        @raise Refusal: Neither chart nor context is named.
        """
        number = parameters.number
        return cls(
            Terms.parse(parameters),
            number("after", AFTER, -FAR, FAR),
            number("before", 0, -FAR, FAR),
            number("points", 0, 0, MOST_ROWS),
        )

    @property
    def settled(self) -> bool:
        """
        Whether both ends are fixed seconds, so that the same question will
        have the same answer.
        """
        return is_settled(self.after, self.before)


def within(after: int | None, before: int | None, points: int | None) -> tuple[int, int, int]:
    """
    @return: What L{Question.parse} makes of these numbers, of eleven digits at
        most.
    """
    if points is None or points < 0:
        points = 0
    return (
        AFTER if after is None else after,
        0 if before is None else before,
        MOST_ROWS if points > MOST_ROWS else points,
    )


def is_settled(after: int | None, before: int | None) -> bool:
    """
    @return: Whether both ends are fixed seconds, so that the same question will
        have the same answer.
    """
    return after is not None and after > _FIXED and before is not None and before > _FIXED


def begin_of(window: Numbers, last: int, now: int) -> int:
    """
    @param last: The newest second that is stored.
    @param now: The current second.
    @return: About where a window begins.
    """
    after, before, _ = within(*window)
    if abs(after) > RELATIVE:
        return after
    end = last if before == 0 else before if abs(before) > RELATIVE else now - abs(before)
    return end - abs(after)
