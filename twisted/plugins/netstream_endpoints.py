"""
Endpoints of netstream for any Twisted program: C{clientFromString} takes
C{socks5:HOST:PORT:proxy=HOST:proxyPort=1080}.
"""

from typing import Any

from twisted.internet.interfaces import IStreamClientEndpoint, IStreamClientEndpointStringParserWithReactor
from twisted.plugin import IPlugin
from zope.interface import implementer


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor)
class _Socks5:
    """
    Connects through a SOCKS5 proxy::

        socks5:HOST:PORT:proxy=HOST[:proxyPort=1080][:user=USER:password=PASSWORD][:timeout=30]
    """

    prefix = "socks5"

    def parseStreamClient(self, reactor: Any, *args: Any, **kwargs: Any) -> IStreamClientEndpoint:
        """
        Make the endpoint (called by Twisted).
        """
        # Every twistd loads this module, and few need what it makes.
        from netstream.streaming.endpoints import socks5

        return socks5(reactor, *args, **kwargs)


socks5 = _Socks5()
