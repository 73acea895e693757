"""
What has happened, as someone asks for it: of some hosts, some time, some kind,
the newest first and page by page.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from attrs import Factory, define, field, frozen

from netstream.health.alerts import Status, Transition

EVER = 1 << 62
"""Above all seconds and unique ids."""
KIND = (
    *("status", "type", "recipient", "classification", "component"),
    *("hostname", "guid", "name", "chart", "chart_name", "context"),
)
"""Of a transition: what it is told apart by."""


def kind_of(kept: Mapping[str, Any]) -> str:
    """
    @param kept: A transition as JSON takes it.
    @return: What has the same is of the same kind; a column of the file.
    """
    return json.dumps([kept.get(name) for name in KIND])


def _facets(kind: str) -> dict[str, list[str]]:
    """
    @return: By facet the values that a kind has of it, the first for people.
    """
    of = dict(zip(KIND, json.loads(kind), strict=True))
    return {
        "status": [Status(of["status"]).name],
        "type": [of["type"]],
        "role": of["recipient"].split(),
        "class": [of["classification"]],
        "component": [of["component"]],
        "node": [of["hostname"], of["guid"]],
        "alert": [of["name"]],
        "chart": [of["chart_name"] or of["chart"], of["chart"]],
        "context": [of["context"]],
    }


FACETS = ("status", "type", "role", "class", "component", "node", "alert", "chart", "context")


@frozen
class Asked:
    """
    A question.

    @ivar guids: The hosts that are meant.
    @ivar most: Transitions that are wanted.
    @ivar above: Only those with a higher unique id.
    @ivar below: Only those with a lower one: where the last page ended.
    @ivar since: The first UTC second.
    @ivar until: The last one.
    @ivar transition: A transition id; C{""} is any.
    @ivar facets: By facet the values that are wanted; a transition has to have
        one of each.
    @ivar counted: Whether it matters how many there are.
    """

    guids: frozenset[str]
    most: int
    above: int = 0
    below: int = EVER
    since: int = 0
    until: int = EVER
    transition: str = ""
    facets: Mapping[str, frozenset[str]] = field(factory=dict)
    counted: bool = False

    def missed(self, kind: str) -> list[str]:
        """
        @return: The facets that transitions of a kind are not wanted for.
        """
        of = _facets(kind)
        return [name for name, wanted in self.facets.items() if not wanted.intersection(of[name])]

    def then(self, said: Transition) -> bool:
        """
        @return: Whether a transition is of the right time, or the one meant.
        """
        return self.since <= said.when <= self.until and self.transition in ("", said.transition_id)

    def takes(self, said: Transition) -> bool:
        """
        @return: Whether a transition belongs to the answer.
        """
        wanted = said.guid in self.guids and self.above < said.unique_id < self.below and self.then(said)
        return wanted and not self.missed(kind_of(said.kept()))


@define
class Found:
    """
    An answer.

    @ivar transitions: The newest first.
    @ivar evaluated: How many there are of the hosts.
    @ivar matched: How many fit, on all pages.
    @ivar counts: By facet, how many there are of each value, if nothing was
        chosen of this facet.
    """

    transitions: list[Transition] = field(factory=list)
    evaluated: int = 0
    matched: int = 0
    counts: dict[str, Counter[str]] = Factory(lambda: {name: Counter() for name in FACETS})

    def count(self, asked: Asked, kind: str, all: int, then: int) -> None:
        """
        @param all: How many transitions there are of a kind.
        @param then: How many of these are of the time that is meant.
        """
        self.evaluated += all
        if not then:
            return
        missed = asked.missed(kind)
        for name, values in _facets(kind).items():
            # What else could be chosen counts as if nothing were chosen here yet.
            if not missed or missed == [name]:
                for value in values if name == "role" else values[:1]:
                    self.counts[name][value] += then
        if not missed:
            self.matched += then


def search(path: Path | None, asked: Asked, fresh: Iterable[Transition]) -> Found:
    """
    Answer a question.  This blocks.

    @param path: The file; L{None} if there is none.
    @param fresh: What the file does not have yet, or not as it is now.
    @raise OSError: The file cannot be read.
    """
    found = Found()
    newer = {said.unique_id: said for said in fresh if said.guid in asked.guids}
    if path is not None:
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as db:
                _read(db, asked, newer, found)
        except sqlite3.Error as problem:
            raise OSError(5, str(problem), str(path)) from problem
    if asked.counted:
        for said in newer.values():
            found.count(asked, kind_of(said.kept()), 1, asked.then(said))
    found.transitions += [said for said in newer.values() if asked.takes(said)]
    found.transitions.sort(key=lambda said: said.unique_id, reverse=True)
    del found.transitions[asked.most :]
    return found


def _read(db: sqlite3.Connection, asked: Asked, newer: dict[int, Transition], found: Found) -> None:
    """
    @param newer: By unique id; what takes the place of a row leaves it.
    """
    # One host is looked up; for many, all are gone through from the newest on.
    whose = "guid = :guids" if len(asked.guids) == 1 else "+guid IN (SELECT value FROM json_each(:guids))"
    whose += " AND kind != ''"
    exact = " AND instr(body, :transition)" if asked.transition else ""
    then = f"at BETWEEN :since AND :until{exact}"
    values: dict[str, Any] = {
        "guids": [*asked.guids][0] if len(asked.guids) == 1 else json.dumps([*asked.guids]),
        "since": asked.since,
        "until": asked.until,
        "transition": f'"transition_id": {json.dumps(asked.transition)}',
        "above": asked.above,
        "below": asked.below,
        "most": asked.most,
    }
    db.execute("BEGIN")
    of_kind = ""
    if asked.counted or asked.facets:
        kinds = f"SELECT kind, count(*), total({then}) FROM transition WHERE {whose} GROUP BY kind"
        wanted = []
        for kind, all, some in db.execute(kinds, values):
            found.count(asked, kind, all, int(some))
            if not asked.missed(kind):
                wanted.append(kind)
        if asked.facets:
            of_kind = " AND kind IN (SELECT value FROM json_each(:kinds))"
            values["kinds"] = json.dumps(wanted)
    page = (
        f"SELECT id, body FROM transition WHERE {whose} AND {then}{of_kind}"
        " AND id > :above AND id < :below ORDER BY id DESC LIMIT :most"
    )
    for number, body in db.execute(page, values):
        with suppress(ValueError, TypeError, AttributeError):
            found.transitions.append(newer.pop(number) if number in newer else Transition.of(json.loads(body)))
    if newer:
        # These are counted already, whether or not they belong to this page.
        known = "SELECT id FROM transition WHERE id IN (SELECT value FROM json_each(?))"
        for (number,) in db.execute(known, (json.dumps(list(newer)),)):
            del newer[number]
