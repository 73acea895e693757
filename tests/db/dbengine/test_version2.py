"""
Databases that this version wrote, as files: every later version reads them.
"""

from __future__ import annotations

import json
import lzma
import tarfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import DBEngine
from netstream.db.dbengine.inspection import inspect
from netstream.db.interfaces import Window
from netstream.db.workers import Inline

FIXTURES = Path(__file__).parents[1] / "fixtures" / "version2"
METHODS = ("average", "min", "max", "sum")


def _made() -> ModuleType:
    spec = spec_from_file_location("netstream_version2", FIXTURES / "make.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = _made()


def unpacked(test: SynchronousTestCase, name: str) -> Path:
    """
    @return: The directory of a database that is the test's own.
    """
    top = Path(test.mktemp())
    with tarfile.open(FIXTURES / f"{name}.tar.xz") as archive:
        archive.extractall(top, filter="data")
    return top / "db"


class Version2Tests(SynchronousTestCase):
    """
    Both archives have the same content.
    """

    def open(self, name: str, boot: str = "a boot id") -> DBEngine:
        clock = Clock()
        clock.advance(make.END + 5)
        db = DBEngine(unpacked(self, name), clock, retention=make.RETENTION, workers=Inline(), boot=boot)
        self.successResultOf(db.open())
        self.addCleanup(lambda: self.successResultOf(db.close()))
        self.assertEqual(db.damaged, 0)
        return db

    def test_definitions(self) -> None:
        """
        Hosts and charts are there as they were said.
        """
        for name in ("killed", "closed"):
            hosts = {host.record.info.guid: host for host in self.successResultOf(self.open(name).stored())}
            self.assertEqual(set(hosts), {make.FAST, make.SLOW})
            self.assertEqual(hosts[make.FAST].record.info.hostname, "host-1")
            self.assertEqual(hosts[make.FAST].record.labels["site"].value, "Wien")
            self.assertEqual(hosts[make.FAST].charts[make.CPU.id], make.CPU)
            self.assertEqual(hosts[make.SLOW].charts, {make.TEMPERATURE.id: make.TEMPERATURE})
            self.assertEqual(make.LATE.id in hosts[make.FAST].charts, name == "closed")
            span = hosts[make.FAST].spans[make.CPU.id]
            self.assertEqual((span.first, span.last), (make.START + 1, make.END))

    def test_samples(self) -> None:
        """
        Every sample is there, to the last bit and with its flags, newest
        ones and late ones too.
        """
        for name in ("killed", "closed"):
            db = self.open(name)
            for guid, keys in make.NODES.items():
                for key in keys:
                    times, values, flags = make.samples(key)
                    found = self.successResultOf(db.read(guid, [key], 0, make.END + 100))
                    there = ~np.isnan(values)
                    self.assertEqual(found.times.tolist(), times[there].tolist(), key)
                    self.assertEqual(found.values[:, 0].tobytes(), values[there].tobytes(), key)
                    self.assertEqual(found.flags[:, 0].tolist(), flags[there].tolist(), key)

    def test_queries(self) -> None:
        """
        Coarser tiers answer as they did.
        """
        expected = json.loads(lzma.decompress((FIXTURES / "expected.json.xz").read_bytes()))
        for name in ("killed", "closed"):
            db = self.open(name)
            for guid, keys in make.NODES.items():
                for step, after in make.WINDOWS:
                    window = Window(make.START + after, make.END // step * step, step)
                    for method in METHODS:
                        found = self.successResultOf(db.query(guid, keys, window, method)).values.tolist()
                        hexes = [[None if value != value else value.hex() for value in row] for row in found]
                        self.assertEqual(hexes, expected[f"{guid} {step} {after} {method}"], (name, guid, step, method))

    def test_retention(self) -> None:
        """
        A host's own retention is remembered.
        """
        db = self.open("closed")
        self.assertEqual([node.retention for node in db._nodes.values()], [None, 60 * 86400])

    def test_inspected(self) -> None:
        """
        Nothing in them is damaged, and looking changes no file.
        """
        for name in ("killed", "closed"):
            directory = unpacked(self, name)
            files = {path: path.read_bytes() for path in directory.rglob("*") if path.suffix in (".seg", ".page")}
            self.assertGreater(len(files), 20)
            report = inspect(directory)
            self.assertEqual(report.problems, ())
            self.assertEqual({path: path.read_bytes() for path in files}, files)
            tiers = {(each.host, each.tier): each for each in report.holdings}
            self.assertEqual(tiers["host-60", 0].samples + tiers["host-60", None].samples, 11 * 1440)
            self.assertEqual(tiers["host-1", None].series, 3)
            self.assertEqual({tier for _, tier in tiers}, {None, 0, 1, 2})
