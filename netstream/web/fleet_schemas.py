"""
The shapes of answers about many nodes.
"""

from __future__ import annotations

from collections.abc import Mapping

from netstream.web.shapes import (
    EVERYWHERE,
    IDENTITY,
    MAYBE,
    NUMBER,
    ROWS,
    SERIES,
    TEXT,
    TRUTH,
    WHOLE,
    Schema,
    items,
    named,
    ref,
    things,
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
_GROUPED = things(
    **EVERYWHERE,
    summary=things(
        nodes=items(
            things(
                **IDENTITY,
                st=things(ai=WHOLE, code=WHOLE, msg=TEXT),
                **SERIES,
                al=ref("AlertCounts"),
                **{"is": ref("Counts")},
            )
        ),
        contexts=items(things(id=TEXT, al=ref("AlertCounts"), **SERIES, **{"is": ref("Counts")})),
        instances=items(things(id=TEXT, nm=TEXT, ni=WHOLE, al=ref("AlertCounts"), **SERIES)),
        dimensions=items(things(id=TEXT, nm=TEXT, pri=WHOLE, **SERIES)),
        labels=items(things(id=TEXT, vl=items(things(id=TEXT, **SERIES)), **SERIES)),
        alerts=items(things(nm=TEXT, cl=WHOLE, wr=WHOLE, cr=WHOLE)),
        globals=things(sts=ref("Statistics")),
    ),
    totals=named(ref("Counts")),
    functions=items(TEXT),
    result={
        "anyOf": [
            things(
                labels=items(TEXT),
                point=named(WHOLE),
                data=items(items({"type": ["integer", "array"], "items": MAYBE, "minItems": 3})),
            ),
            *ROWS,
            TEXT,
        ]
    },
    db=things(
        tiers=WHOLE,
        update_every=WHOLE,
        first_entry=WHOLE,
        last_entry=WHOLE,
        dimensions=things(ids=items(TEXT), units=items(TEXT), sts=ref("Columns")),
        per_tier=items({"type": "object"}),
    ),
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
        min=MAYBE,
        max=MAYBE,
    ),
    timings=things(total_ms=NUMBER),
)
DATA_3: Schema = {"anyOf": [_GROUPED, *ROWS]}
"""As C{format} says; what is wrapped is an object in any case."""
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
                    **dict.fromkeys(("tr_v", "v"), MAYBE),
                },
                ni=WHOLE,
                nm=TEXT,
                ch=TEXT,
                ch_n=TEXT,
            )
        ),
        **{f"alerts_by_{by}": items(_GROUP) for by in ("type", "component", "classification", "recipient", "module")},
    },
    **EVERYWHERE,
    nodes=items(things(**IDENTITY)),
)
_OBJECTS = items({"type": "object"})
ALERTS: Schema = {
    "anyOf": [_SHORT_ALERTS, things({"alerts": _OBJECTS, "alert_instances": _OBJECTS}, **EVERYWHERE, nodes=_OBJECTS)]
}
"""Short keys, or with C{long-json-keys} spelled out."""
CONTEXTS_3 = things(
    **EVERYWHERE,
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
    **EVERYWHERE,
    nodes=items(things(mg=TEXT, nm=TEXT)),
    contexts=named(
        things(title=TEXT, family=TEXT, units=TEXT, priority=WHOLE, live=TRUTH, nodes=WHOLE, matched=items(TEXT))
    ),
    searches=things(strings=WHOLE),
)
NODES = things(**EVERYWHERE, nodes=items(ref("Node")))
PATHS = things(**EVERYWHERE, nodes=items(things(**IDENTITY, streaming_path=items(ref("PathEntry")))))
VERSIONS = things(**EVERYWHERE)
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
            cpu=MAYBE,
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
            new=things(status=TEXT, value=MAYBE),
            old=things(status=TEXT, value=MAYBE, duration=WHOLE, raised_duration=WHOLE),
        )
    ),
    items=things(evaluated=WHOLE, matched=WHOLE, returned=WHOLE, max_to_return=WHOLE),
)
