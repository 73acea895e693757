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
from collections.abc import Sequence
from pathlib import Path

from netstream import __version__
from netstream.alertcommands import add_alert
from netstream.certcommands import add_gencert
from netstream.checkcommands import add_check
from netstream.config import ConfigError
from netstream.config.keys import new_key
from netstream.config.places import NOTIFY_CONF, STOCK, STREAM_CONF, config_directory
from netstream.ctlcommands import add_commands as add_control
from netstream.dbcommands import CannotDo, add_commands
from netstream.passwordcommands import add_hash_password


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    @param arguments: Without the name of the program; L{None} takes those of
        the process.
    @return: The exit status: 0 is well, 1 is a wrong configuration, a parent
        that cannot be streamed to, a file that cannot be edited, or a damaged
        database.
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

    add_check(commands)

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
    add_hash_password(commands)
    add_commands(commands)
    add_control(commands)
    add_alert(commands)
    return parser


def _genkey(chosen: argparse.Namespace) -> int:
    print(new_key())
    return 0


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
