"""
What processes say to each other, as bytes.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from netstream.db.messages import NOTHING, Message
from netstream.processes import frames
from netstream.processes.frames import BadFrame, Frame, FrameReader, Kind

SAID = [
    Frame(Kind.TELL, 0, "ready"),
    Frame(Kind.ASK, 1, "db query", Message({"node": "n", "window": [0, 10, 1]})),
    Frame(Kind.ANSWER, 1, "", Message({"series": 2}, (b"12345678", b"", b"x"))),
    Frame(Kind.FAILURE, 0xFFFFFFFF, "", Message({"kind": "OSError", "text": "no room"})),
    Frame(Kind.ASK, 2, "odd", Message({"half": "\udcff", "long": 1 << 80})),
]


def joined(frame: Frame) -> bytes:
    """
    @return: The bytes of a frame.
    """
    return b"".join(frame.pieces())


class FrameTests(SynchronousTestCase):
    """
    Frames and bytes, both ways.
    """

    def test_both_ways(self) -> None:
        """
        What is said is heard, however the bytes are cut.
        """
        data = b"".join(map(joined, SAID))
        for size in (1, 7, 64, len(data)):
            reader = FrameReader()
            heard = [frame for at in range(0, len(data), size) for frame in reader.receive(data[at : at + size])]
            self.assertEqual(heard, SAID, f"in pieces of {size}")

    def test_parts_are_kept(self) -> None:
        """
        A frame keeps its parts when the next one has come.
        """
        reader = FrameReader()
        (first,) = reader.receive(joined(Frame(Kind.TELL, 0, "a", Message({}, (b"part",)))))
        list(reader.receive(joined(Frame(Kind.TELL, 0, "b", Message({}, (b"else",))))))
        self.assertEqual(bytes(first.message.parts[0]), b"part")

    def test_bad(self) -> None:
        """
        Bytes that are no frame are refused, also when they would be a very long one.
        """
        whole = joined(SAID[2])
        for bad in (
            b"\xff\xff\xff\xff",
            b"\x01\x00\x00\x00x",
            whole[:4] + b"\x09" + whole[5:],
            whole[:4] + whole[4:].replace(b"[8,0,1]", b"[8,0,9]"),
            whole.replace(b"{", b"["),
        ):
            with self.assertRaises(BadFrame, msg=repr(bad)):
                list(FrameReader().receive(bad))

    def test_too_long(self) -> None:
        """
        An answer that nobody would take is not sent.
        """
        with patch.object(frames, "LONGEST", 1000), self.assertRaises(ValueError):
            Frame(Kind.ANSWER, 1, "", Message({}, (b"x" * 1000,))).pieces()
        self.assertEqual(NOTHING, Message())
