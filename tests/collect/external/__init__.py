"""
Tests of external plugins.
"""
