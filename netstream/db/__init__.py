"""
What is kept: the interface of a metrics database, its engines, and queries.
"""
