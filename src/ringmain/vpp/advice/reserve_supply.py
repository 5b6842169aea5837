"""What reserve is offered at which price: steps that ask for no less than it costs in energy.

All products are raised together, a step at a time, to the most that can be held of all at once; who can be
raised no further stays. A step asks for the dearer of two costs: what it costs when nothing else is sold, and
what a W more costs while all others are sold up to the same step. The first guards against
selling alone what is cheap only together (energy held for one block may serve the next), the second
against selling together what is cheap only alone (up and down reserve share the same power and room).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.vpp.advice.reserve_programme import Claim, Programme

STEPS = 8
ROUNDS = 12  # of raising a step until nothing is short
SHORT_LOTS = 1e-3
FIRM = 4.0  # how much worse it is to be short of what stays than of what is raised
BELOW_TICKS = 1e-6  # of rounding errors that don't make a tick


@dataclass(frozen=True)
class Offered:
    """A step of one product's supply: lots in addition to the cheaper steps.

    Parameters
    ----------
    lots : int
    price_ticks : int
        What is asked for, 0.01 EUR/MW and hour; not below zero.
    cost_ticks : float
        What holding it costs; below zero: being called on earns more.
    """

    lots: int
    price_ticks: int
    cost_ticks: float


def supply(programme: Programme, most_lots: Any, lot_w: Any, steps: int = STEPS) -> list[list[Offered]]:
    """Return the steps of each claim's supply, cheapest first.

    Parameters
    ----------
    most_lots : int64 array of shape (n_claims,)
        Above that nothing is offered.
    lot_w : float64 array of shape (n_claims,)
    steps : int
        Of each claim, at most.
    """
    path = _together(programme, np.asarray(most_lots, np.int64), lot_w, steps)
    nothing = programme.at(np.zeros(len(programme.claims))).worth
    return [
        _steps(programme, claim, k, [lots[k] for lots, _ in path], [ticks[k] for _, ticks in path],
               float(lot_w[k]), nothing)
        for k, claim in enumerate(programme.claims)
    ]  # fmt: skip


def _together(
    programme: Programme, most_lots: Any, lot_w: Any, steps: int
) -> list[tuple[list[int], list[float]]]:
    """Return lots of all claims as they are raised together, and what a W more of each costs there."""
    lots, is_free, path = np.zeros(len(most_lots), np.int64), most_lots > 0, []
    for step in range(1, steps + 1):
        wanted = np.where(is_free, np.maximum(lots, -(-most_lots * step // steps)), lots)
        for _ in range(ROUNDS):
            held = programme.at(wanted * lot_w, np.where(is_free, 1.0, FIRM))
            is_short = held.short_w > SHORT_LOTS * lot_w
            if not is_short.any():
                lots = wanted
                path.append((lots.tolist(), held.marginal_ticks.tolist()))
                break
            can_w = wanted * lot_w - held.short_w
            kept = np.floor(can_w / lot_w + SHORT_LOTS).astype(np.int64)
            wanted = np.where(is_short, np.clip(kept, np.minimum(lots, wanted - 1), wanted - 1), wanted)
            is_free &= ~is_short
        if not is_free.any():
            break
    return path


def _steps(
    programme: Programme, claim: Claim, k: int, lots: Sequence[int], together_ticks: Sequence[float],
    lot_w: float, worth: float,
) -> list[Offered]:  # fmt: skip
    """Return one claim's steps; prices rise."""
    offered: list[Offered] = []
    level, before, cost_ticks = np.zeros(len(programme.claims)), 0, -np.inf
    for until, ticks in zip(lots, together_ticks, strict=True):
        if until <= before:
            continue
        level[k] = until * lot_w
        held = programme.at(level)
        step_w = (until - before) * lot_w
        alone_ticks = (worth - held.worth) / (step_w * claim.count)
        cost_ticks = max(cost_ticks, alone_ticks, ticks)
        price_ticks = max(0, int(np.ceil(cost_ticks - BELOW_TICKS)))
        offered.append(Offered(until - before, price_ticks, cost_ticks))
        worth, before = held.worth, until
    return offered
