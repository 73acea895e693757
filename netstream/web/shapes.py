"""
The words in which shapes of answers are described, as JSON Schema, and the
shapes that more than one answer has.

What programs read of an answer is named; there may be more in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
TRUTH: Schema = {"type": "boolean"}
ANY: Schema = {}


def maybe(schema: Schema) -> Schema:
    """
    @return: The same, or C{null}.
    """
    return {**schema, "type": [schema["type"], "null"]}


def items(schema: Schema) -> Schema:
    """
    @return: A list of such things.
    """
    return {"type": "array", "items": schema}


def named(schema: Schema) -> Schema:
    """
    @return: Such things by name.
    """
    return {"type": "object", "additionalProperties": schema}


def things(optional: Mapping[str, Schema] | None = None, /, **members: Schema) -> Schema:
    """
    @param optional: Members that may be missing.
    @param members: Those that are always there.
    @return: An object.
    """
    return {"type": "object", "properties": {**members, **(optional or {})}, "required": list(members)}


def ref(name: str) -> Schema:
    """
    @return: The schema of that name in L{NAMED}.
    """
    return {"$ref": f"#/components/schemas/{name}"}


_COUNTS = things(sl=WHOLE, ex=WHOLE, qr=WHOLE, fl=WHOLE)
_ALERT_COUNTS = things(cl=WHOLE, wr=WHOLE, cr=WHOLE)
MAYBE = maybe(NUMBER)
"""A number, or none."""
IDENTITY: Mapping[str, Schema] = {"ni": WHOLE, "mg": TEXT, "nd": maybe(TEXT), "nm": TEXT}
"""What many answers say of a node."""
EVERYWHERE: Mapping[str, Schema] = {"api": WHOLE, "versions": ref("Versions"), "agents": items(ref("Agent"))}
"""What every answer about many nodes has."""
_SPAN: Mapping[str, Schema] = {"priority": WHOLE, "first_time_t": WHOLE, "last_time_t": WHOLE, "collected": TRUTH}
SERIES: Mapping[str, Schema] = {"ds": ref("Counts"), "sts": ref("Statistics")}
"""What is said of series that are told of together."""
_TRAFFIC: Mapping[str, Schema] = {
    "compression": TRUTH,
    "data": WHOLE,
    "functions": WHOLE,
    "replication": WHOLE,
    "bytes": WHOLE,
    "samples": WHOLE,
    "compression_ratio": NUMBER,
    "bytes_per_second": NUMBER,
    "samples_per_second": NUMBER,
}

ROWS: Sequence[Schema] = (
    things(labels=items(TEXT), data={"type": "array"}),
    things(cols={"type": "array"}, rows={"type": "array"}),
    {"type": "array"},
)
"""Samples in any of the formats that are JSON."""

NAMED: Mapping[str, Schema] = {
    "Agent": things(mg=TEXT, nd=maybe(TEXT), nm=TEXT, now=WHOLE, ai=WHOLE),
    "Versions": things(
        nodes_hard_hash=WHOLE,
        contexts_hard_hash=WHOLE,
        contexts_soft_hash=WHOLE,
        alerts_hard_hash=WHOLE,
        alerts_soft_hash=WHOLE,
    ),
    "Counts": _COUNTS,
    "AlertCounts": _ALERT_COUNTS,
    "Statistics": things(min=MAYBE, max=MAYBE, avg=MAYBE, arp=NUMBER, con=NUMBER),
    "Columns": things(min=items(MAYBE), max=items(MAYBE), avg=items(MAYBE), arp=items(NUMBER), con=items(NUMBER)),
    "Function": things(help=TEXT, timeout=WHOLE, options=TEXT, tags=TEXT, access=WHOLE, priority=WHOLE),
    "Health": things(status=TEXT, alerts=named(WHOLE)),
    "Traffic": things(**_TRAFFIC),
    "Chart": things(
        id=TEXT,
        name=TEXT,
        type=TEXT,
        family=TEXT,
        context=TEXT,
        title=TEXT,
        priority=WHOLE,
        plugin=TEXT,
        module=TEXT,
        units=TEXT,
        data_url=TEXT,
        chart_type={"enum": ["line", "area", "stacked", "heatmap"]},
        duration=WHOLE,
        first_entry=WHOLE,
        last_entry=WHOLE,
        update_every=WHOLE,
        dimensions=named(things(name=TEXT)),
        chart_variables=named(MAYBE),
        green=MAYBE,
        red=MAYBE,
        alarms=named(things(id=WHOLE, status=TEXT, units=TEXT, update_every=WHOLE)),
        chart_labels=named(TEXT),
        functions=named(ref("Function")),
    ),
    "Context": things(
        {
            "charts": named(
                things(
                    {
                        "labels": named(TEXT),
                        "dimensions": named(things(name=TEXT, first_time_t=WHOLE, last_time_t=WHOLE)),
                    },
                    name=TEXT,
                    context=TEXT,
                    title=TEXT,
                    units=TEXT,
                    family=TEXT,
                    update_every=WHOLE,
                    **_SPAN,
                )
            )
        },
        title=TEXT,
        units=TEXT,
        family=TEXT,
        chart_type=TEXT,
        **_SPAN,
    ),
    "Alert": things(
        id=WHOLE,
        config_hash_id=TEXT,
        name=TEXT,
        chart=TEXT,
        active=TRUTH,
        disabled=TRUTH,
        silenced=TRUTH,
        recipient=TEXT,
        units=TEXT,
        info=TEXT,
        status=TEXT,
        no_data=TRUTH,
        last_status_change=WHOLE,
        last_updated=WHOLE,
        next_update=WHOLE,
        update_every=WHOLE,
        value_string=TEXT,
        last_repeat=TEXT,
        value=MAYBE,
    ),
    "LoggedAlert": things(
        hostname=TEXT,
        unique_id=WHOLE,
        alarm_id=WHOLE,
        alarm_event_id=WHOLE,
        transition_id=TEXT,
        name=TEXT,
        chart=TEXT,
        context=TEXT,
        when=WHOLE,
        duration=WHOLE,
        status=TEXT,
        old_status=TEXT,
        silenced={"enum": ["true", "false"]},
        value=MAYBE,
        old_value=MAYBE,
    ),
    "Certificate": things(not_after=WHOLE),
    "Node": things(
        {"instances": items(ref("NodeInstance")), "certificate": ref("Certificate")},
        **IDENTITY,
        v=TEXT,
        labels=named(TEXT),
        hw=named(TEXT),
        os=things(id=TEXT, nm=TEXT, v=TEXT, kernel=things(nm=TEXT, v=TEXT)),
        state={"enum": ["reachable", "stale"]},
        health=ref("Health"),
        capabilities=items(TEXT),
    ),
    "NodeInstance": things(
        db=things(
            status=TEXT,
            liveness={"enum": ["live", "stale"]},
            mode=TEXT,
            first_time=WHOLE,
            last_time=WHOLE,
            metrics=WHOLE,
            instances=WHOLE,
            contexts=WHOLE,
        ),
        ingest=things(
            {
                "reason": TEXT,
                "replication": things(in_progress=TRUTH, completion=NUMBER, instances=WHOLE),
                "source": things(
                    {"certificate": ref("Certificate")},
                    local=TEXT,
                    remote=TEXT,
                    capabilities=items(TEXT),
                    traffic=ref("Traffic"),
                ),
            },
            id=WHOLE,
            hops=WHOLE,
            type={"enum": ["localhost", "virtual", "child", "archived"]},
            status={"enum": ["archived", "initializing", "replicating", "online", "offline"]},
            since=WHOLE,
            age=WHOLE,
            lag=MAYBE,
        ),
        stream=things(
            {
                "destination": things(
                    {"certificate": ref("Certificate")}, local=TEXT, remote=TEXT, traffic=ref("Traffic")
                )
            },
            id=WHOLE,
            hops=WHOLE,
            status=TEXT,
            path=items(ref("PathEntry")),
        ),
        ml=things(status=TEXT),
        health=ref("Health"),
        functions=named(ref("Function")),
        capabilities=items(TEXT),
        dyncfg=things(status=TEXT),
    ),
    "PathEntry": things(host_id=TEXT, hostname=TEXT, hops=WHOLE),
    "Losses": things(
        samples_dropped=WHOLE,
        samples_spilled=WHOLE,
        samples_ahead=WHOLE,
        samples_not_stored=WHOLE,
        children_refused=named(WHOLE),
        connections_broken=WHOLE,
    ),
    "Error": things(status=WHOLE, error_message=TEXT),
}
"""The shapes that more than one answer has, by name."""
