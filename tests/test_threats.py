"""
The table of threats names tests that are there.
"""

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

TOP = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\|(?P<cells>.*)\|$", re.MULTILINE)


class ThreatTests(SynchronousTestCase):
    """
    C{docs/security.md}.
    """

    def rows(self) -> list[list[str]]:
        text = (TOP / "docs" / "security.md").read_text("utf-8")
        text = text[text.index("\n## Threats\n") :]
        rows = [[cell.strip() for cell in match["cells"].split("|")] for match in ROW.finditer(text)]
        return [row for row in rows if row[1] not in ("threat", "---") and not set(row[1]) <= {"-"}]

    def test_each_has_a_test(self) -> None:
        """
        Behind each threat stands at least one test that exists.
        """
        rows = self.rows()
        self.assertGreater(len(rows), 40)
        for row in rows:
            self.assertEqual(len(row), 5, row)
            tests = re.findall(r"`(tests/[\w/]+\.py)`", row[4])
            self.assertTrue(tests, row[1])
            for name in tests:
                self.assertIn(" def test_", (TOP / name).read_text("utf-8"), f"{row[1]}: {name}")

    def test_published(self) -> None:
        """
        The vulnerabilities that were published of agents of this kind are
        among them, and so are our own promises, each once at least.
        """
        text = "\n".join(" | ".join(row) for row in self.rows())
        for number in ("2018-18836", "2018-18837", "2018-18838", "2018-18839", "2019-9834", "2023-22496", "2023-22497",
                       "2024-32019"):  # fmt: skip
            self.assertIn(f"CVE-{number}", text)
        told = {int(number) for number in re.findall(r"\bS(\d+)\b", text)}
        self.assertEqual(set(range(1, 38)) - told, set())
