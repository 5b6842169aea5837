"""What reserve adds to energy, and what its programme costs in time.

Belgian day-ahead prices of 2019, a fleet of batteries that all differ, half full at midnight, each day by
itself. Plans and offers know the naive forecast; what they earn is counted at the day's prices. Prices of
reserve are not in the data: they are **assumed**, drawn anew for each block of four hours, log-normal around
6 EUR/MW and hour for up and 4 for down reserve, 1.6 times that from 16 to 20 h. Of what is held, 4 % is
called on; up reserve is paid 1.3 times the day's mean price for it, down reserve is paid nothing and keeps
the energy. It may be called on for half an hour in all, which has to be in store.

- energy alone: the plan of :mod:`ringmain.vpp.advice.fleet_optimum`.
- afterwards: the same plan; what it leaves of power and energy in all hours of a block is sold at any price.
- together: offered at what it costs, sold where the auction pays that, and the energy planned around it.
- all known: one programme that knows the prices of energy and of reserve. Nobody can earn more, but for what
  its groups gloss over.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Row, row
from bench.fleet_plan import seeded_fleet
from ringmain.core.errors import RingmainError
from ringmain.vpp.advice.fleet_kernels import worths
from ringmain.vpp.advice.fleet_optimum import Fleet, optimise
from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, HOURS, PriceForecast, day_prices
from ringmain.vpp.advice.reserve import Owed, ReserveRules, allotted_w, left_by, offers, share_out
from ringmain.vpp.advice.reserve_groups import groups_of
from ringmain.vpp.advice.reserve_programme import Claim, Programme
from ringmain.vpp.price_files import read_hourly
from ringmain.vpp.reserve_messages import RESERVE_DOWN, RESERVE_UP
from ringmain.vpp.views import Product

FILE = "belgium_dayahead_2018_2020_hourly.csv"
FIRST_DAY_NS = 1_546_300_800 * 10**9  # 2019-01-01
DAYS, YEAR_DAYS = 60, 365
STORES, MANY_STORES = 1_000, 10_000
BLOCK_HOURS, BLOCKS = 4, 6
LOT_W = 100_000
UP_TICKS, DOWN_TICKS, SPREAD, EVENING, EVENING_BLOCK = 600, 400, 0.4, 1.6, 4
CALLED, CALLED_MAX_S, PREMIUM = 0.04, 1_800, 1.3
MAX_HOURS = CALLED_MAX_S / 3_600
RULES = ReserveRules(activated_permille=int(1_000 * CALLED))
TICKS_WH_PER_EUR = 1e8
RUNS = 3


@dataclass(frozen=True)
class _Day:
    """A day: what is known of it the day before, and what comes."""

    start_ns: int
    forecast_ticks: Any
    price_ticks: Any
    reserve_ticks: Any  # (12,), of the products in their order
    products: list[Product]


def run(scale: float = 1.0) -> list[Row]:
    """Measure ``scale`` times the days, and the programme's time."""
    days = list(_days(max(3, round(DAYS * scale))))
    earned = np.array([_earned(day) for day in days])
    alone, afterwards, together, known = earned.mean(axis=0).tolist()
    what = "reserve and energy together, income"
    unit = "EUR a day and MW"
    return [
        row(what, [together], unit, "energy alone", [alone]),
        row(what, [together], unit, "reserve afterwards, of what the plan leaves", [afterwards]),
        row(what, [together], unit, "all prices known, one programme", [known]),
        *_times(days[0]),
    ]


def prices_file() -> Path:
    """Find the prices: in RINGMAIN_DATA, or in shared/data beside the checkout or above it.

    Raises
    ------
    RingmainError
        RM418 when they are not there.
    """
    named = os.environ.get("RINGMAIN_DATA")
    roots = [Path(named)] if named else [up / "shared" / "data" for up in Path(__file__).resolve().parents]
    found = next((root / "prices" / FILE for root in roots if (root / "prices" / FILE).is_file()), None)
    if found is None:
        where = "Set RINGMAIN_DATA to the folder with prices/"
        raise RingmainError("RM418", "bench", f"{FILE} is not there", where)
    return found


