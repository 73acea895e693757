"""
statsd: counters, gauges, timings and sets that programs send.
"""
