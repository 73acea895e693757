"""
Points to other systems: their bytes, and one connection a target.

What is sent is made of columns: the names of a series become bytes once, and
each interval only puts values and times between them.
"""
