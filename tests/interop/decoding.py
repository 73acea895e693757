"""
A receiver of OpenTelemetry metrics and of remote write 2.0, of which Debian has none: it reads each body with the
protocol's own definitions, and writes what it said to a file before it answers.

    decoding.py PORT FILE
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cramjam
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.export.schemas import Request

Point = tuple[str, int, float]
"""Name of a series, second, and value."""


def otlp(body: bytes) -> Iterator[Point]:
    """
    @return: The points of gauges, by the metric and its dimension.
    """
    for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.gauge.data_points:
                    said = {attribute.key: attribute.value.string_value for attribute in point.attributes}
                    yield f"{metric.name} {said['dimension']}", point.time_unix_nano // 10**9, point.as_double


def remote_write(body: bytes) -> Iterator[Point]:
    """
    @return: The points of a body of version 2.0, by metric and dimension.
    """
    request = Request.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    for series in request.timeseries:
        words = [request.symbols[number] for number in series.labels_refs]
        labels = dict(zip(words[::2], words[1::2], strict=True))
        for sample in series.samples:
            name = f"{labels['__name__']} {labels.get('dimension', '')}"
            yield name, sample.timestamp // 1000, sample.value


class Door(BaseHTTPRequestHandler):
    """
    Takes bodies.
    """

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """
        Read one, keep it, answer (called by Python).
        """
        body = self.rfile.read(int(self.headers["Content-Length"]))
        second = self.headers.get("X-Prometheus-Remote-Write-Version") == "2.0.0"
        with Path(sys.argv[2]).open("a") as file:
            for point in (remote_write if second else otlp)(body):
                file.write(json.dumps(point) + "\n")
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Door).serve_forever()
