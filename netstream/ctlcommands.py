"""
The command C{netstream ctl}: telling a node that runs what to do.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from netstream.config.places import data_directory
from netstream.control.client import say
from netstream.control.lines import CannotDo, Request

_HEADINGS = ("host", "guid", "state", "hops", "clock", "from", "sent to")


def add_commands(commands: Any) -> None:
    """
    @param commands: What C{add_subparsers} gave.
    """
    ctl = commands.add_parser(
        "ctl",
        help="tell a node that runs what to do",
        description="Tell a node that runs on this machine what to do, through its control socket, which only its "
        "owner can use.",
    )

    def common(parser: argparse.ArgumentParser, **more: Any) -> None:
        parser.add_argument("--data-dir", type=Path, metavar="DIR", help="of the node", **more)
        parser.add_argument("--json", action="store_true", help="print the answer as it came", **more)

    common(ctl)
    actions = ctl.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def action(name: str, help: str, description: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(name, help=help, description=description)
        # What stands before the command holds if it is not said again.
        common(parser, default=argparse.SUPPRESS)
        parser.set_defaults(run=_run, action=name)
        return parser

    action("status", "print how it is doing", "Print who the node is and how it is doing.")
    action("nodes", "list the nodes it knows", "List the nodes that it knows, and those that were removed.")
    action(
        "keys",
        "list its API keys",
        "List its API keys by the first digits of their SHA-256, as logs name them: whether they open the door, how "
        "many nodes are connected with each, and when it was used last since the node started.",
    )
    action(
        "refusals",
        "list who was refused lately, and why",
        "List the children that were not admitted since the node started, a hundred at most, each with the reason and "
        "the line that would admit it, of which they themselves hear nothing.",
    )
    remove = action(
        "remove-node",
        "forget a node that is gone",
        "Forget a node that is gone, with all its samples. Others do not bring it back; it is back when it connects "
        "itself, or when others send samples that it made later.",
    )
    remove.add_argument("node", metavar="NODE", help="host name or machine GUID")
    remove.add_argument("--lift", action="store_true", help="take the removal back: others may bring it again")
    rebalance = action(
        "rebalance",
        "let children choose a parent anew",
        "Let some of the children go, half of them unless said otherwise, so that they choose a parent anew. With --up "
        "what this node sends chooses anew.",
    )
    rebalance.add_argument("nodes", nargs="*", metavar="NODE", help="only these: host names or machine GUIDs")
    rebalance.add_argument("--share", type=float, metavar="PERCENT", help="how many of them")
    rebalance.add_argument("--up", action="store_true", help="what this node sends, instead of its children")
    drain = action(
        "drain",
        "send all children elsewhere",
        "Let all children go and take none until 'drain --end' or a restart of the node.",
    )
    drain.add_argument("--end", action="store_true", help="take children again")
    action(
        "reload",
        "read all files again",
        "Read the configuration again and go by it, without ending a connection that it still allows; print what "
        "changed. If anything in it is wrong, all stays as it was.",
    )
    action(
        "reload-health",
        "read alert definitions again",
        "Read the definitions of alerts, and who is told, again. Alerts whose definition is the same go on.",
    )


def _arguments(chosen: argparse.Namespace) -> dict[str, Any]:
    names = ("node", "lift", "nodes", "share", "up", "end")
    return {name: getattr(chosen, name) for name in names if getattr(chosen, name, None) not in (None, False, [])}


def _run(chosen: argparse.Namespace) -> int:
    try:
        result = say(data_directory(chosen.data_dir), Request(chosen.action, _arguments(chosen)))
    except CannotDo as problem:
        print(f"netstream ctl: {problem}", file=sys.stderr)
        return 1
    if chosen.json:
        print(json.dumps(result, indent=4))
        return 0
    for line in _TOLD[chosen.action](result):
        print(_printable(line))
    return 0


def _printable(text: str) -> str:
    """
    @return: Text of others, without what a terminal would obey.
    """
    return "".join(c if c.isprintable() else "?" for c in text)


def _status(said: Mapping[str, Any]) -> Iterator[str]:
    states = ", ".join(f"{count} {state}" for state, count in sorted(said["states"].items()))
    rows = [
        ("node", f"{said['hostname']} ({said['guid']})"),
        ("runs", f"netstream {said['version']} ({said['role']}), process {said['pid']}, for {said['up']} s"),
        ("knows", f"{said['nodes']} nodes: {states}"),
        ("receives", f"{said['children']} nodes" + (f", {said['waiting']} wait" if said["waiting"] else "")),
        ("sends", f"{said['connected']} of {said['sends']} nodes that it shall"),
        ("removed", f"{said['removed']} nodes"),
        ("database", said["database"] + (f": {said['problem']}" if said["problem"] else "")),
    ]
    if said["draining"]:
        rows.append(("draining", "takes no children; 'netstream ctl drain --end' ends that"))
    for name, value in rows:
        yield f"{name + ':':<10}{value}"


def _nodes(said: Mapping[str, Any]) -> Iterator[str]:
    yield from _table([_HEADINGS, *map(_row, said["nodes"])])
    for each in said["removed"]:
        yield f"removed {_moment(each['at'])}: {each['hostname']} ({each['guid']})"


def _row(node: Mapping[str, Any]) -> Sequence[str]:
    kinds = [kind for kind in ("local", "virtual", "ephemeral") if node[kind]]
    skew = node["skew"]
    clock = "-" if skew is None else f"{skew:+.1f} s" + (" WRONG" if node["clock_off"] else "")
    came = node["peer"] or (f"last {_moment(node['seen'])}" if node["seen"] else "-")
    state = " ".join([node["state"], *(f"({kind})" for kind in kinds)])
    return node["hostname"], node["guid"], state, str(node["hops"]), clock, came, node["sent_to"] or "-"


def _moment(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%FT%TZ")


def _keys(said: Mapping[str, Any]) -> Iterator[str]:
    if not said["keys"]:
        yield "there are none"
        return
    rows = [("key", "state", "valid from", "valid until", "nodes", "last used", "section")]
    for key in said["keys"]:
        moments = [
            _moment(round(key[name])) if key[name] is not None else "-" for name in ("valid_from", "valid_until")
        ]
        used = "now" if key["nodes"] else _moment(key["used"]) if key["used"] is not None else "-"
        rows.append((key["key"], key["state"], moments[0], moments[1], str(key["nodes"]), used, key["section"]))
    yield from _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """
    @param rows: As many cells each; the first are headings.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _refusals(said: Mapping[str, Any]) -> Iterator[str]:
    for each in said["refusals"]:
        yield f"{_moment(each['at'])} {each['peer']} {each['hostname']} ({each['guid']}): {each['reason']}"
    if not said["refusals"]:
        yield "nobody was refused"


