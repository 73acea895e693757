"""
What netstream costs, measured beside a real agent on the same machine.

C{python -m benchmarks} measures everything; each module runs alone as well, as
in C{python -m benchmarks.parent --help}.
"""
