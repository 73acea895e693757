"""
Pages with something to show: a node that knows others, and a browser before it.
"""

from __future__ import annotations

import time
from typing import Any

from tests.browser.case import BrowserTestCase
from tests.browser.scripted import ScriptedNode

try:
    from selenium.webdriver import ActionChains
except ImportError:
    ActionChains = None  # type: ignore[assignment,misc]

SHOWS = {
    "": ".card canvas",
    "nodes.html": "tbody tr",
    "alerts.html": ".alert-card",
    "streaming.html": ".vertex",
    "compare.html": ".card canvas",
}
"""What is on each page once it shows something."""
PAGES = tuple(SHOWS)


def node(number: int, **more: Any) -> dict[str, Any]:
    """
    @return: A node as C{overview} tells of it.
    """
    told = {
        "guid": f"guid-{number}",
        "hostname": f"web{number}",
        "hops": min(number, 1),
        "state": "live",
        "newest": int(time.time()),
        "seen": 0,
        "charts": 60,
        "metrics": 200 + number,
        "version": "v1",
        "os": "linux",
        "alarms": {"normal": 3, "warning": 0, "critical": 0},
        "cpu": float(number % 100),
        "labels": {"site": "berlin" if number % 2 else "oslo"},
    }
    return told | more


def alarm(name: str, status: str = "WARNING", **more: Any) -> dict[str, Any]:
    """
    @return: An alert as C{raised} tells of it.
    """
    told = {
        "guid": "guid-1",
        "hostname": "web1",
        "hops": 1,
        "name": name,
        "chart": "system.cpu",
        "status": status,
        "summary": f"Summary of {name}",
        "info": f"Info of {name}",
        "value_string": "42 %",
        "last_status_change": int(time.time()) - 60,
        "silenced": False,
    }
    return told | more


def transition(number: int, old: str, new: str, **more: Any) -> dict[str, Any]:
    """
    @return: What happened, as C{transitions} tells it.
    """
    told = {
        "guid": "guid-1",
        "hostname": "web1",
        "hops": 1,
        "unique_id": number,
        "when": int(time.time()) - 100 + number,
        "name": "cpu_busy",
        "chart": "system.cpu",
        "old_status": old,
        "status": new,
        "value_string": "42 %",
        "duration": 30,
    }
    return told | more


def stream(*names: str, status: str = "online") -> dict[str, Any]:
    """
    @return: A node as C{node_instances} tells of it, by its path.
    """
    path = [{"host_id": f"guid-{name}", "hostname": name, "hops": at} for at, name in enumerate(names)]
    traffic = {
        "bytes_per_second": 2048.0,
        "samples_per_second": 100.0,
        "compression": True,
        "compression_ratio": 5.0,
    }
    replication = {"in_progress": status == "replicating", "completion": 40.0, "instances": 3, "seconds_left": 9}
    ingest = {
        "status": status,
        "hops": len(names) - 1,
        "lag": 1.0,
        "since": int(time.time()) - 600,
        "replication": replication,
        "source": {"remote": "10.0.0.1:1234", "capabilities": [], "traffic": traffic},
        "reason": "timeout" if status == "offline" else "",
    }
    described = {"mg": f"guid-{names[0]}", "nm": names[0], "v": "v1", "capabilities": ["VCAPS"]}
    return described | {"instances": [{"ingest": ingest, "stream": {"status": "disabled", "path": path}, "db": {}}]}


class PagesTestCase(BrowserTestCase):
    """
    A test of the pages.
    """

    def scripted(self, nodes: int = 3) -> ScriptedNode:
        """
        Start a node that knows others, with something on each page.
        """
        server = ScriptedNode("web0", tuple(f"web{number}" for number in range(1, nodes)))
        self.addCleanup(server.stop)
        server.add("system.cpu", chart_type="stacked", title="Total CPU utilization (system.cpu)", units="percentage")
        for number in range(5):
            server.add(f"disk.n{number}", family=f"n{number}", priority=2000 + number)
        every = [node(number) for number in range(nodes)]
        server.said["api/v3/overview"] = {
            "now": int(time.time()), "own": "guid-0", "keys": ["0a1b2c3d"], "nodes": every,
        }  # fmt: skip
        server.said["api/v3/raised"] = {
            "now": int(time.time()), "total": 2, "alerts": [alarm("load_high", "CRITICAL"), alarm("cpu_busy")],
        }  # fmt: skip
        server.said["api/v3/transitions"] = {
            "now": int(time.time()),
            "transitions": [transition(3, "WARNING", "CRITICAL"), transition(2, "CLEAR", "WARNING")],
        }
        server.said["api/v3/node_instances"] = {
            "agents": [{"mg": "guid-web0", "nm": "web0", "now": int(time.time())}],
            "nodes": [stream("web0"), stream("web1", "web0"), stream("web2", "web1", "web0", status="replicating")],
        }
        server.said["api/v3/stream_path"] = {"nodes": []}
        server.said["api/v3/contexts"] = {
            "contexts": {"system.cpu": {"title": "Total CPU utilization", "units": "percentage", "priority": 1}}
        }
        server.said["api/v1/explain"] = {
            "now": int(time.time()),
            "alerts": {
                "x": {
                    "status": "CRITICAL",
                    "value_string": "42 %",
                    "crit": {"expression": "$this > 10", "filled_in": "(42 > 10)", "variables": {}, "result": 1},
                    "roles": ["sysadmin"],
                    "would_tell": [],
                    "definition": {"file": "load.conf", "line": 7, "stock": False},
                }
            },
        }
        return server

    def open(self, server: ScriptedNode, page: str = "") -> None:
        """
        Look at a page until it shows something.
        """
        self.browser.get(server.url + page)
        # A page is hidden until it knows all that is on it.
        self.find(f"#charts:not(.waiting) {SHOWS[page.partition('#')[0]]}")

    def chain(self) -> Any:
        """
        @return: What moves the mouse.
        """
        return ActionChains(self.browser)

    def rows(self, selector: str = "tbody tr .name") -> list[str]:
        """
        @return: What the rows of a table are called.
        """
        script = "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)"
        return list(self.browser.execute_script(script, selector))
