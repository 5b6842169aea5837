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
from ringmain.vpp.advice.planner import Planner
from ringmain.vpp.advice.projection import project
from ringmain.vpp.messages import IMMEDIATE_OR_CANCEL, REST, SCHEMA, CancelBid, SubmitBid, SubmitPlan
from ringmain.vpp.state import FALLBACK_SPREAD_PERMILLE, PERIOD_NS, SECOND_NS
from ringmain.vpp.views import DeskView, Product

PERIODS_PER_HOUR = HOUR_NS // PERIOD_NS
URGENT_W = 10_000


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
    _planned_day_ns: int = 0
    _intraday_slot: int = 0

    def advise(self, view: DeskView, history: Mapping[int, int], now_ns: int) -> Any:
        """Return the commands that are due now, as one batch of shape (n,); none while bids are unanswered.

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
            return SCHEMA.empty(0)
        asked = self._last_bid_id
        commands = self.day_ahead(view, history, now_ns) + self.intraday(view, now_ns)
        if self._last_bid_id != asked:
            self._asked_ns = now_ns
        return SCHEMA.batch(commands)

    def day_ahead(self, view: DeskView, history: Mapping[int, int], now_ns: int) -> list[Any]:
        """Plan tomorrow against the forecast and bid for it, once, in the hour before the auction.

        A desk that was made anew in that hour bids for the hours that have no bid yet.
        """
        time_of_day_ns = now_ns % DAY_NS
        if not self.times.day_ahead_ns <= time_of_day_ns < self.times.day_ahead_end_ns:
            return []
        day_ns = now_ns - time_of_day_ns + DAY_NS
        bidden = {bid.product_id for bid in view.bids.by_id.values()}
        products = [
            product
            for product in open_products(view, now_ns)
            if product.delivery_duration_s * SECOND_NS == HOUR_NS
            and day_ns <= product.delivery_start_ns < day_ns + DAY_NS
            and product.product_id not in bidden
        ]
        if not products or self._planned_day_ns == day_ns:
            return []
        self._planned_day_ns = day_ns
        prices = self.forecast.forecast(history, day_ns)
        plan = plan_fleet(view, day_ns, prices, prices, now_ns)
        return [plan.commands(view), *self._bids(view, plan.wants(), products, REST)]

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
            return [plan.commands(view)]
        cancels = [CancelBid(bid_id=bid.bid_id) for bid in view.bids.open() if not bid.cancelling]
        bids = self._bids(view, with_urgency(plan, view, prices), products, IMMEDIATE_OR_CANCEL)
        return [plan.commands(view), *cancels, *bids]

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
    """Plans of all batteries over the same hours.

    Parameters
    ----------
    fleet : recarray of shape (n,), ASSET
    hours : recarray of shape (n, n_hours), HOUR
    energy_wh : int64 array of shape (n,)
        Stored when the plan begins.
    """

    start_ns: int
    fleet: Any
    hours: Any
    energy_wh: Any

    @property
    def periods(self) -> Any:
        """The quarter-hours of the plan, int64 array of shape (4 * n_hours,)."""
        first = self.start_ns // PERIOD_NS
        return np.arange(first, first + self.hours.shape[1] * PERIODS_PER_HOUR)

    def commands(self, view: DeskView) -> Any:
        """Return the plans as blocks of equal power, where a battery's plan is not that already.

        Returns
        -------
        array of shape (n_blocks,), SubmitPlan
        """
        power_w = self.hours.power_w
        row, first, count = blocks(power_w)
        standing = view.plans.power_w(self.fleet.asset_id, self.periods)
        differs = (standing != np.repeat(power_w, PERIODS_PER_HOUR, axis=1)).reshape(*power_w.shape, -1)
        runs = row * power_w.shape[1] + first  # where each block begins among all hours of all batteries
        is_new = np.logical_or.reduceat(differs.any(axis=2).ravel(), runs) if runs.size else runs == 0
        row, first, count = row[is_new], first[is_new], count[is_new]
        commands = np.zeros(row.size, SubmitPlan.dtype)
        SubmitPlan.stamp(commands)
        commands["asset_id"] = self.fleet.asset_id[row]
        commands["power_w"] = power_w[row, first]
        commands["delivery_start_ns"] = self.start_ns + first * HOUR_NS
        commands["delivery_duration_s"] = count * (HOUR_NS // SECOND_NS)
        return commands

    def wants(self) -> dict[int, Want]:
        """Return the fleet's sum by quarter-hour; prices are means over the batteries that move."""
        wants: dict[int, Want] = {}
        if not self.fleet.size:
            return wants
        for i in range(self.hours.shape[1]):
            hour = self.hours[:, i]
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


def plan_fleet(
    view: DeskView, start_ns: int, price_ticks: Prices, day_price_ticks: Prices, now_ns: int
) -> FleetPlan:
    """Plan every battery from `start_ns` on, from the energy that it will have then."""
    fleet = view.assets.active
    census_ns = now_ns // PERIOD_NS * PERIOD_NS  # what the twins tell is as of then
    periods = np.arange(census_ns // PERIOD_NS, start_ns // PERIOD_NS)
    planned_w = view.plans.power_w(fleet.asset_id, periods)
    stored_wh, _ = project(view, fleet, periods, planned_w, view.assets.twins.energy_wh[fleet.asset_id])
    return FleetPlan(start_ns, fleet, Planner(price_ticks, day_price_ticks).plan(fleet, stored_wh), stored_wh)


def with_urgency(plan: FleetPlan, view: DeskView, prices: Prices) -> dict[int, Want]:
    """Return the plan's wants, with wider prices in the hours where the fleet can't deliver what it owes.

    There the trade is worth what the imbalance would cost. What is less than URGENT_W in the mean of an
    hour is left to the imbalance.
    """
    wants = plan.wants()
    planned_w = np.repeat(plan.hours.power_w, PERIODS_PER_HOUR, axis=1)
    _, missing_w = project(view, plan.fleet, plan.periods, planned_w, plan.energy_wh)
    hourly_w = np.abs(missing_w.reshape(-1, PERIODS_PER_HOUR).mean(axis=1))
    for hour in np.flatnonzero(hourly_w >= URGENT_W).tolist():
        reference = int(prices[hour])
        spread = abs(reference) * FALLBACK_SPREAD_PERMILLE // 1_000
        for period in plan.periods[hour * PERIODS_PER_HOUR : (hour + 1) * PERIODS_PER_HOUR].tolist():
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


def blocks(power_w: Any) -> tuple[Any, Any, Any]:
    """Return the runs of equal power in an array of shape (n, hours), row by row.

    Returns
    -------
    row, first hour, number of hours : int64 arrays of shape (n_blocks,)
    """
    begins = np.ones(power_w.shape, np.bool_)
    begins[:, 1:] = power_w[:, 1:] != power_w[:, :-1]
    places = np.flatnonzero(begins)
    counts = np.diff(np.append(places, power_w.size))
    return places // power_w.shape[1], places % power_w.shape[1], counts
