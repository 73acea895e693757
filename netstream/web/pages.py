"""
The files of the dashboard.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from netstream.web.answer import Answer

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "webmanifest": "application/manifest+json",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "woff2": "font/woff2",
    "txt": "text/plain; charset=utf-8",
    "map": "application/json; charset=utf-8",
}
_COMPRESSED_ALREADY = ("png", "woff2", "ico")


def packaged() -> Traversable:
    """
    @return: The folder with the files of the dashboard in this package.
    """
    return files("netstream.web") / "static"


def _walk(folder: Traversable, under: str = "") -> Iterator[tuple[str, Traversable]]:
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        name = under + entry.name
        if entry.is_dir():
            yield from _walk(entry, name + "/")
        elif entry.name.rpartition(".")[2] in _TYPES and not entry.name.startswith("."):
            yield name, entry


class Pages:
    """
    The files below one folder, by their path in it.

    Only what was there at the start is served, so no path leads outside;
    each is read again when it is asked for.
    """

    def __init__(self, folder: Traversable) -> None:
        self._files = dict(_walk(folder))

    def get(self, path: str) -> Answer | None:
        """
        @param path: Relative to the folder.
        @return: The file as a response; L{None} if there is none.
        """
        found = self._files.get(path)
        if found is None:
            return None
        kind = path.rpartition(".")[2]
        try:
            body = found.read_bytes()
        except OSError:
            return None
        return Answer(body, _TYPES[kind], revalidate=True, compress=kind not in _COMPRESSED_ALREADY)
