"""
Telling: what each method says, and that it is said at least once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.health.log import Kept
from netstream.health.notify.email import Server
from netstream.health.notify.local import arguments as script_arguments
from netstream.health.notify.message import Message, plain
from netstream.health.notify.methods import Refused, TryLater, Wires
from netstream.health.notify.notifier import METHODS, Notifier

HOSTILE = "\"'`$(touch /tmp/pwned);\r\nBcc: x@evil.example\r\n\r\n<script>&|\0\x1b[31m*_[x](http://evil)"

MESSAGE = Message(
    unique_id=7,
    transition_id="aaaaaaaa-1111-4111-8111-111111111111",
    guid="11111111-1111-1111-1111-111111111111",
    hostname="web1",
    alarm_id=3,
    event_id=4,
    name="disk_full",
    chart="disk_space._",
    context="disk.space",
    family="/",
    status="CRITICAL",
    old_status="WARNING",
    value=98.5,
    old_value=97.0,
    when=1_700_000_000,
    duration=60,
    raised_for=3600,
    units="%",
    summary="Disk / is full",
    info="space in use on /",
    value_string="98.5%",
    old_value_string="97%",
    expression="$this > 98",
    expression_values="$this = 98.5",
    source="line=3,file=/etc/netstream/health.d/disks.conf",
    roles="sysadmin",
    classification="Utilization",
    component="Disk",
    type="System",
    warnings=(("a.b.x", 1), ("a.b.y", 2)),
)

EVERYTHING = """
DEFAULT_RECIPIENT_EMAIL="admin@example.org"
SMTP_HOST="mail.example:2525"
DEFAULT_RECIPIENT_WEBHOOK="https://hook.example/in?x=1"
WEBHOOK_TOKEN="t0k"
SLACK_WEBHOOK_URL="https://slack.example/hook"
DEFAULT_RECIPIENT_SLACK="#alarms"
ROCKETCHAT_WEBHOOK_URL="https://rocket.example/hook"
DEFAULT_RECIPIENT_ROCKETCHAT="#"
DISCORD_WEBHOOK_URL="https://discord.example/hook"
DEFAULT_RECIPIENT_DISCORD="alarms"
TELEGRAM_BOT_TOKEN="123:ABC"
DEFAULT_RECIPIENT_TELEGRAM="-100:5"
MSTEAMS_WEBHOOK_URL="https://teams.example/CHANNEL"
DEFAULT_RECIPIENT_MSTEAMS="al+arms/x"
DEFAULT_RECIPIENT_PD="pd-secret-key"
OPSGENIE_API_KEY="genie"
DEFAULT_RECIPIENT_OPSGENIE="x"
DEFAULT_RECIPIENT_NTFY="https://ntfy.example/topic"
NTFY_USERNAME="me"
NTFY_PASSWORD="pass"
GOTIFY_APP_URL="https://gotify.example/"
GOTIFY_APP_TOKEN="gtok"
DEFAULT_RECIPIENT_GOTIFY="x"
MATRIX_HOMESERVER="https://matrix.example"
MATRIX_ACCESSTOKEN="mtok"
DEFAULT_RECIPIENT_MATRIX="!room:example"
DEFAULT_RECIPIENT_ALERTMANAGER="http://am.example:9093"
DEFAULT_RECIPIENT_SYSLOG="daemon.notice@log.example:1514/alerts"
"""


class Recorder(Wires):
    """
    Takes what would go out.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.mails: list[tuple[Server, str, str, bytes]] = []
        self.datagrams: list[tuple[str, int, bytes]] = []
        self.programs: list[tuple[str, list[str], Mapping[str, str]]] = []
        self.answers: dict[str, list[Any]] = {}

    def _answer(self, name: str) -> Deferred[Any]:
        answers = self.answers.get(name)
        answer = answers.pop(0) if answers else b""
        if isinstance(answer, Deferred):
            return answer
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)

    def request(self, verb: str, url: str, headers: Mapping[str, str], body: bytes) -> Deferred[bytes]:
        self.requests.append((verb, url, headers, body))
        return self._answer(url.split("/")[2])

    def mail(self, server: Any, sender: str, recipient: str, content: bytes) -> Deferred[None]:
        self.mails.append((server, sender, recipient, content))
        return self._answer(server.host)

    def datagram(self, host: str, port: int, data: bytes) -> Deferred[None]:
        self.datagrams.append((host, port, data))
        return succeed(None)

    def run(self, program: str, arguments: list[str], environment: Mapping[str, str]) -> Deferred[int]:
        self.programs.append((program, arguments, environment))
        return succeed(self.answers.pop(program, [0])[0])


