"""
The files of the dashboard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path
from string import Template
from time import time_ns

from netstream.web.answer import SLICE, Answer, squeezed, tag_of

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "webmanifest": "application/manifest+json",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "jpg": "image/jpeg",
    "gif": "image/gif",
    "woff2": "font/woff2",
    "woff": "font/woff",
    "ttf": "font/ttf",
    "otf": "font/otf",
    "txt": "text/plain; charset=utf-8",
    "map": "application/json; charset=utf-8",
}
FRAME = "frame.html"
"""The file that every page of the dashboard is made of."""
ICON = "icon.svg"
"""The file that browsers show beside a title."""


def _framed(title: str, about: str, script: str, *styles: str) -> dict[str, str]:
    head = [f'  <link rel="stylesheet" href="static/{style}.css">' for style in styles]
    if "vendor/uPlot.min" in styles:
        head.append('  <script src="static/vendor/uPlot.iife.min.js" defer></script>')
    tools = ' class="with-tools"' if "vendor/uPlot.min" in styles else ""
    return {"title": title, "about": about, "script": script, "head": "\n".join(head), "tools": tools}


FRAMED: Mapping[str, Mapping[str, str]] = {
    "index.html": _framed("netstream", "Live metrics of a node.", "app.js", "vendor/uPlot.min", "style"),
    "nodes.html": _framed(
        "Nodes \N{EN DASH} netstream",
        "All nodes that this one knows, with their state.",
        "page-nodes.js",
        "style",
        "pages",
    ),
    "alerts.html": _framed(
        "Alerts \N{EN DASH} netstream",
        "Alerts that are raised, what happened, and why.",
        "page-alerts.js",
        "style",
        "pages",
    ),
    "streaming.html": _framed(
        "Streaming \N{EN DASH} netstream",
        "How samples travel between the nodes.",
        "page-streaming.js",
        "style",
        "pages",
    ),
    "compare.html": _framed(
        "Compare \N{EN DASH} netstream",
        "One context over many nodes.",
        "page-compare.js",
        "vendor/uPlot.min",
        "style",
        "pages",
    ),
}
"""The pages of the dashboard: what stands in the frame of each."""
_COMPRESSED_ALREADY = ("png", "jpg", "gif", "woff2", "woff", "ico")
_MOST_BYTES = 1 << 21
"""Of all files that are kept in memory, as they are; compressed they take less again."""
_LEVEL = 6
"""Of gzip, for what is compressed once for all who ask for it."""
_SETTLED = 2_000_000_000
"""Nanoseconds after which a file that is changed has another time than before."""
_DEEPEST = 12
"""Folders in folders that are looked into; a link may lead in a circle."""
_MOST = 10_000
"""Files of one folder with all that is below it."""
_FOREIGN_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'"
)
"""What pages may do that somebody else made: run what stands in them, but load nothing from elsewhere."""


def packaged() -> Traversable:
    """
    @return: The folder with the files of the dashboard in this package.
    """
    return files("netstream.web") / "static"


def dashboard() -> Pages:
    """
    @return: The pages of the dashboard, with all that they need.
    """
    return Pages(packaged(), FRAMED)


class Dashboard:
    """
    The pages that a node shows: its own, and before them those of another
    dashboard, if there is one.
    """

    def __init__(self, other: Path | None = None) -> None:
        """
        @param other: A folder with another one.
        """
        self._own = dashboard()
        self._other = Pages(other, foreign=True) if other is not None else None

    def get(self, path: str, alone: bool = True) -> Answer | None:
        """
        @param path: As it is asked for; C{""} is where one begins.
        @param alone: Whether the node knows no other, or one is named.
        @return: The file as a response; L{None} if there is none.
        """
        if self._other is not None and (found := self._other.get(path or "index.html")) is not None:
            return found
        if path == "favicon.ico":
            path = ICON  # what browsers ask for by themselves that show an answer of the API
        return self._own.get((path or ("index.html" if alone else "nodes.html")).removeprefix("static/"))

    def unknown(self) -> Answer:
        """
        @return: What is shown at C{/host/NAME/} where no node has that name:
            those that there are.
        """
        page = self._own.get("nodes.html")
        assert page is not None
        # Nothing is below that name, so what the page needs is asked for elsewhere.
        body = page.body.replace(b'="static/', b'="../../static/').replace(b'="api/', b'="../../api/')
        body = body.replace(b"<html ", b"<html data-unknown ", 1)
        return Answer(body, page.content_type, status=404)


def _walk(folder: Traversable, under: str = "", depth: int = 0) -> Iterator[tuple[str, Traversable]]:
    if not folder.is_dir() or depth > _DEEPEST:
        return
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        name = under + entry.name
        if entry.is_dir():
            yield from _walk(entry, name + "/", depth + 1)
        elif entry.name.rpartition(".")[2] in _TYPES and not entry.name.startswith("."):
            yield name, entry


class Pages:
    """
    The files below one folder, by their path in it.

    What was there at the start is served, so no path leads outside, unless a
    link that was there then does; each is read again when it has changed.  Of
    what is not ours, files that came later are served as well, if they are in
    the folder and no link leads out of it.
    """

    def __init__(
        self, folder: Traversable, framed: Mapping[str, Mapping[str, str]] | None = None, foreign: bool = False
    ) -> None:
        """
        @param framed: Pages that are made of L{FRAME}: what stands in it.
        @param foreign: Whether they are not ours, and may need more than ours
            are allowed.
        """
        self._files = dict(islice(_walk(folder), _MOST))
        self._growing = folder if foreign and isinstance(folder, Path) else None
        self._headers = {"Content-Security-Policy": _FOREIGN_POLICY} if foreign else {}
        self._framed = framed or {}
        self._known: dict[str, tuple[tuple[int, int], Answer]] = {}
        self._bytes = 0
        if FRAME in self._files and self._framed:
            frame = self._files.pop(FRAME)
            self._files |= dict.fromkeys(self._framed, frame)

    def get(self, path: str) -> Answer | None:
        """
        @param path: Relative to the folder.
        @return: The file as a response; L{None} if there is none.
        """
        found = self._files.get(path) or self._later(path)
        if found is None:
            return None
        try:
            state = _state(found)
            known = self._known.get(path)
            if known is not None and state is not None and known[0] == state:
                return known[1]
            body = found.read_bytes()
        except OSError:
            return None
        if path in self._framed:
            body = Template(body.decode()).substitute(self._framed[path]).encode()
        answer = self._answer(path, body)
        # What was changed just now may be changed again without a later time.
        if state is not None and state[0] < time_ns() - _SETTLED:
            self._keep(path, state, answer)
        return answer

    def _later(self, path: str) -> Path | None:
        """
        @return: The file of that path, if it is in the folder now.
        """
        names = path.split("/")
        if self._growing is None or len(names) > _DEEPEST + 1 or names[-1].rpartition(".")[2] not in _TYPES:
            return None
        if any(not name or name.startswith(".") for name in names):
            return None
        try:
            folder = self._growing.resolve(strict=True)
            found = folder.joinpath(*names).resolve(strict=True)
            return found if found.is_relative_to(folder) and found.is_file() else None
        except (OSError, RuntimeError, ValueError):  # a link in a circle, or a name that no file can have
            return None

    def _keep(self, path: str, state: tuple[int, int], answer: Answer) -> None:
        known = self._known.pop(path, None)
        if known is not None:
            self._bytes -= len(known[1].body)
        if self._bytes + len(answer.body) <= _MOST_BYTES:
            self._bytes += len(answer.body)
            self._known[path] = state, answer

    def _answer(self, path: str, body: bytes) -> Answer:
        kind = path.rpartition(".")[2]
        compress = kind not in _COMPRESSED_ALREADY
        kept = squeezed(body, _LEVEL) if compress and len(body) <= SLICE else None
        return Answer(
            body,
            _TYPES[kind],
            revalidate=True,
            compress=compress,
            squeezed=kept,
            tag=tag_of(body),
            headers=self._headers,
        )


def _state(file: Traversable) -> tuple[int, int] | None:
    """
    @return: What is different when a file was changed; L{None} if it is in an
        archive.
    @raise OSError: It is not there.
    """
    if not isinstance(file, Path):
        return None
    about = file.stat()
    return about.st_mtime_ns, about.st_size
