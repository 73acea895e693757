"""
Files, roles and the command line together.
"""

import os
import socket
import stat
from pathlib import Path
from unittest import mock

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from netstream.config import ConfigError, Refused, ensure_key, load, machine_guid
from netstream.config.places import STOCK, config_directory, data_directory
from netstream.config.settings import ClientTLS, Destination, Mode, Role, ServerTLS
from tests.config.test_options import ConfigCase

NOW = 1_800_000_000.0
KEY = "11111111-2222-4333-8444-555555555555"
OTHER = "99999999-2222-4333-8444-555555555555"
GUID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
SENDS = f"[stream]\ndestination = up\napi key = {KEY}\n"


class FileTests(ConfigCase):
    """
    Which files are read.
    """

    def test_netdata_conf(self) -> None:
        """
        C{netdata.conf} stands in where there is no C{netstream.conf}, and only
        there.
        """
        config, data = self.configuration(stream="")
        (config / "netdata.conf").write_text("[db]\nmode = ram\n")
        settings = load(Role.STANDALONE, config, data)
        self.assertEqual(settings.db.mode, Mode.RAM)
        self.assertEqual(settings.sources, (config / "netdata.conf", config / "stream.conf"))
        (config / "netstream.conf").write_text("[db]\nupdate every = 2\n")
        settings = load(Role.STANDALONE, config, data)
        self.assertEqual((settings.db.mode, settings.db.update_every), (Mode.DBENGINE, 2))

    def test_stock(self) -> None:
        """
        The stock C{stream.conf} is read where there is none.
        """
        self.assertEqual(self.load().sources, (STOCK / "stream.conf",))

    def test_no_directory(self) -> None:
        """
        A configuration directory that is named but not there is told, since
        it may be a mistake.
        """
        missing = Path(self.mktemp())
        for named in (missing, str(missing)):
            settings = load(Role.STANDALONE, named, named)
            self.assertEqual(settings.warnings, (f"{missing}: there is no such directory; the defaults apply",))
            self.assertEqual(settings.data_dir, missing)

    def test_unreadable(self) -> None:
        """
        A file that cannot be read stops the start.
        """
        config, data = self.configuration()
        (config / "stream.conf").mkdir()
        problem = self.assertRaises(ConfigError, load, "parent", config, data)
        self.assertIn(f"{config / 'stream.conf'}: cannot be read", str(problem))

    def test_bad_lines(self) -> None:
        """
        Lines that were skipped are told with file and line.
        """
        settings = self.load("[db]\nmode ram\n", "nothing\n")
        self.assertEqual([w.partition(" ")[0] for w in settings.warnings], ["netstream.conf:2:", "stream.conf:1:"])

    def test_readable_keys(self) -> None:
        """
        A file with keys that others can read is told.
        """
        for text in (SENDS, f"[{KEY}]\nenabled = no\n"):
            config, data = self.configuration(stream=text)
            for mode, told in ((0o600, 0), (0o640, 1), (0o604, 1)):
                (config / "stream.conf").chmod(mode)
                warnings = [w for w in load("standalone", config, data).warnings if "chmod 600" in w]
                self.assertEqual(len(warnings), told)
        config, data = self.configuration(stream="[stream]\nenabled = no\n")
        (config / "stream.conf").chmod(0o644)
        self.assertEqual(load("standalone", config, data).warnings, ())

    def test_default_directories(self) -> None:
        """
        Directories are the system's if they are there, else the user's.
        """
        home = Path(self.mktemp())
        with mock.patch.dict(os.environ, HOME=str(home)):
            with mock.patch.object(Path, "is_dir", lambda path: str(path) == "/etc/netstream"):
                self.assertEqual(config_directory(), Path("/etc/netstream"))
            with mock.patch.object(Path, "is_dir", lambda path: False):
                self.assertEqual(config_directory(), home / ".config/netstream")
            with mock.patch.object(os, "access", lambda path, mode: str(path) == "/var/lib/netstream"):
                self.assertEqual(data_directory(), Path("/var/lib/netstream"))
            with mock.patch.object(os, "access", lambda path, mode: False):
                self.assertEqual(data_directory(), home / ".local/share/netstream")
            self.assertEqual(config_directory(Path("~/x")), home / "x")
            self.assertEqual(data_directory(Path("~/y")), home / "y")

    @hypothesis_settings(max_examples=50, deadline=None)
    @given(st.text(st.sampled_from("[]=# \nabestrmkéx0159:*") | st.characters(exclude_categories=["Cs"])))
    def test_any_file(self, text: str) -> None:
        """
        Whatever stands in the files, a node starts or says what is wrong.
        """
        try:
            settings = self.load(text, text)
        except ConfigError as problem:
            self.assertIn(":", str(problem))
        else:
            self.assertIsInstance(settings.warnings, tuple)


