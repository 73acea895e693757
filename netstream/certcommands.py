"""
C{netstream gencert}: an authority of one's own, and certificates for parents
and children.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import time
from pathlib import Path
from typing import Any

from netstream.config.errors import ConfigError
from netstream.config.layers import is_uuid
from netstream.config.places import config_directory
from netstream.tls.certificates import Pair, certificate_fingerprint, day, read_pair
from netstream.tls.making import CA_DAYS, DAYS, issue, make_authority, save

_FILE = re.compile(r"[^A-Za-z0-9.-]+")


def add_gencert(commands: Any) -> None:
    """
    @param commands: What C{add_subparsers} returned.
    """
    gencert = commands.add_parser(
        "gencert",
        help="make certificates for TLS",
        description="Make a certificate for a parent under the names by which its children call it, or with --client "
        "one for a child.  The first time, an authority is made that issues them.  A running node uses a certificate "
        "that was made anew from the next connection on.",
    )
    gencert.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="host name, address, or machine GUID; without any, those of this machine",
    )
    gencert.add_argument("--client", action="store_true", help="for a child, which presents it to a parent")
    gencert.add_argument(
        "--dir", type=Path, metavar="DIR", help="where the files are [default: ssl beside the configuration]"
    )
    gencert.add_argument("--config-dir", type=Path, metavar="DIR")
    gencert.add_argument("--days", type=int, default=DAYS, metavar="N", help=f"how long it is valid [default: {DAYS}]")
    gencert.add_argument("--force", action="store_true", help="replace a certificate that is there")
    gencert.set_defaults(run=_gencert)


def _names(given: list[str]) -> list[str]:
    if given:
        return [f"urn:uuid:{name.lower()}" if is_uuid(name) else name for name in given]
    host = socket.gethostname()
    return list(dict.fromkeys([socket.getfqdn(), host, "localhost", "127.0.0.1", "::1"]))


def _gencert(chosen: argparse.Namespace) -> int:
    directory: Path = chosen.dir.expanduser() if chosen.dir else config_directory(chosen.config_dir) / "ssl"
    names = _names(chosen.names)
    if not 1 <= chosen.days <= CA_DAYS:
        raise ConfigError("gencert", "", "", f"--days {chosen.days} is not between 1 and {CA_DAYS}")
    label = f"client-{_FILE.sub('-', names[0].removeprefix('urn:uuid:'))}-" if chosen.client else ""
    certificate, key = directory / f"{label}cert.pem", directory / f"{label}key.pem"
    there = next((path for path in (certificate, key) if path.exists()), None)
    if there is not None and not chosen.force:
        raise ConfigError(str(there), "", "", "is there already; --force replaces it")
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        authority = _authority(directory)
        try:
            made = issue(authority, names, time.time(), chosen.days, client=chosen.client)
        except (ValueError, UnicodeError) as problem:
            raise ConfigError(
                "gencert", "", "", f"{' '.join(names)}: no names of a certificate: {problem}"
            ) from problem
        save(made, certificate, key)
    except OSError as problem:
        where = problem.filename or directory
        raise ConfigError(str(where), "", "", f"cannot be written: {problem.strerror}") from problem
    _tell(directory / "ca.pem", certificate, key, made, names, client=chosen.client)
    return 0


def _authority(directory: Path) -> Pair:
    """
    @return: The authority of a directory, made if there is none.
    @raise ConfigError: What is there cannot be used.
    @raise OSError: It cannot be written.
    """
    certificate, key = directory / "ca.pem", directory / "ca-key.pem"
    if certificate.exists() or key.exists():
        return read_pair(certificate, key, time.time(), "the authority of gencert", "its key")
    authority = make_authority(f"netstream CA of {socket.gethostname()}", time.time())
    save(authority, certificate, key)
    print(f"A new authority: {certificate}; keep {key} to yourself.\n")
    return authority


def _tell(ca: Path, certificate: Path, key: Path, made: Pair, names: list[str], *, client: bool) -> None:
    leaf = made.certificate
    print(f"{certificate} and {key} are for {', '.join(names)}, until {day(leaf.not_valid_after_utc)}.")
    print(f"SHA-256 {certificate_fingerprint(leaf)}\n")
    if client:
        print(
            "A parent that asks for certificates needs in its netstream.conf:\n\n"
            f"[web]\n    ssl client CA = {os.path.abspath(ca)}\n\n"
            "Copy both files to the child; it needs in its stream.conf:\n\n"
            f"[stream]\n    ssl certificate = /path/of/{certificate.name}\n    ssl key = /path/of/{key.name}\n"
        )
        return
    name = next((name for name in names if name not in ("localhost", "127.0.0.1", "::1")), names[0])
    print(
        "The parent needs in its netstream.conf, unless they are at ssl/cert.pem and ssl/key.pem beside it:\n\n"
        f"[web]\n    ssl certificate = {os.path.abspath(certificate)}\n    ssl key = {os.path.abspath(key)}\n\n"
        f"Copy {ca} to each child; it needs in its stream.conf:\n\n"
        f"[stream]\n    destination = {f'[{name}]' if ':' in name else name}:19999:SSL\n    CAfile = /path/of/ca.pem\n"
    )
