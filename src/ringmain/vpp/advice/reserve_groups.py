"""Groups of alike batteries, small enough in number for one linear programme.

Batteries that are multiples of each other can be added up without loss. Where there are more kinds than
groups, the group that differs most is halved along what it differs in most, until there are as many as
wanted (the median cut of Heckbert 1982); what is added up then can do a little more than its parts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

GROUPS = 12
GRAIN = 1e-9


@dataclass(frozen=True)
class Groups:
    """What the programme knows of the batteries, added up, over n_hours.

    Parameters
    ----------
    label : int64 array of shape (n_stores,)
        Group of each battery.
    give_w, take_w : float64 arrays of shape (n, n_hours)
        Most power to the grid, and from it.
    capacity_wh, stored_wh : float64 arrays of shape (n,)
        Usable, and of that stored in the beginning.
    into, out : float64 arrays of shape (n,)
        Efficiencies of charging and discharging.
    wear_ticks, end_value_ticks : float64 arrays of shape (n,)
    """

    label: Any
    give_w: Any
    take_w: Any
    capacity_wh: Any
    stored_wh: Any
    into: Any
    out: Any
    wear_ticks: Any
    end_value_ticks: Any


def groups_of(stores: Any, stored_wh: Any, give_w: Any, take_w: Any, most: int = GROUPS) -> Groups:
    """Add batteries up, in groups.

    Parameters
    ----------
    stores : recarray of shape (n,), STORE_LIMITS
        By the hour.
    stored_wh : float64 array of shape (n,)
    give_w, take_w : float64 arrays of shape (n, n_hours)
    most : int
        Groups at most.
    """
    held_wh = np.clip(stored_wh, 0.0, stores.capacity_wh)
    size_w = np.maximum(give_w.mean(axis=1) + take_w.mean(axis=1), 1.0)
    features = np.stack(
        [
            stores.capacity_wh / size_w, held_wh / size_w, give_w.mean(axis=1) / size_w,
            10.0 * stores.charge_efficiency, 10.0 * stores.discharge_efficiency,
            stores.wear_ticks / 1_000.0, stores.end_value_ticks / 1_000.0,
        ],
        axis=1,
    )  # fmt: skip
    label = median_cut(features, size_w, most)
    count = int(label.max(initial=-1)) + 1

    def added(values: Any) -> Any:
        sums = np.zeros((count, *values.shape[1:]))
        np.add.at(sums, label, values)
        return sums

    weight = np.maximum(added(size_w), GRAIN)

    def mean(values: Any) -> Any:
        return added(size_w * values) / weight

    return Groups(
        label, added(give_w), added(take_w), added(stores.capacity_wh), added(held_wh),
        mean(stores.charge_efficiency), mean(stores.discharge_efficiency), mean(stores.wear_ticks),
        mean(stores.end_value_ticks),
    )  # fmt: skip


def median_cut(features: Any, weight: Any, most: int) -> Any:
    """Return labels from 0 of points that are alike, int64 array of shape (n,).

    Parameters
    ----------
    features : float64 array of shape (n, n_features)
    weight : float64 array of shape (n,)
        A set counts with the sum of its weights, times the range of its widest feature.
    """
    label = np.zeros(len(features), np.int64)
    if not len(features):
        return label
    sets = [np.arange(len(features))]
    spreads = [_spread(features, weight, sets[0])]
    while len(sets) < most and max(spreads) > 0.0:
        place = int(np.argmax(spreads))
        low, high = _halves(features, weight, sets[place])
        sets[place : place + 1] = [low, high]
        spreads[place : place + 1] = [_spread(features, weight, part) for part in (low, high)]
    for number, members in enumerate(sets):
        label[members] = number
    return label


def _spread(features: Any, weight: Any, members: Any) -> float:
    width = float(np.ptp(features[members], axis=0).max())
    return width * float(weight[members].sum()) if width > GRAIN else 0.0


def _halves(features: Any, weight: Any, members: Any) -> tuple[Any, Any]:
    """Cut a set at the weighted median of its widest feature; equal values stay together."""
    own = features[members]
    values = own[:, int(np.ptp(own, axis=0).argmax())]
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weight[members][order])
    median = values[order][np.searchsorted(sums, sums[-1] / 2)]
    is_high = values > median if median < values.max() else values >= median
    return members[~is_high], members[is_high]