class RoleTests(ConfigCase):
    """
    What a role presets.
    """

    def test_child_and_proxy(self) -> None:
        """
        A child and a proxy send without being told so in the file.
        """
        for role in ("child", "proxy"):
            stream = self.load(stream=SENDS, role=role).stream
            self.assertTrue(stream.enabled)
            self.assertEqual(stream.destinations, (Destination("up", "tcp", "up", 19999),))
            self.assertEqual(stream.api_key, KEY)

    def test_others(self) -> None:
        """
        A standalone node and a parent send only if the file says so.
        """
        for role in ("standalone", "parent"):
            self.assertFalse(self.load(stream=SENDS, role=role).stream.enabled)
            self.assertTrue(self.load(stream=SENDS + "enabled = yes\n", role=role).stream.enabled)

    def test_compression(self) -> None:
        """
        A parent and a proxy, who may forward many hosts, compress with the least effort, unless told otherwise.
        """
        for role, levels in (("standalone", (3, 1, 3, 3)), ("child", (3, 1, 3, 3)), ("parent", (1, 9, 1, 1))):
            stream = self.load(stream=SENDS, role=role).stream
            found = (stream.zstd_level, stream.lz4_acceleration, stream.brotli_level, stream.gzip_level)
            self.assertEqual(found, levels, role)
        told = self.load(stream=SENDS + "zstd compression level = 7\n", role="proxy").stream
        self.assertEqual((told.zstd_level, told.gzip_level), (7, 1))

    def test_unknown_compression(self) -> None:
        """
        An algorithm that does not exist is told, and the others of the list are used.
        """
        settings = self.load(stream=f"[{KEY}]\nenabled = yes\ncompression algorithms order = lzma gzip\n")
        self.assertEqual(settings.admit(KEY, OTHER, "localhost", NOW).compressions, ("gzip",))
        self.assertIn("'lzma' is no compression algorithm", settings.warnings[0])

    def test_what_is_missing(self) -> None:
        """
        A child or proxy without destination or key is told what to add.
        """
        for role in ("child", "proxy"):
            for text, words, others in (
                ("", ("'destination = HOST:PORT'", "'api key = UUID'"), ()),
                ("[stream]\ndestination = up\n", ("'api key = UUID'", "--api-key"), ("'destination",)),
                (f"[stream]\napi key = {KEY}\n", ("'destination = HOST:PORT'", "--destination"), ("'api key",)),
                (f"[stream]\napi key = {KEY}\ndestination =\n", ("stream.conf:3: [stream] destination:",), ()),
            ):
                message = self.wrong(stream=text, role=role)
                for word in words:
                    self.assertIn(word, message)
                for word in others:
                    self.assertNotIn(word, message)

    def test_the_file_wins(self) -> None:
        """
        A child whose file says no sends nothing, and says so.
        """
        settings = self.load(stream=SENDS + "enabled = no\n", role="child")
        self.assertFalse(settings.stream.enabled)
        self.assertIn("stream.conf:4: [stream] enabled: the child sends nothing", settings.warnings[0])

    def test_enabled_without_destination(self) -> None:
        """
        Other roles start without sending, and say why.
        """
        settings = self.load(stream="[stream]\nenabled = yes\n")
        self.assertFalse(settings.stream.enabled)
        self.assertIn("nowhere to stream to", settings.warnings[0])

    def test_proxy_without_destination(self) -> None:
        """
        A key whose hosts shall be sent on to nowhere is told.
        """
        settings = self.load(stream=f"[{KEY}]\nenabled = yes\nproxy enabled = yes\n")
        self.assertIn("stream.conf:3: [key ", settings.warnings[0])
        self.assertIn("'proxy destination'", settings.warnings[0])

    def test_udp(self) -> None:
        """
        A node connects to and listens at UDP ports; it does not listen
        without a certificate, and does not connect through a SOCKS proxy,
        which would be left out in silence.
        """
        config, data = self.configuration("[web]\nbind to = udp:*:1 127.0.0.1\n", SENDS.replace("up", "udp:up up"))
        (config / "ssl").mkdir()
        for name in ("key.pem", "cert.pem"):
            (config / "ssl" / name).touch()
        settings = load("child", config, data)
        self.assertEqual([each.protocol for each in settings.stream.destinations], ["udp", "tcp"])
        self.assertEqual([each.protocol for each in settings.web.listeners], ["udp", "tcp"])
        self.assertEqual(settings.warnings, ())
        self.assertIn(
            "netstream.conf:2: [web] bind to: 'udp:*' insists on TLS, which there cannot be without",
            self.wrong("[web]\nbind to = udp:*\n"),
        )
        sends = SENDS.replace("up", "udp:up") + "proxy = socks5://there\n"
        self.assertIn("udp:up: UDP does not pass through 'proxy'", self.wrong("", sends, role="child"))

    def test_tls_without_certificate(self) -> None:
        """
        Optional TLS serves plain where there is no certificate, and says so;
        forced TLS does not start.
        """
        settings = self.load("[web]\nbind to = *^SSL=optional\n")
        self.assertEqual((settings.web.listeners[0].tls, settings.web.tls), ("optional", None))
        self.assertIn("serves plain only without 'ssl certificate'", settings.warnings[0])
        self.assertIn(
            "netstream.conf:2: [web] bind to: '*^SSL=force' insists", self.wrong("[web]\nbind to = *^SSL=force\n")
        )

    def test_no_feature(self) -> None:
        """
        A feature of C{bind to} that is none gets a warning, as a misspelt one would be missed.
        """
        settings = self.load(overrides=["web/bind to=localhost=dashbord|streaming *=badges^SSL=optional unix:/a=b"])
        told = [warning for warning in settings.warnings if "is no feature" in warning]
        self.assertEqual(len(told), 1, settings.warnings)
        self.assertIn("[web] bind to: 'dashbord'", told[0])

    def test_tls(self) -> None:
        """
        A certificate is named, or is where one is looked for; paths begin at
        the configuration.
        """
        config, data = self.configuration("[web]\nssl key = k.pem\nssl certificate = /c.pem\nssl client CA = ca\n")
        self.assertEqual(
            load("standalone", config, data).web.tls,
            ServerTLS(Path("/c.pem"), config / "k.pem", client_ca=config / "ca", client_needed="streaming"),
        )
        config, data = self.configuration("[web]\nbind to = *^SSL=force\ntls version = 1.1\n")
        (config / "ssl").mkdir()
        for name in ("key.pem", "cert.pem"):
            self.assertRaises(ConfigError, load, "standalone", config, data)
            (config / "ssl" / name).touch()
        settings = load("standalone", config, data)
        expected = ServerTLS(config / "ssl" / "cert.pem", config / "ssl" / "key.pem", "1.2", client_needed="no")
        self.assertEqual(settings.web.tls, expected)
        self.assertIn("TLS 1.1 is broken", settings.warnings[0])
        self.assertIsNone(load("standalone", config, data, overrides=["web/mode=none"]).web.tls)

    def test_tls_to_parents(self) -> None:
        """
        What is trusted and presented is as C{[stream]} says, for parents of
        this node and of its children.
        """
        options = "CAfile = ca.pem\nCApath = ~/cas\nssl verify hostname = no\nssl certificate = c\nssl key = k\n"
        config, data = self.configuration(
            stream=SENDS.replace("up", "up:1:SSL") + options + f"[{KEY}]\nenabled = yes\n"
        )
        settings = load("proxy", config, data)
        tls = ClientTLS(False, False, config / "ca.pem", Path.home() / "cas", "", config / "c", config / "k")
        self.assertEqual(settings.stream.tls, tls)
        self.assertTrue(settings.stream.destinations[0].tls)
        self.assertEqual(settings.admit(KEY, GUID, "10.0.0.1", NOW).proxy.tls, tls)
        digits = ":".join(["AB"] * 32)
        pinned = self.load(stream=SENDS + f"ssl certificate fingerprint = SHA256 Fingerprint={digits}\n")
        self.assertEqual(pinned.stream.tls.fingerprint, "ab" * 32)
        both = SENDS + f"ssl certificate fingerprint = {digits}\nssl skip certificate verification = yes\n"
        self.assertIn("keep one", self.wrong(stream=both))

    def test_unix_socket_mode(self) -> None:
        """
        Who may connect to a Unix socket is said as for a file.
        """
        bind = "[web]\nbind to = unix:/a\n"
        for text, mode in (("", 0o660), ("unix socket mode = 0600\n", 0o600), ("unix socket mode = 666\n", 0o666)):
            self.assertEqual(self.load(bind + text).web.listeners[0].mode, mode)
        for text in ("rw", "888", "1777", "0"):
            self.assertIn("is no mode of a file", self.wrong(bind + f"unix socket mode = {text}\n"))

    def test_open_password(self) -> None:
        """
        A file with the password of a proxy is warned of like one with keys.
        """
        config, data = self.configuration(stream="[stream]\nproxy = socks5://me:x@a:1\n")
        self.assertEqual(load("standalone", config, data).warnings, ())
        (config / "stream.conf").chmod(0o644)
        self.assertIn("holds a password, but others can read it", load("standalone", config, data).warnings[0])

    def test_mixed_destinations(self) -> None:
        """
        Who moves a list from an old agent is told which parents are plain.
        """
        settings = self.load(stream=SENDS.replace("up", "a unix:/b c:SSL d"), role="child")
        self.assertEqual([d.tls for d in settings.stream.destinations], [False, False, True, False])
        self.assertIn("so a is connected to in plain text", settings.warnings[0])


