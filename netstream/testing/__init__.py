"""
For tests, ours and yours: a simulated network with a clock, and the contract
of a metrics database.
"""

from netstream.testing.network import Machine, Network
from netstream.testing.world import KEY, World, WorldNode

__all__ = ["KEY", "Machine", "Network", "World", "WorldNode"]
