"""
The API as an OpenAPI document, for programs that read such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from netstream import __version__
from netstream.health.numbers import MOST_DECIMALS
from netstream.model.calls import MOST_TIMEOUT
from netstream.web import schemas as shape
from netstream.web.badges import CONTENT_TYPE, LONGEST_REFRESH
from netstream.web.formats import FORMATS
from netstream.web.grouped import MORE_OPTIONS, MOST_SERIES
from netstream.web.grouping import AGGREGATIONS
from netstream.web.passes import GROUP_BY
from netstream.web.query import FAR, MOST_ROWS, OPTIONS
from netstream.web.schemas import Schema
from netstream.web.standing import MOST_INSTANCES, STATUSES
from netstream.web.standing import OPTIONS as ALERT_OPTIONS
from netstream.web.svg import LARGEST_SCALE, WIDEST

_JSON = "application/json"
_PLAIN = "text/plain"
_SECOND: Schema = {"type": "integer", "minimum": -FAR, "maximum": FAR}
_INTEGER: Schema = {"type": "integer"}
_TRUTH: Schema = {"enum": ["yes", "no", "true", "false", "1", "0", "on", "off"]}


@frozen
class Parameter:
    """
    What may stand behind the path.

    @ivar words: Whether it is a list of words, divided by commas.
    """

    name: str
    description: str
    schema: Schema = shape.TEXT
    required: bool = False
    words: bool = False

    def said(self) -> dict[str, Any]:
        """
        @return: It, as the document has it.
        """
        told: dict[str, Any] = {"name": self.name, "in": "query", "description": self.description}
        if self.required:
            told["required"] = True
        if self.words:
            return told | {"schema": shape.items(self.schema), "style": "form", "explode": False}
        return told | {"schema": self.schema}


def _number(name: str, description: str, default: int, lowest: int, highest: int) -> Parameter:
    return Parameter(name, description, {"type": "integer", "minimum": lowest, "maximum": highest, "default": default})


def _content(kinds: Mapping[str, Schema | None]) -> dict[str, Any]:
    return {kind: {"schema": schema} if schema else {} for kind, schema in kinds.items()}


def _refusal(text: str, kinds: Mapping[str, Schema | None]) -> dict[str, Any]:
    return {"description": text, "content": _content(kinds)}


@frozen
class Endpoint:
    """
    One path.

    @ivar path: Behind C{/api/VERSION/} or, if it begins with a slash, as it is.
    @ivar versions: Of the API, that have it.
    @ivar answers: Schema by content type; L{None} if it is no JSON.
    @ivar refusals: Statuses besides 200, and what they say.
    @ivar hosts: Whether it can be asked of each node.
    @ivar refused: What the body of such a refusal is.
    """

    path: str
    summary: str
    answers: Mapping[str, Schema | None]
    parameters: tuple[Parameter, ...] = ()
    versions: tuple[str, ...] = ("v1",)
    refusals: Mapping[int, str] = {}
    hosts: bool = True
    tag: str = "Nodes"
    refused: Mapping[str, Schema | None] = {_PLAIN: None}

    @property
    def key(self) -> str:
        """
        What its answer is called in the document.
        """
        words = re.findall("[a-z0-9]+", f"{self.versions[0]} {self.path}")
        return "".join(word.capitalize() for word in words)

    @property
    def answer(self) -> dict[str, Any]:
        """
        Its answer, as the document has it.
        """
        return {"description": self.summary, "content": _content(self.answers)}

    def paths(self) -> Iterator[tuple[str, bool]]:
        """
        @return: Where it is found, and whether a node is named there.
        """
        where = [self.path] if self.path.startswith("/") else [f"/api/{v}/{self.path}" for v in self.versions]
        for path in where:
            yield path, False
            if self.hosts:
                yield "/host/{host}" + path, True

    def said(self, path: str, named: bool) -> dict[str, Any]:
        """
        @return: It, as the document has it.
        """
        parameters = [parameter.said() for parameter in self.parameters]
        if named:
            parameters.insert(0, {"$ref": "#/components/parameters/Host"})
        responses: dict[str, Any] = {"200": {"$ref": f"#/components/responses/{self.key}"}}
        responses |= {str(status): {"$ref": f"#/components/responses/Refused{status}"} for status in _REFUSALS}
        more = {404: "There is no such node."} if named else {}
        for status, text in sorted({**more, **self.refusals}.items()):
            responses[str(status)] = _refusal(text, self.refused)
        return {
            "operationId": path.strip("/").replace("{host}", "host").replace("/", "_").replace(".", "_") or "dashboard",
            "summary": self.summary,
            "tags": [self.tag],
            "parameters": parameters,
            "responses": responses,
        }


_REFUSALS: Mapping[int, str] = {
    400: "Something in the request means nothing; the text says what.",
    401: "Whoever asks has to sign in first; the text says how.",
    403: "Whoever asks is not let in from that address; the text says which line of the configuration would.",
    421: "The node does not know itself by that name; the text says which line of the configuration would change it.",
}

_V3 = ("v2", "v3")
_OPTION = Parameter(
    "options", "Words that change the answer; unknown ones are ignored.", {"enum": list(OPTIONS)}, words=True
)
_WINDOW = (
    Parameter("after", "First second: unix time, or relative to before.", {**_SECOND, "default": -600}),
    Parameter("before", "Last second: unix time, or relative to now; 0 is the newest.", {**_SECOND, "default": 0}),
    _number("points", "Rows wanted; 0 is one for each stored point.", 0, 0, MOST_ROWS),
)
_CHART = Parameter("chart", "Id or name of a chart.", required=True)
_ALL = Parameter("all", "Every alert, not only those that are raised.")
_NODES = (
    Parameter("scope_nodes", "Patterns of host names or machine GUIDs."),
    Parameter("nodes", "The same."),
)
_LAST = Parameter("last", "Transitions at most.", {"type": "integer", "minimum": 1})
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
    Endpoint("info", "Who the node is, and which others it has.", {_JSON: shape.INFO}),
    Endpoint("charts", "All charts that are collected.", {_JSON: shape.CHARTS}, tag="Samples"),
    Endpoint(
        "chart",
        "One chart.",
        {_JSON: shape.ref("Chart")},
        (_CHART,),
        refusals={404: "There is no such chart."},
        tag="Samples",
    ),
    Endpoint(
        "data",
        "Samples of one node, folded in time.",
        {_JSON: shape.DATA, _PLAIN: None},
        (
            Parameter("chart", "Id or name of a chart, or patterns of either; or else context."),
            Parameter("context", "Patterns of contexts; or else chart."),
            Parameter("dimensions", "Patterns of ids or names of dimensions."),
            *_WINDOW,
            Parameter(
                "group",
                "How several points become one row. Percentiles and trimmed ones may be followed by a number.",
                {"enum": _METHODS, "default": "average"},
            ),
            Parameter("group_options", "Argument of the method."),
            Parameter("format", "How the answer is written.", {"enum": list(FORMATS), "default": "json"}),
            _OPTION,
            Parameter("filename", "Lets a browser save the answer under that name."),
        ),
        refusals={404: "No metrics fit, or none of them has samples then."},
        tag="Samples",
    ),
    Endpoint(
        "contexts",
        "The contexts of a node.",
        {_JSON: shape.CONTEXTS},
        (Parameter("options", "What more is told.", {"enum": ["charts", "full", "all"]}, words=True),),
        tag="Samples",
    ),
    Endpoint(
        "context",
        "One context of a node.",
        {_JSON: shape.ref("Context")},
        (
            Parameter("context", "Its id.", required=True),
            Parameter("options", "What more is told.", {"enum": ["charts", "full", "all"]}, words=True),
        ),
        refusals={404: "There is no such context."},
        tag="Samples",
    ),
    Endpoint("alarms", "Alerts that are raised.", {_JSON: shape.ALARMS}, (_ALL,), tag="Alerts"),
    Endpoint("alarms_values", "Values of alerts that are raised.", {_JSON: shape.ALARM_VALUES}, (_ALL,), tag="Alerts"),
    Endpoint(
        "alarm_count",
        "How many alerts there are of a status.",
        {_JSON: shape.ALARM_COUNT},
        (
            Parameter("status", "RAISED, or a status.", {**shape.TEXT, "default": "RAISED"}),
            Parameter("context", "Contexts that count.", words=True),
        ),
        tag="Alerts",
    ),
    Endpoint(
        "alarm_log",
        "What happened to alerts, the newest first.",
        {_JSON: shape.ALARM_LOG},
        (
            Parameter("after", "Only what has a greater unique_id.", {"type": "integer", "minimum": 0}),
            Parameter("chart", "Id or name of the only chart."),
        ),
        tag="Alerts",
    ),
    Endpoint(
        "alarm_variables",
        "What expressions about a chart can name.",
        {_JSON: shape.ALARM_VARIABLES},
        (_CHART,),
        refusals={404: "There is no such chart."},
        tag="Alerts",
    ),
    Endpoint(
        "explain",
        "Why an alert stands as it does, and who would be told.",
        {_JSON: shape.EXPLAINED},
        (Parameter("alert", "Its name; without one all that are raised."), Parameter("chart", "The only chart.")),
        refusals={404: "There is no such alert."},
        tag="Alerts",
    ),
    Endpoint(
        "manage/health",
        "Silence alerts. Wants a token as X-Auth-Token.",
        {_PLAIN: None, _JSON: shape.SILENCERS},
        (
            Parameter(
                "cmd", "What is done.", {"enum": ["SILENCE ALL", "DISABLE ALL", "SILENCE", "DISABLE", "RESET", "LIST"]}
            ),
            *(
                Parameter(name, f"Patterns of {what}.")
                for name, what in (
                    ("alarm", "names"),
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
        {_PLAIN: None, _JSON: shape.TREE},
        (
            Parameter("format", "", {"enum": ["shell", "json", "prometheus", "prometheus_all_hosts"]}),
            Parameter("filter", "Patterns of ids or names of charts."),
            Parameter("source", "", {"enum": ["average", "sum", "volume", "as-collected", "raw"]}),
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
        tag="Samples",
    ),
    Endpoint(
        "badge.svg",
        "The value of a chart or an alert as a small picture, which also says what is wrong.",
        {CONTENT_TYPE: None},
        (
            _CHART,
            Parameter("alarm", "Name of an alert of the chart, whose value and status is shown."),
            Parameter("dimensions", "Patterns of ids or names of dimensions, of which the sum is shown."),
            *_WINDOW[:2],
            _number("points", "Rows the window is divided into; the newest is shown.", 1, 1, MOST_ROWS),
            Parameter(
                "group", "How several points become one row, as for data.", {"enum": _METHODS, "default": "average"}
            ),
            Parameter("group_options", "Argument of the method."),
            _OPTION,
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
        refused={CONTENT_TYPE: None, _PLAIN: None},
    ),
    Endpoint(
        "live",
        "New samples as they come, as Server-Sent Events.",
        {"text/event-stream": None},
        (Parameter("charts", "Ids of charts, one a line."),),
        refusals={503: "Too many listen already."},
        tag="Samples",
    ),
    Endpoint(
        "registry",
        "What the node is called, for older dashboards; it remembers nobody.",
        {_JSON: shape.REGISTRY},
        (Parameter("action", "hello; others are switched off."),),
    ),
    Endpoint(
        "functions", "What a node can be asked for.", {_JSON: shape.FUNCTIONS}, versions=("v1", *_V3), tag="Functions"
    ),
    Endpoint(
        "function",
        "Call a function of a node.",
        {_JSON: None, _PLAIN: None, "text/csv": None, "text/yaml": None, "application/octet-stream": None},
        (
            Parameter("function", "Its name, and arguments behind it.", {**shape.TEXT, "maxLength": 4096}, True),
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
        refused={_JSON: shape.ref("Error"), _PLAIN: None},
    ),
    Endpoint(
        "data",
        "Samples of many nodes, put together.",
        {_JSON: shape.DATA_3},
        (
            *_choice("scope_"),
            *_choice(),
            Parameter("alerts", "Only charts with such alerts: patterns of name or name:STATUS."),
            *_pass(),
            *_pass("[1]"),
            *_WINDOW,
            Parameter("time_group", "How several points become one row.", {"enum": _METHODS, "default": "average"}),
            Parameter("time_group_options", "Argument of the method."),
            _number("cardinality_limit", "Groups at most; the smallest are one. 0 is no limit.", 0, 0, MOST_SERIES),
            evolve(_OPTION, schema={"enum": [*OPTIONS, *MORE_OPTIONS]}),
            Parameter("format", "", {"enum": ["json2"]}),
        ),
        _V3,
        tag="Samples",
    ),
    Endpoint(
        "contexts",
        "The contexts of all nodes together.",
        {_JSON: shape.CONTEXTS_3},
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
        {_JSON: shape.FOUND},
        (Parameter("q", "Words divided by blanks.", required=True), *_choice("scope_")[:2]),
        _V3,
    ),
    Endpoint("nodes", "All nodes.", {_JSON: shape.NODES}, _NODES, _V3),
    Endpoint("node_instances", "How the samples of each node come and go.", {_JSON: shape.NODES}, _NODES, _V3),
    Endpoint("stream_path", "The agents that the samples of each node pass.", {_JSON: shape.PATHS}, _NODES, _V3),
    Endpoint("info", "This node: what it has, sends, receives and has lost.", {_JSON: shape.INFO_3}, versions=_V3),
    Endpoint("versions", "Numbers that change when what is known does.", {_JSON: shape.VERSIONS}, versions=_V3),
    Endpoint(
        "stream_info",
        "What a child reads before it chooses a parent.",
        {_JSON: shape.STREAM_INFO},
        (Parameter("machine_guid", "Of the child."),),
        _V3,
        {404: "The node does not know that child, or the node that is named."},
        refused={_JSON: shape.STREAM_INFO, _PLAIN: None},
    ),
    Endpoint(
        "alerts",
        "How the alerts of all nodes stand.",
        {_JSON: shape.ALERTS},
        (
            *(each for before in ("scope_", "") for each in _choice(before)[:3]),
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
        {_JSON: shape.ALERT_TRANSITIONS},
        (
            _LAST,
            Parameter("after", "From that second on.", {"type": "integer"}),
            Parameter("before", "Up to that second.", {"type": "integer"}),
            Parameter("anchor_gi", "Only older ones than that.", {"type": "integer", "minimum": 0}),
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
    Endpoint("overview", "Every node in a line.", {_JSON: shape.OVERVIEW}, versions=("v3",)),
    Endpoint(
        "keys",
        "The API keys of the node by fingerprint; whole for whoever presents the token of the node as X-Auth-Token.",
        {_JSON: shape.KEYS},
        versions=("v3",),
    ),
    Endpoint("raised", "The raised alerts of all nodes.", {_JSON: shape.RAISED}, (_ALL,), ("v3",), tag="Alerts"),
    Endpoint(
        "transitions",
        "What happened to the alerts of all nodes, briefly.",
        {_JSON: shape.TRANSITIONS},
        (_LAST, Parameter("after", "Only what has a greater unique_id.", {"type": "integer", "minimum": 0})),
        ("v3",),
        tag="Alerts",
    ),
    Endpoint(
        "/metrics",
        "The program in numbers, for Prometheus.",
        {_PLAIN: None},
        (Parameter("nodes", "Whether each node is told of.", _TRUTH),),
        hosts=False,
    ),
    Endpoint(
        "/netdata.conf",
        "What the node goes by, in the form of its file, without secrets.",
        {_PLAIN: None},
        refusals={404: "Another node, whose configuration only it knows."},
    ),
    Endpoint("/api/openapi.json", "This document.", {_JSON: {"type": "object"}}, hosts=False),
    Endpoint("/", "The dashboard.", {"text/html": None}),
)
"""All paths of the API."""


def document() -> dict[str, Any]:
    """
    @return: The OpenAPI document.
    """
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        for path, named in endpoint.paths():
            paths[path] = {"get": endpoint.said(path, named)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "netstream",
            "version": __version__,
            "description": "Metrics streamed between nodes: what a node answers over HTTP. Nothing changes anything "
            "but manage/health and what a function does.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "..", "description": "The node that this document comes from."}],
        "tags": [{"name": name} for name in ("Nodes", "Samples", "Alerts", "Functions")],
        "paths": paths,
        "components": {
            "parameters": {
                "Host": {
                    "name": "host",
                    "in": "path",
                    "required": True,
                    "description": "Host name or machine GUID of a node, in any case.",
                    "schema": {"type": "string", "minLength": 1},
                }
            },
            "responses": {
                **{endpoint.key: endpoint.answer for endpoint in ENDPOINTS},
                **{f"Refused{status}": _refusal(text, {_PLAIN: None}) for status, text in _REFUSALS.items()},
            },
            "schemas": shape.NAMED,
        },
    }
