"""
C{netstream hash-password}: what a file of those who may look keeps of a
password.
"""

from __future__ import annotations

import argparse
import sys
from getpass import getpass
from typing import Any

from netstream.config.credentials import check_user, hash_password
from netstream.config.errors import ConfigError


def add_hash_password(commands: Any) -> None:
    """
    @param commands: What C{add_subparsers} returned.
    """
    hashes = commands.add_parser(
        "hash-password",
        help="print a line for '[web] access token file'",
        description="Ask for a password, or read it from standard input, and print the line that lets who knows it "
        "look at a node: the name and an scrypt hash. It belongs in the file that '[web] access token file' names; a "
        "running node reads it at the next request.",
    )
    hashes.add_argument("name", metavar="NAME", help="of the user")
    hashes.set_defaults(run=_hash_password)


def _hash_password(chosen: argparse.Namespace) -> int:
    try:
        name = check_user(chosen.name)
        print(f"{name}:{hash_password(_password()).text}")
    except ValueError as problem:
        raise ConfigError("hash-password", "", "", str(problem)) from problem
    return 0


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("Password: ", sys.stderr)
    if getpass("Again: ", sys.stderr) != password:
        raise ValueError("these were two different passwords")
    return password
