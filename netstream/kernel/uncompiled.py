"""
What stands for Cython's own names where Cython is not installed.
"""

from contextlib import nullcontext

compiled = False
nogil = nullcontext()
