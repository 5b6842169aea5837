"""The desk: when to plan and to bid, from what the views show.

Each step is worked out anew from the views, so that a desk that was restarted goes on where the
tape says it was. The day-ahead step plans the coming day against the forecast; the intraday step
plans what is left against the prices that the auction has set, and asks for the difference to
what the fleet owes by now.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.vpp.advice.bidding import Order, Want, expected_power_w, orders
from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, HOURS, PriceForecast, Prices
from ringmain.vpp.advice.planner import Planner, reserve_wh
from ringmain.vpp.kernels.units import energy_wh
from ringmain.vpp.messages import IMMEDIATE_OR_CANCEL, REST, CancelBid, SubmitBid, SubmitPlan
from ringmain.vpp.state import FALLBACK_SPREAD_PERMILLE, PERIOD_NS, SECOND_NS
from ringmain.vpp.views import Asset, DeskView, Product

PERIODS_PER_HOUR = HOUR_NS // PERIOD_NS


@dataclass(frozen=True)
class DeskTimes:
    """When the desk acts, in nanoseconds of the logical day."""

    day_ahead_ns: int = 11 * HOUR_NS  # bids for tomorrow from here on
    day_ahead_end_ns: int = 12 * HOUR_NS - 120 * SECOND_NS  # ... to here: the auction is about to clear
    intraday_open_ns: int = 15 * HOUR_NS  # tomorrow's products trade continuously from here on
    intraday_every_ns: int = HOUR_NS // 2
    intraday_offset_ns: int = 120 * SECOND_NS  # after the half-hour, when the census is in
    answer_within_ns: int = 600 * SECOND_NS  # bids that stay unanswered for so long are given up


@dataclass
class Desk:
    """The advisor of one fleet. ``advise`` returns commands for an operator's session, in order."""

    times: DeskTimes = field(default_factory=DeskTimes)
    forecast: PriceForecast = field(default_factory=PriceForecast)
    _last_bid_id: int = 0
    _asked_ns: int = 0
    _intraday_slot: int = 0

    def advise(self, view: DeskView, history: Mapping[int, int], now_ns: int) -> list[Any]:
        """Return the commands that are due now; none while the last bids are unanswered.

        Parameters
        ----------
        view : DeskView
            Folded up to about now.
        history : mapping of int to int
            Start of hour, nanoseconds, to the day-ahead price in ticks, as far as it is published.
        now_ns : int
            Logical time.
        """
        answered = view.bids.last_answered_id >= self._last_bid_id
        if not answered and now_ns < self._asked_ns + self.times.answer_within_ns:
            return []
        asked = self._last_bid_id
        commands = self.day_ahead(view, history, now_ns) + self.intraday(view, now_ns)
        if self._last_bid_id != asked:
            self._asked_ns = now_ns
        return commands

    def day_ahead(self, view: DeskView, history: Mapping[int, int], now_ns: int) -> list[Any]:
        """Plan tomorrow against the forecast and bid for it, once, in the hour before the auction."""
        time_of_day_ns = now_ns % DAY_NS
        if not self.times.day_ahead_ns <= time_of_day_ns < self.times.day_ahead_end_ns:
            return []
        day_ns = now_ns - time_of_day_ns + DAY_NS
        hourly = [
            product
            for product in open_products(view, now_ns)
            if product.delivery_duration_s * SECOND_NS == HOUR_NS and day_ns <= product.delivery_start_ns
        ]
        products = [product for product in hourly if product.delivery_start_ns < day_ns + DAY_NS]
        done = {bid.product_id for bid in view.bids.by_id.values()}
        if not products or any(product.product_id in done for product in products):
            return []
        prices = self.forecast.forecast(history, day_ns)
        plan = plan_fleet(view, day_ns, prices, prices, now_ns)
        return plan.commands(view) + self._bids(view, plan.wants(), products, REST)

    def intraday(self, view: DeskView, now_ns: int) -> list[Any]:
        """Plan the hours whose price is known, and trade the difference to what is owed; twice an hour."""
        slot, passed_ns = divmod(now_ns, self.times.intraday_every_ns)
        if slot == self._intraday_slot or passed_ns < self.times.intraday_offset_ns:
            return []
        self._intraday_slot = slot
        start_ns = first_known_ns(view.prices.price_ticks, (now_ns // HOUR_NS + 1) * HOUR_NS)
        prices = known_prices(view.prices.price_ticks, start_ns)
        if len(prices) == 0:
            return []
        horizon_ns = start_ns + len(prices) * HOUR_NS
        last_day = known_prices(view.prices.price_ticks, horizon_ns - DAY_NS)
        plan = plan_fleet(view, start_ns, prices, last_day if len(last_day) == HOURS else prices, now_ns)
        products = [p for p in open_products(view, now_ns) if self._is_continuous(p, now_ns)]
        if not products:
            return plan.commands(view)
        cancels = [CancelBid(bid_id=bid.bid_id) for bid in view.bids.open() if not bid.cancelling]
        bids = self._bids(view, with_urgency(plan, view, prices), products, IMMEDIATE_OR_CANCEL)
        return plan.commands(view) + cancels + bids

    def _is_continuous(self, product: Product, now_ns: int) -> bool:
        """Tell whether the product trades in the book: from the afternoon before its day."""
        day_ns = product.delivery_start_ns // DAY_NS * DAY_NS
        return now_ns >= day_ns - DAY_NS + self.times.intraday_open_ns

    def _bids(
        self, view: DeskView, wants: dict[int, Want], products: list[Product], time_in_force: int
    ) -> list[Any]:
        asked = orders(wants, expected_power_w(view.commitments, view.bids), products)
        return [self._bid(view, order, time_in_force) for order in asked]

    def _bid(self, view: DeskView, order: Order, time_in_force: int) -> Any:
        self._last_bid_id = max(self._last_bid_id, view.bids.last_bid_id) + 1
        return SubmitBid(
            bid_id=self._last_bid_id,
            product_id=order.product_id,
            price_ticks=order.price_ticks,
            quantity_lots=order.quantity_lots,
            side=order.side,
            time_in_force=time_in_force,
        )


@dataclass(frozen=True)
class FleetPlan:
    """Plans of all batteries over the same hours; `hours` holds an array of shape (n_hours,) by asset id."""

    start_ns: int
    hours: dict[int, Any]
    energy_wh: dict[int, int]  # stored when the plan begins

    def commands(self, view: DeskView) -> list[Any]:
        """Return the plans as blocks of equal power, for the batteries whose plan is not that already."""
        return [
            SubmitPlan(
                asset_id=asset_id,
                power_w=power_w,
                delivery_start_ns=self.start_ns + first * HOUR_NS,
                delivery_duration_s=count * HOUR_NS // SECOND_NS,
            )
            for asset_id, hours in self.hours.items()
            for first, count, power_w in blocks([int(hour.power_w) for hour in hours])
            if not self._stands(view, asset_id, first, count, power_w)
        ]

    def wants(self) -> dict[int, Want]:
        """Return the fleet's sum by quarter-hour; prices are means over the batteries that move."""
        wants: dict[int, Want] = {}
        if not self.hours:
            return wants
        stacked = np.stack(list(self.hours.values()))
        for i in range(stacked.shape[1]):
            hour = stacked[:, i]
            moving = hour[hour["power_w"] != 0]
            counted = moving if len(moving) else hour
            want = Want(
                int(hour["power_w"].sum()),
                int(counted["sell_ticks"].sum()) // len(counted),
                int(counted["buy_ticks"].sum()) // len(counted),
            )
            first = self.start_ns // PERIOD_NS + i * PERIODS_PER_HOUR
            wants.update(dict.fromkeys(range(first, first + PERIODS_PER_HOUR), want))
        return wants

    def _stands(self, view: DeskView, asset_id: int, first: int, count: int, power_w: int) -> bool:
        plan = view.plans.power_w.get(asset_id, {})
        period = self.start_ns // PERIOD_NS + first * PERIODS_PER_HOUR
        return all(plan.get(period + k, 0) == power_w for k in range(count * PERIODS_PER_HOUR))


def plan_fleet(
    view: DeskView, start_ns: int, price_ticks: Prices, day_price_ticks: Prices, now_ns: int
) -> FleetPlan:
    """Plan every battery from `start_ns` on, from the energy that it will have then."""
    planner = Planner(price_ticks, day_price_ticks)
    census_ns = now_ns // PERIOD_NS * PERIOD_NS  # what the twins tell is as of then
    deviation_w = planned_deviation_w(view, census_ns, start_ns)
    hours, energies = {}, {}
    for asset_id, asset in sorted(view.assets.active.items()):
        energies[asset_id] = projected_energy_wh(view, asset, deviation_w)
        hours[asset_id] = planner.plan(asset, energies[asset_id])
    return FleetPlan(start_ns, hours, energies)


def planned_deviation_w(view: DeskView, from_ns: int, until_ns: int) -> dict[int, int]:
    """Return what the fleet owes beyond the sum of its plans, by quarter-hour: dispatch will ask for it."""
    owed_w = view.commitments.power_w
    periods = range(from_ns // PERIOD_NS, until_ns // PERIOD_NS)
    return {period: owed_w.get(period, 0) - view.plans.fleet_power_w(period) for period in periods}


def projected_energy_wh(view: DeskView, asset: Asset, deviation_w: Mapping[int, int]) -> int:
    """Return what a battery will have stored after its plan and its part of the fleet's deviation.

    `deviation_w` holds every quarter-hour from the census on.
    """
    twin = view.assets.twins.get(asset.asset_id)
    stored_wh = reserve_wh(asset) if twin is None else twin.energy_wh
    plan = view.plans.power_w.get(asset.asset_id, {})
    fleet_limit_w = view.assets.discharge_limit_w
    for period, fleet_w in deviation_w.items():
        power_w = plan.get(period, 0) + fleet_w * asset.discharge_limit_w // fleet_limit_w
        if power_w:
            stored_wh -= drained_wh(energy_wh(power_w, PERIOD_NS), asset)
            stored_wh = max(reserve_wh(asset), min(stored_wh, asset.energy_capacity_wh))
    return stored_wh


def drained_wh(given_wh: int, asset: Asset) -> int:
    """Return what leaves the store for energy given to the grid; negative when it is taken."""
    if given_wh > 0:
        return given_wh * 1_000 // asset.discharge_efficiency_permille
    return given_wh * asset.charge_efficiency_permille // 1_000


def with_urgency(plan: FleetPlan, view: DeskView, prices: Prices) -> dict[int, Want]:
    """Return the plan's wants, with wider prices where the fleet can't deliver what it owes.

    The fleet is walked through its commitments as one store, with the efficiencies of its first
    battery. Where it runs empty or over, the trade is worth what the imbalance would cost.
    """
    wants = plan.wants()
    owed_w = view.commitments.power_w
    assets = list(view.assets.active.values())
    if not assets:
        return wants
    stored_wh = sum(plan.energy_wh[a.asset_id] - reserve_wh(a) for a in assets)
    usable_wh = sum(a.energy_capacity_wh - reserve_wh(a) for a in assets)
    for period in sorted(wants):
        after_wh = stored_wh - drained_wh(energy_wh(owed_w.get(period, 0), PERIOD_NS), assets[0])
        stored_wh = max(0, min(after_wh, usable_wh))
        if after_wh != stored_wh:
            reference = int(prices[(period * PERIOD_NS - plan.start_ns) // HOUR_NS])
            spread = abs(reference) * FALLBACK_SPREAD_PERMILLE // 1_000
            want = wants[period]
            wants[period] = Want(
                want.power_w,
                min(want.sell_ticks, reference - spread),
                max(want.buy_ticks, reference + spread),
            )
    return wants


def open_products(view: DeskView, now_ns: int) -> list[Product]:
    """Return the products whose gate has not closed."""
    return [p for p in view.commitments.products.values() if now_ns < p.gate_closure_ns]


def first_known_ns(price_ticks: Mapping[int, int], from_ns: int) -> int:
    """Return the first hour from `from_ns` on whose price is known, or `from_ns` if there is none."""
    first = from_ns // PERIOD_NS
    return min((period for period in price_ticks if period >= first), default=first) * PERIOD_NS


def known_prices(price_ticks: Mapping[int, int], start_ns: int) -> Prices:
    """Return the prices of the hours from `start_ns` on, as far as they are known without a gap."""
    prices = []
    period = start_ns // PERIOD_NS
    while period in price_ticks:
        prices.append(price_ticks[period])
        period += PERIODS_PER_HOUR
    return np.array(prices, np.int64)


def blocks(power_w: list[int]) -> list[tuple[int, int, int]]:
    """Return runs of equal power as (first hour, number of hours, power)."""
    runs: list[tuple[int, int, int]] = []
    for hour, power in enumerate(power_w):
        if runs and runs[-1][2] == power:
            first, count, _ = runs[-1]
            runs[-1] = (first, count + 1, power)
        else:
            runs.append((hour, 1, power))
    return runs
