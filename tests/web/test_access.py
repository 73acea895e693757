"""
Who may look at a node.
"""

from twisted.trial.unittest import SynchronousTestCase

from netstream.model.pattern import pattern
from netstream.web.access import called, own_names
from tests.web.stage import CHILD, Stage

HOSTS = (
    ("localhost:19999", "localhost"),
    ("192.0.2.1", "192.0.2.1"),
    ("[2001:DB8::1]:80", "2001:db8::1"),
    ("[fe80::1%25eth0]:80", "fe80::1"),
    ("Node.Example.", "node.example"),
    ("a b", None),
    ("evil\xe9", None),
    ("[nonsense]", None),
    ("x" * 64 + ".example", None),
    ("host:port", None),
    ("..", None),
)


class AccessTests(SynchronousTestCase):
    """
    Tests for L{netstream.web.access} through the site.
    """

    def test_near(self) -> None:
        """
        Without any set-up a node shows itself to this machine and to private
        networks, and to nobody else.
        """
        stage = Stage()
        for peer in ("127.0.0.1", "10.1.2.3", "192.168.7.7", "fe80::1", "fd00::1", "::ffff:10.0.0.1"):
            self.assertEqual(stage.get("/api/v1/info", peer=peer).status, 200, peer)
        for peer in ("203.0.113.7", "2001:db8::7", "::ffff:203.0.113.7"):
            for target in ("/api/v1/info", "/", "/host/web1/", "/api/v1/none"):
                refused = stage.get(target, peer=peer)
                self.assertEqual(refused.status, 403, peer)
                self.assertIn(f"allow dashboard from = localhost 10.* 192.168.* fe80* fd* {_plain(peer)}", refused.text)

    def test_opened(self) -> None:
        """
        The line that a refusal names opens the node, and closes it to others.
        """
        stage = Stage(allow={"dashboard": pattern("localhost 203.0.113.*")})
        self.assertEqual(stage.get("/api/v1/info", peer="203.0.113.7").status, 200)
        refused = stage.get("/api/v1/info", peer="10.1.2.3")
        self.assertEqual(refused.status, 403)
        self.assertIn("allow dashboard from = localhost 203.0.113.* 10.1.2.3\n", refused.text)

    def test_narrowed(self) -> None:
        """
        The configuration and badges are for some of those who may look.
        """
        stage = Stage(allow={name: pattern("10.*") for name in ("badges", "netdata.conf")})
        for target, name in (("/netdata.conf", "netdata.conf"), ("/api/v1/badge.svg?chart=x", "badges")):
            self.assertEqual(stage.get(target, peer="10.1.2.3").status, 200)
            self.assertEqual(stage.get(target, peer="203.0.113.7").status, 403)
            refused = stage.get(target, peer="192.168.1.1")
            self.assertEqual(refused.status, 403)
            self.assertIn(f"allow {name} from = 10.* 192.168.1.1", refused.text)
        self.assertEqual(stage.get("/host/parent.example/netdata.conf", peer="10.1.2.3").status, 200)
        stage.child()
        self.assertEqual(stage.get("/host/web1/netdata.conf", peer="10.1.2.3").status, 404)

    def test_children(self) -> None:
        """
        A child from anywhere may ask what children ask, if it may stream.
        """
        question = f"/api/v3/stream_info?machine_guid={CHILD}"
        self.assertEqual(Stage().get(question, peer="203.0.113.7").status, 404)
        closed = Stage(allow={"streaming": pattern("10.*")})
        self.assertEqual(closed.get(question, peer="203.0.113.7").status, 403)

    def test_names(self) -> None:
        """
        A page of somebody else that lets its own name point here is refused,
        and told which option would admit the name.
        """
        stage = Stage(host_names=pattern("metrics.example *.shop.example"))
        for name in ("localhost", "127.0.0.1:19999", "[::1]:19999", "parent.example", "PARENT", "parent.local:1",
                     "metrics.example", "a.shop.example", "x.localhost"):  # fmt: skip
            self.assertEqual(stage.get("/api/v1/info", Host=name).status, 200, name)
        for name in ("evil.example", "parent.evil.example", "web1"):
            refused = stage.get("/api/v1/info", Host=name)
            self.assertEqual(refused.status, 421, name)
            self.assertIn(f"allowed host names = {name}\n", refused.text)
        self.assertEqual(stage.get("/api/v1/info", Host="a b").status, 400)

    def test_no_name(self) -> None:
        """
        A program that speaks HTTP/1.0 and names no host is answered.
        """
        (answer,) = Stage().raw(b"GET /api/v1/info HTTP/1.0\r\n\r\n")
        self.assertEqual(answer.status, 200)

    def test_called(self) -> None:
        """
        What stands in a Host header is understood, or refused as malformed.
        """
        for header, expected in HOSTS:
            self.assertEqual(called(header), expected, header)

    def test_own_names(self) -> None:
        """
        A node knows its name alone and in the domains of local networks.
        """
        names = own_names("Box.example.com", "")
        self.assertLessEqual({"box", "box.example.com", "box.local", "box.lan", "localhost"}, names)
        self.assertNotIn("", names)


def _plain(peer: str) -> str:
    return peer.removeprefix("::ffff:")
