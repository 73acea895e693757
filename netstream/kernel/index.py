"""
An index of texts by hash.
"""

import os
from array import array

_MASK = 0xFFFFFFFFFFFFFFFF


class Index:
    """
    Numbers by the tag of the text that they stand for, with open addressing.
    Who asks compares the texts, which are kept elsewhere.

    @ivar room: How many slots there are.
    @ivar count: How many numbers are in it.
    @ivar used: The same with those that were removed and still take a slot.
    @ivar factor: What the hash multiplies with.  It is random, so that nobody
        can choose texts that collide.
    @ivar slots: By slot a tag and a number plus 2; 0 if it is free, 1 if its
        number was removed.
    """

    __slots__ = ("room", "count", "used", "factor", "slots")

    def __init__(self) -> None:
        self.room = 16
        self.count = 0
        self.used = 0
        self.factor = int.from_bytes(os.urandom(8), "little") | 1
        self.slots = array("I", bytes(8 * 16))

    def tag(self, text: bytes | bytearray, at: int, stop: int, owner: int) -> int:
        """
        @param owner: A number that the text is told apart by as well.
        @return: The tag of C{text[at:stop]}.
        """
        tag = (owner + 1) * self.factor & _MASK
        while at < stop:
            tag = ((tag ^ (tag >> 29)) + text[at] + 1) * self.factor & _MASK
            at += 1
        return tag >> 32

    def seek(self, tag: int, after: int) -> int:
        """
        @param after: The slot that was found before; -1 for the first one.
        @return: The next slot of a tag; -1 if there is none.
        """
        place = self._following(after) if after >= 0 else self._first(tag)
        taken = self.slots[2 * place + 1]
        while taken:
            if taken > 1 and self.slots[2 * place] == tag:
                return place
            place = self._following(place)
            taken = self.slots[2 * place + 1]
        return -1

    def _first(self, tag: int) -> int:
        """
        @return: The slot where a tag belongs.
        """
        return (tag * self.room) >> 32

    def _following(self, place: int) -> int:
        """
        @return: The slot to look at next.
        """
        return place + 1 if place + 1 < self.room else 0

    def number(self, place: int) -> int:
        """
        @return: The number in a slot.
        """
        return self.slots[2 * place + 1] - 2

    def add(self, tag: int, number: int) -> int:
        """
        Put a number in.
        """
        if 4 * (self.used + 1) > 3 * self.room:
            self._rebuild()
        place = self._first(tag)
        while self.slots[2 * place + 1] > 1:
            place = self._following(place)
        if not self.slots[2 * place + 1]:
            self.used += 1
        self.slots[2 * place] = tag
        self.slots[2 * place + 1] = number + 2
        self.count += 1
        return 0

    def remove(self, tag: int, number: int) -> int:
        """
        Take a number out, which is in it.
        """
        place = self.seek(tag, -1)
        while self.number(place) != number:
            place = self.seek(tag, place)
        self.slots[2 * place + 1] = 1
        self.count -= 1
        return 0

    def _rebuild(self) -> int:
        """
        Get as many slots as there are numbers for.
        """
        slots = self.slots
        self.room = self.count + self.count * 2 // 3 + 16
        self.slots = array("I", bytes(8 * self.room))
        self.count = 0
        self.used = 0
        for place in range(len(slots) // 2):
            if slots[2 * place + 1] > 1:
                self.add(slots[2 * place], slots[2 * place + 1] - 2)
        return 0
