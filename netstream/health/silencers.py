"""
Silencers: which alerts are not told, or not even evaluated, because someone
said so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from netstream.model.pattern import SimplePattern, pattern

FILE = "health.silencers.json"
MOST = 1000
"""Selectors that are kept."""
LONGEST = 1000
"""Characters of a selector."""

SELECTORS = {"alarm": "alarm", "template": "alarm", "chart": "chart", "context": "context", "hosts": "hosts"}
"""Parameters that select alerts, and what each selects by."""
_NONE, _SILENCE, _DISABLE = "None", "SILENCE", "DISABLE"


@frozen
class Selector:
    """
    Patterns that all have to fit; L{None} fits always.
    """

    alarm: SimplePattern | None = None
    chart: SimplePattern | None = None
    context: SimplePattern | None = None
    hosts: SimplePattern | None = None

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Selector:
        """
        @param texts: Patterns by name.
        """
        return cls(**{name: pattern(text) for name, text in texts.items() if name in SELECTORS.values()})

    @property
    def texts(self) -> dict[str, str]:
        """
        The patterns that there are.
        """
        given = {"alarm": self.alarm, "chart": self.chart, "context": self.context, "hosts": self.hosts}
        return {name: each.text for name, each in given.items() if each is not None}

    def fits(self, alarm: str, charts: tuple[str, ...], context: str, host: str) -> bool:
        """
        @param charts: Id and name.
        """
        return (
            (self.alarm is None or self.alarm.matches(alarm))
            and (self.chart is None or any(map(self.chart.matches, charts)))
            and (self.context is None or self.context.matches(context))
            and (self.hosts is None or self.hosts.matches(host))
        )


@frozen
class Silencers:
    """
    What holds now.

    @ivar everything: The mode holds for all alerts.
    @ivar mode: C{None}, C{SILENCE} or C{DISABLE}.
    @ivar selectors: The newest first.
    """

    everything: bool = False
    mode: str = _NONE
    selectors: tuple[Selector, ...] = field(factory=tuple)

    @classmethod
    def parse(cls, text: str) -> Silencers:
        """
        @raise ValueError: It is not what L{listed} gives.
        """
        said = json.loads(text)
        if not isinstance(said, dict) or said.get("type", _NONE) not in (_NONE, _SILENCE, _DISABLE):
            raise ValueError("has no 'type' of None, SILENCE or DISABLE")
        selectors = said.get("silencers") or []
        if not isinstance(selectors, list) or not all(
            isinstance(each, dict) and all(isinstance(text, str) for text in each.values()) for each in selectors
        ):
            raise ValueError("'silencers' is no list of selectors")
        return cls(
            bool(said.get("all")), said.get("type", _NONE), tuple(Selector.of(each) for each in selectors[:MOST])
        )

    @property
    def listed(self) -> dict[str, Any]:
        """
        As C{cmd=LIST} answers.
        """
        return {
            "all": self.everything,
            "type": self.mode,
            "silencers": [each.texts for each in self.selectors],
        }

    def _holds(self, mode: str, alarm: str, charts: tuple[str, ...], context: str, host: str) -> bool:
        return self.mode == mode and (
            self.everything or any(each.fits(alarm, charts, context, host) for each in self.selectors)
        )

    def silenced(self, alarm: str, charts: tuple[str, ...], context: str, host: str) -> bool:
        """
        @return: Whether nobody is to be told of an alert.
        """
        return self._holds(_SILENCE, alarm, charts, context, host)

    def disabled(self, alarm: str, charts: tuple[str, ...], context: str, host: str) -> bool:
        """
        @return: Whether an alert is not to be evaluated.
        """
        return self._holds(_DISABLE, alarm, charts, context, host)

    def told(self, parameters: Mapping[str, str]) -> tuple[Silencers, str]:
        """
        Do what a request says.

        @param parameters: C{cmd} and selectors.
        @return: What holds from now on, and the lines of the answer.
        """
        command = " ".join(parameters.get("cmd", "").upper().split())
        everything, mode, selectors = self.everything, self.mode, self.selectors
        lines = []
        if command == "RESET":
            everything, mode, selectors = False, _NONE, ()
            lines.append("All health checks and notifications are enabled")
        elif command in ("SILENCE ALL", "DISABLE ALL"):
            everything, mode = True, command.split()[0]
            said = "All alarm notifications are silenced" if mode == _SILENCE else "All health checks are disabled"
            lines.append(said)
        elif command in (_SILENCE, _DISABLE):
            mode = command
            lines.append(
                "Alarm notifications silenced for alarms matching the selectors"
                if mode == _SILENCE
                else "Health checks disabled for alarms matching the selectors"
            )
        given = {SELECTORS[name]: text[:LONGEST] for name, text in parameters.items() if name in SELECTORS and text}
        if given and len(selectors) < MOST:
            selectors = (Selector.of(given), *selectors)
            lines.append("Alarm selector added")
        elif given:
            lines.append(f"WARNING: There are {MOST} selectors already; this one was not added.")
        if given and mode == _NONE:
            lines.append(
                "WARNING: Added alarm selector to silence/disable alarms without a SILENCE or DISABLE command."
            )
        if mode != _NONE and not everything and not selectors:
            lines.append("WARNING: SILENCE or DISABLE command is ineffective without defining any alarm selectors.")
        return Silencers(everything, mode, selectors), "".join(line + "\n" for line in lines)
