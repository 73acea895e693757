"""
The methods of time aggregation, each over many groups and series at once.

They agree with what clients of existing agents see, also where that is not
what the name suggests: C{min} and C{max} go by distance from zero, and a
percentile is the mean of the values up to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from netstream.db.interfaces import UnknownMethod
from netstream.model.samples import Float64s

Cube = npt.NDArray[np.float64]
"""Groups by stored rows in each by series; NaN where there is nothing."""

Method = Callable[[Cube], Float64s]
"""Makes groups by series of a cube; what it says of empty groups is ignored."""

_LONGEST_MEMORY = 15
_FORGOTTEN = 4096
"""Values back, nothing is left of one in exponential smoothing."""


def _average(cube: Cube) -> Float64s:
    found: Float64s = np.nanmean(cube, axis=1)
    return found


def _sum(cube: Cube) -> Float64s:
    found: Float64s = np.nansum(cube, axis=1)
    return found


def _picked(cube: Cube, where: npt.NDArray[np.intp]) -> Float64s:
    found: Float64s = np.take_along_axis(cube, where[:, None, :], axis=1)[:, 0, :]
    return found


def _median(cube: Cube) -> Float64s:
    values = np.sort(cube, axis=1)
    count = np.count_nonzero(~np.isnan(cube), axis=1)
    below = np.maximum(count - 1, 0) // 2
    above = np.minimum(count // 2, cube.shape[1] - 1)
    found: Float64s = (_picked(values, below) + _picked(values, above)) / 2
    return found


def _nearest(cube: Cube) -> Float64s:
    return _picked(cube, np.argmin(np.where(np.isnan(cube), np.inf, np.abs(cube)), axis=1))


def _farthest(cube: Cube) -> Float64s:
    return _picked(cube, np.argmax(np.where(np.isnan(cube), -1, np.abs(cube)), axis=1))


def _first(cube: Cube) -> Float64s:
    return _picked(cube, np.argmin(np.isnan(cube), axis=1))


def _latest(cube: Cube) -> Float64s:
    return _first(cube[:, ::-1])


def _difference(cube: Cube) -> Float64s:
    return _latest(cube) - _first(cube)


def _deviation(cube: Cube) -> Float64s:
    single = np.count_nonzero(~np.isnan(cube), axis=1) < 2
    found: Float64s = np.where(single, 0.0, np.nanstd(cube, axis=1, ddof=1))
    return found


def _variation(cube: Cube) -> Float64s:
    deviation = _deviation(cube)
    found: Float64s = np.where(deviation == 0, 0.0, 100 * deviation / np.abs(_average(cube)))
    return found


_CONDITION = re.compile(r"\s*(!=|<>|<=|>=|==|[!<>=:]|)\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*\Z")
_COMPARE: dict[str, Callable[[Cube, float], npt.NDArray[np.bool_]]] = {
    "": np.equal,
    "=": np.equal,
    "==": np.equal,
    ":": np.equal,
    "!": np.not_equal,
    "!=": np.not_equal,
    "<>": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def _count_if(condition: str) -> Method:
    parsed = _CONDITION.match(condition or "==0")
    try:
        compare, limit = _COMPARE[parsed[1]], float(parsed[2])  # type: ignore[index]
    except (TypeError, ValueError):
        raise UnknownMethod(f"countif takes a condition such as '>=5', not {condition[:40]!r}") from None

    def percentage(cube: Cube) -> Float64s:
        there = ~np.isnan(cube)
        found: Float64s = 100 * np.count_nonzero(compare(cube, limit) & there, axis=1) / np.count_nonzero(there, axis=1)
        return found

    return percentage


def _mean_of_some(cube: Cube, share: float, middle: bool) -> Float64s:
    """
    The mean of a share of the values, the last one interpolated.

    They are taken from the end nearest to zero: from the top if any value is
    negative.

    @param middle: Leave out as many at either end.
    """
    there = ~np.isnan(cube)
    count = np.count_nonzero(there, axis=1)
    negative = (np.nanmin(cube, axis=1) < 0)[:, None, :]
    values = np.sort(np.where(negative, -cube, cube), axis=1)
    sums = np.nancumsum(values, axis=1)
    sums = np.concatenate((np.zeros_like(sums[:, :1]), sums), axis=1)

    wanted = count * share
    whole = np.floor(wanted + 1e-9).astype(np.int64)
    rest = np.maximum(wanted - whole, 0)
    start = (count - whole) // 2 if middle else np.zeros_like(whole)
    following = start + whole
    most = values.shape[1] - 1

    def at(place: npt.NDArray[np.int64]) -> Float64s:
        return _picked(values, np.clip(place, 0, most))

    extra = (rest > 1e-9) & (following < count)
    before = at(following - 1)
    taken = _picked(sums, following) - _picked(sums, start)
    taken = taken + np.where(extra, before + rest * (at(following) - before), 0)
    used = whole + extra
    found = np.where(used > 0, taken / np.maximum(used, 1), at(np.zeros_like(whole)))
    return np.where(negative[:, 0, :], -found, found)


def _percentile(percent: float) -> Method:
    return partial(_mean_of_some, share=percent / 100, middle=False)


def _trimmed_mean(percent: float) -> Method:
    return partial(_mean_of_some, share=1 - 2 * percent / 100, middle=True)


def _trimmed_median(percent: float) -> Method:
    def trimmed(cube: Cube) -> Float64s:
        lowest, highest = np.nanmin(cube, axis=1), np.nanmax(cube, axis=1)
        cut = (highest - lowest) * percent / 100
        kept = (cube >= (lowest + cut)[:, None, :]) & (cube <= (highest - cut)[:, None, :])
        left = kept.any(axis=1)
        # With nothing in the middle, agents take what is nearest above it.
        above = np.nanmin(np.where(cube >= (lowest + cut)[:, None, :], cube, np.nan), axis=1)
        return np.where(left, _median(np.where(kept, cube, np.nan)), above)

    return trimmed


def _weight(cube: Cube) -> float:
    """
    @return: What a new value weighs beside those before it.
    """
    size = int(np.count_nonzero((~np.isnan(cube)).any(axis=2), axis=1).max(initial=1))
    return 2 / (1 + (_LONGEST_MEMORY if size == 1 else min(size, _LONGEST_MEMORY)))


def _rank_from_end(there: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    found: npt.NDArray[np.int32] = np.cumsum(there[:, ::-1], axis=1, dtype=np.int32)[:, ::-1] - 1
    return np.clip(found, 0, _FORGOTTEN, out=found)


def _ranks(there: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    found: npt.NDArray[np.intp] = np.minimum(np.count_nonzero(there, axis=1), _FORGOTTEN)
    return found


class _Exponential:
    """
    Single exponential smoothing, which goes on from group to group and from
    cube to cube.
    """

    def __init__(self) -> None:
        self._weight = 0.0
        self._level: Float64s | None = None

    def __call__(self, cube: Cube) -> Float64s:
        self._weight = weight = self._weight or _weight(cube)
        there = ~np.isnan(cube)
        fade = (1 - weight) ** np.arange(_FORGOTTEN + 1)
        added = np.where(there, weight * fade[_rank_from_end(there)] * cube, 0).sum(axis=1)
        kept = fade[_ranks(there)]
        first = _first(cube.reshape(1, -1, cube.shape[2]))[0]
        level = first if self._level is None else np.where(np.isnan(self._level), first, self._level)
        begun = np.logical_or.accumulate(there.any(axis=1), axis=0) | (
            False if self._level is None else ~np.isnan(self._level)
        )
        state = np.nan_to_num(level)
        found = np.empty(kept.shape)
        for group in range(len(cube)):
            state = state * kept[group] + added[group]
            found[group] = state
        self._level = np.where(begun[-1], state, np.nan)
        return found


class _DoubleExponential:
    """
    Double exponential smoothing, which goes on from group to group and from
    cube to cube.

    The second value sets off the trend; up to it the level is the first.
    """

    def __init__(self) -> None:
        self._weight = 0.0
        self._begun: npt.NDArray[np.int32] | None = None
        self._one = self._state = np.zeros(0)

    def __call__(self, cube: Cube) -> Float64s:
        groups, size, series = cube.shape
        self._weight = weight = self._weight or _weight(cube)
        if self._begun is None:
            self._begun, self._one, self._state = np.zeros(series, np.int32), np.zeros(series), np.zeros((series, 2))
        there = ~np.isnan(cube)
        self._one = np.where(self._begun == 0, _first(cube.reshape(1, -1, series))[0], self._one)
        begun = self._begun + there.reshape(-1, series).cumsum(axis=0, dtype=np.int32).reshape(cube.shape)
        there &= begun > 1
        two = _first(np.where(there, cube, np.nan).reshape(1, -1, series))[0]

        both = weight * weight
        turn = np.array([[1 - weight, 1 - weight], [-both, 1 - both]])
        powers = [np.eye(2)]
        for _ in range(min(size, _FORGOTTEN)):
            powers.append(turn @ powers[-1])
        power = np.array(powers)
        pushed = power @ np.array([weight, both])
        rank = _rank_from_end(there)
        added = np.stack([np.where(there, part[rank] * cube, 0).sum(axis=1) for part in pushed.T], axis=-1)
        kept = power[_ranks(there)]

        start = np.nan_to_num(np.stack((two, two - self._one), axis=-1))
        state = np.where((self._begun < 2)[:, None], start, self._state)
        found = np.empty((groups, series))
        for group in range(groups):
            state = np.einsum("sij,sj->si", kept[group], state) + added[group]
            found[group] = state[:, 0]
        self._begun, self._state = begun[-1, -1], state
        return np.where(begun[:, -1, :] > 1, found, self._one)


_PLAIN: dict[str, Method] = {
    "average": _average,
    "avg": _average,
    "mean": _average,
    "min": _nearest,
    "max": _farthest,
    "extremes": _farthest,
    "sum": _sum,
    "median": _median,
    "stddev": _deviation,
    "cv": _variation,
    "rsd": _variation,
    "coefficient-of-variation": _variation,
    "incremental-sum": _difference,
    "incremental_sum": _difference,
    "latest": _latest,
}
_SMOOTHING: dict[str, Callable[[], Method]] = {
    "ses": _Exponential,
    "ema": _Exponential,
    "ewma": _Exponential,
    "des": _DoubleExponential,
}
_WITH_PERCENT: dict[str, tuple[Callable[[float], Method], float, float]] = {
    "percentile": (_percentile, 95, 100),
    "trimmed-mean": (_trimmed_mean, 5, 50),
    "trimmed-median": (_trimmed_median, 5, 50),
}
_NUMBERED = re.compile(r"([a-z-]+?)([0-9]+)\Z")


def method_of(name: str, options: str = "") -> Method:
    """
    Find a method.  The one that is returned is for the groups of one question:
    called again, it takes the cube to follow the one before.

    @param options: The percentage of a percentile or trimmed mean or median,
        which comes before the one in the name; the condition of C{countif}.
    @raise UnknownMethod: There is none of that name, or its argument is
        wrong.
    """
    if name in _PLAIN:
        return _PLAIN[name]
    if name in _SMOOTHING:
        return _SMOOTHING[name]()
    if name == "countif":
        return _count_if(options)
    numbered = _NUMBERED.match(name)
    stem = numbered[1] if numbered else name
    if stem not in _WITH_PERCENT:
        raise UnknownMethod(f"{name[:40]!r} is not a time aggregation such as 'average', 'min', 'max' or 'sum'")
    make, default, most = _WITH_PERCENT[stem]
    try:
        percent = float(options or (numbered[2] if numbered else default))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= most:
        raise UnknownMethod(f"{stem} takes a percentage from 0 to {most:g}, not {(options or name)[:40]!r}")
    return make(percent)
