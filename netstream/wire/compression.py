"""
What a child says, in compressed frames and back.

A frame holds some plain text, compressed as one more part of a stream that
begins with the connection and never ends: each part may refer to the text
before it.  So a frame that is lost or damaged spoils all that come after it.

The libraries are imported when a connection first needs one: most nodes need
one of four.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Protocol, cast

from attrs import frozen

from netstream.kernel import payloads
from netstream.wire.capabilities import Capability

LONGEST_TEXT = 16384
"""Bytes of plain text that a frame may expand to."""

LONGEST_PAYLOAD = 16383
"""Bytes of compressed text that the header of a frame can tell."""

CUT = 16000
"""Bytes of plain text in the frames that we make: even what does not shrink
stays below L{LONGEST_PAYLOAD}, and below what any agent accepts."""

MOST_TOGETHER = 128
"""Frames that are decompressed in one go."""

BYTES_TOGETHER = 8192
"""Compressed bytes after which no further frame is decompressed with them."""

FEW = 4
"""Frames that come in such small numbers are decompressed one by one."""

PIECE = 1 << 18
"""Bytes of plain text that are handed on together, about."""

LARGEST_WINDOW = 8 << 20
"""Bytes back that zstd may refer to.  Agents use 2 MiB with the level that
they have unless told otherwise."""

LEAST_WINDOW, MOST_WINDOW = 17, 21
"""How far back zstd and brotli of ours refer, as powers of two: 128 KiB to 2
MiB.  As much memory is taken at both sides for each connection."""

ALGORITHMS: Mapping[str, Capability] = {
    "zstd": Capability.ZSTD,
    "lz4": Capability.LZ4,
    "brotli": Capability.BROTLI,
    "gzip": Capability.GZIP,
}
"""By name, the best first: that of several agreed on which is used."""


@frozen
class Levels:
    """
    How much effort goes into compressing, by algorithm.

    @ivar zstd: 1 to 22.
    @ivar lz4: Acceleration, 1 to 9: more is faster and compresses less.
    @ivar brotli: 0 to 11.
    @ivar gzip: 1 to 9.
    """

    zstd: int = 3
    lz4: int = 1
    brotli: int = 3
    gzip: int = 3


@frozen
class CompressionError(Exception):
    """
    Frames that cannot be read, or text that cannot be made frames of.

    @ivar algorithm: Name of the algorithm.
    @ivar reason: What is wrong, for people.
    """

    algorithm: str
    reason: str

    def __str__(self) -> str:
        return f"{self.algorithm} compression: {self.reason}"


def algorithm_of(agreed: Capability) -> str:
    """
    @param agreed: What was agreed on.
    @return: Name of the algorithm that a child uses; C{""} if none.
    """
    return next((name for name, bit in ALGORITHMS.items() if bit in agreed), "")


class _Decoder(Protocol):
    """
    One algorithm's side of reading a connection.
    """

    def __call__(self, payload: bytes | bytearray, most: int) -> bytes:
        """
        @param most: Bytes of text to be accepted.
        @return: The text; if it would be longer than accepted, any that is,
            of bounded length.
        @raise Exception: The payload cannot be decompressed.
        """


class _ZstdInput:
    """
    The file that a zstd frame is read from.

    @ivar payload: What the library is given when it asks next.
    """

    def __init__(self) -> None:
        self.payload: bytes | bytearray = b""

    def read(self, size: int) -> bytes | bytearray:
        """
        Give the library its next input, which it asks for when it has used up
        the last.
        """
        payload, self.payload = self.payload, b""
        if not payload:
            raise _Empty
        return payload


class _ZstdDecoder:
    """
    One endless zstd frame.
    """

    def __init__(self) -> None:
        import zstandard

        decompressor = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
        # An object of its own: the library's do not take part in garbage collection, so a cycle would never be freed.
        self._input = _ZstdInput()
        self._reader = decompressor.stream_reader(cast(IO[bytes], self._input), closefd=False)

    def __call__(self, payload: bytes | bytearray, most: int) -> bytes:
        self._input.payload = payload
        try:
            # All that the payload holds comes out at once if there is room for it.
            text: bytes = self._reader.read1(most + 1)
        except _Empty:
            return b""
        if self._input.payload:
            # The library still holds some of the last one, which went on behind an end.
            raise ValueError("the stream ended within a frame")
        return text


class _Empty(Exception):
    """
    Nothing came out of what went in.
    """


class _LZ4Decoder:
    """
    LZ4 blocks that refer to the 64 KiB before them.

    That is what a frame of LZ4's own format is made of too, with the length of
    each block before it; as one such frame without end they are read best.
    """

    def __init__(self) -> None:
        import lz4.frame

        begin = lz4.frame.LZ4FrameCompressor(block_size=lz4.frame.BLOCKSIZE_MAX64KB, block_linked=True).begin()
        self._decompressor = lz4.frame.LZ4FrameDecompressor()
        self._decompressor.decompress(begin)

    def __call__(self, payload: bytes | bytearray, most: int) -> bytes:
        # A block expands to 64 KiB at most, and is best given room for that.
        text: bytes = self._decompressor.decompress(payload, max_length=most + (1 << 16))
        return text if self._decompressor.needs_input else bytes(most + 1)


class _GzipDecoder:
    """
    One endless gzip stream.
    """

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(31)

    def __call__(self, payload: bytes | bytearray, most: int) -> bytes:
        text = self._decompressor.decompress(payload, most + 1)
        if self._decompressor.eof:
            raise ValueError("the stream ends")
        return text


class _BrotliDecoder:
    """
    One endless brotli stream.
    """

    def __init__(self) -> None:
        import brotli

        self._decompressor = brotli.Decompressor()

    def __call__(self, payload: bytes | bytearray, most: int) -> bytes:
        process = self._decompressor.process
        texts = [process(payload, output_buffer_limit=most + 1)]
        left = most - len(texts[0])
        # It may keep text back, whatever the limit.
        while left >= 0 and (text := process(b"", output_buffer_limit=left + 1)):
            texts.append(text)
            left -= len(text)
        if self._decompressor.is_finished():
            raise ValueError("the stream ends")
        return b"".join(texts)


_DECODERS: Mapping[str, Callable[[], _Decoder]] = {
    "zstd": _ZstdDecoder,
    "lz4": _LZ4Decoder,
    "brotli": _BrotliDecoder,
    "gzip": _GzipDecoder,
}


class Decompressor:
    """
    Reads the frames of one connection, from however many pieces.

    It holds at most one unfinished frame, and what the algorithm remembers.

    @ivar algorithm: Its name.
    @ivar compressed: Bytes of frames that were read, headers included.
    @ivar plain: Bytes of text that they held.
    """

    def __init__(self, algorithm: str) -> None:
        """
        @param algorithm: One of L{ALGORITHMS}.
        """
        self.algorithm = algorithm
        self.compressed = 0
        self.plain = 0
        self._decode = _DECODERS[algorithm]()
        self._sized = algorithm == "lz4"
        self._rest = b""

    def receive(self, data: bytes) -> Iterator[bytes]:
        """
        @param data: What came; taken in when the result is exhausted.
        @return: The text of the frames that are complete, in few large pieces
            of bounded size.
        @raise CompressionError: A frame cannot be read; what was good before
            it has been delivered.  A frame alone may expand to
            L{LONGEST_TEXT}, and frames that came together to as many times
            that.
        """
        if self._rest:
            data = self._rest + data
        at = size = 0
        texts: list[bytes] = []
        try:
            while len(data) - at >= 4:
                payload, stop, count = payloads(data, at, MOST_TOGETHER, BYTES_TOGETHER, self._sized)
                if 1 < count <= FEW:
                    payload, stop, count = payloads(data, at, 1, BYTES_TOGETHER, self._sized)
                if count < 0:
                    raise self._wrong(f"{data[at : at + 4].hex(' ')} is no header of a frame")
                if not count:
                    break
                text = self._expand(payload, count)
                self.compressed += stop - at
                self.plain += len(text)
                at = stop
                size += len(text)
                texts.append(text)
                if size >= PIECE:
                    yield b"".join(texts)
                    texts.clear()
                    size = 0
        except CompressionError:
            if texts:
                yield b"".join(texts)
            raise
        self._rest = data[at:]
        if texts:
            yield texts[0] if len(texts) == 1 else b"".join(texts)

    def _expand(self, payload: bytes | bytearray, count: int) -> bytes:
        most = count * LONGEST_TEXT
        try:
            text = self._decode(payload, most)
        except Exception as problem:
            # The libraries raise RuntimeError, ZstdError, zlib.error, brotli.error, each their own.
            raise self._wrong(f"it cannot be decompressed ({problem})") from problem
        if len(text) > most:
            raise self._wrong(f"a frame expands to more than {LONGEST_TEXT} bytes")
        return text

    def _wrong(self, reason: str) -> CompressionError:
        return CompressionError(self.algorithm, f"after {self.plain} bytes of text: {reason}")


class Compressor:
    """
    Makes the frames of one connection.

    @ivar algorithm: Its name.
    @ivar compressed: Bytes of frames that were made, headers included.
    @ivar plain: Bytes of text that they hold.
    """

    def __init__(self, algorithm: str, levels: Levels | None = None, period: int = 0) -> None:
        """
        @param algorithm: One of L{ALGORITHMS}.
        @param period: Bytes, about, after which much the same is said again,
            so that it pays to remember them: here, and at the other side.
        """
        self.algorithm = algorithm
        self.compressed = 0
        self.plain = 0
        window = min(max(LEAST_WINDOW, (2 * period).bit_length()), MOST_WINDOW)
        self._encode = _ENCODERS[algorithm](levels or Levels(), window)

    def compress(self, text: bytes) -> bytes:
        """
        @param text: Lines, or what is to be followed by the rest of a line.
        @return: Frames of all of it, each of whole lines where that is
            possible.
        @raise CompressionError: It cannot be made; nothing more can be said on
            the connection.
        """
        frames = []
        at = 0
        while at < len(text):
            end = len(text)
            if end - at > CUT:
                end = text.rfind(b"\n", at, at + CUT) + 1 or at + CUT
            try:
                payload = self._encode(text[at:end])
            except Exception as problem:
                raise CompressionError(self.algorithm, f"it failed ({problem})") from problem
            size = len(payload)
            if not 0 < size <= LONGEST_PAYLOAD:
                raise CompressionError(self.algorithm, f"it made {size} bytes of {end - at}")
            frames.append(b"\xfa%c%c\n" % (0x80 | size & 0x7F, 0x80 | size >> 7))
            frames.append(payload)
            at = end
        made = b"".join(frames)
        self.plain += len(text)
        self.compressed += len(made)
        return made


def _zstd_encoder(levels: Levels, window: int) -> Callable[[bytes], bytes]:
    import zstandard

    # The same is said again after about half the window: tables for so much are large enough.
    repeated = 1 << window - 1
    parameters = zstandard.ZstdCompressionParameters.from_level(levels.zstd, window_log=window, source_size=repeated)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()

    def encode(text: bytes) -> bytes:
        return stream.compress(text) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    return encode


def _lz4_encoder(levels: Levels, window: int) -> Callable[[bytes], bytes]:
    """
    Blocks as LZ4's own frame format has them, each without its length.
    """
    import lz4.frame

    compressor = lz4.frame.LZ4FrameCompressor(
        block_size=lz4.frame.BLOCKSIZE_MAX64KB, block_linked=True, compression_level=1 - levels.lz4, auto_flush=True
    )
    compressor.begin()

    def encode(text: bytes) -> bytes:
        block: bytes = compressor.compress(text)
        if not block[3] & 0x80:
            return block[4:]
        # It would not shrink and was left as it is: a single run of literals.
        more, last = divmod(len(text) - 15, 255)
        if more < 0:
            return bytes([len(text) << 4]) + text
        return b"\xf0" + b"\xff" * more + bytes([last]) + text

    return encode


def _gzip_encoder(levels: Levels, window: int) -> Callable[[bytes], bytes]:
    stream = zlib.compressobj(levels.gzip, zlib.DEFLATED, 31)

    def encode(text: bytes) -> bytes:
        return stream.compress(text) + stream.flush(zlib.Z_SYNC_FLUSH)

    return encode


def _brotli_encoder(levels: Levels, window: int) -> Callable[[bytes], bytes]:
    import brotli

    stream = brotli.Compressor(quality=levels.brotli, lgwin=window)

    def encode(text: bytes) -> bytes:
        made: bytes = stream.process(text) + stream.flush()
        return made

    return encode


_ENCODERS: Mapping[str, Callable[[Levels, int], Callable[[bytes], bytes]]] = {
    "zstd": _zstd_encoder,
    "lz4": _lz4_encoder,
    "brotli": _brotli_encoder,
    "gzip": _gzip_encoder,
}
