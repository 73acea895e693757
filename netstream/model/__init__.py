"""
The nouns: nodes, charts, dimensions, samples, and the updates that travel.

Everything here is a value, or a table that only grows.  Nothing does I/O and
nothing knows the time.
"""
