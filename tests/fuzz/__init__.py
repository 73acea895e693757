"""
Bytes that nobody should send, in numbers that an ordinary run has time for.
"""
