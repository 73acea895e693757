"""
What people and programs see over HTTP: the API of an agent, and the dashboard.
"""

from netstream.web.site import site

__all__ = ["site"]
