"""Seeded order flow for a simulated venue: makers around a fair price that wanders, and takers.

What it sends depends on the seed and the plan alone, never on what a strategy does: so two strategies
can be compared on the same flow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.client.strategy.venue import Batch
from ringmain.core.messages import record_of
from ringmain.exchange import messages as m

SECOND_NS = 1_000_000_000
OPERATOR_SESSION, MAKER_SESSION, TAKER_SESSION = 1, 2, 3
MAKER_ACCOUNT, TAKER_ACCOUNT = 1, 2
OpenSession = record_of(m.schema, "OpenSession")


@dataclass(frozen=True)
class Flow:
    """How the others trade.

    Parameters
    ----------
    step_ms : int
        How often makers quote anew, and takers may come.
    levels, level_lots : int
        How many prices a maker quotes on each side, and how much at each, at most.
    half_width_ticks, step_ticks : int
        From the fair price to the first quote, and from one to the next.
    wander_ticks : float
        How far the fair price moves in a step, one standard deviation.
    takers_per_step : float
        How many come in a step, in the mean.
    taker_lots : int
        What one takes, at most.
    """

    step_ms: int = 1_000
    levels: int = 5
    level_lots: int = 40
    half_width_ticks: int = 12
    step_ticks: int = 6
    wander_ticks: float = 4.0
    takers_per_step: float = 0.6
    taker_lots: int = 25


def trade(flow: Flow, seed: int, fair_ticks: dict[int, int], begin_ns: int, end_ns: int) -> Iterator[Batch]:
    """Yield what makers and takers send, step by step; their sessions are open.

    Parameters
    ----------
    fair_ticks : dict
        Where each product's fair price begins.
    """
    dice = np.random.default_rng(seed)
    fair = {product_id: float(ticks) for product_id, ticks in fair_ticks.items()}
    numbers = {MAKER_SESSION: 0, TAKER_SESSION: 0}
    for time_ns in range(begin_ns, end_ns, flow.step_ms * 1_000_000):
        sent: list[Any] = []
        for product_id in fair:
            fair[product_id] += dice.normal(0, flow.wander_ticks)
            sent += [
                (MAKER_SESSION, each) for each in _quotes(flow, dice, product_id, round(fair[product_id]))
            ]
            for _ in range(int(dice.poisson(flow.takers_per_step))):
                sent.append((TAKER_SESSION, _taker(flow, dice, product_id, round(fair[product_id]))))
        for session_id, command in sent:
            numbers[session_id] += 1
            command["session_id"], command["session_number"] = session_id, numbers[session_id]
        yield time_ns, m.schema.batch(command for _, command in sent)


def _quotes(flow: Flow, dice: np.random.Generator, product_id: int, fair_ticks: int) -> Iterator[Any]:
    yield m.MassCancel(product_id=product_id)
    lots = dice.integers(1, flow.level_lots + 1, (2, flow.levels)).tolist()
    for level in range(flow.levels):
        away = flow.half_width_ticks + level * flow.step_ticks
        yield _limit(product_id, m.BUY, fair_ticks - away, lots[0][level], m.GOOD_FOR_SESSION)
        yield _limit(product_id, m.SELL, fair_ticks + away, lots[1][level], m.GOOD_FOR_SESSION)


def _taker(flow: Flow, dice: np.random.Generator, product_id: int, fair_ticks: int) -> Any:
    side = m.BUY if dice.random() < 0.5 else m.SELL
    reach = flow.half_width_ticks + int(dice.integers(0, 4)) * flow.step_ticks
    price_ticks = fair_ticks + (reach if side == m.BUY else -reach)
    return _limit(product_id, side, price_ticks, int(dice.integers(1, flow.taker_lots + 1)), m.IOC)


def _limit(product_id: int, side: int, price_ticks: int, quantity_lots: int, time_in_force: int) -> Any:
    return m.PlaceOrder(
        product_id=product_id, side=side, price_ticks=price_ticks, quantity_lots=quantity_lots,
        order_type=m.LIMIT, time_in_force=time_in_force,
    )  # fmt: skip
