"""
How much series changed from one window to another, in numbers.

All arrays are float64 of shape (rows, series).
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from netstream.model.samples import Float64s

_TERMS = np.arange(1, 20)[:, None]
_FINE = 2.0**30
"""Steps of values whose size is 1 that are told apart."""


def average(values: Float64s) -> Float64s:
    """
    @return: The mean of each series; NaN of one without values.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a mean of nothing
        return np.asarray(np.nanmean(values, axis=0))


def ks2(baseline: Float64s, window: Float64s) -> Float64s:
    """
    Compare how series move, by the two-sample test of Kolmogorov and Smirnov
    on the differences of successive values.

    @return: How sure it is that a series moves otherwise than before, from 0
        to 1; NaN where one window has no values, or the second only zeros.
    """
    told = np.asarray(~np.isnan(baseline).all(axis=0) & np.nan_to_num(window).any(axis=0))
    both = [np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0) for values in (baseline, window)]
    size = np.max([np.abs(values).max(axis=0, initial=0) for values in both], axis=0)
    # What is left of a subtraction of nearly the same numbers is no movement.
    fine = _FINE / np.where(size > 0, size, 1)
    before, after = (np.rint(np.diff(values, axis=0) * fine) for values in both)
    weights = np.full(len(told), np.nan)
    if len(before) and len(after):
        sure = _certainty(_distance(before, after), len(before) * len(after) / (len(before) + len(after)))
        weights[told] = sure[told]
    return weights


def _distance(one: Float64s, other: Float64s) -> Float64s:
    """
    @return: The farthest that the empirical distributions of two samples are
        apart, of each series.
    """
    together = np.concatenate((one, other))
    order = np.argsort(together, axis=0)
    ranked = np.take_along_axis(together, order, axis=0)
    apart = np.abs(np.cumsum(np.where(order < len(one), len(other), -len(one)), axis=0))
    apart[:-1][ranked[1:] == ranked[:-1]] = 0  # of equal ones only the last counts
    return np.asarray(apart.max(axis=0) / (len(one) * len(other)))


def _certainty(distance: Float64s, size: float) -> Float64s:
    """
    @param size: How large a sample would have to be that is compared with a
        known distribution, to say as much.
    @return: The chance that samples of one distribution are less far apart:
        the limit of Kolmogorov with the correction of Vrbik for small samples,
        which is right to 0.001 from 14 on.
    """
    count = max(1.0, np.floor(size + 0.5))
    far = np.sqrt(count) * distance
    far = np.maximum(far + 1 / (6 * np.sqrt(count)) + (far - 1) / (4 * count), 0.05)
    odd = (2 * _TERMS - 1) ** 2
    near = np.sqrt(2 * np.pi) / far * np.exp(-odd * np.pi**2 / (8 * far**2)).sum(axis=0)
    beyond = 1 - 2 * ((-1.0) ** (_TERMS - 1) * np.exp(-2 * _TERMS**2 * far**2)).sum(axis=0)
    return np.where(distance > 0, np.clip(np.where(far < 1, near, beyond), 0, 1), 0.0)


def volume(before: Float64s, after: Float64s, window: Float64s) -> Float64s:
    """
    Compare averages.  Whether they are below zero makes no difference.

    @param before: Those of the baseline, one for each series; none is 0.
    @param after: Those of the window.
    @param window: Its values.
    @return: By what part of the old average the new one differs from it, times
        the share of values that lie on its side of the old one, which alone
        counts where the old one is 0; NaN where nothing changed or nothing is.
    """
    upright = np.where(after < 0, -window, window)
    old, new = np.abs(np.nan_to_num(before)), np.abs(after)
    there = ~np.isnan(upright)
    beside = there & np.where(new > old, upright > old, upright < old)
    share = beside.sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    part = np.where(old > 0, np.abs(new - old) / np.where(old > 0, old, 1), 1)
    return np.where(np.isnan(after) | (after == np.nan_to_num(before)), np.nan, part * share)


def evenly(weights: Float64s) -> Float64s:
    """
    @param weights: One for each series; the greater, the more it changed.
    @return: Their places from 0 for the greatest up to less than 1 for the
        least, the same distance between any two of different weight; NaN stays.
    """
    different = np.unique(weights[~np.isnan(weights)])
    behind = len(different) - 1 - np.searchsorted(different, weights)
    return np.where(np.isnan(weights), np.nan, behind / max(1, len(different)))


def rates(anomalous: npt.NDArray[np.bool_], there: npt.NDArray[np.bool_]) -> Float64s:
    """
    @param anomalous: Which values are.
    @param there: Which are there.
    @return: Percentage of each series; NaN of one without values.
    """
    count = there.sum(axis=0)
    return np.where(count > 0, 100.0 * (anomalous & there).sum(axis=0) / np.maximum(count, 1), np.nan)
