"""
What the hosts of an API key, or one host, may use up.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from netstream.config.settings import Quota

BURST = 10.0
"""Seconds of samples that may come at once."""

LONGEST_WAIT = 20.0
"""Seconds for which a host is not listened to at once, so that it does not
take this node for dead."""

AWAY_FOR = 300.0
"""Seconds for which a host is not let in again that had too many metrics."""


@define(eq=False)
class _Account:
    """
    What is used of one quota.

    @ivar metrics: Of each host that is connected, by machine GUID.
    @ivar total: Metrics of all of them.
    @ivar tokens: Samples that may come now; less than nothing if there were
        too many.
    @ivar at: When that was so, UTC seconds.
    """

    metrics: dict[str, int] = field(factory=dict)
    total: int = 0
    tokens: float = 0.0
    at: float = 0.0

    def note(self, guid: str, metrics: int) -> None:
        """
        A host has so many metrics.
        """
        self.total += metrics - self.metrics.get(guid, 0)
        self.metrics[guid] = metrics

    def leave(self, guid: str) -> None:
        """
        A host is not connected any more.
        """
        self.total -= self.metrics.pop(guid, 0)

    def take(self, samples: int, rate: int, now: float) -> float:
        """
        @return: Seconds until as many would have been allowed.
        """
        self.tokens = min(rate * BURST, self.tokens + max(0.0, now - self.at) * rate) - samples
        self.at = now
        return max(0.0, -self.tokens / rate)


class Quotas:
    """
    Keeps account of all quotas.
    """

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self._held: dict[str, tuple[Quota, ...]] = {}
        self._away: dict[str, tuple[float, str]] = {}

    def refusal(self, guid: str, quotas: Sequence[Quota], metrics: int, now: float) -> str:
        """
        @param metrics: That the host is known to have.
        @return: Why a host is not let in, and which line would change that;
            C{""} if it may be.
        """
        until, why = self._away.get(guid, (0.0, ""))
        if now < until and any(quota.metrics for quota in quotas):
            return why
        self._away.pop(guid, None)
        for quota in quotas:
            account = self._accounts.get(quota.of)
            if account is None or guid in account.metrics:
                continue
            if quota.nodes and len(account.metrics) >= quota.nodes:
                return (
                    f"{quota.of} has its {quota.nodes} nodes already; change 'max nodes' in its section at "
                    f"{quota.place}, or give the host another key"
                )
            if quota.metrics and account.total + metrics > quota.metrics:
                return _too_many(quota, account.total + metrics)
        return ""

    def enter(self, guid: str, quotas: Sequence[Quota], metrics: int, now: float) -> None:
        """
        A host is let in.

        @param metrics: That it is known to have.
        """
        self.leave(guid)
        if not quotas:
            return
        self._held[guid] = tuple(quotas)
        for quota in quotas:
            account = self._accounts.setdefault(quota.of, _Account(tokens=quota.samples * BURST, at=now))
            account.note(guid, metrics)

    def leave(self, guid: str) -> None:
        """
        A host is not connected any more.
        """
        for quota in self._held.pop(guid, ()):
            account = self._accounts[quota.of]
            account.leave(guid)
            if not account.metrics and account.tokens >= 0:
                del self._accounts[quota.of]

    def define(self, guid: str, metrics: int, now: float) -> str:
        """
        A host has got more metrics.

        @param metrics: All that it has.
        @return: Why these are too many; C{""} if they are not.
        """
        for quota in self._held.get(guid, ()):
            account = self._accounts[quota.of]
            account.note(guid, metrics)
            if quota.metrics and account.total > quota.metrics:
                why = _too_many(quota, account.total)
                if len(self._away) >= 10_000:
                    self._away.clear()
                self._away[guid] = now + AWAY_FOR, why
                return why
        return ""

    def take(self, guid: str, samples: int, now: float) -> tuple[float, str]:
        """
        A host has sent samples.

        @return: Seconds for which it is not to be listened to, and why; none
            if it is within what it may.
        """
        longest, why = 0.0, ""
        for quota in self._held.get(guid, ()):
            if not quota.samples:
                continue
            wait = self._accounts[quota.of].take(samples, quota.samples, now)
            if wait > longest:
                longest = min(wait, LONGEST_WAIT)
                why = (
                    f"{quota.of} may send {quota.samples} samples a second ('max samples per second' at {quota.place})"
                )
        return longest, why


def _too_many(quota: Quota, metrics: int) -> str:
    return (
        f"{quota.of} may have {quota.metrics} metrics, and this would be {metrics}; change 'max metrics' in its "
        f"section at {quota.place}, or send fewer charts"
    )
