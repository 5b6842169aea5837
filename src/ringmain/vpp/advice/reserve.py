"""Reserve of the fleet's batteries: what is offered of it, and who holds what was sold.

What is sold is shared out hour by hour, by the same programme that prices it. A battery's share narrows its
power, and keeps energy, or room for it, in store at both ends of the hour: own limits of the exact plan.
A battery that holds too little for its share is steered there; what can't be held is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ringmain.vpp.advice.fleet_optimum import Fleet, add_up
from ringmain.vpp.advice.forecast import HOUR_NS, Prices
from ringmain.vpp.advice.reserve_groups import groups_of
from ringmain.vpp.advice.reserve_programme import Claim, Programme
from ringmain.vpp.advice.reserve_supply import STEPS, Offered, supply
from ringmain.vpp.advice.store import CEILING, FLOOR, GIVE, TAKE, UNLIMITED_WH
from ringmain.vpp.reserve_messages import RESERVE_UP
from ringmain.vpp.reserve_views import Reserves
from ringmain.vpp.state import PERIOD_NS, SECOND_NS
from ringmain.vpp.views import Product

PERIODS_PER_HOUR = HOUR_NS // PERIOD_NS
SECONDS_PER_HOUR = HOUR_NS // SECOND_NS
MISS_PRICE = 10.0  # of a Wh that is not there to be called on, in highest prices
LEAST_SHORT_W = 1.0


@dataclass(frozen=True)
class ReserveRules:
    """How reserve is offered.

    Parameters
    ----------
    most_permille : int
        Of the fleet's power that may be held; the rest is for batteries that fall silent.
    activated_permille : int
        How much of what is held is expected to be called on in the mean.
    steps : int
        Of a product's supply.
    """

    most_permille: int = 800
    activated_permille: int = 50
    steps: int = STEPS


@dataclass(frozen=True)
class Owed:
    """Reserve that the fleet has to hold, by hour.

    Parameters
    ----------
    up_w, down_w, duration_hours : float64 arrays of shape (n_hours,)
        The duration is how long it may be called on at full power.
    """

    up_w: Any
    down_w: Any
    duration_hours: Any

    def claims(self) -> list[Claim]:
        """Return a claim for each hour and direction with reserve, in the order of :meth:`levels_w`."""
        return [
            Claim(is_up, hour, 1, float(self.duration_hours[hour]))
            for is_up, held_w in ((True, self.up_w), (False, self.down_w))
            for hour in np.flatnonzero(held_w).tolist()
        ]

    def levels_w(self) -> Any:
        """Return what is owed of each claim."""
        return np.concatenate([self.up_w[self.up_w != 0], self.down_w[self.down_w != 0]])


@dataclass(frozen=True)
class Short:
    """Reserve that the fleet owes in an hour of the plan and can't hold."""

    hour: int
    is_up: bool
    missing_w: float


@dataclass(frozen=True)
class Holding:
    """Each battery's share of the reserve.

    Parameters
    ----------
    up_w, down_w : float64 arrays of shape (n, n_hours)
    duration_hours : float64 array of shape (n_hours,)
    short : tuple of Short
    """

    up_w: Any
    down_w: Any
    duration_hours: Any
    short: tuple[Short, ...]


def owed_of(reserves: Reserves, start_ns: int, n_hours: int) -> Owed | None:
    """Return what awards oblige to hold from `start_ns` on, or None if it is nothing.

    An hour whose quarter-hours differ holds the most of them throughout.
    """
    first = start_ns // PERIOD_NS
    periods = range(first, first + n_hours * PERIODS_PER_HOUR)

    def hourly(values: Sequence[int]) -> Any:
        return np.array(values, float).reshape(n_hours, PERIODS_PER_HOUR).max(axis=1, initial=0.0)

    up_w = hourly([reserves.up_w.get(period, 0) for period in periods])
    down_w = hourly([reserves.down_w.get(period, 0) for period in periods])
    if not up_w.any() and not down_w.any():
        return None
    seconds = hourly([reserves.duration_s(period) for period in periods])
    return Owed(up_w, down_w, seconds / SECONDS_PER_HOUR)


# Who holds it.


