"""
Tests for L{netstream.wire.words}.
"""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.wire import words
from netstream.wire.words import MOST_WORDS, bare, child_words, clean, parent_words, quote


class SplitTests(SynchronousTestCase):
    """
    Lines fall into the words that real agents see.
    """

    def test_parent(self) -> None:
        """
        To a parent an equals sign is a blank, unless it is quoted.
        """
        for line in ('SET "a" = 5', "SET a 5", "SET a=5", "\tSET  'a'=5\r"):
            self.assertEqual(parent_words(line), ["SET", "a", "5"], line)
        self.assertEqual(parent_words("SET 'a=b' = 5"), ["SET", "a=b", "5"])

    def test_child(self) -> None:
        """
        To a child it is a letter.
        """
        self.assertEqual(child_words("X a=5 'b c'"), ["X", "a=5", "b c"])

    def test_quotes(self) -> None:
        """
        A quote counts at the begin of a word, and one that is not closed ends
        with the line.
        """
        self.assertEqual(
            parent_words("""X "it's" 'say "a"' b"c '' "open end"""), ["X", "it's", 'say "a"', 'b"c', "", "open end"]
        )
        self.assertEqual(parent_words('X "a""b"c'), ["X", "a", "b", "c"])

    def test_backslash(self) -> None:
        """
        A backslash protects and stays.
        """
        self.assertEqual(parent_words(r'X "a\"b" c\ d \\'), ["X", r"a\"b", r"c\ d", r"\\"])

    def test_blank(self) -> None:
        """
        A blank line has no words.
        """
        for line in ("", "  \t\r", " = "):
            self.assertEqual(parent_words(line), [])

    def test_many_blanks(self) -> None:
        """
        Blanks without number cost nothing.
        """
        for blanks in (" " * 100000, "=" * 100000):
            self.assertEqual(parent_words(f"X{blanks}"), ["X"])
            self.assertEqual(parent_words(f"{blanks}X{blanks}Y"), ["X", "Y"])
        for odd in ("'" + " " * 100000, "\\ " * 50000, '"' * 100001):
            self.assertLessEqual(len(parent_words(f"X {odd}")), MOST_WORDS)

    def test_most(self) -> None:
        """
        A line has so many words and no more.
        """
        self.assertEqual(len(parent_words("x " * 1000)), MOST_WORDS)

    @settings(max_examples=2000, deadline=None, database=None, derandomize=True)
    @given(st.text(st.sampled_from('ab"" \'= \t\\\xa0\u00e9\x1c'), max_size=14))
    def test_ordinary_lines(self, text: str) -> None:
        """
        Lines that are read in a short way mean the same as in the long one.
        """
        for line in (text, text.replace("'", "").replace("\\", "").replace("\t", " ").replace("\x1c", "=")):
            with patch.object(words, "_ordinary", lambda line: None):
                expected = parent_words(line)
            self.assertEqual(parent_words(line), expected, repr(line))


class QuoteTests(SynchronousTestCase):
    """
    What we quote arrives.
    """

    def test_choice(self) -> None:
        """
        The quote is one that the text does not contain.
        """
        for text, quoted in (
            ("a b", '"a b"'),
            ("it's", '"it\'s"'),
            ('say "a"', "'say \"a\"'"),
            ("""'"'""", "\"'''\""),
            ("end\\", '"end/"'),
            ("two\\\\", '"two\\\\"'),
            ("new\nline", '"new_line"'),
            ("", '""'),
        ):
            self.assertEqual(quote(text), quoted)
        self.assertEqual([bare("a.b"), bare("a b"), bare("")], ["a.b", '"a b"', '""'])

    @given(st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=MOST_WORDS))
    @settings(max_examples=300, deadline=None)
    def test_round_trip(self, texts: list[str]) -> None:
        """
        Quoted words are the same words to parents and children, but for what
        cannot be said.
        """
        line = " ".join(quote(text) for text in texts)
        expected = []
        for text in texts:
            text = clean(text)
            if '"' in text and "'" in text:
                text = text.replace('"', "'")
            if (len(text) - len(text.rstrip("\\"))) % 2:
                text = text[:-1] + "/"
            expected.append(text)
        for split in (parent_words, child_words):
            self.assertEqual(split(line), expected)
