"""
What an exporter shows, as text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import field, frozen
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from netstream.collect.prometheus.points import SPECIAL, About, Series, kind_of
from netstream.config.feeds import ScrapeTarget

OPEN_METRICS = "application/openmetrics-text"


@frozen
class Page:
    """
    What one scrape gave.

    @ivar points: Series and value, each series once.
    @ivar about: What is said of metrics, by the name of their series.
    @ivar doubled: Series that came more than once.
    @ivar excess: Series beyond what is taken of one page.
    """

    points: list[tuple[Series, float]] = field(factory=list)
    about: dict[str, About] = field(factory=dict)
    doubled: int = 0
    excess: int = 0


def read(text: str, content_type: str, target: ScrapeTarget) -> Page:
    """
    Read a page, and keep what the target says.

    @raise ValueError: It is not in that format.
    """
    parse = open_metrics if content_type.startswith(OPEN_METRICS) else plain
    found: dict[Series, float] = {}
    about: dict[str, About] = {}
    doubled = excess = 0
    for family in parse(text):
        for name, labels, value in _samples(family):
            if not target.metrics.matches(name):
                continue
            series = _series(name, labels, family.type, target)
            if series is None:
                continue
            if series in found:
                doubled += 1
            elif len(found) >= target.most_series:
                excess += 1
            else:
                found[series] = value
                about[name] = About(family.type, family.documentation, family.unit)
    return Page(list(found.items()), about, doubled, excess)


def _samples(family: Metric) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for sample in family.samples:
        if sample.name.endswith("_created") and family.type in ("counter", "histogram", "summary"):
            continue
        yield sample.name, sample.labels, float(sample.value)


def _series(name: str, labels: Mapping[str, str], declared: str, target: ScrapeTarget) -> Series | None:
    """
    @return: L{None} if it is not wanted.
    """
    for label, pattern in target.wanted.items():
        if not pattern.matches(labels.get(label, "")):
            return None
    kind = kind_of(name, labels, declared)
    kept = {label: value for label, value in labels.items() if label in SPECIAL or target.labels.matches(label)}
    kept.update(target.added)
    return Series(name, tuple(sorted(kept.items())), kind)
