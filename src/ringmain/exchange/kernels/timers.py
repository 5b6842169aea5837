"""When the exchange next has something to do by itself."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.expiries import next_expiry_ns
from ringmain.exchange.kernels.reserve_rules import holding_due_ns
from ringmain.exchange.messages import (
    BALANCING,
    CALL,
    CLOSED,
    CLOSING_CALL,
    CONTINUOUS,
    HALTED,
    HOLDING,
    PRE_OPEN,
)
from ringmain.exchange.state import PRODUCTS

NEVER = 0
MILLISECOND_NS = 1_000_000
WORD = 2**32 - 1


@kernel
def set_deadline(exchange: Any, time_ns: int) -> None:
    """Ask for the next timer: now while mass cancels run, else when the next product or order is due."""
    deadline_ns = max(time_ns, 1) if exchange.sweep.count > 0 else NEVER
    deadline_ns = _earlier(deadline_ns, next_expiry_ns(exchange.matching))
    deadline_ns = _earlier(deadline_ns, exchange.dayahead.due_ns)
    for slot in range(PRODUCTS):
        deadline_ns = _earlier(deadline_ns, exchange.due_ns[slot])
    exchange.next_deadline_ns = deadline_ns


@kernel
def hasten(exchange: Any, due_ns: int) -> None:
    """Ask for the next timer at a time, if it is not asked for earlier."""
    exchange.next_deadline_ns = _earlier(exchange.next_deadline_ns, due_ns)


@kernel
def set_due(exchange: Any, slot: int, now_ns: int) -> None:
    """Note when a product next changes by itself; in a phase that is worked off it stays due."""
    product = exchange.products[slot]
    due_ns = exchange.due_ns[slot]
    if product.phase == PRE_OPEN:
        due_ns = product.call_start_ns
    elif product.phase == CALL or product.phase == CLOSING_CALL:
        due_ns = _earlier(product.call_end_ns, product.indicative_due_ns)
    elif product.phase == CONTINUOUS and (product.stops_due or product.blocks_due):
        due_ns = max(now_ns, 1)
    elif product.phase == CONTINUOUS and product.closing_call_ns != NEVER:
        due_ns = product.closing_call_ns
    elif product.phase in (CONTINUOUS, HALTED, BALANCING):
        due_ns = product.gate_closure_ns
    elif product.phase == HOLDING:
        due_ns = holding_due_ns(exchange, slot, now_ns)
    elif product.phase == CLOSED:
        due_ns = NEVER
    exchange.due_ns[slot] = due_ns


@kernel
def have_blocks_tried(exchange: Any, slot: int, now_ns: int) -> None:
    """Ask for a timer at once that tries a product's resting blocks, if it has any."""
    product = exchange.products[slot]
    if product.block_count > 0 and product.phase == CONTINUOUS:
        product.blocks_due = 1
        set_due(exchange, slot, now_ns)
        hasten(exchange, exchange.due_ns[slot])


@kernel
def set_call_end(product: Any) -> None:
    """Draw when the product's call ends: an opening call somewhat later, a closing one earlier."""
    drawn_ns = _drawn_ms(product) * MILLISECOND_NS
    if product.phase == CLOSING_CALL:
        product.call_end_ns = product.gate_closure_ns - drawn_ns
    else:
        product.call_end_ns = product.auction_ns + drawn_ns


@kernel
def _drawn_ms(product: Any) -> int:
    """Return 0 to `random_end_ms`, drawn from seed, product and phase (a finaliser of 32-bit words)."""
    word = (int(product.seed) * 4 + int(product.product_id) * 0x9E3779B1 + int(product.phase)) & WORD
    word = ((word ^ (word >> 15)) * 0x2C1B3C6D) & WORD
    word = ((word ^ (word >> 12)) * 0x297A2D39) & WORD
    return (word ^ (word >> 15)) % (int(product.random_end_ms) + 1)


@kernel
def _earlier(one_ns: int, other_ns: int) -> int:
    if one_ns == NEVER or other_ns == NEVER:
        return max(one_ns, other_ns)
    return min(one_ns, other_ns)
