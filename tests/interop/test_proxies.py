"""
Real proxies of TCP between nodes: nginx, haproxy, and a SOCKS5 server.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, accepting, free_port, missing, sending, wait_for
from tests.interop.test_tls import TLSTestCase
from tests.tls.papers import pair, write

NGINX_STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


def program(name: str, package: str) -> str:
    """
    @return: Path of a program; the test is skipped where it is not installed.
    """
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        missing(f"{name} is not there (apt-get install --no-install-recommends {package})")
    assert path is not None
    return path


class ProxyCase(InteropTestCase):
    """
    A test that starts proxies.
    """

    def launch(self, command: list[str], port: int) -> None:
        """
        Start a proxy, which ends with the test, and wait until it listens.
        """
        log = (self.directory / "proxy.log").open("ab")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.directory
        )

        def end() -> None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)

        self.addCleanup(end)

        def listens() -> bool:
            if process.poll() is not None:
                raise AssertionError((self.directory / "proxy.log").read_text())
            with socket.create_connection(("127.0.0.1", port), 1):
                return True

        wait_for(f"{command[0]} listens", listens)

    def nginx(self, target: int, *lines: str) -> int:
        """
        @return: A port of nginx that leads to another.
        """
        path = program("nginx", "nginx-light libnginx-mod-stream")
        if not NGINX_STREAM.exists():
            missing(f"{NGINX_STREAM} is not there (apt-get install --no-install-recommends libnginx-mod-stream)")
        port = free_port()
        conf = self.directory / "nginx.conf"
        conf.write_text(
            f"load_module {NGINX_STREAM};\ndaemon off;\nmaster_process off;\npid {self.directory}/nginx.pid;\n"
            f"error_log {self.directory}/nginx.log;\nevents {{ }}\n"
            f"stream {{\n server {{\n listen 127.0.0.1:{port} {'ssl' if lines else ''};\n {' '.join(lines)}\n"
            f" proxy_pass 127.0.0.1:{target};\n }}\n}}\n"
        )
        self.launch([path, "-p", str(self.directory), "-e", f"{self.directory}/nginx.log", "-c", str(conf)], port)
        return port

    def haproxy(self, target: int) -> int:
        """
        @return: A port of haproxy that leads to another.
        """
        path = program("haproxy", "haproxy")
        port = free_port()
        conf = self.directory / "haproxy.cfg"
        conf.write_text(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n"
            f"frontend f\n bind 127.0.0.1:{port}\n default_backend b\nbackend b\n server s 127.0.0.1:{target}\n"
        )
        self.launch([path, "-db", "-f", str(conf)], port)
        return port

    def socks(self, *login: str) -> int:
        """
        @return: A port of a SOCKS5 server.
        """
        path = program("microsocks", "microsocks")
        port = free_port()
        more = ["-u", login[0], "-P", login[1]] if login else []
        self.launch([path, "-i", "127.0.0.1", "-p", str(port), *more], port)
        return port


class WebFrontCase(ProxyCase):
    """
    A test with nginx as a web server in front of a node.
    """

    def web_front(self, target: int, path: str = "/") -> int:
        """
        @param path: Below which the node is shown; ends with a slash.
        @return: A port of nginx.
        """
        port = free_port()
        conf = self.directory / "nginx.conf"
        temporary = "".join(
            f"{kind}_temp_path {self.directory}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        conf.write_text(
            f"daemon off;\nmaster_process off;\npid {self.directory}/nginx.pid;\nevents {{ }}\nhttp {{\n{temporary}"
            f"access_log off;\nserver {{\nlisten 127.0.0.1:{port};\nlocation {path} {{\n"
            f"proxy_pass http://127.0.0.1:{target}/;\nproxy_set_header Host $host;\n"
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
            "proxy_set_header X-Forwarded-Proto $scheme;\n}\n}\n}\n"
        )
        command = [program("nginx", "nginx-light"), "-p", str(self.directory)]
        self.launch([*command, "-e", f"{self.directory}/nginx.log", "-c", str(conf)], port)
        return port


class LayerFourTests(ProxyCase, TLSTestCase):
    """
    Streams through proxies that pass bytes on.
    """

    def test_nginx(self) -> None:
        """
        A child streams to a parent through nginx C{stream}, by TLS of the
        parent.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY, type="api"), options=self.options())
        port = self.nginx(parent.port)
        child = self.node("ns-child", role="child", stream=sending(f"127.0.0.1:{port}:SSL", CAfile=str(self.ca)))
        parent.wait_samples("system.cpu", child.name, count=3)

    def test_nginx_ends_tls(self) -> None:
        """
        Where nginx has the certificate, the parent needs none.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY, type="api"))
        port = self.nginx(parent.port, f"ssl_certificate {self.certificate}; ssl_certificate_key {self.key};")
        child = self.node("ns-child", role="child", stream=sending(f"127.0.0.1:{port}:SSL", CAfile=str(self.ca)))
        parent.wait_samples("system.cpu", child.name, count=3)
        plain = self.node("plain", role="child", stream=sending(f"127.0.0.1:{port}"))
        plain.wait_log("cannot stream to")

    def test_haproxy(self) -> None:
        """
        A child streams to a parent through haproxy, a real child too.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY, type="api"))
        port = self.haproxy(parent.port)
        child = self.node("ns-child", role="child", stream=sending(f"127.0.0.1:{port}"))
        real = self.agent("real-child", sends_to=[f"127.0.0.1:{port}"], fixture=True)
        parent.wait_samples("system.cpu", child.name, count=3)
        parent.wait_samples("fixture.simple", real.name, count=3)


class SocksTests(ProxyCase, TLSTestCase):
    """
    Streams through a SOCKS5 server.
    """

    def test_streams(self) -> None:
        """
        A child streams by TLS through a server that asks for a password,
        which no log tells.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY, type="api"), options=self.options())
        port = self.socks("me", "hunter2")
        child = self.node(
            "ns-child",
            role="child",
            stream=sending(
                f"localhost:{parent.port}:SSL", CAfile=str(self.ca), proxy=f"socks5://me:hunter2@127.0.0.1:{port}"
            ),
        )
        parent.wait_samples("system.cpu", child.name, count=3)
        self.assertNotIn("hunter2", child.log())

    def test_refused(self) -> None:
        """
        A wrong password, and a parent that the server cannot reach, are told
        apart.
        """
        port = self.socks("me", "hunter2")
        closed = free_port()
        for proxy, words in (
            (f"socks5://me:wrong@127.0.0.1:{port}", "does not accept this user and password"),
            (f"socks5://127.0.0.1:{port}", "wants a user and a password"),
            (f"socks5://me:hunter2@127.0.0.1:{port}", "refuses the connection"),
            (f"socks5://127.0.0.1:{closed}", "cannot be connected"),
        ):
            child = self.node("ns-child", role="child", stream=sending(f"127.0.0.1:{closed}", proxy=proxy))
            child.wait_log(f"SOCKS5 proxy 127.0.0.1:[0-9]+: .*{words}")
            child.stop()


class StrangerTests(ProxyCase):
    """
    A child that is sent to something else says what that is.
    """

    def test_https_server(self) -> None:
        """
        Of a port that closes on whoever comes without TLS, that is said.
        """
        certificate, key = write(pair("localhost"), self.directory)
        port = free_port()
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-www", "-key", str(key), "-cert"]
        self.launch([*command, str(certificate)], port)
        child = self.node("ns-child", role="child", stream=sending(f"127.0.0.1:{port}"))
        child.wait_log("closed without an answer, as ports do that take TLS only: then write ':SSL'")
