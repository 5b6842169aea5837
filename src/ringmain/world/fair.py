"""Fair prices: what the world has in mind for each product, so that a day follows the prices given to it."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import numpy as np

from ringmain.world.calendar import (
    AUCTION_NS,
    DAY_NS,
    MINUTE_NS,
    OPENING_NS,
    Product,
    midnight_ns,
    products_of,
    quarter_ids,
)
from ringmain.world.traders import QUARTER_SHARE, fair_ticks

STEP_NS = 5 * MINUTE_NS


class FairPrices:
    """Works out what is fair at a time.

    An hour begins at its given price, when its auction's gate closes, and wanders from there. Its
    quarters lie around it as the hours beside it say: where prices rise through the hour, the first
    quarter is the cheapest. In the mean they are as dear as the hour, but for what each wanders by itself.

    Parameters
    ----------
    seed : int
    days : sequence of date
    prices : sequence of 24 int for each of `days`
    """

    def __init__(self, seed: int, days: Sequence[date], prices: Sequence[Sequence[int]]) -> None:
        self._seed = seed
        self._days = {
            midnight_ns(day): _day_ticks(day, ticks) for day, ticks in zip(days, prices, strict=True)
        }

    def given(self, product_id: int) -> int | None:
        """Return the price that a product was given, if it was."""
        return self._days.get(Product(product_id).day_begin_ns, {}).get(product_id)

    def at(self, now_ns: int) -> dict[int, int]:
        """Return the fair price of every product that is or will be traded, in ticks."""
        fair: dict[int, int] = {}
        for begin_ns, ticks in self._days.items():
            if begin_ns + OPENING_NS <= now_ns < begin_ns + DAY_NS:
                step = max(0, now_ns - begin_ns - AUCTION_NS) // STEP_NS
                fair.update(self._products(now_ns, ticks, step))
        return fair

    def _products(self, now_ns: int, ticks: dict[int, int], step: int) -> Iterable[tuple[int, int]]:
        moved: dict[int, int] = {}
        for product_id, given in ticks.items():
            product = Product(product_id)
            hour = product.hour_id
            if hour not in moved:
                moved[hour] = fair_ticks(self._seed, hour, ticks[hour], step) - ticks[hour]
            if product.delivery_start_ns <= now_ns:
                continue
            if product.is_hour:
                yield product_id, given + moved[hour]
            else:
                yield product_id, fair_ticks(self._seed, product_id, given + moved[hour], step, QUARTER_SHARE)


def _day_ticks(day: date, hourly: Sequence[int]) -> dict[int, int]:
    """Return the given price of a day's hours, and what it makes of its quarters."""
    hours: Any = np.array(hourly, np.int64)
    slope = np.gradient(hours.astype(float))
    ticks = {product.product_id: int(price) for product, price in zip(products_of(day), hours, strict=True)}
    for product, price, rise in zip(products_of(day), hours.tolist(), slope.tolist(), strict=True):
        for n, quarter in enumerate(quarter_ids(product.product_id)):
            ticks[quarter] = round(price + rise * (n - 1.5) / 4)
    return ticks
