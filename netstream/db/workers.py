"""
Where blocking work is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

_T = TypeVar("_T")


class Workers(Protocol):
    """
    Three places for blocking work.  Those that change files do one thing after
    the other, in the order in which they were asked.
    """

    def start(self) -> None:
        """
        Be ready for work.
        """

    def write(self, work: Callable[[], _T]) -> Deferred[_T]:
        """
        Work that changes files.

        @return: Fires with its result, or fails with what it raised.
        """

    def sync(self, work: Callable[[], _T]) -> Deferred[_T]:
        """
        Work that waits for the disk, beside that which changes files.

        @return: Fires with its result, or fails with what it raised.
        """

    def read(self, work: Callable[[], _T]) -> Deferred[_T]:
        """
        Work that only reads; some of it may be done at the same time.

        @return: Fires with its result, or fails with what it raised.
        """

    def stop(self) -> None:
        """
        Release everything; all work is done by now.
        """


class Threads:
    """
    One thread each for what changes files, and two that read.
    """

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: Provides C{IReactorFromThreads}.
        """
        self._reactor = reactor
        self._write = ThreadPool(0, 1, "netstream-db-write")
        self._sync = ThreadPool(0, 1, "netstream-db-sync")
        self._read = ThreadPool(0, 2, "netstream-db-read")

    def start(self) -> None:
        for pool in (self._write, self._sync, self._read):
            pool.start()

    def write(self, work: Callable[[], _T]) -> Deferred[_T]:
        return deferToThreadPool(self._reactor, self._write, work)

    def sync(self, work: Callable[[], _T]) -> Deferred[_T]:
        return deferToThreadPool(self._reactor, self._sync, work)

    def read(self, work: Callable[[], _T]) -> Deferred[_T]:
        return deferToThreadPool(self._reactor, self._read, work)

    def stop(self) -> None:
        for pool in (self._write, self._sync, self._read):
            pool.stop()


class Inline:
    """
    Does all work at once, for tests.
    """

    def start(self) -> None:
        pass

    def write(self, work: Callable[[], _T]) -> Deferred[_T]:
        return maybeDeferred(work)

    sync = read = write

    def stop(self) -> None:
        pass
