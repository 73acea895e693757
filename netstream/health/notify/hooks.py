"""
The methods that are an HTTP request.

Names and texts of metrics are values of JSON here, never parts of a URL or a
header.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote, urlsplit

from twisted.internet.defer import Deferred

from netstream.health.alerts import Status
from netstream.health.notify.message import Message
from netstream.health.notify.methods import COLOURS, Method, NotConfigured, checked_url, incident
from netstream.model.identity import fingerprint

_SHORT = 1000
"""Characters of a text where receivers take no more."""


class _JSON(Method):
    def post(
        self, url: str, body: Any, headers: Mapping[str, str] | None = None, verb: str = "POST"
    ) -> Deferred[bytes]:
        """
        Send JSON.
        """
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self.wires.request(verb, url, sent, json.dumps(body).encode())


def _colour(message: Message) -> str:
    return COLOURS.get(message.level, "777777")


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


class Webhook(_JSON):
    """
    All there is to say, as JSON, to any URL; recipients are URLs.
    """

    name = "webhook"
    short = "WEBHOOK"

    def shown(self, address: str) -> str:
        return f"{self.name} {urlsplit(address).hostname}"

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        headers = {"Idempotency-Key": key}
        token = self.option("WEBHOOK_TOKEN")
        if token:
            headers["Authorization"] = f"Bearer {token}"
        body = message.kept() | {"headline": message.headline, "key": key}
        return self.post(checked_url(address, "DEFAULT_RECIPIENT_WEBHOOK"), body, headers)


class Slack(_JSON):
    """
    Slack, and what takes the same: recipients are channels, C{#} is the one
    of the hook.
    """

    name = "slack"
    short = "SLACK"
    _URL = "SLACK_WEBHOOK_URL"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._url = self.url(self._URL)

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        def safe(text: str) -> str:
            return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")[:_SHORT]

        body: dict[str, Any] = {
            "username": f"netstream on {message.hostname}"[:80],
            "text": "",
            "attachments": [
                {
                    "fallback": safe(message.headline),
                    "color": f"#{_colour(message)}",
                    "title": safe(message.headline),
                    "text": safe(message.info),
                    "fields": [
                        {"title": name, "value": safe(value), "short": len(value) < 40}
                        for name, value in message.facts
                        if name != "About"
                    ],
                    "footer": safe(message.hostname),
                    "ts": message.when,
                }
            ],
        }
        if address != "#":
            body["channel"] = address if address.startswith(("#", "@")) else f"#{address}"
        return self.post(self._url, body)


class RocketChat(Slack):
    """
    Rocket.Chat takes what Slack takes.
    """

    name = "rocketchat"
    short = "ROCKETCHAT"
    _URL = "ROCKETCHAT_WEBHOOK_URL"


class Discord(_JSON):
    """
    Discord; the hook decides on the channel.
    """

    name = "discord"
    short = "DISCORD"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._url = self.url("DISCORD_WEBHOOK_URL")

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        body = {
            "username": f"netstream on {message.hostname}"[:80],
            "allowed_mentions": {"parse": []},
            "embeds": [
                {
                    "title": message.headline[:250],
                    "description": message.info[:_SHORT],
                    "color": int(_colour(message), 16),
                    "fields": [
                        {"name": name, "value": value[:_SHORT] or "-", "inline": len(value) < 40}
                        for name, value in message.facts
                        if name != "About"
                    ],
                    "timestamp": message.at,
                }
            ],
        }
        return self.post(self._url, body)


class Telegram(_JSON):
    """
    Telegram; recipients are ids of chats, with C{:THREAD} behind if need be.
    """

    name = "telegram"
    short = "TELEGRAM"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        token = self.needed("TELEGRAM_BOT_TOKEN")
        self._url = (
            f"{self.url('TELEGRAM_API_URL', 'https://api.telegram.org')}/bot{quote(token, safe=':')}/sendMessage"
        )

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        chat, _, thread = address.partition(":")
        lines = [f"<b>{escape(message.headline)}</b>"]
        lines += [f"{name}: {escape(value[:_SHORT])}" for name, value in message.facts]
        body: dict[str, Any] = {
            "chat_id": chat,
            "text": "\n".join(lines),
            "parse_mode": "HTML",
            "disable_web_page_preview": True,
            "disable_notification": message.level == Status.CLEAR,
        }
        if thread.isdigit():
            body["message_thread_id"] = int(thread)
        return self.post(self._url, body)


class Teams(_JSON):
    """
    Microsoft Teams; C{CHANNEL} in the URL stands for the recipient.
    """

    name = "msteams"
    short = "MSTEAMS"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._url = self.url("MSTEAMS_WEBHOOK_URL")

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        looks = {Status.CRITICAL: "attention", Status.WARNING: "warning", Status.CLEAR: "good"}
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [
                {
                    "type": "TextBlock",
                    "text": message.headline,
                    "weight": "bolder",
                    "size": "medium",
                    "wrap": True,
                    "color": looks.get(message.level, "default"),
                },
                {"type": "FactSet", "facts": [{"title": name, "value": value} for name, value in message.facts]},
            ],
        }
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        url = self._url.replace("CHANNEL", quote(address, safe=""))
        return self.post(url, {"type": "message", "attachments": [attachment]})


class _Keyed(_JSON):
    """
    Recipients are secrets.
    """

    def lane(self, address: str) -> str:
        return f"{self.name} {fingerprint(address)}"

    def shown(self, address: str) -> str:
        return f"{self.name} {fingerprint(address)}"


class PagerDuty(_Keyed):
    """
    PagerDuty; recipients are integration keys of services.
    """

    name = "pagerduty"
    short = "PD"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._url = self.url("PD_API_URL", "https://events.pagerduty.com/v2/enqueue")

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        severities = {Status.CRITICAL: "critical", Status.WARNING: "warning"}
        body: dict[str, Any] = {
            "routing_key": address,
            "event_action": "resolve" if message.level == Status.CLEAR else "trigger",
            "dedup_key": incident(message),
            "payload": {
                "summary": message.headline[:1024],
                "source": message.hostname,
                "severity": severities.get(message.level, "info"),
                "timestamp": message.at,
                "component": message.chart,
                "group": message.family,
                "class": message.classification,
                "custom_details": dict(message.facts),
            },
        }
        return self.post(self._url, body)


class Opsgenie(_JSON):
    """
    Opsgenie; the key decides on who is told.
    """

    name = "opsgenie"
    short = "OPSGENIE"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._headers = {"Authorization": f"GenieKey {self.needed('OPSGENIE_API_KEY')}"}
        self._url = self.url("OPSGENIE_API_URL", "https://api.opsgenie.com")

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        alias = incident(message)
        if message.level == Status.CLEAR:
            url = f"{self._url}/v2/alerts/{alias}/close?identifierType=alias"
            return self.post(url, {"source": message.hostname, "note": message.headline}, self._headers)
        body = {
            "message": message.headline[:130],
            "alias": alias,
            "description": message.body,
            "details": dict(message.facts),
            "entity": message.chart[:512],
            "source": message.hostname[:100],
            "priority": "P1" if message.level == Status.CRITICAL else "P3",
        }
        return self.post(f"{self._url}/v2/alerts", body, self._headers)


class Ntfy(_JSON):
    """
    ntfy; recipients are URLs of topics.
    """

    name = "ntfy"
    short = "NTFY"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        token, user = self.option("NTFY_ACCESS_TOKEN"), self.option("NTFY_USERNAME")
        self._headers: dict[str, str] = {}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        elif user:
            self._headers["Authorization"] = _basic(user, self.option("NTFY_PASSWORD"))

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        url = checked_url(address, "DEFAULT_RECIPIENT_NTFY")
        server, _, topic = url.rpartition("/")
        if server.endswith("/") or not topic:
            raise NotConfigured("DEFAULT_RECIPIENT_NTFY is no URL of a topic, such as 'https://ntfy.sh/mine'")
        looks = {
            Status.CRITICAL: (5, "rotating_light"),
            Status.WARNING: (4, "warning"),
            Status.CLEAR: (3, "white_check_mark"),
        }
        priority, tag = looks.get(message.level, (3, "grey_question"))
        body = {"topic": topic, "title": message.headline, "message": message.body, "priority": priority, "tags": [tag]}
        return self.post(server, body, self._headers)


class Gotify(_JSON):
    """
    Gotify; the token decides on who is told.
    """

    name = "gotify"
    short = "GOTIFY"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._headers = {"X-Gotify-Key": self.needed("GOTIFY_APP_TOKEN")}
        self._url = self.url("GOTIFY_APP_URL") + "/message"

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        priority = {Status.CRITICAL: 10, Status.WARNING: 5}.get(message.level, 1)
        return self.post(
            self._url, {"title": message.headline, "message": message.body, "priority": priority}, self._headers
        )


class Matrix(_JSON):
    """
    Matrix; recipients are ids of rooms.  The same message sent again is told
    once.
    """

    name = "matrix"
    short = "MATRIX"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._url = self.url("MATRIX_HOMESERVER") + "/_matrix/client/v3/rooms"
        self._headers = {"Authorization": f"Bearer {self.needed('MATRIX_ACCESSTOKEN')}"}

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        html = f"<strong>{escape(message.headline)}</strong><br/>"
        html += "<br/>".join(f"{name}: {escape(value)}" for name, value in message.facts)
        body = {
            "msgtype": "m.notice",
            "body": f"{message.headline}\n{message.body}",
            "format": "org.matrix.custom.html",
            "formatted_body": html,
        }
        url = f"{self._url}/{quote(address, safe='')}/send/m.room.message/{quote(key, safe='')}"
        return self.post(url, body, self._headers, "PUT")


class Alertmanager(_JSON):
    """
    Prometheus Alertmanager; recipients are URLs of it.

    It forgets what is not said again, so an alert is told to last a week; an
    alert that repeats renews that.
    """

    name = "alertmanager"
    short = "ALERTMANAGER"
    _LASTS = 7 * 86400

    def shown(self, address: str) -> str:
        return f"{self.name} {urlsplit(address).hostname}"

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        url = checked_url(address, "DEFAULT_RECIPIENT_ALERTMANAGER")
        since = message.when - message.raised_for

        def alert(severity: str, ends: int) -> dict[str, Any]:
            labels = {
                "alertname": message.name,
                "instance": message.hostname,
                "machine_guid": message.guid,
                "chart": message.chart,
                "context": message.context,
                "family": message.family,
                "class": message.classification,
                "component": message.component,
                "type": message.type,
                "severity": severity,
            }
            annotations = {"summary": message.headline, "description": message.info, "value": message.value_string}
            return {
                "labels": {name: value for name, value in labels.items() if value},
                "annotations": annotations,
                "startsAt": _time(min(since, ends)),
                "endsAt": _time(ends),
            }

        raised = {Status.CRITICAL: "critical", Status.WARNING: "warning"}.get(message.level)
        alerts = [
            alert(severity, message.when + self._LASTS if severity == raised else message.when)
            for severity in ("warning", "critical")
        ]
        return self.post(f"{url}/api/v2/alerts", alerts)


def _time(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


HOOKS: tuple[type[Method], ...] = (
    Webhook,
    Slack,
    RocketChat,
    Discord,
    Telegram,
    Teams,
    PagerDuty,
    Opsgenie,
    Ntfy,
    Gotify,
    Matrix,
    Alertmanager,
)
