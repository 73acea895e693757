"""
What the API says of nodes, charts and alerts.
"""

from typing import Any, ClassVar

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.interfaces import Stats
from netstream.db.none import NoneDB
from netstream.db.ram import RamDB
from netstream.model.chart import Dimension
from netstream.model.updates import VariableSet
from netstream.web.charts import MEMORY_EVERY, Memories
from netstream.web.version1 import COMMANDS
from tests.web.stage import CHILD, CPU, DISK, GUID, LOAD, NOW, Stage


class NodeTests(SynchronousTestCase):
    """
    Tests for C{info}, C{charts}, C{chart}, C{contexts}, the alert commands,
    and for asking about other nodes.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.usual()

    def test_info(self) -> None:
        """
        A node says who it is and which nodes it has, this one first and those
        that are away last.
        """
        away = self.stage.child("away", "00000000-0000-0000-0000-000000000000")
        self.stage.hub.disconnect(away, NOW)
        info = self.stage.get("/api/v1/info").json()
        self.assertEqual((info["uid"], info["version"]), (GUID, "v0.1.0"))
        self.assertEqual(info["mirrored_hosts"], ["parent.example", "web1", "away"])
        states = [(h["guid"], h["reachable"], h["hops"]) for h in info["mirrored_hosts_status"]]
        self.assertEqual(
            states, [(GUID, True, 0), (CHILD, True, 1), ("00000000-0000-0000-0000-000000000000", False, 1)]
        )
        self.assertEqual(info["alarms"], {"normal": 0, "warning": 0, "critical": 0})
        self.assertEqual(info["host_labels"], {"_os": "linux", "site": "berlin"})
        self.assertIn({"plugin": "proc.plugin", "module": "/proc/loadavg"}, info["collectors"])
        self.assertEqual(info["cores_total"], "unknown")
        self.assertEqual((info["aclk-available"], info["aclk-implementation"], info["ml-info"]), (False, "", {}))

    def test_facts(self) -> None:
        """
        Facts of a node are shown as the node told them: texts, numbers too.
        """
        host = self.stage.local
        host.info = evolve(
            host.info, system={"NETDATA_SYSTEM_CPU_LOGICAL_CPU_COUNT": "8", "NETDATA_SYSTEM_OS_NAME": "Debian"}
        )
        info = self.stage.get("/api/v1/info").json()
        self.assertEqual((info["cores_total"], info["os_name"]), ("8", "Debian"))

    def test_memory(self) -> None:
        """
        How much memory a database holds is asked once for all who want to
        know, and again after a while; who asked is told that it failed.
        """

        class Slow(RamDB):
            asked: ClassVar[list[Deferred[Stats]]] = []

            def stats(self) -> Deferred[Stats]:
                self.asked.append(Deferred())
                return self.asked[-1]

        memories, db = Memories(), Slow(60, 1)
        told = [Deferred.fromCoroutine(memories.of(db, NOW + second)) for second in range(3)]
        self.assertEqual(len(db.asked), 1)
        db.asked[0].callback(Stats(1, 1, 1, 4000, 0))
        self.assertEqual(list(map(self.successResultOf, told)), [4000] * 3)
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(memories.of(db, NOW + 9))), 4000)
        self.assertEqual(len(db.asked), 1)
        told = [Deferred.fromCoroutine(memories.of(db, NOW + MEMORY_EVERY)) for _ in range(2)]
        told[0].cancel()
        self.failureResultOf(told[0], CancelledError)
        db.asked[1].errback(ZeroDivisionError())
        self.failureResultOf(told[1], ZeroDivisionError)
        told = [Deferred.fromCoroutine(memories.of(db, NOW + MEMORY_EVERY))]
        db.asked[2].callback(Stats(1, 1, 1, 5000, 0))
        self.assertEqual(self.successResultOf(told[0]), 5000)

    def test_charts(self) -> None:
        """
        All charts that are collected and visible are listed, with the span
        that is stored.
        """
        self.stage.chart(evolve(LOAD, id="system.old", name="", obsolete=True))
        self.stage.chart(evolve(LOAD, id="system.hidden", name="", hidden=True))
        self.stage.chart(evolve(LOAD, id="system.dark", name="", dimensions={"d": Dimension("d", hidden=True)}))
        found = self.stage.get("/api/v1/charts").json()
        self.assertEqual(list(found["charts"]), ["system.load", "system.cpu", "disk.sda"])
        self.assertEqual((found["charts_count"], found["hosts_count"]), (3, 2))
        self.assertEqual(found["hosts"], [{"hostname": "parent.example"}, {"hostname": "web1"}])
        disk = found["charts"]["disk.sda"]
        self.assertEqual((disk["name"], disk["type"], disk["title"]), ("disk.system", "disk", _title()))
        self.assertEqual((disk["first_entry"], disk["last_entry"], disk["duration"]), (NOW - 600, NOW, 601))
        self.assertEqual(
            disk["chart_labels"], {"_collect_plugin": "[none]", "_collect_module": "[none]", "device": "sda"}
        )
        self.assertEqual(list(found["charts"]["system.cpu"]["dimensions"]), ["user"])

    def test_chart(self) -> None:
        """
        A chart is found by id and by name, with its variables.
        """
        self.stage.local.apply(VariableSet("limit", 3.0, "disk.sda"))
        by_id, by_name = (self.stage.get(f"/api/v1/chart?chart={name}").json() for name in ("disk.sda", "disk.system"))
        self.assertEqual(by_id, by_name)
        self.assertEqual(by_id["chart_variables"], {"limit": 3.0})

    def test_contexts(self) -> None:
        """
        Charts that are alike are one context, and its charts are told when
        they are asked for.
        """
        self.stage.fill(evolve(DISK, id="disk.sdb", name="", family="sdb"), {NOW - 5: [1, 2]})
        found = self.stage.get("/api/v1/contexts").json()
        self.assertEqual(found["machine_guid"], GUID)
        disk = found["contexts"]["disk.io"]
        self.assertEqual((disk["family"], disk["units"], disk["collected"]), ("[x]", "KiB/s", True))
        self.assertEqual((disk["first_time_t"], disk["last_time_t"]), (NOW - 600, NOW))
        self.assertNotIn("charts", disk)
        for asked, left in (
            ("chart_labels_filter=device:sda", ["disk.io"]),
            ("chart_label_key=device", ["disk.io"]),
            ("chart_labels_filter=device:none", []),
        ):
            self.assertEqual(list(self.stage.get(f"/api/v1/contexts?{asked}").json()["contexts"]), left, asked)
        one = self.stage.get("/api/v1/context?context=disk.io&options=charts").json()
        self.assertEqual(list(one["charts"]), ["disk.sda", "disk.sdb"])
        self.assertEqual(one["charts"]["disk.sda"]["context"], "disk.io")

    def test_contexts_in_full(self) -> None:
        """
        Labels and dimensions are told of contexts when they are asked for, and
        a context is told of if it has a dimension or samples that are wanted.
        """
        self.stage.fill(evolve(DISK, id="disk.sdb", name="", labels={}), {NOW - 2000: [1, 2]})

        def told(asked: str) -> dict[str, Any]:
            found: dict[str, Any] = self.stage.get(f"/api/v1/contexts?{asked}").json()
            return found

        full = told("options=full")
        self.assertEqual(full["host_labels"], {"_os": "linux", "site": "berlin"})
        sda = full["contexts"]["disk.io"]["charts"]["disk.sda"]
        self.assertEqual(sda["labels"]["device"], "sda")
        self.assertEqual(list(sda["dimensions"]), ["reads", "writes"])
        self.assertEqual(
            sda["dimensions"]["reads"],
            {"name": "reads", "first_time_t": NOW - 600, "last_time_t": NOW, "collected": True},
        )
        self.assertNotIn("host_labels", told("options=dimensions"))
        self.assertNotIn("labels", told("options=dimensions")["contexts"]["disk.io"]["charts"]["disk.sda"])
        some = told("dimensions=load1,reads")["contexts"]
        self.assertEqual(list(some), ["system.load", "disk.io"])
        self.assertEqual(list(some["disk.io"]["charts"]["disk.sda"]["dimensions"]), ["reads"])
        self.assertEqual(list(told("chart_label_key=device")["contexts"]["disk.io"]["charts"]), ["disk.sda"])
        for asked, left in (
            (f"after={NOW - 2100}&before={NOW - 1900}&options=charts", ["disk.sdb"]),
            ("after=-200&before=-1900&options=charts", ["disk.sdb"]),
            (f"after={NOW - 700}&before={NOW - 600}&options=charts", ["disk.sda"]),
            ("after=-5&options=charts", ["disk.sda"]),
        ):
            self.assertEqual(list(told(asked)["contexts"]["disk.io"]["charts"]), left, asked)
        self.assertEqual(told(f"after={NOW - 5000}&before={NOW - 4000}")["contexts"], {})
        self.assertEqual(self.stage.get("/api/v1/contexts?after=soon").status, 400)
        self.assertEqual(self.stage.get("/api/v1/context?context=disk.io&dimensions=none").status, 404)

    def test_alarms(self) -> None:
        """
        Without health there are no alerts, in the shape that programs expect.
        """
        for target in ("alarms", "alarms?all", "alarms?active", "alarms%3Fall&format=json"):
            self.assertEqual(
                self.stage.get(f"/api/v1/{target}").json(),
                {
                    "hostname": "parent.example",
                    "latest_alarm_log_unique_id": 0,
                    "status": False,
                    "now": NOW,
                    "alarms": {},
                },
            )
        self.assertEqual(self.stage.get("/api/v1/alarm_log").json(), [])
        self.assertEqual(self.stage.get("/api/v1/alarm_count").json(), [0])
        self.assertEqual(self.stage.get("/api/v1/alarms_values").json(), {"hostname": "parent.example", "alarms": {}})

    def test_other_nodes(self) -> None:
        """
        Every command answers for every node, which is named by host name or
        machine GUID in any case.
        """
        for command in set(COMMANDS) - {"function", "manage/health"}:  # these want more
            asked = f"api/v1/{command}?chart=system.load&context=system.load&method=value&action=hello"
            own = self.stage.get(f"/{asked}")
            self.assertEqual(own.status, 200, command)
            for name in ("web1", "WEB1", CHILD, CHILD.upper()):
                other = self.stage.get(f"/host/{name}/{asked}")
                self.assertEqual(other.status, 200, f"{name} {command}")
        child = self.stage.get("/host/web1/api/v1/charts").json()
        self.assertEqual((child["hostname"], list(child["charts"])), ("web1", ["system.load"]))
        self.assertEqual(
            self.stage.get("/host/web1/api/v1/data?chart=system.load&after=-1").json()["data"][0][1:], [1, 2]
        )

    def test_errors(self) -> None:
        """
        What there is not gets the status and the words of an agent.
        """
        for target, status, text in (
            ("/api", 400, "Which API version?"),
            ("/api/v1", 400, "Which API v1 command?"),
            ("/api/v1/", 404, "Unsupported v1 API command: "),
            ("/api/v1/nothing", 404, "Unsupported v1 API command: nothing"),
            ("/api/v1/a/b", 404, "Unsupported v1 API command: a/b"),
            ("/api/v9/info", 404, "Unsupported API version: v9"),
            ("/api/v3/nothing", 404, "Unsupported v3 API command: nothing"),
            ("/api/v1/chart", 400, "No chart id is given at the request."),
            ("/api/v1/chart?chart=none", 404, "Chart is not found: none"),
            ("/host/none/api/v1/info", 404, "This netdata does not maintain a database for host: none"),
            ("/host/none", 404, "This netdata does not maintain a database for host: none"),
            ("/host/none/", 404, "This netdata does not maintain a database for host: none"),
        ):
            answer = self.stage.get(target)
            self.assertEqual((answer.status, answer.text.rstrip("\n")), (status, text), target)
            self.assertEqual(answer.headers["Content-Type"], "text/plain; charset=utf-8")

    def test_no_database(self) -> None:
        """
        A node that stores nothing still tells the newest values.
        """
        stage = Stage(NoneDB())
        stage.fill(CPU, {NOW: [1.0, 2.0]})
        chart = stage.get("/api/v1/chart?chart=system.cpu").json()
        self.assertEqual((chart["first_entry"], chart["last_entry"]), (NOW, NOW))
        data = stage.get("/api/v1/data?chart=system.cpu&after=-2&options=jsonwrap").json()
        self.assertEqual((data["latest_values"], data["view_latest_values"]), ([1], [None]))
        self.assertEqual(stage.get("/api/v1/info").json()["memory-mode"], "none")


def _title() -> str:
    return "Disk I/O Bandwidth (disk.system)"