class CommandLineTests(ConfigCase):
    """
    The command line goes over the files.
    """

    def test_hostname(self) -> None:
        """
        The name is the command line's, else the file's, else the system's.
        """
        text = "[global]\nhostname = filed\n"
        self.assertEqual(self.load(text, hostname="given").node.hostname, "given")
        self.assertEqual(self.load(text).node.hostname, "filed")
        self.assertEqual(self.load("[global]\nhostname =\n").node.hostname, socket.gethostname())

    def test_destination(self) -> None:
        """
        A destination on the command line sends, from whatever role.
        """
        for role in Role:
            settings = self.load(stream=SENDS + "enabled = no\n", role=role, destination="b:1 c", api_key=OTHER)
            self.assertTrue(settings.stream.enabled)
            self.assertEqual([d.text for d in settings.stream.destinations], ["b:1", "c"])
            self.assertEqual(settings.stream.api_key, OTHER)
        self.assertIn("--destination: [stream] destination: ", self.wrong(destination="/a:SSL", api_key=KEY))
        self.assertIn("--api-key: [stream] api key: ", self.wrong(destination="a", api_key="mistyped"))

    def test_overrides(self) -> None:
        """
        C{--set} goes over the files, whichever spelling either has; of two
        the last one counts.
        """
        settings = self.load(
            "[db]\ndb = ram\nupdate every = 9\n",
            SENDS + "timeout = 1m\n",
            role="child",
            overrides=[
                "web/bind to=127.0.0.1:0=streaming|dashboard",
                "global/memory mode=none",
                "db/update every=2",
                "db/update every=3",
                "netstream.conf:host labels/a/b=c=d",
                "plugins/proc=no",
                "stream.conf:stream/timeout seconds=5",
                "stream/send charts matching=a/b*",
                f"stream.conf:{KEY}/enabled=yes",
                f"{KEY}/allow from=10.*",
                f"{KEY}/type=api",
            ],
        )
        self.assertEqual((settings.db.mode, settings.db.update_every), (Mode.NONE, 3))
        (listener,) = settings.web.listeners
        self.assertEqual((listener.host, listener.port, len(listener.features)), ("127.0.0.1", 0, 2))
        self.assertEqual((settings.host_labels, settings.plugins), ({"a/b": "c=d"}, {"proc": False}))
        self.assertEqual((settings.stream.timeout, settings.stream.charts.text), (5, "a/b*"))
        self.assertTrue(settings.admit(KEY, GUID, "10.1.1.1", NOW).enabled)
        self.assertEqual(settings.warnings, ())

    def test_bad_overrides(self) -> None:
        """
        An override that is wrong says so; one of an unknown option is told.
        """
        for text in ("nothing", "a=b", "/a=b", "web/=b", "=b", ""):
            self.assertIn("SECTION/OPTION=VALUE", self.wrong(overrides=[text]), text)
        self.assertEqual(
            self.wrong(overrides=["stream.conf:stream/timeout=soon"]),
            "--set: [stream] timeout: 'soon' is not a duration such as '90s', '5m' or '1h'",
        )
        warnings = self.load(overrides=["web/color=red", "plugin:proc:/proc/stat/x=1", "ml/enabled=no"]).warnings
        self.assertEqual(
            warnings,
            (
                "--set: [web] color: not known, ignored",
                "--set: [plugin:proc:/proc/stat]: not a known section, its option is ignored",
                "--set: [ml] enabled: not yet effective",
            ),
        )


