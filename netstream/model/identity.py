"""
Who a node is: its machine GUID, and how secrets are named in logs.
"""

from __future__ import annotations

import re
from hashlib import sha256
from uuid import uuid4

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def guid(text: str) -> str:
    """
    Check the text of a machine GUID or an API key.

    @return: The same UUID in lower case.
    @raise ValueError: It is not of the form 8-4-4-4-12 hexadecimal digits.
    """
    lowered = text.lower()
    if not _GUID.match(lowered):
        raise ValueError(f"{text[:40]!r} is not a UUID such as {uuid4()}")
    return lowered


def new_guid() -> str:
    """
    @return: A new random UUID in lower case.
    """
    return str(uuid4())


def fingerprint(secret: str) -> str:
    """
    Name a secret in a log without telling it.

    @return: The first 8 hexadecimal digits of its SHA-256.
    """
    return sha256(secret.encode()).hexdigest()[:8]
