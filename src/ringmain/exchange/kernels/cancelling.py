"""Taking orders off the book: one by one, and the mass cancels that sweep the order table.

A sweep goes once round the order table, a portion per step, and serves every session that waits
for one: a thousand sessions that drop at once cost one round, not a thousand.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import SESSIONS
from ringmain.exchange.kernels.answers import MASS_CANCELLED, head_order, report_cancelled
from ringmain.exchange.kernels.blocks import NOBODY, cancel_killed_blocks
from ringmain.exchange.kernels.book import remove_order
from ringmain.exchange.kernels.credit import give_back
from ringmain.exchange.kernels.guards import is_killed
from ringmain.exchange.kernels.levels import side_of, slot_of
from ringmain.exchange.kernels.orders import open_lots
from ringmain.exchange.messages import ALL_PRODUCTS, CANCELLATIONS
from ringmain.exchange.state import CANCELS_PER_STEP, ORDERS, SLOTS_SWEPT_PER_STEP

NO_SWEEP = -1
SESSION_CLOSED = CANCELLATIONS["SESSION_CLOSED"]
MASS_CANCEL = CANCELLATIONS["MASS_CANCEL"]


@kernel
def cancel_resting(
    exchange: Any, request: Any, order_slot: int, reason: int, command_number: int, event: Any
) -> None:
    """Take a resting or waiting order off the book, free what it set aside, and say so."""
    matching = exchange.matching
    order = matching.orders[order_slot]
    level = matching.levels[order.level]
    slot, side = slot_of(level.ladder), side_of(level.ladder)
    price_ticks, lots, shown_lots = int(level.price_ticks), open_lots(matching, order_slot), int(order.lots)
    if order.is_special and matching.specials[order_slot].is_waiting:
        price_ticks, shown_lots = int(matching.specials[order_slot].limit_ticks), 0
        exchange.products[slot].stop_count -= 1
    report_cancelled(
        event, request, order.session_id, order.session_number, order.account_id,
        exchange.products[slot].product_id, side, price_ticks, lots, shown_lots, reason, command_number,
    )  # fmt: skip
    give_back(exchange, slot, order.account_id, side, price_ticks, lots)
    remove_order(matching, order_slot)


@kernel
def start_sweep(
    exchange: Any, session_id: int, product_id: int, until_number: int, reason: int, command_number: int
) -> None:
    """Have a session's orders up to a number cancelled; a running sweep of the session is widened."""
    seat, sweep = exchange.seats[session_id], exchange.sweep
    seat.sweep_product_id = product_id
    seat.sweep_until_number = until_number
    seat.sweep_command_number = command_number
    seat.sweep_reason = reason
    seat.sweep_goal = sweep.swept + ORDERS
    if seat.sweeping == 0:
        seat.sweeping = 1
        seat.sweep_count = 0
        _queue(sweep, session_id)


@kernel
def sweep_step(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Sweep one portion of the order table, and finish the mass cancels that have been all round it.

    An auction that is being uncrossed goes first: its volume has been announced.
    """
    if exchange.sweep.count == 0 or exchange.uncrossing_count > 0:
        return count
    sweep = exchange.sweep
    limit = count + CANCELS_PER_STEP
    if exchange.seats[NOBODY].sweeping == 1:
        reason = int(exchange.seats[NOBODY].sweep_reason)
        count = cancel_killed_blocks(exchange, request, reason, events, count, limit)
    for _ in range(SLOTS_SWEPT_PER_STEP):
        if count == limit:
            return count
        slot = sweep.swept % ORDERS
        if slot > exchange.matching.order_pool.highest:
            sweep.swept += ORDERS - slot
            return _finish_sweeps(exchange, request, events, count, limit)
        sweeper = _sweeper_of(exchange, slot)
        if sweeper != NO_SWEEP:
            seat = exchange.seats[sweeper]
            seat.sweep_count += 1
            number = seat.sweep_command_number
            cancel_resting(exchange, request, slot, seat.sweep_reason, number, events[count])
            count += 1
        sweep.swept += 1
    return _finish_sweeps(exchange, request, events, count, limit)


@kernel
def _sweeper_of(exchange: Any, slot: int) -> int:
    """Return the session whose sweep means the order in this slot, or NO_SWEEP."""
    order = exchange.matching.orders[slot]
    if order.lots == 0:
        return NO_SWEEP
    if _is_swept(exchange, order):
        return order.session_id
    if exchange.seats[NOBODY].sweeping == 0:
        return NO_SWEEP
    product_slot = slot_of(exchange.matching.levels[order.level].ladder)
    return NOBODY if is_killed(exchange, order.session_id, order.account_id, product_slot) else NO_SWEEP


@kernel
def _is_swept(exchange: Any, order: Any) -> bool:
    """Tell whether its own session's sweep means an order."""
    seat = exchange.seats[order.session_id]
    if seat.sweeping == 0 or abs(order.session_number) > seat.sweep_until_number:
        return False
    if seat.sweep_product_id == ALL_PRODUCTS:
        return True
    product_slot = slot_of(exchange.matching.levels[order.level].ladder)
    return exchange.products[product_slot].product_id == seat.sweep_product_id


@kernel
def _finish_sweeps(exchange: Any, request: Any, events: Any, count: int, limit: int) -> int:
    """Answer the mass cancels that have been all round the table, in the order they came."""
    sweep = exchange.sweep
    while sweep.count > 0 and count < limit:
        session_id = sweep.queue[sweep.first]
        seat = exchange.seats[session_id]
        if seat.sweep_goal > sweep.swept:
            return count
        head_order(events[count], request, MASS_CANCELLED, session_id, seat.sweep_command_number)
        cancelled = events[count].mass_cancelled
        cancelled.command_number = seat.sweep_command_number
        cancelled.order_count = seat.sweep_count
        cancelled.product_id = seat.sweep_product_id
        seat.sweeping = 0
        sweep.first = (sweep.first + 1) % SESSIONS
        sweep.count -= 1
        count += 1
    return count


@kernel
def _queue(sweep: Any, session_id: int) -> None:
    sweep.queue[(sweep.first + sweep.count) % SESSIONS] = session_id
    sweep.count += 1
