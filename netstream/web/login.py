"""
Who signs in: tokens and passwords that requests present.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from ipaddress import ip_address
from pathlib import Path
from secrets import token_bytes

from attrs import define
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.config.credentials import Credentials, read_credentials
from netstream.config.errors import ConfigError
from netstream.web.answer import Heard, Refusal, header

Work = Callable[[Callable[[], bool]], Deferred[bool]]
"""Does something that takes long where it holds nobody up."""

MOST_REMEMBERED = 1000
"""Passwords that fitted, and that did not, which are known again."""
MOST_CHECKED = 2
"""Passwords that are verified at once."""
MOST_WAITING = 30
"""Passwords that wait for that."""
WRONG_ALLOWED = 10
"""Wrong ones of one address within a minute, before it has to wait."""
WRONG_WITHIN = 60.0
"""That minute."""
MOST_ADDRESSES = 10_000
"""Addresses whose wrong ones are counted."""

ASK = (
    "Sign in to see this node: with a name and password, as a browser asks for them, or with a token.\n"
    "A program presents a token as 'Authorization: Bearer TOKEN'; a browser takes the name 'token', and the token as\n"
    "password. The owner of the node finds both in [web] access token file of netstream.conf.\n"
)


@define
class _Guesser:
    """
    Someone who tries.

    @ivar until: Seconds until which what was wrong counts.
    @ivar count: Different ones that were wrong.
    """

    until: float
    count: int = 0


class Login:
    """
    Lets those in who are in the file.

    Passwords are verified where that holds nobody up, and what is known costs
    nothing: a page makes many requests, each of which presents the password
    again.  A file that is changed counts from the next request on.

    @ivar path: The file.
    """

    _log = Logger()

    def __init__(self, path: Path, clock: IReactorTime, work: Work = maybeDeferred) -> None:
        """
        @param work: Where a password is verified.
        @raise ConfigError: The file cannot be used.
        """
        self.path = path
        self._clock = clock
        self._work = work
        self._seen: tuple[int, int, int] | None = self._signature()
        self._known = read_credentials(path)
        self._secret = token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._running: dict[bytes, list[Deferred[bool]]] = {}
        self._queue: OrderedDict[bytes, Callable[[], bool]] = OrderedDict()
        self._checked = 0
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()

    def prepare(self, path: Path) -> Callable[[], None]:
        """
        Read another file.

        @return: Goes by it.
        @raise ConfigError: It cannot be used.
        """
        seen, known = self._signature(path), read_credentials(path)

        def go_by() -> None:
            self.path, self._seen = path, seen
            self._use(known)

        return go_by

    def _signature(self, path: Path | None = None) -> tuple[int, int, int] | None:
        try:
            found = os.stat(path or self.path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _refresh(self) -> None:
        seen = self._signature()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            known = read_credentials(self.path)
        except ConfigError as problem:
            self._log.error("{problem}; those who could sign in before still can", problem=str(problem))
        else:
            self._use(known)
            self._log.info("{path} was read again: who is in it can sign in", path=str(self.path))

    def _use(self, known: Credentials) -> None:
        self._known = known
        self._right.clear()
        self._wrong.clear()
        # What is being verified by the old file answers those who wait, and is not kept.
        self._secret = token_bytes(32)

    def check(self, request: Heard, address: str) -> Deferred[None]:
        """
        Let a request pass, or not.

        @param address: Of who asks.
        @return: Fires if it may; fails with L{Refusal}.
        """
        self._refresh()
        token = header(request, b"X-Auth-Token")
        kind, _, said = header(request, b"Authorization").strip().partition(" ")
        said = said.strip()
        name = password = ""
        if kind.lower() == "bearer":
            token = said
        elif kind.lower() == "basic":
            name, password = _basic(said)
            if name == "token" or not name:
                token = password
        if token and self._known.has_token(token):
            return succeed(None)
        if not (token or password):
            return _refuse()
        if not name or not self._known.users:
            mark = self._mark(f"{name}:{token}")
            if mark not in self._wrong:
                self._check_patience(address)
                self._count(mark, address)
            return _refuse()
        return self._check_password(name, password, address)

    def _check_password(self, name: str, password: str, address: str) -> Deferred[None]:
        mark = self._mark(f"{name}:{password}")
        if mark in self._right:
            self._right.move_to_end(mark)
            return succeed(None)
        if mark in self._wrong:
            return _refuse()
        self._check_patience(address)
        outcome: Deferred[bool] = Deferred()
        if mark in self._running:
            self._running[mark].append(outcome)
        else:
            if len(self._queue) >= MOST_WAITING:
                raise Refusal(503, "Too many passwords are verified at once; try again.\n", {"Retry-After": "2"})
            known = self._known
            self._running[mark] = [outcome]
            self._queue[mark] = lambda: known.password_fits(name, password)
            self._next()

        def judge(fits: bool) -> Deferred[None] | None:
            if fits:
                return None
            self._count(mark, address)
            return _refuse()

        return outcome.addCallback(judge)

    def _mark(self, said: str) -> bytes:
        return blake2b(said.encode("utf-8", "surrogatepass"), key=self._secret).digest()

    def _next(self) -> None:
        while self._queue and self._checked < MOST_CHECKED:
            mark, verify = self._queue.popitem(last=False)
            self._checked += 1
            self._work(verify).addErrback(self._broken).addCallback(self._verified, mark, self._secret)

    def _broken(self, failure: Failure) -> bool:
        self._log.failure("a password was not verified", failure)
        return False

    def _verified(self, fits: bool, mark: bytes, secret: bytes) -> None:
        self._checked -= 1
        if fits and secret is self._secret:
            _remember(self._right, mark, MOST_REMEMBERED)
        for waiting in self._running.pop(mark, []):
            waiting.callback(fits)
        self._next()

    def _check_patience(self, address: str) -> None:
        guesser = self._guessers.get(_household(address))
        now = self._clock.seconds()
        if guesser is not None and guesser.count >= WRONG_ALLOWED and now < guesser.until:
            wait = int(guesser.until - now) + 1
            raise Refusal(
                429, f"Too many wrong passwords came from your address; wait {wait} s.\n", {"Retry-After": str(wait)}
            )

    def _count(self, mark: bytes, address: str) -> None:
        """
        Remember a wrong one; that it comes again and again is no guessing.
        """
        if mark in self._wrong:
            return
        _remember(self._wrong, mark, MOST_REMEMBERED)
        where, now = _household(address), self._clock.seconds()
        guesser = self._guessers.pop(where, None)
        if guesser is None or now >= guesser.until:
            guesser = _Guesser(now + WRONG_WITHIN)
        guesser.count += 1
        self._guessers[where] = guesser
        while len(self._guessers) > MOST_ADDRESSES:
            self._guessers.popitem(last=False)
        if guesser.count == WRONG_ALLOWED:
            self._log.warn(
                "{peer}: {count} wrong passwords or tokens for the dashboard within a minute; more have to wait",
                peer=address,
                count=WRONG_ALLOWED,
            )


def _remember(marks: OrderedDict[bytes, None], mark: bytes, most: int) -> None:
    marks[mark] = None
    while len(marks) > most:
        marks.popitem(last=False)


def _refuse() -> Deferred[None]:
    refused: Deferred[None] = Deferred()
    refused.errback(Refusal(401, ASK, {"WWW-Authenticate": 'Basic realm="netstream", charset="UTF-8"'}))
    return refused


def _basic(said: str) -> tuple[str, str]:
    """
    @return: Name and password, each C{""} if there is none.
    """
    try:
        text = b64decode(said, validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return "", ""
    name, _, password = text.partition(":")
    return name, password


def _household(address: str) -> str:
    """
    @return: What one person has of addresses: one of IPv4, a network of IPv6.
    """
    try:
        number = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return address if number.version == 4 else str(int(number) >> 64)
