"""
Certificates, TLS contexts, and what to say when a handshake fails.

Nothing here knows of streaming or HTTP.
"""
