"""
What is wrong in a configuration, and where.
"""

from __future__ import annotations


class ConfigError(Exception):
    """
    The configuration cannot be used.

    Its text is one line such as C{stream.conf:7: [stream] timeout: 'soon' is
    not a duration such as '90s', '5m' or '1h'}.  It never holds an API key.

    @ivar file: Name of the file; C{--set} and the like for the command line.
    @ivar section: Section as it may be shown, or C{""}.
    @ivar option: Option as it was written, or C{""}.
    @ivar message: What is wrong and what would be right.
    @ivar line: Line number from 1 on; 0 if there is none.
    """

    def __init__(self, file: str, section: str, option: str, message: str, line: int = 0) -> None:
        super().__init__(file, section, option, message, line)
        self.file = file
        self.section = section
        self.option = option
        self.message = message
        self.line = line

    def __str__(self) -> str:
        return at(self.file, self.line, self.section, self.option) + self.message


def at(file: str, line: int = 0, section: str = "", option: str = "") -> str:
    """
    @return: A place in the configuration, ready for a message to follow.
    """
    place = file + (f":{line}" if line else "") + ": "
    name = " ".join(part for part in (f"[{section}]" if section else "", option) if part)
    return place + (f"{name}: " if name else "")
