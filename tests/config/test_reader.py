"""
The INI dialect.
"""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.errors import ConfigError
from netstream.config.reader import parse, read

TEXT = """
# a comment
   # another
[stream]
    enabled = yes
    destination = a:1 b:2   # not a comment
    api key =
    quoted = "as it is"
    list = a, b, 'c
    twice = 1
[two]
x=y=z
[stream]
twice = 2
interpolated = %(x)s $x ${x}
triple = \"\"\"open
[a]b]
k = v
[[nested]]
k = v
"""


class ReaderTests(SynchronousTestCase):
    """
    What the lines of a file mean.
    """

    def test_dialect(self) -> None:
        """
        Sections merge, the last value wins, and no character is special but a
        C{#} that begins a line.
        """
        document = parse(TEXT, "stream.conf")
        self.assertEqual(
            {section: dict(document.tree[section]) for section in document.tree.sections},
            {
                "stream": {
                    "enabled": "yes",
                    "destination": "a:1 b:2   # not a comment",
                    "api key": "",
                    "quoted": '"as it is"',
                    "list": "a, b, 'c",
                    "twice": "2",
                    "interpolated": "%(x)s $x ${x}",
                    "triple": '"""open',
                },
                "two": {"x": "y=z"},
                "a]b": {"k": "v"},
                "[nested]": {"k": "v"},
            },
        )
        self.assertEqual(document.warnings, ())

    def test_lines(self) -> None:
        """
        Each option knows the line that counts.
        """
        entries = {(e.section, e.name): e for e in parse(TEXT, "stream.conf").entries()}
        self.assertEqual(entries["stream", "enabled"].line, 5)
        self.assertEqual(entries["stream", "twice"].line, 14)
        self.assertEqual(entries["two", "x"].file, "stream.conf")

    def test_bad_lines(self) -> None:
        """
        A bad line is a warning with file and line, and the others count.
        """
        document = parse("early = 1\n[s]\nno equals sign\n= nothing\n[open\n[s] # late\ngood = 1\n", "f.conf")
        self.assertEqual(
            [warning.partition(" ")[0] for warning in document.warnings], [f"f.conf:{n}:" for n in "13456"]
        )
        self.assertEqual(dict(document.tree["s"]), {"good": "1"})

    def test_warnings_are_bounded(self) -> None:
        """
        A file that is no configuration at all does not flood the log.
        """
        document = parse("garbage\n" * 1000, "f.conf")
        self.assertEqual(len(document.warnings), 51)
        self.assertIn("950 more", document.warnings[-1])

    def test_line_ends(self) -> None:
        """
        Files written on other systems are read as well.
        """
        document = parse("\ufeff[s]\r\na = 1\r\nb = 2\x0b\x0c\r\n", "f.conf")
        self.assertEqual(dict(document.tree["s"]), {"a": "1", "b": "2"})

    @given(st.text())
    def test_never_fails(self, text: str) -> None:
        """
        Any text can be read.
        """
        list(parse(text, "f.conf").entries())

    NAMES = st.text(st.characters(exclude_characters="=[]#\n", exclude_categories=["Cs"]), min_size=1).map(str.strip)
    VALUES = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])).map(str.strip)

    # On a busy machine the first use of hypothesis' table of characters is slow.
    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.dictionaries(NAMES.filter(bool), st.dictionaries(NAMES.filter(bool), VALUES.filter(lambda v: v[-1:] != "]")))
    )
    def test_what_is_written_is_read(self, sections: dict[str, dict[str, str]]) -> None:
        """
        Whatever names and values are made of, they arrive as they were
        written.
        """
        lines = []
        for section, options in sections.items():
            lines += [f"[{section}]", *(f"{name} = {value}" for name, value in options.items())]
        document = parse("\n".join(lines), "f.conf")
        self.assertEqual({s: dict(document.tree[s]) for s in document.tree.sections}, sections)
        self.assertEqual(document.warnings, ())

    def test_files(self) -> None:
        """
        A file that is not UTF-8 is read with a warning, one that cannot be
        read is an error that names it.
        """
        path = Path(self.mktemp())
        path.write_bytes(b"[s]\nname = caf\xe9\n")
        document = read(path)
        self.assertIn(f"{path.name}:2: is not UTF-8", document.warnings[0])
        self.assertEqual(document.tree["s"]["name"], "caf\ufffd")
        problem = self.assertRaises(ConfigError, read, path / "below")
        self.assertIn(str(path / "below"), str(problem))
