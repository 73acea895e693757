"""
What a collector is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from netstream.collect.files import Machine

PROC = "proc.plugin"

LOOK_AGAIN = 10_000_000
"""Microseconds between two searches for devices that came or went."""


class Odd(Exception):
    """
    A file of the kernel does not say what it should.

    @ivar path: Which file.
    @ivar reason: What is odd.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Collector(Protocol):
    """
    Measures one part of this machine.
    """

    @property
    def source(self) -> str:
        """
        What it reads, for messages.
        """

    def collect(self, now: int) -> bytes:
        """
        Measure.

        @param now: UTC microseconds.
        @return: Protocol text: definitions of charts that are new, and a block
            for each chart.
        @raise OSError: A file cannot be read.
        @raise Odd: A file does not say what it should.
        @raise ValueError: The same.
        @raise LookupError: The same.
        """

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares all charts obsolete.
        """

    def close(self) -> None:
        """
        Release what is open.
        """


MakeCollector = Callable[[Machine, int], Collector]
"""Makes a collector of a machine; the number is the period in seconds."""