def left_by(holding: Holding, problem: Fleet, price_ticks: Any) -> Fleet:
    """Return the fleet as holding reserve leaves it for energy.

    Parameters
    ----------
    problem : Fleet
        By the hour.
    price_ticks : float64 array of shape (n_hours,)
    """
    stores = problem.stores.copy()
    stores.miss_ticks = MISS_PRICE * float(np.abs(price_ticks).max(initial=1.0))
    give_wh, take_wh = (
        most_wh - beneath(problem, held_w)
        for most_wh, held_w in ((problem.give_wh, holding.up_w), (problem.take_wh, holding.down_w))
    )
    limits = own_limits_wh(stores, holding)
    return replace(problem, stores=stores, give_wh=give_wh, take_wh=take_wh, own_limits_wh=limits)


def share_out(problem: Fleet, price_ticks: Any, owed: Owed) -> Holding:
    """Share out what is owed among the batteries, as it costs least in energy.

    Parameters
    ----------
    problem : Fleet
        By the hour.
    price_ticks : float64 array of shape (n_hours,)
    owed : Owed
    """
    stores, n_hours = problem.stores, len(price_ticks)
    give_w, take_w = allotted_w(problem)
    groups = groups_of(stores, problem.stored_wh, give_w, take_w)
    claims = owed.claims()
    programme = Programme(groups, price_ticks, claims, problem.give_wh[0], problem.take_wh[0])
    found = programme.at(owed.levels_w())
    up_w, down_w = np.zeros((2, len(stores), n_hours))
    holding = Holding(up_w, down_w, owed.duration_hours, ())
    stored_wh, capacity_wh = np.clip(problem.stored_wh, 0.0, stores.capacity_wh), stores.capacity_wh
    short = []
    for k, claim in enumerate(claims):
        hour, needed = claim.first, max(claim.activation_hours, 1e-9)
        if claim.is_up:
            energy_wh = (capacity_wh if hour else stored_wh) * stores.discharge_efficiency
            can_w, held_w = np.minimum(give_w[:, hour], energy_wh / needed), holding.up_w
        else:
            kept_wh = holding.up_w[:, hour] * needed / stores.discharge_efficiency
            room_wh = (capacity_wh - (kept_wh if hour else stored_wh)) / stores.charge_efficiency
            can_w, held_w = np.minimum(take_w[:, hour], np.maximum(room_wh, 0.0) / needed), holding.down_w
        held_w[:, hour] = spread(found.power_w[:, k], groups.label, can_w)
        missing_w = float(found.level_w[k] - held_w[:, hour].sum())
        if missing_w >= LEAST_SHORT_W:
            short.append(Short(hour, claim.is_up, missing_w))
    return replace(holding, short=tuple(short))


def spread(part_w: Any, label: Any, can_w: Any) -> Any:
    """Share out groups' parts among their members, as far as each can; what is left over, among all.

    Parameters
    ----------
    part_w : float64 array of shape (n_groups,)
    label : int64 array of shape (n,)
    can_w : float64 array of shape (n,)
    """
    whole_w = np.bincount(label, can_w, len(part_w))
    own_w = can_w * np.minimum(1.0, part_w / np.maximum(whole_w, 1e-9))[label]
    left_w, room_w = float(part_w.sum() - own_w.sum()), can_w - own_w
    return own_w + room_w * min(1.0, max(0.0, left_w) / max(float(room_w.sum()), 1e-9))


def allotted_w(problem: Fleet) -> tuple[Any, Any]:
    """Return what each battery may give and take, float64 arrays of shape (n, n_hours).

    A limit of a node below the fleet is shared by power among the batteries beneath it; the fleet's own
    limit is left to the programme.
    """
    stores, shape = problem.stores, problem.give_wh.shape
    allotted = []
    for power_w, limit_w in (
        (stores.discharge_wh * stores.discharge_efficiency, problem.give_wh),
        (stores.charge_wh / stores.charge_efficiency, problem.take_wh),
    ):
        whole_w = np.bincount(problem.node, power_w, shape[0])
        add_up(problem.parent, whole_w)
        share = np.clip(limit_w / np.maximum(whole_w, 1e-9)[:, None], 0.0, 1.0)
        share[0] = 1.0
        for node in range(1, shape[0]):
            share[node] = np.minimum(share[node], share[problem.parent[node]])
        allotted.append(power_w[:, None] * share[problem.node])
    return allotted[0], allotted[1]


