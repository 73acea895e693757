"""
A node that answers what a test wants.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from netstream.web.answer import POLICY
from netstream.web.pages import dashboard

PAGES = dashboard()
REMAINING = "__remaining_dimensions__"

Values = Callable[[int], list[float | None]]


def chart(id: str, **more: Any) -> dict[str, Any]:
    """
    @return: A chart as C{api/v1/charts} describes it.
    """
    described = {
        "id": id,
        "name": id,
        "type": id.partition(".")[0],
        "family": "family",
        "context": id,
        "title": f"Title ({id})",
        "priority": 1000,
        "units": "things",
        "chart_type": "line",
        "update_every": 1,
        "last_entry": int(time.time()),
        "dimensions": {"a": {"name": "a"}, "b": {"name": "b"}},
    }
    return described | more


class ScriptedNode:
    """
    An HTTP server on a loopback port that was free, with the dashboard and as
    much of the API as it needs.

    @ivar charts: By id.
    @ivar values: By chart id, what its dimensions are at a second; two rising
        numbers if nothing is given.
    @ivar transitions: What C{alarm_log} answers.
    @ivar odd: Ids of charts whose dimension C{a} is anomalous.
    @ivar said: Further answers by path.
    @ivar asked: The chart ids that were asked for, in order.
    @ivar most: How many answers were under way at once at the most.
    """

    def __init__(self, hostname: str = "atlas", hosts: tuple[str, ...] = ()) -> None:
        self.hostname = hostname
        self.hosts = (hostname, *hosts)
        self.charts: dict[str, dict[str, Any]] = {}
        self.values: dict[str, Values] = {}
        self.transitions: list[dict[str, Any]] = []
        self.said: dict[str, object] = {}
        self.odd: set[str] = set()
        self.asked: list[str] = []
        self.most = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self._tells = threading.Event()
        self._tells.set()
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, kind, body = node.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Security-Policy", POLICY)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """
        Where the dashboard is.
        """
        return f"http://127.0.0.1:{self._server.server_port}/"

    def stop(self) -> None:
        """
        Answer no more.
        """
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def silence(self) -> Iterator[None]:
        """
        Answer what is asked of the API only afterwards; the files at once.
        """
        self._tells.clear()
        try:
            yield
        finally:
            self._tells.set()

    def add(self, id: str, values: Values | None = None, **more: Any) -> None:
        """
        Have one more chart.
        """
        self.charts[id] = chart(id, **more)
        if values:
            self.values[id] = values

    def answer(self, target: str) -> tuple[int, str, bytes]:
        """
        @return: Status, type and body.
        """
        parts = urlsplit(target)
        path, of = parts.path.lstrip("/"), self.hostname
        if path.startswith("host/"):
            _, of, path = path.split("/", 2)
        query = dict(parse_qsl(parts.query))
        if path.startswith("api/"):
            self._tells.wait()
        match path:
            case "api/v1/info":
                return self._json(self._info(of))
            case "api/v1/charts":
                return self._json({"hostname": of, "charts": self.charts})
            case "api/v1/data":
                return self._counted(query)
            case "api/v3/data" if "api/v3/overview" in self.said:
                return self._json(self._grouped(query))
            case "api/v1/alarm_log":
                return self._json(self.transitions)
            case "api/v1/live":
                return 204, "text/event-stream", b""
        if path in self.said:
            return self._json(self.said[path])
        file = PAGES.get(path.removeprefix("static/") or "index.html")
        if file is None:
            return 404, "text/plain", b"There is nothing here.\n"
        return 200, file.content_type, file.body

    def _json(self, value: object) -> tuple[int, str, bytes]:
        return 200, "application/json", json.dumps(value).encode()

    def _info(self, of: str) -> Mapping[str, object]:
        hosts = [
            {"guid": f"guid-{number}", "hostname": name, "reachable": True, "hops": min(number, 1)}
            for number, name in enumerate(self.hosts)
        ]
        uid = next((str(host["guid"]) for host in hosts if of in (host["hostname"], host["guid"])), "guid-0")
        return {"uid": uid, "version": "v1", "os_name": self.hostname, "mirrored_hosts_status": hosts}

    def _counted(self, query: Mapping[str, str]) -> tuple[int, str, bytes]:
        with self._lock:
            self.asked.append(unquote(query.get("chart") or query["context"]))
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        try:
            return self._json(self._data(query))
        finally:
            with self._lock:
                self._under_way -= 1

    def _data(self, query: Mapping[str, str]) -> Mapping[str, object]:
        name = query.get("chart") or query["context"]
        described = self.charts[name]
        values = self.values.get(name, lambda second: [second % 50, second % 50 + 1])
        before = int(query.get("before", 0)) or int(time.time())
        after = int(query["after"]) if int(query["after"]) > 0 else before + int(query["after"])
        names = [dimension["name"] for dimension in described["dimensions"].values()]
        points = int(query.get("points", 0))
        every = described["update_every"]
        step = max(every, (before - after) // points) if points else every
        # What is slower than the time that is asked for has its last row before that.
        first = after + step if every == 1 else min(after - after % every + every, before - before % every)
        rows = [self._mean(values, second, max(1, step // every)) for second in range(first, before + 1, step)]
        odd = [[second, *(100 if name == "a" else 0 for name in names)] for second, *_ in rows if name in self.odd]
        return {
            **({"anomaly_rates": {"labels": ["time", *names], "data": odd}} if odd else {}),
            "view_update_every": step,
            "dimension_ids": list(described["dimensions"]),
            "dimension_names": names,
            "result": {"labels": ["time", *names], "data": rows},
        }

    def _mean(self, values: Values, end: int, step: int) -> list[float | None]:
        """
        @return: A second, and the means of so many up to it.
        """
        if step == 1:
            return [end, *values(end)]
        columns = zip(*map(values, range(end - step + 1, end + 1)), strict=True)
        there = ([value for value in column if value is not None] for column in columns)
        return [end, *(sum(each) / len(each) if each else None for each in there)]

    def _grouped(self, query: Mapping[str, str]) -> Mapping[str, object]:
        """
        @return: The samples of the nodes of C{overview}, each of which has the
            same, put together as asked for, once or twice; sums beyond the
            limit are one.
        """
        context = query["scope_contexts"]
        described, values = self.charts[context], self.values.get(context, lambda second: [1.0, 2.0])
        every: list[dict[str, Any]] = self.said["api/v3/overview"]["nodes"]  # type: ignore[index]
        wanted = [word for word in query.get("nodes", "").split(",") if word]
        nodes = [node for node in every if not wanted or node["hostname"] in wanted]
        before = int(query.get("before", 0)) or int(time.time())
        after = int(query["after"]) if int(query["after"]) > 0 else before + int(query["after"])
        seconds = range(after + 1, before + 1)
        ways: dict[str, Callable[[list[float]], float]] = {
            "sum": sum, "avg": lambda all: sum(all) / len(all), "min": min, "max": max,
        }  # fmt: skip
        places = ["[1]", ""] if "group_by[1]" in query else [""]
        sets: dict[str, dict[str, list[list[float]]]] = {}
        for node in nodes:
            for place, dimension in enumerate(described["dimensions"].values()):

                def named(behind: str, node: Any = node, dimension: Any = dimension) -> str:
                    keys = {
                        "node": node["hostname"],
                        "instance": f"{context}@{node['guid']}",
                        "dimension": dimension["name"],
                        "label": node["labels"].get(query.get("group_by_label" + behind, ""), "[unset]"),
                        "selected": "selected",
                    }
                    return ",".join(keys[word] for word in query["group_by" + behind].split(","))

                group = sets.setdefault(named(places[0]), {}).setdefault(named(""), [])
                group.append([values(second)[place] or 0.0 for second in seconds])

        def together(rows: list[list[float]], behind: str) -> list[float]:
            return [ways[query["aggregation" + behind]](list(column)) for column in zip(*rows, strict=True)]

        groups: dict[str, dict[int, float]] = {}
        for name, parts in sets.items():
            rows = [together(part, "") for part in parts.values()]
            groups[name] = dict(zip(seconds, together(rows, places[0]) if len(places) > 1 else rows[0], strict=True))
        most = int(query["cardinality_limit"])
        names = {name: name for name in groups}
        if rest := list(groups)[most:]:
            folded = [groups.pop(name) for name in rest]
            groups[REMAINING] = {second: sum(sums[second] for sums in folded) for second in seconds}
            names[REMAINING] = f"remaining {len(rest)} dimensions"
        data = [[second, *([sums[second], 0, 0] for sums in groups.values())] for second in seconds]
        return {
            "totals": {"nodes": {"sl": len(nodes)}},
            "view": {"update_every": 1, "dimensions": {"ids": list(groups), "names": [names[id] for id in groups]}},
            "result": {"labels": ["time", *groups], "data": data},
        }
