"""Where a reserve product is unlike others: who trades it, what it needs before it opens, when it is due."""

from typing import Any

from ringmain.core.jit import kernel, leaf
from ringmain.exchange.messages import BUY, REJECTIONS, RESERVE_UP

SECOND_NS = 1_000_000_000
BUYER_ONLY, BUYER_MAY_NOT_SELL = (
    REJECTIONS["RESERVE_BUYER_ONLY"],
    REJECTIONS["RESERVE_BUYER_MAY_NOT_SELL"],
)
TERMS_MISSING, WRONG_SCHEDULE = REJECTIONS["RESERVE_TERMS_MISSING"], REJECTIONS["WRONG_SCHEDULE"]
NOBODY = 0


@leaf
def is_reserve(product: Any) -> bool:
    """Tell whether a product is capacity that is held, upward or downward."""
    return product.kind >= RESERVE_UP


@kernel
def side_fault(exchange: Any, slot: int, account_id: int, side: int) -> int:
    """Return why an account may not stand on a side of a product's book, or 0: reserve has one buyer."""
    if not is_reserve(exchange.products[slot]):
        return 0
    is_buyer = exchange.reserves[slot].buyer_account_id == account_id
    if side == BUY:
        return 0 if is_buyer else BUYER_ONLY
    return BUYER_MAY_NOT_SELL if is_buyer else 0


@kernel
def opening_fault(exchange: Any, slot: int, gate_closure_ns: int) -> int:
    """Return why a reserve product may not open with such a gate closure, or 0: trading ends first."""
    product = exchange.products[slot]
    if not is_reserve(product):
        return 0
    if exchange.reserves[slot].has_terms == 0:
        return TERMS_MISSING
    return WRONG_SCHEDULE if gate_closure_ns > product.delivery_start_ns else 0


@kernel
def delivery_end_ns(exchange: Any, slot: int) -> int:
    """Return when a reserve product's block is over."""
    duration_ns = int(exchange.reserves[slot].delivery_duration_s) * SECOND_NS
    return int(exchange.products[slot].delivery_start_ns) + duration_ns


@kernel
def holding_due_ns(exchange: Any, slot: int, now_ns: int) -> int:
    """Return when a product that is held next has something to do by itself."""
    reserve = exchange.reserves[slot]
    if reserve.untold > 0:
        return max(now_ns, 1)
    end_ns = delivery_end_ns(exchange, slot)
    return min(int(reserve.until_ns), end_ns) if reserve.level_lots > 0 else end_ns


@kernel
def has_begun(exchange: Any, slot: int, now_ns: int) -> bool:
    """Tell whether a product is reserve whose block has begun: from then on its positions stand."""
    product = exchange.products[slot]
    return is_reserve(product) and now_ns >= product.delivery_start_ns


@kernel
def clear_reserve(exchange: Any, slot: int) -> None:
    """Forget what was known of the product that had the slot before."""
    reserve = exchange.reserves[slot]
    assert reserve.set_aside_minor == 0
    reserve.until_ns = 0
    reserve.since_ms = 0
    reserve.activated_lot_ms = 0
    reserve.paid_minor = 0
    reserve.buyer_account_id = NOBODY
    reserve.delivery_duration_s = 0
    reserve.activation_max_s = 0
    reserve.activation_ticks = 0
    reserve.level_lots = 0
    reserve.next_told = 1
    reserve.untold = 0
    reserve.next_settled = 1
    reserve.has_terms = 0
