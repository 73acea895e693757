"""
Tests for files that change while a node runs.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol

from netstream.config import ConfigError
from netstream.config.node_options import NODE_OPTIONS
from netstream.config.reload import AT_START
from netstream.config.stream_options import STREAM_OPTIONS
from netstream.control.lines import CannotDo, Request
from netstream.model.identity import fingerprint
from netstream.testing import KEY, WorldNode
from tests.streaming.case import GUID, WorldCase

CHECKOUT = Path(__file__).resolve().parents[2]
OTHER = "11111111-2222-4333-8444-555555555555"


def accepting(*keys: str, more: str = "") -> str:
    return "".join(f"[{key}]\n    type = api\n    enabled = yes\n{more}" for key in keys)


def sending(*names: str, key: str = KEY, more: str = "") -> str:
    return f"[stream]\n    enabled = yes\n    destination = {' '.join(names)}\n    api key = {key}\n{more}"


class ReloadTests(WorldCase):
    """
    C{netstream ctl reload}.
    """

    def conf(self, node: WorldNode, more: str) -> None:
        node.write("netstream.conf", f"[db]\n    mode = ram\n[web]\n    bind to = *:{node.port}\n{more}")

    def gaps(self, node: WorldNode, name: str, after: int, before: int) -> list[int]:
        """
        @return: Seconds of which a node has no sample of another.
        """
        found = node.read(name, "test.clock", "second", after - 1, before)
        return [second for second in range(after, before) if found.get(second) != second]

    def test_nothing(self) -> None:
        """
        Files that are as they were change nothing, and cut nobody off.
        """
        parent = self.world.node("parent", "parent")
        child = self.world.node("child", "child", destination="parent")
        self.world.advance(5)
        link = self.host(parent, child.hub.local.info.guid).link
        self.assertEqual(tuple(parent.reload().changed), ())
        parent.write("stream.conf", "# the same by other words\n" + accepting(KEY.upper()).replace("yes", "on"))
        said = parent.reload()
        self.assertEqual((said.changed, said.went), ((), ()))
        self.world.advance(5)
        self.assertIs(self.host(parent, child.hub.local.info.guid).link, link)

    def test_keys(self) -> None:
        """
        A key that is added opens the door, one that is taken away cuts off who
        came with it and nobody else; keys are told by the first digits of
        their SHA-256 alone.
        """
        parent = self.world.node("parent", "parent")
        stays, goes = self.child(parent), self.child(parent, key=OTHER, machine_guid=OTHER.replace("1", "7"))
        self.assertTrue(stays.received.startswith(b"Hit me baby"), stays.received)
        self.assertTrue(goes.closed)
        parent.write("stream.conf", accepting(KEY, OTHER))
        said = parent.reload()
        mark = fingerprint(OTHER)
        self.assertEqual(
            said.changed,
            (
                f"stream.conf:6: [key {mark}] enabled: not given -> yes",
                f"stream.conf:5: [key {mark}] type: not given -> api",
            ),
        )
        self.assertNotIn(OTHER, repr(said) + "\n".join(self.logged))
        goes = self.child(parent, key=OTHER, machine_guid=OTHER.replace("1", "7"), hostname="second")
        self.assertFalse(goes.closed)
        parent.write("stream.conf", accepting(KEY))
        (went,) = parent.reload().went
        self.assertIn("second", went)
        self.assertIn(f"API key {mark} is not known", went)
        self.world.advance(1)
        self.assertTrue(goes.closed)
        self.assertFalse(stays.closed)
        self.assertEqual(self.host(parent, OTHER.replace("1", "7")).left, "stream.conf does not admit it any more")
        self.assertNotIn(OTHER, repr(went) + "\n".join(self.logged))

    def test_wrong(self) -> None:
        """
        Files in which anything is wrong change nothing at all, and the answer
        says file, line, section, option and what would be right.
        """
        parent = self.world.node("parent", "parent")
        child = self.child(parent)
        parent.write("stream.conf", accepting(OTHER) + "[stream]\n    timeout = soon\n")
        problem = self.assertRaises(ConfigError, parent.reload)
        self.assertEqual(
            str(problem),
            "stream.conf:5: [stream] timeout: 'soon' is not a duration such as '90s', '5m' or '1h'",
        )
        running = parent.service.control.run(Request("reload", {}))
        refused = self.failureResultOf(running, CannotDo)
        self.assertIn(f"the settings stay as they were: {problem}", refused.getErrorMessage())
        self.world.advance(1)
        self.assertFalse(child.closed)
        self.assertTrue(parent.service.settings.admit(KEY, GUID, "192.0.2.1", 0.0).enabled)
        (parent.service.settings.config_dir / "stream.conf").unlink()
        problem = self.assertRaises(ConfigError, parent.reload)
        self.assertIn("is gone", str(problem))
        self.assertFalse(child.closed)

    def test_restart(self) -> None:
        """
        What cannot change while a node runs is named, stays as it was, and is
        named again until the node is restarted; the rest changes.
        """
        node = self.world.node("node")
        self.conf(
            node, "[global]\n    hostname = other\n[db]\n    update every = 5\n    cleanup orphan hosts after = 2h\n"
        )
        node.write("stream.conf", f"[{OTHER}]\n    type = api\n    enabled = yes\n    db = dbengine\n")
        for count in (1, 0):
            said = node.reload()
            self.assertEqual(
                [line.partition(": [")[2] for line in said.restart],
                [
                    "db] update every: 1s (default) -> 5",
                    "global] hostname: not given -> other",
                    f"key {fingerprint(OTHER)}] db: not given -> dbengine",
                ],
            )
            self.assertEqual(sum("cleanup orphan hosts after: 1h (default) -> 2h" in c for c in said.changed), count)
        settings = node.service.settings
        self.assertEqual((settings.db.update_every, settings.db.cleanup_hosts), (1, 7200))
        self.assertEqual(self.child(node, key=OTHER).closed, False)

    def test_destination(self) -> None:
        """
        A sender moves to another parent without a gap, and one whose parent is
        still among its destinations stays.
        """
        one, two = self.world.node("one", "parent"), self.world.node("two", "parent")
        child = self.world.node("child", "child", stream=sending("one"))
        guid = child.hub.local.info.guid
        self.world.advance(40)
        link = self.host(one, guid).link
        child.write("stream.conf", sending("one", "two", more="    reconnect delay = 7s\n"))
        said = child.reload()
        self.assertEqual(
            [line.partition("] ")[2] for line in said.changed],
            ["destination: one -> one two", "reconnect delay: 15s (default) -> 7s"],
        )
        self.world.advance(5)
        self.assertIs(self.host(one, guid).link, link)
        child.write("stream.conf", sending("two"))
        begin = self.world.now
        child.reload()
        self.world.advance(10)
        self.assertIsNone(self.host(one, guid).link)
        self.assertEqual(self.gaps(two, "child", begin - 20, self.world.now - 2), [])
        child.write("stream.conf", "[stream]\n    enabled = no\n")
        child.reload()
        self.world.advance(3)
        self.assertIsNone(self.host(two, guid).link)
        self.assertEqual(dict(child.service.uplinks), {})
        child.write("stream.conf", sending("one", key=OTHER))
        child.reload()
        self.world.advance(5)
        self.assertIsNone(self.host(one, guid).link)
        child.write("stream.conf", sending("one"))
        child.reload()
        # It is under a pause that the refusal asked for, which another key ends.
        self.world.advance(3)
        self.assertIsNotNone(self.host(one, guid).link)
        self.assertEqual(self.gaps(one, "child", begin - 20, self.world.now - 2), [])

    def test_connecting(self) -> None:
        """
        A sender that still waits for a parent that never answers tries the new
        one at once.
        """
        one, two = self.world.node("one", "parent"), self.world.node("two", "parent")
        child = self.world.node("child", "child", stream=sending("one"))
        guid = child.hub.local.info.guid
        self.world.cut(child, one)
        one.crash(silent=True)
        self.world.advance(30)
        child.write("stream.conf", sending("two"))
        child.reload()
        self.world.advance(3)
        self.assertIsNotNone(self.host(two, guid).link)

    def test_proxied(self) -> None:
        """
        A proxy that is told of another parent moves all that it sends on.
        """
        one, two = self.world.node("one", "parent"), self.world.node("two", "parent")
        own = accepting(KEY)
        proxy = self.world.node("proxy", "proxy", stream=sending("one"))
        child = self.world.node("child", "child", destination="proxy")
        self.world.advance(10)
        begin = self.world.now
        proxy.write("stream.conf", own + sending("two"))
        proxy.reload()
        self.world.advance(10)
        for node in (proxy, child):
            self.assertIsNone(self.host(one, node.hub.local.info.guid).link)
            self.assertEqual(self.gaps(two, node.name, begin - 5, self.world.now - 2), [])
        self.assertIsNotNone(self.host(proxy, child.hub.local.info.guid).link)

    def test_web(self) -> None:
        """
        Access lists hold from the next request on.
        """
        node = self.world.node("node")
        self.assertEqual(node.get("/api/v1/info")["uid"], node.hub.local.info.guid)
        self.conf(node, "    allow dashboard from = 203.0.113.*\n")
        node.reload()
        self.assertIn("does not show itself", node.get("/api/v1/info"))
        self.conf(node, "    allow connections from = 203.0.113.*\n")
        node.reload()
        endpoint = TCP4ClientEndpoint(self.world.visitor, node.machine.address, node.port)
        connecting = endpoint.connect(Factory.forProtocol(Protocol))
        self.world.advance(1)
        self.failureResultOf(connecting)
        self.assertIn("[web] allow connections from does not admit it", "\n".join(self.logged))
        self.conf(node, "    allow streaming from = 203.0.113.*\n[host labels]\n    place = here\n")
        said = node.reload()
        self.assertIn("[host labels] place: not given -> here", said.changed[-1])
        self.assertEqual(node.hub.local.labels["place"].value, "here")

    def test_streaming_from(self) -> None:
        """
        Who may not stream from its address any more is cut off.
        """
        parent = self.world.node("parent", "parent")
        child = self.child(parent)
        self.conf(parent, "    allow streaming from = 203.0.113.*\n")
        (went,) = parent.reload().went
        self.assertIn("[web] allow streaming from does not admit", went)
        self.world.advance(1)
        self.assertTrue(child.closed)

    def test_database(self) -> None:
        """
        A child whose section names another database connects anew, and its
        retention changes while it stays.
        """
        parent = self.world.node("parent", "parent")
        child = self.child(parent)
        parent.write("stream.conf", accepting(KEY, more="    retention = 10\n"))
        self.assertEqual(parent.reload().went, ())
        for second in range(30):
            child.sample(self.world.now - 30 + second) if second else child.say(
                b"CHART a.b '' '' '' '' a.b\nDIMENSION c\n"
            )
        self.world.advance(1)
        self.assertFalse(child.closed)
        parent.write("stream.conf", accepting(KEY, more="    update every = 5\n    db = none\n"))
        said = parent.reload()
        self.assertEqual(said.went, ())
        self.assertIn("db: not given -> none", said.restart[0])

    def test_health(self) -> None:
        """
        The definitions of alerts are read again too.
        """
        node = self.world.node("node", health="template: a\non: test.clock\ncalc: 1\nevery: 1s\nwarn: $this > 0\n")
        self.world.advance(3)
        node.write("health.d/world.conf", "")
        self.conf(node, "[health]\n    enable stock health configuration = no\n")
        said = node.reload()
        self.assertEqual(said.definitions, 0)

    def test_exporting(self) -> None:
        """
        Targets change, and passwords are not told.
        """
        node = self.world.node("node", exporting="")
        text = "[exporting:global]\n    enabled = yes\n[graphite:http:x]\n    enabled = yes\n    destination = peer\n"
        node.write("exporting.conf", text + "    username = me\n    password = secret\n")
        said = node.reload()
        self.assertIn("exporting.conf:7: [graphite:http:x] password: not given -> (hidden)", said.changed)
        self.assertNotIn("secret", repr(said) + "\n".join(self.logged))
        self.assertEqual(len(node.service.settings.exporting), 1)
        node.write("exporting.conf", "")
        node.reload()
        self.assertEqual(node.service.settings.exporting, ())

    def test_names(self) -> None:
        """
        Each option that waits for a restart is one that there is, and
        documented as such.
        """
        known = {(option.section, option.name) for option in (*NODE_OPTIONS, *STREAM_OPTIONS) if option.effective}
        self.assertEqual(AT_START - known, frozenset())
        page = (CHECKOUT / "docs" / "configuration.md").read_text()
        rows = dict(
            re.findall(r"^\| `\[([\w ]+)\]` \| (.*) \|$", page.split("## Changes while")[1].split("\n## ")[0], re.M)
        )
        told = {(section, name) for section, names in rows.items() for name in re.findall("`([^`]+)`", names)}
        self.assertEqual(told, AT_START)
