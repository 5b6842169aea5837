"""When the exchange next has something to do by itself."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.expiries import next_expiry_ns
from ringmain.exchange.messages import CALL, CONTINUOUS
from ringmain.exchange.state import PRODUCTS

NEVER = 0


@kernel
def set_deadline(exchange: Any, time_ns: int) -> None:
    """Ask for the next timer: now while mass cancels run, else when the next product or order is due."""
    deadline_ns = max(time_ns, 1) if exchange.sweep.count > 0 else NEVER
    deadline_ns = _earlier(deadline_ns, next_expiry_ns(exchange.matching))
    for slot in range(PRODUCTS):
        deadline_ns = _earlier(deadline_ns, exchange.due_ns[slot])
    exchange.next_deadline_ns = deadline_ns


@kernel
def hasten(exchange: Any, due_ns: int) -> None:
    """Ask for the next timer at a time, if it is not asked for earlier."""
    exchange.next_deadline_ns = _earlier(exchange.next_deadline_ns, due_ns)


@kernel
def set_due(exchange: Any, slot: int, now_ns: int) -> None:
    """Note when a product next changes by itself."""
    product = exchange.products[slot]
    due_ns = product.auction_ns if product.phase == CALL else product.gate_closure_ns
    if product.stops_due and product.phase == CONTINUOUS:
        due_ns = max(now_ns, 1)
    exchange.due_ns[slot] = due_ns


@kernel
def _earlier(one_ns: int, other_ns: int) -> int:
    if one_ns == NEVER or other_ns == NEVER:
        return max(one_ns, other_ns)
    return min(one_ns, other_ns)
