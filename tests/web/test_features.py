"""
Tests for what a port serves.
"""

from html import unescape

from twisted.trial.unittest import SynchronousTestCase

from netstream.web.features import ALL, feature_of
from tests.streaming.case import WorldCase


class FeatureTests(SynchronousTestCase):
    """
    L{feature_of}.
    """

    def test_paths(self) -> None:
        """
        However a path is written, it belongs to the same feature.
        """
        for path, feature in (
            ("/", "dashboard"),
            ("/api/v1/info", "dashboard"),
            ("/host/a/api/v1/charts", "dashboard"),
            ("/api/v1/badge.svg", "badges"),
            ("/host/a/api/v1/badge.svg", "badges"),
            ("//api//v1/badge.svg/", "badges"),
            ("/api/v1/registry", "registry"),
            ("/api/v1/manage/health", "management"),
            ("/api/v3/manage", "management"),
            ("/netdata.conf", "netdata.conf"),
            ("/host/a/netdata.conf", "netdata.conf"),
        ):
            self.assertEqual(feature_of(path), feature, path)
            self.assertIn(feature, ALL)


class PortTests(WorldCase):
    """
    Ports of a node that serve different things.
    """

    def test_features(self) -> None:
        """
        A port answers what it serves; to all else it says 403, and which
        feature is missing.
        """
        node = self.world.node(
            "a", conf="[web]\nbind to = *:1=dashboard *:2=badges|management *:3=streaming *:4=netdata.conf *:5\n"
        )
        paths = {
            "dashboard": "/api/v1/info",
            "badges": "/api/v1/badge.svg",
            "management": "/api/v1/manage/health",
            "netdata.conf": "/netdata.conf",
            "registry": "/api/v1/registry",
        }
        for port, served in (
            (1, {"dashboard"}),
            (2, {"badges", "management"}),
            (3, set()),
            (4, {"netdata.conf"}),
            (5, set(paths)),
        ):
            node.port = port
            for feature, path in paths.items():
                answer = node.exchange(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                self.assertNotEqual(answer, b"")
                refused = answer.startswith(b"HTTP/1.1 403 ") and f"does not serve '{feature}'" in unescape(
                    answer.decode()
                )
                if port == 3:
                    refused = b"serves 'streaming' alone" in answer
                self.assertEqual(refused, feature not in served, (port, feature, answer[:300]))

    def test_one_connection(self) -> None:
        """
        Later requests of a connection are looked at as well.
        """
        node = self.world.node("a", conf="[web]\nbind to = *:1=dashboard\n")
        node.port = 1
        page = "GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n"
        answer = node.exchange((page + page.replace("info", "manage/health")).encode())
        self.assertEqual((answer.count(b"HTTP/1.1 200 "), answer.count(b"HTTP/1.1 403 ")), (1, 1))
