"""
The small languages of option values: text to value, or L{ValueError} with a
text that says what would be right.
"""

from __future__ import annotations

import re

TRUE = frozenset(("yes", "true", "on", "auto", "on demand"))
FALSE = frozenset(("no", "false", "off", "never", "none", "disable", "disabled", ""))

_SECOND = 10**9
_UNITS: dict[str, int] = {
    name: length
    for length, names in (
        (1, "ns nanosecond nanoseconds"),
        (10**3, "us microsecond microseconds"),
        (10**6, "ms millisecond milliseconds"),
        (_SECOND, "s sec secs second seconds"),
        (60 * _SECOND, "m min minute minutes"),
        (3600 * _SECOND, "h hr hrs hour hours"),
        (86400 * _SECOND, "d day days"),
        (7 * 86400 * _SECOND, "w wk week weeks"),
        (30 * 86400 * _SECOND, "mo month months"),
        (90 * 86400 * _SECOND, "q quarter quarters"),
        (365 * 86400 * _SECOND, "y a year years"),
    )
    for name in names.split()
}
"""
Nanoseconds by unit in lower case.  C{M}, once months, is minutes: units are
looked up regardless of case and the smallest one of a name wins.
"""

_PART = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([A-Za-z]*)", re.ASCII)
_INTEGER = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))\Z", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([A-Za-z]*)\Z", re.ASCII)
_SIZES: dict[str, int] = {"B": 1, "k": 1000, "K": 1000, "KB": 1000, "KiB": 1 << 10}
for _power, _letter in enumerate("MGTP", 2):
    _SIZES[_letter] = _SIZES[_letter + "B"] = 1000**_power
    _SIZES[_letter + "iB"] = 1 << (10 * _power)

_LONGEST = 64
"""Characters of a value that a message quotes."""


def quoted(text: str) -> str:
    """
    @return: A value as a message shows it, cut if it is long.
    """
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")


def boolean(text: str) -> bool:
    """
    @return: Whether the text is one of the words for true; any other text is
        false, C{1} too.
    """
    return text.lower() in TRUE


def boolean_doubt(text: str) -> str:
    """
    @return: A warning about a text that is read as false but is no word for
        it; else C{""}.
    """
    if text.lower() in TRUE or text.lower() in FALSE:
        return ""
    return f"{quoted(text)} is read as no; write 'yes' or 'no'"


def three_valued(text: str) -> str:
    """
    @return: C{auto} for C{auto} and C{on demand}, else C{yes} or C{no}.
    """
    lowered = text.lower()
    if lowered in ("auto", "on demand"):
        return "auto"
    return "yes" if lowered in TRUE else "no"


def integer(text: str) -> int:
    """
    @param text: Digits with the prefixes of C: C{0x} is hexadecimal, C{0} is
        octal.
    @raise ValueError: It is not an integer.
    """
    found = _INTEGER.match(text.strip())
    if found is None or len(text) > _LONGEST:
        raise ValueError(f"{quoted(text)} is not a whole number such as '60' or '0x3c'")
    sign, hexadecimal, octal, decimal = found.groups()
    number = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
    return -number if sign == "-" else number


def duration(text: str, unit: str = "s") -> float:
    """
    @param text: Parts C{NUMBER[UNIT]}, with a C{-} before or C{ago} after all of
        them for the past; C{never} and C{off} are 0.
    @param unit: Of a number without one.
    @return: Seconds.
    @raise ValueError: It is not a duration.
    """
    wrong = ValueError(f"{quoted(text)} is not a duration such as '90s', '5m' or '1h'")
    rest = text.strip()
    if rest.lower() in ("never", "off"):
        return 0.0
    if len(rest) > _LONGEST:
        raise wrong
    past = rest.startswith("-")
    rest = rest.removeprefix("-")
    if rest.lower().endswith("ago"):
        past, rest = True, rest[:-3].rstrip()
    total, place = 0, 0
    while place < len(rest):
        part = _PART.match(rest, place)
        length = _UNITS.get((part.group(2) or unit).lower()) if part else None
        if part is None or length is None:
            raise wrong
        total += round(float(part.group(1)) * length)
        place = part.end()
    if not place:
        raise wrong
    return (-total if past else total) / _SECOND


def size(text: str, unit: str = "B") -> int:
    """
    @param text: C{NUMBER[UNIT]}; C{off} is 0.  Units are compared exactly, but for C{k}.
    @param unit: Of a number without one.
    @return: Bytes.
    @raise ValueError: It is not a size.
    """
    stripped = text.strip()
    if stripped.lower() == "off":
        return 0
    found = _SIZE.match(stripped)
    length = _SIZES.get(found.group(2) or unit) if found else None
    if found is None or length is None or len(stripped) > _LONGEST:
        raise ValueError(f"{quoted(text)} is not a size such as '512KiB', '10MiB' or '1GiB'")
    return int(float(found.group(1)) * length)