def _removed(said: Mapping[str, Any]) -> Iterator[str]:
    yield f"{said['hostname']} ({said['guid']})"


def _rebalanced(said: Mapping[str, Any]) -> Iterator[str]:
    if "moved" in said:
        yield f"{said['moved']} of {said['of']} nodes move to another parent"
    else:
        yield f"{said['told']} of {said['of']} children were told to choose anew"


def _drained(said: Mapping[str, Any]) -> Iterator[str]:
    if said["draining"]:
        yield f"{said['told']} children were told to go; none is taken until 'netstream ctl drain --end'"
    else:
        yield "children are taken again" if said["was"] else "it was not being drained"


def _reloaded_health(said: Mapping[str, Any]) -> Iterator[str]:
    yield f"{said['definitions']} alert definitions are in use"
    yield from said["problems"]


def _reloaded(said: Mapping[str, Any]) -> Iterator[str]:
    yield from said["changed"] or ("nothing changed",)
    for line in said["restart"]:
        yield f"needs a restart: {line}"
    yield from said["done"]
    yield from said["went"]
    for line in said["warnings"]:
        yield f"warning: {line}"
    if said["definitions"] is not None:
        yield from _reloaded_health(said)


_TOLD = {
    "status": _status,
    "nodes": _nodes,
    "keys": _keys,
    "refusals": _refusals,
    "remove-node": _removed,
    "rebalance": _rebalanced,
    "drain": _drained,
    "reload": _reloaded,
    "reload-health": _reloaded_health,
}
