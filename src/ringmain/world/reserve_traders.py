"""Who buys and who offers reserve, and when the system operator calls on it.

The system operator buys power that is held ready over each block of a day: most of what it wants at nearly
any price, more of it the cheaper it is. Plants offer it in steps. While a block is held, the operator calls
on part of it now and then, as a seeded imbalance of the grid has it.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.exchange.messages import BUY, GOOD_FOR_SESSION, SELL
from ringmain.exchange.reserve_messages import ActivateReserve
from ringmain.world.calendar import (
    BLOCKS,
    FIRST_RESERVE_DOWN_ID,
    FIRST_RESERVE_UP_ID,
    IDS_PER_DAY,
    MINUTE_NS,
    SECOND_NS,
    Product,
)
from ringmain.world.traders import View, batch, dice_of, in_range, nothing, place

ACTIVATION_MAX_S = 1_800  # a lot gives no more energy in a block than it gives in so long
UP_TICKS = (700, 1_000, 800, 900, 1_500, 1_000)  # what a block is about worth, 0.01 EUR per MW and hour
DOWN_TICKS = (800, 600, 700, 800, 500, 600)
TICKS_SPREAD = 0.2  # from day to day, one standard deviation of the logarithm
STEPS_NS = 5 * MINUTE_NS  # calls begin and end on these
GAP_STEPS_MEAN = 9.0  # between two calls, in either direction
CALL_STEPS = (1, 4)  # how long one lasts, the last not included
SHARES = (0.2, 1.0)  # of what is held


def fair_reserve_ticks(seed: int, product_id: int) -> int:
    """Return what a block of reserve is about worth: by direction and time of day, other each day."""
    product, place_in_day = Product(product_id), product_id % IDS_PER_DAY
    assert product.is_reserve
    first = FIRST_RESERVE_UP_ID if product.is_upward else FIRST_RESERVE_DOWN_ID
    ticks = (UP_TICKS if product.is_upward else DOWN_TICKS)[place_in_day - first]
    return round(ticks * float(np.exp(dice_of(seed, "reserve", product_id).normal(0, TICKS_SPREAD))))


@dataclass(frozen=True)
class ReserveLadder:
    """Bids or offers once for each block whose call runs: steps away from what the block is about worth.

    Parameters
    ----------
    firm_lots : int
        What it wants or offers at nearly any price.
    lots : int
        Of all other steps together, about.
    low, high : float
        The prices of the first and the last of them, as shares of what the block is worth.
    """

    name: str
    side: int
    lots: int
    firm_lots: int = 0
    low: float = 0.5
    high: float = 2.0
    steps: int = 6

    def act(self, seed: int, view: View) -> Any:
        """Send the ladder of each block, and again if the market has lost it."""
        return batch([self._ladder(seed, product_id) for product_id in view.reserve_ids])

    def _ladder(self, seed: int, product_id: int) -> Any:
        dice = dice_of(seed, self.name, product_id)
        ticks = fair_reserve_ticks(seed, product_id) * np.exp(dice.normal(0, 0.05))
        prices = ticks * np.linspace(self.low, self.high, self.steps)
        lots = dice.integers(self.lots // 2, self.lots * 3 // 2, self.steps) // self.steps
        if self.firm_lots:
            prices = np.append(prices, ticks * (5 * self.high if self.side == BUY else 0.0))
            lots = np.append(lots, self.firm_lots)
        lots = np.maximum(lots, 1)
        return place(product_id, self.side, in_range(prices), lots, GOOD_FOR_SESSION)


@dataclass(frozen=True)
class Call:
    """A wish for part of what is held, from a time to another."""

    begin_ns: int
    end_ns: int
    share: float


@functools.lru_cache(maxsize=256)
def calls_of(seed: int, product_id: int) -> tuple[Call, ...]:
    """Return when a block is called on, and on how much of it.

    The grid lacks power or has too much of it, never both: so both directions of a block come from the
    same dice. All calls of a block together last no longer than its lots may give, be their shares large
    or small: a seller of few lots may have all of them called each time.
    """
    product = Product(product_id)
    up_id = product_id if product.is_upward else product_id - BLOCKS
    dice = dice_of(seed, "imbalance", up_id)
    found, used_ns, step = [], {True: 0, False: 0}, 2
    steps = product.duration_ns // STEPS_NS
    while (step := step + int(dice.exponential(GAP_STEPS_MEAN))) < steps:
        is_upward, share = bool(dice.random() < 0.5), float(dice.uniform(*SHARES))
        end = min(step + int(dice.integers(*CALL_STEPS)), steps)
        lasts_ns = (end - step) * STEPS_NS
        if used_ns[is_upward] + lasts_ns <= ACTIVATION_MAX_S * SECOND_NS:
            used_ns[is_upward] += lasts_ns
            if is_upward == product.is_upward:
                begin_ns = product.delivery_start_ns + step * STEPS_NS
                found.append(Call(begin_ns, product.delivery_start_ns + end * STEPS_NS, share))
        step = end + 1
    return tuple(found)


@dataclass(frozen=True)
class ReserveCaller:
    """Calls on the blocks that are held, as the imbalance of the grid has it."""

    name: str

    def act(self, seed: int, view: View) -> Any:
        """Begin what is to run now and does not; what was begun ends by itself."""
        now_ns = view.now_s * SECOND_NS
        commands = [
            ActivateReserve(
                product_id=product_id, quantity_lots=max(1, int(lots * call.share)), until_ns=call.end_ns
            )
            for product_id, lots in view.idle_reserve.items()
            for call in calls_of(seed, product_id)
            if call.begin_ns <= now_ns < call.end_ns
        ]
        return batch(commands) if commands else nothing()


DEMAND = ReserveLadder("reserve demand", BUY, 160, firm_lots=240, low=0.4, high=1.6)
HYDRO = ReserveLadder("hydro reserve", SELL, 200)
THERMAL = ReserveLadder("thermal reserve", SELL, 180, low=0.7, high=2.2)
STORAGE = ReserveLadder("storage reserve", SELL, 120, low=0.4, high=1.4)
CALLS = ReserveCaller("reserve calls")
