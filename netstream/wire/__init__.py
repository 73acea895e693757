"""
Bytes to values and back: what two nodes say to each other, line by line.

Nothing here does I/O, knows the time or remembers more than an unfinished line.
"""
