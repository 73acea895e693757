"""
Alerts over HTTP.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.access import Access, Section
from netstream.config.settings import KeySettings
from netstream.model.identity import fingerprint
from netstream.model.updates import ChartForgotten
from netstream.web.alerts import BUILT_IN
from netstream.web.site import site
from tests.health.stage import LOAD
from tests.health.stage import Stage as Watching
from tests.web.stage import Response, settings
from tests.web.stage import Stage as Serving

TEXT = """
template: load_high
on: system.load
lookup: average -10s unaligned of load1
every: 5s
warn: $this > 3
crit: $this > 8
units: load
info: <b>load</b> of ${family}
to: sysadmin webmaster
delay: up 10s down 1m multiplier 1.5 max 1h
options: no-clear-notification

template: value
on: system.load
calc: $load5
every: 5s
"""


class Client(Serving):
    """
    Asks a node that watches.
    """

    def __init__(self, watching: Watching, **web: Any) -> None:
        self.clock: Clock = watching.clock
        self.site = site(watching.hub, settings(**web), watching.clock, watching.service)


class AlertsTests(SynchronousTestCase):
    """
    L{netstream.web.alerts.Alerts}.
    """

    def setUp(self) -> None:
        self.node = Watching(Path(self.mktemp()), TEXT)
        self.addCleanup(self.node.start().stopService)
        self.client = Client(self.node)
        self.node.values = [4.0, 2.0]
        self.node.advance(30)

    def get(self, target: str, **headers: str) -> Response:
        """
        Make one request.
        """
        return self.client.get(f"/api/v1/{target}", **headers)

    def test_versions(self) -> None:
        """
        One number changes when there are other alerts, another when one is
        raised.
        """

        def numbers() -> tuple[int, int]:
            versions = self.client.get("/api/v3/versions").json()["versions"]
            return versions["alerts_hard_hash"], versions["alerts_soft_hash"]

        hard, soft = numbers()
        self.assertEqual(numbers(), (hard, soft))
        self.node.values = [9.0, 2.0]
        self.node.advance(30)
        self.assertEqual(numbers()[0], hard)
        self.assertGreater(numbers()[1], soft)
        self.node.hub.local.apply(ChartForgotten("system.load"))
        self.node.advance(10)
        self.assertNotEqual(numbers()[0], hard)

    def test_keys(self) -> None:
        """
        API keys are told whole to whoever presents the token of the node, from
        where that is allowed; to anyone else by fingerprint.
        """
        key, off = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
        access = Access(KeySettings(False), (Section(key, "api", True), Section(off, "api", False)))
        self.client.site = site(self.node.hub, evolve(settings(), access=access), self.node.clock, self.node.service)
        marks = [{"fingerprint": fingerprint(key)}, {"fingerprint": fingerprint(off)}]
        self.assertEqual(self.client.get("/api/v3/keys").json(), {"keys": marks})
        token = self.node.service.token
        shown = self.client.get("/api/v3/keys", X_Auth_Token=token)
        self.assertEqual(shown.json(), {"keys": [{**marks[0], "key": key}, marks[1]]})
        self.assertIn("no-store", shown.headers["Cache-Control"])
        for headers, peer in (({"X_Auth_Token": "no"}, "127.0.0.1"), ({"X_Auth_Token": token}, "10.1.1.1")):
            refused = self.client.get("/api/v3/keys", peer, **headers)
            self.assertEqual(refused.status, 403)
            self.assertNotIn(key, refused.text)

    def test_of_many(self) -> None:
        """
        What many nodes have together is chosen by alerts as well, and says how
        they stand.
        """
        answer = self.client.get("/api/v3/data?alerts=load_*:WARNING").json()
        self.assertEqual(answer["totals"]["instances"]["sl"], 1)
        self.assertIn({"nm": "load_high", "cl": 0, "wr": 1, "cr": 0}, answer["summary"]["alerts"])
        self.assertEqual(answer["summary"]["nodes"][0]["al"]["wr"], 1)
        self.assertEqual(self.client.get("/api/v3/data?alerts=none").json()["totals"]["instances"]["sl"], 0)

    def test_nodes(self) -> None:
        """
        Whoever lists nodes sees how many alerts of each are raised, and that
        nothing watches a node without alerts.
        """
        own = self.client.get("/api/v3/nodes").json()["nodes"][0]["health"]
        self.assertEqual((own["status"], own["alerts"]["warning"]), ("online", 1))
        self.assertEqual(sum(own["alerts"].values()), 2)
        (instance,) = self.client.get("/api/v3/node_instances").json()["nodes"][0]["instances"]
        self.assertEqual(instance["health"], own)
        unwatched = Serving()
        unwatched.usual()
        nothing = unwatched.get("/api/v3/nodes").json()["nodes"][0]["health"]
        self.assertEqual((nothing["status"], set(nothing["alerts"].values())), ("disabled", {0}))

    def test_alarms(self) -> None:
        """
        Raised alerts are listed with all that clients of agents read; C{all} lists every one.
        """
        said = self.get("alarms").json()
        self.assertEqual((said["hostname"], said["status"], said["now"]), ("node1", True, self.node.now))
        self.assertEqual(said["latest_alarm_log_unique_id"], self.node.transitions()[-1].unique_id)
        self.assertEqual(list(said["alarms"]), ["system.load.load_high"])
        one = said["alarms"]["system.load.load_high"]
        expected = {
            "name": "load_high",
            "chart": "system.load",
            "family": "load",
            "class": "Unknown",
            "active": True,
            "disabled": False,
            "silenced": False,
            "exec": BUILT_IN,
            "recipient": "sysadmin webmaster",
            "units": "load",
            "info": "<b>load</b> of load",
            "status": "WARNING",
            "update_every": 5,
            "delay_up_duration": 10,
            "delay_multiplier": 1.5,
            "warn_repeat_every": "0",
            "last_repeat": "0",
            "no_clear_notification": True,
            "lookup_dimensions": "load1",
            "lookup_method": "average",
            "lookup_after": -10,
            "lookup_before": 0,
            "lookup_options": "unaligned",
            "warn": "$this &gt; 3",
            "warn_parsed": "(${this} &gt; 3)",
            "green": None,
            "value": 4.0,
            "value_string": "4 load",
        }
        self.assertEqual({name: one[name] for name in expected}, expected)
        self.assertEqual(one["db_before"] - one["db_after"], 9)
        for every in ("alarms?all", "alarms?all=true", "alarms%3Fall&format=json"):
            self.assertEqual(len(self.get(every).json()["alarms"]), 2)

    def test_values_and_count(self) -> None:
        """
        Values and numbers of alerts can be had without the rest.
        """
        said = self.get("alarms_values?all").json()["alarms"]
        self.assertEqual((said["system.load.value"]["value"], said["system.load.value"]["status"]), (2.0, "UNDEFINED"))
        self.assertEqual(list(self.get("alarms_values").json()["alarms"]), ["system.load.load_high"])
        for query, count in (("", 1), ("?status=WARNING", 1), ("?status=CLEAR", 0), ("?context=system.cpu", 0)):
            self.assertEqual(self.get("alarm_count" + query).json(), [count])
        self.assertEqual(self.get("info").json()["alarms"], {"normal": 0, "warning": 1, "critical": 0})
        charts = self.get("charts").json()
        self.assertEqual(charts["charts"]["system.load"]["alarms"]["load_high"]["status"], "WARNING")
        self.assertEqual(charts["alarms_count"], 2)

    def test_log(self) -> None:
        """
        The log has the newest first, and what came after a number.
        """
        said = self.get("alarm_log").json()
        self.assertEqual([each["status"] for each in said if each["name"] == "load_high"], ["WARNING", "CLEAR"])
        first = said[0]
        self.assertEqual((first["old_status"], first["units"], first["silenced"]), ("CLEAR", "load", "false"))
        self.assertRegex(first["value_string"], r"^[34](\.\d)? load$")
        self.assertEqual(self.get(f"alarm_log?after={first['unique_id']}").json(), [])
        self.assertEqual(self.get("alarm_log?chart=system.cpu").json(), [])
        self.assertEqual(len(self.get("alarm_log?chart=system.load").json()), len(said))

    def test_transitions(self) -> None:
        """
        What happened on all hosts is listed, the newest first, by host, time and facet, and one can read on.
        """
        child = self.node.child(postpone_alerts=0)
        self.node.define(LOAD, child)
        self.node.advance(10)
        said = self.client.get("/api/v2/alert_transitions").json()
        every = said["transitions"]
        self.assertEqual(self.client.get("/api/v3/alert_transitions").json(), said)
        self.assertEqual({each["hostname"] for each in every}, {"node1", "child1"})
        self.assertEqual([each["gi"] for each in every], sorted((each["gi"] for each in every), reverse=True))
        only = self.client.get("/host/child1/api/v2/alert_transitions").json()["transitions"]
        self.assertEqual({each["hostname"] for each in only}, {"child1"})

        def ask(query: str) -> Any:
            return self.client.get(f"/api/v2/alert_transitions?{query}").json()

        raised = ask("f_status=WARNING,CRITICAL&f_alert=load_high&f_node=node1")
        (found,) = raised["transitions"]
        self.assertEqual((found["new"]["status"], found["old"]["status"]), ("WARNING", "CLEAR"))
        self.assertEqual((found["instance"], found["notification"]["to"]), ("system.load", "sysadmin webmaster"))
        self.assertEqual(raised["items"]["matched"], 1)
        statuses = next(facet for facet in raised["facets"] if facet["id"] == "f_status")["options"]
        self.assertIn({"id": "CLEAR", "name": "CLEAR", "count": 1}, statuses)
        self.assertEqual(ask(f"transition={found['transition_id']}")["transitions"], [found])
        self.assertEqual(ask(f"last=1&anchor_gi={every[0]['gi']}")["transitions"], [every[1]])
        self.assertEqual(ask(f"after={found['when']}&before={found['when']}&f_node=node1")["transitions"][0], found)
        self.assertEqual(ask("after=-1")["transitions"], [])
        self.assertEqual(self.client.get("/api/v2/alert_transitions?last=x").status, 400)
        self.assertEqual(self.client.get("/host/nobody/api/v2/alert_transitions").status, 404)

    def test_standing(self) -> None:
        """
        How alerts stand is told of all nodes together, by name and by what
        they are about, and of one node alone.
        """
        child = self.node.child(postpone_alerts=0)
        self.node.define(LOAD, child)
        self.node.advance(10)
        said = self.client.get("/api/v3/alerts").json()
        self.assertEqual(self.client.get("/api/v2/alerts").json()["alerts"], said["alerts"])
        self.assertEqual([node["nm"] for node in said["nodes"]], ["node1", "child1"])
        self.assertNotIn("alert_instances", said)
        alerts = {each["nm"]: each for each in said["alerts"]}
        self.assertEqual(set(alerts), {"load_high", "value"})
        load = alerts["load_high"]
        self.assertEqual((load["in"], load["nd"], load["cfg"], load["ni"]), (2, 2, 1, [0, 1]))
        self.assertEqual((load["wr"], load["cr"]), (2, 0))
        self.assertEqual((load["ctx"], load["to"]), (["system.load"], ["sysadmin webmaster"]))
        by = {each["name"]: each for each in said["alerts_by_recipient"]}
        self.assertEqual({by[name]["wr"] for name in ("sysadmin", "webmaster")}, {2})
        self.assertEqual((by["sysadmin"]["running"], by["sysadmin"]["available"]), (2, 1))
        alone = self.client.get("/host/child1/api/v3/alerts").json()
        self.assertEqual([(each["nm"], each["in"]) for each in alone["alerts"]], [("load_high", 1), ("value", 1)])
        self.assertEqual([(node["ni"], node["nm"]) for node in alone["nodes"]], [(0, "child1")])
        self.assertEqual(Serving().get("/api/v3/alerts").json()["alerts"], [])
        for chosen in ("labels=_collect_plugin", "dimensions=load1", "labels=!site"):
            self.assertEqual(self.client.get(f"/api/v3/alerts?{chosen}").json()["alerts"], said["alerts"])
        for chosen in ("labels=no:such", "scope_labels=!_collect_plugin", "dimensions=none", "scope_dimensions=!*"):
            self.assertEqual(self.client.get(f"/api/v3/alerts?{chosen}").json()["alerts"], [])

    def test_standing_one_by_one(self) -> None:
        """
        Each alert of a chart is told with its last transition and its value,
        if someone asks.
        """

        def ask(query: str) -> Any:
            return self.client.get(f"/api/v3/alerts?{query}").json()

        both = ask("status=raised&options=instances,values")
        self.assertNotIn("alerts", both)
        (found,) = both["alert_instances"]
        self.assertEqual(
            (found["nm"], found["ch"], found["st"], found["v"]), ("load_high", "system.load", "WARNING", 4)
        )
        self.assertEqual((found["tp"], found["to"], found["units"]), ("Unknown", "sysadmin webmaster", "load"))
        (last,) = self.client.get("/api/v3/alert_transitions?f_status=WARNING").json()["transitions"]
        self.assertEqual(
            (found["gi"], found["tr_i"], found["tr_t"], found["cfg"]),
            (last["gi"], last["transition_id"], last["when"], last["config_hash_id"]),
        )
        self.assertEqual(ask(f"transition={found['tr_i']}&options=instances,values"), both)
        (value,) = ask("alert=val*&options=values")["alert_instances"]
        self.assertEqual((value["v"], "st" in value, "ati" in value), (2, False, False))
        for nothing in ("alert=no", "status=critical", "contexts=no", "instances=no", "nodes=no", "transition=no"):
            self.assertEqual(ask(f"{nothing}&options=summary,instances")["alert_instances"], [], nothing)
        self.assertEqual(len(ask("options=instances&cardinality_limit=1")["alert_instances"]), 1)
        (spelled,) = ask("alert=load_high&options=instances,summary,long-json-keys")["alert_instances"]
        self.assertEqual(
            (spelled["alert"], spelled["status"], spelled["alerts_array_index_id"]), ("load_high", "WARNING", 0)
        )
        refused = self.client.get("/api/v3/alerts?status=bad")
        self.assertEqual(refused.status, 400)
        self.assertIn("'bad' is none; there are uninitialized", refused.text)

    def test_past(self) -> None:
        """
        What is no longer in memory is listed too, page by page.
        """
        node = Watching(Path(self.mktemp()), TEXT, log_entries=10)
        self.addCleanup(node.start().stopService)
        client = Client(node)
        for number in range(30):
            node.values = [4.0 * (number % 2), 2.0]
            node.advance(15)
        self.assertEqual(len(node.transitions()), 10)
        every = client.get("/api/v1/alarm_log?last=1000").json()
        self.assertGreater(len(every), 25)
        self.assertEqual(len({each["unique_id"] for each in every}), len(every))
        middle = every[20]["unique_id"]
        self.assertEqual(client.get(f"/api/v1/alarm_log?last=3&anchor_gi={middle}").json(), every[21:24])
        self.assertEqual(client.get(f"/api/v1/alarm_log?last=1000&after={middle}").json(), every[:20])
        self.assertEqual(client.get("/api/v1/alarm_log?last=x").status, 400)
        found = client.get(f"/api/v3/alert_transitions?last=5&anchor_gi={middle}").json()
        self.assertEqual([each["gi"] for each in found["transitions"]], [each["unique_id"] for each in every[21:26]])
        self.assertEqual(found["items"]["matched"], len(every))
        listed = client.get("/api/v3/transitions?last=1000").json()["transitions"]
        self.assertEqual([each["unique_id"] for each in listed], [each["unique_id"] for each in every])

    def test_variables(self) -> None:
        """
        All that an expression can name is listed.
        """
        said = self.get("alarm_variables?chart=system.load").json()
        self.assertEqual(said["chart_variables"]["load1"], 4.0)
        self.assertEqual(said["chart_variables"]["load1_raw"], 40)
        self.assertIsNone(said["chart_variables"]["green"])
        self.assertEqual(said["host_variables"]["system.load.load_high"], 4.0)
        self.assertEqual(self.get("alarm_variables?chart=none").status, 404)
        self.assertEqual(self.get("alarm_variables").status, 400)

    def test_shell(self) -> None:
        """
        A script finds value and status of each alert, whatever charts it asks
        for.
        """
        said = self.client.get("/api/v1/allmetrics?filter=none").text
        self.assertTrue(said.startswith("\n# NETDATA ALARMS RUNNING\n"))
        self.assertIn('\nNETDATA_ALARM_SYSTEM_LOAD_LOAD_HIGH_VALUE="4"      # load\n', said)
        self.assertIn('\nNETDATA_ALARM_SYSTEM_LOAD_LOAD_HIGH_STATUS="WARNING"\n', said)
        self.node.values = [2.5, math.nan]
        self.node.advance(30)
        said = self.client.get("/api/v1/allmetrics?format=shell").text
        self.assertIn('LOAD_HIGH_VALUE="3"', said)
        self.assertIn('\nNETDATA_ALARM_SYSTEM_LOAD_VALUE_VALUE=""      # load\n', said)

    def test_explain(self) -> None:
        """
        It is said why an alert is raised, and who would be told or why nobody.
        """
        said = self.get("explain?alert=load_high").json()["alerts"]["system.load.load_high"]
        self.assertEqual(said["lookup"]["found"], 4.0)
        self.assertEqual(said["lookup"]["dimensions"], ["load1"])
        self.assertEqual(said["warn"]["filled_in"], "(4 > 3)")
        self.assertEqual(said["warn"]["result"], 1.0)
        self.assertEqual(said["would_tell"], ["role sysadmin", "role webmaster"])
        self.assertEqual((said["last_told"], said["not_told_because"]), ("WARNING", "that was told before"))
        self.assertEqual(list(self.get("explain").json()["alerts"]), ["system.load.load_high"])
        self.assertEqual(self.get("explain?alert=nothing").status, 404)

    def test_manage(self) -> None:
        """
        Alerts are silenced with the token, and by nobody without it or from elsewhere.
        """
        token = (self.node.directory / "management.key").read_text().strip()
        self.assertEqual((self.node.directory / "management.key").stat().st_mode & 0o077, 0)
        refused = self.get("manage/health?cmd=SILENCE%20ALL")
        self.assertEqual((refused.status, refused.text), (403, "Auth Error\n"))
        self.assertEqual(self.get("manage/health?cmd=SILENCE%20ALL", X_Auth_Token="x").status, 403)
        elsewhere = self.client.get("/api/v1/manage/health?cmd=LIST", peer="10.0.0.1", X_Auth_Token=token)
        self.assertEqual(elsewhere.status, 403)
        self.assertIn("allow management from = localhost 10.0.0.1", elsewhere.text)
        self.assertFalse(self.node.service.silencers.everything)
        done = self.get("manage/health?cmd=SILENCE+ALL", X_Auth_Token=token)
        self.assertEqual((done.status, done.text), (200, "All alarm notifications are silenced\n"))
        listed = self.get("manage/health?cmd=LIST", Authorization=f"Bearer {token}").json()
        self.assertEqual(listed, {"all": True, "type": "SILENCE", "silencers": []})
        self.assertTrue(self.get("alarms").json()["alarms"]["system.load.load_high"]["silenced"])

    def test_child(self) -> None:
        """
        Alerts of a child are found under its name.
        """
        child = self.node.child(postpone_alerts=0)
        self.node.define(LOAD, child)
        self.node.advance(10)
        said = self.client.get("/host/child1/api/v1/alarms").json()
        self.assertEqual((said["hostname"], len(said["alarms"])), ("child1", 1))
