"""
Tests for simple patterns.
"""

from twisted.trial.unittest import SynchronousTestCase

from netstream.model.pattern import SimplePattern, pattern

CASES = [
    ("*", "", True),
    ("*", "anything", True),
    ("", "", False),
    ("", "a", False),
    ("a", "a", True),
    ("a", "ab", False),
    ("a*", "ab", True),
    ("*b", "ab", True),
    ("*b*c*", "abxc", True),
    ("*b*c*", "acb", False),
    ("!bad* *", "badger", False),
    ("!bad* *", "good", True),
    ("* !bad*", "badger", True),
    ("!*", "a", False),
    ("a b", "b", True),
    ("a\\ b", "a b", True),
    ("a\\ b", "a", False),
    ("a\\*", "a*", True),
    ("a\\*", "ab", False),
    ("\\!a", "!a", True),
    ("a.c", "abc", False),
    ("[a]", "[a]", True),
    ("a?", "ab", False),
    ("**a", "a", True),
    ("*", "two\nlines", True),
    ("!b* bad", "bad", False),
    ("bad !b*", "bad", True),
    ("!bad bad", "bad", False),
    ("x* bad !b* *", "bad", True),
    ("x* !bad b*", "bad", False),
    ("x* bad !b*", "best", False),
]


class SimplePatternTests(SynchronousTestCase):
    """
    L{SimplePattern} selects as the options document.
    """

    def test_cases(self) -> None:
        """
        A list selects what its first fitting word says.
        """
        for text, subject, expected in CASES:
            with self.subTest(text=text, subject=subject):
                self.assertEqual(pattern(text).matches(subject), expected)

    def test_verdict(self) -> None:
        """
        No word that fits is told apart from one that refuses.
        """
        self.assertIsNone(pattern("a").verdict("b"))
        self.assertIs(pattern("!a").verdict("a"), False)

    def test_separators(self) -> None:
        """
        HTTP parameters separate words with commas and bars, and a blank is
        part of a word.
        """
        found = SimplePattern.parse("a b,c|d", separators=",|")
        self.assertEqual([found.matches(t) for t in ("a b", "c", "d", "a")], [True, True, True, False])

    def test_many_stars_end_soon(self) -> None:
        """
        A pattern of many stars takes no noticeable time on a long text.
        """
        self.assertFalse(pattern("*a" * 12 + "b").matches("a" * 60))

    def test_starred(self) -> None:
        """
        What the stars stand for can be had of a text, in one piece.
        """
        for words, text, expected in (
            ("a.*.b.*", "a.1.b.2", "12"),
            ("!a.x.* a.*", "a.yz", "yz"),
            ("!a.x.* a.*", "a.x.y", "y"),
            ("a b*", "a", ""),
            ("*", "all", "all"),
            ("a*", "b", ""),
            ("**", "x", "x"),
        ):
            self.assertEqual(pattern(words).starred(text), expected, (words, text))
