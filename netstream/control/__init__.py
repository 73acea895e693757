"""
Telling a node that runs what to do: the control socket, and what can be said
there.
"""
