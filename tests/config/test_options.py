"""
The tables of options, and every option through L{load}.
"""

import re
from pathlib import Path
from typing import Any

from attrs import fields_dict
from twisted.trial.unittest import SynchronousTestCase

from netstream.config import ConfigError, load
from netstream.config.cgroups import CgroupSettings
from netstream.config.feeds import FeedSettings, ScrapeTarget, Socket, StatsdSettings, WriteSettings
from netstream.config.node_options import ALLOW, FREE_SECTIONS, LATER_SECTIONS, NODE_OPTIONS
from netstream.config.options import KEY, Option
from netstream.config.places import STOCK
from netstream.config.settings import (
    DBSettings,
    Destination,
    HealthSettings,
    KeySettings,
    Mode,
    NodeSettings,
    Refused,
    Settings,
    SocksProxy,
    StreamSettings,
    WebSettings,
)
from netstream.config.stream_options import KEY_OPTIONS, STREAM_OPTIONS
from netstream.model.networks import Networks
from netstream.model.pattern import pattern

NOW = 1_800_000_000.0
UUID = "11111111-2222-4333-8444-555555555555"
GUID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
ALL = (*NODE_OPTIONS, *STREAM_OPTIONS, *KEY_OPTIONS)
WRITES = "[remote write]\nenabled = yes\n"
CLASSES = {
    "global": NodeSettings,
    "db": DBSettings,
    "web": WebSettings,
    "health": HealthSettings,
    "statsd": StatsdSettings,
    "plugin:cgroups": CgroupSettings,
    "remote write": WriteSettings,
    "stream": StreamSettings,
    KEY: KeySettings,
}

