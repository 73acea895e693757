"""
The C{netstream} command: what one does beside running a node.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from netstream import __version__
from netstream.alertcommands import add_alert
from netstream.certcommands import add_gencert
from netstream.config import ConfigError, load
from netstream.config.keys import mark, new_key
from netstream.config.places import NOTIFY_CONF, STOCK, STREAM_CONF, config_directory
from netstream.config.settings import Role, Settings, StreamSettings
from netstream.ctlcommands import add_commands as add_control
from netstream.dbcommands import CannotDo, add_commands
from netstream.tls.client import Client
from netstream.tls.server import Server


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    @param arguments: Without the name of the program; L{None} takes those of
        the process.
    @return: The exit status: 0 is well, 1 is a wrong configuration, a file
        that cannot be edited, or a damaged database.
    """
    chosen = _parser().parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
    except ConfigError as problem:
        print(problem, file=sys.stderr)
        return 1
    except CannotDo as problem:
        print(f"netstream db: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever reads has seen enough; the rest is for nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as problem:
        print(f"{problem.filename or 'netstream'}: {problem.strerror}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="netstream",
        description="Help for those who run netstream nodes. A node itself is started with 'twistd -n netstream'.",
    )
    parser.add_argument("--version", action="version", version=f"netstream {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    genkey = commands.add_parser(
        "genkey", help="print a new API key", description="Print a new API key: a random UUID."
    )
    genkey.set_defaults(run=_genkey)

    check = commands.add_parser(
        "check",
        help="read the configuration and say what is wrong with it",
        description="Read the configuration as 'twistd netstream' with the same options would, "
        "print what is odd in it and what it amounts to. The exit status is 1 if a node would not start with it.",
    )
    check.add_argument("--role", choices=[role.value for role in Role], default=Role.STANDALONE.value)
    check.add_argument("--config-dir", type=Path, metavar="DIR")
    check.add_argument("--data-dir", type=Path, metavar="DIR")
    check.add_argument("--hostname", metavar="NAME")
    check.add_argument("--destination", metavar="HOST[:PORT]")
    check.add_argument("--api-key", metavar="KEY")
    check.add_argument("--set", action="append", default=[], metavar="SECTION/OPTION=VALUE", dest="overrides")
    check.set_defaults(run=_check)

    edit = commands.add_parser(
        "edit-config",
        help="edit a configuration file, beginning with the stock one",
        description="Open a file of the configuration directory in an editor: --editor, else $EDITOR, editor or vi. "
        "If it is not there yet, it begins as a copy of the stock file of that name, or empty.",
    )
    edit.add_argument("file", nargs="?", metavar="FILE", help="relative to the configuration directory")
    edit.add_argument("--file", dest="named", metavar="FILE", help="the same")
    edit.add_argument("--config-dir", type=Path, metavar="DIR")
    edit.add_argument("--editor", metavar="COMMAND")
    edit.add_argument("--list", action="store_true", help="print the names of the stock files")
    edit.set_defaults(run=_edit, fail=edit.error)

    add_gencert(commands)
    add_commands(commands)
    add_control(commands)
    add_alert(commands)
    return parser


def _genkey(chosen: argparse.Namespace) -> int:
    print(new_key())
    return 0


def _check(chosen: argparse.Namespace) -> int:
    settings = load(
        chosen.role,
        config_dir=chosen.config_dir,
        data_dir=chosen.data_dir,
        overrides=chosen.overrides,
        hostname=chosen.hostname,
        destination=chosen.destination,
        api_key=chosen.api_key,
    )
    if settings.web.tls is not None:
        Server(settings.web.tls)
    if any(parent.tls for parent in settings.stream.destinations):
        Client(settings.stream.tls)
    for warning in settings.warnings:
        print(f"warning: {warning}")
    for name, value in _summary(settings):
        print(f"{name + ':':<15}{value}")
    return 0


def _summary(settings: Settings) -> Iterator[tuple[str, str]]:
    db = settings.db
    yield "role", settings.role.value
    yield "hostname", settings.node.hostname
    yield "read from", ", ".join(map(str, settings.sources))
    yield "data in", str(settings.data_dir)
    yield "database", f"{db.mode.value}, one point every {db.update_every} s"
    yield "listens on", " ".join(listener.text for listener in settings.web.listeners) or "nothing"
    dashboard = settings.web.allow.get("dashboard")
    yield "dashboard for", dashboard.text if dashboard else "this machine, private networks and link-local addresses"
    yield "TLS", f"with {settings.web.tls.certificate}" if settings.web.tls is not None else "no"
    yield "streams to", _sending(settings.stream)
    receives = settings.role in (Role.PARENT, Role.PROXY)
    none = "none yet; the first start makes one" if receives else "none, so no host can stream here"
    yield "API keys", " ".join(settings.keys) or none


def _sending(stream: StreamSettings) -> str:
    if not stream.enabled:
        return "nobody"
    return f"{' '.join(parent.text for parent in stream.destinations)} with API key {mark(stream.api_key)}"


def _edit(chosen: argparse.Namespace) -> int:
    if chosen.list:
        for path in sorted(path for path in STOCK.rglob("*") if path.is_file()):
            print(path.relative_to(STOCK))
        return 0
    name = chosen.named or chosen.file
    if not name:
        chosen.fail("which FILE? --list names the stock files")
    directory = config_directory(chosen.config_dir).resolve()
    path = _inside(directory, name)
    editor = _editor(chosen.editor)
    _provide(path, STOCK / path.relative_to(directory))
    status = subprocess.run([*editor, str(path)], check=False).returncode
    if status == 0:
        print(
            f"{path} is saved; 'netstream check' says whether it is right, and 'netstream ctl reload' lets a node that "
            "runs go by it."
        )
    return 0 if status == 0 else 1


def _inside(directory: Path, name: str) -> Path:
    """
    @return: The file, with every link followed.
    @raise ConfigError: It is not a file below the directory.
    """
    path = (directory / name).resolve()
    if path == directory or not path.is_relative_to(directory):
        raise ConfigError(name, "", "", f"is not inside {directory}; only files of the configuration can be edited")
    if path.is_dir():
        raise ConfigError(name, "", "", "is a directory, not a file")
    return path


def _editor(chosen: str | None) -> list[str]:
    """
    @return: The words of the first command that there is.
    @raise ConfigError: There is none.
    """
    for command in (chosen, None if chosen else os.environ.get("EDITOR"), *(() if chosen else ("editor", "vi"))):
        words = shlex.split(command or "")
        if words and shutil.which(words[0]):
            return words
    raise ConfigError("edit-config", "", "", "there is no editor; name one with --editor or $EDITOR")


def _provide(path: Path, stock: Path) -> None:
    """
    Let a file exist: a copy of the stock file, or empty.  Only its owner may
    read one that holds keys.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o600 if path.name in (STREAM_CONF, NOTIFY_CONF) else 0o644
    content = stock.read_bytes() if stock.is_file() else b""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


if __name__ == "__main__":
    sys.exit(main())