def _days(count: int) -> Iterator[_Day]:
    hourly, dice = read_hourly(prices_file()), np.random.default_rng(1)
    ticks = np.rint(100 * hourly.price_eur).astype(np.int64)
    history = dict(zip(hourly.start_ns.tolist(), ticks.tolist(), strict=True))
    for day in np.linspace(0, YEAR_DAYS - 1, count).astype(int).tolist():
        start_ns = FIRST_DAY_NS + day * DAY_NS
        actual = day_prices(history, start_ns)
        if actual is None:
            continue
        forecast = PriceForecast().forecast(history, start_ns)
        level = np.tile([UP_TICKS, DOWN_TICKS], BLOCKS) * np.exp(dice.normal(0, SPREAD, 2 * BLOCKS))
        level[2 * EVENING_BLOCK : 2 * EVENING_BLOCK + 2] *= EVENING
        yield _Day(start_ns, forecast, actual, level, _products(start_ns, forecast))


def _products(start_ns: int, price_ticks: Any) -> list[Product]:
    return [
        Product(
            2 * block + k, start_ns + block * BLOCK_HOURS * HOUR_NS, BLOCK_HOURS * 3_600, start_ns, LOT_W, 1,
            service, int(PREMIUM * price_ticks.mean()) if service == RESERVE_UP else 0, CALLED_MAX_S,
        )
        for block in range(BLOCKS)
        for k, service in enumerate((RESERVE_UP, RESERVE_DOWN))
    ]  # fmt: skip


def _fleet(n: int, price_ticks: Any) -> Fleet:
    fleet, _ = seeded_fleet(0, n, HOURS)
    fleet.stores.end_value_ticks = max(0, int(price_ticks.min())) / fleet.stores.charge_efficiency
    free = np.full((1, HOURS), np.inf)
    return replace(fleet, stored_wh=fleet.stores.capacity_wh / 2, give_wh=free, take_wh=free)


def _earned(day: _Day) -> tuple[float, float, float, float]:
    """Return what each way earns, EUR for each MW of the fleet."""
    fleet = _fleet(STORES, day.forecast_ticks)
    forecast = day.forecast_ticks.astype(float)
    given_wh = optimise(fleet, forecast).given_wh
    energy = _worth(fleet, day, given_wh)
    left_w = _left(fleet, given_wh)
    afterwards = energy + _reserve_income(fleet, day, left_w)
    offered = offers(fleet, day.forecast_ticks, day.start_ns, day.products, RULES)
    sold_lots = [
        sum(step.lots for step in steps if step.price_ticks <= clearing)
        for clearing, (_, steps) in zip(day.reserve_ticks, offered, strict=True)
    ]
    sold_w = float(LOT_W) * np.array(sold_lots)
    holding = share_out(fleet, forecast, _owed(sold_w))
    assert not holding.short, "what is offered can be held"
    planned_wh = optimise(left_by(holding, fleet, forecast), forecast).given_wh
    together = _worth(fleet, day, planned_wh) + _reserve_income(fleet, day, sold_w)
    known = _all_known(fleet, day)
    size_mw = float((fleet.stores.discharge_wh * fleet.stores.discharge_efficiency).sum()) / 1e6
    eur = np.array([energy, afterwards, together, known]) / TICKS_WH_PER_EUR / size_mw
    return float(eur[0]), float(eur[1]), float(eur[2]), float(eur[3])


def _worth(fleet: Fleet, day: _Day, given_wh: Any) -> float:
    worth = np.zeros(len(fleet.stores))
    worths(fleet.stores, fleet.stored_wh, np.zeros((0, 0, 4)), day.price_ticks.astype(float), given_wh, worth)
    return float(worth.sum())


