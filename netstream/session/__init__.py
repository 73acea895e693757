"""
What is going on between two nodes: who may say what and when, without I/O.
"""

from netstream.session.errors import ProtocolError

__all__ = ["ProtocolError"]
