"""
The page about the API says everything that there is.
"""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.web import version1, version3
from netstream.web.formats import FORMATS
from netstream.web.query import MOST_CELLS, MOST_DIMENSIONS
from netstream.web.questions import MOST_ROWS, OPTIONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


class PageTests(SynchronousTestCase):
    """
    Tests for C{docs/api.md}.
    """

    def test_complete(self) -> None:
        """
        A reader finds every command, format and option.
        """
        text = PAGE.read_text("utf-8")
        for command in version1.COMMANDS:
            self.assertTrue(f"`/api/v1/{command}" in text or f"`{command}`" in text, command)
        self.assertIn("`/api/v1/live?charts=IDS`", text)
        for command in [*version3.COMMANDS, *version3.OF_ALL]:
            self.assertIn(f"`/api/v3/{command}`", text)
        for word in [*FORMATS, *(option for option in OPTIONS if "_" not in option)]:
            self.assertIn(f"`{word}`", text)

    def test_limits(self) -> None:
        """
        The limits in the text are those in force.
        """
        text = PAGE.read_text("utf-8")
        for limit in (MOST_ROWS, MOST_CELLS, MOST_DIMENSIONS):
            self.assertIn(f"{limit:,}".replace(",", " "), text)