# What each option that is one attribute may say, and what that is.
NODE_VALUES: list[tuple[str, str, str, Any]] = [
    ("global", "hostname", "box", "box"),
    ("global", "timezone", "Europe/Athens", "Europe/Athens"),
    ("global", "is ephemeral node", "yes", True),
    ("global", "has unstable connection", "on", True),
    ("global", "workers", "3", 3),
    ("db", "db", "none", Mode.NONE),
    ("db", "db", "dbengine", Mode.DBENGINE),
    ("db", "db", "save", Mode.RAM),
    ("db", "db", "map", Mode.RAM),
    ("db", "db", "alloc", Mode.RAM),
    ("db", "update every", "5", 5),
    ("db", "update every", "5s", 5),
    ("db", "storage tiers", "0x2", 2),
    ("db", "precision", "float32", "float32"),
    ("db", "cleanup obsolete charts after", "2h", 7200),
    ("db", "cleanup orphan hosts after", "90", 90),
    ("db", "cleanup ephemeral hosts after", "2h", 7200),
    ("db", "gap when lost iterations above", "4", 4),
    ("web", "allowed host names", "a.example *.b", pattern("a.example *.b")),
    ("web", "allowed origins", "https://a.example", pattern("https://a.example")),
    ("web", "access token for", "dashboard|badges", frozenset({"dashboard", "badges"})),
    ("web", "access token for", "none", frozenset()),
    ("web", "trusted proxies", "127.0.0.1 10.0.0.0/8", Networks.parse("127.0.0.1 10.0.0.0/8")),
    ("web", "accept a streaming request every", "2s", 2),
    ("web", "accept a streaming request every", "off", 0),
    ("web", "disconnect idle clients after", "30", 30),
    ("web", "timeout for first request", "2m", 120),
    ("web", "web server max sockets", "200", 200),
    ("web", "enable gzip compression", "no", False),
    ("health", "enabled", "no", False),
    ("health", "default repeat warning", "1h", 3600),
    ("health", "default repeat critical", "10m", 600),
    ("health", "in memory max health log entries", "50", 50),
    ("health", "health log retention", "10d", 864000),
    ("health", "script to execute on alarm", "/usr/local/bin/tell", "/usr/local/bin/tell"),
    ("health", "notification execution timeout", "10s", 10),
    ("health", "enabled alarms", "!disk* *", pattern("!disk* *")),
    ("health", "enable stock health configuration", "no", False),
    ("health", "postpone alarms during hibernation for", "2m", 120),
    ("health", "use summary for notifications", "no", False),
    ("health", "silencers file", "/tmp/silent.json", "/tmp/silent.json"),
    ("health", "notification ownership", "nearest", "nearest"),
    ("statsd", "create private charts for metrics matching", "!a.* *", pattern("!a.* *")),
    ("statsd", "max private charts hard limit", "50", 50),
    ("statsd", "set charts as obsolete after", "1h", 3600),
    ("statsd", "private charts hidden", "yes", True),
    ("statsd", "decimal detail", "10", 1),
    ("statsd", "histograms and timers percentile (percentThreshold)", "99.9", 99.9),
    ("statsd", "dictionaries max unique dimensions", "5", 5),
    ("statsd", "add dimension for number of events received", "yes", True),
    ("statsd", "disconnect idle tcp clients after", "30", 30),
    ("statsd", "statsd server max TCP sockets", "7", 7),
    ("plugin:cgroups", "check for new cgroups every", "1m", 60),
    ("plugin:cgroups", "use unified cgroups", "no", "no"),
    ("plugin:cgroups", "path to unified cgroups", "/groups", "/groups"),
    ("plugin:cgroups", "max cgroups to allow", "50", 50),
    ("plugin:cgroups", "max cgroups depth to monitor", "4", 4),
    ("plugin:cgroups", "enable by default cgroups matching", "!/user* *", pattern("!/user* *")),
    ("plugin:cgroups", "enable by default cgroups names matching", "web*", pattern("web*")),
    ("plugin:cgroups", "search for cgroups in subpaths matching", "/docker", pattern("/docker")),
    ("plugin:cgroups", "run script to rename cgroups matching", "!*", pattern("!*")),
    ("plugin:cgroups", "enable systemd services", "no", False),
    ("plugin:cgroups", "cgroups to match as systemd services", "/a/*.service", pattern("/a/*.service")),
    ("remote write", "max series", "7", 7),
    ("remote write", "metrics matching", "a*", pattern("a*")),
    ("remote write", "labels matching", "!b *", pattern("!b *")),
]
STREAM_VALUES: list[tuple[str, str, Any]] = [
    ("api key", UUID, UUID),
    ("timeout", "5m", 300.0),
    ("timeout", "90", 90.0),
    ("proxy", "socks5://me:x%40y@a:1", SocksProxy("a", 1, "me", "x@y")),
    ("proxy", "socks5h://[::1]", SocksProxy("::1", 1080)),
    ("send charts matching", "!disk* *", pattern("!disk* *")),
    ("buffer size", "1MiB", 1 << 20),
    ("buffer size", "2048", 2048),
    ("spool", "disk", "disk"),
    ("spool", "no", "no"),
    ("spool size", "64MiB", 64 << 20),
    ("reconnect delay", "20", 20.0),
    ("initial clock resync iterations", "10", 10),
    ("enable compression", "no", False),
    ("brotli compression level", "0", 0),
    ("zstd compression level", "22", 22),
    ("lz4 compression acceleration", "9", 9),
    ("gzip compression level", "6", 6),
]
KEY_VALUES: list[tuple[str, str, Any]] = [
    ("db", "ram", Mode.RAM),
    ("retention", "600", 600),
    ("retention", "1h", 3600),
    ("health enabled", "yes", "yes"),
    ("postpone alerts on connect", "5m", 300),
    ("health log retention", "2d", 172800),
    ("proxy enabled", "yes", True),
    ("proxy api key", GUID, GUID),
    ("proxy send charts matching", "a*", pattern("a*")),
    ("enable compression", "no", False),
    ("compression algorithms order", "lz4  gzip lz4", ("lz4", "gzip")),
    ("enable replication", "no", False),
    ("replication period", "2d", 172800),
    ("replication step", "10m", 600),
    ("replicate tiers", "no", False),
]
# Texts of the right kind, for options that have no effect yet.
SAMPLES = {
    "boolean": "yes",
    "yes, no or auto": "auto",
    "duration": "7m",
    "size": "2MiB",
    "number": "2",
    "decimal number": "0.5",
    "pattern": "a* !b",
}


