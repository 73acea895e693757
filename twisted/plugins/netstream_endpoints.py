"""
Endpoints of netstream for any Twisted program: C{clientFromString} takes
C{socks5:HOST:PORT:proxy=HOST:proxyPort=1080} and C{quic:HOST:PORT},
C{serverFromString} takes C{quic:PORT:certificate=FILE:privateKey=FILE}.
"""

from typing import Any

from twisted.internet.interfaces import (
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
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


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor, IStreamServerEndpointStringParser)
class _Quic:
    """
    One stream in a QUIC connection, by UDP::

        quic:HOST:PORT[:caFile=FILE][:caPath=DIRECTORY][:fingerprint=SHA256][:verifyHostname=no][:skipVerification=yes]
            [:certificate=FILE:privateKey=FILE][:hostname=NAME][:timeout=30]
        quic:PORT:certificate=FILE:privateKey=FILE[:interface=ADDRESS][:clientCA=FILE]
    """

    prefix = "quic"

    def parseStreamClient(self, reactor: Any, *args: Any, **kwargs: Any) -> IStreamClientEndpoint:
        """
        Make the endpoint (called by Twisted).
        """
        from netstream.quic.strings import client

        return client(reactor, *args, **kwargs)

    def parseStreamServer(self, reactor: Any, *args: Any, **kwargs: Any) -> IStreamServerEndpoint:
        """
        Make the endpoint (called by Twisted).
        """
        from netstream.quic.strings import server

        return server(reactor, *args, **kwargs)


socks5 = _Socks5()
quic = _Quic()
