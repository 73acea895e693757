"""
Which of many records count: the newest ones that were not forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from netstream.db.interfaces import Span
from netstream.db.places import Rows
from netstream.db.records import Entries, Kind

Key = tuple[int, int, int]
"""Node, start and step of a row group."""


def _ends_run(rows: Entries) -> npt.NDArray[np.bool_]:
    """
    @param rows: By node, start and step.
    @return: For each whether it is the last one with the same three.
    """
    ends = np.ones(len(rows), np.bool_)
    keys = rows["node"], rows["start"], rows["step"]
    ends[:-1] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return ends


def surviving(entries: Entries) -> Entries:
    """
    @param entries: The records of one file.
    @return: Those of its row groups that nothing in the file replaces or drops.
    """
    forgets = entries[entries["kind"] == Kind.FORGET]
    rows = entries[(entries["kind"] == Kind.GROUP) | (entries["kind"] == Kind.DROP)]
    if len(forgets):
        forgets = forgets[np.lexsort((-forgets["sequence"].astype(np.int64), forgets["node"]))]
        nodes, first = np.unique(forgets["node"], return_index=True)
        at = np.minimum(np.searchsorted(nodes, rows["node"]), len(nodes) - 1)
        forgotten = (nodes[at] == rows["node"]) & (rows["sequence"] < forgets["sequence"][first][at])
        rows = rows[~forgotten]
    rows = rows[np.lexsort((rows["sequence"], rows["step"], rows["start"], rows["node"]))]
    survivors: Entries = rows[_ends_run(rows) & (rows["kind"] == Kind.GROUP)]
    return survivors


def newest(files: Sequence[Entries]) -> tuple[list[Entries], list[tuple[int, Key]]]:
    """
    @param files: Row groups that survive in their file.
    @return: Those of each file that no other file replaces; and which are
        replaced, by number of the file, node, start and step.
    """
    rows = np.concatenate(files)
    file = np.repeat(np.arange(len(files)), [len(some) for some in files])
    order = np.lexsort((rows["sequence"], rows["step"], rows["start"], rows["node"]))
    rows, file = rows[order], file[order]
    ends = _ends_run(rows)
    older = rows[~ends]
    keys = zip(older["node"].tolist(), older["start"].tolist(), older["step"].tolist(), strict=True)
    parts = [rows[ends & (file == number)] for number in range(len(files))]
    return parts, list(zip(file[~ends].tolist(), keys, strict=True))


def spans_of(rows: Rows) -> dict[int, Span]:
    """
    @return: First and last second of each node.
    """
    rows = rows[np.argsort(rows["node"], kind="stable")]
    nodes, first = np.unique(rows["node"], return_index=True)
    if not len(nodes):
        return {}
    starts = np.minimum.reduceat(rows["start"], first).tolist()
    lasts = np.maximum.reduceat(rows["last"], first).tolist()
    return {node: Span(*span) for node, *span in zip(nodes.tolist(), starts, lasts, strict=True)}
