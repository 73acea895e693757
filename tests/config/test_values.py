"""
The small languages of option values.
"""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.values import boolean, boolean_doubt, duration, integer, size, three_valued

DAY = 86400
DURATIONS = [
    ("0", 0),
    ("never", 0),
    ("Off", 0),
    ("90", 90),
    ("90s", 90),
    ("1h30m", 5400),
    ("1 hour 30 minutes", 5400),
    (" 1d ", DAY),
    ("-5 minutes", -300),
    ("2w ago", -14 * DAY),
    ("-2w ago", -14 * DAY),
    ("2weeksago", -14 * DAY),
    ("5M", 300),
    ("1Mo", 30 * DAY),
    ("3MONTHS", 90 * DAY),
    ("1q", 90 * DAY),
    ("2Y", 730 * DAY),
    ("1a", 365 * DAY),
    ("1.5h", 5400),
    (".5s", 0.5),
    ("250ms", 0.25),
    ("7us", 7e-6),
    ("7ns", 7e-9),
    ("1wk", 7 * DAY),
    ("1hr 2hrs", 3 * 3600),
    ("1m 30", 90),
]
NO_DURATIONS = ["", " ", "soon", "5 lightyears", "ago", "-", "h", "5m!", "1..5s", "--5", "1e3", "٣s", "1" * 100]

SIZES = [
    ("0", 0),
    ("off", 0),
    ("10485760", 10 << 20),
    ("7B", 7),
    ("1k", 1000),
    ("1K", 1000),
    ("1KB", 1000),
    ("1KiB", 1024),
    ("10MiB", 10 << 20),
    ("10 MiB", 10 << 20),
    ("10M", 10**7),
    ("10MB", 10**7),
    ("2G", 2 * 10**9),
    ("2GiB", 2 << 30),
    ("1T", 10**12),
    ("1TiB", 1 << 40),
    ("1P", 10**15),
    ("1PiB", 1 << 50),
    ("1.5KiB", 1536),
]
NO_SIZES = ["", "big", "-1", "10mib", "10m", "10 Mi", "1KiB2", "KiB", "1kib"]

INTEGERS = [("0", 0), ("60", 60), ("-3", -3), ("+3", 3), ("0x10", 16), ("0XfF", 255), ("010", 8), ("00", 0)]
NO_INTEGERS = ["", "x", "08", "0x", "1.5", "1 2", "٣", "9" * 100]


class ValueTests(SynchronousTestCase):
    """
    Text becomes a value, or a refusal that says what would be right.
    """

    def test_booleans(self) -> None:
        """
        The words for true are true in any case; everything else is false.
        """
        for text in ("yes", "TRUE", "On", "auto", "on demand", "On Demand"):
            self.assertTrue(boolean(text), text)
            self.assertEqual(boolean_doubt(text), "", text)
        for text in ("no", "false", "off", "", "never", "None"):
            self.assertFalse(boolean(text), text)
            self.assertEqual(boolean_doubt(text), "", text)
        for text in ("1", "enabled", "y"):
            self.assertFalse(boolean(text), text)
            self.assertIn("is read as no", boolean_doubt(text))

    def test_three_valued(self) -> None:
        """
        C{auto} is told from yes.
        """
        for text, value in (("yes", "yes"), ("ON", "yes"), ("auto", "auto"), ("On Demand", "auto"), ("1", "no")):
            self.assertEqual(three_valued(text), value, text)

    def test_durations(self) -> None:
        """
        Plain seconds and durations with units mean what both generations of
        agents take them for.
        """
        for text, seconds in DURATIONS:
            self.assertEqual(duration(text), seconds, text)
        for text in NO_DURATIONS:
            problem = self.assertRaises(ValueError, duration, text)
            self.assertIn("is not a duration such as '90s', '5m' or '1h'", str(problem))

    def test_own_unit(self) -> None:
        """
        A number without unit has the unit of the option.
        """
        self.assertEqual(duration("14", "d"), 14 * DAY)
        self.assertEqual(duration("14h", "d"), 14 * 3600)
        self.assertEqual(size("256", "MiB"), 256 << 20)
        self.assertEqual(size("256B", "MiB"), 256)

    def test_sizes(self) -> None:
        """
        Decimal and binary units are told apart.
        """
        for text, number in SIZES:
            self.assertEqual(size(text), number, text)
        for text in NO_SIZES:
            problem = self.assertRaises(ValueError, size, text)
            self.assertIn("is not a size such as", str(problem))

    def test_integers(self) -> None:
        """
        Integers take the prefixes of C.
        """
        for text, number in INTEGERS:
            self.assertEqual(integer(text), number, text)
        for text in NO_INTEGERS:
            problem = self.assertRaises(ValueError, integer, text)
            self.assertIn("is not a whole number", str(problem))

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """
        Any text is a value or a L{ValueError}, never another failure.
        """
        boolean(text)
        three_valued(text)
        for read in (duration, size, integer):
            try:
                read(text)
            except ValueError as problem:
                self.assertLess(len(str(problem)), 400)
