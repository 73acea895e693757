"""
Tests for endpoints as strings.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.protocol import Factory

from netstream.config.errors import ConfigError
from netstream.tls.certificates import certificate_fingerprint
from tests.quic.case import LinkCase, Talker
from tests.tls.papers import pair, write


class StringTests(LinkCase):
    """
    Any Twisted program connects and listens by UDP.
    """

    def both(self, client: str, server: str = "") -> Talker:
        """
        @return: The client's side of a connection between two strings.
        """
        factory = Factory.forProtocol(self.accept)
        text = f"quic:19999:certificate={self.certificate}:privateKey={self.key}{server}"
        self.successResultOf(serverFromString(self.parent, text).listen(factory))
        connecting = clientFromString(self.child, f"quic:parent:19999{client}").connect(Factory.forProtocol(Talker))
        self.network.advance(1)
        found: Any = self.successResultOf(connecting)
        return found

    def test_talk(self) -> None:
        """
        What one side says, the other hears.
        """
        client = self.both(f":caFile={self.ca}:timeout=5")
        client.transport.write(b"hello")
        self.network.advance(1)
        self.assertEqual(self.accepted[0].heard, b"hello")

    def test_trust(self) -> None:
        """
        Whom to trust can be said in each way, with colons in a fingerprint too.
        """
        digits = certificate_fingerprint(pair("parent").certificate).upper()
        colons = r"\:".join(digits[at : at + 2] for at in range(0, len(digits), 2))
        certificate, key = write(pair("me", client=True), self.directory, "client-")
        client = self.both(
            f":fingerprint={colons}:certificate={certificate}:privateKey={key}",
            f":clientCA={self.ca}:interface=0.0.0.0",
        )
        self.assertIsNone(client.lost)
        self.assertEqual(self.accepted[0].transport.getPeerCertificate().get_subject().CN, "me")

    def test_wrong(self) -> None:
        """
        What is wrong with a string is said when it is read.
        """
        for text, words in (
            ("quic:a:1:verifyHostname=maybe", "verifyHostname=maybe: write yes or no"),
            ("quic:a:1:caFile=/nonexistent", "/nonexistent"),
            ("quic:a:x", "invalid literal"),
        ):
            problem: Any = self.assertRaises((ValueError, ConfigError), clientFromString, self.child, text)
            self.assertIn(words, str(problem))
        self.assertRaises(TypeError, serverFromString, self.parent, "quic:1")
