"""
Files of C{statsd.d}: charts that are made of several metrics of statsd.

They are the files of a Netdata agent, which goes on after a line that makes no
sense; so does this node, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from netstream.config.errors import at
from netstream.config.layers import Warnings
from netstream.config.options import BOOLEAN, whole
from netstream.config.synthetic import SELECTORS, App, Line, SyntheticChart
from netstream.model.pattern import pattern

DIRECTORY = "statsd.d"
"""Below that of the configuration."""

CHART_TYPES = ("line", "area", "stacked")

_APP, _DICTIONARY, _PATTERN = "app", "dictionary", "pattern"
_WORD = re.compile(r"'([^']*)'?|\"([^\"]*)\"?|(\S+)")
_DEFAULTS = ("", SELECTORS[0], "1", "1")
"""Of the words after the metric."""

_MOST = (1 << 31) - 1
_PRIORITY = whole(1, 1_000_000)
_UNUSED = ("memory mode", "history")
"""Options of an application that mean nothing here, as a node has one database."""


@define
class _Reading:
    """
    One file, as far as it was read.

    @ivar place: Of the line, for messages.
    """

    file: str
    warnings: Warnings
    apps: list[App] = field(factory=list)
    place: str = ""

    def doubt(self, message: str) -> None:
        """
        Warn about the line.
        """
        self.warnings.line(self.place + message)

    def boolean(self, text: str) -> bool:
        """
        @return: What it means; of what is odd is said so.
        """
        doubt = BOOLEAN.doubt(text)
        if doubt:
            self.doubt(doubt)
        return bool(BOOLEAN.read(text))

    def app(self, name: str, value: str) -> None:
        """
        Take in an option of C{[app]}.
        """
        match name:
            case "name":
                self.apps[-1] = evolve(self.apps[-1], name=value or App().name)
            case "metrics":
                self.apps[-1] = evolve(self.apps[-1], metrics=pattern(value))
            case "private charts":
                self.apps[-1] = evolve(self.apps[-1], private=self.boolean(value))
            case "gaps when not collected":
                self.apps[-1] = evolve(self.apps[-1], gaps=self.boolean(value))
            case _ if name not in _UNUSED:
                self.doubt("not known, ignored; known are name, metrics, private charts and gaps when not collected")

    def chart(self, name: str, value: str) -> None:
        """
        Take in an option of the last chart.
        """
        *others, chart = self.apps[-1].charts
        match name:
            case "name" | "title" | "family" | "context" | "units":
                said: dict[str, Any] = {name: value}
                chart = evolve(chart, **said)
            case "type":
                if value in CHART_TYPES:
                    chart = evolve(chart, type=value)
                else:
                    self.doubt(f"{value!r} is none of {', '.join(CHART_TYPES)}; line is used")
            case "priority":
                try:
                    chart = evolve(chart, priority=_PRIORITY.read(value))
                except ValueError as problem:
                    self.doubt(f"{problem}; {chart.priority} is used")
            case "dimension":
                line = self.line(value)
                chart = chart if line is None else evolve(chart, lines=(*chart.lines, line))
            case _:
                self.doubt(
                    "not known, ignored; known are name, title, family, context, units, priority, type and dimension"
                )
        self.apps[-1] = evolve(self.apps[-1], charts=(*others, chart))

    def line(self, value: str) -> Line | None:
        """
        @return: L{None} if it names no metric.
        """
        words = [single or double or plain for single, double, plain in _WORD.findall(value)]
        exact = words[:1] != [_PATTERN]
        if not exact:
            del words[0]
        if not (words and words[0].strip()):
            self.doubt("names no metric, ignored; right is: [pattern] METRIC [NAME [TYPE [MULTIPLIER [DIVISOR]]]]")
            return None
        metric, name, shows, multiplier, divisor = [*words, *_DEFAULTS[len(words) - 1 :]][:5]
        if shows not in SELECTORS:
            self.doubt(f"{shows!r} is none of {', '.join(SELECTORS)}; last is used")
            shows = SELECTORS[0]
        flags = {flag for option in words[5:] for flag in re.split(r"[\s,|]+", option)}
        return Line(
            pattern(metric),
            exact,
            name,
            shows,
            self._factor(multiplier),
            self._factor(divisor),
            "hidden" in flags,
        )

    def _factor(self, text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = 0
        if not 0 < abs(number) <= _MOST:
            self.doubt(f"{text!r} is no multiplier or divisor, which are whole numbers and not 0; 1 is used")
            return 1
        return number


def parse(text: str, file: str, warnings: Warnings) -> list[App]:
    """
    Read the text of a file.

    @param file: Its name, for messages.
    """
    reading, section, names = _Reading(file, warnings), "", dict[str, str]()
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
            reading.place = at(file, number, section)
            if section == _APP:
                names = {}
                reading.apps.append(App(names=names, file=file))
            elif not reading.apps:
                reading.doubt("ignored, because it stands before the first [app]")
                section = ""
            elif section != _DICTIONARY and section:
                charts = (*reading.apps[-1].charts, SyntheticChart(section))
                reading.apps[-1] = evolve(reading.apps[-1], charts=charts)
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        reading.place = at(file, number, section, name if equals else "")
        if not (equals and name):
            reading.doubt("skipped, because it is neither '[section]' nor 'name = value'")
        elif not section:
            reading.doubt("skipped, because it stands before the first [app]")
        elif section == _APP:
            reading.app(name, value)
        elif section == _DICTIONARY:
            names[name] = value
        else:
            reading.chart(name, value)
    return reading.apps


def _files(directories: Iterable[Path]) -> Iterator[Path]:
    """
    @return: Files by name; one of an earlier directory hides those of later ones.
    """
    seen: set[str] = set()
    for directory in directories:
        for path in sorted((directory / DIRECTORY).glob("*.conf")):
            if path.name not in seen:
                seen.add(path.name)
                yield path


def synthetic(directories: Iterable[Path], warnings: Warnings) -> tuple[App, ...]:
    """
    @param directories: Of the configuration, the user's own first.
    @return: All that have charts, or say something of their metrics.
    """
    apps: list[App] = []
    for path in _files(directories):
        try:
            text = path.read_bytes().decode("utf-8", "replace")
        except OSError as problem:
            warnings.line(at(str(path)) + f"cannot be read: {problem.strerror}; its charts are left out")
            continue
        apps += parse(text, f"{DIRECTORY}/{path.name}", warnings)
    return tuple(apps)
