"""
A child whose every name is meant to do harm, at a real node: what its pages
make of it in a browser, and what people are sent.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import time
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import quote

from aiosmtpd.controller import Controller

from tests.browser.case import BrowserTestCase
from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, Peer, accepting, free_port, wait_for
from tests.streaming.case import GUID
from tests.test_names import HOSTNAME, NAMES, PLAIN, definitions, samples

ALERT = "a<img src=x onerror=alert(1)>$(touch evil)"
TEXT = "return document.documentElement.textContent"
MARKUP = """
    return [...document.querySelectorAll("img, b, main script, [onerror]")].map(({ outerHTML }) => outerHTML);
"""
"""All at once, as a page makes lists anew while one looks."""
STREAM = accepting(KEY, type="api", default_postpone_alarms_on_connect_seconds="0")


def health(to: str, more: str = "") -> str:
    """
    @return: An alert of a name that is no better, for each chart of the child.
    """
    return "\n".join(
        f"template: {ALERT}{number}\non: {name}\nlookup: max -5s unaligned\nevery: 1s\ncrit: $this >= 0\n"
        f"info: {ALERT} ${{label:{name}}}\nto: {to}\n{more}"
        for number, name in enumerate(NAMES)
        if name.isprintable()
    )


class Child:
    """
    It says its names, and then a sample each second.
    """

    def __init__(self, parent: Peer) -> None:
        self._over = Event()
        self._socket = socket.create_connection(("127.0.0.1", parent.port), 60)
        query = f"key={KEY}&hostname={quote(HOSTNAME, safe='')}&machine_guid={GUID}&update_every=1&ver=17144"
        self._socket.sendall(f"STREAM {query} HTTP/1.1\r\nUser-Agent: x/1\r\n\r\n".encode())
        self._socket.recv(1000)
        self._socket.sendall(definitions())
        self._thread = Thread(target=self._collect)
        self._thread.start()

    def _collect(self) -> None:
        while not self._over.wait(1):
            with contextlib.suppress(OSError):
                self._socket.sendall(samples(int(time.time())))

    def leave(self) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()


class PageTests(BrowserTestCase):
    """
    The dashboard.
    """

    def test_pages(self) -> None:
        """
        On every page each name is text: no element comes from one, no script
        runs, and the policy has nothing to forbid.
        """
        parent = self.node("parent", role="parent", stream=STREAM, health=health("silent"))
        child = Child(parent)
        self.addCleanup(child.leave)
        wait_for("alerts are raised", lambda: parent.get("alarms", GUID)["alarms"])
        first = next(iter(parent.charts(GUID)))
        for page in (
            "",
            f"host/{GUID}/",
            "nodes.html",
            "alerts.html",
            "streaming.html",
            f"compare.html#chart={quote(first, safe='')}",
        ):
            self.browser.get("about:blank")
            self.browser.get(f"http://{parent.address}/{page}")
            if page and "compare" not in page:
                wait_for(f"{page}: a name is there", lambda: "<b>host</b>" in self.browser.execute_script(TEXT))
            else:
                self.find("main")
            if page.startswith("host/"):
                wait_for("charts are there", lambda: NAMES[0] in self.browser.execute_script(TEXT))
            markup = self.browser.execute_script(MARKUP)
            self.assertEqual([], [each for each in markup if not each.startswith("<b") or "<b>host" in each], page)
            self.assertEqual([], self.complaints(), page)


class _Taker(BaseHTTPRequestHandler):
    """
    Takes what is posted.
    """

    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class _Box:
    """
    Takes mail.
    """

    def __init__(self) -> None:
        self.got: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.got.append(envelope)
        return "250 OK"


class NotificationTests(InteropTestCase):
    """
    What people are told of such a child.
    """

    def told(self, notify: str, more: str = "") -> Child:
        """
        Start a node that tells of all alerts.
        """
        conf = self.directory / "parent" / "etc" / "health_alarm_notify.conf"
        conf.parent.mkdir(parents=True)
        conf.write_text(notify)
        conf.chmod(0o600)
        parent = self.node("parent", role="parent", stream=STREAM, health=health("sysadmin", more))
        child = Child(parent)
        self.addCleanup(child.leave)
        return child

    def test_mail(self) -> None:
        """
        A mail has the headers that the node gives it, goes to whom it is for,
        and its text is text, also where it is HTML.
        """
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        box = _Box()
        controller = Controller(box, hostname="127.0.0.1", port=free_port())
        controller.start()
        self.addCleanup(controller.stop)
        self.told(
            f'SMTP_HOST="127.0.0.1:{controller.port}"\nSMTP_TLS="no"\nEMAIL_SENDER="n@example.org"\n'
            'DEFAULT_RECIPIENT_EMAIL="admin@example.org"\n'
        )
        wait_for("mails come", lambda: len(box.got) >= 5)
        known: set[str] = set()
        for envelope in tuple(box.got):
            self.assertEqual(envelope.rcpt_tos, ["admin@example.org"])
            mail: Any = message_from_bytes(envelope.content, policy=policy.default)
            self.assertEqual(mail.defects, [])
            known = known or set(mail.keys())
            self.assertEqual(set(mail.keys()), known)
            self.assertIsNone(mail["Set-Cookie"])
            self.assertRegex(str(mail["Subject"]), PLAIN)
            html = mail.get_body(("html",)).get_content()
            for markup in ("<img src=x", "<b>host</b>", "<script"):
                self.assertNotIn(markup, html)

    def test_webhook(self) -> None:
        """
        A webhook gets JSON, to the path that its owner wrote, with the node's
        own headers.
        """
        server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
        server.got = []
        thread = Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        self.told(f'SEND_WEBHOOK="YES"\nDEFAULT_RECIPIENT_WEBHOOK="http://127.0.0.1:{server.server_port}/in"\n')
        wait_for("calls come", lambda: len(server.got) >= 5)
        known: set[str] = set()
        for path, headers, body in tuple(server.got):
            self.assertEqual(path, "/in")
            known = known or set(headers)
            self.assertEqual(set(headers), known)
            self.assertNotIn("alert(1)", str(headers))
            said = json.loads(body)
            self.assertRegex(said["name"], r"\Aa_[\w.-]+\Z")
            self.assertTrue(said["info"].startswith(ALERT), said["info"])

    def test_program(self) -> None:
        """
        A program gets each name in one argument, and no shell has run any.
        """
        place = self.directory / "place"
        place.mkdir()
        program, out = place / "tell", place / "out"
        program.write_text(f'#!/bin/sh\ncd {place}\nprintf \'%s\\0\' "$#" "$2" "$7" "$8" "${{17}}" >> {out}\n')
        program.chmod(0o755)
        self.told("", f"exec: {program}\n")
        wait_for("it runs", lambda: len(self._words(out)) >= 25)
        words = self._words(out)
        for at in range(0, 25, 5):
            count, hostname, name, _, info = words[at : at + 5]
            self.assertEqual(count, "33")
            self.assertIn("<b>host</b>", hostname)
            self.assertRegex(name, r"\Aa_[\w.-]+\Z")
            self.assertTrue(info.startswith(ALERT), info)
        for word in words:
            self.assertRegex(word, PLAIN)
        self.assertEqual({path.name for path in place.iterdir()}, {"tell", "out"})

    def _words(self, out: Path) -> list[str]:
        return out.read_text().split("\0")[:-1] if out.exists() else []
