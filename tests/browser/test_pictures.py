"""
The pictures of the documentation can be taken anew.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from benchmarks.pictures import main
from tests.browser.pages import PagesTestCase


class PicturesTests(PagesTestCase):
    """
    C{benchmarks.pictures}, in front of a node that runs.
    """

    def test_take(self) -> None:
        """
        A page is taken in the size and the theme that are wanted.
        """
        server = self.scripted()
        folder = Path(self.mktemp())
        said = StringIO()
        more = ("--page", "node", "--size", "telephone")
        with redirect_stdout(said):
            self.assertEqual(0, main(["--of", server.url, "--into", str(folder), *more]))
        pictures = {file.name: file.read_bytes() for file in folder.iterdir()}
        self.assertEqual({"node-telephone-light.png", "node-telephone-dark.png"}, set(pictures))
        for name, picture in pictures.items():
            size = [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)]
            self.assertEqual([720, 1480], size)
            self.assertIn(name, said.getvalue())
        self.assertEqual(2, len(set(pictures.values())), "both themes look the same")
