"""
The engine that keeps nothing.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netstream.db import NoneDB
from netstream.db.interfaces import IMetricsDB, UnknownMethod, Window
from netstream.model.samples import SeriesTable
from netstream.testing.metrics_db import NODE, NOW, X, batch


class NoneDBTests(SynchronousTestCase):
    """
    L{NoneDB} takes everything and has nothing.
    """

    def test_nothing(self) -> None:
        """
        What it was given is not there, and asking for it is no error.
        """
        db = NoneDB()
        verifyObject(IMetricsDB, db)
        self.assertFalse(db.keeps)
        self.successResultOf(db.open())
        self.successResultOf(db.append(batch(SeriesTable(NODE), [(X, NOW, 1.0)])))
        self.assertEqual(self.successResultOf(db.bounds(NODE)), {})
        self.assertEqual(self.successResultOf(db.read(NODE, [X], 0, NOW)).values.shape, (0, 1))
        self.assertEqual(list(self.successResultOf(db.stored())), [])
        self.assertEqual(self.successResultOf(db.stats()).samples, 0)
        found = self.successResultOf(db.query(NODE, [X], Window(NOW, NOW + 3, 1), "average"))
        self.assertEqual(len(found.times), 3)
        self.failureResultOf(db.query(NODE, [X], Window(NOW, NOW + 3, 1), "magic"), UnknownMethod)
        self.successResultOf(db.close())
