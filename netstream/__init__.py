"""
netstream: metrics streamed between nodes in real time.

A node collects, receives, stores, shows and forwards metrics.  L{Node} is the
service that does so in any Twisted application; L{settings} makes its
configuration from the same names that the files use.
"""

__version__ = "0.1.0"
