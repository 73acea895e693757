"""
Answers that hold while nothing changes, for many who ask the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from netstream.config.settings import Settings
from netstream.hub.hub import Host
from netstream.web.answer import Answer

MOST_BYTES = 4 << 20
"""Of all answers that are kept at once."""
MOST_ASKED = 4096
"""Questions of a second that are known again."""


@frozen(eq=False)
class State:
    """
    All that an answer about samples depends on, besides its question.

    @ivar changes: Of the host, at that moment.
    @ivar second: UTC.
    """

    host: Host
    changes: int
    second: int
    settings: Settings

    @classmethod
    def of(cls, host: Host, now: float, settings: Settings) -> State | None:
        """
        @param now: UTC seconds.
        @return: How things are; L{None} if this process does not learn when
            they change.
        """
        if host.elsewhere or host.unkept:
            return None
        return cls(host, host.changes, int(now), settings)

    def holds(self, now: float, settings: Settings) -> bool:
        """
        @return: Whether things are as they were.
        """
        same = self.changes == self.host.changes and self.settings is settings
        return same and self.second == int(now) and not self.host.removed


@frozen(eq=False)
class Packed:
    """
    An answer as it goes out.

    @ivar more: Headers besides those of the answer.
    @ivar body: What goes out for that of the answer.
    """

    answer: Answer
    more: Mapping[str, str]
    body: bytes


class Kept:
    """
    Answers of one second, by what was asked and what its client takes.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        """
        @param most: Bytes.
        """
        self._most = most
        self._second = 0
        self._bytes = 0
        self._asked: set[tuple[bytes, str]] = set()
        self._asked_at = 0
        self._known: dict[tuple[bytes, str], tuple[State, Packed]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, key: tuple[bytes, str], now: float, settings: Settings) -> tuple[Host, Packed] | None:
        """
        @param key: What is asked, as it came, and how it may be packed.
        @param now: UTC seconds.
        @return: The host and the answer, if that would be the same now.
        """
        known = self._known.get(key)
        if known is None or not known[0].holds(now, settings):
            return None
        return known[0].host, known[1]

    def again(self, key: tuple[bytes, str], now: float) -> bool:
        """
        @param key: What is asked, as of L{find}.
        @param now: UTC seconds.
        @return: Whether this was said before of the same in the same second,
            as far as that is known: what nobody asks for again need not be
            kept.
        """
        if self._asked_at != int(now):
            self._asked.clear()
            self._asked_at = int(now)
        if key in self._asked:
            return True
        if len(self._asked) < MOST_ASKED:
            self._asked.add(key)
        return False

    def keep(self, key: tuple[bytes, str], state: State, packed: Packed) -> None:
        """
        @param state: How things were when the answer was begun, and are still.
        """
        if state.second != self._second:
            self._known.clear()
            self._second, self._bytes = state.second, 0
        before = self._known.pop(key, None)
        if before is not None:
            self._bytes -= _size(key, before[1])
        size = _size(key, packed)
        if self._bytes + size <= self._most:
            self._bytes += size
            self._known[key] = state, packed


def _size(key: tuple[bytes, str], packed: Packed) -> int:
    return len(key[0]) + len(key[1]) + len(packed.body)
