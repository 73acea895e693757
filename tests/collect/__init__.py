"""
Tests of the collectors.
"""
