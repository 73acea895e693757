"""
What the first version of the disk engine wrote, for databases that are older.
"""

from netstream.db.version1.reading import StoredNode, is_version1, read
from netstream.db.version1.samples import Samples

__all__ = ["Samples", "StoredNode", "is_version1", "read"]
