"""The desk: products, bids, awards and prices."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.kernels.hierarchy import is_node
from ringmain.vpp.kernels.loop import UNKNOWN_UNIT, mode_of_bid
from ringmain.vpp.kernels.money import can_receive, receive
from ringmain.vpp.kernels.obligations import commit, expose, fits_fleet
from ringmain.vpp.kernels.periods import PERIOD_S, period_cell, span_fault, stretch_fault
from ringmain.vpp.loop_messages import LOOP_REASONS, SUBMIT_OFF, SUBMIT_SHADOW
from ringmain.vpp.messages import (
    ABOVE_FLEET_POWER,
    ABOVE_MONEY_LIMIT,
    AFTER_GATE_CLOSURE,
    AWARD_ABOVE_BID,
    AWARD_MISMATCH,
    BID_ENDED,
    BID_ID_NOT_RISING,
    BIDS_FULL,
    BUY,
    ENDING_UNKNOWN,
    EXPECTED,
    FILLED,
    GATE_AFTER_DELIVERY,
    IMBALANCE,
    IMMEDIATE_OR_CANCEL,
    LOT_POWER_OUT_OF_RANGE,
    PERIOD_PAST,
    PRICE_KIND_UNKNOWN,
    PRICE_OUT_OF_RANGE,
    PRODUCT_EXISTS,
    PRODUCTS_FULL,
    QUANTITY_OUT_OF_RANGE,
    REFERENCE,
    REFUSED,
    SELL,
    SIDE_UNKNOWN,
    TIME_IN_FORCE_UNKNOWN,
    UNKNOWN_BID,
    UNKNOWN_PRODUCT,
    VALUE_OUT_OF_RANGE,
)
from ringmain.vpp.reserve_messages import ENERGY, RESERVE_REASONS
from ringmain.vpp.state import (
    BIDS,
    EXCHANGE,
    FREE,
    LOT_POWER_LIMIT_W,
    OPEN,
    PERIOD_NS,
    PERIODS,
    PRICE_LIMIT_TICKS,
    PRODUCTS,
    QUANTITY_LIMIT_LOTS,
    VALUE_LIMIT_MINOR,
)

SUBMIT_MODE_OFF = LOOP_REASONS["SUBMIT_MODE_OFF"]
RESERVE_IS_SOLD_ONLY = RESERVE_REASONS["RESERVE_IS_SOLD_ONLY"]

# Products.


@kernel
def product_fault(fleet: Any, asked: Any, start_ns: int, gate_closure_ns: int) -> int:
    """Return the reason why a product, of energy or of reserve, can't be traded, or 0."""
    if asked.product_id == 0:
        return UNKNOWN_PRODUCT
    if knows_product(fleet, asked.product_id):
        return PRODUCT_EXISTS
    if asked.lot_power_w <= 0 or asked.lot_power_w > LOT_POWER_LIMIT_W:
        return LOT_POWER_OUT_OF_RANGE
    if asked.value_minor <= 0 or asked.value_minor > VALUE_LIMIT_MINOR:
        return VALUE_OUT_OF_RANGE
    if gate_closure_ns > start_ns:
        return GATE_AFTER_DELIVERY
    fault = stretch_fault(fleet, start_ns, asked.delivery_duration_s, fleet.next_period, PERIODS)
    if fault:
        return fault
    occupant = fleet.products[asked.product_id % PRODUCTS]
    return 0 if is_settled(fleet, occupant) else PRODUCTS_FULL


@kernel
def define_product(fleet: Any, asked: Any) -> int:
    """Take a product of energy in; return the reason not to, or 0."""
    fault = product_fault(fleet, asked, asked.delivery_start_ns, asked.gate_closure_ns)
    if fault == 0:
        take_product(fleet, asked, asked.delivery_start_ns, asked.gate_closure_ns, ENERGY)
    return fault


@kernel
def take_product(fleet: Any, asked: Any, start_ns: int, gate_closure_ns: int, service: int) -> None:
    """Take the product in, in place of one that is settled."""
    product = fleet.products[asked.product_id % PRODUCTS]
    product.product_id = asked.product_id
    product.first_period = start_ns // PERIOD_NS
    product.period_count = asked.delivery_duration_s // PERIOD_S
    product.gate_closure_ns = gate_closure_ns
    product.lot_power_w = asked.lot_power_w
    product.value_minor = asked.value_minor
    product.awarded_lots = 0
    product.service = service
    product.submit_mode = 0
    product.is_paid = 0