def beneath(problem: Fleet, held_w: Any) -> Any:
    """Return what is held beneath each node, float64 array of shape (n_nodes, n_hours)."""
    sums = np.zeros(problem.give_wh.shape)
    np.add.at(sums, problem.node, held_w)
    add_up(problem.parent, sums)
    return sums


def own_limits_wh(stores: Any, holding: Holding) -> Any:
    """Return what holding reserve leaves to each battery, float64 array of shape (n, n_hours, 4).

    The energy at the end of an hour serves this hour and the next.
    """
    limits = np.empty((*holding.up_w.shape, 4))
    limits[:] = UNLIMITED_WH
    give_wh = (stores.discharge_wh * stores.discharge_efficiency)[:, None]
    take_wh = (stores.charge_wh / stores.charge_efficiency)[:, None]
    limits[:, :, GIVE] = np.maximum(0.0, give_wh - holding.up_w)
    limits[:, :, TAKE] = np.maximum(0.0, take_wh - holding.down_w)
    floor_wh = holding.up_w * holding.duration_hours / stores.discharge_efficiency[:, None]
    room_wh = holding.down_w * holding.duration_hours * stores.charge_efficiency[:, None]
    for energy_wh in (floor_wh, room_wh):
        energy_wh[:, :-1] = np.maximum(energy_wh[:, :-1], energy_wh[:, 1:])
    limits[:, :, FLOOR] = floor_wh
    limits[:, :, CEILING] = np.where(room_wh > 0, stores.capacity_wh[:, None] - room_wh, np.inf)
    return limits


# What is offered.


def offers(
    problem: Fleet, price_ticks: Prices, start_ns: int, products: Sequence[Product], rules: ReserveRules
) -> list[tuple[Product, list[Offered]]]:
    """Return what is offered of each product, in steps of rising prices.

    Parameters
    ----------
    problem : Fleet
        The batteries from `start_ns` on, by the hour.
    price_ticks : int64 array of shape (n_hours,)
        Of energy, as foretold.
    products : sequence of Product
        Those of reserve that are auctioned together; one that is not made of hours of the plan is left out.
    """
    products = [product for product in products if _hours(product, start_ns, len(price_ticks))]
    if not products or not len(problem.stores):
        return [(product, []) for product in products]
    give_w, take_w = allotted_w(problem)
    claims = [_claim(product, start_ns, rules) for product in products]
    groups = groups_of(problem.stores, problem.stored_wh, give_w, take_w)
    whole_w = problem.give_wh[0], problem.take_wh[0]
    programme = Programme(groups, price_ticks.astype(float), claims, *whole_w)
    lot_w = np.array([product.lot_power_w for product in products], float)
    most_lots = []
    for claim, size_w in zip(claims, lot_w.tolist(), strict=True):
        can_w = (give_w if claim.is_up else take_w)[:, list(claim.hours)].sum(axis=0).min()
        most_lots.append(int(can_w * rules.most_permille // 1_000 // size_w))
    return list(zip(products, supply(programme, np.array(most_lots), lot_w, rules.steps), strict=True))


def _hours(product: Product, start_ns: int, n_hours: int) -> range:
    """Return the hours of the plan that a product consists of; none if it is not made of such."""
    first, odd_ns = divmod(product.delivery_start_ns - start_ns, HOUR_NS)
    count, odd_s = divmod(product.delivery_duration_s, SECONDS_PER_HOUR)
    is_whole = not odd_ns and not odd_s and first >= 0 and first + count <= n_hours
    return range(first, first + count) if is_whole else range(0)


def _claim(product: Product, start_ns: int, rules: ReserveRules) -> Claim:
    at_most = product.activation_max_s / product.delivery_duration_s
    return Claim(
        product.service == RESERVE_UP,
        (product.delivery_start_ns - start_ns) // HOUR_NS,
        product.delivery_duration_s // SECONDS_PER_HOUR,
        product.activation_max_s / SECONDS_PER_HOUR,
        min(rules.activated_permille / 1_000, at_most),
        float(product.activation_ticks),
    )
