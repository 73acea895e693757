"""
One node in several processes.
"""