@kernel
def knows_product(fleet: Any, product_id: int) -> bool:
    """Tell whether a product is defined."""
    return product_id != 0 and fleet.products[product_id % PRODUCTS].product_id == product_id


@kernel
def is_settled(fleet: Any, product: Any) -> bool:
    """Tell whether no quarter-hour of the product is left to settle, or there is no product."""
    return product.product_id == 0 or product.first_period + product.period_count <= fleet.next_period


# Bids.


@kernel
def bid_fault(fleet: Any, asked: Any) -> int:
    """Return the reason why a bid can't go to the exchange, or 0."""
    if asked.bid_id <= fleet.last_bid_id:
        return BID_ID_NOT_RISING
    if not knows_product(fleet, asked.product_id):
        return UNKNOWN_PRODUCT
    if asked.side != BUY and asked.side != SELL:
        return SIDE_UNKNOWN
    if asked.time_in_force > IMMEDIATE_OR_CANCEL:
        return TIME_IN_FORCE_UNKNOWN
    if not is_price(asked.price_ticks):
        return PRICE_OUT_OF_RANGE
    if asked.quantity_lots <= 0 or asked.quantity_lots > QUANTITY_LIMIT_LOTS:
        return QUANTITY_OUT_OF_RANGE
    if not is_node(fleet, asked.unit_id):
        return UNKNOWN_UNIT
    product = fleet.products[asked.product_id % PRODUCTS]
    if product.service != ENERGY and asked.side != SELL:
        return RESERVE_IS_SOLD_ONLY
    if asked.time_ns >= product.gate_closure_ns:
        return AFTER_GATE_CLOSURE
    if product.first_period < fleet.next_period:
        return PERIOD_PAST
    if mode_of_bid(fleet, asked) == SUBMIT_OFF:
        return SUBMIT_MODE_OFF
    if rests(fleet, fleet.bids[asked.bid_id % BIDS]):
        return BIDS_FULL
    fits = fits_fleet(fleet, product, asked.side, asked.quantity_lots * product.lot_power_w)
    return 0 if fits else ABOVE_FLEET_POWER


@kernel
def is_price(price_ticks: int) -> bool:
    """Tell whether a price is within the limit, either way."""
    return -PRICE_LIMIT_TICKS <= price_ticks <= PRICE_LIMIT_TICKS


@kernel
def rests(fleet: Any, bid: Any) -> bool:
    """Tell whether a bid may still be filled: it is open, and its product is not settled."""
    if bid.status == FREE or not knows_product(fleet, bid.product_id):
        return False
    return not is_settled(fleet, fleet.products[bid.product_id % PRODUCTS])


@kernel
def submit_bid(fleet: Any, asked: Any) -> int:
    """Keep the bid, and count it among what may become owed; return the reason not to, or 0."""
    fault = bid_fault(fleet, asked)
    if fault:
        return fault
    fleet.last_bid_id = asked.bid_id
    if is_shadow(fleet, asked):
        return 0
    bid = fleet.bids[asked.bid_id % BIDS]
    bid.bid_id = asked.bid_id
    bid.product_id = asked.product_id
    bid.price_ticks = asked.price_ticks
    bid.quantity_lots = asked.quantity_lots
    bid.awarded_lots = 0
    bid.side = asked.side
    bid.status = OPEN
    expose(fleet, bid, asked.quantity_lots)
    return 0


@kernel
def is_shadow(fleet: Any, asked: Any) -> bool:
    """Tell whether a bid is noted only."""
    return mode_of_bid(fleet, asked) == SUBMIT_SHADOW


@kernel
def open_bid_fault(fleet: Any, bid_id: int) -> int:
    """Return the reason why a bid can neither be filled nor end, or 0."""
    bid = fleet.bids[bid_id % BIDS]
    if bid_id == 0 or bid.bid_id != bid_id:
        return UNKNOWN_BID
    return 0 if rests(fleet, bid) else BID_ENDED


@kernel
def product_of(fleet: Any, bid_id: int) -> int:
    """Return the product of a bid that is kept."""
    return int(fleet.bids[bid_id % BIDS].product_id)


