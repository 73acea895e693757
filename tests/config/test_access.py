"""
Who may stream here.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any
from unittest import mock

from netstream.config import Refused, Settings, access
from netstream.config.settings import KeySettings, Mode, NodeSettings, Role
from netstream.model.identity import fingerprint
from tests.config.test_options import ConfigCase

NOW = 1_800_000_000.0
KEY = "11111111-2222-4333-8444-555555555555"
OTHER = "99999999-2222-4333-8444-555555555555"
GUID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
OPEN = f"[{KEY}]\ntype = api\nenabled = yes\n"


class AdmissionTests(ConfigCase):
    """
    Keys and GUIDs open the door, each other's settings overlaid.
    """

    def admitted(self, stream: str, address: str = "10.0.0.1", guid: str = GUID, **rest: Any) -> KeySettings:
        """
        @return: What holds for a host that presents L{KEY}.
        """
        return self.load(stream=stream, **rest).admit(KEY, guid, address, NOW)

    def refused(self, stream: str, address: str = "10.0.0.1", key: str = KEY, guid: str = GUID) -> str:
        """
        @return: Why a host is refused.
        """
        settings = self.load(stream=stream)
        reason = self.assertRaises(Refused, settings.admit, key, guid, address, NOW).reason
        self.assertNotIn(KEY, reason)
        self.assertNotIn(OTHER, reason)
        return reason

    def test_admitted(self) -> None:
        """
        An enabled key lets a host in, with the node's own settings.
        """
        settings = self.admitted(OPEN)
        self.assertEqual(settings, KeySettings(True))
        self.assertTrue(settings.enabled)

    def test_without_type(self) -> None:
        """
        A section without a type is a key, and a machine's as well.
        """
        self.assertTrue(self.admitted(f"[{KEY}]\nenabled = yes\n").enabled)
        self.assertEqual(self.admitted(OPEN + f"[{GUID}]\ndb = none\n").mode, Mode.NONE)

    def test_refused_keys(self) -> None:
        """
        A host without a good key is refused, and the reason names the line to
        change but no key.
        """
        mark = f"API key {fingerprint(KEY)}"
        self.assertIn(f"{mark} is not known", self.refused(""))
        self.assertIn("stream.conf a section", self.refused(""))
        for text in (f"[{KEY}]\ntype = api\n", f"[{KEY}]\nenabled = no\ntype = api\n", f"[{KEY}]\nenabled = 1\n"):
            self.assertIn(
                f"{mark} is not enabled; write 'enabled = yes' in its section at stream.conf:2", self.refused(text)
            )
        self.assertIn("'type = machine' in stream.conf:2", self.refused(f"[{KEY}]\ntype = machine\nenabled = yes\n"))
        self.assertIn("'type = odd'", self.refused(f"[{KEY}]\ntype = odd\nenabled = yes\n"))
        self.assertIn("not a UUID", self.refused(OPEN, key="secret"))
        self.assertIn("not a UUID", self.refused(OPEN, key=""))
        self.assertIn("is not known", self.refused(OPEN, key=OTHER))

    def test_keys_in_any_case(self) -> None:
        """
        Capitals make no difference, neither in a file nor in what a host
        sends; two spellings of one key are one section.
        """
        for written in (GUID, GUID.upper()):
            settings = self.load(stream=f"[{written}]\ntype = api\nenabled = yes\n")
            for sent in (GUID, GUID.upper(), GUID.title()):
                self.assertTrue(settings.admit(sent, OTHER, "10.0.0.1", NOW).enabled)
            self.assertEqual(settings.keys, (fingerprint(GUID),))
        both = f"[{GUID}]\ntype = api\nenabled = no\n[{GUID.upper()}]\nretention = 77\n"
        self.assertRaises(Refused, self.load(stream=both).admit, GUID, OTHER, "10.0.0.1", NOW)

    def test_rotation(self) -> None:
        """
        Of two keys the old one ends and the new one begins; between both
        dates either opens.
        """
        old = f"[{KEY}]\ntype = api\nenabled = yes\nvalid until = 2027-02-10\n"
        new = f"[{OTHER}]\ntype = api\nenabled = yes\nvalid from = 2027-02-01 12:00\n"
        settings = self.load(stream=old + new)
        for moment, opens in (
            ("2027-02-01T11:59:59+00:00", [True, False]),
            ("2027-02-01T12:00:00+00:00", [True, True]),
            ("2027-02-10T23:59:59+00:00", [True, True]),
            ("2027-02-11T00:00:00+00:00", [False, True]),
        ):
            now = datetime.fromisoformat(moment).timestamp()
            found = []
            for key in (KEY, OTHER):
                try:
                    found.append(settings.admit(key, GUID, "10.0.0.1", now).enabled)
                except Refused as refused:
                    self.assertIn("valid", refused.reason)
                    self.assertIn("stream.conf:4", refused.reason.replace("conf:8", "conf:4"))
                    found.append(False)
            self.assertEqual(found, opens, moment)
        self.assertIn("is not a date such as", self.wrong(stream=OPEN + "valid until = tomorrow\n"))

    def test_client_certificate(self) -> None:
        """
        A section can demand a certificate with a name of its choice.
        """
        settings = self.load(stream=OPEN + "ssl client certificate = web-* urn:uuid:" + GUID + "\n")
        for names in (("web-1", "sha256:1"), ("sha256:1", f"urn:uuid:{GUID}")):
            self.assertTrue(settings.admit(KEY, GUID, "10.0.0.1", NOW, names).enabled)
        for names, words in (((), "presented none"), (("mail", "sha256:1"), "known as mail, sha256:1")):
            refused = self.assertRaises(Refused, settings.admit, KEY, GUID, "10.0.0.1", NOW, names)
            self.assertIn(words, refused.reason)
            self.assertIn("stream.conf:4", refused.reason)

    def test_without_type_is_doubtful(self) -> None:
        """
        A section that is a key only because it does not say what it is gets a
        warning.
        """
        self.assertIn("write 'type = api'", self.load(stream=f"[{KEY}]\nenabled = yes\n").warnings[0])
        self.assertEqual(self.load(stream=OPEN).warnings, ())
        self.assertEqual(self.load(stream=f"[{GUID}]\nenabled = no\n").warnings, ())

    def test_guid_is_no_key(self) -> None:
        """
        A machine GUID, which everybody may know, opens nothing.
        """
        self.assertIn("own machine GUID", self.refused(OPEN, guid=KEY.upper()))
        both = OPEN + f"[{GUID}]\ntype = machine\nenabled = yes\n"
        self.assertIn("'type = machine'", self.refused(both, key=GUID, guid=OTHER))

    def test_refused_machines(self) -> None:
        """
        The section of a host can keep it out, in capitals too.
        """
        for guid in (GUID, GUID.upper()):
            self.assertIn(
                f"machine GUID {GUID} is not enabled; write 'enabled = yes' in its section at stream.conf:6",
                self.refused(OPEN + f"[{guid}]\ntype = machine\nenabled = no\n", guid=GUID.upper()),
            )
        self.assertIn("type = api", self.refused(OPEN + f"[{GUID}]\ntype = api\nenabled = yes\n"))
        self.assertIn("machine GUID", self.refused(OPEN, guid="not one"))

    def test_addresses(self) -> None:
        """
        Both sections have to admit the address, and the reason has the very
        line that would.
        """
        text = OPEN + "allow from = 10.* localhost\n" + f"[{GUID}]\nallow from = !10.6.* *\n"
        for address in ("10.0.0.1", "127.0.0.1", "::1", "unix", "localhost", "::ffff:10.0.0.1"):
            self.assertTrue(self.admitted(text, address).enabled, address)
        self.assertIn(
            "may not be used from address 8.8.8.8; write 'allow from = 10.* localhost 8.8.8.8' in its section at "
            "stream.conf:4",
            self.refused(text, "8.8.8.8"),
        )
        self.assertIn(
            "'allow from = 10.6.1.1 !10.6.* *' in its section at stream.conf:6", self.refused(text, "10.6.1.1")
        )
        self.assertIn("address UNKNOWN", self.refused(text, ""))
        self.assertIn("'allow from = 10.0.0.1'", self.refused(OPEN + "allow from =\n"))
        self.assertIn("localhost", self.refused(OPEN + "allow from = 127.0.0.1\n", "127.0.0.1"))

    def test_addresses_that_never_fit(self) -> None:
        """
        An address in a form that no list is compared with gets a warning.
        """
        for text, word in (
            ("127.0.0.1", "'localhost'"),
            ("10.* !::1", "'localhost'"),
            ("10.0.0.0/8", "masks"),
            ("localhost fe80::1%eth0 UNKNOWN *.example.com", "'*.example.com' never fits"),
        ):
            settings = self.load(f"[web]\nallow streaming from = {text}\n", OPEN + f"allow from = {text}\n")
            self.assertEqual([w.partition(" ")[0] for w in settings.warnings], ["stream.conf:4:", "netstream.conf:2:"])
            for warning in settings.warnings:
                self.assertIn(word, warning)

    def test_precedence(self) -> None:
        """
        The GUID's section goes over the key's, which goes over the rest.
        """
        rest = "[db]\nmode = ram\nretention = 100\n"
        stream = "[stream]\nenabled = yes\ndestination = up\napi key = " + OTHER + "\n"
        key = OPEN + "default history = 200\nproxy destination = keys\n"
        machine = f"[{GUID}]\nhistory = 300\nproxy enabled = no\n"
        for text, mode, retention, up, enabled in (
            (stream + OPEN, Mode.RAM, 100, "up", True),
            (stream + key, Mode.RAM, 200, "keys", True),
            (stream + key + machine, Mode.RAM, 300, "keys", False),
            (stream + OPEN + machine, Mode.RAM, 300, "up", False),
        ):
            settings = self.load(rest, text).admit(KEY, GUID, "10.0.0.1", NOW)
            self.assertEqual((settings.mode, settings.retention), (mode, retention))
            self.assertEqual([d.text for d in settings.proxy.destinations], [up])
            self.assertEqual((settings.proxy.enabled, settings.proxy.api_key), (enabled, OTHER))

    def test_sections_of_one_guid(self) -> None:
        """
        Sections that differ in capitals alone are one host's.
        """
        text = OPEN + f"[{GUID}]\ndb = none\n[{GUID.upper()}]\nretention = 77\n"
        settings = self.admitted(text)
        self.assertEqual((settings.mode, settings.retention), (Mode.NONE, 77))

    def test_modes(self) -> None:
        """
        A node knows every database that it may need.
        """
        settings = self.load("[db]\nmode = none\n", OPEN + f"default memory mode = ram\n[{GUID}]\ndb = dbengine\n")
        self.assertEqual(settings.modes, {Mode.NONE, Mode.RAM, Mode.DBENGINE})

    def test_keys(self) -> None:
        """
        A node that has a key, enabled or not, does not need another; the
        section of a machine is none.
        """
        self.assertEqual(self.load(stream=OPEN).keys, (fingerprint(KEY),))
        self.assertEqual(len(self.load(stream=f"[{KEY}]\ntype = api\n").keys), 1)
        self.assertEqual(len(self.load(stream=f"[{KEY}]\nenabled = yes\n").keys), 1)
        self.assertEqual(len(self.load(stream=f"[{GUID}]\ntype = machine\nenabled = yes\n").keys), 0)
        self.assertEqual(len(self.load(stream="").keys), 0)

    def test_secret(self) -> None:
        """
        Nothing that prints settings prints a key.
        """
        text = OPEN + f"proxy api key = {OTHER}\nproxy destination = a\nproxy enabled = yes\n"
        text += f"[stream]\nenabled = yes\ndestination = b\napi key = {OTHER}\n"
        settings = self.load(stream=text)
        for shown in (repr(settings), repr(settings.admit(KEY, GUID, "unix", NOW)), "\n".join(settings.warnings)):
            self.assertNotIn(KEY, shown)
            self.assertNotIn(OTHER, shown)

    def test_constant_time(self) -> None:
        """
        Which key comes close cannot be told from the time: each is compared
        as a hash, in full, whether or not another one fits.
        """
        keys = [f"{number:08x}-2222-4333-8444-555555555555" for number in range(5)]
        settings = self.load(stream="".join(f"[{key}]\nenabled = yes\n" for key in keys))
        with mock.patch.object(access, "compare_digest", wraps=access.compare_digest) as compare:
            settings.admit(keys[0], GUID, "unix", NOW)
        digests = {call.args[1] for call in compare.call_args_list}
        self.assertLessEqual({sha256(key.encode()).digest() for key in keys}, digests)

    def test_nobody(self) -> None:
        """
        Settings without any file admit nobody.
        """
        settings = Settings(Role.PARENT, *self.configuration(), NodeSettings("x"))
        self.assertRaises(Refused, settings.admit, KEY, GUID, "unix", NOW)
        self.assertEqual((settings.keys, settings.modes), ((), {Mode.DBENGINE}))