def _left(fleet: Fleet, given_wh: Any) -> Any:
    """Return what a plan leaves of each product, by block up and down, in lots' power."""
    stores = fleet.stores
    into, out = stores.charge_efficiency[:, None], stores.discharge_efficiency[:, None]
    dropped_wh = np.cumsum(np.where(given_wh > 0, given_wh / out, given_wh * into), axis=1)
    held = np.concatenate([np.zeros_like(dropped_wh[:, :1]), -dropped_wh], axis=1) + fleet.stored_wh[:, None]
    give, take = (limit[:, None] for limit in (
        stores.discharge_wh * stores.discharge_efficiency, stores.charge_wh / stores.charge_efficiency,
    ))  # fmt: skip
    left = []
    for first in range(0, HOURS, BLOCK_HOURS):
        hours, ends = slice(first, first + BLOCK_HOURS), slice(first, first + BLOCK_HOURS + 1)
        power_w = (give - np.maximum(given_wh[:, hours], 0)).min(axis=1)
        up_w = np.minimum(power_w, held[:, ends].min(axis=1) * stores.discharge_efficiency / MAX_HOURS)
        power_w = (take - np.maximum(-given_wh[:, hours], 0)).min(axis=1)
        room_wh = stores.capacity_wh - held[:, ends].max(axis=1)
        down_w = np.minimum(power_w, room_wh / stores.charge_efficiency / MAX_HOURS)
        left += [np.maximum(up_w, 0).sum(), np.maximum(down_w, 0).sum()]
    return np.floor(np.array(left) / LOT_W) * LOT_W


def _reserve_income(fleet: Fleet, day: _Day, sold_w: Any) -> float:
    """Return what holding and being called on earn, with what it takes from the stores, Wh x ticks."""
    stores = fleet.stores
    wear, end = stores.wear_ticks.mean(), stores.end_value_ticks.mean()
    each = np.tile(
        [-wear - end / stores.discharge_efficiency.mean(), end * stores.charge_efficiency.mean()], BLOCKS
    )
    each += np.array([product.activation_ticks for product in day.products], float)
    return float(BLOCK_HOURS * (sold_w @ (day.reserve_ticks + CALLED * each)))


def _owed(sold_w: Any) -> Owed:
    up_w, down_w = (np.repeat(sold_w[k::2], BLOCK_HOURS) for k in (0, 1))
    return Owed(up_w, down_w, np.full(HOURS, MAX_HOURS))


def _programme(fleet: Fleet, day: _Day, price_ticks: Any) -> Programme:
    claims = [
        Claim(product.service == RESERVE_UP, BLOCK_HOURS * (n // 2), BLOCK_HOURS, MAX_HOURS, CALLED,
              float(product.activation_ticks))
        for n, product in enumerate(day.products)
    ]  # fmt: skip
    return Programme(groups_of(fleet.stores, fleet.stored_wh, *allotted_w(fleet)), price_ticks, claims)


def _all_known(fleet: Fleet, day: _Day) -> float:
    most_w = np.full(2 * BLOCKS, 2.0 * float(allotted_w(fleet)[0].sum()))
    best = _programme(fleet, day, day.price_ticks.astype(float)).best(most_w, day.reserve_ticks)
    return best.worth + BLOCK_HOURS * float(best.level_w @ day.reserve_ticks)


def _times(day: _Day) -> list[Row]:
    """Return how long the parts take for a fleet of ten thousand."""
    fleet, forecast = _fleet(MANY_STORES, day.forecast_ticks), day.forecast_ticks.astype(float)
    level_w = 0.2 * float(allotted_w(fleet)[0].sum()) * np.ones(2 * BLOCKS)
    taken: list[list[float]] = [[], [], []]
    for _ in range(RUNS):
        began = time.perf_counter()
        _programme(fleet, day, forecast).at(level_w)
        taken[0].append(time.perf_counter() - began)
        began = time.perf_counter()
        offers(fleet, day.forecast_ticks, day.start_ns, day.products, RULES)
        taken[1].append(time.perf_counter() - began)
        began = time.perf_counter()
        holding = share_out(fleet, forecast, _owed(level_w))
        optimise(left_by(holding, fleet, forecast), forecast)
        taken[2].append(time.perf_counter() - began)
    name = f"reserve, {MANY_STORES:,} stores x 24 h"
    return [
        row(f"{name}, energy and 12 products, one programme", taken[0], "s"),
        row(f"{name}, supply of 12 products", taken[1], "s"),
        row(f"{name}, plan that holds what was sold", taken[2], "s"),
    ]
