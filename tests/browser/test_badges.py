"""
Badges in a browser.
"""

from __future__ import annotations

from functools import partial
from html import escape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlencode

from tests.browser.case import BrowserTestCase

HOSTILE = (
    "</text><script>document.title='taken'</script>",
    '"/><image href=x onerror="document.title=\'taken\'"/>',
    "]]><foreignObject><body xmlns='http://www.w3.org/1999/xhtml' onload=\"document.title='taken'\"/></foreignObject>",
    "&#60;script&#62;document.title='taken'&#60;/script&#62;\u202e",
)


class BadgeTests(BrowserTestCase):
    """
    What a browser makes of a badge.
    """

    def test_hostile(self) -> None:
        """
        Whatever a badge is to say is drawn as text, and fits into it.
        """
        address = f"http://{self.node('atlas', role='standalone').address}/api/v1/badge.svg?"
        for text in HOSTILE:
            for name in ("label", "chart", "units", "value_color"):
                self.browser.get(address + urlencode({"chart": "system.cpu", name: text}))
                kinds = self.browser.execute_script(
                    "return [...document.querySelectorAll('*')].map(({ localName }) => localName)"
                )
                self.assertFalse({"script", "image", "foreignObject", "body", "parsererror"} & set(kinds))
                self.assertNotEqual("taken", self.browser.title)
                needed, wide = self.browser.execute_script(
                    "const boxes = [...document.querySelectorAll('text')].map((text) => text.getBBox());"
                    "const needed = Math.max(...boxes.map(({ x, width }) => x + width));"
                    "return [needed, document.documentElement.width.baseVal.value]"
                )
                self.assertLessEqual(needed, wide + 1)
        self.assertEqual([], self.complaints())

    def test_elsewhere(self) -> None:
        """
        A page of another site shows a badge, and no other picture of a node.
        """
        address = f"http://{self.node('atlas', role='standalone').address}"
        pictures = ("/api/v1/badge.svg?chart=system.cpu", "/static/icon.svg")
        tags = "".join(f'<img src="{escape(address + picture)}">' for picture in pictures)
        self.browser.get(self.elsewhere("<!doctype html><link rel=icon href=data:,>" + tags))
        shown = self.browser.execute_script(
            "return [...document.images].map((image) => image.complete && image.naturalWidth > 0)"
        )
        self.assertEqual([True, False], shown)
        self.assertEqual(1, len([said for said in self.complaints() if "NotSameOrigin" in said]))

    def elsewhere(self, page: str) -> str:
        """
        @return: The address of a page on a site of its own.
        """
        directory = self.directory / "elsewhere"
        directory.mkdir()
        (directory / "index.html").write_text(page)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(directory)))
        thread = Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        return f"http://localhost:{server.server_port}/"


class _Quiet(SimpleHTTPRequestHandler):
    """
    Files, without a log.
    """

    def log_message(self, format: str, *args: Any) -> None:
        pass
