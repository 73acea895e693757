"""
Tests of C{netstream.health}.
"""
