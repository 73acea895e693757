"""
C{health_alarm_notify.conf}, which is read and never run.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.places import NOTIFY_CONF, STOCK
from netstream.health.notify.recipients import Recipient, parse

TEXT = """#!/usr/bin/env bash
# a comment
SEND_EMAIL="YES"
SEND_SLACK=NO
DEFAULT_RECIPIENT_EMAIL='root'
export EMAIL_SENDER="netstream <n@example.org>"   # who it is
X="a \\"b\\" \\$c"' d'e
role_recipients_email[sysadmin]="${DEFAULT_RECIPIENT_EMAIL} boss@example.org|critical|noclear"
role_recipients_email[nobody]="disabled"
role_recipients_email[more]="a"
role_recipients_email[more]+="b, c"
FALLBACK="${NOSUCH:-this}"
declare -A role_recipients_sms
"""


class RecipientsTests(SynchronousTestCase):
    """
    L{parse}.
    """

    def test_values(self) -> None:
        """
        Assignments are read with quotes, escapes and earlier names.
        """
        found = parse(TEXT)
        self.assertEqual(found.problems, [])
        self.assertEqual(found.options["X"], 'a "b" $c de')
        self.assertEqual(found.options["EMAIL_SENDER"], "netstream <n@example.org>")
        self.assertEqual(found.options["FALLBACK"], "this")
        self.assertEqual((found.on("email"), found.on("slack"), found.on("discord")), (True, False, True))

    def test_roles(self) -> None:
        """
        A role stands for its recipients, else for the default ones.
        """
        found = parse(TEXT)
        self.assertEqual(
            found.of("email", "EMAIL", "sysadmin"),
            [Recipient("root"), Recipient("boss@example.org", critical=True, no_clear=True)],
        )
        self.assertEqual(found.of("email", "EMAIL", "webmaster"), [Recipient("root")])
        self.assertEqual(found.of("email", "EMAIL", "nobody"), [])
        self.assertEqual([each.address for each in found.of("email", "EMAIL", "more")], ["a", "b", "c"])

    def test_wants(self) -> None:
        """
        C{critical}, C{nowarn} and C{noclear} limit what someone is told.
        """
        critical = Recipient.parse("a|critical")
        self.assertEqual(
            [
                critical.wants(*each)
                for each in (("WARNING", False), ("CRITICAL", False), ("WARNING", True), ("CLEAR", True))
            ],
            [False, True, True, True],
        )
        self.assertFalse(Recipient.parse("a|nowarn").wants("WARNING", False))
        self.assertFalse(Recipient.parse("a|noclear").wants("CLEAR", False))
        self.assertTrue(Recipient.parse("a|noclear|nowarn").wants("CRITICAL", False))

    def test_nothing_is_run(self) -> None:
        """
        Commands and functions in the file are left out and named, and create nothing.
        """
        trap = Path(self.mktemp())
        found = parse(
            f'A="$(touch {trap})"\nB=`touch {trap}`\ntouch {trap}\n'
            f'custom_sender() {{\n    touch {trap}\n    C="inside"\n}}\n'
            'D="not closed\nE="after"\n'
        )
        self.assertFalse(trap.exists())
        self.assertEqual([each.split(":")[1] for each in found.problems[:4]], ["1", "2", "3", "4"])
        self.assertNotIn("A", found.options)
        self.assertNotIn("C", found.options)

    def test_stock(self) -> None:
        """
        The stock file tells nobody, and has nothing wrong in it, also with everything switched on.
        """
        text = (STOCK / NOTIFY_CONF).read_text()
        found = parse(text)
        self.assertEqual((found.problems, found.options, found.roles), ([], {}, {}))
        lines = [
            line.removeprefix("#") if line.startswith("#") and line[1:2].strip() else line for line in text.splitlines()
        ]
        found = parse("\n".join(line for line in lines if not line.startswith("# ---")))
        self.assertEqual(found.problems, [])
        self.assertEqual(len(found.of("email", "EMAIL", "sysadmin")), 2)

    @settings(max_examples=300, deadline=None)
    @given(st.text(alphabet="ABab=_[]\"'\\$`(){}\n #+;|", max_size=60))
    def test_any_text(self, text: str) -> None:
        """
        Any text is read to its end.
        """
        parse(text)
