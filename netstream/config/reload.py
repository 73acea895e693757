"""
Files that change while a node runs: what is different, and what of it can wait
for no restart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from netstream.config.errors import ConfigError, at
from netstream.config.export_options import EXPORT_OPTIONS, INSTANCE, SECRETS
from netstream.config.keys import mark
from netstream.config.layers import Given, shown
from netstream.config.load import Written, settings_of, written
from netstream.config.node_options import DB, GLOBAL, HEALTH, NODE_OPTIONS, WEB
from netstream.config.options import KEY, Option, by_spelling
from netstream.config.places import STREAM_CONF
from netstream.config.reader import Entry
from netstream.config.remote_write_options import REMOTE_WRITE_OPTIONS
from netstream.config.settings import Mode, Role, Settings, SocksProxy
from netstream.config.stream_options import KEY_OPTIONS, STREAM, STREAM_OPTIONS

AT_START: frozenset[tuple[str, str]] = frozenset(
    (
        (GLOBAL, "hostname"),
        (GLOBAL, "timezone"),
        (GLOBAL, "workers"),
        (DB, "db"),
        (DB, "update every"),
        (DB, "retention"),
        (DB, "storage tiers"),
        (DB, "precision"),
        (WEB, "mode"),
        (WEB, "dashboard files"),
        *((option.section, option.name) for option in REMOTE_WRITE_OPTIONS),
        (HEALTH, "notification execution timeout"),
        (HEALTH, "silencers file"),
        (STREAM, "spool"),
        (STREAM, "spool size"),
    )
)
"""Options that are heeded when a node starts, and not again while it runs."""

_MODE = (KEY, "db")
_LONGEST = 160
"""Characters of a value that a line shows."""

_NODE = by_spelling(NODE_OPTIONS)
_STREAM = by_spelling((*STREAM_OPTIONS, *KEY_OPTIONS))
_EXPORTING = by_spelling(EXPORT_OPTIONS)


@frozen
class Change:
    """
    What the files say now, against what a node was told before.

    @ivar settings: What holds from now on; the options that L{restart} names
        are as they were.
    @ivar changed: One line for each option that is different, as C{stream.conf:7:
        [stream] timeout: 60s -> 30s}; no key or password is in it.
    @ivar restart: The same for those that wait for a restart.
    @ivar said: What was read.
    """

    settings: Settings
    changed: tuple[str, ...]
    restart: tuple[str, ...]
    said: Written = field(repr=False)


class Configuration:
    """
    The configuration of a node that runs.

    @ivar settings: What holds.
    """

    def __init__(
        self,
        role: Role | str,
        config_dir: Path | str | None = None,
        data_dir: Path | str | None = None,
        **more: Any,
    ) -> None:
        """
        Read it, with the arguments of L{netstream.config.load}.

        @raise ConfigError: Something is wrong that must not be guessed.
        """
        self._arguments: dict[str, Any] = {"config_dir": config_dir, "data_dir": data_dir, **more}
        self._role = role
        self._said = written(role, **self._arguments)
        self.settings = settings_of(self._said)

    def reread(self) -> Change:
        """
        Read the files again.  Nothing has changed until L{accept}.

        @raise ConfigError: Something is wrong in them.
        """
        said = written(self._role, **self._arguments)
        for path in self._said.sources:
            if path not in said.sources and not path.exists():
                raise ConfigError(str(path), "", "", "is gone; a file that is there and empty says that nothing is set")
        settings_of(said)  # what waits for a restart has to be right too
        node, later_node = _held(self._said.node, said.node, _node_waits)
        modes = self.settings.modes
        stream, later_stream = _held(
            self._said.stream,
            said.stream,
            lambda place, option, entry: _stream_waits(place, option, entry, modes),
        )
        kept = evolve(said, node=node, stream=stream)
        settings = settings_of(kept)
        # That of the machine may have changed too.
        settings = evolve(settings, node=evolve(settings.node, hostname=self.settings.node.hostname))
        return Change(settings, (*_differences(self._said, kept),), (*later_node, *later_stream), kept)

    def says(self, section: str, name: str) -> bool:
        """
        @return: Whether a section of C{stream.conf} gives an option itself.
        """
        return (section, name) in self._said.stream.entries

    def place(self, section: str, name: str) -> str:
        """
        @param section: Of C{stream.conf}.
        @return: Where an option stands, or would.
        """
        entry = self._said.stream.entries.get((section, name))
        if entry is None:
            return at(str(self.settings.config_dir / STREAM_CONF), 0, section, name).removesuffix(": ")
        return at(entry.file, entry.line, shown(section), name).removesuffix(": ")

    def accept(self, change: Change) -> None:
        """
        What was read holds from now on.
        """
        self._said, self.settings = change.said, change.settings


def _option(place: tuple[str, str]) -> Option | None:
    """
    @param place: Of C{netstream.conf} or C{stream.conf}, by the name of today.
    """
    section, name = place
    return _NODE.get(place) or _STREAM.get(place if section == STREAM else (KEY, name))


def _node_waits(place: tuple[str, str], option: Option, entry: Entry | None) -> bool:
    return place in AT_START


def _stream_waits(place: tuple[str, str], option: Option, entry: Entry | None, modes: frozenset[Mode]) -> bool:
    if (option.section, option.name) == _MODE:
        # A node that runs does not open another database.
        return entry is not None and option.kind.read(entry.value) not in modes
    return place in AT_START


def _held(old: Given, new: Given, waits: Any) -> tuple[Given, list[str]]:
    """
    @param waits: Whether an option is to stay as it was.
    @return: The new options, but those that wait as they were; and a line for
        each of these.
    """
    entries, lines = dict(new.entries), []
    for place in sorted({*old.entries, *new.entries}):
        option = _option(place)
        before, after = old.entries.get(place), new.entries.get(place)
        if option is None or not waits(place, option, after) or _same(option, before, after):
            continue
        lines.append(_line(option, before, after))
        entries.pop(place, None)
        if before is not None:
            entries[place] = before
    return evolve(new, entries=entries), lines


def _differences(old: Written, new: Written) -> Iterator[str]:
    for before, after in ((old.node, new.node), (old.stream, new.stream)):
        yield from _lines(before.entries, after.entries, _option)
        for section in sorted({*before.free, *after.free}):
            yield from _lines(
                {(section, name): entry for name, entry in before.free.get(section, {}).items()},
                {(section, name): entry for name, entry in after.free.get(section, {}).items()},
            )
    yield from _lines(
        {(entry.section, entry.name): entry for entry in old.targets},
        {(entry.section, entry.name): entry for entry in new.targets},
        lambda place: _EXPORTING.get((INSTANCE, place[1])),
    )


def _lines(
    old: Mapping[tuple[str, str], Entry],
    new: Mapping[tuple[str, str], Entry],
    option_of: Any = lambda place: None,
) -> Iterator[str]:
    """
    @param option_of: The option at a place; L{None} for one of any name.
    """
    for place in sorted({*old, *new}):
        option, before, after = option_of(place), old.get(place), new.get(place)
        if (option is None or option.effective) and not _same(option, before, after):
            yield _line(option, before, after)


def _same(option: Option | None, before: Entry | None, after: Entry | None) -> bool:
    texts = [entry.value if entry is not None else option.default if option else None for entry in (before, after)]
    if option is None or not (texts[0] and texts[1]):
        return texts[0] == texts[1]
    try:
        return bool(option.kind.read(texts[0]) == option.kind.read(texts[1]))
    except ValueError:
        return texts[0] == texts[1]


def _line(option: Option | None, before: Entry | None, after: Entry | None) -> str:
    entry = after or before
    assert entry is not None
    place = at(entry.file, after.line if after is not None else 0, shown(entry.section), entry.name)
    return f"{place}{_told(option, before)} -> {_told(option, after)}"


def _told(option: Option | None, entry: Entry | None) -> str:
    """
    @return: The value of an option as anyone may see it.
    """
    if entry is None:
        return f"{option.default} (default)" if option is not None and option.default else "not given"
    text = entry.value
    if not text:
        return "nothing"
    if entry.name.endswith("api key"):
        return f"key {mark(text)}"
    if entry.name in SECRETS:
        return "(hidden)"
    if entry.name == "proxy" and option is not None:
        proxy = option.kind.read(text)
        assert isinstance(proxy, SocksProxy)
        return proxy.text + (" with a password (hidden)" if proxy.password else "")
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return "".join(letter if letter.isprintable() else "?" for letter in cut)
