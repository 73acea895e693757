"""
Tests for L{netstream.wire.compression}.
"""

from __future__ import annotations

import gc
import tracemalloc
import weakref
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from random import Random

import brotli
import lz4.block
import zstandard
from twisted.trial.unittest import SynchronousTestCase

from netstream.wire.capabilities import COMPRESSIONS, Capability
from netstream.wire.compression import (
    ALGORITHMS,
    CUT,
    LONGEST_PAYLOAD,
    LONGEST_TEXT,
    MOST_TOGETHER,
    CompressionError,
    Compressor,
    Decompressor,
    Levels,
    algorithm_of,
)
from tests.recordings import ROOT, Recording, compressed

SUMS = {
    "v137-bulk-lz4/conn.1.c2p.bin": (345293, "6a00d3229bc8695d867488591776a8fd470e55cb4d001d80f1701ee7699dba57"),
    "v29-bulk-zstd/conn.2.c2p.bin": (546497, "dbc95477d733d5456edd7ea4a24fa98761bea7ef8e672531e623d51534946e28"),
    "v29-bulk-gzip/conn.2.c2p.bin": (514707, "79ecb619db803375dab65298d71df4d56ef012dc320a726d667b717905c0ad0e"),
}
"""Length and checksum of the texts of which only the beginning was kept."""


def algorithm(recording: Recording) -> str:
    """
    @return: What a recorded child used.
    """
    (name,) = [name for name in ALGORITHMS if name in recording.name] or ["lz4"]
    return name


def frame(payload: bytes) -> bytes:
    """
    @return: One frame.
    """
    return bytes([0xFA, 0x80 | len(payload) & 0x7F, 0x80 | len(payload) >> 7, 0x0A]) + payload


def split(frames: bytes) -> Iterator[bytes]:
    """
    @return: The payload of each of some good frames.
    """
    at = 0
    while at < len(frames):
        size = frames[at + 1] & 0x7F | (frames[at + 2] & 0x7F) << 7
        yield frames[at + 4 : at + 4 + size]
        at += 4 + size


def plain(algorithm: str) -> Callable[[bytes], bytes]:
    """
    @return: Reads payload after payload with no more than the protocol says of
        an algorithm.
    """
    if algorithm == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress
    if algorithm == "gzip":
        return zlib.decompressobj(31).decompress
    if algorithm == "brotli":
        stream = brotli.Decompressor()
        return lambda payload: stream.process(payload) + b"".join(iter(lambda: stream.process(b""), b""))
    history = b""

    def block(payload: bytes) -> bytes:
        nonlocal history
        text: bytes = lz4.block.decompress(payload, uncompressed_size=LONGEST_TEXT, dict=history)
        history = (history + text)[-65536:]
        return text

    return block


def lines(size: int, seed: int = 1) -> bytes:
    """
    @return: Whole lines, as a child says them.
    """
    random = Random(seed)
    made = b""
    while len(made) < size:
        made += b"SET2 'value%d' #%x # A\n" % (random.randrange(9), random.randrange(1 << 24))
    return made


def pieces(data: bytes, seed: int, longest: int) -> Iterator[bytes]:
    """
    @return: Data as a network may deliver it.
    """
    random, at = Random(seed), 0
    while at < len(data):
        size = random.randint(1, longest)
        yield data[at : at + size]
        at += size


class RecordingTests(SynchronousTestCase):
    """
    Frames of real agents.
    """

    def test_texts(self) -> None:
        """
        What real agents compressed is read byte for byte, in whatever pieces it arrives.
        """
        seen = set()
        for recording in compressed():
            known = ROOT / recording.name.replace(".bin", ".decoded.txt")
            for longest in (len(recording.data), 5000, 7):
                decompressor = Decompressor(algorithm(recording))
                text = b"".join(t for p in pieces(recording.data, 1, longest) for t in decompressor.receive(p))
                if known.exists():
                    self.assertEqual(text, known.read_bytes(), recording.name)
                else:
                    self.assertEqual((len(text), sha256(text).hexdigest()), SUMS[recording.name])
                    head = ROOT / recording.name.replace(".bin", ".decoded-head.txt")
                    self.assertTrue(text.startswith(head.read_bytes()[:20000]))
                self.assertEqual(decompressor.plain, len(text))
                self.assertEqual(decompressor.compressed, len(recording.data))
            seen.add((recording.name.partition("/")[0], algorithm(recording)))
        self.assertLess(
            {("v137-lz4", "lz4"), ("v29-lz4", "lz4"), ("v29-zstd", "zstd"), ("v29-gzip", "gzip")}
            | {("v29-brotli", "brotli"), ("x-137child-29parent-lz4", "lz4"), ("x-29child-137parent-lz4", "lz4")},
            seen,
        )

    def test_large_pieces(self) -> None:
        """
        The many small frames of a real agent that arrive together are handed on together.
        """
        for recording in compressed():
            found = list(Decompressor(algorithm(recording)).receive(recording.data))
            self.assertLessEqual(len(found), 3, recording.name)


