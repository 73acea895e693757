"""
Tests of nodes that do without TLS.
"""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.config import ConfigError, load
from netstream.config.settings import Role, Settings
from netstream.plain import LeftOut, check, leave_out_tls, needs_tls
from netstream.testing import KEY


class PlainTests(SynchronousTestCase):
    """
    L{netstream.plain}.
    """

    def settings(self, *overrides: str, destination: str = "parent.example", exporting: str = "") -> Settings:
        """
        @return: Those of a child that keeps and serves nothing.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        if exporting:
            (directory / "exporting.conf").write_text(exporting)
        return load(
            Role.CHILD,
            config_dir=directory,
            data_dir=directory,
            overrides=["db/mode=none", "web/mode=none", *overrides],
            destination=destination,
            api_key=KEY,
        )

    def test_needed(self) -> None:
        """
        Only a child that neither listens, keeps, exports nor encrypts does without.
        """
        self.assertFalse(needs_tls(self.settings()))
        self.assertFalse(needs_tls(self.settings(destination="unix:/run/parent.sock 10.0.0.1")))
        self.assertTrue(needs_tls(self.settings(destination="a b:SSL")))
        self.assertTrue(needs_tls(self.settings(destination="udp:a")))
        self.assertTrue(needs_tls(self.settings("web/mode=static-threaded")))
        self.assertTrue(needs_tls(self.settings("db/mode=ram")))
        graphite = "[exporting:global]\nenabled = yes\n[graphite:a]\nenabled = yes\ndestination = localhost\n"
        self.assertTrue(needs_tls(self.settings(exporting=graphite)))

    def test_refuses(self) -> None:
        """
        What asks for TLS nonetheless is told why there is none; anything else is found as ever.
        """
        finder = LeftOut()
        for name in ("OpenSSL", "OpenSSL.SSL"):
            problem = self.assertRaises(ModuleNotFoundError, finder.find_spec, name, None)
            self.assertIn("TLS was left out", str(problem))
        self.assertIsNone(finder.find_spec("OpenSSLish", None))

    def test_asked_for_later(self) -> None:
        """
        A node that was started without TLS refuses settings that need it, and
        says that it has to be restarted.
        """
        check(self.settings(destination="a:SSL"))
        self.patch(sys, "meta_path", [LeftOut(), *sys.meta_path])
        check(self.settings())
        problem = self.assertRaises(ConfigError, check, self.settings(destination="a:SSL"))
        self.assertIn("restart it", str(problem))

    def test_loaded(self) -> None:
        """
        A process that has TLS already, as this one, keeps it.
        """
        import OpenSSL  # noqa: F401 -- that it is loaded is what matters

        before = list(sys.meta_path)
        leave_out_tls(self.settings())
        self.assertEqual(sys.meta_path, before)