class NotifyCase(SynchronousTestCase):
    """
    A notifier with a file of its own.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.wires = Recorder()
        self.kept: dict[str, Any] = {}
        self.ended: list[bool] = []

    def notifier(self, text: str) -> Notifier:
        """
        @return: A notifier that read this file.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / "health_alarm_notify.conf").write_text(text)
        made = Notifier(directory, self.clock, self.wires, self._keep, lambda message, good: self.ended.append(good))
        made.reload()
        return made

    def _keep(self, id: str, put: Any) -> None:
        if put is None:
            self.kept.pop(id, None)
        else:
            json.dumps(put)
            self.kept[id] = put

    def sent(self, host: str, message: Message = MESSAGE) -> tuple[str, str, Mapping[str, str], Any]:
        """
        @return: The one request that went to a host.
        """
        self.wires.requests.clear()
        self.notifier(EVERYTHING).tell(message, "")
        self.clock.advance(0)
        (one,) = [each for each in self.wires.requests if each[1].split("/")[2] == host]
        return one[0], one[1], one[2], json.loads(one[3])


class MethodTests(NotifyCase):
    """
    What each method sends.
    """

    def test_all(self) -> None:
        """
        Every method that is configured tells its recipient once, and no delivery is left.
        """
        notifier = self.notifier(EVERYTHING)
        self.assertEqual(len(notifier.receivers("sysadmin", "")), len(METHODS))
        self.assertNotIn("secret", str(notifier.receivers("sysadmin", "")))
        self.assertTrue(notifier.tell(MESSAGE, ""))
        self.assertEqual(len(self.kept), len(METHODS))
        self.clock.advance(0)
        self.assertEqual(len(self.wires.requests) + len(self.wires.mails) + len(self.wires.datagrams), len(METHODS))
        self.assertEqual((self.kept, notifier.waiting, set(self.ended)), ({}, 0, {True}))

    def test_webhook(self) -> None:
        """
        A webhook gets everything as JSON, with a key that stays the same.
        """
        verb, url, headers, body = self.sent("hook.example")
        self.assertEqual((verb, url), ("POST", "https://hook.example/in?x=1"))
        self.assertEqual(headers["Authorization"], "Bearer t0k")
        self.assertEqual(headers["Idempotency-Key"], body["key"])
        self.assertEqual((body["name"], body["status"], body["value"]), ("disk_full", "CRITICAL", 98.5))
        self.assertEqual(body["headline"], "web1 is critical: Disk / is full = 98.5%")
        self.assertEqual(self.sent("hook.example")[3]["key"], body["key"])
        self.assertNotEqual(self.sent("hook.example", evolve(MESSAGE, unique_id=8))[3]["key"], body["key"])

    def test_slack(self) -> None:
        """
        Slack gets an attachment for a channel; Rocket.Chat the same without one.
        """
        _, _, _, body = self.sent("slack.example", evolve(MESSAGE, info="<!channel> & more"))
        self.assertEqual((body["channel"], body["attachments"][0]["color"]), ("#alarms", "#e05d44"))
        self.assertEqual(body["attachments"][0]["text"], "&lt;!channel&gt; &amp; more")
        self.assertNotIn("channel", self.sent("rocket.example")[3])

    def test_discord(self) -> None:
        """
        Discord gets an embed, in which nobody can be mentioned.
        """
        body = self.sent("discord.example", evolve(MESSAGE, info="@everyone"))[3]
        self.assertEqual(body["allowed_mentions"], {"parse": []})
        self.assertEqual(body["embeds"][0]["timestamp"], "2023-11-14T22:13:20Z")

    def test_telegram(self) -> None:
        """
        Telegram gets escaped HTML for a chat and thread.
        """
        _, url, _, body = self.sent("api.telegram.org", evolve(MESSAGE, info="<b>x"))
        self.assertEqual(url, "https://api.telegram.org/bot123:ABC/sendMessage")
        self.assertEqual((body["chat_id"], body["message_thread_id"]), ("-100", 5))
        self.assertIn("About: &lt;b&gt;x", body["text"])

    def test_teams(self) -> None:
        """
        Teams gets a card at the URL of its channel.
        """
        _, url, _, body = self.sent("teams.example")
        self.assertEqual(url, "https://teams.example/al%2Barms%2Fx")
        self.assertEqual(body["attachments"][0]["content"]["body"][0]["color"], "attention")

    def test_pagerduty(self) -> None:
        """
        PagerDuty opens an incident and resolves the same one.
        """
        one = self.sent("events.pagerduty.com")[3]
        two = self.sent("events.pagerduty.com", evolve(MESSAGE, status="CLEAR", unique_id=9))[3]
        self.assertEqual(
            (one["routing_key"], one["event_action"], one["payload"]["severity"]),
            ("pd-secret-key", "trigger", "critical"),
        )
        self.assertEqual((two["event_action"], two["dedup_key"]), ("resolve", one["dedup_key"]))

    def test_opsgenie(self) -> None:
        """
        Opsgenie opens an alert and closes the same one.
        """
        _, url, headers, one = self.sent("api.opsgenie.com")
        self.assertEqual((url, headers["Authorization"]), ("https://api.opsgenie.com/v2/alerts", "GenieKey genie"))
        self.assertEqual(one["priority"], "P1")
        closed = self.sent("api.opsgenie.com", evolve(MESSAGE, status="CLEAR"))[1]
        self.assertEqual(closed, f"https://api.opsgenie.com/v2/alerts/{one['alias']}/close?identifierType=alias")

    def test_ntfy_gotify_matrix(self) -> None:
        """
        ntfy, Gotify and Matrix get text with a priority, and their secrets in headers.
        """
        _, url, headers, body = self.sent("ntfy.example")
        self.assertEqual((url, body["topic"], body["priority"]), ("https://ntfy.example", "topic", 5))
        self.assertEqual(headers["Authorization"], "Basic bWU6cGFzcw==")
        _, url, headers, body = self.sent("gotify.example")
        self.assertEqual(
            (url, headers["X-Gotify-Key"], body["priority"]), ("https://gotify.example/message", "gtok", 10)
        )
        verb, url, headers, body = self.sent("matrix.example", evolve(MESSAGE, info="<i>"))
        self.assertEqual((verb, headers["Authorization"]), ("PUT", "Bearer mtok"))
        self.assertRegex(url, r"/rooms/%21room%3Aexample/send/m\.room\.message/[0-9a-f]{40}$")
        self.assertIn("&lt;i&gt;", body["formatted_body"])

    def test_alertmanager(self) -> None:
        """
        Alertmanager hears that one severity is on and the other over, and of a recovery that both are.
        """
        _, url, _, body = self.sent("am.example:9093")
        self.assertEqual(url, "http://am.example:9093/api/v2/alerts")
        ends = {each["labels"]["severity"]: each["endsAt"] for each in body}
        self.assertEqual(ends["warning"], MESSAGE.at)
        self.assertGreater(ends["critical"], MESSAGE.at)
        clear = self.sent("am.example:9093", evolve(MESSAGE, status="CLEAR"))[3]
        self.assertEqual({each["endsAt"] for each in clear}, {MESSAGE.at})

    def test_syslog(self) -> None:
        """
        Syslog elsewhere gets a line of RFC 5424, this machine's the short form.
        """
        self.notifier(EVERYTHING).tell(MESSAGE, "")
        self.notifier('DEFAULT_RECIPIENT_SYSLOG="here"').tell(MESSAGE, "")
        self.clock.advance(0)
        (host, port, far), (path, _, near) = self.wires.datagrams
        self.assertEqual((host, port, path), ("log.example", 1514, "/dev/log"))
        self.assertTrue(far.startswith(b"<29>1 2023-11-14T22:13:20Z web1 alerts - disk_full - web1 is critical"), far)
        self.assertTrue(near.startswith(b"<178>here: web1 is critical: Disk / is full"), near)

    def test_mail(self) -> None:
        """
        E-mail has plain text and HTML, and a Message-ID that stays the same.
        """
        self.notifier(EVERYTHING).tell(MESSAGE, "")
        self.clock.advance(0)
        ((server, _, recipient, content),) = self.wires.mails
        self.assertEqual((server.host, server.port, recipient), ("mail.example", 2525, "admin@example.org"))
        mail: Any = message_from_bytes(content, policy=policy.default)
        self.assertEqual(mail["Subject"], "web1 is critical: Disk / is full = 98.5%")
        self.assertIn("Chart: disk_space._", mail.get_body(("plain",)).get_content())
        self.assertIn("<h3", mail.get_body(("html",)).get_content())
        self.assertRegex(mail["Message-ID"], r"^<[0-9a-f]{40}@")

    def test_program(self) -> None:
        """
        A program gets the 33 arguments of agents and an environment of its own.
        """
        notifier = self.notifier(EVERYTHING)
        notifier.tell(MESSAGE, "/usr/local/bin/tell")
        self.clock.advance(0)
        ((program, arguments, environment),) = self.wires.programs
        self.assertEqual(program, "/usr/local/bin/tell")
        self.assertEqual(len(arguments), 33)
        self.assertEqual(
            arguments[:11],
            [
                "sysadmin",
                "web1",
                "7",
                "3",
                "4",
                "1700000000",
                "disk_full",
                "disk_space._",
                "CRITICAL",
                "WARNING",
                "98.5",
            ],
        )
        self.assertEqual(arguments[21:25], ["2", "0", "a.b.x=1,a.b.y=2", ""])
        self.assertEqual(arguments[28:30], [MESSAGE.transition_id, "Disk / is full"])
        edit = "netstream edit-config health.d/disks.conf"
        made = script_arguments(evolve(MESSAGE, edit=edit, hostname="a$(b)", value=90.0), "x")
        # Someone may put this one into a shell.
        self.assertEqual((made[10], made[20], made[26]), ("90", "[ $this = 98.5 ] ", f"{edit}=3=a__b_"))
        self.assertEqual(
            set(environment),
            {"PATH", "LANG", "NETDATA_HOSTNAME", "NETDATA_USER_CONFIG_DIR", "NETSTREAM_IDEMPOTENCY_KEY"},
        )
        self.assertEqual(self.wires.requests, [])
        self.wires.answers["/usr/local/bin/tell"] = [3]
        notifier.tell(evolve(MESSAGE, unique_id=8), "/usr/local/bin/tell")
        notifier.tell(evolve(MESSAGE, unique_id=9), "tell")
        self.clock.advance(0)
        self.assertEqual(
            [each[2]["problem"] for each in self.kept.values()],
            ["it ended with status 3", "exec: 'tell' is no absolute path"],
        )

    def test_built_in_script(self) -> None:
        """
        An alert that wants the agents' own script is told by what is built in.
        """
        self.notifier(EVERYTHING).tell(MESSAGE, "/usr/libexec/netdata/plugins.d/alarm-notify.sh")
        self.clock.advance(0)
        self.assertEqual((len(self.wires.programs), len(self.wires.mails)), (0, 1))


