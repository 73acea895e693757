"""
Browsers that open the dashboard of a node, all at the same moment.

Each does what a browser does: it fetches the page, the files that this names
and those that these import, what there is to show, and the samples of the
charts on its screen, over several connections that are kept; then it listens to
those charts.  All begin each of these steps together, which is more at once
than browsers that go their own ways ask for.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http.client import HTTPConnection
from urllib.parse import quote

from attrs import define, field

from benchmarks.load import NoLoad, child_name

SHOWN = 12
"""Charts on a screen."""
LANES = 6
"""Connections of one browser at once."""
PATIENT = 120.0
"""Seconds after which it is given up."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_NAMED = re.compile(r'(?:src|href)="(static/[^"]+)"')
_IMPORTED = re.compile(r"""(?:from|import)\s+["']\./([^"']+\.js)["']""")


def whole(heard: bytes | bytearray) -> bytes | None:
    """
    @return: The body of an answer, if all of it is there.
    @raise NoLoad: It is not what was asked for.
    """
    head, end, body = bytes(heard).partition(b"\r\n\r\n")
    if not end:
        return None
    if not head.startswith(b"HTTP/1.1 200 "):
        raise NoLoad(f"a question was answered with {head[:60]!r}")
    said = _LENGTH.search(head)
    if said is None:
        raise NoLoad("an answer does not say how long it is")
    return body if len(body) >= int(said[1]) else None


def charts_of(port: int, node: str) -> list[str]:
    """
    @return: The ids of the charts of a node.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/host/{node}/api/v1/charts")
    found: list[str] = list(json.loads(connection.getresponse().read())["charts"])
    connection.close()
    return found


def files_of(port: int, page: str) -> list[str]:
    """
    @param page: Its path, up to the last slash.
    @return: The paths of all files that a browser fetches to show it.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def read(path: str) -> str:
        connection.request("GET", page + path)
        return connection.getresponse().read().decode()

    found = dict.fromkeys(_NAMED.findall(read("")))
    waiting = deque(found)
    while waiting:
        path = waiting.popleft()
        if not path.endswith(".js"):
            continue
        folder = path.rpartition("/")[0]
        for name in _IMPORTED.findall(read(path)):
            if (imported := f"{folder}/{name}") not in found:
                found[imported] = None
                waiting.append(imported)
    connection.close()
    return [page + path for path in found]


@define(eq=False)
class _Lane:
    """
    One connection of a browser.

    @ivar asks: What it has to ask for yet, shared with the others of the browser.
    """

    socket: socket.socket
    asks: deque[str]
    heard: bytearray = field(factory=bytearray)

    def ask(self, path: str) -> None:
        """
        Send a request as a browser does.
        """
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\nAccept: */*\r\n"
            "Accept-Encoding: gzip, deflate\r\nSec-Fetch-Site: same-origin\r\n\r\n".encode()
        )


@define(eq=False)
class Browser:
    """
    One that shows a node.

    @ivar node: Its name.
    @ivar charts: The ids of those on its screen.
    """

    number: int
    node: str
    charts: Sequence[str]
    asks: deque[str] = field(factory=deque)
    lanes: list[_Lane] = field(factory=list)

    @property
    def page(self) -> str:
        """
        The path of the page, up to the last slash.
        """
        return f"/host/{self.node}/"

    def connect(self, port: int) -> list[_Lane]:
        """
        Open as many connections as there is something to ask for, from an
        address of its own.

        @return: Those that are new.
        """
        source, known = f"127.1.{self.number // 250}.{self.number % 250 + 1}", len(self.lanes)
        for _ in range(known, min(LANES, len(self.asks))):
            opened = socket.create_connection(("127.0.0.1", port), PATIENT, (source, 0))
            self.lanes.append(_Lane(opened, self.asks))
        return self.lanes[known:]

    def question(self, chart: str) -> str:
        """
        @return: The path by which the first samples of a chart are asked for.
        """
        return (
            f"{self.page}api/v1/data?chart={quote(chart, safe='')}&format=json"
            "&options=seconds,flip,jsonwrap,jw-anomaly-rates&before=0&after=-300&points=300"
        )

    def listen(self) -> socket.socket:
        """
        Go on with one connection, by which new samples come; the others are
        kept.
        """
        lane = self.lanes.pop()
        names = quote("\n".join(self.charts), safe="")
        lane.ask(f"{self.page}api/v1/live?charts={names}")
        return lane.socket


class Crowd:
    """
    Browsers that open their pages at the same moment.

    @ivar requests: How many were answered.
    @ivar seconds: How long each step took, by its name.
    @ivar sockets: By which new samples come, when all is open.
    """

    def __init__(self, port: int, count: int, children: int, charts: Sequence[str]) -> None:
        """
        @param children: Whose dashboards they open.
        @param charts: The ids of the charts that each of these has.
        """
        self._port = port
        self.requests = 0
        self.seconds: dict[str, float] = {}
        self.sockets: list[socket.socket] = []
        self.browsers = []
        for number in range(count):
            first = number * SHOWN % max(1, len(charts) - SHOWN)
            self.browsers.append(Browser(number, child_name(number % children), charts[first : first + SHOWN]))

    def open(self) -> None:
        """
        Open all pages, step by step.

        @raise NoLoad: They are not answered.
        """
        first = self.browsers[0].page
        files = [path.removeprefix(first) for path in files_of(self._port, first)]
        steps: Mapping[str, Callable[[Browser], Iterable[str]]] = {
            "page": lambda browser: [browser.page],
            "files": lambda browser: [browser.page + path for path in files],
            "info": lambda browser: [browser.page + "api/v1/info", browser.page + "api/v1/alarm_log?last=2000"],
            "charts": lambda browser: [browser.page + "api/v1/charts"],
            "samples": lambda browser: map(browser.question, browser.charts),
        }
        with selectors.DefaultSelector() as selector:
            for name, asks in steps.items():
                began = time.monotonic()
                waiting = 0
                for browser in self.browsers:
                    browser.asks.extend(asks(browser))
                    for lane in browser.connect(self._port):
                        selector.register(lane.socket, selectors.EVENT_READ, lane)
                    waiting += sum(map(_next, browser.lanes))
                self._answered(selector, waiting)
                self.seconds[name] = time.monotonic() - began
        self.sockets = [browser.listen() for browser in self.browsers]

    def _answered(self, selector: selectors.BaseSelector, waiting: int) -> None:
        """
        Ask all there is to ask, over every connection as soon as it is free.

        @param waiting: How many wait for an answer.
        """
        while waiting:
            ready = selector.select(PATIENT)
            if not ready:
                raise NoLoad(f"{waiting} requests of pages were not answered")
            for key, _ in ready:
                lane: _Lane = key.data
                said = lane.socket.recv(1 << 18)
                if not said:
                    raise NoLoad("a connection of a page was closed")
                lane.heard += said
                if whole(lane.heard) is None:
                    continue
                lane.heard.clear()
                self.requests += 1
                waiting += _next(lane) - 1

    def _lanes(self) -> Iterator[_Lane]:
        return (lane for browser in self.browsers for lane in browser.lanes)

    def close(self) -> None:
        """
        Close what is open.
        """
        for one in [*self.sockets, *(lane.socket for lane in self._lanes())]:
            one.close()


def _next(lane: _Lane) -> bool:
    """
    @return: Whether it had something to ask.
    """
    if lane.asks:
        lane.ask(lane.asks.popleft())
        return True
    return False


@define(eq=False)
class Listeners:
    """
    Pages that listen, all in one thread.

    @ivar events: What each was told.
    """

    sockets: Sequence[socket.socket]
    events: int = 0
    bytes: int = 0
    _over: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """
        Begin.
        """
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            for one in self.sockets:
                one.setblocking(False)
                selector.register(one, selectors.EVENT_READ)
            while not self._over.is_set():
                for key, _ in selector.select(0.2):
                    got = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                    self.bytes += len(got)
                    self.events += got.count(b"event: samples")
                    if not got:
                        selector.unregister(key.fileobj)

    def stop(self) -> None:
        """
        Listen no more.
        """
        self._over.set()
        if self._thread is not None:
            self._thread.join()
