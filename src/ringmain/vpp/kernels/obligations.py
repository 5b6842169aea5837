"""What the fleet owes in each quarter-hour, and what its open bids may add to that.

Upwards count energy that it sells and up reserve, downwards energy that it buys and down reserve: if every
open bid were filled and all reserve called on, the fleet's power would still be within its limits.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.kernels.periods import period_cell
from ringmain.vpp.messages import SELL
from ringmain.vpp.reserve_messages import ENERGY, RESERVE_UP
from ringmain.vpp.state import PRODUCTS


@kernel
def is_upward(product: Any, side: int) -> bool:
    """Tell whether a trade may make the fleet give more, and not less."""
    return product.service == RESERVE_UP or (product.service == ENERGY and side == SELL)


@kernel
def fits_fleet(fleet: Any, product: Any, side: int, power_w: int) -> bool:
    """Tell whether the fleet could run what it owes if this and all like bids were filled."""
    for period in range(product.first_period, product.first_period + product.period_count):
        cell = period_cell(fleet, period)
        if is_upward(product, side):
            held_w = cell.reserve_up_w + cell.offered_up_w
            if cell.committed_power_w + cell.selling_power_w + held_w + power_w > fleet.export_limit_w:
                return False
        else:
            held_w = cell.reserve_down_w + cell.offered_down_w
            if cell.buying_power_w - cell.committed_power_w + held_w + power_w > fleet.import_limit_w:
                return False
    return True


@kernel
def expose(fleet: Any, bid: Any, lots: int) -> None:
    """Raise (or lower) what open bids may add to what is owed."""
    product = fleet.products[bid.product_id % PRODUCTS]
    power_w = lots * product.lot_power_w
    first = max(product.first_period, fleet.next_period)
    for period in range(first, product.first_period + product.period_count):
        cell = period_cell(fleet, period)
        if product.service != ENERGY:
            if product.service == RESERVE_UP:
                cell.offered_up_w += power_w
            else:
                cell.offered_down_w += power_w
        elif bid.side == SELL:
            cell.selling_power_w += power_w
        else:
            cell.buying_power_w += power_w


@kernel
def commit(fleet: Any, award: Any, amount_minor: int) -> None:
    """Add a fill to what each quarter-hour owes; the first ones carry the remainder of the money."""
    product = fleet.products[award.product_id % PRODUCTS]
    power_w = award.quantity_lots * product.lot_power_w
    each_minor = amount_minor // product.period_count
    remainder_minor = amount_minor - each_minor * product.period_count
    for k in range(product.period_count):
        cell = period_cell(fleet, product.first_period + k)
        part_minor = each_minor + (1 if k < remainder_minor else 0)
        cell.award_minor += part_minor
        owe(cell, product, power_w if award.side == SELL else -power_w, part_minor)
    product.awarded_lots += award.quantity_lots


@kernel
def owe(cell: Any, product: Any, power_w: int, part_minor: int) -> None:
    """Add a power to what one quarter-hour owes of energy, or holds of reserve."""
    if product.service == ENERGY:
        cell.committed_power_w += power_w
        return
    cell.availability_minor += part_minor
    if product.service == RESERVE_UP:
        cell.reserve_up_w += power_w
    else:
        cell.reserve_down_w += power_w
