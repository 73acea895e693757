"""
Bytes that nobody should send, given to all that reads bytes of others.

L{fuzz.targets} says what is tried, and what may come of it.  C{python -m fuzz}
lets libFuzzer look for inputs, with the kernel built to notice every access
out of bounds; C{tests/fuzz} tries some in the ordinary tests.
"""
