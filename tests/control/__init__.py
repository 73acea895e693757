"""
Tests for the control socket.
"""
