"""
The configuration files, parsed once into one frozen class a section.
"""

from netstream.config.errors import ConfigError
from netstream.config.keys import ensure_key
from netstream.config.load import load
from netstream.config.machine import machine_guid
from netstream.config.settings import Refused, Settings

__all__ = ["ConfigError", "Refused", "Settings", "ensure_key", "load", "machine_guid"]
