"""
Makes C{twistd netstream} known to Twisted.
"""

from twisted.application.service import ServiceMaker

netstream = ServiceMaker(
    "netstream",
    "netstream.tap",
    "Stream metrics between nodes in real time: collect, receive, store, show and forward them.",
    "netstream",
)
