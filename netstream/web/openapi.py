"""
How the API is described as an OpenAPI document, for programs that read such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from netstream import __version__
from netstream.web.shapes import NAMED, TEXT, Schema, items

JSON = "application/json"
PLAIN = "text/plain"
HTML = "text/html"


@frozen
class Parameter:
    """
    What may stand behind the path.

    @ivar words: Whether it is a list of words, divided by commas.
    @ivar others: Other spellings, which clients of agents know.
    """

    name: str
    description: str
    schema: Schema = TEXT
    required: bool = False
    words: bool = False
    others: tuple[str, ...] = ()

    def spellings(self) -> Iterator[dict[str, Any]]:
        """
        @return: It, as the document has it, in each spelling.
        """
        yield self._said()
        for name in self.others:
            yield {**self._said(), "name": name, "description": f"The same as {self.name}.", "deprecated": True}

    def _said(self) -> dict[str, Any]:
        told: dict[str, Any] = {"name": self.name, "in": "query", "description": self.description}
        if self.required:
            told["required"] = True
        if self.words:
            return told | {"schema": items(self.schema), "style": "form", "explode": False}
        return told | {"schema": self.schema}


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
    @ivar answers: Schema by content type; L{None} if it is no JSON.  None at
        all is status 204.
    @ivar refusals: Statuses besides that of the answer, and what they say.
    @ivar hosts: Whether it can be asked of each node.
    @ivar refused: What the body of such a refusal is.
    @ivar takes: What the body of a request is, by content type, if it is
        written with C{POST} and an API key.
    """

    path: str
    summary: str
    answers: Mapping[str, Schema | None]
    parameters: tuple[Parameter, ...] = ()
    versions: tuple[str, ...] = ("v1",)
    refusals: Mapping[int, str] = {}
    hosts: bool = True
    tag: str = "Nodes"
    refused: Mapping[str, Schema | None] = {PLAIN: None}
    takes: Mapping[str, Schema] = {}

    @property
    def method(self) -> str:
        """
        How it is asked.
        """
        return "post" if self.takes else "get"

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
        return {"description": self.summary, **({"content": _content(self.answers)} if self.answers else {})}

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
        parameters = [said for parameter in self.parameters for said in parameter.spellings()]
        if named:
            parameters.insert(0, {"$ref": "#/components/parameters/Host"})
        status = "200" if self.answers else "204"
        responses: dict[str, Any] = {status: {"$ref": f"#/components/responses/{self.key}"}}
        responses |= {str(status): {"$ref": f"#/components/responses/Refused{status}"} for status in _REFUSALS}
        more = {404: "There is no such node."} if named else {}
        for number, text in sorted({**more, **self.refusals}.items()):
            responses[str(number)] = _refusal(text, self.refused)
        body: dict[str, Any] = {}
        if self.takes:
            body = {"requestBody": {"required": True, "content": _content(self.takes)}, "security": [{"APIKey": []}]}
        return {
            "operationId": path.strip("/").replace("{host}", "host").replace("/", "_").replace(".", "_") or "dashboard",
            "summary": self.summary,
            "tags": [self.tag],
            "parameters": parameters,
            **body,
            "responses": responses,
        }


_REFUSALS: Mapping[int, str] = {
    400: "Something in the request means nothing; the text says what.",
    401: "Whoever asks has to sign in first; the text says how.",
    403: "Whoever asks is not let in from that address; the text says which line of the configuration would.",
    421: "The node does not know itself by that name; the text says which line of the configuration would change it.",
}


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """
    @param endpoints: All that there are.
    @return: The OpenAPI document.
    """
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        for path, named in endpoint.paths():
            paths[path] = {endpoint.method: endpoint.said(path, named)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "netstream",
            "version": __version__,
            "description": "Metrics streamed between nodes: what a node answers over HTTP. Nothing changes anything "
            "but manage/health, write and what a function does.",
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
                **{endpoint.key: endpoint.answer for endpoint in endpoints},
                **{f"Refused{status}": _refusal(text, {PLAIN: None}) for status, text in _REFUSALS.items()},
            },
            "schemas": NAMED,
            "securitySchemes": {
                "APIKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key with which a child may stream to the node; it may be the password of "
                    "basic authentication instead.",
                }
            },
        },
    }
