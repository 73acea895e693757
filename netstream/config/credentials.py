"""
The file of those who may look: tokens of programs, and users with their
passwords, which are kept as hashes.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from hashlib import scrypt, sha256
from hmac import compare_digest
from pathlib import Path
from secrets import token_bytes

from attrs import field, frozen

from netstream.config.errors import ConfigError

SHORTEST_TOKEN = 16
"""Characters of a token."""
SHORTEST_PASSWORD = 8
"""Characters of a password that is hashed here."""
LARGEST_FILE = 1 << 20
"""Bytes of a file that is read."""

_LN, _R, _P = 14, 8, 5
_MOST_MEMORY = 256 << 20
_MOST_WORK = 1 << 22
_USER = re.compile(r"[^\s:]{1,100}\Z")
_PHC = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)\Z")
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})\Z")


def _bytes(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), validate=True)


def _text(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")


@frozen
class Hashed:
    """
    A password as scrypt leaves it.

    @ivar ln: Binary logarithm of how much work it is.
    @ivar r: Size of a block.
    @ivar p: How often it is done.
    """

    ln: int
    r: int
    p: int
    salt: bytes
    digest: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Hashed:
        """
        @param text: As L{text} gives it, and other programs write it.
        @raise ValueError: It is no such thing, or too much work to verify.
        """
        found = _PHC.match(text)
        if found is None:
            raise ValueError("no hash as 'netstream hash-password' makes it")
        ln, r, p = int(found[1]), int(found[2]), int(found[3])
        try:
            salt, digest = _bytes(found[4]), _bytes(found[5])
        except binascii.Error:
            raise ValueError("no hash as 'netstream hash-password' makes it") from None
        if not (ln and r and p) or len(salt) < 8 or not 16 <= len(digest) <= 64:
            raise ValueError("a weak hash; make one with 'netstream hash-password'")
        if ln > 20 or (128 * r) << ln > _MOST_MEMORY or (r * p) << ln > _MOST_WORK:
            raise ValueError("a hash that is too much work to verify; make one with 'netstream hash-password'")
        return cls(ln, r, p, salt, digest)

    @property
    def text(self) -> str:
        """
        The hash for a file.
        """
        return f"$scrypt$ln={self.ln},r={self.r},p={self.p}${_text(self.salt)}${_text(self.digest)}"

    def fits(self, password: str) -> bool:
        """
        Verify a password.  That takes some tenths of a second and 16 MiB, so
        it belongs in a thread.
        """
        return compare_digest(_scrypt(password, self.salt, self.ln, self.r, self.p, len(self.digest)), self.digest)


def _scrypt(password: str, salt: bytes, ln: int, r: int, p: int, length: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    return scrypt(secret, salt=salt, n=1 << ln, r=r, p=p, maxmem=2 * _MOST_MEMORY, dklen=length)


def hash_password(password: str, random: Callable[[int], bytes] = token_bytes) -> Hashed:
    """
    @param random: Gives so many bytes that nobody can guess.
    @raise ValueError: The password is too short.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"a password has at least {SHORTEST_PASSWORD} characters")
    salt = random(16)
    return Hashed(_LN, _R, _P, salt, _scrypt(password, salt, _LN, _R, _P, 32))


def check_user(name: str) -> str:
    """
    @return: The name of a user.
    @raise ValueError: Nobody can be called so.
    """
    if not _USER.match(name):
        raise ValueError(f"{name!r} is no name of a user: 1 to 100 characters without blanks and colons")
    return name


_NOBODY = Hashed(_LN, _R, _P, b"nobody's salt", bytes(32))
"""What the password of a name that nobody has is compared with, so that it
takes as long as another."""


@frozen
class Credentials:
    """
    Who may look.

    @ivar tokens: SHA-256 of each token.
    @ivar users: Their hashed passwords, by name.
    """

    tokens: tuple[bytes, ...] = field(default=(), repr=False)
    users: Mapping[str, Hashed] = field(factory=dict, repr=False)

    def has_token(self, token: str) -> bool:
        """
        @return: Whether a token is one of them; how long that takes tells
            nothing.
        """
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = False
        for known in self.tokens:
            found |= compare_digest(digest, known)
        return found

    def password_fits(self, name: str, password: str) -> bool:
        """
        Verify a password, in a thread.

        @return: Whether it is that of a user, which takes as long for a name
            that nobody has.
        """
        known = self.users.get(name)
        return (known or _NOBODY).fits(password) and known is not None


def read_credentials(path: Path, option: str = "access token file") -> Credentials:
    """
    @param path: A file with one entry a line: a token, C{sha256:} and the
        hexadecimal digits of one, or C{NAME:HASH} for a user.  Lines that
        begin with C{#} say nothing.
    @param option: Of C{[web]}, which names the file.
    @raise ConfigError: It cannot be read, or an entry is no such thing; what
        it is instead is not said, as it may be a secret.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as problem:
        raise ConfigError(str(path), "web", option, f"cannot be read: {problem.strerror}") from problem
    if len(content) > LARGEST_FILE:
        raise ConfigError(str(path), "web", option, f"is larger than {LARGEST_FILE} bytes")
    tokens: list[bytes] = []
    users: dict[str, Hashed] = {}
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError as problem:
        raise ConfigError(str(path), "web", option, "is no UTF-8") from problem
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        try:
            _entry(line, tokens, users)
        except ValueError as problem:
            raise ConfigError(str(path), "web", option, str(problem), number) from None
    if not tokens and not users:
        lacking = (
            "nobody is in it; add a token ('netstream genkey' makes one), or what 'netstream hash-password' prints"
        )
        raise ConfigError(str(path), "web", option, lacking)
    return Credentials(tuple(tokens), users)


def _entry(line: str, tokens: list[bytes], users: dict[str, Hashed]) -> None:
    digest = _DIGEST.match(line)
    if digest is not None:
        tokens.append(bytes.fromhex(digest[1]))
        return
    name, colon, hashed = line.partition(":")
    if not colon:
        if len(line) < SHORTEST_TOKEN or not line.isascii() or not line.isprintable() or " " in line:
            raise ValueError(
                f"a token has at least {SHORTEST_TOKEN} characters of ASCII and no blanks; 'netstream genkey' makes one"
            )
        tokens.append(sha256(line.encode()).digest())
        return
    try:
        check_user(name)
    except ValueError:
        raise ValueError("what stands before ':' is no name of a user") from None
    if name in users:
        raise ValueError(f"user {name} is there twice")
    try:
        users[name] = Hashed.parse(hashed)
    except ValueError as problem:
        raise ValueError(f"what stands behind '{name}:' is {problem}") from None
