"""
Who asks, through proxies or not, and whether it is meant.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netstream.model.networks import Networks
from netstream.model.pattern import pattern
from tests.web.stage import Stage
from tests.web.test_functions import OPEN, Callee

BROWSER = {"User_Agent": "Mozilla/5.0 (X11; Linux x86_64)"}


class ForwardedTests(SynchronousTestCase):
    """
    What proxies in front of a node say.
    """

    def stage(self, proxies: str = "127.0.0.1 10.9.0.0/16", **web: Any) -> Stage:
        return Stage(proxies=Networks.parse(proxies), **web)

    def test_for_others(self) -> None:
        """
        The address of whom a trusted proxy asks for is judged, not the
        proxy's; what the client itself put there counts for nothing.
        """
        stage = self.stage()
        for said, status in (
            ("203.0.113.7", 403),
            ("10.1.2.3", 200),
            ("127.0.0.1, 203.0.113.7", 403),
            ("nonsense, 203.0.113.7", 403),
            ("203.0.113.7, 10.1.2.3", 200),
            ("203.0.113.7, 10.9.0.1", 403),
            ("10.1.2.3:4711", 200),
            ("[2001:db8::7]:443", 403),
            ("fd00::7", 200),
            ("::ffff:203.0.113.7", 403),
            ("203.0.113.7, nonsense", 400),
            ("unknown", 400),
            (",".join(["203.0.113.7"] + ["10.9.0.1"] * 100), 200),
        ):
            self.assertEqual(stage.get("/api/v1/info", X_Forwarded_For=said).status, status, said)
        refused = stage.get("/", X_Forwarded_For="203.0.113.7")
        self.assertIn("does not show itself to 203.0.113.7.", refused.text)

    def test_untrusted(self) -> None:
        """
        Whoever else says so is judged by its own address.
        """
        for proxies in ("", "10.9.0.0/16"):
            stage = self.stage(proxies)
            self.assertEqual(stage.get("/", peer="203.0.113.7", X_Forwarded_For="127.0.0.1").status, 403)
            self.assertEqual(stage.get("/", peer="10.1.1.1", X_Forwarded_For="203.0.113.7").status, 200)
            named = stage.get("/", X_Forwarded_Host="evil.example", X_Forwarded_Proto="https")
            self.assertEqual(named.status, 200)

    def test_itself(self) -> None:
        """
        A trusted proxy that asks for nobody else is judged as itself.
        """
        self.assertEqual(self.stage().get("/").status, 200)
        self.assertEqual(self.stage("203.0.113.9").get("/", peer="203.0.113.9").status, 403)

    def test_names(self) -> None:
        """
        The name by which a proxy was called has to be one of this node's.
        """
        stage = self.stage(host_names=pattern("metrics.example"))
        self.assertEqual(stage.get("/", X_Forwarded_Host="metrics.example").status, 200)
        self.assertEqual(stage.get("/", X_Forwarded_Host="evil.example, metrics.example:443").status, 200)
        refused = stage.get("/", X_Forwarded_Host="evil.example")
        self.assertEqual(refused.status, 421)
        self.assertIn("allowed host names = evil.example\n", refused.text)

    def test_odd_host(self) -> None:
        """
        What a proxy leaves in C{Host} does not matter where it says how it
        was called, and neither does what a child says.
        """
        stage = self.stage(host_names=pattern("metrics.example"))
        for head in (
            b"GET /api/v1/info HTTP/1.1\r\nHost: \xb1:x\r\nX-Forwarded-Host: metrics.example\r\n\r\n",
            b"GET /api/v3/stream_info HTTP/1.1\r\nHost: \xb1:x\r\n\r\n",
        ):
            (answer,) = stage.raw(head)
            self.assertIn(answer.status, (200, 404), answer)

    def test_networks(self) -> None:
        """
        Proxies are addresses, networks, this machine or a socket.
        """
        found = Networks.parse("192.0.2.1, 10.0.0.0/8 2001:db8::/32 localhost")
        for address, within in (
            ("192.0.2.1", True),
            ("192.0.2.2", False),
            ("10.255.0.1", True),
            ("::ffff:10.0.0.1", True),
            ("2001:db8::1", True),
            ("2001:db9::1", False),
            ("127.0.0.53", True),
            ("::1", True),
            ("fe80::1%eth0", False),
            (None, True),
            ("nonsense", False),
            ("", False),
        ):
            self.assertIs(address in found, within, address)
        self.assertNotIn(None, Networks.parse("127.0.0.1"))
        self.assertIn(None, Networks.parse("unix"))
        with self.assertRaisesRegex(ValueError, "'10.\\*' is neither an address nor a network"):
            Networks.parse("10.*")


class IntentTests(SynchronousTestCase):
    """
    What makes a node do something is asked for by those who mean it.
    """

    def calls(self, expected: bool, path: str = "/host/web1/api/v1/function?function=top", **headers: str) -> None:
        stage = Stage(allow=OPEN, proxies=Networks.parse("10.0.0.1"), host_names=pattern("metrics.example"))
        stage.child().callee = Callee()
        peer = "10.0.0.1" if any(name.startswith("X_Forwarded") for name in headers) else "127.0.0.1"
        response = stage.get(path, peer=peer, **headers)
        refused = response.status == 403 and ("other sites" in response.text or "may not make" in response.text)
        self.assertEqual(refused, not expected, (headers, response.status, response.text))

    def test_programs(self) -> None:
        """
        Programs are asked nothing.
        """
        path = "/host/web1/api/v1/function"
        self.calls(True, path)
        self.calls(True, path, User_Agent="curl/8.0")
        self.calls(True, path, X_Auth_Token="x", **BROWSER)

    def test_other_sites(self) -> None:
        """
        Pages of other sites cannot, however they try.
        """
        for path in (
            "/host/web1/api/v1/function?function=top",
            "//api//v3/function",
            "/api/v1/manage/health?cmd=RESET",
        ):
            for said in (
                {"Sec_Fetch_Site": "cross-site"},
                {"Sec_Fetch_Site": "same-site"},
                {"Sec_Fetch_Site": "nonsense"},
                {"Origin": "null"},
                {"Origin": "http://evil.example"},
                {"Origin": "http://localhost.evil.example:19999"},
                {"Origin": "http://localhost:8080"},
                {"Origin": "https://localhost:19999"},
                {"Origin": "http://[::1"},
                {"Referer": "http://evil.example/localhost:19999"},
                {},
            ):
                self.calls(False, path, **BROWSER, **said)
        self.calls(False, Authorization="Basic YTpi", **BROWSER)

    def test_own_pages(self) -> None:
        """
        Pages of this node can.
        """
        path = "/host/web1/api/v1/function"
        for said in (
            {"Sec_Fetch_Site": "same-origin"},
            {"Sec_Fetch_Site": "none"},
            {"Origin": "http://localhost:19999"},
            {"Referer": "http://localhost:19999/host/web1/"},
        ):
            self.calls(True, path, **BROWSER, **said)

    def test_through_a_proxy(self) -> None:
        """
        The same holds behind a proxy, by the name that it was called.
        """
        path = "/host/web1/api/v1/function"
        called = {"X_Forwarded_For": "127.0.0.1", "X_Forwarded_Host": "metrics.example", **BROWSER}
        self.calls(True, path, Origin="https://metrics.example", X_Forwarded_Proto="https", **called)
        self.calls(True, path, Origin="https://metrics.example:8443", X_Forwarded_Proto="https", **called)
        self.calls(True, path, Origin="http://metrics.example", **called)
        self.calls(False, path, Origin="http://metrics.example", X_Forwarded_Proto="https", **called)
        self.calls(False, path, Origin="https://other.example", X_Forwarded_Proto="https", **called)

    def test_reading(self) -> None:
        """
        What only reads is not asked; a browser keeps it from other pages.
        """
        stage = Stage()
        answer = stage.get("/api/v1/info", Sec_Fetch_Site="cross-site", Origin="http://evil.example", **BROWSER)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["Cross-Origin-Resource-Policy"], "same-origin")
        self.assertNotIn("Access-Control-Allow-Origin", answer.headers)


class OriginTests(SynchronousTestCase):
    """
    Pages of other sites that may read.
    """

    def test_allowed(self) -> None:
        """
        A page of a site that the owner names reads answers, live ones too, and
        is told so before it asks with a header; it gets no more than anybody,
        and never with passwords that the browser knows.
        """
        stage = Stage(origins=pattern("https://wiki.example https://*.shop.example"))
        stage.usual()
        for origin in ("https://wiki.example", "https://a.shop.example"):
            for method, target in (("GET", "/api/v1/info"), ("GET", "/api/v3/nodes"), ("OPTIONS", "/api/v1/data")):
                headers = stage.get(target, method=method, Origin=origin, Sec_Fetch_Site="cross-site").headers
                self.assertEqual(headers["Access-Control-Allow-Origin"], origin)
                self.assertEqual(headers["Cross-Origin-Resource-Policy"], "cross-origin")
                self.assertNotIn("Access-Control-Allow-Credentials", headers)
                self.assertIn("Origin", headers["Vary"])
        live = stage.get("/api/v1/live?charts=system.cpu", method="HEAD", Origin="https://wiki.example").headers
        self.assertEqual(live["Access-Control-Allow-Origin"], "https://wiki.example")

    def test_others(self) -> None:
        """
        Pages of all other sites read nothing, and none makes a node do
        anything.
        """
        stage = Stage(allow=OPEN, origins=pattern("https://wiki.example"))
        for origin in ("http://wiki.example", "https://wiki.example.evil.example", "null", ""):
            headers = stage.get("/api/v1/info", Origin=origin).headers
            self.assertNotIn("Access-Control-Allow-Origin", headers, origin)
            self.assertEqual(headers["Cross-Origin-Resource-Policy"], "same-origin")
        acts = "/api/v1/function?function=x"
        answer = stage.get(acts, Origin="https://wiki.example", Sec_Fetch_Site="cross-site", **BROWSER)
        self.assertEqual(answer.status, 403)
