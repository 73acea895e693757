"""
What has happened, in memory and in the file, and what is still to be told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from netstream.db.workers import Workers
from netstream.health.alerts import Status, Transition
from netstream.health.definitions import SILENT
from netstream.health.log import AlertKey, AlertLog, Change, Kept, Known
from netstream.health.past import Asked, Found, search

MOST_PENDING = 100_000
"""Transitions that wait for their delay; older ones are not told then."""


class Journal:
    """
    The transitions of all hosts.

    @ivar known: What alerts were before this process.
    @ivar told: The last status that someone was told, of each alert.
    @ivar dead: Deliveries that were given up, the newest first.
    """

    _log = Logger()

    def __init__(self, file: AlertLog, workers: Workers, entries: int) -> None:
        """
        @param workers: Where the file is read and written.
        @param entries: Transitions of each host that are held in memory.
        """
        self.known: dict[AlertKey, Known] = {}
        self.told: dict[AlertKey, Status] = {}
        self.dead: deque[Mapping[str, Any]] = deque(maxlen=1000)
        self._file = file
        self._workers = workers
        self._entries = entries
        self._recent: dict[str, deque[Transition]] = {}
        self._waiting: dict[int, Transition] = {}
        self._by_id: dict[AlertKey, Transition] = {}
        self._changed: dict[int, Transition] = {}
        self._writing: dict[int, Transition] = {}
        self._deliveries: dict[str, tuple[str, int, Mapping[str, Any]] | None] = {}
        self._failing = False
        self._unread = False

    def open(self) -> Deferred[Kept]:
        """
        @return: Fires with what there was; fails with L{OSError}.
        """
        return self._workers.write(self._file.open).addCallback(self._opened)

    def _opened(self, kept: Kept) -> Kept:
        if kept.problem:
            self._log.error("{problem}", problem=kept.problem)
        self.known = kept.known
        self.told = {key: known.told for key, known in self.known.items() if known.told is not None}
        self.dead.extend(list(kept.dead)[: self.dead.maxlen])
        for each in kept.transitions:
            self._remember(each)
            if not each.processed and not each.updated_by:
                self._waiting[each.unique_id] = each
        return kept

    def _remember(self, said: Transition) -> None:
        recent = self._recent.get(said.guid)
        if recent is None:
            recent = self._recent[said.guid] = deque(maxlen=self._entries)
        recent.append(said)
        self._by_id[said.guid, said.chart, said.name] = said

    def of(self, guid: str) -> Sequence[Transition]:
        """
        @return: The transitions of a host, the oldest first.
        """
        return self._recent.get(guid, ())

    def last_of(self, guid: str, chart: str, name: str) -> Transition | None:
        """
        @return: The newest transition of an alert, as far as it is known.
        """
        return self._by_id.get((guid, chart, name))

    @property
    def last_id(self) -> int:
        """
        The unique id of the newest transition of all.
        """
        return max((recent[-1].unique_id for recent in self._recent.values() if recent), default=0)

    def add(self, said: Transition) -> None:
        """
        Something has happened.  What waits of the same alert is not told any
        more.
        """
        key = said.guid, said.chart, said.name
        before = self._by_id.get(key)
        if before is not None:
            before.updated_by, said.updates = said.unique_id, before.unique_id
            self._waiting.pop(before.unique_id, None)
            self._changed[before.unique_id] = before
        self._remember(said)
        self._changed[said.unique_id] = said
        self._waiting[said.unique_id] = said
        while len(self._waiting) > MOST_PENDING:
            self._waiting.pop(next(iter(self._waiting)))

    def was_critical(self, said: Transition) -> bool:
        """
        @return: Whether an alert was critical since it was clear before.
        """
        for each in reversed(self.of(said.guid)):
            if each.alarm_id != said.alarm_id or each.unique_id >= said.unique_id:
                continue
            if each.status == Status.CRITICAL:
                return True
            if each.status == Status.CLEAR:
                return False
        return False

    def ended(self, guid: str, unique_id: int, good: bool) -> None:
        """
        A message about a transition was delivered, or given up.
        """
        for each in reversed(self.of(guid)):
            if each.unique_id == unique_id:
                if not good and not each.failed:
                    each.failed, each.exec_code = True, 1
                    self._changed[unique_id] = each
                return

    def due(self, now: int) -> list[Transition]:
        """
        @return: What may be told now, the oldest first.
        """
        return [said for said in self._waiting.values() if said.delay_until <= now]

    def decided(self, said: Transition) -> None:
        """
        It is known whether something is told.
        """
        said.processed = True
        self._waiting.pop(said.unique_id, None)
        if said.told:
            self.told[said.guid, said.chart, said.name] = said.status
        if not said.repeat:
            self._changed[said.unique_id] = said

    def reconsider(self, key: AlertKey) -> None:
        """
        Decide again on the last transition of an alert, if nobody was told.
        """
        said = self._by_id.get(key)
        if said is not None and said.processed and not said.told:
            said.processed = False
            self._waiting[said.unique_id] = said

    def delivery(self, id: str, put: tuple[str, int, Mapping[str, Any]] | None) -> None:
        """
        Keep how a delivery stands with the next L{flush}.

        @param put: State, UTC second and body; L{None} if it is done.
        """
        self._deliveries[id] = put
        if put is not None and put[0] == "dead":
            self.dead.appendleft(put[2])

    def flush(self) -> Deferred[None]:
        """
        @return: Fires when all of it is written, or has to wait for the next
            time.
        """
        return Deferred.fromCoroutine(self._flush())

    async def _flush(self) -> None:
        if not self._changed and not self._deliveries:
            return
        transitions, self._changed = self._changed, {}
        deliveries, self._deliveries = self._deliveries, {}
        change = Change([each.kept() for each in transitions.values()], deliveries)
        self._writing |= transitions
        try:
            await self._workers.write(lambda: self._file.write(change))
        except OSError as problem:
            if not self._failing:
                self._log.error(
                    "{file}: alerts are not logged: {problem}", file=str(self._file.path), problem=str(problem)
                )
            self._failing = True
            self._changed = {**transitions, **self._changed}
            self._deliveries = {**deliveries, **self._deliveries}
        else:
            if self._failing:
                self._log.info("alerts are logged again")
            self._failing = False
        finally:
            for number in transitions:
                self._writing.pop(number, None)

    def search(self, asked: Asked) -> Deferred[Found]:
        """
        Look for what has happened, also for what is in memory no more.

        @return: Fires with what was found: if the file cannot be read, of what
            is in memory.
        """
        return Deferred.fromCoroutine(self._search(asked))

    async def _search(self, asked: Asked) -> Found:
        if self._file.usable:
            await self.flush()
            fresh = [copy(said) for said in {**self._writing, **self._changed}.values()]
            try:
                found = await self._workers.read(lambda: self._file.search(asked, fresh))
            except OSError as problem:
                if not self._unread:
                    self._log.error("{problem}; only newer transitions are shown", problem=str(problem))
                self._unread = True
            else:
                self._unread = False
                return found
        held = [copy(said) for guid in asked.guids for said in self.of(guid)]
        return await self._workers.read(lambda: search(None, asked, held))

    def trim(self, own: Mapping[str, int], default: int) -> Deferred[None]:
        """
        Forget what is older than it is to be kept.

        @param own: Second by machine GUID; C{default} for all others.
        """

        def failed(failure: Any) -> None:
            failure.trap(OSError)  # the next flush says it

        return self._workers.write(lambda: self._file.trim(own, default)).addErrback(failed)

    def close(self) -> Deferred[None]:
        """
        @return: Fires when all is written and the file is closed.
        """
        return self.flush().addCallback(lambda _: self._workers.write(self._file.close))


def reason_not_to_tell(said: Transition, told: Status | None, silenced: bool) -> str:
    """
    @param told: The last status of the alert that someone was told.
    @return: Why nobody is told of a transition; C{""} if someone is.
    """
    if said.status < Status.CLEAR:
        return f"nobody is told of {said.status.name}"
    if said.status == Status.CLEAR and said.no_clear:
        return "its recovery is not told (no-clear-notification)"
    if said.status == told and not said.repeat:
        return "that was told before"
    if said.status == Status.CLEAR and told is None:
        return "it was never told that it was raised"
    if silenced:
        return "it is silenced"
    if said.recipient.split() == [SILENT]:
        return "its recipient is 'silent'"
    return ""
