"""
Plugins of the Debian package, run unchanged by a netstream node.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from tests.interop.case import InteropTestCase
from tests.interop.peers import missing, wait_for

PLUGINS = Path("/usr/lib/netdata/plugins.d")
NAMES = frozenset(("charts.d.plugin", "python.d.plugin", "apps.plugin"))
"""What they call themselves in their charts."""


class PluginTests(InteropTestCase):
    """
    Real plugins.
    """

    def setUp(self) -> None:
        super().setUp()
        absent = [name for name in ("apps", "charts.d", "python.d") if not (PLUGINS / f"{name}.plugin").exists()]
        if absent:
            missing(f"Debian's netdata-plugins-bash and netdata-plugins-python lack {', '.join(absent)}")

    def test_debian(self) -> None:
        """
        charts.d, python.d and apps run as they are, their charts have their own names and values, and they end with
        the node.
        """
        etc = self.directory / "node" / "etc"
        etc.mkdir(parents=True)
        (etc / "charts.d.conf").write_text('enable_all_charts="no"\nexample="force"\n')
        (etc / "charts.d").mkdir()
        (etc / "charts.d" / "example.conf").write_text("example_magic_number=12345\n")
        (etc / "python.d.conf").write_text("default_run: no\nexample: yes\ngc_run: no\n")
        readable = os.access(PLUGINS / "apps.plugin", os.X_OK)
        node = self.node(
            "node",
            role="standalone",
            options=(
                f"directories/plugins={PLUGINS}",
                "plugins/enable running new plugins=no",
                "plugins/charts.d=yes",
                "plugins/python.d=yes",
                f"plugins/apps={'yes' if readable else 'no'}",
                "plugin:apps/command options=without-files",
                "db/db=ram",
            ),
        )

        def plugin_of() -> dict[str, str] | None:
            charts = node.charts()
            found = {chart_id: chart["plugin"] for chart_id, chart in charts.items() if chart["plugin"] in NAMES}
            plugins = set(found.values())
            return found if len(plugins) == 2 + readable else None

        found = wait_for("the charts of all plugins", plugin_of, 60)
        for name in ("charts.d.plugin", "python.d.plugin"):
            chart = next(chart_id for chart_id, plugin in found.items() if plugin == name)
            node.wait_samples(chart, count=4, timeout=60)
        if readable:
            user = pwd.getpwuid(os.getuid()).pw_name
            values = node.wait_samples("users.mem", dimension=user, count=4, timeout=60)
            self.assertGreater(max(values[user].values()), 1.0)
        self.assert_stopped(node)
