"""
One node in several processes: workers take children's connections, and the
one that serves knows what all of them know.
"""
