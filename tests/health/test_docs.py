"""
The page about alerts: its examples are ones.
"""

from __future__ import annotations

import re
from pathlib import Path

from netstream.health.definitions import parse
from netstream.health.notify.notifier import METHODS
from tests.health.test_notify import MESSAGE, NotifyCase

PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"
ROW = re.compile(r"^\| ([^|]+) \| (.*) \|$", re.MULTILINE)
BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class PageTests(NotifyCase):
    """
    C{docs/alerts.md}.
    """

    def test_definition(self) -> None:
        """
        The definition that is shown can be used.
        """
        (text,) = [text for text in BLOCK.findall(PAGE.read_text()) if text.startswith("template:")]
        found = parse(text, "page")
        self.assertEqual((found.problems, len(found.definitions)), ([], 1))

    def test_methods(self) -> None:
        """
        There is an example of each method, and with it alone that method tells someone.
        """
        page = PAGE.read_text()
        (mail,) = [text for text in BLOCK.findall(page) if text.startswith("SMTP_HOST")]
        examples = [mail]
        for _, cell in ROW.findall(page):
            settings = [word for word in re.findall(r"`([^`]+)`", cell) if re.match(r'[A-Z_]+="', word)]
            if settings:
                examples.append("\n".join(settings) + "\n")
        found: set[str] = set()
        for text in examples:
            notifier = self.notifier(text.replace("…", "x"))
            told = notifier.receivers("sysadmin", "")
            self.assertTrue(told, text)
            self.assertTrue(notifier.tell(MESSAGE, ""), text)
            self.clock.advance(0)
            self.assertEqual(notifier.waiting, 0, text)
            found.update(receiver.split()[0] for receiver in told)
        self.assertEqual(found - {"rocketchat"}, {method.name for method in METHODS} - {"rocketchat"})
