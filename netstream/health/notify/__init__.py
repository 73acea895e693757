"""
Telling people and programs of alerts: one small class a method.
"""
