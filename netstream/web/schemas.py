"""
The shapes of answers, as JSON Schema.

What programs read of an answer is named; there may be more in it.
"""

from __future__ import annotations

from collections.abc import Mapping
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
_MAYBE = maybe(NUMBER)
_IDENTITY: Mapping[str, Schema] = {"ni": WHOLE, "mg": TEXT, "nd": maybe(TEXT), "nm": TEXT}
_EVERYWHERE: Mapping[str, Schema] = {"api": WHOLE, "versions": ref("Versions"), "agents": items(ref("Agent"))}
_SPAN: Mapping[str, Schema] = {"priority": WHOLE, "first_time_t": WHOLE, "last_time_t": WHOLE, "collected": TRUTH}
_SERIES: Mapping[str, Schema] = {"ds": ref("Counts"), "sts": ref("Statistics")}
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
    "Statistics": things(min=_MAYBE, max=_MAYBE, avg=_MAYBE, arp=NUMBER, con=NUMBER),
    "Columns": things(min=items(_MAYBE), max=items(_MAYBE), avg=items(_MAYBE), arp=items(NUMBER), con=items(NUMBER)),
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
        chart_variables=named(_MAYBE),
        green=_MAYBE,
        red=_MAYBE,
        alarms=named(things(id=WHOLE, status=TEXT, units=TEXT, update_every=WHOLE)),
        chart_labels=named(TEXT),
        functions=named(ref("Function")),
    ),
    "Context": things(
        {"charts": named(things(name=TEXT, title=TEXT, units=TEXT, family=TEXT, update_every=WHOLE, **_SPAN))},
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
        value=_MAYBE,
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
        value=_MAYBE,
        old_value=_MAYBE,
    ),
    "Certificate": things(not_after=WHOLE),
    "Node": things(
        {"instances": items(ref("NodeInstance")), "certificate": ref("Certificate")},
        **_IDENTITY,
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
            lag=_MAYBE,
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
"""The shapes that more than one answer has."""

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
INFO_3 = things(
    api=WHOLE,
    agents=items(
        things(
            mg=TEXT,
            nm=TEXT,
            now=WHOLE,
            application=things(package=things(version=TEXT, type=TEXT), role=TEXT),
            cloud=things(id=WHOLE, status=TEXT),
            nodes=things(total=WHOLE, receiving=WHOLE, sending=WHOLE, archived=WHOLE),
            metrics=WHOLE,
            instances=WHOLE,
            contexts=WHOLE,
            capabilities=items(TEXT),
            api=things(version=WHOLE, bearer_protection=TRUTH),
            db_size=items(things(tier=WHOLE, granularity=TEXT, disk_used=WHOLE)),
            samples=WHOLE,
            disk_used=WHOLE,
            traffic=things(received=ref("Traffic"), sent=ref("Traffic")),
            losses=ref("Losses"),
            function_calls=named(WHOLE),
        )
    ),
    versions=ref("Versions"),
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
        things(labels=items(TEXT), data={"type": "array"}),
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
            latest_values=items(_MAYBE),
            dimensions=WHOLE,
            points=WHOLE,
            format=TEXT,
            result=ANY,
        ),
        things(cols={"type": "array"}, rows={"type": "array"}),
        {"type": "array"},
    ],
}
DATA_3 = things(
    **_EVERYWHERE,
    summary=things(
        nodes=items(
            things(
                **_IDENTITY,
                st=things(ai=WHOLE, code=WHOLE, msg=TEXT),
                **_SERIES,
                al=ref("AlertCounts"),
                **{"is": ref("Counts")},
            )
        ),
        contexts=items(things(id=TEXT, al=ref("AlertCounts"), **_SERIES, **{"is": ref("Counts")})),
        instances=items(things(id=TEXT, nm=TEXT, ni=WHOLE, al=ref("AlertCounts"), **_SERIES)),
        dimensions=items(things(id=TEXT, nm=TEXT, pri=WHOLE, **_SERIES)),
        labels=items(things(id=TEXT, vl=items(things(id=TEXT, **_SERIES)), **_SERIES)),
        alerts=items(things(nm=TEXT, cl=WHOLE, wr=WHOLE, cr=WHOLE)),
        globals=things(sts=ref("Statistics")),
    ),
    totals=named(ref("Counts")),
    functions=items(TEXT),
    result=things(
        labels=items(TEXT),
        point=named(WHOLE),
        data=items(items({"type": ["integer", "array"], "items": _MAYBE, "minItems": 3})),
    ),
    db=things(tiers=WHOLE, update_every=WHOLE, first_entry=WHOLE, last_entry=WHOLE, per_tier=items({"type": "object"})),
    view=things(
        title=TEXT,
        update_every=WHOLE,
        after=WHOLE,
        before=WHOLE,
        units={"type": ["string", "array"], "items": TEXT},
        chart_type=TEXT,
        dimensions=things(
            grouped_by=items(TEXT),
            ids=items(TEXT),
            names=items(TEXT),
            units=items(TEXT),
            priorities=items(WHOLE),
            aggregated=items(WHOLE),
            sts=ref("Columns"),
        ),
        min=_MAYBE,
        max=_MAYBE,
    ),
    timings=things(total_ms=NUMBER),
)
_GROUP = things(name=TEXT, cr=WHOLE, wr=WHOLE, cl=WHOLE, er=WHOLE, running=WHOLE, running_silent=WHOLE, available=WHOLE)
_SHORT_ALERTS: Schema = things(
    {
        "alerts": items(
            things(
                **dict.fromkeys(("ati", "cr", "wr", "cl", "er", "in", "nd", "cfg"), WHOLE),
                **dict.fromkeys(("ctx", "cls", "cp", "ty", "to"), items(TEXT)),
                ni=items(WHOLE),
                nm=TEXT,
                sum=TEXT,
            )
        ),
        "alert_instances": items(
            things(
                {
                    **dict.fromkeys(("ati", "gi", "tr_t", "t"), WHOLE),
                    **dict.fromkeys(("ctx", "st", "fami", "info", "sum", "units", "cfg", "src"), TEXT),
                    **dict.fromkeys(("to", "tp", "cm", "cl"), TEXT),
                    "tr_i": {"type": ["string", "null"]},
                    **dict.fromkeys(("tr_v", "v"), _MAYBE),
                },
                ni=WHOLE,
                nm=TEXT,
                ch=TEXT,
                ch_n=TEXT,
            )
        ),
        **{f"alerts_by_{by}": items(_GROUP) for by in ("type", "component", "classification", "recipient", "module")},
    },
    **_EVERYWHERE,
    nodes=items(things(**_IDENTITY)),
)
_OBJECTS = items({"type": "object"})
ALERTS: Schema = {
    "anyOf": [_SHORT_ALERTS, things({"alerts": _OBJECTS, "alert_instances": _OBJECTS}, **_EVERYWHERE, nodes=_OBJECTS)]
}
"""Short keys, or with C{long-json-keys} spelled out."""
CONTEXTS_3 = things(
    **_EVERYWHERE,
    contexts=named(
        things(
            {
                "dimensions": items(things(id=TEXT, nm=TEXT)),
                "instances": items(things(id=TEXT, nm=TEXT, mg=TEXT)),
                "labels": named(items(TEXT)),
            },
            title=TEXT,
            family=TEXT,
            units=TEXT,
            chart_type=TEXT,
            priority=WHOLE,
            first_entry=WHOLE,
            last_entry=WHOLE,
            live=TRUTH,
            nodes=WHOLE,
        )
    ),
)
FOUND = things(
    **_EVERYWHERE,
    nodes=items(things(mg=TEXT, nm=TEXT)),
    contexts=named(
        things(title=TEXT, family=TEXT, units=TEXT, priority=WHOLE, live=TRUTH, nodes=WHOLE, matched=items(TEXT))
    ),
    searches=things(strings=WHOLE),
)
NODES = things(**_EVERYWHERE, nodes=items(ref("Node")))
PATHS = things(**_EVERYWHERE, nodes=items(things(**_IDENTITY, streaming_path=items(ref("PathEntry")))))
VERSIONS = things(**_EVERYWHERE)
CONTEXTS = things(hostname=TEXT, machine_guid=TEXT, node_id=TEXT, claim_id=TEXT, contexts=named(ref("Context")))
ALARMS = things(hostname=TEXT, latest_alarm_log_unique_id=WHOLE, status=TRUTH, now=WHOLE, alarms=named(ref("Alert")))
ALARM_VALUES = things(hostname=TEXT, alarms=named(things(id=WHOLE, value=_MAYBE, last_updated=WHOLE, status=TEXT)))
ALARM_COUNT: Schema = {"type": "array", "items": WHOLE, "minItems": 1, "maxItems": 1}
ALARM_LOG = items(ref("LoggedAlert"))
ALARM_VARIABLES = things(
    chart=TEXT,
    chart_name=TEXT,
    chart_context=TEXT,
    chart_variables=named(_MAYBE),
    family=TEXT,
    family_variables=named(_MAYBE),
    host_variables=named(_MAYBE),
)
EXPLAINED = things(
    hostname=TEXT, now=WHOLE, alerts=named(things(status=TEXT, since=WHOLE, value=_MAYBE, watched=TRUTH))
)
SILENCERS = things(all=TRUTH, type={"enum": ["None", "DISABLE", "SILENCE"]}, silencers=items(named(TEXT)))
TREE = named(
    things(
        name=TEXT,
        family=TEXT,
        context=TEXT,
        units=TEXT,
        last_updated=WHOLE,
        dimensions=named(things(name=TEXT, value=_MAYBE)),
    )
)
REGISTRY = things(
    {"registry": TEXT, "cloud_base_url": TEXT, "anonymous_statistics": TRUTH},
    action=TEXT,
    status={"enum": ["ok", "disabled"]},
    hostname=TEXT,
    machine_guid=TEXT,
)
FUNCTIONS = things(functions=named(ref("Function")))
STREAM_INFO = things(
    {
        "db_status": {"enum": ["initializing", "online"]},
        "db_liveness": {"enum": ["stale", "live"]},
        "ingest_type": {"enum": ["localhost", "virtual", "child", "archived"]},
        "ingest_status": {"enum": ["archived", "initializing", "replicating", "online", "offline"]},
        "first_time_s": WHOLE,
        "last_time_s": WHOLE,
    },
    version=WHOLE,
    status=WHOLE,
    host_id=TEXT,
    nodes=WHOLE,
    receivers=WHOLE,
    nonce=WHOLE,
)
_SHORT: Mapping[str, Schema] = {"guid": TEXT, "hostname": TEXT, "hops": WHOLE}
OVERVIEW = things(
    now=WHOLE,
    own=TEXT,
    keys=items(TEXT),
    nodes=items(
        things(
            **_SHORT,
            state={"enum": ["offline", "replicating", "live"]},
            newest=WHOLE,
            seen=WHOLE,
            charts=WHOLE,
            metrics=WHOLE,
            version=TEXT,
            os=TEXT,
            alarms=named(WHOLE),
            cpu=_MAYBE,
            labels=named(TEXT),
        )
    ),
)
KEYS = things(keys=items(things({"key": TEXT}, fingerprint=TEXT)))
RAISED = things(now=WHOLE, total=WHOLE, alerts=items({"allOf": [ref("Alert"), things(**_SHORT)]}))
TRANSITIONS = things(now=WHOLE, transitions=items({"allOf": [ref("LoggedAlert"), things(**_SHORT)]}))
ALERT_TRANSITIONS = things(
    api=WHOLE,
    facets=items(things(id=TEXT, name=TEXT, order=WHOLE, options=items(things(id=TEXT, name=TEXT, count=WHOLE)))),
    transitions=items(
        things(
            gi=WHOLE,
            transition_id=TEXT,
            machine_guid=TEXT,
            hostname=TEXT,
            alert=TEXT,
            instance=TEXT,
            when=WHOLE,
            new=things(status=TEXT, value=_MAYBE),
            old=things(status=TEXT, value=_MAYBE, duration=WHOLE, raised_duration=WHOLE),
        )
    ),
    items=things(evaluated=WHOLE, matched=WHOLE, returned=WHOLE, max_to_return=WHOLE),
)
