"""
The dashboard in a real browser, in front of real nodes.
"""
