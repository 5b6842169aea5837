"""The desk: when to plan and to bid, from what the views show.

Each step is worked out anew from the views, and noted on the journal when it is done, so that a desk that
was restarted goes on where the tape says it was. The reserve step offers what can be held ready of the coming
day, at no less than it costs; the day-ahead step plans that day against the forecast, with what was sold of
reserve held; the intraday step says what the homes would run by themselves, plans what is left against the
prices that the auction has set, and asks for the difference to what the fleet owes by now. A step that
is late falls back: to the last good prices, and when there are none, to no bid at all.

Units that are in shadow are planned by themselves, and bid for with their own number; they idle. Their bids
count as filled for what is asked for later.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.vpp.advice import block_bidding
from ringmain.vpp.advice.bidding import Order, Want, expected_power_w, orders, shadow_power_w
from ringmain.vpp.advice.fleet_plan import FleetPlan, plan_fleet, reserve_offers, with_urgency
from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, HOURS, Foretold, Prices
from ringmain.vpp.advice.foretelling import Foreteller
from ringmain.vpp.advice.home_forecast import HomeForecast
from ringmain.vpp.advice.homes import baselines
from ringmain.vpp.advice.parts import Part, fleet_part, shadow_parts
from ringmain.vpp.advice.planner import end_value_ticks
from ringmain.vpp.advice.reserve import ReserveRules
from ringmain.vpp.advice.reserve_supply import Offered
from ringmain.vpp.advice.scenarios import Scenarios
from ringmain.vpp.home_views import RUNS_BY_ITSELF
from ringmain.vpp.loop_messages import (
    AUCTION_PRICE,
    BID_STEP,
    DONE,
    DONE_LATE,
    FELL_BACK,
    FORECAST,
    LAST_GOOD,
    MISSED,
    MODEL_FORECAST,
    NAIVE_FORECAST,
    PLAN,
    PLANNED,
    RESERVE_STEP,
    URGENT,
    ExplainBid,
    RecordStep,
)
from ringmain.vpp.messages import (
    EXPECTED,
    IMMEDIATE_OR_CANCEL,
    REST,
    SCHEMA,
    SELL,
    CancelBid,
    RecordPrice,
    SubmitBid,
)
from ringmain.vpp.reserve_messages import ENERGY, RESERVE_UP
from ringmain.vpp.state import PERIOD_NS, PRICE_LIMIT_TICKS, SECOND_NS
from ringmain.vpp.views import DeskView, Product

PERIODS_PER_HOUR = HOUR_NS // PERIOD_NS
LEAST_PROFILES = 2  # below that there is nothing to choose from
LEAST_SCENARIOS, SCENARIO_BATTERIES = 4, 400_000  # so many are planned for, but of no more batteries in all


@dataclass(frozen=True)
class DeskTimes:
    """When the desk acts, in nanoseconds of the logical day."""

    reserve_ns: int = 11 * HOUR_NS + 360 * SECOND_NS  # offers of tomorrow's reserve from here to its gate
    day_ahead_ns: int = 11 * HOUR_NS  # bids for tomorrow from here on
    day_ahead_end_ns: int = 12 * HOUR_NS - 120 * SECOND_NS  # ... to here: the auction is about to clear
    gate_ns: int = 12 * HOUR_NS  # bids after that miss it
    intraday_open_ns: int = 15 * HOUR_NS  # tomorrow's products trade continuously from here on
    intraday_every_ns: int = HOUR_NS // 2
    intraday_offset_ns: int = 120 * SECOND_NS  # after the half-hour, when the census is in
    late_ns: int = 120 * SECOND_NS  # before a gate of reserve
    answer_within_ns: int = 600 * SECOND_NS  # bids that stay unanswered for so long are given up


@dataclass
class Desk:
    """The advisor of one fleet. ``advise`` returns commands for an operator's session, in order."""

    times: DeskTimes = field(default_factory=DeskTimes)
    forecast: Foreteller = field(default_factory=Foreteller)
    scenarios: Scenarios = field(default_factory=Scenarios)
    reserve_rules: ReserveRules = field(default_factory=ReserveRules)
    expected: HomeForecast = field(default_factory=HomeForecast)
    _last_bid_id: int = 0
    _asked_ns: int = 0

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
        refreshed = self._expect(view, now_ns)
        answered = view.bids.last_answered_id >= self._last_bid_id
        if not answered and now_ns < self._asked_ns + self.times.answer_within_ns:
            return SCHEMA.batch(refreshed)
        asked = self._last_bid_id
        steps = (self.reserve, self.day_ahead, self.intraday)
        commands = [*refreshed, *(command for step in steps for command in step(view, history, now_ns))]
        if self._last_bid_id != asked:
            self._asked_ns = now_ns
        return SCHEMA.batch(commands)

    def reserve(self, view: DeskView, history: Mapping[int, int], now_ns: int) -> list[Any]:
        """Offer tomorrow's reserve, once, before the gate of its auction.

        A desk that was made anew works the offers out again and leaves out, of each product, as many lots as
        were offered already, the cheapest first.
        """
        day_ns = now_ns - now_ns % DAY_NS + DAY_NS
        products = reserve_products(view, day_ns)
        if now_ns % DAY_NS < self.times.reserve_ns or not products or is_done(view, "RESERVE", day_ns):
            return []
        gate_ns = min(product.gate_closure_ns for product in products)
        offered = offered_lots(view, products)
        if now_ns >= gate_ns:
            outcome = DONE_LATE if any(offered.values()) else MISSED
            return [note(RESERVE_STEP, day_ns, gate_ns, outcome)]
        foretold = self.forecast.foretell(history, day_ns, now_ns)
        if foretold.source == 0:
            return [note(RESERVE_STEP, day_ns, gate_ns, MISSED)]
        is_late = now_ns >= gate_ns - self.times.late_ns
        outcome = DONE_LATE if is_late else FELL_BACK if foretold.source == LAST_GOOD else DONE
        bids: list[Any] = []
        rules, prices = self.reserve_rules, foretold.price_ticks
        for product, steps in reserve_offers(view, day_ns, prices, now_ns, products, rules, self.expected):
            hours = slice(*((ns - day_ns) // HOUR_NS for ns in delivery_ns(product)))
            expected_ticks = int(prices[hours].mean())
            bids += self._offers(view, product, steps, offered, expected_ticks, foretold.source)
        return [*bids, note(RESERVE_STEP, day_ns, gate_ns, outcome, foretold.source, len(bids) // 2)]

    def _offers(
        self, view: DeskView, product: Product, steps: list[Offered], offered: Mapping[int, int],
        expected_ticks: int, source: int,
    ) -> list[Any]:  # fmt: skip
        """Return a bid behind its reason for each step, without the lots that were offered already."""
        owed_w = held_w(view, product)
        lots, before, commands = 0, offered[product.product_id], []
        for step in steps:
            lots += step.lots
            added = min(step.lots, lots - before)
            if added <= 0:
                continue
            order = Order(product.product_id, SELL, step.price_ticks, added)
            bid = self._bid(view, order, REST)
            wanted_w = owed_w + lots * product.lot_power_w
            commands += [
                ExplainBid(
                    bid_id=int(bid["bid_id"][0]),
                    wanted_power_w=wanted_w,
                    owed_power_w=wanted_w - added * product.lot_power_w,
                    expected_price_ticks=bounded(expected_ticks),
                    worth_ticks=bounded(math.ceil(step.cost_ticks)),
                    purpose=PLANNED,
                    price_source=source,
                ),
                bid,
            ]
        return commands

    def _expect(self, view: DeskView, now_ns: int) -> list[Any]:
        """Go on with the refresh of what is expected of the homes, and note it when it is through."""
        due_ns = self.expected.step(view.homes, view.nodes, self.forecast.inputs, now_ns)
        if not due_ns or is_done(view, "FORECAST", due_ns) or not view.homes.of(*RUNS_BY_ITSELF).size:
            return []
        count = self.expected.count
        if not count:
            return [note(FORECAST, due_ns, 0, FELL_BACK, NAIVE_FORECAST)]
        return [note(FORECAST, due_ns, 0, DONE, MODEL_FORECAST, count)]

    def day_ahead(self, view: DeskView, history: Mapping[int, int], now_ns: int) -> list[Any]:
        """Plan tomorrow against the forecast and bid for it, once, in the hour before the auction.

        It waits for what comes of the reserve that was offered, as long as it can. A desk that was made anew
        in that hour bids for the hours that have no bid yet. One that comes when
        the auction is about to clear bids at once; one that comes later notes that it has missed it.
        """
        time_of_day_ns = now_ns % DAY_NS
        day_ns = now_ns - time_of_day_ns + DAY_NS
        if time_of_day_ns < self.times.day_ahead_ns or is_done(view, "BID", day_ns):
            return []
        gate_ns = day_ns - DAY_NS + self.times.gate_ns
        parts = parts_of(view)
        products = {part.unit_id: self._unbidden(view, day_ns, now_ns, part.unit_id) for part in parts}
        if not any(products.values()) and not is_begun(view, day_ns):
            return []
        if now_ns >= gate_ns:
            outcome = DONE_LATE if blocks_of(view, day_ns) else MISSED
            return [note(BID_STEP, day_ns, gate_ns, outcome)] if any(products.values()) else []
        is_late = time_of_day_ns >= self.times.day_ahead_end_ns
        if not is_late and is_reserve_open(view, day_ns, now_ns):
            return []
        foretold = self.forecast.foretell(history, day_ns, now_ns)
        outcome = DONE_LATE if is_late else FELL_BACK if foretold.source == LAST_GOOD else DONE
        forecast_step = note(FORECAST, day_ns, gate_ns, outcome, foretold.source, HOURS)
        if foretold.source == 0:
            missed = note(FORECAST, day_ns, gate_ns, MISSED)
            return [missed, note(BID_STEP, day_ns, gate_ns, MISSED)]
        prices, sources = foretold.price_ticks, np.full(HOURS, foretold.source)
        plans, bids = [], []
        for part in parts:
            plan = plan_fleet(view, day_ns, prices, prices, now_ns, part, self.expected)
            plans.append(plan.commands(view) if not part.unit_id else [])
            own = products[part.unit_id]
            choice = None if part.unit_id else self._choice(view, history, plan, own, foretold, now_ns, part)
            if choice is None:
                choice = self._bids(view, plan, plan.wants(), own, REST, prices, sources, part.unit_id)
            bids += choice
        return [
            *expectations(day_ns, prices), forecast_step, plans[0],
            note(PLAN, day_ns, gate_ns, outcome, foretold.source, len(plans[0])),
            *bids, note(BID_STEP, day_ns, gate_ns, outcome, foretold.source, count_bids(bids)),
        ]  # fmt: skip

    def _choice(
        self, view: DeskView, history: Mapping[int, int], plan: FleetPlan, products: list[Product],
        foretold: Foretold, now_ns: int, part: Part,
    ) -> list[Any] | None:  # fmt: skip
        """Return block bids that leave to the auction which profile of the day the fleet runs.

        None, if the courses that the prices may take call for no choice, or bids of another kind are made
        already. A desk that was made anew goes on with the blocks that are missing; where there are blocks,
        no bids of another kind are made any more.
        """
        known_ids = blocks_of(view, plan.start_ns)
        otherwise: list[Any] | None = [] if known_ids else None
        ids = [product.product_id for product in products]
        is_whole = len(ids) == HOURS and ids == list(range(ids[0], ids[0] + HOURS)) and plan.fleet.size
        if not is_whole:
            return otherwise
        day_ns, prices = plan.start_ns, foretold.price_ticks
        courses = self.scenarios.around(prices, history, self.forecast.inputs, day_ns, now_ns)
        courses = courses[-max(LEAST_SCENARIOS, SCENARIO_BATTERIES // plan.fleet.size) :]
        if len(courses) < LEAST_SCENARIOS:
            return otherwise
        owed_w = expected_power_w(view.commitments, view.bids)
        plans = [plan]
        for course in courses:
            ticks = np.rint(course).astype(np.int64)
            held = plan.holding  # shared out once for all courses
            plans.append(plan_fleet(view, day_ns, ticks, prices, now_ns, part, self.expected, held))
        profiles = [block_bidding.profile_of(list(orders(p.wants(), owed_w, products)), ids) for p in plans]
        limits = block_bidding.limits_of(plan.fleet, end_value_ticks(plan.fleet, prices))
        chosen = block_bidding.choose(profiles, courses, limits)
        if len(chosen) < LEAST_PROFILES:
            return otherwise
        next_id = max(self._last_bid_id, view.bids.last_bid_id) + 1
        made = block_bidding.block_orders(chosen, limits, ids[0], known_ids, next_id)
        commands: list[Any] = []
        for block in made[len(known_ids) :]:
            self._last_bid_id = max(self._last_bid_id, block.bid_id)
            commands += [why_block(block, foretold, products), *block.commands(day_ns // DAY_NS)]
        return commands

    def _unbidden(self, view: DeskView, day_ns: int, now_ns: int, unit_id: int) -> list[Product]:
        """Return the hours of a day that can be bid for, and were not."""
        bidden = {bid.product_id for bid in view.bids.by_id.values() if bid.unit_id == unit_id}
        return [
            product
            for product in open_products(view, now_ns)
            if product.delivery_duration_s * SECOND_NS == HOUR_NS
            and day_ns <= product.delivery_start_ns < day_ns + DAY_NS
            and product.product_id not in bidden
        ]

    def intraday(self, view: DeskView, history: Mapping[int, int], now_ns: int) -> list[Any]:
        """Plan the hours whose price is known, and trade the difference to what is owed; twice an hour.

        If the auction has set no price for the hours ahead, their forecast stands in.
        """
        slot, passed_ns = divmod(now_ns, self.times.intraday_every_ns)
        slot_ns = slot * self.times.intraday_every_ns
        if passed_ns < self.times.intraday_offset_ns or is_done(view, "PLAN", slot_ns):
            return []
        foretold = baselines(view.homes, now_ns, self.expected)
        start_ns, prices, sources = self._prices_ahead(view, history, now_ns)
        if len(prices) == 0:
            return [foretold, note(PLAN, slot_ns, 0, MISSED)] if len(foretold) else []
        horizon_ns = start_ns + len(prices) * HOUR_NS
        last_day = known_prices(view.prices.price_ticks, horizon_ns - DAY_NS)
        day = last_day if len(last_day) == HOURS else prices
        plan, *units = (
            plan_fleet(view, start_ns, prices, day, now_ns, part, self.expected) for part in parts_of(view)
        )
        plans = plan.commands(view)
        gate_ns = slot_ns + self.times.intraday_every_ns
        outcome = DONE if sources[0] == AUCTION_PRICE else FELL_BACK
        others = plan.home_commands(view)
        planned = note(PLAN, slot_ns, gate_ns, outcome, int(sources[0]), len(plans) + len(others))
        products = [p for p in open_products(view, now_ns) if self._is_continuous(p, now_ns)]
        if not products:
            return [foretold, plans, others, planned]
        tradable = {product.product_id for product in products}
        cancels = [
            CancelBid(bid_id=bid.bid_id) for bid in view.bids.open()
            if not bid.cancelling and bid.product_id in tradable
        ]  # fmt: skip
        wants = with_urgency(plan, view, prices)
        bids = self._bids(view, plan, wants, products, IMMEDIATE_OR_CANCEL, prices, sources)
        for unit in units:
            own = unit.wants()
            bids += self._bids(view, unit, own, products, IMMEDIATE_OR_CANCEL, prices, sources, unit.unit_id)
        bidden = note(BID_STEP, slot_ns, gate_ns, outcome, int(sources[0]), len(bids) // 2)
        return [foretold, plans, others, *cancels, *bids, planned, bidden]

    def _prices_ahead(
        self, view: DeskView, history: Mapping[int, int], now_ns: int
    ) -> tuple[int, Prices, Any]:
        """Return the first hour to plan, prices from it on, and where each comes from."""
        next_ns = (now_ns // HOUR_NS + 1) * HOUR_NS
        start_ns = first_known_ns(view.prices.price_ticks, next_ns)
        prices = known_prices(view.prices.price_ticks, start_ns)
        if len(prices):
            return start_ns, prices, np.full(len(prices), AUCTION_PRICE)
        if not view.prices.price_ticks or not any(view.commitments.power_w.values()):
            return start_ns, prices, prices  # nothing was ever traded: the auction is still to come
        foretold = self.forecast.foretell(history, next_ns // DAY_NS * DAY_NS, now_ns)
        if foretold.source == 0:
            return start_ns, prices, prices
        ahead = foretold.price_ticks[next_ns % DAY_NS // HOUR_NS :]
        return next_ns, ahead, np.full(len(ahead), foretold.source)

    def _is_continuous(self, product: Product, now_ns: int) -> bool:
        """Tell whether the product trades in the book: from the afternoon before its day."""
        day_ns = product.delivery_start_ns // DAY_NS * DAY_NS
        return now_ns >= day_ns - DAY_NS + self.times.intraday_open_ns

    def _bids(
        self, view: DeskView, plan: FleetPlan, wants: dict[int, Want], products: list[Product],
        time_in_force: int, prices: Prices, sources: Any, unit_id: int = 0,
    ) -> list[Any]:  # fmt: skip
        """Return each bid behind its reason."""
        owed_w = expected_power_w(view.commitments, view.bids)
        if unit_id:
            owed_w = shadow_power_w(view.commitments, view.bids, unit_id)
        own = plan.wants()
        by_id = {product.product_id: product for product in products}
        commands: list[Any] = []
        for order in orders(wants, owed_w, products):
            bid = self._bid(view, order, time_in_force, unit_id)
            periods = by_id[order.product_id].periods
            first = (periods[0] * PERIOD_NS - plan.start_ns) // HOUR_NS
            is_urgent = any(wants[period] != own[period] for period in periods)
            commands += [
                ExplainBid(
                    bid_id=int(bid["bid_id"][0]),
                    wanted_power_w=sum(wants[period].power_w for period in periods) // len(periods),
                    owed_power_w=sum(owed_w.get(period, 0) for period in periods) // len(periods),
                    expected_price_ticks=bounded(int(prices[first])),
                    worth_ticks=bounded(worth_ticks(order, own, periods)),
                    purpose=URGENT if is_urgent else PLANNED,
                    price_source=int(sources[first]),
                ),
                bid,
            ]
        return commands

    def _bid(self, view: DeskView, order: Order, time_in_force: int, unit_id: int = 0) -> Any:
        self._last_bid_id = max(self._last_bid_id, view.bids.last_bid_id) + 1
        return SubmitBid(
            bid_id=self._last_bid_id,
            product_id=order.product_id,
            price_ticks=order.price_ticks,
            quantity_lots=order.quantity_lots,
            side=order.side,
            time_in_force=time_in_force,
            unit_id=unit_id,
        )


def note(step: int, about_ns: int, gate_ns: int, outcome: int, source: int = 0, count: int = 0) -> Any:
    """Return the note that a step was done."""
    return RecordStep(
        step=step, about_ns=about_ns, gate_ns=gate_ns, outcome=outcome, price_source=source, count=count
    )


def blocks_of(view: DeskView, day_ns: int) -> list[int]:
    """Return the block bids that were made for a day, by their ids, the first first."""
    products = view.commitments.products
    return [
        block.bid_id
        for block in view.bids.blocks.by_id.values()
        if day_ns <= products[block.first_product_id].delivery_start_ns < day_ns + DAY_NS
    ]


def why_block(block: block_bidding.BlockOrder, foretold: Foretold, products: list[Product]) -> Any:
    """Return the reason of a block bid: its largest power, the mean price that is expected of its hours."""
    lots = np.repeat([lots for _, lots in block.runs], [periods for periods, _ in block.runs])
    first = block.first_product_id - products[0].product_id
    expected = np.average(foretold.price_ticks[first : first + lots.size], weights=lots)
    power_w = block.most_lots * products[0].lot_power_w
    return ExplainBid(
        bid_id=block.bid_id, wanted_power_w=power_w if block.side == SELL else -power_w, owed_power_w=0,
        expected_price_ticks=bounded(int(expected)), worth_ticks=bounded(block.price_ticks),
        purpose=PLANNED, price_source=foretold.source,
    )  # fmt: skip


def expectations(day_ns: int, prices: Prices) -> list[Any]:
    """Return the commands that note what is expected of a day's prices."""
    return [
        RecordPrice(
            delivery_start_ns=day_ns + hour * HOUR_NS, price_ticks=bounded(int(ticks)),
            delivery_duration_s=HOUR_NS // SECOND_NS, price_kind=EXPECTED,
        )
        for hour, ticks in enumerate(prices)
    ]  # fmt: skip


def count_bids(commands: list[Any]) -> int:
    """Return how many bids there are among commands: each has one reason."""
    return sum(int(command["kind"][0]) == ExplainBid.kind for command in commands)


def is_done(view: DeskView, step: str, about_ns: int) -> bool:
    """Tell whether the journal holds that a step was done."""
    return (step, about_ns) in view.steps.done


def is_begun(view: DeskView, day_ns: int) -> bool:
    """Tell whether a day was planned, though its bids are not noted as done."""
    return is_done(view, "PLAN", day_ns)


def worth_ticks(order: Order, own: Mapping[int, Want], periods: range) -> int:
    """Return what a trade is worth to the batteries, in the mean of its quarter-hours."""
    ticks = [own[p].sell_ticks if order.side == SELL else own[p].buy_ticks for p in periods]
    return sum(ticks) // len(ticks)


def bounded(price_ticks: int) -> int:
    """Return a price within the limit."""
    return max(-PRICE_LIMIT_TICKS, min(price_ticks, PRICE_LIMIT_TICKS))


def open_products(view: DeskView, now_ns: int) -> list[Product]:
    """Return the products of energy whose gate has not closed."""
    products = view.commitments.products.values()
    return [p for p in products if now_ns < p.gate_closure_ns and p.service == ENERGY]


def reserve_products(view: DeskView, day_ns: int) -> list[Product]:
    """Return the products of reserve that are delivered on a day, first deliveries first."""
    products = [
        p for p in view.commitments.products.values()
        if p.service != ENERGY and day_ns <= p.delivery_start_ns < day_ns + DAY_NS
    ]  # fmt: skip
    return sorted(products, key=lambda p: (p.delivery_start_ns, p.product_id))


def offered_lots(view: DeskView, products: list[Product]) -> dict[int, int]:
    """Return how much of each product was offered so far."""
    lots = dict.fromkeys((product.product_id for product in products), 0)
    for bid in view.bids.by_id.values():
        if bid.product_id in lots:
            lots[bid.product_id] += bid.quantity_lots
    return lots


def is_reserve_open(view: DeskView, day_ns: int, now_ns: int) -> bool:
    """Tell whether it is still open what of a day's reserve the fleet sells."""
    products = reserve_products(view, day_ns)
    ids = {product.product_id for product in products}
    return any(now_ns < product.gate_closure_ns for product in products) or any(
        bid.product_id in ids for bid in view.bids.open()
    )


def held_w(view: DeskView, product: Product) -> int:
    """Return what is held already of a product's direction at most."""
    owed_w = view.reserves.up_w if product.service == RESERVE_UP else view.reserves.down_w
    return max((owed_w.get(period, 0) for period in product.periods), default=0)


def delivery_ns(product: Product) -> tuple[int, int]:
    """Return the begin and the end of a product's delivery."""
    return product.delivery_start_ns, product.delivery_start_ns + product.delivery_duration_s * SECOND_NS


def parts_of(view: DeskView) -> list[Part]:
    """Return who is planned together: the fleet first, then the units in shadow."""
    homes = view.homes.node_id[view.homes.kind != 0]
    node_ids = np.concatenate([view.assets.active.node_id, homes])
    return [fleet_part(view.units), *shadow_parts(view.units, view.nodes, node_ids)]


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
