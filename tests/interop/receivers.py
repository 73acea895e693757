"""
Receivers of metrics as processes: those that Debian packages.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from tests.interop.peers import (
    CHECKOUT,
    START_TIMEOUT,
    STOP_TIMEOUT,
    Peer,
    PeerExited,
    PeerFailed,
    free_port,
    missing,
    wait_for,
)

DECODING = Path(__file__).with_name("decoding.py")

Points = dict[int, list[float]]
"""Values by second, more than one if a second came more than once."""


def require(program: str, package: str) -> str:
    """
    Skip a test where a program is not installed.

    @return: Its path.
    """
    for directory in ("/usr/bin", "/usr/sbin"):
        if os.access(path := f"{directory}/{program}", os.X_OK):
            return path
    missing(f"{program} is not there (apt-get install --no-install-recommends {package})")
    raise AssertionError


def scraping(address: str) -> str:
    """
    @param address: Of a node whose newest metrics are to be fetched each
        second.
    @return: The part of a Prometheus configuration, as C{docs/api.md} has it.
    """
    return f"""scrape_configs:
  - job_name: netstream
    scrape_interval: 1s
    scrape_timeout: 1s
    metrics_path: /api/v1/allmetrics
    params: {{ format: [prometheus_all_hosts], types: ["yes"] }}
    honor_labels: true
    static_configs: [{{ targets: ["{address}"] }}]
"""


class Receiver(Peer):
    """
    A receiver of metrics.

    @ivar scrapes: The address of a node from which it fetches; C{""} for
        none.
    """

    program = ""
    package = ""
    scrapes = ""

    def logs(self) -> Sequence[Path]:
        return [self.directory / "output.log"]

    def command(self) -> list[str]:
        """
        @return: How it is started; its files are written by then.
        """
        raise NotImplementedError

    def ports(self) -> Sequence[int]:
        """
        @return: The ports that it must listen on to be ready.
        """
        return [self.port]

    def start(self) -> Self:
        program = require(self.program, self.package)
        if not self.port:
            self.port = free_port()
        environment = {**os.environ, "HOME": str(self.directory), "PYTHONUNBUFFERED": "1"}
        environment.pop("PYTHONPATH", None)
        self._launch([program, *self.command()], environment, self.directory, self.directory / "output.log")

        def ready() -> bool:
            status = self._exited()
            if status is not None:
                raise PeerExited(self.name, status, self.tail())
            for port in self.ports():
                socket.create_connection(("127.0.0.1", port), 1).close()
            return True

        wait_for(f"{self.name} listens", ready, START_TIMEOUT)
        return self

    def pause(self) -> None:
        """
        Let it stand still.
        """
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """
        Let it run again.
        """
        self.signal(signal.SIGCONT)

    def end(self) -> None:
        """
        Ask it to stop, and wait for that.
        """
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise PeerFailed(f"{self.name} did not stop\n{self.tail()}") from None
        self._process = None
        self._keep_port()

    def post(self, path: str, data: bytes = b"", **parameters: str) -> bytes:
        """
        @return: What it answers.
        """
        query = "?" + urlencode(parameters) if parameters else ""
        request = Request(f"http://127.0.0.1:{self.port}{path}{query}", data, method="POST")
        with urlopen(request, timeout=60) as answer:
            body: bytes = answer.read()
            return body


class Prometheus(Receiver):
    """
    Prometheus, which takes remote write.
    """

    program = package = "prometheus"

    def command(self) -> list[str]:
        wanted = scraping(self.scrapes) if self.scrapes else "global:\n  scrape_interval: 1h\n"
        (self.directory / "prometheus.yml").write_text(wanted)
        return [
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
            "--log.level=warn",
        ]

    def points(self, selector: str) -> Points:
        """
        @return: What it has of one series.
        """
        answer = json.loads(self.fetch("/api/v1/query?" + urlencode({"query": f"{selector}[10m]"})))
        found: Points = {}
        (series,) = answer["data"]["result"]
        for moment, value in series["values"]:
            found.setdefault(int(moment), []).append(float(value))
        return found


class Alertmanager(Receiver):
    """
    Prometheus Alertmanager, alone and with a receiver that does nothing.
    """

    program = package = "prometheus-alertmanager"

    def command(self) -> list[str]:
        (self.directory / "alertmanager.yml").write_text("route:\n  receiver: none\nreceivers:\n- name: none\n")
        return [
            "--config.file=alertmanager.yml",
            "--storage.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]

    def alerts(self) -> list[Any]:
        """
        @return: The alerts that it has as raised now.
        """
        found: list[Any] = json.loads(self.fetch("/api/v2/alerts"))
        return found


class VictoriaMetrics(Receiver):
    """
    VictoriaMetrics, which takes nearly everything.

    @ivar graphite: Port for Graphite lines.
    @ivar opentsdb: Port for OpenTSDB lines.
    @ivar put: Port for OpenTSDB objects.
    @ivar influx: Port for InfluxDB lines.
    """

    program = package = "victoria-metrics"

    def __init__(self, name: str, directory: Path) -> None:
        super().__init__(name, directory)
        self.graphite, self.opentsdb, self.put, self.influx = (free_port() for _ in range(4))

    def ports(self) -> Sequence[int]:
        return [self.port, self.graphite, self.opentsdb, self.put, self.influx]

    def command(self) -> list[str]:
        (self.directory / "scrape.yml").write_text(scraping(self.scrapes) if self.scrapes else "scrape_configs: []\n")
        return [
            "-promscrape.config=scrape.yml",
            "-storageDataPath=data",
            "-retentionPeriod=1",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            f"-graphiteListenAddr=127.0.0.1:{self.graphite}",
            f"-opentsdbListenAddr=127.0.0.1:{self.opentsdb}",
            f"-opentsdbHTTPListenAddr=127.0.0.1:{self.put}",
            f"-influxListenAddr=127.0.0.1:{self.influx}",
            "-memory.allowedBytes=64MB",
            "-search.latencyOffset=0s",
        ]

    def points(self, selector: str) -> Points:
        """
        @return: What it has of one series.
        """
        text = self.fetch(f"/api/v1/export?match[]={quote(selector)}")
        found: Points = {}
        names = set()
        for line in text.splitlines():
            series = json.loads(line)
            names.add(json.dumps(series["metric"], sort_keys=True))
            for moment, value in zip(series["timestamps"], series["values"], strict=True):
                if value is not None:  # so it marks that a scrape failed
                    found.setdefault(moment // 1000, []).append(float(value))
        if len(names) != 1:
            raise LookupError(f"{selector}: {names}")
        return found


class InfluxDB(Receiver):
    """
    InfluxDB 1.
    """

    program, package = "influxd", "influxdb"

    def __init__(self, name: str, directory: Path) -> None:
        super().__init__(name, directory)
        self._backup = free_port()

    def command(self) -> list[str]:
        (self.directory / "influxdb.conf").write_text(
            f"""reporting-disabled = true
