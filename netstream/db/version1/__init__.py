"""
What the first version of the disk engine wrote, for databases that are older.
"""
