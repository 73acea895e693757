"""
Who hears of what happens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_ListenerT = TypeVar("_ListenerT")


class Listeners(list[_ListenerT]):
    """
    Those who want to hear of something, in the order in which they came.
    """

    def add(self, listener: _ListenerT) -> Callable[[], None]:
        """
        Tell a listener from now on.

        @return: Call it to tell it no more; that may be done again.
        """
        self.append(listener)

        def cancel() -> None:
            if listener in self:
                self.remove(listener)

        return cancel
