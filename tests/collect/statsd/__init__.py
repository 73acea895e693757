"""
Tests of statsd.
"""
