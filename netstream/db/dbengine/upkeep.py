"""
What the disk engine does by itself: have the disk have everything, make row
groups of epochs that are over, coarser tiers of row groups, and room.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from netstream.db.dbengine.node import Epoch, HotNode
from netstream.db.dbengine.retention import Retention
from netstream.db.dbengine.storage import STRETCH, Sealed, Storage
from netstream.db.dbengine.trouble import Trouble
from netstream.db.workers import Workers

LATE = 10
"""Steps of a node after the end of an epoch at which it may become a row group."""
IDLE = 5
"""Seconds without samples after which it does."""
MOST_EPOCHS = 3
"""Epochs of a node that are written to; more become row groups at once."""
MOST_PRIVATE = 256
"""Pages of one node each; while there are more, whoever writes has to wait."""
MOST_COLUMNS = 4096
"""Columns that become row groups in one piece of work, unless one node has more."""

_DERIVE_EVERY = 60
_EXPIRE_EVERY = 600
_RETRY = 5


class Upkeep:
    """
    It is told the time by L{work}, in the reactor's thread, and has all that
    takes long done elsewhere.
    """

    _log = Logger()

    def __init__(
        self,
        storage: Storage,
        nodes: Mapping[str, HotNode],
        retention: Retention,
        clock: Any,
        workers: Workers,
        trouble: Trouble,
    ) -> None:
        """
        @param nodes: By GUID, all there are at any time.
        @param clock: Provides C{IReactorTime}.
        """
        self._storage = storage
        self._nodes = nodes
        self._retention = retention
        self._clock = clock
        self._workers = workers
        self._trouble = trouble
        self._syncing = self._sealing = self._deriving = self._expiring = False
        self._waiting: list[Deferred[None]] = []
        self._retry_at = 0.0
        self._attempts = 0
        self._derive_at = clock.seconds() + _DERIVE_EVERY
        self._expire_at = 0.0
        self._stopped = False

    def work(self) -> None:
        """
        Begin what is due; to be called every second.
        """
        now = self._clock.seconds()
        self.sync()
        self.seal()
        if not self._derive_at - _DERIVE_EVERY <= now < self._derive_at:
            self._derive_at = now + _DERIVE_EVERY
            self._derive()
        if not self._expire_at - _EXPIRE_EVERY <= now < self._expire_at:
            self._expire_at = now + _EXPIRE_EVERY
            self._expire()

    def stop(self) -> None:
        """
        Begin nothing more.
        """
        self._stopped = True
        self._release()

    def sync(self) -> None:
        """
        Have the disk have everything soon.
        """
        if not self._syncing:
            self.synced()

    def synced(self) -> Deferred[bool]:
        """
        Have the disk have everything.

        @return: Fires with whether it has.
        """
        storage = self._storage
        dirty = [page for page in storage.pool if page.dirty]
        if not (dirty or storage.names.dirty or storage.pool.removed):
            return succeed(True)
        self._syncing = True
        second = int(self._clock.seconds())

        def work() -> None:
            storage.names.sync()
            storage.pool.sync()
            for page in dirty:
                page.sync(second)

        def synced(done: bool) -> bool:
            self._syncing = False
            return done

        return self._trouble.attempt("hot pages", work, self._workers.sync).addCallback(synced)

    # Row groups.

    def crowded(self) -> Deferred[None] | None:
        """
        Make row groups at once, as a node writes to many epochs.

        @return: Fires when there is room for more; L{None} if there is now.
        """
        self.seal()
        if self._storage.pool.private <= MOST_PRIVATE or self._stopped:
            return None
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def _due(self, now: float) -> list[tuple[HotNode, Epoch]]:
        """
        @return: What shall become row groups, the longest waiting first.
        """
        found = []
        most = 1 if self._storage.pool.private > MOST_PRIVATE // 2 else MOST_EPOCHS
        for node in self._nodes.values():
            if not node.epochs or node.sealing:  # those of one node in their order
                continue
            spare = len(node.epochs) - most
            for epoch in sorted(node.epochs.values(), key=_touched):
                over = now - epoch.end > LATE * epoch.step
                if (over and now - epoch.touched >= IDLE) or spare > 0:
                    found.append((node, epoch))
                    spare -= 1
        found.sort(key=lambda each: each[1].touched)
        return found

    def _take(self, now: float) -> list[tuple[HotNode, Epoch]]:
        """
        @return: Epochs for one piece of work, which are written to no more.
        """
        # What failed before is tried again, one alone and each time another one, in turn with what is due: so none
        # can keep others from being done.
        failed = [(node, node.sealing[0]) for node in self._nodes.values() if node.sealing]
        due = self._due(now)
        self._attempts += 1
        again = [failed[self._attempts // 2 % len(failed)]] if failed and (self._attempts % 2 or not due) else []
        taken: list[tuple[HotNode, Epoch]] = []
        columns = 0
        for node, epoch in again or due:
            if taken and columns + epoch.used > MOST_COLUMNS:
                break
            columns += epoch.used
            taken.append((node, epoch))
            if not again:
                node.retire(epoch)
        return taken

    def seal(self) -> None:
        """
        Make row groups of what is due, a piece at a time.
        """
        now = self._clock.seconds()
        if self._sealing or self._stopped or self._retry_at - _RETRY <= now < self._retry_at:
            return
        taken = self._take(now)
        if not taken:
            self.sweep()
            return
        self._sealing = True
        storage, retention = self._storage, self._retention
        jobs = [
            Sealed(
                node.id,
                node.guid,
                node.series.next,
                epoch,
                [retention.of(node, tier) for tier in retention.tiers],
                node.series.spans(epoch.blocks, sealed=False),
            )
            for node, epoch in taken
        ]

        def sealed(done: bool) -> None:
            self._sealing = False
            if not done:
                self._retry_at = self._clock.seconds() + _RETRY
                return
            for (node, epoch), job in zip(taken, jobs, strict=True):
                node.sealed(epoch, job.spans)
                for stretch in job.stale(len(retention.tiers)):
                    node.stale[stretch] = self._clock.seconds()
                for block in epoch.blocks:
                    block.release()
            self.sweep()
            self.seal()

        self._trouble.attempt("row groups", lambda: storage.seal(jobs), self._workers.write).addCallback(sealed)

    def sweep(self) -> None:
        """
        Give pages back that nobody needs.
        """
        unused = self._storage.pool.sweep(self._clock.seconds())
        if unused:
            self._trouble.attempt("files", lambda: self._storage.pool.unlink(unused), self._workers.sync)
        if self._storage.pool.private <= MOST_PRIVATE:
            self._release()

    # Coarser tiers.

    def _derive(self) -> None:
        """
        Make the rows of coarser tiers whose time is over and whose samples
        came to rest, one stretch after the other.
        """
        if self._deriving or self._stopped:
            return
        now = self._clock.seconds()
        for node in self._nodes.values():
            for tier, stretch in sorted(node.stale):
                if self._rests(node, tier, stretch, now):
                    self._derive_one(node, tier, stretch)
                    return

    def _rests(self, node: HotNode, tier: int, stretch: int, now: float) -> bool:
        end = stretch + STRETCH
        if now - node.stale[tier, stretch] < _DERIVE_EVERY or now <= end + _DERIVE_EVERY:
            return False
        if (tier - 1, stretch) in node.stale:
            return False
        return not any(epoch.start <= end and epoch.end > stretch for epoch in node.hot())

    def _derive_one(self, node: HotNode, tier: int, stretch: int) -> None:
        touched = node.stale[tier, stretch]
        oldest = self._retention.oldest(node, tier - 1, self._clock.seconds())
        kept = self._retention.of(node, tier)
        self._deriving = True

        def derived(done: bool) -> None:
            self._deriving = False
            if done:
                if node.stale.get((tier, stretch)) == touched:
                    del node.stale[tier, stretch]
                self._derive()

        self._trouble.attempt(
            "coarser tiers",
            lambda: self._storage.derive(node.id, tier, stretch, oldest, kept),
            self._workers.write,
        ).addCallback(derived)

    # Room.

    def _expire(self) -> None:
        if self._expiring:
            return
        self._expiring = True
        storage, now, tiers = self._storage, int(self._clock.seconds()), self._retention.tiers
        # What a coarser tier is still to be made of is not deleted before.
        waiting = [
            {node.id: first for node in self._nodes.values() if (first := node.waiting(tier + 1)) is not None}
            for tier in tiers[:-1]
        ]

        said: list[str] = []

        def expired(_: object) -> None:
            self._expiring = False
            for sentence in said:
                self._log.info("{sentence}", sentence=sentence)

        self._trouble.attempt(
            "files", lambda: said.extend(storage.expire(now, self._retention.sizes, waiting)), self._workers.write
        ).addCallback(expired)


def _touched(epoch: Epoch) -> float:
    return epoch.touched