class KeyTests(ConfigCase):
    """
    The first key of a parent.
    """

    def test_new_file(self) -> None:
        """
        The key is saved where only its owner reads it, and admits children at
        the next start.
        """
        config, data = self.configuration()
        config.rmdir()
        key, path = ensure_key(load("parent", config, data))
        self.assertEqual(path, config / "stream.conf")
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        settings = load("parent", config, data)
        self.assertTrue(settings.admit(key, GUID, "unix", NOW).enabled)
        self.assertEqual((len(settings.keys), settings.warnings), (1, ()))

    def test_existing_file(self) -> None:
        """
        What stands in the file stays as it is.
        """
        config, data = self.configuration(stream="# mine\n[stream]\ntimeout = 7s")
        key, path = ensure_key(load("parent", config, data))
        self.assertTrue(path.read_text().startswith("# mine\n[stream]\ntimeout = 7s\n\n"))
        settings = load("parent", config, data)
        self.assertEqual(settings.stream.timeout, 7)
        self.assertTrue(settings.admit(key, GUID, "unix", NOW).enabled)

    def test_foreign_directory(self) -> None:
        """
        The configuration of a Netdata agent is not changed.
        """
        config, data = self.configuration(stream="")
        (config / "netdata.conf").write_text("")
        key, path = ensure_key(load("parent", config, data))
        self.assertEqual(path, data / "keys.conf")
        self.assertEqual((config / "stream.conf").read_text(), "")
        settings = load("parent", config, data)
        self.assertTrue(settings.admit(key, GUID, "unix", NOW).enabled)
        self.assertEqual(settings.sources[-1], path)

    def test_read_only_directory(self) -> None:
        """
        If the configuration cannot be written the data directory serves; if
        that cannot either, the error says what to do.
        """
        config, data = self.configuration()
        (config / "in the way").write_text("")
        settings = load("parent", config / "in the way", data)
        self.assertEqual(ensure_key(settings)[1], data / "keys.conf")
        settings = load("parent", config / "in the way", config / "in the way")
        self.assertIn("netstream genkey", str(self.assertRaises(ConfigError, ensure_key, settings)))

    def test_own_keys_lie_below(self) -> None:
        """
        C{stream.conf} can say more of a key that the node keeps itself, and
        nothing but keys is taken from there.
        """
        config, data = self.configuration(stream=f"[{KEY}]\nallow from = 10.*\n")
        data.mkdir()
        (data / "keys.conf").write_text(
            f"[stream]\nenabled = yes\n[{KEY}]\ntype = api\nenabled = yes\nallow from = *\n"
        )
        (data / "keys.conf").chmod(0o600)
        settings = load("parent", config, data)
        self.assertEqual(settings.warnings, ())
        self.assertTrue(settings.admit(KEY, GUID, "10.0.0.1", NOW).enabled)
        self.assertRaises(Refused, settings.admit, KEY, GUID, "8.8.8.8", NOW)


