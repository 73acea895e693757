"""
What an option is: its names, its language, and whether it has an effect yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from attrs import frozen

from netstream.config.addresses import FEATURES as KNOWN
from netstream.config.settings import COMPRESSIONS, PROTECTABLE, Mode, SocksProxy
from netstream.config.values import boolean, boolean_doubt, duration, integer, quoted, size, three_valued
from netstream.model.identity import guid
from netstream.model.networks import Networks
from netstream.model.pattern import pattern

_NAME = re.compile("[g-z]")
"""No address has such letters."""


def _no_doubt(text: str) -> str:
    return ""


@frozen
class Kind:
    """
    The language of a value.

    @ivar name: What the documentation calls it.
    @ivar read: Gives the value; L{ValueError} says what would be right.
    @ivar doubt: Gives a warning about a text that is read otherwise than its
        author may think, else C{""}.
    """

    name: str
    read: Callable[[str], Any]
    doubt: Callable[[str], str] = _no_doubt


@frozen
class Option:
    """
    One option.

    @ivar section: Where it stands; L{KEY} for sections named by a UUID.
    @ivar name: Its name today.
    @ivar kind: The language of its value.
    @ivar default: The text that means the same as leaving it out; C{""} where
        another option or the system decides.
    @ivar old: (section, name) of its older spellings, newest first.
    @ivar field: Attribute of the class of its section that holds its value;
        C{""} if nothing does, or something made of several options.
    @ivar effective: Whether this version of netstream heeds it.
    """

    section: str
    name: str
    kind: Kind
    default: str = ""
    old: tuple[tuple[str, str], ...] = ()
    field: str = ""
    effective: bool = True

    def spellings(self) -> tuple[tuple[str, str], ...]:
        """
        @return: (section, name) of each spelling, today's first.
        """
        return ((self.section, self.name), *self.old)


KEY = "API_KEY or MACHINE_GUID"
"""Stands for the name of every section that is named by a UUID."""


def option(
    section: str,
    name: str,
    kind: Kind,
    default: str = "",
    *old: str | tuple[str, str],
    field: str = "",
) -> Option:
    """
    An option that is heeded.

    @param old: Older names, newest first; a pair if in another section.
    """
    pairs = tuple(spelling if isinstance(spelling, tuple) else (section, spelling) for spelling in old)
    return Option(section, name, kind, default, pairs, field)


def later(
    section: str,
    name: str,
    kind: Kind,
    default: str = "",
    *old: str | tuple[str, str],
    field: str = "",
) -> Option:
    """
    An option that is known, and whose effect is yet to come.
    """
    pairs = tuple(spelling if isinstance(spelling, tuple) else (section, spelling) for spelling in old)
    return Option(section, name, kind, default, pairs, field, effective=False)


def _mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        return Mode.RAM


def _mode_doubt(text: str) -> str:
    if text in ("none", "ram", "dbengine", "alloc", "save", "map"):
        return ""
    return f"{quoted(text)} is no database mode, 'ram' is used; known are 'none', 'ram' and 'dbengine'"


def _whole(low: int, high: int) -> Kind:
    def read(text: str) -> int:
        number = integer(text)
        if not low <= number <= high:
            raise ValueError(f"{number} is not between {low} and {high}")
        return number

    return Kind("number", read)


def _duration(least: int = 0, unit: str = "s", *, off: bool = False) -> Kind:
    """
    @param least: Smaller values are raised to it, with a warning.
    @param off: Whether 0 is allowed beside, as C{off}.
    """

    def seconds(text: str) -> float:
        value = duration(text, unit)
        if value < 0:
            raise ValueError(f"{quoted(text)} lies in the past; write a duration such as '90s', '5m' or '1h'")
        return value

    def too_small(value: float) -> bool:
        return value < least and not (off and value == 0)

    def read(text: str) -> int:
        value = seconds(text)
        return least if too_small(value) else int(value + 0.5)

    def doubt(text: str) -> str:
        return f"{quoted(text)} is too short, {least} s is used" if too_small(seconds(text)) else ""

    return Kind("duration", read, doubt)


def _seconds(text: str) -> float:
    value = duration(text)
    if value <= 0:
        raise ValueError(f"{quoted(text)} is not longer than nothing; write a duration such as '90s', '5m' or '1h'")
    return value


def _delay(text: str) -> float:
    return max(5.0, _seconds(text))


def _delay_doubt(text: str) -> str:
    return f"{quoted(text)} is too short, 5 s is used" if _seconds(text) < 5 else ""


def _size(unit: str = "B") -> Kind:
    return Kind("size", lambda text: size(text, unit))


def _retention(text: str) -> int | str:
    """
    @return: Entries if it is a plain number; else the text, which is a
        duration.
    """
    try:
        return integer(text)
    except ValueError:
        if duration(text) < 0:
            raise ValueError(f"{quoted(text)} lies in the past; write a duration such as '2h' or '30d'") from None
        return text


def _tiers(most: int, used: int) -> Kind:
    """
    @param most: The greatest number that may be written.
    @param used: The greatest one that has an effect.
    """
    numbers = _whole(1, most)

    def doubt(text: str) -> str:
        return f"there are {used} tiers at most, so {used} are used" if numbers.read(text) > used else ""

    return Kind("number", lambda text: min(used, numbers.read(text)), doubt)


def _one_of(*words: str) -> Kind:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"{quoted(text)} is neither {' nor '.join(map(repr, words))}")
        return text

    return Kind("word", read)


def _choice(*words: str) -> Kind:
    known = ", ".join(repr(word) for word in words)

    def doubt(text: str) -> str:
        return "" if text in words else f"{quoted(text)} is not one of {known}"

    return Kind("word", str, doubt)


def _tls_version(text: str) -> str:
    if text not in ("1", "1.0", "1.1", "1.2", "1.3"):
        raise ValueError(f"{quoted(text)} is no version of TLS; write '1.3', or '1.2' to offer nothing newer")
    return max(text, "1.2")


def _tls_version_doubt(text: str) -> str:
    return "" if text in ("1.2", "1.3") else f"TLS {text} is broken and never spoken, 1.2 is used"


def _switch(text: str) -> bool:
    """
    A boolean that protects: no other word may mean no.
    """
    word = text.lower()
    if word not in ("yes", "true", "on", "no", "false", "off"):
        raise ValueError(f"{quoted(text)} is neither 'yes' nor 'no'")
    return word in ("yes", "true", "on")


def _octal(text: str) -> int:
    digits = text.removeprefix("0o").lstrip("0")
    if not digits or len(digits) > 3 or set(digits) - set("01234567"):
        raise ValueError(f"{quoted(text)} is no mode of a file such as '660' (owner and group) or '666' (everyone)")
    return int(digits, 8)


def _sha256(text: str) -> str:
    digits = text.lower().removeprefix("sha256 fingerprint=").removeprefix("sha256:").replace(":", "").strip()
    if text and (len(digits) != 64 or set(digits) - set("0123456789abcdef")):
        raise ValueError(
            f"{quoted(text)} is not the SHA-256 of a certificate, 64 hexadecimal digits with or without colons; "
            "'openssl x509 -in cert.pem -noout -fingerprint -sha256' prints it"
        )
    return digits


def _url(text: str) -> str:
    """
    Its errors do not repeat the text, which may hold a password.
    """
    form = "http://HOST:PORT/metrics or https://HOST/metrics"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"the value is not of the form {form}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not text.isascii():
        raise ValueError(f"the value is not of the form {form}")
    if any(character <= " " for character in text):
        raise ValueError("there is a blank in it; write it %20")
    if parts.username is not None or parts.password is not None:
        raise ValueError("names and passwords do not stand in it; write the options 'username' and 'password'")
    return text


def _detail(text: str) -> int:
    """
    @return: How many digits after the point that is.
    """
    digits = text.rstrip("0")
    if digits != "1" or len(text) > 10:
        raise ValueError(f"{quoted(text)} is no power of ten from 1 to 1000000000; 1000 keeps three decimals")
    return len(text) - 1


def _percentile(text: str) -> float:
    value = float(text)
    if not 0 < value < 100:
        raise ValueError(f"{quoted(text)} is not between 0 and 100")
    return value


def _date(*, end: bool) -> Kind:
    """
    @param end: Whether a day alone means its end.
    """

    def read(text: str) -> float:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{quoted(text)} is not a date such as '2027-01-31' or '2027-01-31 18:00'") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        if end and len(text) == len("2027-01-31"):
            moment += timedelta(days=1)
        return moment.timestamp()

    return Kind("date", read)


def _proxy(text: str) -> SocksProxy | None:
    """
    Its errors do not repeat the text, which may hold a password.
    """
    if not text:
        return None
    form = "'socks5://HOST:PORT' or 'socks5://USER:PASSWORD@HOST:PORT'"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"the value is not of the form {form}") from None
    if parts.scheme not in ("socks5", "socks5h"):
        raise ValueError(f"proxies of kind {quoted(parts.scheme)} are not known; write {form}")
    if not parts.hostname or port == 0 or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"the value is not of the form {form}; special characters of a password are written %40")
    return SocksProxy(parts.hostname, port or 1080, unquote(parts.username or ""), unquote(parts.password or ""))


def _addresses_doubt(text: str) -> str:
    """
    Find the words that look like addresses and fit none.
    """
    for word in text.split():
        if word.lstrip("!") in ("127.0.0.1", "::1"):
            return f"{quoted(word)} never fits, this machine is 'localhost'"
        if "/" in word:
            return f"{quoted(word)} never fits, there are no network masks; write a pattern such as '10.*'"
        if _NAME.search(word.lower().partition("%")[0]) and word.lower().lstrip("!") not in ("localhost", "unknown"):
            return f"{quoted(word)} never fits, as peers are known by their addresses; write a pattern such as '10.*'"
    return ""


def _bind_doubt(text: str) -> str:
    """
    Find features that are none, such as misspelt ones.
    """
    for entry in text.replace(",", " ").split():
        place, _, words = entry.partition("^SSL=")[0].partition("=")
        for word in words.split("|") if words and not place.startswith("unix:") else ():
            if word not in KNOWN:
                return (
                    f"{quoted(word)} is no feature, and adds nothing; known are {', '.join(map(repr, sorted(KNOWN)))}"
                )
    return ""


def _key(text: str) -> str:
    if text:
        try:
            guid(text)
        except ValueError:
            raise ValueError(
                "the value is not a UUID; take the one that the parent has, or 'netstream genkey'"
            ) from None
    return text


def _algorithms(text: str) -> tuple[str, ...]:
    """
    @return: The names that are known, each once.
    """
    return tuple(dict.fromkeys(word for word in text.split() if word in COMPRESSIONS))


def _algorithms_doubt(text: str) -> str:
    for word in text.split():
        if word not in COMPRESSIONS:
            return f"{quoted(word)} is no compression algorithm; known are {', '.join(map(repr, COMPRESSIONS))}"
    return "" if text.split() else "names no compression algorithm; to accept none write 'enable compression = no'"


def _features(text: str) -> frozenset[str]:
    words = frozenset(text.replace("|", " ").replace(",", " ").split()) - {"none"}
    for word in sorted(words.difference(PROTECTABLE)):
        raise ValueError(f"{quoted(word)} is no feature; known are {', '.join(map(repr, PROTECTABLE))}, and 'none'")
    return words


BOOLEAN = Kind("boolean", boolean, boolean_doubt)
THREE_VALUED = Kind("yes, no or auto", three_valued, boolean_doubt)
TEXT = Kind("text", str)
PATH = Kind("path", str)
PATTERN = Kind("pattern", pattern)
ADDRESSES = Kind("pattern", pattern, _addresses_doubt)
NUMBER = _whole(0, (1 << 63) - 1)
PORT = _whole(1, 65535)
BACKLOG = _whole(1, 65535)
DURATION = _duration()
DAYS = _duration(unit="d")
PERIOD = _duration(1)
CLEANUP = _duration(10, off=True)
TIMEOUT = Kind("duration", _seconds)
DELAY = Kind("duration", _delay, _delay_doubt)
BYTES = _size()
MEBIBYTES = _size("MiB")
MODE = Kind("database mode", _mode, _mode_doubt)
RETENTION = Kind("entries or duration", _retention)
API_KEY = Kind("UUID", _key)
LIST = Kind("list", str)
LISTENERS = Kind("list", str, _bind_doubt)
ALGORITHMS = Kind("list", _algorithms, _algorithms_doubt)
DECIMAL = Kind("decimal number", float)
PRECISION = _one_of("float64", "float32")
TLS_VERSION = Kind("word", _tls_version, _tls_version_doubt)
SWITCH = Kind("yes or no", _switch)
FILE_MODE = Kind("file mode", _octal)
PROXY = Kind("proxy", _proxy)
NETWORKS = Kind("networks", Networks.parse)
FEATURES = Kind("list", _features)
BEGINNING = _date(end=False)
ENDING = _date(end=True)
SHA256 = Kind("fingerprint", _sha256)
URL = Kind("URL", _url)
DETAIL = Kind("power of ten", _detail)
PERCENTILE = Kind("decimal number", _percentile)
one_of = _one_of
whole = _whole
tiers = _tiers
choice = _choice
one_of = _one_of


def by_spelling(options: Iterable[Option]) -> dict[tuple[str, str], Option]:
    """
    @return: The options by (section, name) of each of their spellings.
    """
    return {spelling: each for each in options for spelling in each.spellings()}
