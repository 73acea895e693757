"""
Plugins of the Debian package, run unchanged by a netstream node.
"""

from __future__ import annotations

import os
import pwd
from functools import partial
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, Peer, accepting, missing, sending, wait_for

PLUGINS = Path("/usr/lib/netdata/plugins.d")
NAMES = frozenset(("charts.d.plugin", "python.d.plugin", "apps.plugin"))
"""What they call themselves in their charts."""


OTHER = "22222222-2222-4222-8222-222222222222"
ASKED = f"""#!/usr/bin/python3 -u
import select, sys, time
print("HOST_DEFINE {OTHER} router")
print("HOST_DEFINE_END")
print("FUNCTION GLOBAL echo 10 'says what it is asked'")
began = time.time()
while time.time() - began < 120:
    if select.select([sys.stdin], [], [], 1)[0]:
        words = sys.stdin.readline().split(" ", 3)
        if len(words) < 4:
            break
        print("FUNCTION_RESULT_BEGIN", words[1], 200, "text/plain", 0)
        print("HOST you asked", words[3].strip())
        print("FUNCTION_RESULT_END")
    print("HOST {OTHER}")
    print("CHART r.up '' '' '' '' r.up line 100 1\\nDIMENSION x '' absolute 1 1")
    print("BEGIN r.up\\nSET x = 7\\nEND\\nHOST localhost")
"""
"""A plugin that can be asked, and speaks for another machine."""


class OwnPluginTests(InteropTestCase):
    """
    A real process that is asked.
    """

    def test_asked(self) -> None:
        """
        A plugin's function is called through a parent of its node, and its virtual node has samples there too.
        """
        plugins = self.directory / "plugins"
        plugins.mkdir(parents=True)
        (plugins / "asked.plugin").write_text(ASKED)
        (plugins / "asked.plugin").chmod(0o755)
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        child = self.node(
            "ns-child",
            role="child",
            stream=sending(parent.address),
            options=(f"directories/plugins={plugins}", "db/db=ram"),
        )
        for viewer in (child, parent):
            wait_for("the function", partial(self._offered, viewer, child.name))
            query = urlencode({"function": "echo a b", "timeout": 10})
            url = f"http://127.0.0.1:{viewer.port}/host/{child.name}/api/v1/function?{query}"
            with urlopen(url, timeout=60) as answer:
                self.assertRegex(answer.read(), b'^HOST you asked "echo a b"')
            found = viewer.wait_samples("r.up", "router", count=3)
            self.assertEqual(set(found["x"].values()), {7.0})
        self.assert_stopped(child)

    def _offered(self, viewer: Peer, node: str) -> bool | None:
        return "echo" in viewer.get("info", node)["functions"] or None


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

        found = wait_for("the charts of all plugins", plugin_of)
        for name in ("charts.d.plugin", "python.d.plugin"):
            chart = next(chart_id for chart_id, plugin in found.items() if plugin == name)
            node.wait_samples(chart, count=4)
        if readable:
            user = pwd.getpwuid(os.getuid()).pw_name
            values = node.wait_samples("users.mem", dimension=user, count=4)
            self.assertGreater(max(values[user].values()), 1.0)
        self.assert_stopped(node)