class RoundTripTests(SynchronousTestCase):
    """
    What we compress is read by us and by others.
    """

    def test_same_text(self) -> None:
        """
        With each algorithm and level, text comes out as it went in, whatever it is like, however it arrives.
        """
        noise = Random(2).randbytes(40_000)
        for name in ALGORITHMS:
            for levels in (Levels(), Levels(1, 9, 0, 1), Levels(9, 5, 5, 9)):
                compressor, decompressor, other = Compressor(name, levels), Decompressor(name), plain(name)
                for number, text in enumerate((lines(100), lines(60_000), noise, b"x", lines(300), noise[:5] + b"\n")):
                    frames = compressor.compress(text)
                    found = [t for p in pieces(frames, number, 20_000) for t in decompressor.receive(p)]
                    self.assertEqual(b"".join(found), text, name)
                    self.assertEqual(b"".join(map(other, split(frames))), text, name)
                self.assertEqual(
                    (compressor.plain, compressor.compressed), (decompressor.plain, decompressor.compressed)
                )

    def test_many_small_frames(self) -> None:
        """
        More frames than are decompressed in one go, and few of them, come out in order.
        """
        text = lines(200_000)
        for name in ALGORITHMS:
            compressor = Compressor(name)
            frames = b"".join(compressor.compress(line + b"\n") for line in text.splitlines())
            for longest in (len(frames), 100):
                decompressor = Decompressor(name)
                found = b"".join(t for p in pieces(frames, 3, longest) for t in decompressor.receive(p))
                self.assertEqual(found, text, name)

    def test_cut(self) -> None:
        """
        A frame is of whole lines where that is possible, and none is longer than any agent accepts.
        """
        text = lines(3 * CUT) + b"y" * (2 * CUT) + b"\n" + lines(10)
        for name in ALGORITHMS:
            read = plain(name)
            frames = Compressor(name).compress(text)
            texts = [read(payload) for payload in split(frames)]
            self.assertEqual(b"".join(texts), text)
            self.assertLessEqual(max(map(len, texts)), CUT)
            self.assertEqual([t[-1:] for t in texts[:3]], [b"\n"] * 3)
            self.assertGreater(min(map(len, texts[:3])), CUT - 40)

    def test_what_does_not_shrink(self) -> None:
        """
        Frames of text that cannot be compressed stay within what agents read.
        """
        random = Random(4)
        for name in ALGORITHMS:
            compressor, read = Compressor(name), plain(name)
            for size in (1, 2, 13, 14, 15, 16, 269, 270, 271, 3000, CUT):
                text = random.randbytes(size)
                (payload,) = split(compressor.compress(text))
                self.assertLessEqual(len(payload), LONGEST_PAYLOAD)
                self.assertEqual(read(payload), text, f"{name} {size}")

    def test_nothing(self) -> None:
        """
        Nothing makes no frame.
        """
        for name in ALGORITHMS:
            self.assertEqual(Compressor(name).compress(b""), b"")
            self.assertEqual(list(Decompressor(name).receive(b"")), [])

    def test_window(self) -> None:
        """
        What a host says in a period is remembered until the next, however much that is; a small host takes little
        memory at both sides.
        """
        text = Random(6).randbytes(CUT * 30).hex().encode()
        for name in ("zstd", "brotli"):
            large, small = Compressor(name, period=len(text)), Compressor(name, period=len(text) // 50)
            frames = [compressor.compress(text) for compressor in (large, small) for _ in range(2)]
            self.assertLess(len(frames[1]), len(frames[0]) / 5, name)
            self.assertGreater(len(frames[3]), len(frames[2]) / 2, name)
        sizes = [
            zstandard.get_frame_parameters(
                next(split(Compressor("zstd", period=period).compress(b"x" * 40)))
            ).window_size
            for period in (0, 70_000, 1 << 24)
        ]
        self.assertEqual(sizes, [1 << 17, 1 << 18, 1 << 21])

    def test_shrinks(self) -> None:
        """
        Lines of samples become a third or less.
        """
        text = lines(100_000)
        for name in ALGORITHMS:
            self.assertLess(len(Compressor(name).compress(text)), len(text) / 2, name)

    def test_which(self) -> None:
        """
        Of several algorithms agreed on, one is used on both sides.
        """
        self.assertEqual(algorithm_of(Capability.VCAPS), "")
        self.assertEqual(algorithm_of(COMPRESSIONS), "zstd")
        self.assertEqual(algorithm_of(Capability.GZIP | Capability.LZ4), "lz4")
        self.assertEqual(algorithm_of(Capability.GZIP | Capability.BROTLI), "brotli")


class HostileTests(SynchronousTestCase):
    """
    A peer sends what no agent sends.
    """

    def refused(self, decompressor: Decompressor, data: bytes, words: str) -> list[bytes]:
        """
        @return: What was read before.
        """
        found = []

        def receive() -> None:
            for text in decompressor.receive(data):
                found.append(text)

        problem = self.assertRaises(CompressionError, receive)
        self.assertIn(words, str(problem))
        self.assertIn(decompressor.algorithm, str(problem))
        return found

    def one_frame(self, name: str, text: bytes) -> bytes:
        """
        @return: All of a text in one frame, by which a stream begins.
        """
        if name == "zstd":
            stream = zstandard.ZstdCompressor().compressobj()
            return frame(stream.compress(text) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
        if name == "gzip":
            gzip = zlib.compressobj(9, zlib.DEFLATED, 31)
            return frame(gzip.compress(text) + gzip.flush(zlib.Z_SYNC_FLUSH))
        if name == "brotli":
            other = brotli.Compressor(quality=9)
            return frame(other.process(text) + other.flush())
        return frame(lz4.block.compress(text, store_size=False))

    def test_ended(self) -> None:
        """
        A connection that has ended leaves no memory behind.
        """
        for name in ALGORITHMS:
            decompressor = Decompressor(name)
            list(decompressor.receive(Compressor(name).compress(b"END\n")))
            kept = weakref.ref(decompressor._decode)
            del decompressor
            gc.collect()
            self.assertIsNone(kept(), name)

    def test_longest(self) -> None:
        """
        A frame may expand to 16 KiB, and one byte more ends the connection.
        """
        for name in ALGORITHMS:
            text = b"a" * LONGEST_TEXT
            self.assertEqual(list(Decompressor(name).receive(self.one_frame(name, text))), [text])
            self.assertEqual(self.refused(Decompressor(name), self.one_frame(name, text + b"a"), "more than"), [])

    def test_bombs(self) -> None:
        """
        A few bytes that expand to megabytes are refused, and take no memory to speak of; also among good frames.
        """
        for name in ALGORITHMS:
            size = 4_000_000 if name == "lz4" else 15_000_000
            bomb = self.one_frame(name, b"\0" * size)
            if name != "lz4":
                self.assertLess(len(bomb), 17_000)
            tracemalloc.start()
            try:
                self.refused(Decompressor(name), bomb, "" if name == "lz4" else "more than")
                for number in (3, MOST_TOGETHER // 2):
                    good = Compressor(name).compress(lines(200))
                    if name != "lz4":
                        # Streams that begin again within one are no concern of ours, only what they expand to.
                        self.refused(Decompressor(name), good * number + bomb, "")
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            self.assertLess(peak, 5_000_000, name)

    def test_damaged(self) -> None:
        """
        A damaged frame is told, after what was good before it.
        """
        for name in ALGORITHMS:
            compressor = Compressor(name)
            good = compressor.compress(lines(5000))
            decompressor = Decompressor(name)
            self.assertEqual(b"".join(decompressor.receive(good)), lines(5000))
            self.refused(decompressor, frame(b"\xff" * 300), "cannot be decompressed")
            decompressor = Decompressor(name)
            found = self.refused(decompressor, good + b"BEGIN a.b\n", "no header")
            self.assertEqual(b"".join(found), lines(5000))

    def test_no_frames(self) -> None:
        """
        Text where frames were agreed on is told from them, and so is an empty frame.
        """
        for data in (b"CHART", b"\xfa\x80\x80\n", b"\xfa\x01\x81\n.", b"\xfa\x81\x01\n.", b"\xfa\x81\x80\r."):
            for name in ALGORITHMS:
                self.refused(Decompressor(name), data, "no header")

    def test_endings(self) -> None:
        """
        A stream that says that it ends is refused, for nothing could follow.
        """
        self.refused(Decompressor("gzip"), frame(zlib.compress(b"x", wbits=31)), "ends")
        self.refused(Decompressor("brotli"), frame(brotli.compress(b"x")), "ends")
        ended = zstandard.compress(b"x")
        self.assertEqual(self.refused(Decompressor("zstd"), frame(ended * 2) + frame(ended), "ended"), [b"x"])

    def test_large_window(self) -> None:
        """
        A zstd stream that wants a hundred megabytes to look back into is refused, agents' own 2 MiB are not.
        """
        for log, good in ((21, True), (23, True), (24, False), (27, False)):
            parameters = zstandard.ZstdCompressionParameters(window_log=log)
            stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
            data = frame(stream.compress(b"x\n") + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
            if good:
                self.assertEqual(list(Decompressor("zstd").receive(data)), [b"x\n"])
            else:
                self.refused(Decompressor("zstd"), data, "memory")

    def test_mutations(self) -> None:
        """
        However frames are damaged, what comes out is bounded or told to be wrong.
        """
        random = Random(5)
        for name in ALGORITHMS:
            frames = Compressor(name).compress(lines(3000)) + b""
            for _ in range(300):
                data = bytearray(frames * 2)
                for _ in range(random.randint(1, 4)):
                    data[random.randrange(len(data))] = random.randrange(256)
                try:
                    found = list(Decompressor(name).receive(bytes(data)))
                except CompressionError:
                    continue
                self.assertLess(sum(map(len, found)), 10 * LONGEST_TEXT)
