"""
Samples that are kept but rarely asked for: compressed, to the last bit what they were.
"""

from __future__ import annotations

import zlib

import numpy as np

from netstream.model.samples import Bytes, Float64s, Int32s

TOGETHER = 32
"""Columns that are compressed together: as many as zlib sees at once, where a
column has 128 values.  Only those are read that are asked for."""

_LEVEL = 1
"""Of zlib; higher ones take twice as long for 4 % less."""


class Packed:
    """
    A matrix of samples, compressed.

    @ivar shape: Rows and columns.
    @ivar nbytes: Bytes that it takes.
    """

    __slots__ = ("_flagged", "_pieces", "nbytes", "shape")

    def __init__(self, values: Float64s, flags: Bytes | None) -> None:
        """
        @param flags: Of the same shape, or L{None}.
        """
        self.shape: tuple[int, int] = values.shape
        self._flagged = flags is not None
        self._pieces: list[bytes] = []
        for first in range(0, self.shape[1], TOGETHER):
            # What a series has in common with itself a moment ago is much, with others little.
            plain = np.ascontiguousarray(values[:, first : first + TOGETHER].T).tobytes()
            if flags is not None:
                plain += np.ascontiguousarray(flags[:, first : first + TOGETHER].T).tobytes()
            self._pieces.append(zlib.compress(plain, _LEVEL))
        self.nbytes = sum(map(len, self._pieces))

    def take(self, columns: Int32s) -> tuple[Float64s, Bytes | None]:
        """
        @param columns: All less than there are.
        @return: Values and flags of these columns.
        """
        rows = self.shape[0]
        values = np.empty((rows, len(columns)))
        flags = np.empty((rows, len(columns)), np.uint8) if self._flagged else None
        pieces = columns // TOGETHER
        for piece in set(pieces.tolist()):
            plain = zlib.decompress(self._pieces[piece])
            width = min(TOGETHER, self.shape[1] - piece * TOGETHER)
            size = 8 * width * rows
            wanted = np.flatnonzero(pieces == piece)
            inside = columns[wanted] - piece * TOGETHER
            values[:, wanted] = np.frombuffer(plain[:size], np.float64).reshape(width, rows)[inside].T
            if flags is not None:
                flags[:, wanted] = np.frombuffer(plain[size:], np.uint8).reshape(width, rows)[inside].T
        return values, flags

    def all(self) -> tuple[Float64s, Bytes | None]:
        """
        @return: Values and flags of all columns.
        """
        return self.take(np.arange(self.shape[1], dtype=np.int32))
