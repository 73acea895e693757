"""
Compressed frames to what they carry, without a step of Python for each.
"""


def payloads(data: bytes, at: int, most: int, most_bytes: int, sized: bool) -> tuple[bytes | bytearray, int, int]:
    """
    Take the payloads out of as many complete frames as there are::

        0xFA  0x80|low seven bits of n  0x80|high seven bits of n  0x0A  n bytes

    @param data: What came.
    @param at: Where its first frame begins.
    @param most: How many frames to take at most.
    @param most_bytes: Take no further frame once so many bytes were taken.
    @param sized: Put before each payload its length, 4 bytes, lowest first.
    @return: The payloads, one behind the other; where the next frame begins;
        how many frames were taken, -1 if what stands first is no frame.
    """
    text = data
    end = len(data)
    stop = at
    count = 0
    while count < most and stop - at < most_bytes and end - stop >= 4:
        length = (text[stop + 1] & 127) | (text[stop + 2] & 127) << 7
        if (
            text[stop] != 0xFA
            or text[stop + 1] < 128
            or text[stop + 2] < 128
            or text[stop + 3] != 10
            or length == 0
            or at < 0
        ):
            if count == 0:
                count = -1
            break
        if length > end - stop - 4:
            break
        stop += 4 + length
        count += 1
    if sized:
        return _sized(data, at, stop), stop, count
    return _bare(data, at, stop, count), stop, count


def _sized(data: bytes, at: int, stop: int) -> bytearray:
    """
    @param at: Where the first of some good frames begins.
    @param stop: Where the last ends.
    """
    kept = bytearray(data[at:stop])
    out = kept
    place = 0
    size = stop - at
    while place < size:
        length = (out[place + 1] & 127) | (out[place + 2] & 127) << 7
        out[place] = length & 255
        out[place + 1] = length >> 8
        out[place + 2] = 0
        out[place + 3] = 0
        place += 4 + length
    return kept


def _bare(data: bytes, at: int, stop: int, count: int) -> bytes | bytearray:
    """
    @param at: Where the first of some good frames begins.
    @param stop: Where the last ends.
    @param count: How many they are.
    """
    if count == 1:
        return data[at + 4 : stop]
    kept = bytearray(stop - at - 4 * max(count, 0))
    text = data
    out = kept
    place = 0
    while at < stop:
        length = (text[at + 1] & 127) | (text[at + 2] & 127) << 7
        at += 4
        for i in range(length):
            out[place + i] = text[at + i]
        place += length
        at += length
    return kept
