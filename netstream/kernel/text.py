"""
The words of a sample line, and what may be wrong with it.
"""


class SampleError(ValueError):
    """
    A sample line that cannot be taken.

    @ivar line: The line, without its newline.
    @ivar reason: What is wrong with it.
    """

    def __init__(self, line: bytes, reason: str) -> None:
        super().__init__(line, reason)
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}: {self.line[:200]!r}"


def words(line: bytes) -> list[tuple[int, bytes]]:
    """
    Split a line into its words.

    Blanks, tabs, other white space and C{=} separate words; a word that begins
    with a quote runs to the next same quote.

    @param line: The line, without its newline.
    @return: The offset and the text of each word, at most 20 of them; the
        offset is that of the quote if there is one.
    """
    found: list[tuple[int, bytes]] = []
    at = 0
    end = len(line)
    while len(found) < 20:
        while at < end and line[at] in b" =\t\v\f\r":
            at += 1
        if at >= end:
            break
        start = at
        if line[at] in b"'\"":
            at = line.find(line[at : at + 1], start + 1)
            if at < 0:
                at = end
            found.append((start, line[start + 1 : at]))
            at += 1
        else:
            while at < end and line[at] not in b" =\t\v\f\r":
                at += 1
            found.append((start, line[start:at]))
    return found
