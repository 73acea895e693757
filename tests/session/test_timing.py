"""
Tests for who times the collections of version 1 lines.
"""

from twisted.trial.unittest import SynchronousTestCase

from netstream.session.timing import Resync

BLOCK = b'BEGIN "a.b" 1000123\nSET "x" = 1\nEND\n'


class ResyncTests(SynchronousTestCase):
    """
    L{Resync} on a connection to a version 1 parent.
    """

    def test_first_collections(self) -> None:
        """
        The first collections of a chart say no duration, later ones do.
        """
        resync = Resync(2)
        resync.begin("a.b")
        first = BLOCK.replace(b"1000123", b"0")
        self.assertEqual(resync.apply(BLOCK + BLOCK), first + first)
        self.assertEqual(resync.apply(BLOCK), BLOCK)

    def test_each_chart(self) -> None:
        """
        A chart that comes later is counted by itself, whatever its id.
        """
        resync = Resync(1)
        resync.begin("a.b")
        resync.apply(BLOCK)
        resync.begin("it's \xe4.c")
        lines = BLOCK + 'BEGIN "it\'s \xe4.c" 7\nEND\n'.encode()
        self.assertEqual(resync.apply(lines), BLOCK + 'BEGIN "it\'s \xe4.c" 0\nEND\n'.encode())

    def test_none(self) -> None:
        """
        Without iterations, and for charts not begun, lines stay as they are.
        """
        resync = Resync(0)
        resync.begin("a.b")
        self.assertEqual(resync.apply(BLOCK), BLOCK)
        self.assertEqual(Resync(5).apply(BLOCK), BLOCK)