bind-address = "127.0.0.1:{self._backup}"
[meta]
  dir = "{self.directory}/meta"
[data]
  dir = "{self.directory}/data"
  wal-dir = "{self.directory}/wal"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{self.port}"
  log-enabled = false
[monitor]
  store-enabled = false
"""
        )
        return ["-config", "influxdb.conf"]

    def query(self, text: str) -> Any:
        """
        @return: What it answers to a query.
        """
        return json.loads(self.post("/query", urlencode({"q": text, "db": "netdata", "epoch": "s"}).encode()))

    def post(self, path: str, data: bytes = b"", **parameters: str) -> bytes:
        request = Request(f"http://127.0.0.1:{self.port}{path}", data, method="POST")
        request.add_header("Content-Type", "application/x-www-form-urlencoded")
        with urlopen(request, timeout=60) as answer:
            body: bytes = answer.read()
            return body

    def points(self, measurement: str, field: str) -> Points:
        """
        @return: What it has of one field.
        """
        answer = self.query(f'SELECT "{field}" FROM "{measurement}"')
        found: Points = {}
        for moment, value in answer["results"][0]["series"][0]["values"]:
            found.setdefault(int(moment), []).append(float(value))
        return found


class CarbonCache(Receiver):
    """
    Graphite's C{carbon-cache}, which keeps points in Whisper files.
    """

    program, package = "carbon-cache", "graphite-carbon"

    def __init__(self, name: str, directory: Path) -> None:
        super().__init__(name, directory)
        self._others = [free_port() for _ in range(2)]

    def command(self) -> list[str]:
        for part in ("whisper", "log", "run"):
            (self.directory / part).mkdir(exist_ok=True)
        (self.directory / "carbon.conf").write_text(
            f"""[cache]