class ConfigCase(SynchronousTestCase):
    """
    Loads configurations that a test writes.
    """

    def configuration(self, node: str | None = None, stream: str | None = None) -> tuple[Path, Path]:
        """
        @return: A configuration directory with these files, and a data
            directory.
        """
        top = Path(self.mktemp())
        config = top / "etc"
        config.mkdir(parents=True)
        for name, text in (("netstream.conf", node), ("stream.conf", stream)):
            if text is not None:
                (config / name).write_text(text)
                (config / name).chmod(0o600)
        return config, top / "data"

    def load(
        self, node: str | None = None, stream: str | None = None, role: str = "standalone", **rest: Any
    ) -> Settings:
        """
        Load what these files say.
        """
        return load(role, *self.configuration(node, stream), **rest)

    def wrong(self, node: str | None = None, stream: str | None = None, role: str = "standalone", **rest: Any) -> str:
        """
        @return: Why a configuration is refused.
        """
        config, data = self.configuration(node, stream)
        return str(self.assertRaises(ConfigError, load, role, config, data, **rest))


class TableTests(SynchronousTestCase):
    """
    The tables are sound.
    """

    def test_each_spelling_is_one_option(self) -> None:
        """
        No name means two options.
        """
        spellings = [spelling for option in ALL for spelling in option.spellings()]
        self.assertEqual(len(spellings), len(set(spellings)))

    def test_fields(self) -> None:
        """
        Each option that is one attribute names one that exists.
        """
        for option in ALL:
            if option.field:
                group, _, name = option.field.rpartition(".")
                self.assertIn(name, fields_dict(StreamSettings if group else CLASSES[option.section]), option)

    def test_defaults(self) -> None:
        """
        Each default is a text that the option itself would take.
        """
        for option in ALL:
            if option.default:
                option.kind.read(option.default)
                self.assertEqual(option.kind.doubt(option.default), "", option)

    def test_every_effective_option_is_tried(self) -> None:
        """
        The tables of this page know each option that is one attribute.
        """
        tried = {(section, name) for section, name, *_ in NODE_VALUES}
        tried |= {("stream", name) for name, *_ in STREAM_VALUES} | {(KEY, name) for name, *_ in KEY_VALUES}
        expected = {(option.section, option.name) for option in ALL if option.field}
        self.assertEqual(expected - tried, {("stream", "enabled"), (KEY, "update every"), (KEY, "owner")})


