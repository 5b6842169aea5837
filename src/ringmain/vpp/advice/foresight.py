"""How well the fleet did: each day's gain beside what perfect foresight of the auction's prices earns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, HOURS, day_prices
from ringmain.vpp.advice.planner import Planner, end_value_ticks
from ringmain.vpp.advice.reserve import owed_of
from ringmain.vpp.home_views import Homes
from ringmain.vpp.kernels.money import TICK_WH_PER_MINOR
from ringmain.vpp.messages import AssetMeasured
from ringmain.vpp.reserve_messages import ReservePaid
from ringmain.vpp.reserve_views import Reserves
from ringmain.vpp.rows import rows_of
from ringmain.vpp.state import PERIOD_NS
from ringmain.vpp.views import ReferencePrices, Statement


@dataclass
class Told:
    """What the fleet's whole tape tells of prices and reserve, and of what was stored when each day began.

    Parameters
    ----------
    stored_wh : dict of int to dict of int to int
        Midnight, nanoseconds, to what each asset had stored then, by its id.
    cars_ahead_wh : dict of int to int
        Midnight, nanoseconds, to what the cars had drawn by then more than they would have by themselves.
    called_minor : dict of int to int
        Start of quarter-hour, nanoseconds, to what was paid with it for calls of reserve.
    """

    stored_wh: dict[int, dict[int, int]] = field(default_factory=dict)
    cars_ahead_wh: dict[int, int] = field(default_factory=dict)
    called_minor: dict[int, int] = field(default_factory=dict)
    prices: ReferencePrices = field(default_factory=ReferencePrices)
    reserves: Reserves = field(default_factory=Reserves)
    _homes: Homes = field(default_factory=Homes)

    @property
    def ticks(self) -> dict[int, int]:
        """The auction's prices by start of hour, nanoseconds."""
        starts = ((period * PERIOD_NS, ticks) for period, ticks in self.prices.price_ticks.items())
        return {start_ns: ticks for start_ns, ticks in starts if start_ns % HOUR_NS == 0}

    def fold(self, events: Any) -> None:
        """Follow the tape from its first event on."""
        self.prices.fold(events)
        self.reserves.fold(events)
        self._follow_homes(events)
        for row in rows_of(events, ReservePaid):
            start_ns, paid_minor = int(row["period_start_ns"]), int(row["amount_minor"])
            self.called_minor[start_ns] = self.called_minor.get(start_ns, 0) + paid_minor
        census = rows_of(events, AssetMeasured)
        census = census[census["time_ns"] % DAY_NS < PERIOD_NS]
        columns = (census[name].tolist() for name in ("time_ns", "asset_id", "energy_wh"))
        for time_ns, asset_id, energy_wh in zip(*columns, strict=True):
            self.stored_wh.setdefault(time_ns // DAY_NS * DAY_NS, {})[asset_id] = energy_wh

    def _follow_homes(self, events: Any) -> None:
        """Fold the events, and note how far the cars are at each midnight's census."""
        is_midnight = (events["kind"] == AssetMeasured.kind) & (events["time_ns"] % DAY_NS < PERIOD_NS)
        begin = 0
        for place in np.flatnonzero(is_midnight & ~np.append(is_midnight[1:], False)).tolist():
            self._homes.fold(events[begin : place + 1])
            begin = place + 1
            midnight = int(events["time_ns"][place]) // DAY_NS * DAY_NS
            self.cars_ahead_wh[midnight] = ahead_wh(self._homes, midnight // PERIOD_NS)
        self._homes.fold(events[begin:])


def ahead_wh(homes: Homes, period: int) -> int:
    """Return what the cars that are there have drawn by a period, less what they would have by themselves."""
    total_wh = 0
    for cars in homes.cars.values():
        car = cars[-1]
        if car.start_wh < 0 or car.unplugged_ns:
            continue
        stored_wh = int(homes.energy_wh[car.asset_id]) - car.start_wh
        total_wh += stored_wh * 1_000 // int(homes.efficiency_permille[car.asset_id])
        by_itself_w = homes.charging_w(car, np.arange(car.from_period, max(period, car.from_period)))
        total_wh += int(by_itself_w.sum()) // 4
    return total_wh


@dataclass(frozen=True)
class DayEarned:
    """A day that was lived whole; `share` is None where nothing was to be earned.

    `earned_minor` and `perfect_minor` are of energy alone, `reserve_minor` is what reserve has brought.
    """

    day_ns: int
    earned_minor: int
    perfect_minor: int
    reserve_minor: int

    @property
    def share(self) -> float | None:
        """What was earned through what perfect foresight earns."""
        return self.earned_minor / self.perfect_minor if self.perfect_minor > 0 else None


def reserve_minor(told: Told) -> dict[int, int]:
    """Return by how much reserve has raised income, by start of quarter-hour, nanoseconds.

    It is what was paid for holding it and for calls, less what the called energy would have brought at the
    auction's price.
    """
    brought, ticks = dict(told.called_minor), told.ticks
    for period, kept in told.reserves.kept.items():
        start_ns = period * PERIOD_NS
        called_minor = kept.activated_wh * ticks.get(start_ns - start_ns % HOUR_NS, 0) // TICK_WH_PER_MINOR
        brought[start_ns] = brought.get(start_ns, 0) + kept.availability_minor - called_minor
    return brought


def foresight(
    days_ns: Sequence[int], fleet: Any, told: Told, statements: Sequence[Statement]
) -> list[DayEarned]:
    """Return what the fleet earned on each day that was lived whole, and what was to be earned.

    `earned` is what the day added: awards and imbalance less wear of its quarter-hours, and the change of
    what the batteries had stored from midnight to midnight, and the cars had drawn ahead of what they
    would have by themselves, each Wh at what the planner takes it for
    (:func:`ringmain.vpp.advice.planner.end_value_ticks` of the day's auction prices). `perfect` is what
    the same planner would have added for the same batteries, from the same energies, holding the same
    reserve, had it known the auction's prices and traded all of it at them. The share may be above 1: the
    books trade at other prices than the auction. What reserve brings is no part of either, so that energy
    that was called counts at the auction's price.

    Parameters
    ----------
    days_ns : sequence of int
        Midnights, nanoseconds.
    fleet : recarray of shape (n,), ASSET
        Its batteries.
    """
    brought, ticks, days = reserve_minor(told), told.ticks, []
    for begin_ns in days_ns:
        prices = day_prices(ticks, begin_ns)
        stored = [_by_asset(told.stored_wh.get(at_ns), fleet) for at_ns in (begin_ns, begin_ns + DAY_NS)]
        if prices is None or stored[0] is None or stored[1] is None:
            continue
        owed = owed_of(told.reserves, begin_ns, HOURS)
        perfect = int(Planner(prices, prices).gain(fleet, stored[0], owed).sum()) // TICK_WH_PER_MINOR
        lived = [s for s in statements if begin_ns <= s.period_start_ns < begin_ns + DAY_NS]
        apart = sum(brought.get(s.period_start_ns, 0) for s in lived)
        kept = int(((stored[1] - stored[0]) * end_value_ticks(fleet, prices)).sum()) // TICK_WH_PER_MINOR
        begin_wh, end_wh = (told.cars_ahead_wh.get(at_ns, 0) for at_ns in (begin_ns, begin_ns + DAY_NS))
        kept += (end_wh - begin_wh) * max(0, int(prices.min())) // TICK_WH_PER_MINOR
        income = sum(s.income_minor for s in lived) - apart
        days.append(DayEarned(begin_ns, income + kept, perfect, apart))
    return days


def _by_asset(stored_wh: Mapping[int, int] | None, fleet: Any) -> Any | None:
    """Return energies in the order of the fleet, or None where one is not known."""
    if stored_wh is None or not all(asset_id in stored_wh for asset_id in fleet.asset_id.tolist()):
        return None
    return np.array([stored_wh[asset_id] for asset_id in fleet.asset_id.tolist()], np.int64)
