"""
The INI dialect of C{stream.conf} and C{netstream.conf}.

The dialect has no quotes, lists, nesting, interpolation or trailing comments,
and tolerates every line.  That is less than ConfigObj's own reader demands, so
a pre-pass takes the lines apart and ConfigObj keeps the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, field, frozen
from configobj import ConfigObj

from netstream.config.errors import ConfigError, at

_WARNINGS = 50
"""Bad lines of one file that are told one by one."""


@frozen
class Entry:
    """
    One option as it was written.

    @ivar section: Name of its section, as written.
    @ivar name: Its name, as written.
    @ivar file: Name of its file, for messages.
    @ivar line: Its line, from 1 on; 0 if it comes from the command line.
    """

    section: str = field(repr=False)
    name: str
    value: str = field(repr=False)
    file: str
    line: int = 0


@frozen
class Document:
    """
    What one file says.

    @ivar file: Its name, for messages.
    @ivar tree: Sections, and in them the text of each option, in the order of
        their first appearance.
    @ivar lines: Line of each option, by (section, name).
    @ivar sections: Line where each section begins first.
    @ivar warnings: One line for each line that was skipped.
    """

    file: str
    tree: ConfigObj = field(repr=False)
    lines: dict[tuple[str, str], int] = field(repr=False)
    sections: dict[str, int] = field(repr=False)
    warnings: tuple[str, ...] = ()

    def entries(self) -> Iterator[Entry]:
        """
        @return: Each option once, with the value that counts.
        """
        for section in self.tree.sections:
            for name, value in self.tree[section].items():
                yield Entry(section, name, value, self.file, self.lines[section, name])


def parse(text: str, file: str) -> Document:
    """
    Read the text of a file; it never fails.

    @param file: Its name, for messages.
    """
    tree = ConfigObj(interpolation=False, list_values=False)
    lines: dict[tuple[str, str], int] = {}
    sections: dict[str, int] = {}
    warnings: list[str] = []
    section: str | None = None
    skipped = 0
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            sections.setdefault(section, number)
            if section not in tree:
                tree[section] = {}
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            problem = "skipped, because it is neither '[section]' nor 'name = value'"
        elif not name:
            problem = "skipped, because no name stands before '='"
        elif section is None:
            problem = "skipped, because it stands before the first [section]"
        else:
            tree[section][name] = value
            lines[section, name] = number
            continue
        if len(warnings) < _WARNINGS:
            warnings.append(at(file, number) + problem)
        else:
            skipped += 1
    if skipped:
        warnings.append(at(file) + f"{skipped} more lines were skipped")
    return Document(file, tree, lines, sections, tuple(warnings))


def read(path: Path, label: str = "") -> Document:
    """
    Read a file.

    @param label: What messages call it; C{""} is its name alone.
    @raise ConfigError: It cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise ConfigError(str(path), "", "", f"cannot be read: {problem.strerror}") from problem
    document = parse(content.decode("utf-8", "replace"), label or path.name)
    try:
        content.decode()
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        warning = at(document.file, line) + "is not UTF-8; letters were replaced"
        return evolve(document, warnings=(*document.warnings, warning))
    return document
