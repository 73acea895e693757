"""
netstream beside the real agent, over real sockets on loopback.
"""
