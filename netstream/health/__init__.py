"""
Alerts: their definitions, the state of each, and who is told.
"""
