"""
Tests for who may stream to a node.
"""

from datetime import UTC, datetime

from netstream.model.identity import fingerprint
from netstream.testing import KEY
from netstream.wire.handshake import Refusal
from tests.streaming.case import GUID, WorldCase

OTHER = "12121212-3434-4565-8787-909090909090"


class MachineGUIDTests(WorldCase):
    """
    A machine GUID, which everybody may know, opens nothing (S1).
    """

    def test_no_key(self) -> None:
        """
        The machine GUID of the parent, of a host that streams to it, and of
        one that is gone is no API key, whatever the files say.
        """
        first = self.world.node("first", "parent")
        own = first.hub.local.info.guid
        first.stop()
        stream = f"[{own}]\ntype = api\nenabled = yes\n[{GUID}]\nenabled = yes\n"
        stream += f"[{OTHER}]\ntype = machine\nenabled = yes\n"
        (self.world._directory / "first" / "etc" / "stream.conf").write_text(
            f"[{KEY}]\ntype = api\nenabled = yes\n" + stream
        )
        first.start()
        for key, name in ((own, "first"), (OTHER, "'type = machine'")):
            child = self.child(first, key=key, machine_guid="0" + GUID[1:])
            self.assertEqual((child.received, child.closed), (Refusal.DENIED.line(), True))
            self.assertIn(name, self.logged[-1])
        streaming = self.child(first)
        self.assertTrue(streaming.received.startswith(b"Hit me"), streaming.received)
        for key in (GUID, GUID.upper()):
            child = self.child(first, key=key, machine_guid="0" + GUID[1:])
            self.assertEqual(child.received, Refusal.DENIED.line())
            self.assertIn(f"API key {fingerprint(GUID)} is the machine GUID of asker", self.logged[-1])
        streaming.leave()
        self.world.advance(1)
        child = self.child(first, key=GUID, machine_guid="0" + GUID[1:])
        self.assertEqual(child.received, Refusal.DENIED.line())

    def test_one_reply(self) -> None:
        """
        Why a key fails cannot be told from the reply (S16), and no log has
        the key (S17).
        """
        disabled, elsewhere, late = (f"{digit * 8}-3434-4565-8787-909090909090" for digit in "123")
        parent = self.world.node(
            "parent",
            "parent",
            stream=f"[{disabled}]\ntype = api\n[{elsewhere}]\ntype = api\nenabled = yes\nallow from = 192.0.2.*\n"
            f"[{late}]\ntype = api\nenabled = yes\nvalid until = 2020-01-01\n",
        )
        for key in (OTHER, disabled, elsewhere, late):
            child = self.child(parent, key=key)
            self.assertEqual((child.received, child.closed), (Refusal.DENIED.line(), True))
            self.assertIn(f"API key {fingerprint(key)}", self.logged[-1])
            self.assertNotIn(key, " ".join(self.logged))

    def test_expires(self) -> None:
        """
        A child whose key expires while it is connected is cut off at that
        moment, with the reason in the log; a child with another key stays, and
        so does one whose key was given more time.
        """
        date = "%Y-%m-%d %H:%M:%S"
        ends = datetime.fromtimestamp(self.world.now + 30, UTC).strftime(date)
        later = datetime.fromtimestamp(self.world.now + 60, UTC).strftime(date)
        section = f"[{KEY}]\ntype = api\nenabled = yes\n"
        parent = self.world.node(
            "parent",
            "parent",
            stream=f"valid until = {later}\n[{OTHER}]\ntype = api\nenabled = yes\nvalid until = {ends}\n",
        )
        stays, goes = (
            self.world.node("stays", "child", destination="parent"),
            self.world.node(
                "goes", "child", stream=f"[stream]\nenabled = yes\ndestination = parent\napi key = {OTHER}\n"
            ),
        )
        self.world.advance(3)
        link = self.host(parent, stays.hub.local.info.guid).link
        self.world.advance(20)
        self.assertTrue(self.host(parent, goes.hub.local.info.guid).online)
        self.world.advance(11)
        host = self.host(parent, goes.hub.local.info.guid)
        self.assertEqual((host.online, host.left), (False, "stream.conf does not admit it any more"))
        self.assertIn(f"is cut off: API key {fingerprint(OTHER)} was valid until", "\n".join(self.logged))
        parent.write("stream.conf", section)
        parent.reload()
        self.world.advance(60)
        self.assertIs(self.host(parent, stays.hub.local.info.guid).link, link)

    def test_capitals(self) -> None:
        """
        A key may be sent in capitals.
        """
        parent = self.world.node("parent", "parent")
        self.assertTrue(self.child(parent, key=KEY.upper()).received.startswith(b"Hit me"))
