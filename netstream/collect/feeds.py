"""
What feeds this node besides its own collectors, as its settings say.

What is not wanted is not even imported: a small node pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService

from netstream.config.settings import Settings
from netstream.hub.hub import Hub

if TYPE_CHECKING:
    from netstream.collect.prometheus.receiving import RemoteWrite


def writer(hub: Hub, settings: Settings, clock: Any) -> RemoteWrite | None:
    """
    @param clock: Its seconds are UTC.
    @return: A service that takes what is written to this node; L{None} if
        nobody may.
    """
    if settings.feeds.writes is None:
        return None
    from netstream.collect.prometheus.receiving import RemoteWrite

    return RemoteWrite(hub.local, settings.feeds.writes, clock, settings.db.update_every)


def feeds(hub: Hub, settings: Settings, reactor: Any) -> Iterator[IService]:
    """
    @param reactor: Provides time, processes and sockets.
    @return: The services to run.
    """
    if settings.plugins.get("twisted", False):
        from netstream.collect.twisted_charts import TwistedCharts

        twisted = TwistedCharts(reactor)
        twisted.attach(hub, settings, reactor)
        yield twisted
    if settings.feeds.plugins.directories:
        from netstream.collect.external.service import ExternalPlugins

        yield ExternalPlugins(hub, settings, reactor)
    if settings.feeds.statsd is not None:
        from netstream.collect.statsd.service import Statsd

        yield Statsd(hub, settings, settings.feeds.statsd, reactor)
    if settings.feeds.targets:
        from netstream.collect.prometheus.scraping import Scraper

        for target in settings.feeds.targets:
            yield Scraper(hub.local, target, reactor)
