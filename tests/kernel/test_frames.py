"""
Payloads are taken out of frames alike by both kernels, and by a plain reading of what frames are.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.kernel import installed, plain

PAYLOADS = st.lists(st.binary(min_size=1, max_size=300), max_size=12)
UNFINISHED = b"\xfa\x82\x80\nx"
ENDS = st.sampled_from((b"", b"\xfa", b"\xfa\x81\x80", UNFINISHED, b"CHART a.b\n", b"\xfa\x80\x80\n", b"\xfa\x81"))


def framed(payload: bytes) -> bytes:
    """
    @return: A frame.
    """
    return bytes((0xFA, 0x80 | len(payload) & 0x7F, 0x80 | len(payload) >> 7, 0x0A)) + payload


class PayloadTests(SynchronousTestCase):
    """
    Frames are taken apart.
    """

    @given(PAYLOADS, ENDS, st.binary(max_size=5), st.integers(1, 14), st.integers(1, 900), st.booleans())
    def test_as_said(
        self, payloads: list[bytes], end: bytes, before: bytes, most: int, most_bytes: int, sized: bool
    ) -> None:
        """
        As many frames as are complete and wanted are taken, and no byte of what follows.
        """
        data = before + b"".join(map(framed, payloads)) + end
        wanted, stop, count = b"", len(before), 0
        while count < min(most, len(payloads)) and stop - len(before) < most_bytes:
            payload = payloads[count]
            wanted += (len(payload).to_bytes(4, "little") if sized else b"") + payload
            stop += 4 + len(payload)
            count += 1
        if not payloads and len(end) >= 4 and end != UNFINISHED:
            count = -1
        for kernel in (installed, plain):
            taken, at, number = kernel.payloads(data, len(before), most, most_bytes, sized)
            self.assertEqual((bytes(taken), at, number), (wanted, stop, count))

    @given(st.binary(max_size=60), st.booleans())
    def test_anything(self, data: bytes, sized: bool) -> None:
        """
        Whatever comes, both kernels make the same of it.
        """
        data = data.replace(b"\x01", b"\xfa\x84\x80\n")
        one, other = (kernel.payloads(data, 0, 9, 50, sized) for kernel in (installed, plain))
        self.assertEqual(one, other)

    def test_longest(self) -> None:
        """
        The longest payload that a header can tell is taken.
        """
        payload = bytes(range(256)) * 63 + bytes(255)
        for kernel in (installed, plain):
            taken, at, count = kernel.payloads(framed(payload) * 2, 0, 9, 1 << 20, False)
            self.assertEqual((bytes(taken), at, count), (payload * 2, 2 * 16387, 2))
