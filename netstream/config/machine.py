"""
The machine GUID of this node.
"""

from __future__ import annotations

import os
from pathlib import Path

from netstream.config.errors import ConfigError
from netstream.config.places import sync_directory
from netstream.model.identity import guid, new_guid

FILE = "machine.guid"


def machine_guid(data_dir: Path) -> str:
    """
    Read who this node is; at the first start it becomes someone.

    @param data_dir: Is made if it is not there.
    @return: A UUID in lower case, the same at every start.
    @raise ConfigError: The file is damaged, or cannot be read or written.
    """
    path = data_dir / FILE
    try:
        text = _read(path)
        if text is None:
            _create(path, new_guid())
            text = _read(path) or ""
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not text"
        raise ConfigError(str(path), "", "", f"the machine GUID cannot be kept: {reason}") from problem
    try:
        return guid(text.strip())
    except ValueError as problem:
        raise ConfigError(
            str(path),
            "",
            "",
            f"{problem}; restore the file, or remove it, and the node is a new one without the history of the old",
        ) from None


def known_guid(data_dir: Path) -> str:
    """
    @return: The machine GUID of a node that has started before; C{""} if there
        is none.
    @raise ConfigError: The file is damaged, or cannot be read.
    """
    try:
        found = _read(data_dir / FILE) is not None
    except (OSError, UnicodeDecodeError):
        found = True  # what is wrong with it is said below
    return machine_guid(data_dir) if found else ""


def _read(path: Path) -> str | None:
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        return None


def _create(path: Path, text: str) -> None:
    """
    Let the whole file appear at once, unless someone else was quicker.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        except OSError:
            os.rename(draft, path)
        sync_directory(path.parent)
    finally:
        draft.unlink(missing_ok=True)
