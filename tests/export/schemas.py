"""
The messages of Prometheus remote write as their public definitions have them,
so that bytes can be read with the real library.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_DOUBLE, _INT64, _UINT32, _STRING, _MESSAGE, _ENUM_AS_INT = 1, 3, 13, 9, 11, 5

_MESSAGES = {
    "prometheus": {
        "WriteRequest": [("timeseries", 1, "TimeSeries", True)],
        "TimeSeries": [("labels", 1, "Label", True), ("samples", 2, "Sample", True)],
        "Label": [("name", 1, _STRING, False), ("value", 2, _STRING, False)],
        "Sample": [("value", 1, _DOUBLE, False), ("timestamp", 2, _INT64, False)],
    },
    "io.prometheus.write.v2": {
        "Request": [("symbols", 4, _STRING, True), ("timeseries", 5, "TimeSeries", True)],
        "TimeSeries": [
            ("labels_refs", 1, _UINT32, True),
            ("samples", 2, "Sample", True),
            ("metadata", 5, "Metadata", False),
        ],
        "Sample": [("value", 1, _DOUBLE, False), ("timestamp", 2, _INT64, False)],
        "Metadata": [
            ("type", 1, _ENUM_AS_INT, False),
            ("help_ref", 3, _UINT32, False),
            ("unit_ref", 4, _UINT32, False),
        ],
    },
}


def _message(package: str, name: str) -> Any:
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for each, fields in _MESSAGES[package].items():
        message = file.message_type.add(name=each)
        for field, number, kind, repeated in fields:
            added = message.field.add(name=field, number=number, label=3 if repeated else 1)
            if isinstance(kind, str):
                added.type, added.type_name = _MESSAGE, f".{package}.{kind}"
            else:
                added.type = kind
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


WriteRequest = _message("prometheus", "WriteRequest")
Request = _message("io.prometheus.write.v2", "Request")
