"""
From what a person asks for to the rows of a query.

An agent's clients ask for C{after}, C{before} and C{points}, each of which may
be left out or relative; charts are drawn from the rows they get.  The rules
are those that clients of existing agents rely on, rounding included.
"""

from __future__ import annotations

from collections.abc import Sequence

from netstream.db.interfaces import Span, Window
from netstream.kernel.forms import RELATIVE as RELATIVE

MOST_ROWS = 500_000
"""No window has more rows, whatever is asked."""

QUICK = 1 << 17
"""Stored points that are read for one answer as they are, whatever tiers there
are: nobody notices how long that takes."""

DEFAULT = 600
"""Seconds shown if neither C{after} nor stored samples say more."""


def window(
    after: int,
    before: int,
    points: int,
    update_every: int,
    now: int,
    aligned: bool = True,
    span: Span | None = None,
    tiers: Sequence[int] = (),
    unit: int = 0,
    width: int = 0,
) -> Window:
    """
    Plan the rows of a query.

    Both ends are included, as clients mean them: C{after = -10} at one point
    a second gives ten rows.  The number of rows may differ somewhat from
    C{points}, because each row stands for a whole number of stored points.

    @param after: First second wanted.  Close to 0 it counts back from
        C{before}, whatever its sign; 0 is all that is stored.
    @param before: Last second wanted.  Close to 0 it counts back from the
        newest second that is complete.  A window that ends in the future
        is moved to end now.
    @param points: Rows wanted; 0 or less is one for each stored point.
    @param update_every: Seconds between the stored points.
    @param now: The current second.
    @param aligned: Whether rows of several points each end at multiples of
        their length, so that they do not flicker while time goes on.
    @param span: What is stored, if it is known.
    @param tiers: Seconds of a row of each tier that is kept.  Aligned windows
        are planned on the coarsest that has the points which are asked for,
        so that rows of that tier are answers as they are; but not those that
        are read quickly anyway, which begin and end where they are asked for.
    @param unit: Seconds of which each row shall be a multiple, from L{unit_of};
        0 or less for any.
    @param width: How many series are read; 0 if that is not known.
    """
    every = max(1, update_every)
    newest = now - 1
    to_the_end = before == 0
    if to_the_end:
        before = newest if span is None else span.last
    elif abs(before) <= RELATIVE:
        before = newest - abs(before)
    if after == 0:
        after = before - DEFAULT + 1 if span is None else span.first
    elif abs(after) <= RELATIVE:
        after = before - abs(after) + 1
    if after > before:
        after, before = before, after
    if before > newest:
        after, before = after - (before - newest), newest
    quick = 0 < (before - after + 1) // every * width <= QUICK
    if aligned and not quick and 0 < points * every < before - after + 1:
        suits = (tier for tier in tiers if tier % every == 0 and (unit <= 0 or unit % tier == 0))
        fit = (tier for tier in suits if (before - after + 1) // tier >= points)
        every = max((every, *fit))
    after, before = after - after % every, before - before % every

    stored = max(1, (before - after + 1) // every)
    if points <= 0 or points > stored:
        points = stored
    points = min(points, MOST_ROWS)
    group, rest = divmod(stored, points)
    if rest > points // 2:
        group += 1
    step = group * every
    if unit > 0 and step % unit:
        step += unit - step % unit
        group = step // every
        points = -(-stored // group)
    late = before % step
    if late and aligned:
        move = -late if to_the_end else step - late
        before, after = before + move, after + move
    if before - after > points * step:
        points = min(-(-stored // group), MOST_ROWS)
    return Window(before - points * step, before, step)


def unit_of(wanted: int, update_every: int) -> int:
    """
    @param wanted: Seconds that values shall be told for.
    @param update_every: Seconds between the stored points.
    @return: The same, as whole points; 0 if it is not longer than one.
    """
    every = max(1, update_every)
    return -(-wanted // every) * every if wanted > every else 0


def of_tier(tiers: Sequence[int], tier: int, points: int, update_every: int) -> tuple[int, Sequence[int]]:
    """
    @param tiers: Seconds of a row of each tier that is kept.
    @param tier: The one that is wanted; -1 is any.
    @param points: Rows wanted; 0 is one for each of the tier.
    @param update_every: Seconds between the stored points.
    @return: What L{window} takes for these: seconds between points, and tiers
        on which rows are planned.  If there is no such tier, nothing changes.
    """
    every = max(1, update_every)
    if not 0 <= tier < len(tiers):
        return every, tiers
    return every if points else -(-tiers[tier] // every) * every, ()
