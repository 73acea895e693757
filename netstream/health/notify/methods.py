"""
What every way of telling has in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred

from netstream.health.alerts import Status
from netstream.health.notify.message import Message

COLOURS = {Status.CRITICAL: "e05d44", Status.WARNING: "dfb317", Status.CLEAR: "44aa44"}


class NotConfigured(ValueError):
    """
    A method lacks an option; the text names it.
    """


class Refused(Exception):
    """
    The receiver will not take this message, however often it is sent.
    """


class TryLater(Exception):
    """
    The receiver does not take the message now.

    @ivar after: Seconds that it wants to be left alone; 0 if it does not say.
    """

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class Wires:
    """
    What reaches the world, for all methods.
    """

    def request(self, verb: str, url: str, headers: Mapping[str, str], body: bytes) -> Deferred[bytes]:
        """
        Make an HTTP request.

        @return: Fires with the body of a 2xx answer, as far as it is short;
            fails with L{Refused} or L{TryLater}.
        """
        raise NotImplementedError

    def mail(self, server: Any, sender: str, recipient: str, content: bytes) -> Deferred[None]:
        """
        Send an e-mail.

        @param server: A L{netstream.health.notify.email.Server}.
        @return: Fails with L{Refused} or L{TryLater}.
        """
        raise NotImplementedError

    def datagram(self, host: str, port: int, data: bytes) -> Deferred[None]:
        """
        Send a datagram.

        @param host: Name or address; an absolute path is a Unix socket.
        @return: Fires when it is sent; fails with L{OSError}, also if the name
            has no address.
        """
        raise NotImplementedError

    def run(self, program: str, arguments: list[str], environment: Mapping[str, str]) -> Deferred[int]:
        """
        Run a program, without a shell.

        @return: Fires with its exit status; fails with L{Refused} or
            L{TryLater}.
        """
        raise NotImplementedError


class Method:
    """
    One way of telling.

    @cvar name: In lower case; as it stands in C{role_recipients_NAME}.
    @cvar short: As it stands in C{DEFAULT_RECIPIENT_SHORT}.
    """

    name: ClassVar[str]
    short: ClassVar[str] = ""

    def __init__(self, options: Mapping[str, str], wires: Wires) -> None:
        """
        @param options: Of C{health_alarm_notify.conf}.
        @raise NotConfigured: Something is missing.
        """
        self.options = options
        self.wires = wires

    def option(self, name: str, default: str = "") -> str:
        """
        @return: An option; the default if it is empty.
        """
        return self.options.get(name, "").strip() or default

    def needed(self, name: str) -> str:
        """
        @return: An option that has to be there.
        @raise NotConfigured: It is not.
        """
        value = self.option(name)
        if not value:
            raise NotConfigured(f"{name} is not set")
        return value

    def url(self, name: str, default: str = "") -> str:
        """
        @return: An option that is a URL, without a slash at its end.
        @raise NotConfigured: It is not there, or is no such URL.
        """
        value = self.option(name, default) if default else self.needed(name)
        return checked_url(value, name)

    def lane(self, address: str) -> str:
        """
        @return: Names the receiver; what waits for one receiver keeps no other
            waiting.
        """
        return f"{self.name} {address}"

    def shown(self, address: str) -> str:
        """
        @return: A recipient as a person may see it, without a secret.
        """
        return f"{self.name} {address}"

    def send(self, message: Message, address: str, key: str) -> Deferred[Any]:
        """
        Tell one recipient.

        @param key: The same if the same is sent again.
        @return: Fires when the receiver has it; fails with L{Refused} if it
            never will, with anything else if it may be tried again.
        """
        raise NotImplementedError


def checked_url(value: str, name: str) -> str:
    """
    @return: A URL without a slash at its end.
    @raise NotConfigured: It is none of HTTP.
    """
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and value.isascii() and value.isprintable()
    except ValueError:
        good = False
    if not good or " " in value:
        raise NotConfigured(f"{name} is no URL such as 'https://alerts.example/hook'")
    return value.rstrip("/")


def incident(message: Message) -> str:
    """
    @return: The same for all that is told of one alert, for receivers that
        put it together.
    """
    return sha256(f"{message.guid} {message.chart} {message.name}".encode()).hexdigest()[:32]
