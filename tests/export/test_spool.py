"""
What waits for a receiver is there after whatever happens to this node.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.export.spool import Spool, directory_name

MOST = 1 << 20


class SpoolCase(SynchronousTestCase):
    """
    A directory for a spool.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()) / "target"

    def spool(self, most: int = MOST, kind: str = "graphite") -> Spool:
        """
        @return: A spool as the next process opens it.
        """
        spool = Spool(self.directory, kind, most)
        spool.open()
        return spool

    def drain(self, spool: Spool, most: int = 1 << 30) -> list[bytes]:
        """
        @return: What is sent, in order, and confirmed.
        """
        found = []
        while len(found) < most and (entry := spool.ahead()) is not None:
            body = spool.read(entry)
            assert body is not None
            found.append(body)
            spool.confirm(entry)
        return found

    def noise(self, size: int, seed: int = 0) -> bytes:
        """
        @return: Bytes that cannot be compressed.
        """
        return random.Random(seed).randbytes(size)


class OrderTests(SpoolCase):
    """
    Tests of the queue while nothing goes wrong.
    """

    def test_in_order(self) -> None:
        """
        What was put there comes out in the same order, once.
        """
        spool = self.spool()
        bodies = [b"body %d\n" % n for n in range(50)]
        for body in bodies:
            spool.append(body, 3, 100.0)
        self.assertEqual((spool.waiting, len(spool)), (150, 50))
        self.assertEqual(self.drain(spool), bodies)
        self.assertEqual((spool.waiting, spool.dropped, len(spool)), (0, 0, 0))
        self.assertIsNone(spool.ahead())

    def test_rewound(self) -> None:
        """
        What a lost connection took with it is sent again, what was confirmed
        is not.
        """
        spool = self.spool()
        for number in range(5):
            spool.append(b"%d" % number, 1, 100.0)
        entries = [spool.ahead() for _ in range(4)]
        assert entries[1] is not None
        spool.confirm(entries[1])
        spool.rewind()
        self.assertEqual(self.drain(spool), [b"2", b"3", b"4"])

    def test_no_files(self) -> None:
        """
        Nothing is left on disk once all is sent; and nothing before.
        """
        spool = self.spool()
        self.assertFalse(self.directory.exists())
        spool.append(b"x", 1, 100.0)
        self.assertEqual(len(os.listdir(self.directory)), 1)
        self.drain(spool)
        spool.close()
        self.assertEqual(os.listdir(self.directory), [])
        self.assertEqual(spool.size, 0)

    def test_names(self) -> None:
        """
        Targets with odd and with alike names have directories of their own,
        below the one for all.
        """
        names = [directory_name(s) for s in ("graphite:a/b", "graphite:a_b", "json:../../etc", "json:é" + "x" * 300)]
        self.assertEqual(len(set(names)), 4)
        for name in names:
            self.assertRegex(name, r"\A[A-Za-z0-9_-]{1,60}\Z")


class RestartTests(SpoolCase):
    """
    Tests of what another process finds.
    """

    def test_kept(self) -> None:
        """
        What waited when the process was killed is sent by the next one.
        """
        spool = self.spool()
        for number in range(200):
            spool.append(self.noise(3000, number), 7, 100.0 + number)
        self.assertEqual(len(self.drain(spool, 50)), 50)
        again = self.spool()  # the first one is not closed
        self.assertEqual(again.waiting, 150 * 7)
        again.append(b"new", 1, 400.0)
        self.assertEqual(self.drain(again), [*(self.noise(3000, n) for n in range(50, 200)), b"new"])
        again.close()
        self.assertEqual(os.listdir(self.directory), [])

    def test_torn(self) -> None:
        """
        Wherever a kill cuts what is being written, all that was complete is
        there, and what comes later is too.
        """
        spool = self.spool()
        bodies = [self.noise(40, n) for n in range(4)]
        for body in bodies:
            spool.append(body, 1, 100.0)
        (path,) = self.directory.iterdir()
        whole = path.read_bytes()
        for size in range(len(whole)):
            path.write_bytes(whole[:size])
            again = self.spool()
            again.append(b"later", 1, 200.0)
            found = self.drain(again)
            self.assertEqual(found, [*bodies[: len(found) - 1], b"later"], size)
            again.close()
            self.assertEqual(os.listdir(self.directory), [])

    def test_damaged(self) -> None:
        """
        A flipped bit never becomes a sample: what was damaged is left out.
        """
        spool = self.spool()
        bodies = [self.noise(40, n) for n in range(3)]
        for body in bodies:
            spool.append(body, 1, 100.0)
        (path,) = self.directory.iterdir()
        whole = path.read_bytes()
        for at in range(0, len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
            again = self.spool()
            for body in self.drain(again):
                self.assertIn(body, bodies)
            again.close()

    def test_other_kind(self) -> None:
        """
        After the target was changed, bodies of the old kind are not sent to it.
        """
        spool = self.spool()
        spool.append(b"x 1 1\n", 1, 100.0)
        self.assertEqual(len(self.spool(kind="json")), 0)
        self.assertEqual(os.listdir(self.directory), [])


class BoundTests(SpoolCase):
    """
    Tests of what happens when there is too much.
    """

    def test_disk(self) -> None:
        """
        No more of the disk is used than is allowed; the newest is kept, and
        what was dropped is counted.
        """
        spool = self.spool()
        for number in range(300):
            spool.append(self.noise(10_000, number), 2, float(number))
            self.assertLessEqual(sum(path.stat().st_size for path in self.directory.iterdir()), MOST)
        kept = self.drain(spool)
        self.assertGreater(len(kept), 80)
        self.assertEqual(kept, [self.noise(10_000, n) for n in range(300 - len(kept), 300)])
        self.assertEqual(spool.dropped, 2 * (300 - len(kept)))

    def test_age(self) -> None:
        """
        What is older than it may be is dropped and counted.
        """
        spool = self.spool()
        for number in range(10):
            spool.append(b"%d" % number, 5, 100.0 + number)
        spool.expire(107.0)
        self.assertEqual((spool.dropped, self.drain(spool)), (35, [b"7", b"8", b"9"]))

    def test_dropped_while_sent(self) -> None:
        """
        What is dropped while it is on its way confuses nobody.
        """
        spool = self.spool()
        for number in range(4):
            spool.append(b"%d" % number, 1, 100.0 + number)
        entry = spool.ahead()
        assert entry is not None
        spool.expire(102.0)
        spool.confirm(entry)
        self.assertEqual(self.drain(spool), [b"2", b"3"])

    def test_no_disk(self) -> None:
        """
        Where nothing can be written, what is sent goes through memory, within
        a bound, and the reason is known.
        """
        self.directory.parent.mkdir(parents=True)
        self.directory.write_text("a file")
        spool = Spool(self.directory, "graphite", MOST)
        spool.open()
        for number in range(60):
            spool.append(self.noise(100_000, number), 1, 100.0)
        self.assertRegex(spool.problem or "", "exists|directory")
        kept = self.drain(spool)
        self.assertEqual(kept, [self.noise(100_000, n) for n in range(len(kept))])
        self.assertLess(sum(map(len, kept)), 5 << 20)
        self.assertEqual(spool.dropped, 60 - len(kept))
        self.directory.unlink()
        spool.append(b"now", 1, 100.0)
        self.assertIsNone(spool.problem)
