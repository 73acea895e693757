"""
How a badge is drawn: two words side by side in a picture that holds nothing
but shapes and text.
"""

from __future__ import annotations

import re
from html import escape

from attrs import frozen

COLORS = {
    "brightgreen": "4c1",
    "green": "97CA00",
    "yellow": "dfb317",
    "yellowgreen": "a4a61d",
    "orange": "fe7d37",
    "red": "e05d44",
    "blue": "007ec6",
    "grey": "555",
    "gray": "555",
    "lightgrey": "9f9f9f",
    "lightgray": "9f9f9f",
}
"""Names of colours, in hexadecimal digits."""
MOST_CHARACTERS = 200
"""Characters of a word that are drawn."""
LARGEST_SCALE = 1000
"""Percent."""
WIDEST = 2000
"""Pixels of one side, before it is scaled."""

_HEX = re.compile(r"(?:[0-9A-Fa-f]{3}){1,2}\Z")
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACED = "\ufffd"
_BLANKS = re.compile(r"\s+")
_HEIGHT, _SIZE, _RADIUS, _PADDING = 20.0, 11.0, 3.0, 4.0
_ADVANCES = {
    "'": 3.0,
    "ijlI|": 3.5,
    " ,.ft": 4.0,
    "!():;[]/\\r-": 5.0,
    "csz": 5.8,
    '*_`FJL?"{}$0123456789abdeghknopquvxyPSTY': 7.0,
    "ABCEKRVXZ": 7.8,
    "&DGHNOQUw~^+<=>#": 9.0,
    "@MWm%": 11.0,
}
"""Pixels that characters take at the size of a badge, about."""
_WIDTHS = {character: width for characters, width in _ADVANCES.items() for character in characters}
_OTHER, _WIDE = 8.0, 12.0


def color_of(text: str, default: str) -> str:
    """
    @param text: A name of L{COLORS}, or three or six hexadecimal digits.
    @return: Hexadecimal digits; those of the default if the text is neither.
    """
    return text if _HEX.match(text) else COLORS.get(text, default)


def drawable(text: str) -> str:
    """
    @return: A word as a picture can show it: without what XML cannot carry,
        in one line, and not endless.
    """
    text = _BLANKS.sub(" ", _NOT_XML.sub(_REPLACED, text[: 10 * MOST_CHARACTERS])).strip()
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def width_of(text: str) -> float:
    """
    @return: Pixels that a word is wide, about.
    """
    return sum(_WIDTHS.get(c, _OTHER if c < "\u1100" else _WIDE) for c in text)


@frozen
class Badge:
    """
    A badge, before it is drawn.

    @ivar label: What stands left.
    @ivar value: What stands right.
    @ivar label_color: Hexadecimal digits, as are all colours here.
    @ivar label_text: The colour of the text.
    @ivar scale: Percent.
    @ivar widths: Pixels of both sides; L{None} for as many as the text needs.
    @ivar title: What is read out, and shown to whoever points at it; C{""} for
        both words.
    """

    label: str
    value: str
    label_color: str = "555"
    value_color: str = "999"
    label_text: str = "fff"
    value_text: str = "fff"
    scale: int = 100
    widths: tuple[int, int] | None = None
    title: str = ""

    def drawn(self) -> bytes:
        """
        @return: The badge as SVG.  Its words are text and nothing else, and
            are cut off where they are wider than their side.
        """
        by = self.scale / 100
        words = drawable(self.label), drawable(self.value)
        wide = self.widths or [width_of(word) + 2 * _PADDING for word in words]
        left, right = (side * by for side in wide)
        height, size, pad = _HEIGHT * by, _SIZE * by, _PADDING * by
        total = left + right
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{total:.2f}" height="{height:.2f}" role="img">',
            f"<title>{_text(_NOT_XML.sub(_REPLACED, self.title) or f'{words[0]}: {words[1]}')}</title>",
            '<linearGradient id="smooth" x2="0" y2="100%"><stop offset="0" stop-color="#bbb" stop-opacity=".1"/>'
            '<stop offset="1" stop-opacity=".1"/></linearGradient>',
            f'<clipPath id="round"><rect width="{total:.2f}" height="{height:.2f}" rx="{_RADIUS * by:.2f}"/>'
            "</clipPath>",
            f'<clipPath id="label"><rect width="{left:.2f}" height="{height:.2f}"/></clipPath>',
            f'<clipPath id="value"><rect x="{left:.2f}" width="{right:.2f}" height="{height:.2f}"/></clipPath>',
            f'<g clip-path="url(#round)"><rect width="{left:.2f}" height="{height:.2f}" fill="#{self.label_color}"/>'
            f'<rect x="{left:.2f}" width="{right:.2f}" height="{height:.2f}" fill="#{self.value_color}"/>'
            f'<rect width="{total:.2f}" height="{height:.2f}" fill="url(#smooth)"/></g>',
            f'<g text-anchor="middle" font-family="DejaVu Sans,Verdana,Geneva,sans-serif" font-size="{size:.2f}">',
        ]
        base = height - (size / 2 + by / 2)
        sides = (
            ("label", words[0], left / 2, left, self.label_text),
            ("value", words[1], left + right / 2, right, self.value_text),
        )
        for name, word, x, side, color in sides:
            # Fonts differ: what was reckoned is what the word may take.
            room = side - 2 * pad
            fit = f' textLength="{room:.2f}" lengthAdjust="spacingAndGlyphs"' if self.widths is None and word else ""
            for shade, y in (('fill="#010101" fill-opacity=".3"', base + by), (f'fill="#{color}"', base)):
                parts.append(
                    f'<text x="{x:.2f}" y="{y:.2f}" clip-path="url(#{name})"{fit} {shade}>{_text(word)}</text>'
                )
        return "".join([*parts, "</g></svg>\n"]).encode()


def _text(word: str) -> str:
    return escape(word, quote=True)
