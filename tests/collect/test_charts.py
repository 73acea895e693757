"""
Tests of charts as text.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netstream.collect.charts import LINE, ChartText, Source, absolute, safe_id, safe_name
from netstream.model.samples import SampleBatch, SeriesTable
from netstream.model.updates import ChartDefined
from netstream.session.receiver import Receiver
from netstream.wire.capabilities import Capability
from tests.collect.trees import NOW, SECOND, defined, elapsed


def chart(chart_id: str = "test.one", *dimensions: str) -> ChartText:
    """
    @return: A chart with dimensions that are shown as collected.
    """
    source = Source("test.plugin", "", 1)
    lines = (absolute(dimension) for dimension in dimensions or ("a", "b"))
    return source.chart(chart_id, "One", "things", "fam", "test.one", LINE, 1, *lines)


class ChartTextTests(SynchronousTestCase):
    """
    L{ChartText}.
    """

    def test_awkward_ids(self) -> None:
        """
        Whatever a disk or directory is called, its chart is read back under the same id.
        """
        for name in ("100%", "a'b", 'a"b', "a=b c", "\u00fcber", "%d%s", "x\\"):
            it = chart(f"test.{name}", name)
            text = it.block(NOW, 5) + it.block(NOW + SECOND, 6)
            table = SeriesTable("11111111-1111-4111-8111-111111111111")
            receiver = Receiver(table, Capability.CLABELS)
            updates = list(receiver.receive(text, NOW / 1e6 + 1))
            found = [update.chart for update in updates if isinstance(update, ChartDefined)]
            self.assertEqual([list(it.dimensions) for it in found], [[table[0][1]]])
            samples = [update for update in updates if isinstance(update, SampleBatch) and len(update)]
            self.assertEqual([int(value) for it in samples for value in it.value], [6], name)

    def test_withdraw(self) -> None:
        """
        A chart that is declared obsolete and then collected again is defined again.
        """
        it = chart()
        self.assertEqual(it.withdraw(), b"")
        it.block(NOW, 1, 2)
        self.assertTrue(it.shown)
        self.assertEqual(defined(it.withdraw(), obsolete=True), ["test.one"])
        self.assertFalse(it.shown)
        text = it.block(NOW + 9 * SECOND, 1, 2)
        self.assertEqual(defined(text), ["test.one"])
        self.assertEqual(elapsed(text, "test.one"), 0)

    def test_unless_idle(self) -> None:
        """
        A chart that is shown only with something to show appears with it, and stays.
        """
        it = chart()
        self.assertEqual(it.unless_idle(NOW, 0, 0), b"")
        self.assertEqual(defined(it.unless_idle(NOW + SECOND, 0, 1)), ["test.one"])
        self.assertEqual(elapsed(it.unless_idle(NOW + 2 * SECOND, 0, 0), "test.one"), SECOND)

    def test_names(self) -> None:
        """
        Ids keep no slashes and blanks where paths become ids, names keep letters that all can type.
        """
        self.assertEqual(safe_id("/data/my disk/a-b_c.d"), "_data_my_disk_a-b_c.d")
        self.assertEqual(safe_name("disk.cciss/c0d0"), "disk.cciss_c0d0")
