"""
The document about the API, and whether the API is as it says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    not_a_server_error,
)
from schemathesis.core.transport import Response as Answered
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from twisted.trial.unittest import SynchronousTestCase

from netstream.config import load
from netstream.health.silencers import SELECTORS
from netstream.model.host import Function
from netstream.model.updates import FunctionOffered
from netstream.web import questions, site, version1, version3
from netstream.web.api import API
from netstream.web.endpoints import ENDPOINTS
from netstream.web.openapi import document
from netstream.web.target import Parameters
from netstream.web.writing import LARGEST, WRITE
from tests.health.stage import CHILD
from tests.health.stage import Stage as Watching
from tests.web.stage import CPU, DISK, settings
from tests.web.stage import Stage as Serving
from tests.web.test_alerts import TEXT
from tests.web.test_writing import Kept

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
SHOWN = ("/", "/<path:name>", "/host/<hostname>", "/host/<hostname>/", "/host/<hostname>/<path:name>")
"""Paths of the dashboard."""
ERRORS = tuple(
    before + path
    for before in ("", "/host/<hostname>")
    for path in ("/api", "/api/", "/api/<version>", "/api/<version>/")
)
"""Paths where nothing is but a refusal."""
EXAMPLES = 5
"""Requests of each kind to each path."""
LONGEST = 16_000
"""Characters of a request line; longer ones end the connection."""
KNOWN = {
    **dict.fromkeys(("chart", "context"), "system.load"),
    **dict.fromkeys(("dimensions", "nodes", "contexts", "instances"), "*"),
    **{"scope_" + name: "*" for name in ("dimensions", "nodes", "contexts", "instances", "labels")},
    "alert": "load_high",
    "alerts": "*",
    "labels": "*",
    "machine_guid": CHILD,
    "q": "load",
}
"""Parameters for which there is something."""
ALARM = {"chart": "system.load", "alarm": "load_high"}
QUERIES: Mapping[str, Sequence[Mapping[str, str]]] = {
    "data": ({"chart": "system.load"},),
    "context": ({"context": "system.load"},),
    "allmetrics": ({"format": "prometheus"},),
    "badge.svg": ({"chart": "system.load"}, ALARM),
    "q": ({"q": "load"},),
}
"""What makes a node look at all parameters of a path."""
CHECKS: list[Any] = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class DocumentTests(SynchronousTestCase):
    """
    Tests for L{netstream.web.openapi}.
    """

    def test_complete(self) -> None:
        """
        Each path that is served is in the document, and each in the document
        is in the page for people.
        """
        paths = set(document(ENDPOINTS)["paths"])
        served = {f"/api/v1/{name}" for name in (*version1.COMMANDS, "live")}
        served |= {f"/api/{v}/{name}" for v in ("v2", "v3") for name in (*version3.COMMANDS, *version1.IN_ALL_VERSIONS)}
        served |= {f"/api/v3/{name}" for name in version3.OF_ALL}
        written = WRITE.decode()
        rules = {rule.rule for rule in API.app.url_map.iter_rules()} - {*SHOWN, *ERRORS}
        generic = {rule for rule in rules if "<version>" in rule}
        served |= {rule.replace("<hostname>", "{host}") for rule in rules - generic}
        self.assertEqual(generic, {"/api/<version>/<path:name>", "/host/<hostname>/api/<version>/<path:name>"})
        served |= {"/host/{host}" + path for path in served if re.match("/api/v", path)} | {"/", "/host/{host}/"}
        self.assertEqual(paths, served | {written})
        self.assertEqual([*document(ENDPOINTS)["paths"][written]], ["post"])
        text = PAGE.read_text("utf-8")
        for endpoint in ENDPOINTS:
            name = endpoint.path if endpoint.path.startswith("/") else f"/api/{endpoint.versions[-1]}/{endpoint.path}"
            self.assertTrue(f"`{name}" in text or f"`/api/v1/{endpoint.path}" in text, name)

    def test_served(self) -> None:
        """
        A program finds the document where it is told to look, and gets it
        again only if it has changed.
        """
        stage = Serving()
        answer = stage.get("/api/openapi.json")
        self.assertEqual(answer.json(), json.loads(json.dumps(document(ENDPOINTS))))
        self.assertEqual(stage.get("/api/openapi.json", If_None_Match=answer.headers["ETag"]).status, 304)


class Node(Serving):
    """
    A node with everything: charts, alerts, a child with functions.
    """

    def __init__(self, watching: Watching) -> None:
        self.clock = watching.clock
        self.hub = watching.hub
        self.local = watching.hub.local
        self.db = watching.hub.local.db
        self.site = site(watching.hub, settings(), watching.clock, watching.service)
        child = watching.child()
        now = int(self.clock.seconds())
        for host in (self.local, child):
            self.fill(CPU, {second: [25.0, 75.0] for second in range(now - 60, now)}, host)
            self.fill(DISK, {second: [1.0, -2.0] for second in range(now - 60, now)}, host)
        child.apply(FunctionOffered(Function("top")))


class ConformanceTests(SynchronousTestCase):
    """
    What is asked as the document says, and what is asked otherwise, is answered
    as the document says.
    """

    def setUp(self) -> None:
        watching = Watching(Path(self.mktemp()), TEXT)
        self.addCleanup(watching.start().stopService)
        watching.values = [4.0, 2.0]
        watching.advance(30)
        self.node = Node(watching)
        self.seen: set[tuple[str, int]] = set()
        self.schema = schemathesis.openapi.from_dict(document(ENDPOINTS))

    def answered(self, case: Case) -> Answered:
        """
        @return: What the node answers to a request.
        """
        asked = requests.Request(**case.as_transport_kwargs("http://localhost")).prepare()
        assume(len(asked.path_url) < LONGEST)
        got = self.node.get(asked.path_url)
        self.seen.add((asked.path_url.partition("?")[0], got.status))
        headers = {name.lower(): [value] for name, value in got.headers.items()}
        return Answered(got.status, headers, got.body, asked, 0.0, False, encoding="utf-8")

    def _asking(self, checks: list[Any]) -> Callable[[Case], None]:
        def ask(case: Case) -> None:
            case.validate_response(self.answered(case), checks=checks)

        return ask

    def _check(self, mode: GenerationMode, known: Mapping[str, str] | None = None) -> None:
        """
        Ask each path some questions.

        @param known: What parameters are to be.
        """
        known = known or {}
        for found in self.schema.get_all_operations():
            operation = found.ok()
            if operation.path.endswith("/live"):
                continue  # it never ends
            if operation.method == "post":
                continue  # test_written asks it
            if mode is GenerationMode.NEGATIVE and not operation.query:
                continue  # there is nothing to get wrong
            path_parameters = {"host": "child1"} if "{host}" in operation.path else None
            query = {one.name: known[one.name] for one in operation.query if one.name in known}
            strategy = operation.as_strategy(mode, path_parameters=path_parameters, query=query or None)
            checks = [*CHECKS, *([] if operation.path.endswith("/function") else [not_a_server_error])]

            ask = self._asking(checks)
            quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
            hypothesis.settings(
                max_examples=EXAMPLES,
                derandomize=True,
                database=None,
                deadline=timedelta(seconds=5),
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=quiet,
            )(given(strategy)(ask))()

    def test_as_it_says(self) -> None:
        """
        Whoever asks as the document says gets what it promises.
        """
        self._check(GenerationMode.POSITIVE)

    def test_what_is_there(self) -> None:
        """
        The same for those who ask about what there is.
        """
        self._check(GenerationMode.POSITIVE, KNOWN)
        for kind in ("/api/v1/data", "/api/v1/chart", "/api/v3/data", "/api/v3/stream_info", "/api/v1/explain"):
            self.assertIn((kind, 200), self.seen)

    def test_parameters(self) -> None:
        """
        A node looks at the parameters that the document has, and at no others.
        """
        read: set[str] = set()
        text, contains = Parameters.text, Parameters.__contains__

        def reading(parameters: Parameters, *names: str, default: str = "") -> str:
            read.update(names)
            return text(parameters, *names, default=default)

        def looking(parameters: Parameters, name: str) -> bool:
            read.add(name)
            return contains(parameters, name)

        self.patch(Parameters, "text", reading)
        self.patch(Parameters, "__contains__", looking)
        self.patch(questions, "_terms", questions._terms.__wrapped__)  # as if each were asked for the first time
        for endpoint in ENDPOINTS:
            if endpoint.path in ("live", "write"):
                continue
            (path, _), *_ = endpoint.paths()
            read.clear()
            for query in ({}, *QUERIES.get(endpoint.path, ())):
                self.node.get(path + "?" + urlencode(query))
            said = {each["name"] for parameter in endpoint.parameters for each in parameter.spellings()}
            if endpoint.path == "manage/health":
                self.assertEqual(said, {"cmd", *SELECTORS})
            else:
                self.assertEqual(read, said, path)

    def test_written(self) -> None:
        """
        Who writes is answered as the document says, whatever is wrong.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / "stream.conf").write_text(f"[{CHILD}]\ntype = api\nenabled = yes\n")
        said = load("parent", directory, directory)
        path = WRITE.decode()
        promised = document(ENDPOINTS)["paths"][path]["post"]["responses"]
        key, large = f"Authorization: Bearer {CHILD}\r\n", f"Content-Length: {LARGEST + 1}\r\n"

        def status(head: str, body: bytes = b"", method: str = "POST") -> int:
            if "Length" not in head and body:
                head += f"Content-Length: {len(body)}\r\n"
            (answer,) = self.node.raw(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode() + body)
            self.assertEqual(answer.headers.get("Content-Type", "").partition(";")[0], "text/plain", answer.status)
            return answer.status

        self.assertEqual(status(key, b"data"), 405)
        self.node.site = site(self.node.hub, said, self.node.clock, writer=Kept())
        asked = {
            204: status(key, b"data"),
            400: status(key, b"nonsense"),
            401: status("", b"data"),
            403: status(f"Authorization: Bearer {CHILD[:-1]}0\r\n", b"data"),
            405: status("", method="GET"),
            413: status(key + large, b"x" * (LARGEST + 1)),
            415: status(key + "Content-Encoding: gzip\r\n", b"data"),
        }
        self.assertEqual([*asked], [*asked.values()])
        self.assertLessEqual({str(each) for each in asked}, set(promised))
        told = promised["204"]["$ref"].rpartition("/")[2]
        self.assertNotIn("content", document(ENDPOINTS)["components"]["responses"][told])

    def test_otherwise(self) -> None:
        """
        Whoever asks something else gets a refusal or an answer, never a failure.
        """
        self._check(GenerationMode.NEGATIVE)
