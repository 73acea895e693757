"""
API keys: new ones, and the first one of a parent.
"""

from __future__ import annotations

import os
from pathlib import Path

from netstream.config.errors import ConfigError
from netstream.config.places import OWN_KEYS, STREAM_CONF, foreign
from netstream.config.settings import Settings
from netstream.model.identity import fingerprint, new_guid


def new_key() -> str:
    """
    @return: An API key that nobody else has.
    """
    return new_guid()


def mark(key: str) -> str:
    """
    @return: The name of a key where the key itself must not be seen.
    """
    return fingerprint(key.lower())


def ensure_key(settings: Settings) -> tuple[str, Path]:
    """
    Make an API key and save it where the next L{netstream.config.load} finds
    it: in C{stream.conf} of the configuration directory, which is made if need
    be.  If that cannot be written, or belongs to a Netdata agent, it is saved
    in C{keys.conf} of the data directory.

    @param settings: Of a node that has no API key yet.
    @return: The key and the file.
    @raise ConfigError: Neither file can be written.
    """
    key = new_key()
    places = [settings.config_dir / STREAM_CONF, settings.data_dir / OWN_KEYS]
    if foreign(settings.config_dir):
        del places[0]
    problems = []
    for path in places:
        try:
            _append(path, key)
        except OSError as problem:
            problems.append(f"{path}: {problem.strerror}")
        else:
            return key, path
    raise ConfigError(
        str(places[-1]),
        "",
        "",
        f"a new API key cannot be saved ({'; '.join(problems)}); make one with 'netstream genkey' and give its section "
        "'type = api' and 'enabled = yes'",
    )


def _append(path: Path, key: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        content = file.read()
        ending = b"" if not content or content.endswith(b"\n") else b"\n"
        section = f"# Made at the first start: children present this key.\n[{key}]\n    type = api\n    enabled = yes\n"
        file.write(ending + (b"\n" if content else b"") + section.encode())
        file.flush()
        os.fsync(file.fileno())
