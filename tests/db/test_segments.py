"""
Segment files: what was stored is found again, whatever happens to the node.
"""

from __future__ import annotations

import errno
import os
import random
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from zlib import crc32

import numpy as np
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import places, segment
from netstream.db import segments as collection
from netstream.db.interfaces import Span
from netstream.db.places import Rows
from netstream.db.records import END_BYTES, ENTRY, HEADER_BYTES, Header, Kind, NewerVersion, list_of
from netstream.db.rowgroups import Damaged
from netstream.db.segments import Segments

HOUR = 3600
STRETCH = 6 * HOUR
DAY = 24 * HOUR
BEGIN = 1_700_006_400
"""Where a stretch begins."""

EPOCH = 900
ALWAYS = 1 << 40

Key = tuple[int, int]
"""Node and first second."""


class Case(SynchronousTestCase):
    """
    Segments in a directory of the test's own.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.segments = self.opened()

    def opened(self, damage: int = 0, **options: int) -> Segments:
        """
        @param damage: How many sentences about damage are expected.
        """
        segments = Segments(self.directory, STRETCH, **options)
        found = segments.open()
        self.assertEqual(len(found), damage, found)
        return segments

    def reopened(self, damage: int = 0) -> Segments:
        """
        @return: The same, after the process was killed.
        """
        self.segments = self.opened(damage)
        return self.segments

    def put(self, node: int, epoch: int, data: bytes, *, retention: int = 14 * DAY) -> None:
        """
        Store what is the row group of an epoch.
        """
        start = BEGIN + epoch * EPOCH
        self.segments.append(node, start + 1, start + EPOCH, 1, len(data), data, retention)

    def all(self, node: int) -> dict[int, bytes]:
        """
        @return: The row groups of a node by number of their epoch.
        """
        found = [
            ((place.start - 1 - BEGIN) // EPOCH, bytes(self.segments.read(place)))
            for place in self.segments.find(node, 0, ALWAYS)
        ]
        self.assertEqual(len(dict(found)), len(found))
        self.assertEqual(found, sorted(found))
        return dict(found)

    def file(self, number: int = 0) -> Path:
        """
        @return: One of the files, the oldest first.
        """
        return sorted(self.directory.glob("*.seg"))[number]


class SegmentsTests(Case):
    """
    What is stored is found, until it is replaced, forgotten or too old.
    """

    def test_both_ways(self) -> None:
        """
        What was stored is found at once, after a kill and after a stop, byte by byte.
        """
        self.put(7, 0, b"zero")
        self.put(7, 1, b"")
        self.put(8, 0, b"other" * 999)
        self.put(7, 100, b"x" * 700_000)
        expected = {0: b"zero", 1: b"", 100: b"x" * 700_000}
        self.assertEqual(self.all(7), expected)
        self.reopened()
        self.assertEqual(self.all(7), expected)
        self.segments.close()
        self.reopened()
        self.assertEqual(self.all(7), expected)
        self.assertEqual(self.all(8), {0: b"other" * 999})
        self.assertEqual(self.all(9), {})

    def test_place(self) -> None:
        """
        A place says what it is a place of.
        """
        self.segments.append(1, BEGIN + 1, BEGIN + 60, 5, 77, b"abc", DAY)
        for _ in range(2):
            [place] = self.segments.find(1, 0, ALWAYS)
            self.assertEqual(
                (place.node, place.start, place.last, place.step, place.samples, place.length),
                (1, BEGIN + 1, BEGIN + 60, 5, 77, 3),
            )
            self.assertEqual(self.segments.check(place), [])
            self.reopened()

    def test_overlap(self) -> None:
        """
        A span excludes its begin and includes its end.
        """
        for epoch in range(30):
            self.put(1, epoch, b"%d" % epoch)
        for after, before, epochs in [
            (0, BEGIN, []),
            (0, BEGIN + 1, [0]),
            (BEGIN + EPOCH - 1, BEGIN + EPOCH, [0]),
            (BEGIN + EPOCH, BEGIN + EPOCH + 1, [1]),
            (BEGIN + EPOCH * 22, BEGIN + EPOCH * 26, [22, 23, 24, 25]),
            (BEGIN + EPOCH * 30 - 1, ALWAYS, [29]),
            (BEGIN + EPOCH * 30, ALWAYS, []),
        ]:
            for _ in range(2):
                found = [(place.start - 1 - BEGIN) // EPOCH for place in self.segments.find(1, after, before)]
                self.assertEqual(found, epochs)
                self.segments = self.opened()

    def test_long_group(self) -> None:
        """
        A row group that is longer than a stretch is found by its end too.
        """
        self.segments.append(1, BEGIN + 1, BEGIN + 10 * STRETCH, HOUR, 60, b"long", DAY)
        self.put(1, 200, b"short")
        self.assertEqual(len(self.segments.find(1, BEGIN + 9 * STRETCH, BEGIN + 9 * STRETCH + 9)), 1)
        self.reopened()
        self.assertEqual(len(self.segments.find(1, BEGIN + 9 * STRETCH, BEGIN + 9 * STRETCH + 9)), 1)
        self.assertEqual(self.segments.expire(BEGIN + 10 * STRETCH + DAY, None), [])

    def test_replaced(self) -> None:
        """
        Of row groups with one name the newest counts, also after a restart.
        """
        self.put(1, 0, b"first")
        self.put(1, 1, b"other")
        self.put(1, 0, b"second")
        self.assertEqual(self.all(1), {0: b"second", 1: b"other"})
        self.assertEqual(self.segments.dead, 72)
        self.assertEqual(self.reopened().dead, 72)
        self.assertEqual(self.all(1), {0: b"second", 1: b"other"})
        self.put(1, 0, b"third")
        self.segments.close()
        self.reopened()
        self.assertEqual(self.all(1), {0: b"third", 1: b"other"})

    def test_step_is_part_of_the_name(self) -> None:
        """
        Row groups of different steps live beside each other.
        """
        self.segments.append(1, BEGIN + 1, BEGIN + 900, 1, 1, b"one", DAY)
        self.segments.append(1, BEGIN + 1, BEGIN + 900, 5, 1, b"five", DAY)
        for _ in range(2):
            self.assertEqual([place.step for place in self.segments.find(1, 0, ALWAYS)], [1, 5])
            self.reopened()

    def test_replaced_with_other_retention(self) -> None:
        """
        A row group that is kept longer or shorter than the one it replaces is alone, and stays so when its file goes.
        """
        self.put(1, 0, b"long", retention=9 * DAY)
        self.put(1, 1, b"stays", retention=9 * DAY)
        self.segments.sync()
        self.put(1, 0, b"short", retention=DAY)
        self.assertEqual(self.all(1), {0: b"short", 1: b"stays"})
        self.reopened()
        self.assertEqual(self.all(1), {0: b"short", 1: b"stays"})
        self.segments.sync()
        self.assertEqual(len(self.segments.expire(BEGIN + STRETCH + DAY + 1, None)), 1)
        self.assertEqual(self.all(1), {1: b"stays"})
        self.reopened()
        self.assertEqual(self.all(1), {1: b"stays"})

    def test_back_and_forth_between_retentions(self) -> None:
        """
        The newest counts wherever the ones before it were.
        """
        for number in range(6):
            self.put(1, 0, b"%d" % number, retention=DAY * (1 + number % 2))
        self.segments.sync()
        self.segments.sync()
        self.assertEqual(self.all(1), {0: b"5"})
        self.reopened()
        self.assertEqual(self.all(1), {0: b"5"})

    def test_forget(self) -> None:
        """
        What is forgotten does not come back; what is stored afterwards stays.
        """
        for epoch in range(0, 90, 10):
            self.put(1, epoch, b"one")
            self.put(2, epoch, b"two")
        self.segments.close()
        self.reopened()
        self.segments.forget(1)
        self.put(1, 40, b"new")
        for _ in range(2):
            self.assertEqual(self.all(1), {40: b"new"})
            self.assertEqual(len(self.all(2)), 9)
            self.assertEqual(self.segments.nodes()[1], Span(BEGIN + 40 * EPOCH + 1, BEGIN + 41 * EPOCH))
            self.segments.close()
            self.reopened()
        self.segments.forget(1)
        self.assertNotIn(1, self.segments.nodes())
        self.segments.forget(9)

    def test_forget_what_was_replaced_elsewhere(self) -> None:
        """
        What was replaced in another file does not come back when its node is forgotten.
        """
        self.put(1, 0, b"long", retention=9 * DAY)
        self.put(1, 0, b"short", retention=DAY)
        self.segments.forget(1)
        self.assertEqual(self.all(1), {})
        self.reopened()
        self.assertEqual(self.all(1), {})

    def test_nodes(self) -> None:
        """
        Each node has the span of its row groups, also when they become fewer.
        """
        self.assertEqual(self.segments.nodes(), {})
        self.put(1, 5, b"a")
        self.put(1, 50, b"b")
        self.put(2, 60, b"b")
        both = {1: Span(BEGIN + 5 * EPOCH + 1, BEGIN + 51 * EPOCH), 2: Span(BEGIN + 60 * EPOCH + 1, BEGIN + 61 * EPOCH)}
        self.assertEqual(self.segments.nodes(), both)
        self.reopened()
        self.assertEqual(self.segments.nodes(), both)
        self.put(1, 2, b"c")
        self.assertEqual(self.segments.nodes()[1].first, BEGIN + 2 * EPOCH + 1)
        self.segments.expire(BEGIN, None, {1: BEGIN + 20 * EPOCH})
        self.assertEqual(self.segments.nodes()[1].first, BEGIN + 50 * EPOCH + 1)
        self.segments.append(2, BEGIN + 60 * EPOCH + 1, BEGIN + 60 * EPOCH + 60, 1, 1, b"", 14 * DAY)
        self.assertEqual(self.segments.nodes()[2].last, BEGIN + 60 * EPOCH + 60)

    def test_nodes_while_files_go(self) -> None:
        """
        Who asks while a file is deleted does not have others see what was in it.
        """

        def spans_of(rows: Rows) -> dict[int, Span]:
            patch.restore()
            self.segments.expire(BEGIN, 0)
            return real(rows)

        self.put(1, 0, b"old")
        self.put(1, 50, b"new")
        self.reopened()
        real = collection.spans_of
        patch = self.patch(collection, "spans_of", spans_of)
        self.segments.nodes()
        self.assertEqual(self.segments.nodes(), {1: Span(BEGIN + 50 * EPOCH + 1, BEGIN + 51 * EPOCH)})
        self.assertEqual(self.segments.span(1), Span(BEGIN + 50 * EPOCH + 1, BEGIN + 51 * EPOCH))
        self.assertEqual(self.segments.samples, 3)

    def test_many(self) -> None:
        """
        Also a thousand nodes are each found.
        """
        order = [(node, epoch) for node in range(300) for epoch in range(12)]
        random.Random(3).shuffle(order)
        for node, epoch in order:
            self.put(node, epoch, b"%d %d" % (node, epoch))
        for node, epoch in order[::3]:
            self.put(node, epoch, b"%d %d again" % (node, epoch))
        again = set(order[::3])
        for _ in range(2):
            for node in (0, 1, 150, 299):
                expected = {e: b"%d %d%s" % (node, e, b" again" * ((node, e) in again)) for e in range(12)}
                self.assertEqual(self.all(node), expected)
            self.segments.sync()
            self.reopened()

    def test_few_files_open(self) -> None:
        """
        Many files need few descriptors.
        """
        self.segments = self.opened(most_open=4)
        before = len(os.listdir("/proc/self/fd"))
        for epoch in range(0, 1000, 25):
            self.put(1, epoch, b"%d" % epoch)
        self.segments.sync()
        self.assertEqual(self.all(1), {epoch: b"%d" % epoch for epoch in range(0, 1000, 25)})
        self.assertLess(len(os.listdir("/proc/self/fd")), before + 6)

    def test_lists_are_few(self) -> None:
        """
        A file that gets a late row group every now and then is still opened quickly.
        """
        self.patch(collection, "_LATE", 1024)
        self.put(1, 100, b"newest")
        for number in range(200):
            self.put(1, number % 7, b"%d" % number)
            self.segments.sync()
        [segment] = [place.segment for place in self.segments.find(1, BEGIN, BEGIN + 1)]
        self.assertFalse(segment.unlisted)
        self.assertLess(segment.lists, 70)
        self.reopened()
        self.assertEqual(self.all(1), {**{n % 7: b"%d" % n for n in range(193, 200)}, 100: b"newest"})


class GettingRidTests(Case):
    """
    Old data goes, and its space with it.
    """

    def test_retention(self) -> None:
        """
        A file goes when all that it could hold is past its retention.
        """
        self.put(1, 0, b"short", retention=DAY)
        self.put(2, 0, b"long", retention=2 * DAY)
        self.assertEqual(self.segments.expire(BEGIN + STRETCH + DAY, None), [])
        [done] = self.segments.expire(BEGIN + STRETCH + DAY + 1, None)
        self.assertIn(f"{BEGIN}-{DAY}.seg", done)
        self.assertEqual((self.all(1), self.all(2)), ({}, {0: b"long"}))
        self.assertEqual(len(list(self.directory.iterdir())), 1)
        self.put(1, 0, b"late", retention=DAY)
        self.assertEqual(self.all(1), {0: b"late"})
        self.segments.close()
        self.reopened()
        self.assertEqual((self.all(1), self.all(2)), ({0: b"late"}, {0: b"long"}))

    def test_size(self) -> None:
        """
        When there is too much, the oldest goes, but never the newest.
        """
        for epoch in (0, 24, 48, 72):
            self.put(1, epoch, b"x" * 1000)
            self.put(2, epoch, b"x" * 1000, retention=DAY)
        self.assertEqual(self.segments.expire(BEGIN, self.segments.nbytes), [])
        self.assertEqual(len(self.segments.expire(BEGIN, self.segments.nbytes - 1)), 2)
        self.assertEqual(list(self.all(1)), [24, 48, 72])
        self.segments.expire(BEGIN, 0)
        self.assertEqual((list(self.all(1)), list(self.all(2))), ([72], [72]))
        self.reopened()
        self.assertEqual((list(self.all(1)), list(self.all(2))), ([72], [72]))

    def test_oldest_of_a_node(self) -> None:
        """
        A node whose data is to be kept shorter than before has only that.
        """
        for epoch in range(60):
            self.put(1, epoch, b"1")
            self.put(2, epoch, b"2")
        self.segments.expire(BEGIN, None, {1: BEGIN + 30 * EPOCH + 1})
        self.assertEqual(list(self.all(1)), list(range(30, 60)))
        self.assertEqual(list(self.all(2)), list(range(60)))
        self.assertGreater(self.segments.dead, 0)

    def test_found_before_it_goes(self) -> None:
        """
        A query that found its row groups can read them although their file is deleted meanwhile.
        """
        self.segments = self.opened(most_open=2)
        for epoch in (0, 24, 48, 72):
            self.put(1, epoch, b"%d" % epoch)
        places = self.segments.find(1, 0, ALWAYS)
        self.segments.expire(BEGIN, 0)
        self.assertEqual([bytes(self.segments.read(place)) for place in places], [b"0", b"24", b"48", b"72"])
        del places
        before = len(os.listdir("/proc/self/fd"))
        self.segments.close()
        self.assertLess(len(os.listdir("/proc/self/fd")), before)

    def test_compact(self) -> None:
        """
        A file that is mostly dead becomes small, with all that lives; what was found before can still be read.
        """
        for number in range(5):
            for epoch in range(10):
                self.put(1, epoch, b"%d %d" % (number, epoch) * 100)
        self.put(2, 50, b"elsewhere")
        places = self.segments.find(1, 0, ALWAYS)
        before, dead = self.segments.nbytes, self.segments.dead
        self.assertTrue(self.segments.compact())
        self.assertLess(self.segments.nbytes, before - dead + 1000)
        self.assertEqual(self.segments.dead, 0)
        expected = {epoch: b"4 %d" % epoch * 100 for epoch in range(10)}
        self.assertEqual(self.all(1), expected)
        self.assertEqual([bytes(self.segments.read(place)) for place in places], list(expected.values()))
        self.assertFalse(self.segments.compact())
        self.put(1, 3, b"after")
        for _ in range(2):
            self.reopened()
            self.assertEqual(self.all(1), {**expected, 3: b"after"})
            self.segments.close()

    def test_compact_what_is_forgotten(self) -> None:
        """
        A file in which nothing lives is deleted.
        """
        self.put(1, 0, b"one" * 100)
        self.put(2, 50, b"two" * 100)
        self.segments.forget(1)
        self.assertTrue(self.segments.compact())
        self.assertEqual(len(list(self.directory.iterdir())), 1)
        self.assertFalse(self.segments.compact())
        self.put(1, 0, b"one again")
        self.reopened()
        self.assertEqual((self.all(1), self.all(2)), ({0: b"one again"}, {50: b"two" * 100}))

    def test_compaction_interrupted(self) -> None:
        """
        What a compaction left behind that did not finish is removed.
        """
        self.put(1, 0, b"one")
        self.segments.close()
        aside = Path(f"{self.file()}.new")
        aside.write_bytes(b"NSR\2 half a file")
        self.reopened()
        self.assertFalse(aside.exists())
        self.assertEqual(self.all(1), {0: b"one"})


class FullDiskTests(Case):
    """
    A disk that is full or broken costs what cannot be written, and nothing else.
    """

    @contextmanager
    def full(self, room: int) -> Iterator[None]:
        """
        So many bytes can be written, then no more.
        """
        left = room

        def pwrite(descriptor: int, data: bytes, offset: int) -> int:
            nonlocal left
            if not left:
                raise OSError(errno.ENOSPC, "No space left on device")
            done = real(descriptor, memoryview(data)[:left], offset)
            left -= done
            return done

        real = os.pwrite
        patches = [
            self.patch(os, "pwrite", pwrite),
            self.patch(os, "pwritev", lambda number, parts, offset: pwrite(number, b"".join(parts), offset)),
        ]
        try:
            yield
        finally:
            for patch in patches:
                patch.restore()

    def test_no_space(self) -> None:
        """
        Wherever the disk is full, the error names the file, the store goes on, and later there is room again.
        """
        self.put(1, 0, b"before")
        for room in (0, 1, 63, 64, 65, 100, 170):
            with self.full(room):
                with self.assertRaises(OSError) as caught:
                    self.put(1, 0, b"not stored" * 20)
                self.assertEqual(caught.exception.errno, errno.ENOSPC)
                self.assertEqual(caught.exception.filename, str(self.file()))
                self.assertEqual(self.all(1), {0: b"before"})
                self.segments.sync()
            self.assertEqual(self.file().stat().st_size, 72)
        with self.full(1000):
            self.put(1, 1, b"short writes" * 20)
        self.assertEqual(self.all(1), {0: b"before", 1: b"short writes" * 20})
        self.reopened()
        self.assertEqual(self.all(1), {0: b"before", 1: b"short writes" * 20})

    def test_no_space_for_a_new_file(self) -> None:
        """
        A file that could not be begun is begun later.
        """
        with self.full(0), self.assertRaises(OSError):
            self.put(1, 0, b"x")
        self.reopened()
        self.assertEqual(list(self.directory.iterdir()), [])
        with self.full(0), self.assertRaises(OSError):
            self.put(1, 0, b"x")
        self.put(1, 0, b"y")
        self.segments.close()
        self.reopened()
        self.assertEqual(self.all(1), {0: b"y"})

    def test_no_space_to_forget_or_compact(self) -> None:
        """
        What cannot be done is as it was, and can be done later.
        """
        for number in range(9):
            self.put(1, 0, b"%d" % number * 100)
        self.segments.sync()
        with self.full(10):
            with self.assertRaises(OSError):
                self.segments.forget(1)
            with self.assertRaises(OSError):
                self.segments.compact()
        self.assertEqual(len(list(self.directory.iterdir())), 1)
        self.assertEqual(self.all(1), {0: b"8" * 100})
        self.assertTrue(self.segments.compact())
        self.assertEqual(self.all(1), {0: b"8" * 100})
        self.segments.forget(1)
        self.reopened()
        self.assertEqual(self.all(1), {})

    def test_sync_fails(self) -> None:
        """
        That the disk does not have it is said, with the name of the file, until it has.
        """

        def fail(number: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        self.put(1, 0, b"x")
        self.segments.sync()
        self.put(1, 1, b"x")
        patch = self.patch(os, "fdatasync", fail)
        for _ in range(2):
            with self.assertRaises(OSError) as caught:
                self.segments.sync()
            self.assertEqual(caught.exception.filename, str(self.file()))
        patch.restore()
        self.segments.sync()
        self.assertEqual(self.all(1), {0: b"x", 1: b"x"})


class DamageTests(Case):
    """
    Damaged bytes cost the record they are in, are reported, and never more.
    """

    def test_torn_at_every_byte(self) -> None:
        """
        Wherever the end of a file is cut off, all whole records before are there, and more can be stored.
        """
        for epoch in range(3):
            self.put(1, epoch, b"%d" % epoch * 21)
        whole = self.file().read_bytes()
        self.segments.close()
        nbytes = len(whole) // 3
        for length in range(1, len(whole)):
            self.file().write_bytes(whole[:length])
            records, torn = divmod(length, nbytes)
            self.segments = Segments(self.directory, STRETCH)
            damage = self.segments.open()
            self.assertEqual(len(damage), int(torn > 0))
            expected = {epoch: b"%d" % epoch * 21 for epoch in range(records)}
            self.assertEqual(self.all(1), expected)
            self.put(1, 7, b"after")
            self.segments.close()
            self.reopened()
            self.assertEqual(self.all(1), {**expected, 7: b"after"})
            self.segments.close()
            for path in self.directory.iterdir():
                path.unlink()
            self.file_again(whole)

    def file_again(self, data: bytes) -> None:
        """
        Put a file where the first stretch has it.
        """
        (self.directory / f"{BEGIN}-{14 * DAY}.seg").write_bytes(data)

    def flipped(self, closed: bool) -> None:
        """
        Flip a bit of every byte of a file, one at a time.
        """
        for epoch in range(3):
            self.put(1, epoch, b"%d" % epoch * 20)
        self.put(1, 1, b"one again")
        expected = {0: b"0" * 20, 1: b"one again", 2: b"2" * 20}
        if closed:
            self.segments.close()
        path = self.file()
        whole = path.read_bytes()
        for at in range(len(whole)):
            data = bytearray(whole)
            data[at] ^= 1 << at % 8
            path.write_bytes(data)
            self.segments = Segments(self.directory, STRETCH)
            damage = self.segments.open()
            found: dict[int, bytes] = {}
            for place in self.segments.find(1, 0, ALWAYS):
                damage += self.segments.check(place)
                if not self.segments.check(place):
                    found[(place.start - 1 - BEGIN) // EPOCH] = bytes(self.segments.read(place))
            lost = [epoch for epoch in expected if found.get(epoch) not in (expected[epoch], b"1" * 20)]
            self.assertLessEqual(len(lost), 1, at)
            if lost or found != expected:
                self.assertTrue(damage, at)
            with self.subTest(at):
                self.put(1, 5, b"after")
                self.segments.sync()
                self.segments = Segments(self.directory, STRETCH)
                self.segments.open()
                self.assertEqual(self.all(1)[5], b"after")
                self.segments.close()
            for other in self.directory.iterdir():
                other.unlink()

    def test_flipped_bit(self) -> None:
        """
        A flipped bit costs one record of a file that was not closed.
        """
        self.flipped(False)

    def test_flipped_bit_of_a_closed_file(self) -> None:
        """
        A flipped bit costs one record of a file that was closed.
        """
        self.flipped(True)

    def test_middle(self) -> None:
        """
        Damage in the middle is skipped, and what follows is found.
        """
        for epoch in range(5):
            self.put(1, epoch, b"%d" % epoch * 5000)
        path = self.file()
        data = bytearray(path.read_bytes())
        data[5064 + 100 : 5064 * 2 + 2000] = os.urandom(5064 + 1900)
        path.write_bytes(data)
        self.reopened(damage=2)
        self.assertEqual(list(self.all(1)), [0, 3, 4])

    def test_lists_of_a_damaged_file(self) -> None:
        """
        When the lists are damaged, every record is found by its header.
        """
        for epoch in range(5):
            self.put(1, epoch, b"%d" % epoch * 50)
        self.segments.close()
        path = self.file()
        data = path.read_bytes()
        for end in (data[:-20] + bytes(20), data[:-100] + bytes(100), data[:-1], data[:-30]):
            path.write_bytes(end)
            self.segments = Segments(self.directory, STRETCH)
            self.assertTrue(self.segments.open())
            self.assertEqual(self.all(1), {epoch: b"%d" % epoch * 50 for epoch in range(5)})
            self.segments.close()
            self.reopened()
            self.assertEqual(len(self.all(1)), 5)

    def test_nothing_is_left(self) -> None:
        """
        A file without one record is put aside and reported; new data is stored.
        """
        self.put(1, 0, b"x" * 100)
        self.segments.close()
        path = self.file()
        path.write_bytes(os.urandom(5000))
        self.reopened(damage=1)
        self.assertEqual([p.name for p in self.directory.iterdir()], [f"{path.name}.damaged"])
        self.put(1, 0, b"new")
        self.reopened()
        self.assertEqual(self.all(1), {0: b"new"})

    def test_newer_version(self) -> None:
        """
        The file of a newer version is not touched: who would write is told to run that one, who reads reads the rest.
        """
        self.put(1, 0, b"x" * 100)
        self.put(1, 50, b"mine")
        self.segments.close()
        path = self.file()
        data = bytearray(path.read_bytes())
        data[4] = 9
        data[60:64] = crc32(data[:60]).to_bytes(4, "little")
        path.write_bytes(data)
        with self.assertRaises(NewerVersion) as caught:
            Segments(self.directory, self.segments.stretch).open()
        self.assertIn(str(path), str(caught.exception))
        self.segments = Segments(self.directory, self.segments.stretch, writable=False)
        [sentence] = self.segments.open()
        self.assertIn(str(path), sentence)
        self.assertEqual(self.all(1), {50: b"mine"})
        self.segments.close()
        self.assertEqual(path.read_bytes(), data)

    def test_newer_end(self) -> None:
        """
        What a newer version appended to a file is not cut off.
        """
        self.put(1, 0, b"x" * 100)
        self.segments.close()
        path = self.file()
        header = bytearray(Header(Kind.GROUP, 0, 8, 7, 1, 1, 900, 950, 3, 0).packed())
        header[4] = 2
        header[60:64] = crc32(header[:60]).to_bytes(4, "little")
        data = path.read_bytes() + header + bytes(8)
        path.write_bytes(data)
        with self.assertRaises(NewerVersion):
            Segments(self.directory, self.segments.stretch).open()
        self.assertEqual(path.read_bytes(), data)

    def test_absurd_header(self) -> None:
        """
        A record that says what cannot be is damage, whatever its checksums are.
        """
        absurd: list[dict[str, int]] = [
            {"sequence": (1 << 64) - 1},
            {"listed": (1 << 64) - 8},
            {"start": 1 << 62},
            {"start": -(1 << 63)},
            {"last": -5},
            {"last": (1 << 63) - 1},
            {"step": 0},
        ]
        good = Header(Kind.GROUP, crc32(b"12345678"), 8, 9, 1, 1, BEGIN + 5 * EPOCH + 1, BEGIN + 6 * EPOCH, 3, 0)
        for wrong in [{}, *absurd]:
            self.put(1, 0, b"x" * 100)
            self.segments.close()
            path = self.file()
            path.write_bytes(path.read_bytes() + evolve(good, **wrong).packed() + b"12345678")
            self.reopened(damage=1 if wrong else 0)
            self.assertEqual(set(self.all(1)), {0} if wrong else {0, 5}, wrong)
            self.put(1, 7, b"after")
            self.reopened()
            self.assertEqual(set(self.all(1)), {0, 7} if wrong else {0, 5, 7}, wrong)
            self.segments.close()
            path.unlink()
            self.reopened()

    def test_absurd_list(self) -> None:
        """
        A list of records that says what cannot be is not believed; the records are found without it.
        """
        fields = {
            "sequence": (1 << 64) - 1,
            "offset": (1 << 64) - 70,
            "start": 1 << 62,
            "last": -(1 << 63),
            "length": (1 << 32) - 1,
            "step": 0,
        }
        for field, value in fields.items():
            self.put(1, 0, b"x" * 100)
            self.segments.close()
            path = self.file()
            data = path.read_bytes()
            size = HEADER_BYTES + ENTRY.itemsize + END_BYTES
            entries = np.frombuffer(data, ENTRY, 1, len(data) - size + HEADER_BYTES).copy()
            entries[field] = value
            offset = len(data) - size
            path.write_bytes(data[:offset] + list_of(entries.tolist(), offset, 0))
            self.segments = Segments(self.directory, self.segments.stretch)
            self.assertIn("every record is looked for", " ".join(self.segments.open()))
            self.assertEqual(self.all(1), {0: b"x" * 100}, field)
            self.put(1, 7, b"after")
            self.reopened()
            self.assertEqual(set(self.all(1)), {0, 7})
            self.segments.close()
            path.unlink()
            self.reopened()

    def test_absurd_place(self) -> None:
        """
        A place that is not in the file cannot be read.
        """
        self.put(1, 0, b"x" * 100)
        [place] = self.segments.find(1, BEGIN - 1, BEGIN + 10)
        for offset in (1 << 20, 1 << 62, (1 << 64) - 1):
            far = evolve(place, offset=offset)
            self.assertRaises(Damaged, self.segments.read, far)
            self.assertEqual(len(self.segments.check(far)), 1)

    def test_truncated_while_open(self) -> None:
        """
        That somebody cut a file off is an error of the one record that is read.
        """
        self.put(1, 0, b"0" * 100)
        self.put(1, 1, b"1" * 1_000_000)
        places = self.segments.find(1, 0, ALWAYS)
        os.truncate(self.file(), 500)
        self.assertEqual(bytes(self.segments.read(places[0])), b"0" * 100)
        with self.assertRaises(Damaged):
            self.segments.read(places[1])
        self.assertEqual(len(self.segments.check(places[1])), 1)

    def test_another_record(self) -> None:
        """
        The data of one node is never taken for that of another.
        """
        self.put(1, 0, b"one")
        self.put(2, 0, b"two")
        self.segments.close()
        data = self.file().read_bytes()
        self.file().write_bytes(data[72:144] + data[:72] + data[144:])
        self.reopened()
        for node in (1, 2):
            with self.assertRaises(Damaged):
                self.segments.read(self.segments.find(node, 0, ALWAYS)[0])

    def test_only_to_look(self) -> None:
        """
        Looking at a damaged database changes nothing.
        """
        self.put(1, 0, b"x" * 100)
        self.put(1, 1, b"x" * 100)
        path = self.file()
        path.write_bytes(path.read_bytes()[:200])
        Path(f"{path}.new").write_bytes(b"")
        before = {p: p.read_bytes() for p in self.directory.iterdir()}
        self.segments = Segments(self.directory, STRETCH, writable=False)
        self.assertEqual(len(self.segments.open()), 1)
        self.assertEqual(list(self.all(1)), [0])
        self.segments.close()
        self.assertEqual({p: p.read_bytes() for p in self.directory.iterdir()}, before)


class ThreadTests(Case):
    """
    Queries run in threads while data is written.
    """

    def test_readers(self) -> None:
        """
        Readers always find every row group, and each has the bytes of one time that it was written.
        """
        self.segments = self.opened(most_open=2)
        for epoch in range(0, 200, 4):
            self.put(1, epoch, b"0 %d" % epoch)
        problems: list[object] = []
        stop = False

        def read() -> None:
            while not stop:
                try:
                    places = self.segments.find(1, 0, ALWAYS)
                    found = [bytes(self.segments.read(place)).split()[:2] for place in places]
                    if [int(epoch) for _, epoch in found] != list(range(0, 200, 4)):
                        problems.append(found)
                    self.segments.nodes()
                except Exception as problem:
                    problems.append(problem)
                    return

        threads = [Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for number in range(1, 20):
                for epoch in range(0, 200, 4):
                    self.put(1, epoch, b"%d %d " % (number, epoch) * 20, retention=DAY * (1 + epoch % 3))
                self.segments.sync()
                while self.segments.compact():
                    pass
        finally:
            stop = True
            for thread in threads:
                thread.join()
        self.assertEqual(problems, [])


class Disk:
    """
    What a disk has for sure, of all that a process wrote into one directory.

    Who uses it puts L{fsync} in the place of C{os.fsync} and C{os.fdatasync}.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._contents: dict[int, bytes] = {}
        self._names: dict[str, int] = {}
        self._held: list[int] = []
        for path in directory.iterdir():
            descriptor = os.open(path, os.O_RDONLY)
            self.fsync(descriptor)
            os.close(descriptor)
        self._names = self._listing()

    def _listing(self) -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in self.directory.iterdir()}

    def fsync(self, descriptor: int) -> None:
        """
        The disk has a file, or which files there are.
        """
        about = os.fstat(descriptor)
        if stat.S_ISDIR(about.st_mode):
            self._names = self._listing()
            return
        if about.st_ino not in self._contents:
            # Its number is not used again as long as it is open.
            self._held.append(os.dup(descriptor))
        self._contents[about.st_ino] = os.pread(descriptor, about.st_size, 0)

    def release(self) -> None:
        """
        Nobody asks any more.
        """
        for descriptor in self._held:
            os.close(descriptor)
        self._held = []

    def cut_power(self, chance: random.Random) -> None:
        """
        Leave in the directory what may be there afterwards.
        """
        self.release()
        now = {path.stat().st_ino: path.read_bytes() for path in self.directory.iterdir()}
        listing = self._listing()
        after: dict[str, bytes] = {}
        for name in sorted({*listing, *self._names}):
            number = chance.choice((listing.get(name), self._names.get(name)))
            if number is not None:
                sure = self._contents.get(number, b"")
                after[name] = self._torn(sure, now.get(number, sure), chance)
        for path in self.directory.iterdir():
            path.unlink()
        for name, data in after.items():
            (self.directory / name).write_bytes(data)

    def _torn(self, sure: bytes, written: bytes, chance: random.Random) -> bytes:
        if not written.startswith(sure):
            raise AssertionError("what the disk has was overwritten")
        rest = bytearray(written[len(sure) :])
        kind = chance.choice(("whole", "none", "prefix", "zeros", "flip", "noise"))
        if kind == "none":
            rest.clear()
        elif kind == "prefix":
            del rest[chance.randint(0, len(rest)) :]
        elif rest and kind != "whole":
            at = chance.randrange(len(rest))
            length = min(chance.choice((1, 40, 200, 1000)), len(rest) - at)
            if kind == "flip":
                rest[at] ^= 1 << chance.randrange(8)
            else:
                rest[at : at + length] = bytes(length) if kind == "zeros" else chance.randbytes(length)
        return sure + bytes(rest)


