"""
Small facts that outlive a node, in files of JSON.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def keep(path: Path, said: Any) -> None:
    """
    Write a file, which is there as it was before or as it is now, whatever
    happens; nobody else may read it.

    @param said: What JSON can carry.
    @raise OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(said, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
