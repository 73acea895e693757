"""
Tests of what the first version of the disk engine wrote.
"""
