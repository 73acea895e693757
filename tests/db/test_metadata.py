"""
Nodes and charts as text.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from netstream.db.interfaces import HostRecord
from netstream.db.metadata import chart_of, chart_text, host_of, host_text
from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.host import HostInfo, Label

CHART = Chart(
    "a.b\udcff",
    chart_type=ChartType.HEATMAP,
    dimensions={"d": Dimension("d", algorithm=Algorithm.PERCENTAGE_OF_INCREMENTAL_ROW, divisor=-3)},
    labels={"l": Label('v"', 3)},
)
RECORD = HostRecord(HostInfo("g", "näme", system={"A": "1"}), {"l": Label("v")}, 17)


class MetadataTests(SynchronousTestCase):
    """
    What is kept of nodes and charts is understood again, also by another
    version.
    """

    def test_both_ways(self) -> None:
        """
        Every field comes back.
        """
        self.assertEqual(chart_of(chart_text(CHART)), CHART)
        self.assertEqual(host_of(host_text(RECORD)), RECORD)

    def test_newer(self) -> None:
        """
        Fields that a newer version wrote do no harm.
        """
        fields = json.loads(chart_text(CHART))
        fields["mood"] = "blue"
        fields["dimensions"]["d"]["colour"] = [1, 2]
        self.assertEqual(chart_of(json.dumps(fields)), CHART)
        fields = json.loads(host_text(RECORD))
        fields["info"]["planet"] = fields["planet"] = 3
        self.assertEqual(host_of(json.dumps(fields)), RECORD)

    def test_older(self) -> None:
        """
        Fields that an older version did not know have their default.
        """
        self.assertEqual(chart_of('{"v":1,"id":"a.b"}'), Chart("a.b"))
        self.assertEqual(host_of('{"v":1,"info":{"guid":"g","hostname":"h"}}'), HostRecord(HostInfo("g", "h")))

    def test_damaged(self) -> None:
        """
        Text that is something else is an error.
        """
        for text in (
            "",
            "[]",
            "{}",
            "null",
            '{"id":1,"dimensions":7}',
            '{"info":3}',
            '{"dimensions":{"d":{"algorithm":9}}}',
        ):
            for parse in (chart_of, host_of):
                with self.assertRaises(ValueError):
                    parse(text)
