"""
What this node knows now: hosts, charts, latest values, and who wants to hear.
"""