NODES = (1, 2, 3)
EPOCHS = tuple(range(0, 72, 5))
RETENTIONS = (DAY, 7 * DAY, 30 * DAY)

STEPS = st.one_of(
    st.tuples(
        st.just("put"),
        st.sampled_from(NODES),
        st.sampled_from(EPOCHS),
        st.sampled_from(RETENTIONS),
        st.sampled_from((0, 8, 33, 600)),
    ),
    st.tuples(st.just("put many"), st.sampled_from(NODES), st.sampled_from(RETENTIONS)),
    st.tuples(st.just("sync")),
    st.tuples(st.just("forget"), st.sampled_from(NODES)),
    st.tuples(st.just("compact")),
    st.tuples(st.just("expire"), st.sampled_from(RETENTIONS), st.integers(1, 3)),
    st.tuples(st.just("shrink"), st.integers(0, 4000)),
    st.tuples(st.just("close")),
    st.tuples(st.just("kill")),
    st.tuples(st.just("cut"), st.integers(0, 1 << 32)),
)


class Stored(tuple[bytes, int, int]):
    """
    Bytes of a row group, the stretch it is in, and its retention.
    """


class History:
    """
    Segments beside a dictionary that does the same.

    @ivar may: For each row group what it may be after a power cut, the newest
        last; L{None} is that there is none.
    """

    def __init__(self, test: SynchronousTestCase, directory: Path) -> None:
        self.test = test
        self.directory = directory
        self.may: dict[Key, list[Stored | None]] = {}
        self.written = 0
        self.disk = Disk(directory)
        self.damaged = False
        self.open()

    def open(self) -> None:
        """
        Begin again with what is on the disk.
        """
        self.segments = Segments(self.directory, STRETCH)
        damage = self.segments.open()
        if not self.damaged:
            self.test.assertEqual(damage, [])

    def there(self) -> dict[Key, bytes]:
        """
        @return: All that is found.
        """
        found: dict[Key, bytes] = {}
        for node in NODES:
            places = self.segments.find(node, 0, ALWAYS)
            self.test.assertEqual([place.start for place in places], sorted({place.start for place in places}))
            for place in places:
                self.test.assertEqual(self.segments.check(place), [])
                data = bytes(self.segments.read(place))
                self.test.assertEqual(len(data), place.samples)
                found[node, (place.start - 1 - BEGIN) // EPOCH] = data
        spans = {
            node: Span(
                BEGIN + EPOCH * min(e for n, e in found if n == node) + 1,
                BEGIN + EPOCH * (max(e for n, e in found if n == node) + 1),
            )
            for node, _ in found
        }
        self.test.assertEqual(self.segments.nodes(), spans)
        return found

    def compare(self) -> None:
        """
        What should be there is, and nothing else.
        """
        newest = {key: some[-1] for key, some in self.may.items()}
        self.test.assertEqual(self.there(), {key: kept[0] for key, kept in newest.items() if kept})

    def durable(self) -> None:
        """
        From now on the disk has everything.
        """
        self.may = {key: [some[-1]] for key, some in self.may.items() if some[-1] is not None}

    def do(self, what: str, *how: int) -> None:
        """
        Do one step.
        """
        getattr(self, what.replace(" ", "_"))(*how)
        self.compare()

    def put(self, node: int, epoch: int, retention: int, length: int) -> None:
        self.written += 1
        data = b"%d " % self.written
        data += b"x" * length
        start = BEGIN + epoch * EPOCH
        self.segments.append(node, start + 1, start + EPOCH, 1, len(data), data, retention)
        stretch = start // STRETCH * STRETCH
        self.may.setdefault((node, epoch), [None]).append(Stored((data, stretch, retention)))

    def put_many(self, node: int, retention: int) -> None:
        for epoch in EPOCHS:
            self.put(node, epoch, retention, 20)

    def sync(self) -> None:
        self.segments.sync()
        self.durable()

    def forget(self, node: int) -> None:
        self.segments.forget(node)
        for key, some in self.may.items():
            if key[0] == node:
                some.append(None)

    def compact(self) -> None:
        if self.segments.compact():
            self.durable()

    def gone(self, stretch: int, retention: int) -> None:
        """
        A file was deleted.
        """
        for some in self.may.values():
            for at, kept in enumerate(some):
                if kept and kept[1:] == (stretch, retention):
                    some[at] = None

    def expire(self, retention: int, stretches: int) -> None:
        now = BEGIN + stretches * STRETCH + retention + 1
        self.segments.expire(now, None)
        for stretch in range(BEGIN, BEGIN + 4 * STRETCH, STRETCH):
            for kept in RETENTIONS:
                if stretch + STRETCH + kept < now:
                    self.gone(stretch, kept)

    def shrink(self, nbytes: int) -> None:
        before = {path.name for path in self.directory.glob("*.seg")}
        self.segments.expire(0, nbytes)
        after = {path.name for path in self.directory.glob("*.seg")}
        self.test.assertTrue(self.segments.nbytes <= nbytes or len({name.split("-")[0] for name in after}) == 1)
        for name in before - after:
            stretch, retention = name.removesuffix(".seg").split("-")
            self.gone(int(stretch), int(retention))

    def close(self) -> None:
        self.segments.close()
        self.durable()
        self.damaged = False
        self.open()

    def kill(self) -> None:
        self.open()

    def cut(self, seed: int) -> None:
        self.disk.cut_power(random.Random(seed))
        self.damaged = True
        self.open()
        there = self.there()
        for key, some in self.may.items():
            self.test.assertIn(there.get(key), [kept and kept[0] for kept in some], key)
        self.test.assertLessEqual(there.keys(), self.may.keys())
        self.may = {
            key: [next(kept for kept in some if kept and kept[0] == there[key])]
            for key, some in self.may.items()
            if key in there
        }
        self.disk = Disk(self.directory)


class PowerCutTests(SynchronousTestCase):
    """
    Whatever was done, and whenever the power fails: what was synced is there.
    """

    def setUp(self) -> None:
        self.patch(places, "_FEW", 5)
        self.patch(segment, "_MOST_LISTS", 3)
        self.patch(collection, "_LIST_RECORDS", 6)
        self.patch(collection, "_LATE", 2)

    @settings(
        max_examples=int(os.environ.get("NETSTREAM_EXAMPLES", "150")),
        deadline=None,
        database=None,
        report_multiple_bugs=False,
    )
    @given(st.lists(STEPS, min_size=3, max_size=40))
    def test_histories(self, steps: list[tuple[Any, ...]]) -> None:
        """
        After any history everything is found that should be, and what was not synced is old, new or gone.
        """
        self.happen(steps)

    def happen(self, steps: Sequence[tuple[Any, ...]]) -> None:
        """
        Do some steps.
        """
        with tempfile.TemporaryDirectory() as directory:
            history = History(self, Path(directory))
            patches = [
                self.patch(os, name, lambda number: history.disk.fsync(number)) for name in ("fsync", "fdatasync")
            ]
            try:
                for step in steps:
                    history.do(*step)
            finally:
                history.disk.release()
                for patch in patches:
                    patch.restore()

    def cut_after(self, *steps: tuple[Any, ...]) -> None:
        """
        Do some steps, then cut the power, several times.
        """
        for seed in range(30):
            self.happen([*steps, ("cut", seed)])

    def test_replaced_in_a_file_that_is_deleted(self) -> None:
        """
        When the file of the newest is past its retention, the ones before it do not come back.
        """
        self.cut_after(("put", 1, 0, 7 * DAY, 0), ("put", 1, 5, 7 * DAY, 0), ("put", 1, 0, DAY, 0), ("expire", DAY, 1))
        self.cut_after(
            ("put", 1, 0, 7 * DAY, 0), ("put", 1, 5, 7 * DAY, 0), ("put", 1, 0, DAY, 0), ("sync",), ("expire", DAY, 1)
        )

    def test_replaced_and_compacted(self) -> None:
        """
        What was replaced in another file, which the disk does not have yet, is not lost by compacting.
        """
        again = [("put", 1, 0, 7 * DAY, 600)] * 4
        self.cut_after(("put", 1, 5, 7 * DAY, 0), *again, ("sync",), ("put", 1, 0, DAY, 0), ("compact",))

    def test_replaced_and_forgotten(self) -> None:
        """
        What was replaced in another file does not come back when some of it was forgotten.
        """
        self.cut_after(("put", 1, 0, 7 * DAY, 0), ("sync",), ("put", 1, 0, DAY, 0), ("sync",), ("forget", 1))

    def test_all_deleted(self) -> None:
        """
        A database from which everything was deleted goes on.
        """
        self.cut_after(
            ("put", 1, 0, 7 * DAY, 0), ("put", 1, 0, DAY, 0), ("expire", 30 * DAY, 1), ("sync",), ("put", 1, 0, DAY, 0)
        )
