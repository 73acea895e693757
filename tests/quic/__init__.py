"""
Tests for streams over UDP.
"""