STORAGE_DIR = {self.directory}
CONF_DIR = {self.directory}
LOG_DIR = {self.directory}/log
PID_DIR = {self.directory}/run
LOCAL_DATA_DIR = {self.directory}/whisper
WHITELISTS_DIR = {self.directory}
USER =
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {self.port}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {self._others[0]}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {self._others[1]}
ENABLE_UDP_LISTENER = False
ENABLE_TAGS = False
LOG_UPDATES = False
"""
        )
        (self.directory / "storage-schemas.conf").write_text("[all]\npattern = .*\nretentions = 1s:1h\n")
        for name in ("run/carbon-cache-a.pid",):
            (self.directory / name).unlink(missing_ok=True)
        return [f"--config={self.directory}/carbon.conf", "--nodaemon", "start"]

    def points(self, metric: str) -> Points:
        """
        @return: What it has written of one metric.
        """
        path = self.directory / "whisper" / (metric.replace(".", "/") + ".wsp")
        answer = subprocess.run(
            ["/usr/bin/whisper-fetch", "--json", f"--from={int(time.time()) - 900}", str(path)],
            capture_output=True,
            timeout=60,
        )
        read = json.loads(answer.stdout)
        seconds = range(read["start"], read["end"], read["step"])
        return {s: [float(v)] for s, v in zip(seconds, read["values"], strict=True) if v is not None}


class CarbonRelay(Receiver):
    """
    C{carbon-c-relay}, which writes what it gets to a file.
    """

    program = package = "carbon-c-relay"

    def command(self) -> list[str]:
        (self.directory / "relay.conf").write_text(
            f"listen type linemode 127.0.0.1:{self.port} proto tcp;\n"
            f"cluster all file {self.directory}/received;\nmatch * send to all stop;\n"
        )
        return ["-f", "relay.conf"]

    def points(self, metric: str) -> Points:
        """
        @return: What came of one metric.
        """
        found: Points = {}
        for line in (self.directory / "received").read_text().splitlines():
            if line.count(" ") == 2 and line.startswith(metric + " "):
                _, value, moment = line.split(" ")
                found.setdefault(int(moment), []).append(float(value))
        return found


class Decoding(Receiver):
    """
    C{decoding.py}, which reads what Debian has no receiver for.
    """

    def start(self) -> Self:
        self.port = self.port or free_port()
        command = [sys.executable, str(DECODING), str(self.port), str(self.directory / "received")]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        self._launch(command, environment, self.directory, self.directory / "output.log")
        wait_for(
            f"{self.name} listens",
            lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() is None,
            START_TIMEOUT,
        )
        return self

    def points(self, series: str) -> Points:
        """
        @return: What came of one series.
        """
        found: Points = {}
        for name, second, value in map(json.loads, (self.directory / "received").read_text().splitlines()):
            if name == series:
                found.setdefault(second, []).append(value)
        return found


TLS_SERVER = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    while True:
        connection = server.accept()[0]
        try:
            with context.wrap_socket(connection, server_side=True) as stream:
                while data := stream.recv(65536):
                    sys.stdout.write(data.decode())
                    sys.stdout.flush()
        except OSError as problem:
            print("#", problem, flush=True)
"""


class TLSReceiver(Receiver):
    """
    A server of encrypted lines that prints what it gets.
    """

    program, package = "openssl", "openssl"

    def certificate(self) -> Path:
        """
        @return: A certificate for C{localhost} that it signed itself.
        """
        path = self.directory / "cert.pem"
        if not path.exists():
            subprocess.run(
                [require(self.program, self.package), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
                + ["-keyout", str(self.directory / "key.pem"), "-out", str(path), "-subj", "/CN=localhost"]
                + ["-addext", "subjectAltName=DNS:localhost"],
                check=True,
                capture_output=True,
                timeout=60,
            )
        return path

    def start(self) -> Self:
        self.certificate()
        self.port = self.port or free_port()
        command = [sys.executable, "-c", TLS_SERVER, str(self.port)]
        self._launch(command, dict(os.environ), self.directory, self.directory / "output.log")
        return self

    def points(self, metric: str) -> Points:
        """
        @return: What came of one metric.
        """
        found: Points = {}
        for value, moment in re.findall(rf"(?m)^{re.escape(metric)} (\S+) (\d+)$", self.log()):
            found.setdefault(int(moment), []).append(float(value))
        return found
