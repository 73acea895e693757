"""
Tests of series as Prometheus has them.
"""