class EffectTests(ConfigCase):
    """
    Each option, by each of its names, has its effect or says that it has none.
    """

    def test_defaults(self) -> None:
        """
        Without a file everything is as the classes say.
        """
        settings = self.load("", "", hostname="box")
        self.assertEqual(settings.node, NodeSettings("box"))
        self.assertEqual(settings.db, DBSettings())
        self.assertEqual(settings.stream, StreamSettings())
        self.assertEqual(settings.cgroups, CgroupSettings())
        self.assertEqual(settings.web, WebSettings(settings.web.listeners, settings.web.allow))
        self.assertEqual(settings.warnings, ())
        self.assertEqual(set(settings.web.allow), set(ALLOW) - {"dashboard"})

    def test_node_options(self) -> None:
        """
        Options of C{netstream.conf} arrive in their class.
        """
        table = {(option.section, option.name): option for option in NODE_OPTIONS}
        for section, name, text, value in NODE_VALUES:
            option = table[section, name]
            for old_section, old_name in option.spellings():
                settings = self.load(f"[{old_section}]\n{old_name} = {text}\n[plugins]\nstatsd = yes\n" + WRITES)
                part: Any = {
                    "global": settings.node,
                    "db": settings.db,
                    "web": settings.web,
                    "health": settings.health,
                    "statsd": settings.feeds.statsd,
                    "plugin:cgroups": settings.cgroups,
                    "remote write": settings.feeds.writes,
                }[section]
                self.assertEqual(getattr(part, option.field), value, (old_section, old_name, text))
                self.assertEqual(len(settings.warnings), 0 if option.effective else 1, settings.warnings)

    def test_hierarchies(self) -> None:
        """
        A hierarchy of control groups is read where the file says.
        """
        settings = self.load("[plugin:cgroups]\npath to /sys/fs/cgroup/memory = /groups/memory\n")
        self.assertEqual(settings.cgroups.paths, {"memory": "/groups/memory"})

    def test_stream_options(self) -> None:
        """
        Options of C{[stream]} arrive in their class.
        """
        table = {option.name: option for option in STREAM_OPTIONS}
        for name, text, value in STREAM_VALUES:
            option = table[name]
            for section, old_name in option.spellings():
                settings = self.load(stream=f"[{section}]\n{old_name} = {text}\n")
                self.assertEqual(getattr(settings.stream, option.field), value, (old_name, text))
                self.assertEqual(len(settings.warnings), 0 if option.effective else 1, settings.warnings)

    def test_key_options(self) -> None:
        """
        Options of a key hold for the hosts that present it, in a GUID's
        section for that host alone.
        """
        table = {option.name: option for option in KEY_OPTIONS}
        key = f"[{UUID}]\ntype = api\nenabled = yes\n"
        for name, text, value in KEY_VALUES:
            option = table[name]
            for _, old_name in option.spellings():
                line = f"{old_name} = {text}\n"
                for stream in (key + line, key + f"[{GUID}]\ntype = machine\n" + line):
                    settings = self.load(stream=stream).admit(UUID, GUID, "10.0.0.1", NOW)
                    group, _, attribute = (option.field or option.name).rpartition(".")
                    part = getattr(settings, group) if group else settings
                    self.assertEqual(getattr(part, attribute), value, (old_name, text))

    def test_owner(self) -> None:
        """
        Whose a host is, its section says before anybody comes; only keys of
        that owner bring it.
        """
        key = f"[{UUID}]\ntype = api\nenabled = yes\n"
        machine = f"[{GUID}]\ntype = machine\nowner = web team\n"
        self.assertEqual(self.load(stream=key + "owner = web team\n").admit(UUID, GUID, "unix", NOW).owner, "web team")
        both = self.load(stream=key + "owner = web team\n" + machine)
        self.assertEqual(both.admit(UUID, GUID, "unix", NOW).owner, "web team")
        for other, said in (("", "is of no owner"), ("owner = x\n", "is of 'owner = x'")):
            with self.assertRaisesRegex(Refused, said):
                self.load(stream=key + other + machine).admit(UUID, GUID, "unix", NOW)

    def test_update_every(self) -> None:
        """
        The period of a host is set in its own section only.
        """
        key = f"[{UUID}]\ntype = api\nenabled = yes\n"
        machine = self.load(stream=key + f"[{GUID}]\nupdate every = 5\n")
        self.assertEqual(machine.admit(UUID, GUID, "unix", NOW).update_every, 5)
        both = self.load(stream=key + "update every = 5\n")
        self.assertEqual(both.admit(UUID, GUID, "unix", NOW).update_every, 0)
        self.assertIn("stream.conf:4: [key ", both.warnings[0])
        self.assertIn("only in the section of a machine GUID", both.warnings[0])

    def test_composed_options(self) -> None:
        """
        Options that are more than one attribute have their effect as well.
        """
        for port in ("default port",):
            settings = self.load(stream=f"[stream]\n{port} = 1234\ndestination = a b:1\n")
            self.assertEqual(settings.stream.destinations[0], Destination("a", "tcp", "a", 1234))
            self.assertEqual(settings.stream.destinations[1], Destination("b:1", "tcp", "b", 1))
        for section, name in (("web", "bind to"), ("global", "bind to"), ("global", "bind socket to IP")):
            settings = self.load(f"[{section}]\n{name} = 127.0.0.1 [::1]:5\n")
            self.assertEqual([(w.host, w.port) for w in settings.web.listeners], [("127.0.0.1", 19999), ("::1", 5)])
        for section, name in (("web", "default port"), ("global", "default port"), ("global", "port")):
            self.assertEqual(self.load(f"[{section}]\n{name} = 5\n").web.listeners[0].port, 5)
        self.assertEqual(self.load("[web]\nmode = none\n").web.listeners, ())
        for what in ALLOW:
            settings = self.load(f"[web]\nallow {what} from = 10.*\n")
            self.assertEqual(settings.web.allow[what], pattern("10.*"))
        for section, name in (("db", "retention"), ("global", "history")):
            self.assertEqual(self.load(f"[{section}]\n{name} = 600\n[db]\nupdate every = 2\n").db.retention, 1200)
        self.assertEqual(self.load("[db]\nretention = 1h\nupdate every = 2\n").db.retention, 3600)

    def test_statsd(self) -> None:
        """
        statsd listens where it shall, if it is wanted at all.
        """
        self.assertEqual(self.load("[statsd]\ndecimal detail = 10\n").feeds, FeedSettings())
        self.assertEqual(self.load(WRITES).feeds.writes, WriteSettings())
        self.assertIsNone(self.load("[statsd]\nenabled = yes\n[plugins]\nstatsd = no\n").feeds.statsd)
        self.assertEqual(
            self.load("[statsd]\nenabled = yes\n").feeds.statsd,
            StatsdSettings(
                (Socket("udp:localhost", "udp", "127.0.0.1", 8125), Socket("tcp:localhost", "tcp", "127.0.0.1", 8125))
            ),
        )
        found = self.load(
            "[db]\nupdate every = 2\n[statsd]\nenabled = yes\ndefault port = 5\nlisten backlog = 9\n"
            "bind to = * tcp:[::1]:7 unix:/run/a unixgram:/run/b\nupdate every (flushInterval) = 10\n"
            "gaps on gauges (deleteGauges) = yes\ngaps on sets (deleteSets) = yes\n"
        ).feeds.statsd
        assert found is not None
        self.assertEqual(
            [(each.protocol, each.host, each.port) for each in found.sockets],
            [("udp", "", 5), ("tcp", "::1", 7), ("unix", "/run/a", 0), ("unixgram", "/run/b", 0)],
        )
        self.assertEqual((found.backlog, found.update_every, found.gaps), (9, 10, {"gauges", "sets"}))
        slow = self.load("[db]\nupdate every = 5\n[statsd]\nenabled = yes\nupdate every (flushInterval) = 1\n")
        assert slow.feeds.statsd is not None
        self.assertEqual(slow.feeds.statsd.update_every, 5)
        for name, value, reason in (
            ("bind to", "unix:", "names no socket"),
            ("bind to", "udp:a:b:c", "is not of the form"),
            ("bind to", "10.0.0.1%eth0", "interface"),
            ("decimal detail", "999", "no power of ten"),
            ("histograms and timers percentile (percentThreshold)", "100", "is not between 0 and 100"),
        ):
            message = self.wrong(f"[statsd]\nenabled = yes\n{name} = {value}\n")
            self.assertIn(f"netstream.conf:3: [statsd] {name}: ", message)
            self.assertIn(reason, message)

    def test_scrape_targets(self) -> None:
        """
        Each section of an exporter is one that is scraped.
        """
        settings = self.load(
            "[db]\nupdate every = 2\n[prometheus:a]\nurl = http://a:1/metrics\n"
            "[prometheus:b]\nurl = https://b/m?x=1\nupdate every = 1\ntimeout = 2s\nmetrics matching = x*\n"
            "labels matching = !y *\nlabel code matching = 2*\nadd label site = the cellar\nmax series = 7\n"
            "username = me\npassword = it\ntoken = t\nCAfile = ca.pem\ncolour = red\n",
        )
        a, b = settings.feeds.targets
        self.assertEqual(a, ScrapeTarget("a", "http://a:1/metrics"))
        self.assertEqual(
            b,
            ScrapeTarget(
                "b", "https://b/m?x=1", 2, 2.0, pattern("x*"), pattern("!y *"), {"code": pattern("2*")},
                {"site": "the cellar"}, 7, "me", "it", "t", settings.config_dir / "ca.pem",
            ),
        )  # fmt: skip
        self.assertEqual(len(settings.warnings), 1, settings.warnings)
        self.assertIn("netstream.conf:18: [prometheus:b] colour: not known, ignored", settings.warnings[0])
        plain = self.load("[prometheus:a]\nurl = http://a/\ntoken = secret\n").warnings
        self.assertTrue(any("plain text" in warning for warning in plain), plain)
        self.assertNotIn("secret", "".join(plain))
        for text, reason in (
            ("update every = 1s", "the section has no 'url = http://HOST:PORT/metrics'"),
            ("url = ftp://a/", "is not of the form"),
            ("url = http://me:it@a/", "write the options"),
            ("url = http://a/ b", "blank"),
            ("url = http://a/\nupdate every = soon", "duration"),
        ):
            message = self.wrong(f"[prometheus:a]\n{text}\n")
            self.assertIn(reason, message)
            self.assertNotIn("me:it", message)

    def test_tiers(self) -> None:
        """
        Every tier has its own limits, by all names they ever had; C{off} is
        none.
        """
        table = [
            option
            for option in NODE_OPTIONS
            if "tier" in option.name and "retention" in option.name and option.effective
        ]
        self.assertEqual(len(table), 6)
        for option in table:
            tier = int(re.findall(r"\d", option.name)[0])
            for section, name in option.spellings():
                settings = self.load(f"[db]\nstorage tiers = 3\n[{section}]\n{name} = 7\n")
                self.assertEqual(settings.warnings, ())
                if "size" in option.name:
                    self.assertEqual(settings.db.tier_size[tier], 7 << 20, name)
                else:
                    self.assertEqual(settings.db.tier_retention[tier], 7 * 86400, name)
                self.assertEqual((len(settings.db.tier_size), len(settings.db.tier_retention)), (3, 3))
            settings = self.load(f"[db]\n{option.name} = off\n")
            self.assertIn(0, (*settings.db.tier_size, *settings.db.tier_retention))

    def test_number_of_tiers(self) -> None:
        """
        The four and five tiers that an agent may have are three here, which
        is said once.
        """
        for text, tiers, said in (("1", 1, 0), ("2", 2, 0), ("3", 3, 0), ("4", 3, 1), ("5", 3, 1)):
            settings = self.load(f"[db]\nstorage tiers = {text}\n")
            self.assertEqual((settings.db.storage_tiers, len(settings.db.tier_retention)), (tiers, tiers))
            self.assertEqual(len(settings.warnings), said)
        self.assertIn("netstream.conf:2: [db] storage tiers: there are 3 tiers at most", settings.warnings[0])

    def test_kept(self) -> None:
        """
        How long a host's samples stay on disk is a duration in the section of
        its key or GUID; a plain number is for memory alone.
        """
        key = f"[{UUID}]\ntype = api\nenabled = yes\n"
        for text, kept, entries in (("30d", 30 * 86400, 30 * 86400), ("off", 0, 5), ("600", None, 600)):
            for stream in (f"{key}retention = {text}\n", f"{key}[{GUID}]\nretention = {text}\n"):
                settings = self.load(stream=stream)
                self.assertEqual(settings.warnings, ())
                host = settings.admit(UUID, GUID, "unix", NOW)
                self.assertEqual((host.kept, host.retention), (kept, entries))
        both = self.load(stream=f"{key}retention = 30d\n[{GUID}]\nretention = 600\n").admit(UUID, GUID, "unix", NOW)
        self.assertEqual((both.kept, both.retention), (None, 600))
        self.assertEqual(self.load(stream=key).admit(UUID, GUID, "unix", NOW).kept, None)

    def test_not_yet_effective(self) -> None:
        """
        Every other known option says once, with its line, that it has no
        effect yet, by whatever name; a value that is wrong is no error.
        """
        for option in ALL:
            if option.effective:
                continue
            for section, name in option.spellings():
                for text in (SAMPLES.get(option.kind.name, "new"), "\x00"):
                    warnings = self._told(option, section, name, text)
                    self.assertEqual(len(warnings), 1, warnings)
                    self.assertRegex(warnings[0], rf":3: \[.*\] {re.escape(name)}: not yet effective")
        for section in LATER_SECTIONS:
            (warning,) = self.load(f"\n[{section}]\nx = 1\ny = 2\n").warnings
            self.assertEqual(warning, f"netstream.conf:3: [{section}]: not yet effective")

    def _told(self, option: Option, section: str, name: str, text: str) -> tuple[str, ...]:
        lines = f"\n[{UUID if section == KEY else section}]\n{name} = {text}\n"
        settings = self.load(stream=lines) if option in (*STREAM_OPTIONS, *KEY_OPTIONS) else self.load(lines)
        return tuple(settings.warnings)

    def test_newer_name_wins(self) -> None:
        """
        Where an option is given by its old and its new name the new one
        counts, in whatever order, and the other is said to be ignored.
        """
        for text in ("timeout seconds = 5\ntimeout = 7\n", "timeout = 7\ntimeout seconds = 5\n"):
            settings = self.load(stream="[stream]\n" + text)
            self.assertEqual(settings.stream.timeout, 7)
            (warning,) = settings.warnings
            self.assertIn("timeout seconds: ignored, because line", warning)
        settings = self.load("[global]\nmemory mode = none\nhistory = 5\n[db]\nmode = ram\n")
        self.assertEqual((settings.db.mode, settings.db.retention), (Mode.RAM, 5))

    def test_clamped(self) -> None:
        """
        What is too short is raised to the shortest, with a warning.
        """
        for text, found in (
            ("[db]\ncleanup orphan hosts after = 3s\n", lambda s: s.db.cleanup_hosts == 10),
            ("[db]\nretention = 2\n", lambda s: s.db.retention == 5),
            ("[db]\ncleanup ephemeral hosts after = 30m\n", lambda s: s.db.cleanup_ephemeral == 3600),
            ("[db]\nupdate every = 0\n", lambda s: s.db.update_every == 1),
        ):
            settings = self.load(text)
            self.assertTrue(found(settings), text)
            self.assertEqual(len(settings.warnings), 1, settings.warnings)
        settings = self.load(stream="[stream]\nreconnect delay = 1\n")
        self.assertEqual(settings.stream.reconnect_delay, 5)
        self.assertIn("too short, 5 s", settings.warnings[0])

    def test_odd_values(self) -> None:
        """
        A value that is read otherwise than it looks gets a warning.
        """
        settings = self.load("[db]\nmode = turbo\n[plugins]\nproc = 1\n", "[stream]\nenabled = 1\n")
        self.assertEqual(settings.db.mode, Mode.RAM)
        self.assertEqual(settings.plugins, {"proc": False})
        self.assertEqual(
            settings.warnings,
            (
                "stream.conf:2: [stream] enabled: '1' is read as no; write 'yes' or 'no'",
                "netstream.conf:2: [db] mode: 'turbo' is no database mode, 'ram' is used; "
                "known are 'none', 'ram' and 'dbengine'",
                "netstream.conf:4: [plugins] proc: '1' is read as no; write 'yes' or 'no'",
            ),
        )

    def test_wrong_values(self) -> None:
        """
        A value that must not be guessed is an error that names its place and
        what would be right.
        """
        self.assertEqual(
            self.wrong(stream="[stream]\ntimeout seconds = soon\n"),
            "stream.conf:2: [stream] timeout seconds: 'soon' is not a duration such as '90s', '5m' or '1h'",
        )
        self.assertEqual(
            self.wrong("[global]\nport = 99999\n"),
            "netstream.conf:2: [global] port: 99999 is not between 1 and 65535",
        )
        for text in (
            "[db]\nupdate every = x\n",
            "[db]\nupdate every =\n",
            "[db]\nupdate every = -5\n",
            "[db]\nretention = x\n",
            "[db]\nstorage tiers = 6\n",
            "[db]\nstorage tiers = 0\n",
            "[db]\nprecision = float16\n",
            "[db]\ndbengine tier 0 retention time = x\n",
            "[web]\nbind to = a:b:c\n",
            "[web]\nbind to =\n",
            "[web]\nbind to = udp:*\n",
            "[web]\nbind to = *^SSL=force\n",
            "[web]\nssl require client certificate = yes\n",
            "[web]\nssl require client certificate = maybe\n",
            "[web]\ntls version = 2\n",
            "[web]\ndefault port = 0\n",
            "[web]\ndisconnect idle clients after = x\n",
        ):
            self.assertRegex(self.wrong(text), r"^netstream\.conf:2: \[(db|web)\] [a-z0-9 ]+: .", text)
        for text in (
            "[stream]\ntimeout = 0\n",
            "[stream]\nbuffer size = 1XB\n",
            "[stream]\nreconnect delay = soon\n",
            "[stream]\ndestination = unix:/a:SSL\n",
            "[stream]\nssl verify hostname = 0\n",
            "[stream]\nssl certificate fingerprint = 1234\n",
            "[stream]\nssl key = a\n",
            "[stream]\nproxy = http://nonsense@a:1\n",
            "[stream]\nproxy = socks5://me:nonsense@\n",
            "[stream]\nproxy = socks5://me:nonsense/1@a:80000\n",
            "[stream]\ndestination = :1\n",
            "[stream]\napi key = nonsense\n",
            f"[{UUID}]\nproxy destination = /a:SSL\n",
            f"[{UUID}]\nvalid from = soon\n",
            f"[{UUID}]\nproxy api key = nonsense\n",
            f"[{UUID}]\nretention = x\n",
            f"[{UUID}]\nretention = -5d\n",
            f"[{GUID}]\nupdate every = x\n",
        ):
            message = self.wrong(stream=text)
            self.assertRegex(message, r"^stream\.conf:2: \[(stream|key [0-9a-f]{8})\] [a-z0-9 ]+: .", text)
            self.assertNotIn(UUID, message)
            self.assertNotIn("nonsense", message)

    def test_unknown(self) -> None:
        """
        What is not known is told once and ignored.
        """
        settings = self.load(
            "[db]\nmood = ram\n[web]\ndefualt port = 1\n[plugin:proc:disk]\na = 1\nb = 2\n[host labels]\nany = thing\n",
            f"[Stream]\na = 1\n[{UUID}]\nis it = x\n[{GUID}]\nis it = x\n[API_KEY]\nenabled = no\n"
            "[11111111-2222-4333-8444-55555555555]\nenabled = yes\n",
        )
        self.assertEqual(settings.host_labels, {"any": "thing"})
        text = "\n".join(settings.warnings)
        self.assertEqual(len(settings.warnings), 6, text)
        self.assertIn("netstream.conf:4: [web] defualt port: not known, ignored; did you mean 'default port'?", text)
        self.assertIn("netstream.conf:6: [plugin:proc:disk]: not a known section, its 2 options are ignored", text)
        self.assertIn("stream.conf:2: [Stream]: not a known section", text)
        self.assertIn("did you mean [stream]?", text)
        self.assertIn("[db] mood: not known", text)
        self.assertEqual(text.count("is it"), 1)
        self.assertNotIn("11111111-2222", text)


