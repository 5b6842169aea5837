"""Reserve: power that is held ready; what is called on of it is owed at once, and for so long.

Running activations stand in a small table. The energy that they oblige to is added to the quarter-hours
whenever somebody has to know it, up to that moment: on the clock's whole milliseconds, so that adjoining
parts add up exactly, across the borders of quarter-hours too.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import head_event
from ringmain.vpp.kernels.desk import knows_product, product_fault, take_product
from ringmain.vpp.kernels.money import can_receive, receive
from ringmain.vpp.kernels.periods import period_cell
from ringmain.vpp.kernels.units import MS_PER_HOUR, NS_PER_MS, clamp, ns_of
from ringmain.vpp.messages import ABOVE_MONEY_LIMIT, QUANTITY_OUT_OF_RANGE, UNKNOWN_PRODUCT
from ringmain.vpp.reserve_messages import (
    ENERGY,
    RESERVE_DOWN,
    RESERVE_REASONS,
    RESERVE_UP,
    ReserveKept,
    ReserveShort,
)
from ringmain.vpp.state import (
    ACTIVATIONS,
    EXCHANGE,
    FLEET_POWER_LIMIT_W,
    MONEY_LIMIT_MINOR,
    PERIOD_NS,
    PRICE_LIMIT_TICKS,
    PRODUCTS,
    SECOND_NS,
)

RESERVE_SHORT, RESERVE_SHORT_RECORD = ReserveShort.kind, ReserveShort.dtype
RESERVE_KEPT, RESERVE_KEPT_RECORD = ReserveKept.kind, ReserveKept.dtype
SERVICE_UNKNOWN, NOT_A_RESERVE = RESERVE_REASONS["SERVICE_UNKNOWN"], RESERVE_REASONS["NOT_A_RESERVE"]
ACTIVATION_TERMS_OUT_OF_RANGE = RESERVE_REASONS["ACTIVATION_TERMS_OUT_OF_RANGE"]
ACTIVATION_ABOVE_AWARD = RESERVE_REASONS["ACTIVATION_ABOVE_AWARD"]
ACTIVATION_OUTSIDE_DELIVERY = RESERVE_REASONS["ACTIVATION_OUTSIDE_DELIVERY"]
ACTIVATIONS_FULL, AMOUNT_OUT_OF_RANGE = (
    RESERVE_REASONS["ACTIVATIONS_FULL"],
    RESERVE_REASONS["AMOUNT_OUT_OF_RANGE"],
)
RESERVE_ALREADY_PAID = RESERVE_REASONS["RESERVE_ALREADY_PAID"]
NONE, FOREVER_NS = -1, 2**63 - 1


# Products.


@kernel
def define_reserve(fleet: Any, asked: Any) -> int:
    """Take a product of reserve in; return the reason not to, or 0."""
    if asked.service != RESERVE_UP and asked.service != RESERVE_DOWN:
        return SERVICE_UNKNOWN
    if asked.activation_ticks < 0 or asked.activation_ticks > PRICE_LIMIT_TICKS:
        return ACTIVATION_TERMS_OUT_OF_RANGE
    if asked.activation_max_s > asked.delivery_duration_s:
        return ACTIVATION_TERMS_OUT_OF_RANGE
    start_ns, gate_closure_ns = ns_of(asked.delivery_start_s), ns_of(asked.gate_closure_s)
    fault = product_fault(fleet, asked, start_ns, gate_closure_ns)
    if fault == 0:
        take_product(fleet, asked, start_ns, gate_closure_ns, asked.service)
    return fault


@kernel
def reserve_fault(fleet: Any, product_id: int) -> int:
    """Return the reason why this is no product of reserve, or 0."""
    if not knows_product(fleet, product_id):
        return UNKNOWN_PRODUCT
    return NOT_A_RESERVE if fleet.products[product_id % PRODUCTS].service == ENERGY else 0


@kernel
def start_ns_of(product: Any) -> int:
    """Return when a product's delivery begins."""
    return int(product.first_period) * PERIOD_NS


@kernel
def end_ns_of(product: Any) -> int:
    """Return when a product's delivery ends."""
    return int(product.first_period + product.period_count) * PERIOD_NS


# Activations.


