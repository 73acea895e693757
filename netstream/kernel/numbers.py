"""
The numbers of sample lines.
"""

from array import array

_MASK = 0xFFFFFFFFFFFFFFFF
_SIGN = 0x8000000000000000


def _digits() -> bytes:
    """
    @return: For each byte its value as a digit of base 64; 255 if it is none.
    """
    table = bytearray(b"\xff" * 256)
    digits = list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    for value in range(64):
        table[digits[value]] = value
    return bytes(table)


def _hexadecimal() -> bytes:
    """
    @return: For each byte its value as a hexadecimal digit; 255 if it is none.
    """
    table = bytearray(b"\xff" * 256)
    digits = list(b"0123456789ABCDEF")
    for value in range(16):
        table[digits[value]] = value
        table[digits[value] | 32] = value
    return bytes(table)


_BASE64 = _digits()
_HEXADECIMAL = _hexadecimal()
_POWERS = array("d", [10.0**n for n in range(16)])


class Reader:
    """
    Reads numbers out of a piece of text, each from where the last one ended.

    The text must have a newline at or after C{at}.  No number contains one, so
    that no number ends behind it.

    @ivar at: Offset of the next byte.
    @ivar good: Whether all numbers were well-formed since this was set.
    @ivar plain: Whether all integers were decimal since this was set.
    """

    __slots__ = ("data", "text", "at", "good", "plain", "base64", "hexadecimal", "powers", "bits", "reals")

    def __init__(self) -> None:
        self.open(b"\n")
        self.base64 = _BASE64
        self.hexadecimal = _HEXADECIMAL
        self.powers = _POWERS
        self.bits = array("Q", [0])
        self.reals = memoryview(self.bits).cast("B").cast("d")

    def open(self, data: bytes) -> int:
        """
        Take another text.
        """
        self.data = data
        self.text = data
        self.at = 0
        self.good = True
        self.plain = True
        return 0

    def digits(self, bits: int) -> int:
        """
        Read digits of base 16 or 64.

        @param bits: How many bits a digit has.
        @return: The number modulo 2**64.
        """
        text = self.text
        table = self.base64 if bits == 6 else self.hexadecimal
        at = start = self.at
        value = 0
        digit = table[text[at]]
        while digit != 255:
            value = ((value << bits) | digit) & _MASK
            at += 1
            digit = table[text[at]]
        if at == start or (at - start) * bits > 66:
            self.good = False
        self.at = at
        return value

    def unsigned(self) -> int:
        """
        Read an integer in any form, without sign.

        @return: The number modulo 2**64.
        """
        text = self.text
        at = self.at
        byte = text[at]
        if byte == 35:  # '#'
            self.plain = False
            self.at = at + 1
            return self.digits(6)
        if byte == 48 and text[at + 1] == 120:  # '0x'
            self.plain = False
            self.at = at + 2
            return self.digits(4)
        start = at
        value = 0
        while 48 <= byte <= 57:
            value = (value * 10 + (byte - 48)) & _MASK
            at += 1
            byte = text[at]
        if at == start or at - start > 20:
            self.good = False
        self.at = at
        return value

    def integer(self) -> int:
        """
        Read an integer in any form.

        @return: The number modulo 2**64, between -2**63 and 2**63 - 1.
        """
        if self.text[self.at] == 45:
            self.at += 1
            return signed(-self.unsigned() & _MASK)
        return signed(self.unsigned())

    def real(self) -> float:
        """
        Read a floating point number in any form.

        @return: The number; NaN for all words that are not finite.
        """
        text = self.text
        at = start = self.at
        byte = text[at]
        if byte == 64:  # '@'
            self.at = at + 1
            return self.of_bits(self.digits(6))
        if byte == 37:  # '%'
            self.at = at + 1
            return self.of_bits(self.digits(4))
        negative = byte == 45
        if negative:
            at += 1
            byte = text[at]
        if byte == 35 or (byte == 48 and text[at + 1] == 120):
            return float(self.integer())
        value = 0
        count = 0
        decimals = 0
        while 48 <= byte <= 57 and count < 16:
            value = value * 10 + (byte - 48)
            count += 1
            at += 1
            byte = text[at]
        if byte == 46:
            at += 1
            byte = text[at]
            while 48 <= byte <= 57 and count < 16:
                value = value * 10 + (byte - 48)
                count += 1
                decimals += 1
                at += 1
                byte = text[at]
        if 0 < count <= 15 and byte != 101 and byte != 69:
            # Both are exact, so that the quotient is the nearest number.
            self.at = at
            quotient = float(value) / self.powers[decimals]
            return -quotient if negative else quotient
        return self.word(start)

    def of_bits(self, bits: int) -> float:
        """
        @return: The floating point number of 64 bits.
        """
        self.bits[0] = bits
        return self.reals[0]

    def word(self, start: int) -> float:
        """
        Read a floating point number that is not a plain one.

        @param start: Where it begins.
        @return: The number; NaN for all words that are not finite.
        """
        text = self.data
        at = start
        while text[at] in b"+-.0123456789eE":
            at += 1
        if at == start or text[at] in b"nNiI":
            while text[at] in b"+-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
                at += 1
            self.at = at
            if text[start:at].lower().lstrip(b"+-") not in (b"nan", b"null", b"inf", b"infinity"):
                self.good = False
            return float("nan")
        self.at = at
        try:
            return float(text[start:at])
        except ValueError:
            self.good = False
            return 0.0


def signed(value: int) -> int:
    """
    @return: What an integer modulo 2**64 is, between -2**63 and 2**63 - 1.
    """
    return ((value + _SIGN) & _MASK) - _SIGN