class HostileTests(NotifyCase):
    """
    S2: names and texts of metrics reach no shell, and add no header.
    """

    def requested(self) -> list[tuple[str, str, list[str]]]:
        """
        @return: Verb, URL without ids, and names of headers of each request.
        """
        requests = self.wires.requests
        return [(verb, re.sub("[0-9a-f]{32,}", "", url), sorted(headers)) for verb, url, headers, _ in requests]

    def test_names(self) -> None:
        """
        Whatever a child calls things, headers, URLs and paths stay what the owner wrote.
        """
        honest = self.notifier(EVERYTHING)
        honest.tell(MESSAGE, "")
        honest.tell(MESSAGE, "/usr/local/bin/tell")
        self.clock.advance(0)
        expected = [
            (verb, re.sub("[0-9a-f]{32,}", "", url), sorted(headers)) for verb, url, headers, _ in self.wires.requests
        ]
        first = self.wires.programs[0]
        self.wires = Recorder()
        texts = ("hostname", "chart", "context", "family", "units", "summary", "info", "value_string", "expression")
        hostile = evolve(MESSAGE, **{name: plain(HOSTILE) for name in texts})
        notifier = self.notifier(EVERYTHING)
        notifier.tell(hostile, "")
        notifier.tell(hostile, "/usr/local/bin/tell")
        self.clock.advance(0)
        found = [
            (verb, re.sub("[0-9a-f]{32,}", "", url), sorted(headers)) for verb, url, headers, _ in self.wires.requests
        ]
        self.assertEqual(found, expected)
        for _, _, headers, body in self.wires.requests:
            json.loads(body)
            self.assertNotIn("evil", str(headers))
        mail: Any = message_from_bytes(self.wires.mails[0][3], policy=policy.default)
        self.assertIsNone(mail["Bcc"])
        self.assertNotIn("<script>", mail.get_body(("html",)).get_content())
        self.assertNotIn(b"\n", self.wires.datagrams[0][2])
        program, arguments, environment = self.wires.programs[0]
        self.assertEqual((program, len(arguments), sorted(environment)), (first[0], 33, sorted(first[2])))
        self.assertFalse(any("\0" in each or "\n" in each for each in arguments))

    def test_plain(self) -> None:
        """
        Control characters and what UTF-8 cannot carry are replaced, and long texts cut.
        """
        self.assertEqual(plain("a\r\nb\0c\x1b\u2028d\udcff"), "a  b c  d?")
        self.assertEqual(len(plain("x" * 10_000)), 2000)


