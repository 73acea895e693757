"""
The files of the dashboard over HTTP.
"""

import gzip
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.web.pages import Pages, packaged
from tests.web.stage import CHILD, GUID, Stage

NO_HOST = "This netdata does not maintain a database for host"


class PagesTests(SynchronousTestCase):
    """
    Tests for L{Pages}.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        (self.folder / "inner").mkdir(parents=True)
        (self.folder / "index.html").write_text("<p>")
        (self.folder / "inner" / "app.js").write_text("1")
        (self.folder / "notes.py").write_text("secret")
        (self.folder / ".hidden.txt").write_text("secret")
        (self.folder.parent / "outside.txt").write_text("secret")

    def test_types(self) -> None:
        """
        Files come with their type, from sub-folders too.
        """
        pages = Pages(self.folder)
        index, script = pages.get("index.html"), pages.get("inner/app.js")
        assert index is not None and script is not None
        self.assertEqual(index.content_type, "text/html; charset=utf-8")
        self.assertEqual((script.content_type, script.body), ("text/javascript; charset=utf-8", b"1"))

    def test_nothing_else(self) -> None:
        """
        Nothing outside the folder is served, nor what is no page.
        """
        pages = Pages(self.folder)
        for path in ("../outside.txt", "inner/../../outside.txt", "/etc/passwd", "", "inner", "inner/", "notes.py",
                     ".hidden.txt", "index.html\x00", "INDEX.HTML"):  # fmt: skip
            self.assertIsNone(pages.get(path), path)

    def test_later(self) -> None:
        """
        Of another dashboard, files that come later are served as long as they
        are there; nothing is outside of it, whatever links and names say, and
        of our own nothing comes later.
        """
        other, own = Pages(self.folder, foreign=True), Pages(self.folder)
        away = self.folder.parent / "away"
        away.mkdir()
        (away / "in.txt").write_text("secret")
        late = self.folder / "later" / "deep"
        late.mkdir(parents=True)
        (late / "new.js").write_text("2")
        (late / "notes.py").write_text("secret")
        (self.folder / ".git").mkdir()
        (self.folder / ".git" / "config.txt").write_text("secret")
        (late / "dir.txt").mkdir()
        os.mkfifo(late / "pipe.txt")
        (late / "link.js").symlink_to("new.js")
        (late / "out.txt").symlink_to(self.folder.parent.resolve() / "outside.txt")
        (late / "up.txt").symlink_to("../../../outside.txt")
        (late / "circle.txt").symlink_to("circle.txt")
        (self.folder / "away").symlink_to(away.resolve())
        for path in ("later/deep/new.js", "later/deep/link.js"):
            found = other.get(path)
            assert found is not None
            self.assertEqual((found.body, found.content_type), (b"2", "text/javascript; charset=utf-8"))
            self.assertIn("'unsafe-inline'", found.headers["Content-Security-Policy"])
            self.assertIsNone(own.get(path))
        for path in ("later/deep/notes.py", ".git/config.txt", "later/deep/dir.txt", "later/deep/pipe.txt",
                     "later/deep/out.txt", "later/deep/up.txt", "later/deep/circle.txt", "away/in.txt",
                     "../away/in.txt", "later/../../away/in.txt", "later/./deep/new.js", "later//deep/new.js",
                     "/later/deep/new.js", "later/deep/\x00new.js", "later/deep/\udc80\ud800.js", "x" * 5000 + ".js",
                     f"{away.resolve()}/in.txt", "a/" * 40 + "new.js", ".hidden.txt"):  # fmt: skip
            self.assertIsNone(other.get(path), path)
        (late / "new.js").unlink()
        self.assertIsNone(other.get("later/deep/new.js"))

    def test_vanished(self) -> None:
        """
        A file that is gone is not found, and a changed one is read again.
        """
        pages = Pages(self.folder)
        (self.folder / "index.html").write_text("<b>")
        changed = pages.get("index.html")
        assert changed is not None
        self.assertEqual(changed.body, b"<b>")
        (self.folder / "index.html").unlink()
        self.assertIsNone(pages.get("index.html"))

    def test_kept(self) -> None:
        """
        A file that has not changed for a while is neither read nor compressed
        again, and is when it has changed.
        """
        path = self.folder / "index.html"
        os.utime(path, (1000, 1000))
        pages = Pages(self.folder)
        first = pages.get("index.html")
        self.assertIs(pages.get("index.html"), first)
        path.write_text("<b>")
        os.utime(path, (1001, 1001))
        second = pages.get("index.html")
        assert first is not None and second is not None and second.squeezed is not None
        self.assertEqual((first.body, second.body, gzip.decompress(second.squeezed)), (b"<p>", b"<b>", b"<b>"))
        self.assertNotEqual(first.tag, second.tag)
        path.unlink()
        self.assertIsNone(pages.get("index.html"))

    def test_kept_in_bounds(self) -> None:
        """
        Not more is kept than there is room for.
        """
        for number in range(8):
            path = self.folder / f"{number}.js"
            path.write_bytes(b"x" * (1 << 19))
            os.utime(path, (1000, 1000))
        pages = Pages(self.folder)
        found = [pages.get(f"{number}.js") for number in range(8)]
        again = [pages.get(f"{number}.js") for number in range(8)]
        self.assertEqual([one is other for one, other in zip(found, again, strict=True)], 4 * [True] + 4 * [False])
        self.assertEqual(found, again)

    def test_links(self) -> None:
        """
        Links that whoever made the folder put there are followed, but not for
        ever, and not to what is no page.
        """
        outside = self.folder.parent.absolute() / "outside"
        outside.mkdir()
        (outside / "font.woff").write_text("W")
        (outside / "shadow").write_text("secret")
        (self.folder / "font.woff").symlink_to(outside / "font.woff")
        (self.folder / "fonts").symlink_to(outside, target_is_directory=True)
        (self.folder / "shadow").symlink_to(outside / "shadow")
        (self.folder / "gone.js").symlink_to(outside / "gone.js")
        (self.folder / "round").symlink_to(self.folder.absolute(), target_is_directory=True)
        pages = Pages(self.folder)
        for path in ("font.woff", "fonts/font.woff", "round/index.html"):
            self.assertIsNotNone(pages.get(path), path)
        for path in ("shadow", "fonts/shadow", "gone.js", "round/" * 40 + "index.html", "fonts/../../outside.txt"):
            self.assertIsNone(pages.get(path), path)

    def test_no_folder(self) -> None:
        """
        Without files there are no pages, and no error.
        """
        self.assertIsNone(Pages(self.folder / "none").get("index.html"))


class DashboardTests(SynchronousTestCase):
    """
    Tests for the dashboard through the site.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.usual()

    def test_nodes_first(self) -> None:
        """
        Whoever comes to a node that knows others sees all of them first, and
        the dashboard of the only one otherwise.
        """
        alone = Stage()
        self.assertEqual(alone.get("/").body, alone.get("/index.html").body)
        self.assertEqual(self.stage.get("/").body, self.stage.get("/nodes.html").body)
        self.assertNotEqual(self.stage.get("/").body, self.stage.get("/host/parent.example/").body)
        self.assertEqual(self.stage.get("/frame.html").status, 404)

    def test_index(self) -> None:
        """
        The dashboard is there for this node, and the same for each other.
        """
        for target in ("/", "/index.html", "/host/web1/", f"/host/{CHILD}/", "/host/web1/index.html"):
            page = self.stage.get(target)
            self.assertEqual((page.status, page.headers["Content-Type"]), (200, "text/html; charset=utf-8"), target)
            self.assertIn("<title>", page.text)

    def test_other_dashboard(self) -> None:
        """
        Another dashboard takes the place of ours, for each node; what it has
        not is ours.  Its pages may do more, but load nothing from elsewhere.
        """
        folder = Path(self.mktemp())
        (folder / "static").mkdir(parents=True)
        (folder / "index.html").write_text("<title>other</title>")
        (folder / "static" / "app.js").write_text("other")
        stage = Stage(files=folder)
        stage.usual()
        for target in ("/", "/host/web1/", "/index.html"):
            page = stage.get(target)
            self.assertEqual(page.text, "<title>other</title>", target)
            self.assertIn("script-src 'self' 'unsafe-inline'", page.headers["Content-Security-Policy"])
            self.assertIn("default-src 'self';", page.headers["Content-Security-Policy"])
        self.assertEqual(stage.get("/static/app.js").text, "other")
        own = stage.get("/nodes.html")
        self.assertIn("Nodes", own.text)
        self.assertNotIn("unsafe", own.headers["Content-Security-Policy"])
        self.assertEqual(stage.get("/static/page-nodes.js").status, 200)
        self.assertEqual(stage.get("/../static/app.js").status, 404)

    def test_registry(self) -> None:
        """
        An older dashboard learns what the node is called, and that nobody is
        remembered.
        """
        said = self.stage.get("/api/v1/registry?action=hello").json()
        self.assertEqual((said["status"], said["hostname"], said["machine_guid"]), ("ok", "parent.example", GUID))
        self.assertFalse(said["anonymous_statistics"])
        own = {"machine_guid": GUID, "node_id": None}
        self.assertEqual(said["agent"], own | {"claim_id": None, "bearer_protection": False})
        child = {"machine_guid": CHILD, "node_id": None, "hostname": "web1"}
        self.assertEqual(said["nodes"], [own | {"hostname": "parent.example"}, child])
        said = self.stage.get("/api/v1/registry?action=access&machine=x&name=y&url=z").json()
        self.assertEqual((said["action"], said["status"]), ("access", "disabled"))
        for asked in ("", "?action=", "?action=nosuch"):
            refused = self.stage.get("/api/v1/registry" + asked)
            self.assertEqual(refused.status, 400, asked)
            self.assertIn("hello, access", refused.text)

    def test_icon_by_itself(self) -> None:
        """
        A browser that shows an answer of the API finds the icon where it looks
        without being told.
        """
        icon = self.stage.get("/favicon.ico")
        self.assertEqual((icon.status, icon.headers["Content-Type"]), (200, "image/svg+xml"))
        self.assertEqual(icon.text, (packaged() / "icon.svg").read_text())

    def test_files(self) -> None:
        """
        Each file of the dashboard is served below each page.
        """
        for name in ("vendor/uPlot.min.css", "vendor/uPlot.iife.min.js"):
            expected = (packaged() / name).read_bytes()
            for prefix in ("/static/", "/host/web1/static/"):
                self.assertEqual(self.stage.get(prefix + name).body, expected)

    def test_slash(self) -> None:
        """
        A node's page without its slash leads to the one with it, on the same
        host whatever that is called, below the same path of a proxy, and with
        what else the address says.
        """
        for name, where in (("web1", "web1/"), ("WEB1?x=1&y=%20", "WEB1/?x=1&y=%20"), (CHILD, f"{CHILD}/")):
            moved = self.stage.get(f"/host/{name}")
            self.assertEqual((moved.status, moved.headers["Location"]), (308, where))

    def test_unknown_node(self) -> None:
        """
        A browser that asks for a node that is not known gets a page that
        works there and lists those that are; a program gets a line of text.
        """
        accept = "text/html,application/xhtml+xml,*/*;q=0.8"
        self.assertEqual(self.stage.get("/host/nope", Accept=accept).headers["Location"], "nope/")
        for target in ("/host/nope/", "/host/nope/alerts.html"):
            page = self.stage.get(target, Accept=accept)
            self.assertEqual((page.status, page.headers["Content-Type"]), (404, "text/html; charset=utf-8"))
            self.assertIn("<html data-unknown ", page.text)
            self.assertIn('src="../../static/page-nodes.js"', page.text)
            self.assertNotIn('"static/', page.text)
        for target in ("/host/nope", "/host/nope/", "/host/nope/static/app.js", "/host/nope/api/v1/info"):
            for accepted in ("*/*", "application/json", ""):
                said = self.stage.get(target, Accept=accepted)
                self.assertEqual((said.status, said.text.partition(":")[0]), (404, NO_HOST), target)

    def test_revalidated(self) -> None:
        """
        A browser asks again each time, and gets what it has only once.
        """
        first = self.stage.get("/", Accept_Encoding="gzip")
        self.assertEqual(first.headers["Cache-Control"], "no-cache")
        again = self.stage.get("/", If_None_Match=first.headers["ETag"])
        self.assertEqual((again.status, again.body), (304, b""))
        self.assertEqual(self.stage.get("/", If_None_Match='W/"other"').status, 200)

    def test_outside(self) -> None:
        """
        No path leads out of the folder, however it is written.
        """
        for target in (
            "/../api.py",
            "/static/../../api.py",
            "/static/..%2f..%2fapi.py",
            "/static/%2e%2e/%2e%2e/api.py",
            "/static/..%5c..%5capi.py",
            "/static//etc/passwd",
            "/static/%00",
            "/host/web1/../../api.py",
            "/static/",
            "/static",
            "/none.html",
        ):
            page = self.stage.get(target)
            self.assertEqual(page.status, 404, target)
            self.assertNotIn(b"import", page.body)