class MachineTests(ConfigCase):
    """
    Who the node is.
    """

    def test_first_start(self) -> None:
        """
        A node becomes someone at its first start and stays so; only its owner
        reads the file, and nothing else is left beside.
        """
        _, data = self.configuration()
        guid = machine_guid(data)
        path = data / "machine.guid"
        self.assertEqual(path.read_text().strip(), guid)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(machine_guid(data), guid)
        self.assertEqual([p.name for p in data.iterdir()], ["machine.guid"])

    def test_given(self) -> None:
        """
        A file that was put there counts, in lower case.
        """
        _, data = self.configuration()
        data.mkdir()
        (data / "machine.guid").write_text(GUID.upper())
        self.assertEqual(machine_guid(data), GUID)

    def test_quicker(self) -> None:
        """
        If two start at once, both are the one that was first.
        """
        _, data = self.configuration()
        link = os.link

        def late(source: Path, target: Path) -> None:
            target.write_text(GUID)
            link(source, target)

        with mock.patch.object(os, "link", late):
            self.assertEqual(machine_guid(data), GUID)

    def test_no_links(self) -> None:
        """
        File systems without hard links will do.
        """
        _, data = self.configuration()
        with mock.patch.object(os, "link", side_effect=PermissionError):
            guid = machine_guid(data)
        self.assertEqual(machine_guid(data), guid)

    def test_damaged(self) -> None:
        """
        A damaged file stops the start and stays as it is.
        """
        _, data = self.configuration()
        data.mkdir()
        for content in (b"", b"half-a-guid", b"\xff\xfe", GUID.encode() + b"\n" + GUID.encode()):
            (data / "machine.guid").write_bytes(content)
            problem = self.assertRaises(ConfigError, machine_guid, data)
            self.assertIn(str(data / "machine.guid"), str(problem))
            self.assertEqual((data / "machine.guid").read_bytes(), content)

    def test_no_room(self) -> None:
        """
        A data directory that cannot be made stops the start.
        """
        config, _ = self.configuration("")
        problem = self.assertRaises(ConfigError, machine_guid, config / "netstream.conf" / "data")
        self.assertIn("cannot be kept", str(problem))