@kernel
def activation_fault(fleet: Any, asked: Any) -> int:
    """Return the reason why a reserve can't be called on so, or 0; it may always be ended."""
    fault = reserve_fault(fleet, asked.product_id)
    if fault:
        return fault
    if asked.quantity_lots < 0:
        return QUANTITY_OUT_OF_RANGE
    if asked.quantity_lots == 0:
        return 0
    product = fleet.products[asked.product_id % PRODUCTS]
    if asked.quantity_lots > product.awarded_lots:
        return ACTIVATION_ABOVE_AWARD
    if not start_ns_of(product) < asked.until_ns <= end_ns_of(product) or asked.time_ns >= end_ns_of(product):
        return ACTIVATION_OUTSIDE_DELIVERY
    return ACTIVATIONS_FULL if place_for(fleet, asked.product_id, asked.time_ns) == NONE else 0


@kernel
def place_for(fleet: Any, product_id: int, now_ns: int) -> int:
    """Return where a product's activation stands or can stand, or NONE."""
    free = NONE
    for place in range(ACTIVATIONS):
        running = fleet.activations[place]
        if running.product_id == product_id:
            return place
        if free == NONE and (running.product_id == 0 or running.until_ns <= now_ns):
            free = place
    return free


@kernel
def activate(fleet: Any, asked: Any, event: Any) -> None:
    """Let the product's level be as asked from now on, or from the start of its delivery."""
    now_ns = asked.time_ns
    accrue(fleet, now_ns)
    product, place = fleet.products[asked.product_id % PRODUCTS], place_for(fleet, asked.product_id, now_ns)
    event.product_id = asked.product_id
    event.until_ns = asked.until_ns
    event.power_w = 0
    if asked.quantity_lots > 0 and asked.until_ns > now_ns:
        running = fleet.activations[place]
        running.product_id = asked.product_id
        running.power_w = active_power_w(product, asked.quantity_lots)
        running.accrued_ns = max(now_ns, start_ns_of(product))
        running.until_ns = asked.until_ns
        event.power_w = clamp(running.power_w, -FLEET_POWER_LIMIT_W, FLEET_POWER_LIMIT_W)
    elif place != NONE and fleet.activations[place].product_id == asked.product_id:
        fleet.activations[place].product_id = 0
    hurry(fleet, now_ns)


@kernel
def active_power_w(product: Any, lots: int) -> int:
    """Return the power of so many lots, up positive."""
    power_w = lots * product.lot_power_w
    return power_w if product.service == RESERVE_UP else -power_w


@kernel
def hurry(fleet: Any, now_ns: int) -> None:
    """Let the next tick come at once."""
    fleet.next_tick_ns = now_ns
    fleet.next_deadline_ns = min(fleet.next_deadline_ns, now_ns)


@kernel
def accrue(fleet: Any, now_ns: int) -> None:
    """Count what activations have obliged to until now, and forget those that are over."""
    for place in range(ACTIVATIONS):
        running = fleet.activations[place]
        if running.product_id != 0:
            until_ns = min(now_ns, running.until_ns)
            if until_ns > running.accrued_ns:
                spread(fleet, running.power_w, running.accrued_ns, until_ns)
                running.accrued_ns = until_ns
            if running.until_ns <= now_ns:
                running.product_id = 0


