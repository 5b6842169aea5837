"""How well the fleet foresaw: its forecasts, and what it earned beside what perfect foresight earns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.tape import TapeReader
from ringmain.vpp.advice.forecast import day_prices
from ringmain.vpp.advice.foretelling import Foreteller
from ringmain.vpp.advice.planner import Planner, end_value_ticks
from ringmain.vpp.home_views import Homes
from ringmain.vpp.kernels.money import TICK_WH_PER_MINOR
from ringmain.vpp.messages import SCHEMA, AssetMeasured
from ringmain.vpp.rows import rows_of
from ringmain.vpp.state import PERIOD_NS
from ringmain.vpp.views import ASSET, ReferencePrices, Statement
from ringmain.world.calendar import DAY_NS, midnight_ns
from ringmain.world.desk import published_ticks
from ringmain.world.live import Plan


@dataclass
class Told:
    """What the fleet's whole tape tells of prices, and of what was stored when each day began.

    Parameters
    ----------
    ticks : dict of int to int
        Start of hour, nanoseconds, to the auction's price.
    stored_wh : dict of int to dict of int to int
        Midnight, nanoseconds, to what each asset had stored then, by its id.
    cars_ahead_wh : dict of int to int
        Midnight, nanoseconds, to what the cars had drawn by then more than they would have by themselves.
    """

    ticks: dict[int, int] = field(default_factory=dict)
    stored_wh: dict[int, dict[int, int]] = field(default_factory=dict)
    cars_ahead_wh: dict[int, int] = field(default_factory=dict)


def read(data: Path) -> Told:
    """Read the fleet's tape from its first event that is kept."""
    prices, homes, told = ReferencePrices(), Homes(), Told()
    tape = TapeReader(data / "vpp", SCHEMA)
    tape.position = tape.first()
    while (events := tape.read()).size:
        prices.fold(events)
        _follow(homes, events, told)
        census = rows_of(events, AssetMeasured)
        census = census[census["time_ns"] % DAY_NS < PERIOD_NS]
        columns = (census[name].tolist() for name in ("time_ns", "asset_id", "energy_wh"))
        for time_ns, asset_id, energy_wh in zip(*columns, strict=True):
            told.stored_wh.setdefault(time_ns // DAY_NS * DAY_NS, {})[asset_id] = energy_wh
    tape.close()
    told.ticks = published_ticks(prices.price_ticks)
    return told


def _follow(homes: Homes, events: Any, told: Told) -> None:
    """Fold the events, and note how far the cars are at each midnight's census."""
    is_midnight = (events["kind"] == AssetMeasured.kind) & (events["time_ns"] % DAY_NS < PERIOD_NS)
    begin = 0
    for place in np.flatnonzero(is_midnight & ~np.append(is_midnight[1:], False)).tolist():
        homes.fold(events[begin : place + 1])
        begin = place + 1
        midnight = int(events["time_ns"][place]) // DAY_NS * DAY_NS
        told.cars_ahead_wh[midnight] = _ahead_wh(homes, midnight // PERIOD_NS)
    homes.fold(events[begin:])


def _ahead_wh(homes: Homes, period: int) -> int:
    """Return what the cars that are there have drawn by a period, less what they would have by themselves."""
    ahead_wh = 0
    for cars in homes.cars.values():
        car = cars[-1]
        if car.start_wh < 0 or car.unplugged_ns:
            continue
        stored_wh = int(homes.energy_wh[car.asset_id]) - car.start_wh
        ahead_wh += stored_wh * 1_000 // int(homes.efficiency_permille[car.asset_id])
        by_itself_w = homes.charging_w(car, np.arange(car.from_period, max(period, car.from_period)))
        ahead_wh += int(by_itself_w.sum()) // 4
    return ahead_wh


def forecasts(plan: Plan, told: Told) -> dict[int, int]:
    """Return what the fleet's desk expected of each hour of the plan's days, by start of hour.

    It is worked out again from what the desk knew by then: a forecast looks at no hour of its own
    day or later.
    """
    history = {**plan.known_ticks(), **told.ticks}
    expected: dict[int, int] = {}
    foreteller = Foreteller(plan.known_inputs())
    for day in plan.days:
        begin_ns = midnight_ns(day)
        prices = foreteller.foretell(history, begin_ns, begin_ns - DAY_NS // 2).price_ticks.tolist()
        expected.update(zip(range(begin_ns, begin_ns + DAY_NS, DAY_NS // 24), prices, strict=True))
    return expected


def foresight(
    plan: Plan, told: Told, statements: Sequence[Statement], held_minor: Mapping[int, int]
) -> list[dict[str, Any]]:
    """Return what the fleet earned on each day that was lived whole, and what was to be earned.

    `earned` is what the day added: awards and imbalance less wear of its quarter-hours, and the change of
    what the batteries had stored from midnight to midnight, and the cars had drawn ahead of what they
    would have by themselves, each Wh at what the planner takes it for
    (:func:`ringmain.vpp.advice.planner.end_value_ticks` of the day's auction prices). `perfect` is what
    the same planner would have added for the same batteries, from the same energies, had it known the
    auction's prices and traded all of it at them. `share` is the one through the other. It may be above
    1: the books trade at other prices than the auction. What is paid for holding reserve is no part of
    either: `held_minor`, by start of quarter-hour, is taken off the awards. So a fleet that rather sells
    reserve than energy has a smaller share, and more money.
    """
    fleet = np.array([tuple(row) for row in plan.fleet], ASSET).view(np.recarray)
    days = []
    for day in plan.days:
        begin_ns = midnight_ns(day)
        prices = day_prices(told.ticks, begin_ns)
        stored = [_by_asset(told.stored_wh.get(at_ns), fleet) for at_ns in (begin_ns, begin_ns + DAY_NS)]
        if prices is None or stored[0] is None or stored[1] is None:
            continue
        perfect = int(Planner(prices, prices).gain(fleet, stored[0]).sum()) // TICK_WH_PER_MINOR
        lived = [s for s in statements if begin_ns <= s.period_start_ns < begin_ns + DAY_NS]
        income = sum(s.income_minor - held_minor.get(s.period_start_ns, 0) for s in lived)
        kept = int(((stored[1] - stored[0]) * end_value_ticks(fleet, prices)).sum()) // TICK_WH_PER_MINOR
        begin_wh, end_wh = (told.cars_ahead_wh.get(at_ns, 0) for at_ns in (begin_ns, begin_ns + DAY_NS))
        kept += (end_wh - begin_wh) * max(0, int(prices.min())) // TICK_WH_PER_MINOR
        days.append(_line(day, income + kept, perfect))
    return days


def _by_asset(stored_wh: Mapping[int, int] | None, fleet: Any) -> Any | None:
    """Return energies in the order of the fleet, or None where one is not known."""
    if stored_wh is None or not all(asset_id in stored_wh for asset_id in fleet.asset_id.tolist()):
        return None
    return np.array([stored_wh[asset_id] for asset_id in fleet.asset_id.tolist()], np.int64)


def _line(day: date, earned_minor: int, perfect_minor: int) -> dict[str, Any]:
    share = earned_minor / perfect_minor if perfect_minor > 0 else None
    return {
        "day": day.isoformat(), "earned_eur": earned_minor / 1e6, "perfect_eur": perfect_minor / 1e6,
        "share": share,
    }  # fmt: skip
