"""
Tests of C{netstream.export}.
"""
