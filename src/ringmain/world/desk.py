"""The desk: a plan for the fleet's day against forecast prices, and the bids that follow from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.client import Client
from ringmain.vpp.messages import (
    BUY,
    IMMEDIATE_OR_CANCEL,
    REFERENCE,
    REST,
    SCHEMA,
    SELL,
    BidRejected,
    DefineProduct,
    RecordPrice,
    SubmitBid,
    SubmitPlan,
)
from ringmain.world.batteries import FleetShape
from ringmain.world.calendar import HOURLY_VALUE_MINOR, LOT_POWER_W, Product

HOURS_OF_CYCLE = 2  # charged in so many hours, discharged in as many
CHARGE_SHARE, DISCHARGE_SHARE = 0.8, 0.7  # of the power limits: head-room for dispatch
AUCTION_SHARE = 0.9  # of what is planned; the rest is traded in the intraday book
AUCTION_REACH_TICKS, INTRADAY_REACH_TICKS = 3_000, 600
HOUR_S = 3_600


@dataclass(frozen=True)
class DayPlan:
    """Power of the whole fleet in each hour, in lots of 0.1 MW; positive: sold."""

    lots: Any


def plan_day(forecast_ticks: Any, shape: FleetShape) -> DayPlan:
    """Charge in the cheapest hours of the day and discharge in the dearest ones after them.

    Parameters
    ----------
    forecast_ticks : int64 array of shape (24,)

    Returns
    -------
    DayPlan
        All zeros when no cycle would earn more than the batteries' wear.
    """
    best, chosen = 0, None
    for split in range(HOURS_OF_CYCLE, 24 - HOURS_OF_CYCLE + 1):
        cheap = np.argsort(forecast_ticks[:split], kind="stable")[:HOURS_OF_CYCLE]
        dear = split + np.argsort(-forecast_ticks[split:], kind="stable")[:HOURS_OF_CYCLE]
        earned = (forecast_ticks[dear] - shape.wear_price_ticks).sum() * DISCHARGE_SHARE
        gain = int(earned - forecast_ticks[cheap].sum() * CHARGE_SHARE)
        if gain > best:
            best, chosen = gain, (cheap, dear)
    lots = np.zeros(24, np.int64)
    if chosen is not None:
        lots[chosen[0]] = -(int(shape.count * shape.charge_limit_w * CHARGE_SHARE) // LOT_POWER_W)
        lots[chosen[1]] = int(shape.count * shape.discharge_limit_w * DISCHARGE_SHARE) // LOT_POWER_W
    return DayPlan(lots)


class Desk:
    """The operator's session with the fleet: products, bids, prices and plans of each day."""

    def __init__(self, client: Client, shape: FleetShape) -> None:
        self.client, self.shape = client, shape
        self.rejected = 0

    def define(self, products: tuple[Product, ...]) -> None:
        """Make the day's products known."""
        for product in products:
            self.client.send(
                DefineProduct(
                    product_id=product.product_id,
                    delivery_duration_s=HOUR_S,
                    delivery_start_ns=product.delivery_start_ns,
                    gate_closure_ns=product.gate_closure_ns,
                    lot_power_w=LOT_POWER_W,
                    value_minor=HOURLY_VALUE_MINOR,
                )
            )
        self._settle()

    def bid_auction(self, products: tuple[Product, ...], plan: DayPlan, forecast_ticks: Any) -> None:
        """Bid most of the plan into the auction, at prices that should clear."""
        lots = np.sign(plan.lots) * (np.abs(plan.lots) * AUCTION_SHARE).astype(np.int64)
        self._bid(products, lots, forecast_ticks, AUCTION_REACH_TICKS, REST, round=0)

    def bid_intraday(self, products: tuple[Product, ...], plan: DayPlan, fair_ticks: Any) -> None:
        """Take the rest of the plan from the book."""
        lots = plan.lots - np.sign(plan.lots) * (np.abs(plan.lots) * AUCTION_SHARE).astype(np.int64)
        self._bid(products, lots, fair_ticks, INTRADAY_REACH_TICKS, IMMEDIATE_OR_CANCEL, round=1)

    def record_prices(self, products: tuple[Product, ...], prices: dict[int, int]) -> None:
        """Make the auction's prices known, as what deviations are judged by."""
        for product in products:
            if product.product_id in prices:
                self.client.send(
                    RecordPrice(
                        delivery_start_ns=product.delivery_start_ns,
                        price_ticks=prices[product.product_id],
                        delivery_duration_s=HOUR_S,
                        price_kind=REFERENCE,
                    )
                )
        self._settle()

    def submit_plans(self, products: tuple[Product, ...], plan: DayPlan) -> None:
        """Give every battery its share of the plan."""
        batches = []
        for product, lots in zip(products, plan.lots.tolist(), strict=True):
            if lots:
                blocks = np.zeros(self.shape.count, SubmitPlan.dtype)
                SubmitPlan.stamp(blocks)
                blocks["asset_id"] = np.arange(1, self.shape.count + 1)
                blocks["power_w"] = lots * LOT_POWER_W // self.shape.count
                blocks["delivery_start_ns"] = product.delivery_start_ns
                blocks["delivery_duration_s"] = HOUR_S
                batches.append(blocks)
        if batches:
            self.client.send_batch(SCHEMA.batch(batches))
        self._settle()

    def _bid(
        self, products: tuple[Product, ...], lots: Any, prices: Any, reach: int, force: int, round: int
    ) -> None:
        """Submit one bid for each hour; the id says which hour and which round, so it is never doubled."""
        for product, count, price in zip(products, lots.tolist(), list(prices), strict=True):
            if not count:
                continue
            bid_id = products[0].product_id // 24 * 48 + round * 24 + product.product_id % 24
            side = SELL if count > 0 else BUY
            self.client.send(
                SubmitBid(
                    bid_id=bid_id,
                    product_id=product.product_id,
                    price_ticks=int(price) + (reach if side == BUY else -reach),
                    quantity_lots=abs(count),
                    side=side,
                    time_in_force=force,
                )
            )
        self._settle()

    def _settle(self) -> None:
        self.client.settle()
        events = self.client.poll()
        self.rejected += int((events["kind"] == BidRejected.kind).sum()) if events.size else 0
