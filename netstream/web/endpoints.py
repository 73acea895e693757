"""
What there is to ask, with all that may stand behind each path.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from netstream.db.windows import RELATIVE
from netstream.health.numbers import MOST_DECIMALS
from netstream.model.calls import MOST_TIMEOUT
from netstream.web import fleet_schemas as fleet
from netstream.web import schemas as one
from netstream.web.badges import CONTENT_TYPE, LONGEST_REFRESH, UNSIGNED
from netstream.web.contexts import OPTIONS as CONTEXT_OPTIONS
from netstream.web.formats import FORMATS
from netstream.web.grouped import JSON2, MORE_OPTIONS, MOST_SERIES
from netstream.web.grouping import AGGREGATIONS
from netstream.web.openapi import HTML, JSON, PLAIN, Endpoint, Parameter
from netstream.web.passes import GROUP_BY
from netstream.web.questions import AFTER, FAR, MOST_ROWS, MOST_TIERS, OPTIONS
from netstream.web.registry import ACTIONS
from netstream.web.shapes import TEXT, Schema, ref
from netstream.web.standing import MOST_INSTANCES, STATUSES
from netstream.web.standing import OPTIONS as ALERT_OPTIONS
from netstream.web.svg import LARGEST_SCALE, WIDEST
from netstream.web.weights import LONGEST, METHODS, MOST_POINTS, RAW
from netstream.web.writing import LARGEST

_SECOND: Schema = {"type": "integer", "minimum": -FAR, "maximum": FAR}
_INTEGER: Schema = {"type": "integer"}
_TRUTH: Schema = {"enum": ["yes", "no", "true", "false", "1", "0", "on", "off"]}


def _number(name: str, description: str, default: int, lowest: int, highest: int) -> Parameter:
    return Parameter(name, description, {"type": "integer", "minimum": lowest, "maximum": highest, "default": default})


_V3 = ("v2", "v3")
_OPTION = Parameter(
    "options", "Words that change the answer; unknown ones are ignored.", {"enum": list(OPTIONS)}, words=True
)
_LABELS = (
    Parameter("chart_label_key", "Patterns of names of labels: only charts with one."),
    Parameter("chart_labels_filter", "Patterns of labels as name:value, or their names: only charts with one."),
)
_WINDOW = (
    Parameter("after", "First second: unix time, or relative to before.", {**_SECOND, "default": AFTER}),
    Parameter("before", "Last second: unix time, or relative to now; 0 is the newest.", {**_SECOND, "default": 0}),
    _number("points", "Rows wanted; 0 is one for each stored point.", 0, 0, MOST_ROWS),
)
_DIMENSIONS = Parameter(
    "dimensions",
    "Patterns of ids or names of dimensions, of which the sum is shown.",
    others=("dimension", "dims", "dim"),
)
_TIER = _number("tier", "Without points, the tier of which each row is told; -1 for any.", -1, -1, MOST_TIERS)
_FILENAME = Parameter("filename", "Lets a browser save the answer under that name.")
_CONTEXTS = (
    Parameter("options", "What more is told.", {"enum": list(CONTEXT_OPTIONS)}, words=True),
    *_LABELS,
    Parameter("dimensions", "Patterns of ids or names: only charts with such a dimension, and of them those."),
    Parameter("after", "Only what has samples since that second: unix time, or relative to before.", _SECOND),
    Parameter("before", "Only what has samples up to that second: unix time, or relative to now.", _SECOND),
)
_CHART = Parameter("chart", "Id or name of a chart.", required=True)
_ALL = Parameter("all", "Every alert, not only those that are raised.")
_NODES = (
    Parameter("scope_nodes", "Patterns of host names or machine GUIDs."),
    Parameter("nodes", "The same."),
)
_LAST = Parameter("last", "Transitions at most.", {"type": "integer", "minimum": 1})
_UNIQUE_ID: Schema = {"type": "integer", "minimum": 0}
_LOGGED = (
    _LAST,
    Parameter("after", "Only what has a greater unique_id.", _UNIQUE_ID),
    Parameter("anchor_gi", "Only what has a smaller unique_id.", _UNIQUE_ID),
    Parameter("chart", "Id or name of the only chart."),
)
_METHODS = (
    "average",
    "min",
    "max",
    "sum",
    "median",
    "stddev",
    "cv",
    "incremental-sum",
    "ses",
    "des",
    "countif",
    "percentile",
    "trimmed-mean",
    "trimmed-median",
    "extremes",
    "latest",
)
_GROUPING = (
    Parameter(
        "group",
        "How several points become one row. Percentiles and trimmed ones may be followed by a number.",
        {"enum": _METHODS, "default": "average"},
        others=("time_group",),
    ),
    Parameter("group_options", "Argument of the method."),
)


_ALERTED = Parameter("alerts", "Only charts with such alerts: patterns of name or name:STATUS.")
_WEIGHING = (
    Parameter("method", "How series are weighed.", {"enum": list(METHODS)}),
    *_WINDOW[:2],
    Parameter("baseline_after", "First second of what the window is compared with, at the earliest.", _SECOND),
    Parameter("baseline_before", "Last second of it: unix time, or relative to the window.", _SECOND),
    _number("points", "Rows of the window that are compared; 0 is as many as there should be.", 0, 0, MOST_POINTS),
    _GROUPING[0],
    evolve(_GROUPING[1], others=("time_group_options",)),
    Parameter(
        "options", "Words that change the answer.", {"enum": ["nonzero", "abs", RAW, "all-dimensions"]}, words=True
    ),
    _number("cardinality_limit", "Series that are told of at most, those of most weight.", 0, 0, MOST_SERIES),
    _number("timeout", "Milliseconds that it may take; 0 is no limit.", 0, 0, LONGEST),
)
_NOT_WEIGHED = {
    400: "There is no such window, or something in the request means nothing.",
    404: "No series has a weight.",
    504: "It took too long.",
}


def _choice(before: str = "") -> tuple[Parameter, ...]:
    what = "What of it is told of at all: " if before else ""
    return (
        Parameter(before + "nodes", what + "patterns of host names or machine GUIDs."),
        Parameter(before + "contexts", what + "patterns of contexts."),
        Parameter(before + "instances", what + "patterns of ids or names of charts, or ID@GUID."),
        Parameter(before + "dimensions", what + "patterns of ids or names of dimensions."),
        Parameter(before + "labels", what + "name:value or name, patterns of either; ! refuses."),
    )


def _pass(behind: str = "") -> tuple[Parameter, ...]:
    return (
        Parameter("group_by" + behind, "What series are grouped by.", {"enum": list(GROUP_BY)}, words=True),
        Parameter("group_by_label" + behind, "Names of the labels that 'label' means.", words=True),
        Parameter("aggregation" + behind, "How the values of a group become one.", {"enum": list(AGGREGATIONS)}),
    )


ENDPOINTS: Sequence[Endpoint] = (
    Endpoint("info", "Who the node is, and which others it has.", {JSON: one.INFO}),
    Endpoint("charts", "All charts that are collected.", {JSON: one.CHARTS}, tag="Samples"),
    Endpoint(
        "chart",
        "One chart.",
        {JSON: ref("Chart")},
        (_CHART,),
        refusals={404: "There is no such chart."},
        tag="Samples",
    ),
    Endpoint(
        "data",
        "Samples of one node, folded in time.",
        {JSON: one.DATA, PLAIN: None, HTML: None},
        (
            Parameter("chart", "Id or name of a chart, or patterns of either; or else context."),
            Parameter("context", "Patterns of contexts; or else chart."),
            *_LABELS,
            evolve(_DIMENSIONS, description="Patterns of ids or names of dimensions."),
            *_WINDOW,
            _TIER,
            _number("gtime", "Seconds that averages are told for.", 0, 0, RELATIVE),
            *_GROUPING,
            Parameter("format", "How the answer is written.", {"enum": list(FORMATS), "default": "json"}),
            _OPTION,
            _FILENAME,
        ),
        refusals={404: "No metrics fit, or none of them has samples then."},
        tag="Samples",
    ),
    Endpoint(
        "contexts",
        "The contexts of a node.",
        {JSON: one.CONTEXTS},
        _CONTEXTS,
        tag="Samples",
    ),
    Endpoint(
        "context",
        "One context of a node.",
        {JSON: ref("Context")},
        (
            Parameter("context", "Its id.", required=True),
            *_CONTEXTS,
        ),
        ("v1", *_V3),
        refusals={404: "There is no such context."},
        tag="Samples",
    ),
    *(
        Endpoint(
            name,
            about,
            {JSON: schema},
            (Parameter("context", "Patterns of contexts.", others=("contexts",)), *_WEIGHING),
            refusals=_NOT_WEIGHED,
            tag="Samples",
            refused={JSON: one.NO_WEIGHTS, PLAIN: None},
        )
        for name, about, schema in (
            ("weights", "Which series of one node are worth a look, by context.", one.WEIGHTS),
            ("metric_correlations", "Which series of one node changed most, by chart.", one.CORRELATIONS),
        )
    ),
    Endpoint("alarms", "Alerts that are raised.", {JSON: one.ALARMS}, (_ALL,), tag="Alerts"),
    Endpoint("alarms_values", "Values of alerts that are raised.", {JSON: one.ALARM_VALUES}, (_ALL,), tag="Alerts"),
    Endpoint(
        "alarm_count",
        "How many alerts there are of a status.",
        {JSON: one.ALARM_COUNT},
        (
            Parameter("status", "RAISED, or a status.", {**TEXT, "default": "RAISED"}),
            Parameter("context", "Contexts that count.", words=True, others=("ctx",)),
        ),
        tag="Alerts",
    ),
    Endpoint(
        "alarm_log",
        "What happened to alerts, the newest first.",
        {JSON: one.ALARM_LOG},
        (*_LOGGED,),
        tag="Alerts",
    ),
    Endpoint(
        "alarm_variables",
        "What expressions about a chart can name.",
        {JSON: one.ALARM_VARIABLES},
        (_CHART,),
        refusals={404: "There is no such chart."},
        tag="Alerts",
    ),
    Endpoint(
        "explain",
        "Why an alert stands as it does, and who would be told.",
        {JSON: one.EXPLAINED},
        (
            Parameter("alert", "Its name; without one all that are raised.", others=("alarm",)),
            Parameter("chart", "The only chart."),
        ),
        refusals={404: "There is no such alert."},
        tag="Alerts",
    ),
    Endpoint(
        "manage/health",
        "Silence alerts. Wants a token as X-Auth-Token.",
        {PLAIN: None, JSON: one.SILENCERS},
        (
            Parameter(
                "cmd", "What is done.", {"enum": ["SILENCE ALL", "DISABLE ALL", "SILENCE", "DISABLE", "RESET", "LIST"]}
            ),
            Parameter("alarm", "Patterns of names.", others=("template",)),
            *(
                Parameter(name, f"Patterns of {what}.")
                for name, what in (
                    ("chart", "charts"),
                    ("context", "contexts"),
                    ("hosts", "host names"),
                )
            ),
        ),
        tag="Alerts",
    ),
    Endpoint(
        "allmetrics",
        "The newest of everything, for other systems.",
        {PLAIN: None, JSON: one.TREE},
        (
            Parameter("format", "", {"enum": ["shell", "json", "prometheus", "prometheus_all_hosts"]}),
            Parameter("filter", "Patterns of ids or names of charts."),
            Parameter(
                "source",
                "",
                {"enum": ["average", "sum", "volume", "as-collected", "as_collected", "raw"]},
                others=("data",),
            ),
            Parameter("server", "The name under which a scraper is remembered."),
            Parameter("prefix", "First part of the names of metrics."),
            *(
                Parameter(name, "A switch.", _TRUTH)
                for name in (
                    "names",
                    "timestamps",
                    "help",
                    "types",
                    "variables",
                    "hideunits",
                    "oldunits",
                )
            ),
        ),
        ("v1", *_V3),
        tag="Samples",
    ),
    Endpoint(
        "badge.svg",
        "The value of a chart or an alert as a small picture, which also says what is wrong.",
        {CONTENT_TYPE: None},
        (
            _CHART,
            Parameter("alarm", "Name of an alert of the chart, whose value and status is shown."),
            _DIMENSIONS,
            *_WINDOW[:2],
            _number("points", "Rows the window is divided into; the newest is shown.", 1, 1, MOST_ROWS),
            evolve(_GROUPING[0], description="How several points become one row, as for data."),
            _GROUPING[1],
            evolve(_OPTION, schema={"enum": [*OPTIONS, *sorted(UNSIGNED)]}),
            Parameter("label", "What stands left; else the alert, the dimensions or the chart."),
            Parameter("units", "What stands behind the value; else those of the alert or chart."),
            Parameter("multiply", "The value is multiplied by it.", _INTEGER),
            Parameter("divide", "The value is divided by it.", _INTEGER),
            _number("precision", "Decimals; -1 is as many as the value deserves.", -1, -1, MOST_DECIMALS),
            Parameter("value_color", "Colours with conditions, as red>90|yellow>=70|grey:null|green."),
            *(
                Parameter(name, "A name of a colour, or 3 or 6 hexadecimal digits.")
                for name in ("label_color", "text_color_lbl", "text_color_val")
            ),
            _number("scale", "Size in percent.", 100, 100, LARGEST_SCALE),
            _number("fixed_width_lbl", "Pixels of the left side; needs fixed_width_val.", -1, -1, WIDEST),
            _number("fixed_width_val", "Pixels of the right side; needs fixed_width_lbl.", -1, -1, WIDEST),
            Parameter(
                "refresh",
                "Seconds after which a browser looks again.",
                {"anyOf": [{"const": "auto"}, {**_INTEGER, "minimum": 0, "maximum": LONGEST_REFRESH}]},
            ),
        ),
        ("v1", *_V3),
        {
            400: "Something in the request means nothing; the picture says what.",
            503: "The database does not answer for the moment.",
        },
        tag="Samples",
        refused={CONTENT_TYPE: None, PLAIN: None},
    ),
    Endpoint(
        "live",
        "New samples as they come, as Server-Sent Events.",
        {"text/event-stream": None},
        (Parameter("charts", "Ids of charts, one a line."),),
        refusals={503: "Too many listen already."},
        tag="Samples",
    ),
    Endpoint("aclk", "Whether the node is connected to a cloud, which it is not.", {JSON: one.ACLK}),
    Endpoint(
        "registry",
        "What the node is called, for older dashboards; it remembers nobody.",
        {JSON: one.REGISTRY},
        (Parameter("action", "hello; others are switched off.", {"enum": list(ACTIONS)}, True),),
    ),
    Endpoint(
        "functions", "What a node can be asked for.", {JSON: one.FUNCTIONS}, versions=("v1", *_V3), tag="Functions"
    ),
    Endpoint(
        "function",
        "Call a function of a node.",
        {JSON: None, PLAIN: None, "text/csv": None, "text/yaml": None, "application/octet-stream": None},
        (
            Parameter("function", "Its name, and arguments behind it.", {**TEXT, "maxLength": 4096}, True),
            _number("timeout", "Seconds to wait; 0 is what the function says.", 0, 0, MOST_TIMEOUT),
        ),
        ("v1", *_V3),
        {
            404: "There is no such function.",
            502: "The answer is too large.",
            503: "The node is not connected.",
            504: "There was no answer in time.",
        },
        tag="Functions",
        refused={JSON: ref("Error"), PLAIN: None},
    ),
    Endpoint(
        "data",
        "Samples of many nodes, put together.",
        {JSON: fleet.DATA_3, PLAIN: None, HTML: None},
        (
            *_choice("scope_"),
            *_choice(),
            _ALERTED,
            *(evolve(each, others=(each.name + "[0]",)) for each in _pass()),
            *_pass("[1]"),
            *_WINDOW,
            _TIER,
            Parameter(
                "time_group",
                "How several points become one row.",
                {"enum": _METHODS, "default": "average"},
                others=("group",),
            ),
            Parameter("time_group_options", "Argument of the method.", others=("group_options",)),
            evolve(
                _number("time_resampling", "Seconds that averages are told for.", 0, 0, RELATIVE), others=("gtime",)
            ),
            _number("cardinality_limit", "Groups at most; the smallest are one. 0 is no limit.", 0, 0, MOST_SERIES),
            evolve(_OPTION, schema={"enum": [*OPTIONS, *MORE_OPTIONS]}),
            Parameter("format", "How the answer is written.", {"enum": [JSON2, *FORMATS], "default": JSON2}),
            _FILENAME,
        ),
        _V3,
        {404: "No metrics fit, which only json2 can tell."},
        tag="Samples",
    ),
    Endpoint(
        "weights",
        "Which series of many nodes are worth a look.",
        {JSON: one.WEIGHTS_OF_NODES},
        (*_choice("scope_"), *_choice(), _ALERTED, *_WEIGHING),
        _V3,
        _NOT_WEIGHED,
        tag="Samples",
        refused={JSON: one.NO_WEIGHTS, PLAIN: None},
    ),
    Endpoint(
        "contexts",
        "The contexts of all nodes together.",
        {JSON: fleet.CONTEXTS_3},
        (
            *_choice("scope_"),
            *_choice(),
            Parameter("options", "What more is told.", {"enum": ["dimensions", "instances", "labels"]}, words=True),
        ),
        _V3,
        tag="Samples",
    ),
    Endpoint(
        "q",
        "Where words are found.",
        {JSON: fleet.FOUND},
        (Parameter("q", "Words divided by blanks.", required=True), *_choice("scope_")),
        _V3,
    ),
    Endpoint("nodes", "All nodes.", {JSON: fleet.NODES}, _NODES, _V3),
    Endpoint("node_instances", "How the samples of each node come and go.", {JSON: fleet.NODES}, _NODES, _V3),
    Endpoint("stream_path", "The agents that the samples of each node pass.", {JSON: fleet.PATHS}, _NODES, _V3),
    Endpoint("info", "This node: what it has, sends, receives and has lost.", {JSON: fleet.INFO_3}, versions=_V3),
    Endpoint("versions", "Numbers that change when what is known does.", {JSON: fleet.VERSIONS}, versions=_V3),
    Endpoint(
        "stream_info",
        "What a child reads before it chooses a parent.",
        {JSON: fleet.STREAM_INFO},
        (Parameter("machine_guid", "Of the child."),),
        _V3,
        {404: "The node does not know that child, or the node that is named."},
        refused={JSON: fleet.STREAM_INFO, PLAIN: None},
    ),
    Endpoint(
        "alerts",
        "How the alerts of all nodes stand.",
        {JSON: fleet.ALERTS},
        (
            *_choice("scope_"),
            *_choice(),
            Parameter("alert", "Patterns of names of alerts."),
            Parameter("status", "Only alerts that stand so.", {"enum": list(STATUSES)}, words=True),
            Parameter("transition", "Only the alert of which that is the last transition."),
            Parameter("options", "What is told; summary if nothing is.", {"enum": list(ALERT_OPTIONS)}, words=True),
            _number("cardinality_limit", "Alerts of charts that are listed.", MOST_INSTANCES, 1, MOST_INSTANCES),
        ),
        _V3,
        tag="Alerts",
    ),
    Endpoint(
        "alert_transitions",
        "What happened to the alerts of all nodes.",
        {JSON: fleet.ALERT_TRANSITIONS},
        (
            _LAST,
            Parameter("after", "From that second on.", {"type": "integer"}),
            Parameter("before", "Up to that second.", {"type": "integer"}),
            Parameter("anchor_gi", "Only older ones than that.", _UNIQUE_ID),
            Parameter("transition", "Only that one."),
            *_NODES,
            *(
                Parameter(f"f_{name}", f"Only of these: {name}.", words=True)
                for name in ["status", "type", "role", "class", "component", "node", "alert", "chart", "context"]
            ),
        ),
        _V3,
        tag="Alerts",
    ),
    Endpoint("overview", "Every node in a line.", {JSON: fleet.OVERVIEW}, versions=("v3",)),
    Endpoint(
        "keys",
        "The API keys of the node by fingerprint; whole for whoever presents the token of the node as X-Auth-Token.",
        {JSON: fleet.KEYS},
        versions=("v3",),
    ),
    Endpoint("raised", "The raised alerts of all nodes.", {JSON: fleet.RAISED}, (_ALL,), ("v3",), tag="Alerts"),
    Endpoint(
        "transitions",
        "What happened to the alerts of all nodes, briefly.",
        {JSON: fleet.TRANSITIONS},
        _LOGGED,
        ("v3",),
        tag="Alerts",
    ),
    Endpoint(
        "write",
        "Takes what Prometheus writes (remote write 1.0, compressed with snappy) into charts of this node.",
        {},
        refusals={
            401: "The request has no API key.",
            403: "The API key is none, or may not be used from that address.",
            405: "The node is not told to take anything, or it is asked otherwise than with POST.",
            413: f"The body has more than {LARGEST >> 20} MiB.",
            415: "The body is not compressed with snappy, or is of another version of remote write.",
        },
        hosts=False,
        tag="Samples",
        takes={"application/x-protobuf": {"type": "string", "format": "binary"}},
    ),
    Endpoint(
        "/metrics",
        "The program in numbers, for Prometheus.",
        {PLAIN: None},
        (Parameter("nodes", "Whether each node is told of.", _TRUTH),),
        hosts=False,
    ),
    Endpoint(
        "/netdata.conf",
        "What the node goes by, in the form of its file, without secrets.",
        {PLAIN: None},
        refusals={404: "Another node, whose configuration only it knows."},
    ),
    Endpoint("/api/openapi.json", "This document.", {JSON: {"type": "object"}}, hosts=False),
    Endpoint("/", "The dashboard.", {HTML: None}),
)
"""All paths of the API."""
