"""
E-mail.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from html import escape
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred

from netstream.health.notify.message import Message
from netstream.health.notify.methods import COLOURS, Method, NotConfigured, incident

_HOW = ("starttls", "tls", "no", "auto")


@frozen
class Server:
    """
    Where mail is handed over.

    @ivar tls: C{tls} from the first byte, C{starttls} or nothing, C{auto}
        STARTTLS if the server offers it, C{no} never.
    @ivar user: C{""} for a server that wants no name.
    """

    host: str = "localhost"
    port: int = 25
    tls: str = "auto"
    user: str = ""
    password: str = field(default="", repr=False)


class Email(Method):
    """
    E-mail over SMTP, with TLS where it is to be.
    """

    name = "email"
    short = "EMAIL"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        tls = self.option("SMTP_TLS", "auto").lower()
        if tls not in _HOW:
            raise NotConfigured(f"SMTP_TLS is none of {', '.join(_HOW)}")
        host, _, port = self.option("SMTP_HOST", "localhost").partition(":")
        default = 465 if tls == "tls" else 587 if tls == "starttls" else 25
        if port and not port.isdigit():
            raise NotConfigured("SMTP_HOST is not of the form HOST or HOST:PORT")
        user, password = self.option("SMTP_USERNAME"), self.option("SMTP_PASSWORD")
        if user and tls == "no":
            raise NotConfigured('SMTP_USERNAME with SMTP_TLS="no" would send a password in plain text')
        self._server = Server(host, int(port or default), "starttls" if user and tls == "auto" else tls, user, password)
        self._sender = self.option("EMAIL_SENDER", "netstream")

    def lane(self, address: str) -> str:
        return f"{self.name} {self._server.host}:{self._server.port}"

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        sender = parseaddr(self._sender)[1] or "netstream"
        content = mail(message, self._sender, address, key)
        return self.wires.mail(self._server, sender, parseaddr(address)[1] or address, content)


def mail(message: Message, sender: str, recipient: str, key: str) -> bytes:
    """
    @param key: Names the message; the same if it is sent again.
    @return: A whole message with CRLF lines.  What comes from metrics is
        encoded as the standards want it, so it cannot add a header.
    """
    found = EmailMessage(policy.SMTP)
    found["From"] = sender
    found["To"] = recipient
    found["Subject"] = message.headline[:400]
    found["Date"] = format_datetime(datetime.fromtimestamp(message.when, UTC))
    found["Message-ID"] = f"<{key}@netstream.invalid>"
    thread = f"<{incident(message)}@netstream.invalid>"
    found["References"] = thread
    found["Auto-Submitted"] = "auto-generated"
    found["X-Netdata-Severity"] = message.status.lower()
    found["X-Netdata-Alert-Name"] = message.name
    found["X-Netdata-Host"] = message.hostname
    found["X-Netdata-Chart"] = message.chart
    found.set_content(f"{message.headline}\n\n{message.body}\n\n{message.source}\n{message.edit}\n")
    rows = "".join(
        f"<tr><td style='padding:2px 12px 2px 0;color:#666'>{escape(name)}</td><td>{escape(value)}</td></tr>"
        for name, value in message.facts
    )
    colour = COLOURS.get(message.level, "777777")
    found.add_alternative(
        f"<html><body style='font-family:sans-serif'><h3 style='border-left:6px solid #{colour};padding-left:8px'>"
        f"{escape(message.headline)}</h3><table>{rows}</table><p style='color:#666'>{escape(message.source)}<br>"
        f"{escape(message.edit)}</p></body></html>",
        subtype="html",
    )
    return bytes(found)
