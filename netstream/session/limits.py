"""
How much a peer may make us keep.
"""

from __future__ import annotations

from attrs import frozen

from netstream.wire.decoder import LONGEST_LINE, LONGEST_PAYLOAD


@frozen
class Limits:
    """
    How much one connection may make us keep.

    @ivar charts: Charts.
    @ivar dimensions: Dimensions of all charts.
    @ivar chart_dimensions: Dimensions of one chart.
    @ivar host_labels: Labels of the host.
    @ivar chart_labels: Labels of all charts.
    @ivar variables: Variables of the host and all charts.
    @ivar functions: Functions of the host and all charts.
    @ivar text: Characters of all their names, titles and values.
    @ivar line: Bytes of a line.
    @ivar payload: Bytes of a body of several lines.
    @ivar result: Bytes of the answer to a call that someone waits for.
    """

    charts: int = 100_000
    dimensions: int = 500_000
    chart_dimensions: int = 10_000
    host_labels: int = 1_000
    chart_labels: int = 1_000_000
    variables: int = 100_000
    functions: int = 10_000
    text: int = 1 << 28
    line: int = LONGEST_LINE
    payload: int = LONGEST_PAYLOAD
    result: int = 10 << 20
