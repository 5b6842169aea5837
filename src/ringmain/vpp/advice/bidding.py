"""Bids: from what the fleet wants to run and what it owes already, in lots, hours before quarters."""

from collections.abc import Iterator
from dataclasses import dataclass

from ringmain.vpp.block_views import SHADOWED
from ringmain.vpp.messages import BUY, SELL
from ringmain.vpp.reserve_messages import ENERGY
from ringmain.vpp.state import PRICE_LIMIT_TICKS
from ringmain.vpp.views import Bids, Commitments, Product


@dataclass(frozen=True)
class Want:
    """What the fleet wants to run in a quarter-hour, and the worst prices to get there."""

    power_w: int
    sell_ticks: int
    buy_ticks: int


@dataclass(frozen=True)
class Order:
    """A trade to ask for."""

    product_id: int
    side: int
    price_ticks: int
    quantity_lots: int


def expected_power_w(commitments: Commitments, bids: Bids) -> dict[int, int]:
    """Return what the fleet will owe of energy by quarter-hour if every open bid is filled."""
    power_w = dict(commitments.power_w)
    for bid in bids.open():
        product = commitments.products[bid.product_id]
        if product.service != ENERGY:
            continue
        open_w = bid.open_lots * product.lot_power_w
        for period in product.periods:
            power_w[period] = power_w.get(period, 0) + (open_w if bid.side == SELL else -open_w)
    return power_w


def shadow_power_w(commitments: Commitments, bids: Bids, unit_id: int) -> dict[int, int]:
    """Return what a unit would owe by quarter-hour had all of its shadowed bids been filled."""
    power_w: dict[int, int] = {}
    for bid in bids.by_id.values():
        if bid.unit_id != unit_id or bid.ending != SHADOWED:
            continue
        product = commitments.products[bid.product_id]
        sold_w = (1 if bid.side == SELL else -1) * bid.quantity_lots * product.lot_power_w
        for period in product.periods:
            power_w[period] = power_w.get(period, 0) + sold_w
    return power_w


def orders(wants: dict[int, Want], owed_w: dict[int, int], products: list[Product]) -> Iterator[Order]:
    """Yield the orders that bring what is owed to what is wanted, within a lot.

    Parameters
    ----------
    wants : by quarter-hour
        Quarter-hours that are not wanted anything of are left as they are.
    owed_w : by quarter-hour
    products : list of Product
        Those whose gate is open. Longer ones are used first, for what their quarter-hours have in common.
    """
    missing_w = {period: want.power_w - owed_w.get(period, 0) for period, want in wants.items()}
    for product in sorted(products, key=lambda p: (-p.delivery_duration_s, p.delivery_start_ns)):
        if any(period not in missing_w for period in product.periods):
            continue
        lots = shared_lots([missing_w[period] for period in product.periods], product.lot_power_w)
        if lots == 0:
            continue
        for period in product.periods:
            missing_w[period] -= lots * product.lot_power_w
        yield Order(
            product.product_id,
            SELL if lots > 0 else BUY,
            limit_ticks([wants[period] for period in product.periods], lots),
            abs(lots),
        )


def shared_lots(missing_w: list[int], lot_power_w: int) -> int:
    """Return the whole lots that every quarter-hour misses in the same direction; negative to buy."""
    if min(missing_w) > 0:
        return min(missing_w) // lot_power_w
    if max(missing_w) < 0:
        return -(-max(missing_w) // lot_power_w)
    return 0


def limit_ticks(wants: list[Want], lots: int) -> int:
    """Return the worst price that is still worth it in the mean of the quarter-hours."""
    ticks = [want.sell_ticks if lots > 0 else want.buy_ticks for want in wants]
    mean_ticks = sum(ticks) // len(ticks)
    return max(-PRICE_LIMIT_TICKS, min(mean_ticks, PRICE_LIMIT_TICKS))
