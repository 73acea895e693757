"""
What is kept: the interface of a metrics database, its engines, and queries.
"""

from netstream.db.dbengine.engine import DBEngine
from netstream.db.none import NoneDB
from netstream.db.ram import RamDB
from netstream.db.spool import Spool

__all__ = ["DBEngine", "NoneDB", "RamDB", "Spool"]