@kernel
def spread(fleet: Any, power_w: int, from_ns: int, until_ns: int) -> None:
    """Add the energy of a power to the quarter-hours that it falls into."""
    for period in range(from_ns // PERIOD_NS, (until_ns - 1) // PERIOD_NS + 1):
        begin_ms = max(from_ns, period * PERIOD_NS) // NS_PER_MS
        end_ms = min(until_ns, (period + 1) * PERIOD_NS) // NS_PER_MS
        period_cell(fleet, period).activated_w_ms += power_w * (end_ms - begin_ms)


@kernel
def activated_wh(cell: Any) -> int:
    """Return the net energy that was called on in a quarter-hour so far, to the nearest Wh, halves up."""
    return (int(cell.activated_w_ms) + MS_PER_HOUR // 2) // MS_PER_HOUR


@kernel
def active_w(fleet: Any, now_ns: int) -> tuple[int, int]:
    """Return the up and the down reserve that is called on now, neither negative."""
    up_w, down_w = 0, 0
    for place in range(ACTIVATIONS):
        running = fleet.activations[place]
        if running.product_id != 0 and running.accrued_ns <= now_ns < running.until_ns:
            up_w += max(0, running.power_w)
            down_w += max(0, -running.power_w)
    return up_w, down_w


@kernel
def next_change_ns(fleet: Any, now_ns: int) -> int:
    """Return when the next activation begins or ends by itself."""
    change_ns = FOREVER_NS
    for place in range(ACTIVATIONS):
        running = fleet.activations[place]
        if running.product_id != 0:
            change_ns = min(
                change_ns, running.accrued_ns if running.accrued_ns > now_ns else running.until_ns
            )
    return change_ns


# Whether it is kept.


@kernel
def tell_short(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Compare what is held with what the fleet can do, as last measured; return the next free event row.

    The fleet can give, beyond the energy that it owes, what its range leaves above that; its power at
    the moment does not count, for that follows what is asked of it a little later.
    """
    period = command.time_ns // PERIOD_NS
    cell, root = period_cell(fleet, period), fleet.nodes[0]
    if cell.reserve_up_w == 0 and cell.reserve_down_w == 0:
        return n
    up_w, down_w = active_w(fleet, command.time_ns)
    running_w = cell.committed_power_w + cell.baseline_w + up_w - down_w
    owed_up_w, owed_down_w = max(0, cell.reserve_up_w - up_w), max(0, cell.reserve_down_w - down_w)
    available_up_w, available_down_w = max(0, root.high_w - running_w), max(0, running_w - root.low_w)
    short_up_w, short_down_w = owed_up_w - available_up_w, owed_down_w - available_down_w
    if short_up_w <= cell.short_up_w and short_down_w <= cell.short_down_w:
        return n
    cell.short_up_w = max(cell.short_up_w, short_up_w)
    cell.short_down_w = max(cell.short_down_w, short_down_w)
    head_event(events[n], command, RESERVE_SHORT)
    told = events.view(RESERVE_SHORT_RECORD)[n]
    told.period_start_ns = period * PERIOD_NS
    told.owed_up_w = min(owed_up_w, FLEET_POWER_LIMIT_W)
    told.available_up_w = min(available_up_w, FLEET_POWER_LIMIT_W)
    told.owed_down_w = min(owed_down_w, FLEET_POWER_LIMIT_W)
    told.available_down_w = min(available_down_w, FLEET_POWER_LIMIT_W)
    return n + 1


@kernel
def tell_kept(fleet: Any, period: int, command: Any, events: Any, n: int) -> int:
    """Tell what became of a quarter-hour's reserve, if there was any; return the next free event row."""
    cell = period_cell(fleet, period)
    if cell.reserve_up_w == 0 and cell.reserve_down_w == 0:
        return n
    head_event(events[n], command, RESERVE_KEPT)
    kept = events.view(RESERVE_KEPT_RECORD)[n]
    kept.period_start_s = period * (PERIOD_NS // SECOND_NS)
    kept.activated_wh = activated_wh(cell)
    kept.availability_minor = cell.availability_minor
    kept.up_w = min(cell.reserve_up_w, FLEET_POWER_LIMIT_W)
    kept.down_w = min(cell.reserve_down_w, FLEET_POWER_LIMIT_W)
    kept.short_up_w = min(cell.short_up_w, FLEET_POWER_LIMIT_W)
    kept.short_down_w = min(cell.short_down_w, FLEET_POWER_LIMIT_W)
    return n + 1


# What activated energy is paid.


@kernel
def payment_fault(fleet: Any, said: Any) -> int:
    """Return the reason why a payment can't be booked, or 0."""
    fault = reserve_fault(fleet, said.product_id)
    if fault:
        return fault
    if said.amount_minor < 0:
        return AMOUNT_OUT_OF_RANGE
    if fleet.products[said.product_id % PRODUCTS].is_paid == 1:
        return RESERVE_ALREADY_PAID
    if said.amount_minor > MONEY_LIMIT_MINOR:
        return ABOVE_MONEY_LIMIT
    return 0 if can_receive(fleet, said.amount_minor) else ABOVE_MONEY_LIMIT


@kernel
def record_payment(fleet: Any, said: Any, event: Any) -> None:
    """Book what the buyer pays, and share it with the product's last quarter-hour while that is open."""
    product = fleet.products[said.product_id % PRODUCTS]
    product.is_paid = 1
    receive(fleet, EXCHANGE, said.amount_minor)
    last = product.first_period + product.period_count - 1
    event.period_start_ns = 0
    if last >= fleet.next_period:
        period_cell(fleet, last).award_minor += said.amount_minor
        event.period_start_ns = last * PERIOD_NS
    event.amount_minor = said.amount_minor
    event.activated_wh = said.activated_wh
    event.product_id = said.product_id
