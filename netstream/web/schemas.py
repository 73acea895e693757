"""
The shapes of answers about one node.
"""

from __future__ import annotations

from netstream.web.shapes import ANY, MAYBE, NUMBER, ROWS, TEXT, TRUTH, WHOLE, Schema, items, maybe, named, ref, things

INFO = things(
    {"losses": ref("Losses")},
    version=TEXT,
    uid=TEXT,
    mirrored_hosts=items(TEXT),
    mirrored_hosts_status=items(
        things(guid=TEXT, hostname=TEXT, reachable=TRUTH, hops=WHOLE, claim_id=maybe(TEXT), node_id=maybe(TEXT))
    ),
    alarms=things(normal=WHOLE, warning=WHOLE, critical=WHOLE),
    os_name=TEXT,
    cores_total=TEXT,
    total_disk_space=TEXT,
    cpu_freq=TEXT,
    ram_total=TEXT,
    host_labels=named(TEXT),
    functions=named(ref("Function")),
    collectors=items(things(plugin=TEXT, module=TEXT)),
)
CHARTS = things(
    hostname=TEXT,
    version=TEXT,
    os=TEXT,
    timezone=TEXT,
    update_every=WHOLE,
    history=WHOLE,
    memory_mode=TEXT,
    charts=named(ref("Chart")),
    charts_count=WHOLE,
    dimensions_count=WHOLE,
    alarms_count=WHOLE,
    rrd_memory_bytes=WHOLE,
    hosts_count=WHOLE,
    hosts=items(things(hostname=TEXT)),
)
DATA: Schema = {
    "description": "What format= and options= say: an object with labels and data, one that wraps it, or a list.",
    "anyOf": [
        *ROWS,
        things(
            api=WHOLE,
            id=TEXT,
            name=TEXT,
            view_update_every=WHOLE,
            update_every=WHOLE,
            first_entry=WHOLE,
            last_entry=WHOLE,
            after=WHOLE,
            before=WHOLE,
            dimension_names=items(TEXT),
            dimension_ids=items(TEXT),
            latest_values=items(MAYBE),
            dimensions=WHOLE,
            points=WHOLE,
            format=TEXT,
            result=ANY,
        ),
    ],
}
CONTEXTS = things(
    {"host_labels": named(TEXT)},
    hostname=TEXT,
    machine_guid=TEXT,
    node_id=TEXT,
    claim_id=TEXT,
    contexts=named(ref("Context")),
)
_WEIGHED = {
    **dict.fromkeys(("after", "before", "duration", "points", "total_dimensions_count"), WHOLE),
    **dict.fromkeys(("group", "method", "options"), TEXT),
    "statistics": things(
        query_time_ms=NUMBER,
        db_points_per_tier=items(WHOLE),
        **dict.fromkeys(("db_queries", "query_result_points", "binary_searches", "db_points_read"), WHOLE),
    ),
}
_BASELINE = {f"baseline_{name}": WHOLE for name in ("after", "before", "duration", "points")}
_OF_DIMENSIONS = named(NUMBER)
_OF_CONTEXTS = named(
    things(weight=NUMBER, charts=named(things(weight=NUMBER, dimensions=_OF_DIMENSIONS))),
)
WEIGHTS = things(_BASELINE, contexts=_OF_CONTEXTS, weighted_dimensions=WHOLE, **_WEIGHED)
CORRELATIONS = things(
    _BASELINE,
    correlated_charts=named(things(context=TEXT, dimensions=_OF_DIMENSIONS)),
    correlated_dimensions=WHOLE,
    **_WEIGHED,
)
WEIGHTS_OF_NODES = things(
    _BASELINE,
    api=WHOLE,
    nodes=items(things(ni=WHOLE, mg=TEXT, nm=TEXT, contexts=_OF_CONTEXTS)),
    weighted_dimensions=WHOLE,
    **_WEIGHED,
)
NO_WEIGHTS = things(error=TEXT)
ALARMS = things(hostname=TEXT, latest_alarm_log_unique_id=WHOLE, status=TRUTH, now=WHOLE, alarms=named(ref("Alert")))
ALARM_VALUES = things(hostname=TEXT, alarms=named(things(id=WHOLE, value=MAYBE, last_updated=WHOLE, status=TEXT)))
ALARM_COUNT: Schema = {"type": "array", "items": WHOLE, "minItems": 1, "maxItems": 1}
ALARM_LOG = items(ref("LoggedAlert"))
ALARM_VARIABLES = things(
    chart=TEXT,
    chart_name=TEXT,
    chart_context=TEXT,
    chart_variables=named(MAYBE),
    family=TEXT,
    family_variables=named(MAYBE),
    host=TEXT,
    host_variables=named(MAYBE),
)
EXPLAINED = things(hostname=TEXT, now=WHOLE, alerts=named(things(status=TEXT, since=WHOLE, value=MAYBE, watched=TRUTH)))
SILENCERS = things(all=TRUTH, type={"enum": ["None", "DISABLE", "SILENCE"]}, silencers=items(named(TEXT)))
TREE = named(
    things(
        name=TEXT,
        family=TEXT,
        context=TEXT,
        units=TEXT,
        last_updated=WHOLE,
        dimensions=named(things(name=TEXT, value=MAYBE)),
    )
)
REGISTRY = things(
    {
        "registry": TEXT,
        "cloud_base_url": TEXT,
        "anonymous_statistics": TRUTH,
        "cloud_status": TEXT,
        "agent": things(machine_guid=TEXT, node_id=maybe(TEXT), claim_id=maybe(TEXT), bearer_protection=TRUTH),
        "nodes": items(things(machine_guid=TEXT, node_id=maybe(TEXT), hostname=TEXT)),
    },
    action=TEXT,
    status={"enum": ["ok", "disabled"]},
    hostname=TEXT,
    machine_guid=TEXT,
)
ACLK: Schema = {"const": {"aclk-available": False}}
FUNCTIONS = things(functions=named(ref("Function")))