@kernel
def end_bid(fleet: Any, bid_id: int, ending: int, event: Any) -> None:
    """Free the bid's slot and take what was not filled out of what may become owed."""
    bid = fleet.bids[bid_id % BIDS]
    unfilled_lots = bid.quantity_lots - bid.awarded_lots
    expose(fleet, bid, -unfilled_lots)
    bid.status = FREE
    event.bid_id = bid.bid_id
    event.product_id = bid.product_id
    event.awarded_lots = bid.awarded_lots
    event.unfilled_lots = unfilled_lots
    event.ending = ending


@kernel
def ending_fault(command: Any) -> int:
    """Return the reason why no bid can end like this, or 0."""
    is_known = FILLED <= command.ending <= REFUSED
    return 0 if is_known else ENDING_UNKNOWN


# Awards.


@kernel
def award_fault(fleet: Any, award: Any) -> int:
    """Return the reason why a fill can't be booked, or 0."""
    if not knows_product(fleet, award.product_id):
        return UNKNOWN_PRODUCT
    fault = open_bid_fault(fleet, award.bid_id)
    if fault:
        return fault
    if fleet.products[award.product_id % PRODUCTS].first_period < fleet.next_period:
        return PERIOD_PAST
    bid = fleet.bids[award.bid_id % BIDS]
    if bid.product_id != award.product_id or bid.side != award.side:
        return AWARD_MISMATCH
    if not is_price(award.price_ticks):
        return PRICE_OUT_OF_RANGE
    if award.quantity_lots <= 0:
        return QUANTITY_OUT_OF_RANGE
    if award.quantity_lots > bid.quantity_lots - bid.awarded_lots:
        return AWARD_ABOVE_BID
    return 0 if can_receive(fleet, award_minor(fleet, award)) else ABOVE_MONEY_LIMIT


@kernel
def award_minor(fleet: Any, award: Any) -> int:
    """Return what the fleet receives for a fill, in minor units; negative: it pays."""
    amount_minor = (
        award.price_ticks * award.quantity_lots * fleet.products[award.product_id % PRODUCTS].value_minor
    )
    return amount_minor if award.side == SELL else -amount_minor


@kernel
def record_award(fleet: Any, award: Any, event: Any) -> None:
    """Turn a fill of a bid into commitments and money."""
    bid = fleet.bids[award.bid_id % BIDS]
    expose(fleet, bid, -award.quantity_lots)
    bid.awarded_lots += award.quantity_lots
    book_award(fleet, award, event)


@kernel
def book_award(fleet: Any, award: Any, event: Any) -> None:
    """Owe what was awarded, receive its money, and tell of both."""
    amount_minor = award_minor(fleet, award)
    commit(fleet, award, amount_minor)
    receive(fleet, EXCHANGE, amount_minor)
    event.bid_id = award.bid_id
    event.product_id = award.product_id
    event.price_ticks = award.price_ticks
    event.amount_minor = amount_minor
    event.quantity_lots = award.quantity_lots
    event.side = award.side


@kernel
def is_filled(fleet: Any, bid_id: int) -> bool:
    """Tell whether nothing is left of a bid."""
    bid = fleet.bids[bid_id % BIDS]
    return bid.awarded_lots == bid.quantity_lots


# Prices.


@kernel
def price_fault(fleet: Any, price: Any) -> int:
    """Return the reason why a price can't be recorded, or 0."""
    if price.price_kind < REFERENCE or price.price_kind > EXPECTED:
        return PRICE_KIND_UNKNOWN
    if not is_price(price.price_ticks):
        return PRICE_OUT_OF_RANGE
    return span_fault(fleet, price, fleet.next_period, PERIODS)


@kernel
def record_price(fleet: Any, price: Any) -> int:
    """Write the price into its quarter-hours, the newest stands; return the reason not to, or 0.

    One that is only expected is told, and nothing is settled by it.
    """
    fault = price_fault(fleet, price)
    if fault:
        return fault
    first = price.delivery_start_ns // PERIOD_NS
    for period in range(first, first + price.delivery_duration_s // PERIOD_S):
        cell = period_cell(fleet, period)
        if price.price_kind == REFERENCE:
            cell.reference_ticks = price.price_ticks
            cell.has_reference = 1
        elif price.price_kind == IMBALANCE:
            cell.imbalance_ticks = price.price_ticks
            cell.has_imbalance = 1
    return 0
