"""
The house stands as the architecture says: what each room may import.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = CHECKOUT / "netstream"
PLUGIN = CHECKOUT / "twisted" / "plugins" / "netstream_plugin.py"

ROOMS: Mapping[str, frozenset[str]] = {
    room: frozenset(below.split())
    for room, below in {
        "model": "",
        "kernel": "",
        "wire": "kernel model",
        "config": "model",
        "session": "wire kernel model",
        "db": "model kernel config",
        "hub": "model kernel db",
        "collect": "model wire session hub config streaming endings",
        "tls": "config",
        "quic": "config tls",
        "turns": "",
        "endings": "tls",
        "streaming": "wire model session hub db config tls quic turns endings",
        "garbage": "",
        "switching": "",
        "processes": "wire model hub db config streaming export garbage switching",
        "health": "model hub db config",
        "export": "model kernel hub config endings",
        "web": "model kernel hub db health config turns",
        "control": "model session hub streaming config",
        "central": "model web config",
    }.items()
}
"""What each room may import of the others; nothing looks up."""

COMMANDS = ("alert", "cert", "check", "ctl", "db", "password")
"""What the command C{netstream} has modules for, besides its own."""

TOP: Mapping[str, frozenset[str]] = {
    "roles": frozenset({*ROOMS, "plain"}),
    "tap": frozenset({"config", "garbage", "plain", "roles", "shedding", "switching"}),
    "plain": frozenset({"config"}),
    "shedding": frozenset({"config"}),
    "cli": frozenset({"config", *(f"{name}commands" for name in COMMANDS)}),
    "alertcommands": frozenset({"config", "db", "dbcommands", "health", "hub", "model"}),
    "certcommands": frozenset({"config", "tls"}),
    "checkcommands": frozenset({"checkwalk", "config", "tls"}),
    "checkwalk": frozenset({"collect", "config", "control", "db", "hub", "model", "streaming"}),
    "ctlcommands": frozenset({"config", "control"}),
    "dbcommands": frozenset({"config", "db"}),
    "passwordcommands": frozenset({"config"}),
    "testing": frozenset({*ROOMS, "roles"}),
    "": frozenset({*ROOMS, "roles"}),
}
"""The same for what stands above the rooms; C{""} is the package itself."""

PURE = frozenset({"model", "kernel", "wire", "session"})
"""Rooms without I/O: neither Twisted nor what reaches the world."""

WORLD = frozenset({"asyncio", "multiprocessing", "select", "selectors", "signal", "socket", "ssl", "subprocess"})
"""Modules that reach the world or wait for it."""

KERNEL = frozenset({"cython", "numpy"})
"""All that the kernel may import besides the standard library; C{cython} is its own spelling."""

VAGUE = frozenset({"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"})
"""Names that could hold anything."""


def modules() -> Iterator[tuple[str, Path]]:
    """
    @return: Dotted name and path of every module of the package.
    """
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(CHECKOUT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def room_of(module: str) -> str:
    """
    @return: The room of a module; C{""} for the package itself.
    """
    return (module.split(".") + [""])[1]


def type_checking(node: ast.AST) -> bool:
    """
    @return: Whether this is C{if TYPE_CHECKING}, which never runs.
    """
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports(path: Path, *, only_run: bool = False) -> Iterator[tuple[int, str]]:
    """
    @param only_run: Leave out what only a type checker sees.
    @return: Line and dotted name of everything that a module imports, also
        inside functions.
    """
    todo: list[ast.AST] = [ast.parse(path.read_text(), str(path))]
    while todo:
        node = todo.pop()
        if only_run and type_checking(node):
            continue
        todo.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level
            else:
                for alias in node.names:
                    yield node.lineno, f"{node.module}.{alias.name}"


class LayoutTests(SynchronousTestCase):
    """
    The table of rooms, held against the code.
    """

    def assert_none(self, wrong: list[str]) -> None:
        """
        There is nothing wrong.
        """
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_arrows_point_down(self) -> None:
        """
        A room imports only the rooms below it.
        """
        wrong = []
        for module, path in modules():
            room = room_of(module)
            allowed = ROOMS.get(room, TOP.get(room))
            if allowed is None:
                wrong.append(f"{module}: the room {room} is not in the table")
                continue
            for line, name in imports(path):
                if name.split(".")[0] != "netstream":
                    continue
                other = room_of(name)
                if other in ROOMS or other in TOP:
                    if other not in (room, "") and other not in allowed:
                        wrong.append(f"{path.relative_to(CHECKOUT)}:{line}: {room or 'netstream'} imports {name}")
                elif other != "__version__":
                    wrong.append(f"{path.relative_to(CHECKOUT)}:{line}: {name} is in no room")
        self.assert_none(wrong)

    def test_pure_rooms(self) -> None:
        """
        What is said and what is going on is known without Twisted, sockets, clocks or threads.
        """
        wrong = [
            f"{path.relative_to(CHECKOUT)}:{line}: imports {name}"
            for module, path in modules()
            if room_of(module) in PURE
            for line, name in imports(path)
            if name.split(".")[0] in WORLD | {"twisted", "threading", "time", "logging"}
        ]
        self.assert_none(wrong)

    def test_kernel_needs_numpy_only(self) -> None:
        """
        The kernel can be compiled and measured alone.
        """
        wrong = [
            f"{path.relative_to(CHECKOUT)}:{line}: imports {name}"
            for module, path in modules()
            if room_of(module) == "kernel"
            for line, name in imports(path)
            if name.split(".")[0] not in KERNEL | sys.stdlib_module_names and not name.startswith("netstream.kernel")
        ]
        self.assert_none(wrong)

    def test_imports_are_absolute(self) -> None:
        """
        Every import says where a name comes from.
        """
        wrong = [
            f"{path.relative_to(CHECKOUT)}:{line}: a relative import"
            for _, path in modules()
            for line, name in imports(path)
            if name.startswith(".")
        ]
        self.assert_none(wrong)

    def test_no_cycles(self) -> None:
        """
        No module needs itself to be imported, not even from inside a function.
        """
        known = {module: path for module, path in modules()}
        needs: dict[str, set[str]] = {}
        for module, path in known.items():
            needs[module] = set()
            for _, name in imports(path, only_run=True):
                # ``from package import thing`` needs package.thing if that is a module, else package.
                found = name if name in known else name.rpartition(".")[0]
                # Importing a module imports the package above it anyway, which resolves its public names late.
                if found in known and found not in (module, "netstream"):
                    needs[module].add(found)
        done: set[str] = set()
        wrong: list[str] = []

        def visit(module: str, path: tuple[str, ...]) -> None:
            if module in path:
                wrong.append(" -> ".join((*path[path.index(module) :], module)))
            elif module not in done:
                for other in sorted(needs[module]):
                    visit(other, (*path, module))
                done.add(module)

        for module in known:
            visit(module, ())
        self.assert_none(wrong)

    def test_rooms_are_described(self) -> None:
        """
        Every package and every module begins with a sentence of purpose.
        """
        wrong = []
        for module, path in modules():
            if not ast.get_docstring(ast.parse(path.read_text())):
                wrong.append(f"{module} has no docstring")
        for directory in PACKAGE.rglob("*"):
            if directory.is_dir() and any(directory.glob("*.py")) and not (directory / "__init__.py").exists():
                wrong.append(f"{directory.relative_to(CHECKOUT)} has no __init__.py")
        self.assert_none(wrong)

    def test_names_say_what_is_inside(self) -> None:
        """
        No module has a name that could hold anything.
        """
        self.assert_none([module for module, _ in modules() if VAGUE & set(module.split(".")[-1].split("_"))])

    def test_plugin(self) -> None:
        """
        The plugin file, which every C{twistd} of the machine loads, imports only Twisted.
        """
        self.assertEqual({name.split(".")[0] for _, name in imports(PLUGIN)}, {"twisted"})
        self.assertFalse((PLUGIN.parent / "__init__.py").exists())
        self.assertFalse((PLUGIN.parents[1] / "__init__.py").exists())
