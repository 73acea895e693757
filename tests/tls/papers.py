"""
Certificates for tests, made once.
"""

from __future__ import annotations

import functools
import time
from pathlib import Path

from netstream.tls.certificates import Pair
from netstream.tls.making import issue, make_authority, save

DAY = 86400.0


@functools.cache
def _authority(name: str) -> Pair:
    return make_authority(name, time.time())


def authority(name: str = "Test CA") -> Pair:
    """
    @return: An authority that is valid now.
    """
    return _authority(name)


@functools.cache
def pair(*names: str, by: str = "Test CA", made: float = 0.0, days: int = 30, client: bool = False) -> Pair:
    """
    @param by: Name of the authority.
    @param made: Days from now at which it is made.
    """
    return issue(authority(by), names, time.time() + made * DAY, days, client=client)


def write(found: Pair, directory: Path, name: str = "") -> tuple[Path, Path]:
    """
    @return: Files with a certificate and its key.
    """
    certificate, key = directory / f"{name}cert.pem", directory / f"{name}key.pem"
    save(found, certificate, key)
    return certificate, key


def write_authority(directory: Path, name: str = "Test CA") -> Path:
    """
    @return: A file with the certificate of an authority.
    """
    directory.mkdir(parents=True, exist_ok=True)
    found = authority(name)
    save(found, directory / "ca.pem", directory / "ca-key.pem")
    return directory / "ca.pem"
