"""
Nodes talking: the transports of streaming, and who may stream to whom.

L{netstream.session} knows what is said; here bytes move and timers run.
"""