class QueueTests(NotifyCase):
    """
    At least once, and each receiver by itself.
    """

    TWO = 'DEFAULT_RECIPIENT_WEBHOOK="https://one.example/a https://two.example/a"\n'

    def hosts(self) -> list[str]:
        """
        @return: Who was asked, in order.
        """
        return [each[1].split("/")[2].partition(".")[0] for each in self.wires.requests]

    def test_retry(self) -> None:
        """
        What was not taken is sent again, later and later, until it is; then nothing is kept of it.
        """
        self.wires.answers["one.example"] = [TryLater("HTTP 503"), TryLater("HTTP 429", 30), OSError("refused")]
        notifier = self.notifier(self.TWO)
        notifier.tell(MESSAGE, "")
        self.clock.advance(0)
        self.assertEqual((self.hosts(), len(self.kept)), (["one", "two"], 1))
        self.clock.pump([1] * 5)
        self.assertEqual(self.hosts(), ["one", "two", "one"])
        self.clock.pump([1] * 29)
        self.assertEqual(len(self.hosts()), 3)
        self.clock.pump([1] * 30)
        self.assertEqual(self.hosts(), ["one", "two", "one", "one", "one"])
        keys = {each[2]["Idempotency-Key"] for each in self.wires.requests if "one." in each[1]}
        self.assertEqual((len(keys), self.kept, notifier.waiting), (1, {}, 0))

    def test_slow_receiver(self) -> None:
        """
        A receiver that does not answer delays nobody, is given up for the moment after a minute, and keeps its order.
        """
        self.wires.answers["one.example"] = [Deferred()]
        notifier = self.notifier(self.TWO)
        for number in range(3):
            notifier.tell(evolve(MESSAGE, unique_id=number), "")
        self.clock.advance(0)
        self.assertEqual(self.hosts().count("two"), 3)
        self.assertEqual((self.hosts().count("one"), notifier.waiting), (1, 3))
        self.clock.advance(60)
        self.clock.advance(5)
        ids = [json.loads(each[3])["unique_id"] for each in self.wires.requests if "one." in each[1]]
        self.assertEqual((ids, notifier.waiting), ([0, 0, 1, 2], 0))

    def test_dead_letters(self) -> None:
        """
        What a receiver will never take, or does not take for a day, is given up and noted; the next is sent.
        """
        self.wires.answers["one.example"] = [Refused("HTTP 404")]
        notifier = self.notifier(self.TWO)
        notifier.tell(MESSAGE, "")
        notifier.tell(evolve(MESSAGE, unique_id=8), "")
        self.clock.advance(0)
        self.assertEqual(self.hosts(), ["one", "one", "two", "two"])
        ((state, _, body),) = self.kept.values()
        self.assertEqual((state, body["problem"], self.ended.count(False)), ("dead", "HTTP 404", 1))
        self.wires.answers["two.example"] = [TryLater("HTTP 500")] * 1000
        notifier.tell(evolve(MESSAGE, unique_id=9), "")
        self.clock.pump([300] * 300)
        self.assertEqual([state for state, *_ in self.kept.values()], ["dead", "dead"])
        self.assertEqual(notifier.waiting, 0)

    def test_restart(self) -> None:
        """
        What was not delivered when the process ended is sent after it, with the same key.
        """
        self.wires.answers["one.example"] = [TryLater("HTTP 503")]
        notifier = self.notifier(self.TWO)
        notifier.tell(MESSAGE, "")
        self.clock.advance(0)
        notifier.stop()
        ((_, _, body),) = self.kept.values()
        again = self.notifier(self.TWO)
        again.restore(Kept(pending=[json.loads(json.dumps(body)), {"id": "broken"}]))
        self.clock.advance(0)
        self.assertEqual(self.hosts(), ["one", "two", "one"])
        self.assertEqual(self.wires.requests[2][2]["Idempotency-Key"], body["id"])
        self.assertEqual(self.kept, {})

    def test_bounded(self) -> None:
        """
        For a receiver that is away only so many messages wait; the oldest are given up.
        """
        self.wires.answers["one.example"] = [Deferred()]
        notifier = self.notifier('DEFAULT_RECIPIENT_WEBHOOK="https://one.example/a"\n')
        for number in range(1005):
            notifier.tell(evolve(MESSAGE, unique_id=number), "")
        self.clock.advance(0)
        self.assertEqual(notifier.waiting, 1000)
        self.assertEqual(sum(state == "dead" for state, *_ in self.kept.values()), 5)

    def test_not_configured(self) -> None:
        """
        A method that lacks something is named and off; without recipients nobody is told.
        """
        notifier = self.notifier('DEFAULT_RECIPIENT_SLACK="#a"\nSMTP_TLS="maybe"\nDEFAULT_RECIPIENT_EMAIL="x"\n')
        self.assertEqual(notifier.receivers("sysadmin", ""), [])
        self.assertFalse(notifier.tell(MESSAGE, ""))
        self.assertFalse(self.notifier(EVERYTHING).tell(evolve(MESSAGE, roles="silent"), ""))
