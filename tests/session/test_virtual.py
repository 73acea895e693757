"""
Tests for the lines of collectors about virtual nodes.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netstream.model.host import Label
from netstream.session.errors import ProtocolError
from netstream.session.virtual import ITSELF, LABELS_MOST, LONGEST_LINE, HostLines, VirtualNode

A = "22222222-2222-4222-8222-222222222222"
B = "33333333-3333-4333-8333-333333333333"
OWN = "11111111-1111-4111-8111-111111111111"
TEXT = f"""CHART a.b
HOST_DEFINE {A.upper()} router-1
HOST_LABEL "site" "the cellar"
HOST_LABEL site2 x
HOST_DEFINE_END
HOST_DEFINE '{B}' 'router 2'
HOST_DEFINE_END
HOST {A}
CHART c.d
SET HOST = 1
 HOST {B.upper()}
CHART e.f
HOST localhost
SET x = 1
HOST {A}
SET y = 2
HOST {OWN}
END
""".encode()
SAID = [
    (ITSELF, b"CHART a.b\n"),
    VirtualNode(A, "router-1", {"site": Label("the cellar"), "site2": Label("x")}),
    VirtualNode(B, "router 2"),
    (A, b"CHART c.d\nSET HOST = 1\n"),
    (B, b"CHART e.f\n"),
    (ITSELF, b"SET x = 1\n"),
    (A, b"SET y = 2\n"),
    (ITSELF, b"END\n"),
]


def joined(said: list[tuple[str, bytes] | VirtualNode]) -> list[tuple[str, bytes] | VirtualNode]:
    """
    @return: The same, with neighbouring lines about the same node put
        together.
    """
    found: list[tuple[str, bytes] | VirtualNode] = []
    for each in said:
        last = found[-1] if found else None
        if isinstance(each, tuple) and isinstance(last, tuple) and last[0] == each[0]:
            found[-1] = last[0], last[1] + each[1]
        else:
            found.append(each)
    return found


class HostLinesTests(SynchronousTestCase):
    """
    Which node each line is about.
    """

    def test_all(self) -> None:
        """
        Lines go to the node that was chosen last, in their order.
        """
        self.assertEqual(list(HostLines([OWN]).receive(TEXT)), SAID)

    def test_every_split(self) -> None:
        """
        However the text is cut, the same is said.
        """
        for at in range(len(TEXT)):
            lines = HostLines([OWN])
            said = [*lines.receive(TEXT[:at]), *lines.receive(TEXT[at:])]
            self.assertEqual(joined(said), SAID)

    def test_ordinary(self) -> None:
        """
        Text of a collector that speaks for nobody else passes as it is.
        """
        text = b"CHART x.HOST\nHOSTILE 1\nBEGIN x\n"
        self.assertEqual(list(HostLines().receive(text)), [(ITSELF, text)])

    def test_answers(self) -> None:
        """
        What an answer to a call says, and be it lines about nodes, or one line of any length, is not obeyed.
        """
        body = f"{{\nHOST {B}\nHOST_DEFINE nonsense\n{'x' * 200}\n FUNCTION_RESULT_ENDLESS\n}}\n"
        answer = f"FUNCTION_RESULT_BEGIN tx 200 text/plain 0\n{body}FUNCTION_RESULT_END\n".encode()
        text = TEXT + answer + f"HOST {A}\nEND\n".encode()
        expected = joined([*SAID, (ITSELF, answer), (A, b"END\n")])
        self.assertEqual(joined(list(HostLines([OWN]).receive(text))), expected)
        for at in range(len(TEXT), len(text)):
            lines = HostLines([OWN])
            self.assertEqual(joined([*lines.receive(text[:at]), *lines.receive(text[at:])]), expected)
        lines = HostLines([OWN])
        pieces = [said for at in range(len(text)) for said in lines.receive(text[at : at + 1])]
        self.assertEqual(joined(pieces), expected)
        long = b"FUNCTION_RESULT_BEGIN tx 200 text/plain 0\n" + b"y" * 100_000 + b"\nFUNCTION_RESULT_END\n"
        self.assertEqual(joined([*lines.receive(long[:50_000]), *lines.receive(long[50_000:])]), [(A, long)])

    def test_wrong(self) -> None:
        """
        A line that makes no sense is said, after what was good before it.
        """
        for wrong in (
            f"HOST {A}",
            "HOST",
            "HOST_DEFINE x y",
            f"HOST_DEFINE {A}",
            "HOST_LABEL a b",
            "HOST_DEFINE_END",
            f"HOST_DEFINE {OWN} me\nHOST_DEFINE_END",
        ):
            with self.subTest(wrong=wrong):
                found = []
                with self.assertRaises(ProtocolError):
                    for said in HostLines([OWN]).receive(f"CHART a.b\n{wrong}\n".encode()):
                        found.append(said)
                self.assertEqual(found, [(ITSELF, b"CHART a.b\n")])

    def test_bounded(self) -> None:
        """
        Neither lines nor labels nor nodes grow without end.
        """
        self.assertRaises(ProtocolError, list, HostLines().receive(b"x" * (LONGEST_LINE + 1)))
        labels = "".join(f"HOST_LABEL l{number} x\n" for number in range(LABELS_MOST + 1))
        self.assertRaises(ProtocolError, list, HostLines().receive(f"HOST_DEFINE {A} a\n{labels}".encode()))
        nodes = "".join(
            f"HOST_DEFINE 22222222-2222-4222-8222-{number:012x} a\nHOST_DEFINE_END\n" for number in range(1001)
        )
        self.assertRaises(ProtocolError, list, HostLines().receive(nodes.encode()))
