"""
The number forms of the wire, both ways.

Integers are decimal, C{0x} hexadecimal, or C{#} base 64 digits; doubles are
decimal, C{%} the hexadecimal of their 64 bits, or C{@} the base 64 digits of
the same bits.  The base 64 is positional, the most significant digit first,
and has nothing to do with that of MIME.
"""

from __future__ import annotations

import math
import re
from enum import Enum
from struct import pack, unpack

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_DIGITS = {letter: digit for digit, letter in enumerate(_ALPHABET)}
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{1,16}\Z")
_DECIMAL = re.compile(r"[0-9]{1,20}\Z")
_LEADING = re.compile(r"[ \t]*([+-]?)([0-9]{1,20})")
_DOUBLE = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,5})?\Z")
_WORDS = {
    "nan": math.nan,
    "null": math.nan,
    "inf": math.inf,
    "infinity": math.inf,
}
_LARGEST = 2**63 - 1


class IntegerForm(Enum):
    """
    How an integer is written.
    """

    DECIMAL = ""
    HEXADECIMAL = "0x"
    BASE64 = "#"


class DoubleForm(Enum):
    """
    How a double is written.
    """

    DECIMAL = ""
    HEXADECIMAL = "%"
    BASE64 = "@"


def _base64(text: str) -> int:
    if not 1 <= len(text) <= 11:
        raise ValueError(f"{text[:40]!r} is not a number of 1 to 11 base 64 digits")
    number = 0
    for letter in text:
        digit = _DIGITS.get(letter)
        if digit is None:
            raise ValueError(f"{letter!r} in {text!r} is not a base 64 digit")
        number = number << 6 | digit
    return number


def _digits(number: int) -> str:
    text = _ALPHABET[number & 63]
    while number := number >> 6:
        text = _ALPHABET[number & 63] + text
    return text


def parse_integer(text: str) -> int:
    """
    Read an integer in any of its forms.

    @raise ValueError: It is none of them, or needs more than 64 bits.
    """
    digits = text.removeprefix("-")
    if digits.startswith("#"):
        number = _base64(digits[1:])
    elif digits[:2] in {"0x", "0X"} and _HEXADECIMAL.match(digits[2:]):
        number = int(digits[2:], 16)
    elif _DECIMAL.match(digits):
        number = int(digits)
    else:
        raise ValueError(f"{text[:40]!r} is not an integer")
    if number >= 2**64:
        raise ValueError(f"{text!r} needs more than 64 bits")
    return -number if digits is not text and text.startswith("-") else number


def format_integer(number: int, form: IntegerForm = IntegerForm.DECIMAL) -> str:
    """
    Write an integer; a negative one is the form of its magnitude after C{-}.
    """
    magnitude = abs(number)
    sign = "-" if number < 0 else ""
    if form is IntegerForm.BASE64:
        return f"{sign}#{_digits(magnitude)}"
    if form is IntegerForm.HEXADECIMAL:
        return f"{sign}0x{magnitude:X}"
    return str(number)


def parse_double(text: str) -> float:
    """
    Read a double in any of its forms, or an integer in any of its own.

    @return: Also NaN and the infinities.
    @raise ValueError: It is none of them.
    """
    if text.startswith("@"):
        bits = _base64(text[1:])
        if bits >= 2**64:
            raise ValueError(f"{text!r} needs more than 64 bits")
        return float(unpack("<d", pack("<Q", bits))[0])
    if text.startswith("%"):
        if not _HEXADECIMAL.match(text[1:]):
            raise ValueError(f"{text[:40]!r} is not the hexadecimal of 64 bits")
        return float(unpack("<d", pack("<Q", int(text[1:], 16)))[0])
    if _DOUBLE.match(text):
        return float(text)
    word = _WORDS.get(text.lstrip("+-").lower())
    if word is not None:
        return -word if text.startswith("-") else word
    return float(parse_integer(text))


def format_double(number: float, form: DoubleForm = DoubleForm.DECIMAL) -> str:
    """
    Write a double: the bits exactly, or a decimal of at most seven decimals
    with C{nan} for what is not finite.
    """
    if form is DoubleForm.DECIMAL:
        if not math.isfinite(number):
            return "nan"
        text = f"{number:.7f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text
    (bits,) = unpack("<Q", pack("<d", number))
    return f"%{bits:X}" if form is DoubleForm.HEXADECIMAL else f"@{_digits(bits)}"


def integer_or(text: str, default: int) -> int:
    """
    Read an integer as real agents read those of definitions: what follows its
    digits is ignored, and what has none is the default.

    @return: At most 63 bits and the sign.
    """
    try:
        number = parse_integer(text)
    except ValueError:
        leading = _LEADING.match(text)
        if leading is None:
            return default
        number = int(leading[1] + leading[2])
    return max(-_LARGEST, min(number, _LARGEST))


def double_or(text: str, default: float) -> float:
    """
    @return: The double, or the default for what is none.
    """
    try:
        return parse_double(text)
    except ValueError:
        return default