class DocumentationTests(ConfigCase):
    """
    What people read about options is true.
    """

    def test_page(self) -> None:
        """
        The page about the configuration names every option by every name.
        """
        page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
        for option in ALL:
            for _, name in option.spellings():
                documented = re.sub(r"tier [0-4]", "tier N", name)
                self.assertTrue(
                    f"`{name}`" in page or f"`{documented}`" in page, f"docs/configuration.md lacks `{name}`"
                )
        for section in (*FREE_SECTIONS, *LATER_SECTIONS):
            self.assertIn(f"`[{section}]`", page)

    def test_page_tells_effect(self) -> None:
        """
        The page says of each option, in the row that begins with its name,
        whether it has an effect yet.
        """
        page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
        sections: dict[str, dict[str, str]] = {}
        section = ""
        for line in page.splitlines():
            heading = re.match(r"#+ .*?`\[([^\]]+)\]`", line)
            if heading:
                section = heading.group(1)
            row = re.match(r"\| `([^`]+)` \|", line)
            if row:
                sections.setdefault(section, {})[row.group(1)] = line
        effects: dict[tuple[str, str], set[bool]] = {}
        for option in ALL:
            place = "API_KEY" if option.section == KEY else option.section, re.sub(r"tier [0-4]", "tier N", option.name)
            effects.setdefault(place, set()).add(option.effective)
        for (section, name), effect in effects.items():
            told = sections[section][name].split("|")[-2].strip()
            words = {(True,): "yes", (False,): "later", (False, True): "tiers 0 to 2; others later"}[
                tuple(sorted(effect))
            ]
            self.assertEqual(told, words, sections[section][name])

    def test_stock_files(self) -> None:
        """
        The stock files change nothing as they are, name every effective
        option, and each value they show is the default.
        """
        node, stream = ((STOCK / name).read_text() for name in ("netstream.conf", "stream.conf"))
        plain = self.load("", "", hostname="box")
        as_is = self.load(node, stream, hostname="box")
        self.assertEqual(
            (as_is.db, as_is.web, as_is.stream, as_is.node), (plain.db, plain.web, plain.stream, plain.node)
        )
        self.assertEqual(as_is.warnings, ())
        for option in ALL:
            tier = re.search(r"tier (\d)", option.name)
            if option.effective and not (tier and int(tier.group(1)) > 2):
                self.assertRegex(node + stream, rf"(?m)^    #{re.escape(option.name)} =", option.name)
        node = re.sub(r"(?m)^    #([a-z][a-zA-Z0-9 .]+ = .+)$", r"    \1", node)
        stream = re.sub(r"(?m)^    #([a-z][a-zA-Z0-9 .]+ = .+)$", r"    \1", stream)
        self.assertGreater(node.count("\n    db = "), 0)
        stream = stream.replace("API_KEY", UUID).replace("MACHINE_GUID", GUID)
        shown = self.load(node, stream, hostname="box")
        self.assertEqual(
            (shown.db, shown.web, shown.stream, shown.node), (plain.db, plain.web, plain.stream, plain.node)
        )
        self.assertEqual(shown.warnings, ())
