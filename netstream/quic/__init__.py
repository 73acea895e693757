"""
Streams over UDP: QUIC connections as Twisted's transports and endpoints.

Nothing here knows of nodes: a connection carries one stream of bytes both
ways, as TCP does.  What the other side is trusted by is room C{tls}'s.  The
room is imported only where something is connected to, or listens, by UDP.
"""
