"""
This machine, measured: collectors read files of the kernel and write what
plugins write; a service runs them at every tick.
"""

from netstream.collect.service import CollectService

__all__ = ["CollectService"]
