"""What the operator does to the day-ahead auction: describe it, open it, void it."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.dayahead_messages import (
    ABSENT,
    AUCTION_REJECTIONS,
    BOOKING,
    DRAFTED,
    FROZEN,
    OPEN,
    VOID,
    AuctionDefined,
    TransferDefined,
    ZoneDefined,
)
from ringmain.exchange.dayahead_state import CURVE_AWARDS, LINES, PERIODS, ZONES
from ringmain.exchange.kernels.answers import head_answer
from ringmain.exchange.kernels.credit import POSITIONS_FULL, obtain_position
from ringmain.exchange.kernels.dayahead_answers import enter_phase, reject_auction
from ringmain.exchange.kernels.products import UNKNOWN, find_product, is_operator
from ringmain.exchange.kernels.reserve_rules import is_reserve
from ringmain.exchange.kernels.timers import set_deadline
from ringmain.exchange.messages import DEFINED, HALTED, REJECTIONS
from ringmain.exchange.state import LOTS_MAX, PRICE_TICKS_MAX, PRICE_TICKS_MIN, PRODUCTS

AUCTION_DEFINED, ZONE_DEFINED = AuctionDefined.kind, ZoneDefined.kind
TRANSFER_DEFINED = TransferDefined.kind
OPERATOR_ONLY, PRICE_OUT_OF_RANGE = REJECTIONS["OPERATOR_ONLY"], REJECTIONS["PRICE_OUT_OF_RANGE"]
AUCTION_RUNNING, AUCTION_ID_USED = (
    AUCTION_REJECTIONS["AUCTION_RUNNING"],
    AUCTION_REJECTIONS["AUCTION_ID_USED"],
)
UNKNOWN_AUCTION = AUCTION_REJECTIONS["UNKNOWN_AUCTION"]
WRONG_AUCTION_PHASE = AUCTION_REJECTIONS["WRONG_AUCTION_PHASE"]
WRONG_AUCTION_SIZE = AUCTION_REJECTIONS["WRONG_AUCTION_SIZE"]
WRONG_AUCTION_TIMES = AUCTION_REJECTIONS["WRONG_AUCTION_TIMES"]
WRONG_ZONE, WRONG_PERIOD = AUCTION_REJECTIONS["WRONG_ZONE"], AUCTION_REJECTIONS["WRONG_PERIOD"]
ZONE_MISSING, PRODUCT_NOT_FIT = AUCTION_REJECTIONS["ZONE_MISSING"], AUCTION_REJECTIONS["PRODUCT_NOT_FIT"]
WRONG_LINE, CAPACITY_OUT_OF_RANGE = (
    AUCTION_REJECTIONS["WRONG_LINE"],
    AUCTION_REJECTIONS["CAPACITY_OUT_OF_RANGE"],
)
HELD_BY_AUCTION = AUCTION_REJECTIONS["HELD_BY_AUCTION"]
OPERATOR = 0


@kernel
def auction_product_slot(auction: Any, zone: int, period: int) -> int:
    """Return the slot of the product that a zone's awards in a period are booked in."""
    return (int(auction.first_product_id[zone]) + period) % PRODUCTS


@kernel
def define_auction(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Describe the next auction; return the next event row."""
    command, auction = request.define_auction, exchange.dayahead
    reason = _auction_fault(exchange, request)
    if reason != 0:
        reject_auction(events[count], request, command.auction_id, 0, 0, 0, reason)
        return count + 1
    auction.auction_id = command.auction_id
    auction.gate_ns = command.gate_ns
    auction.result_ns = command.result_ns
    auction.price_min_ticks = command.price_min_ticks
    auction.price_max_ticks = command.price_max_ticks
    auction.period_count = command.period_count
    auction.zone_count = command.zone_count
    head_answer(events[count], request, AUCTION_DEFINED)
    defined = events[count].auction_defined
    defined.gate_ns = command.gate_ns
    defined.result_ns = command.result_ns
    defined.auction_id = command.auction_id
    defined.price_min_ticks = command.price_min_ticks
    defined.price_max_ticks = command.price_max_ticks
    defined.period_count = command.period_count
    defined.zone_count = command.zone_count
    enter_phase(auction, DRAFTED, request, events[count + 1])
    return count + 2


@kernel
def define_zone(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Give a zone its products; return the next event row."""
    command, auction = request.define_zone, exchange.dayahead
    zone = int(command.zone)
    reason = setup_fault(exchange, request, command.auction_id, DRAFTED, DRAFTED)
    if reason == 0 and zone >= auction.zone_count:
        reason = WRONG_ZONE
    if reason == 0 and command.first_product_id == 0:
        reason = PRODUCT_NOT_FIT
    if reason != 0:
        reject_auction(events[count], request, command.auction_id, 0, zone, 0, reason)
        return count + 1
    auction.first_product_id[zone] = command.first_product_id
    head_answer(events[count], request, ZONE_DEFINED)
    defined = events[count].zone_defined
    defined.auction_id = command.auction_id
    defined.first_product_id = command.first_product_id
    defined.zone = zone
    return count + 1


@kernel
def define_transfer(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Give a line its capacity in a run of periods; return the next event row."""
    command, auction = request.define_transfer, exchange.dayahead
    first = int(command.first_period)
    reason = setup_fault(exchange, request, command.auction_id, DRAFTED, OPEN)
    if reason == 0:
        reason = _transfer_fault(auction, command)
    if reason != 0:
        reject_auction(events[count], request, command.auction_id, 0, command.from_zone, first, reason)
        return count + 1
    line = auction.lines[int(command.line)]
    line.is_defined = 1
    line.from_zone = command.from_zone
    line.to_zone = command.to_zone
    for period in range(first, first + int(command.period_count)):
        line.forward_lots[period] = command.forward_lots
        line.backward_lots[period] = command.backward_lots
    head_answer(events[count], request, TRANSFER_DEFINED)
    defined = events[count].transfer_defined
    defined.auction_id = command.auction_id
    defined.forward_lots = command.forward_lots
    defined.backward_lots = command.backward_lots
    defined.line = command.line
    defined.from_zone = command.from_zone
    defined.to_zone = command.to_zone
    defined.first_period = first
    defined.period_count = command.period_count
    return count + 1


@kernel
def open_auction(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Take orders from now on, if every product is there and trades beyond the result."""
    auction_id, auction = request.open_auction.auction_id, exchange.dayahead
    reason = setup_fault(exchange, request, auction_id, DRAFTED, DRAFTED)
    if reason == 0 and auction.gate_ns <= request.head.time_ns:
        reason = WRONG_AUCTION_TIMES
    zone, period = 0, 0
    while reason == 0 and zone < auction.zone_count:
        reason = _product_fault(exchange, zone, period)
        if reason == 0:
            period += 1
            if period == auction.period_count:
                zone, period = zone + 1, 0
    if reason != 0:
        reject_auction(events[count], request, auction_id, 0, zone, period, reason)
        return count + 1
    auction.value_minor = exchange.products[auction_product_slot(auction, 0, 0)].value_minor
    auction.due_ns = auction.gate_ns
    enter_phase(auction, OPEN, request, events[count])
    set_deadline(exchange, request.head.time_ns)
    return count + 1


@kernel
def void_auction(exchange: Any, request: Any, events: Any, count: int) -> int:
    """End the auction: every order is given back, and none is awarded."""
    auction_id, auction = request.void_auction.auction_id, exchange.dayahead
    reason = setup_fault(exchange, request, auction_id, DRAFTED, FROZEN)
    if reason != 0:
        reject_auction(events[count], request, auction_id, 0, 0, 0, reason)
        return count + 1
    forget_proposal(auction)
    auction.outcome = VOID
    auction.stage = CURVE_AWARDS
    auction.cursor = 0
    auction.due_ns = max(request.head.time_ns, 1)
    enter_phase(auction, BOOKING, request, events[count])
    set_deadline(exchange, request.head.time_ns)
    return count + 1


@kernel
def holds_product(auction: Any, product_id: int) -> bool:
    """Tell whether the auction still has to book awards in a product."""
    if auction.phase < OPEN:
        return False
    for zone in range(auction.zone_count):
        first = int(auction.first_product_id[zone])
        if first <= product_id < first + int(auction.period_count):
            return True
    return False


@kernel
def setup_fault(exchange: Any, request: Any, auction_id: int, first_phase: int, last_phase: int) -> int:
    """Return why the operator's command is not for the auction as it now is, or 0."""
    auction = exchange.dayahead
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    if auction.phase == ABSENT or auction_id != auction.auction_id:
        return UNKNOWN_AUCTION
    if auction.phase < first_phase or auction.phase > last_phase:
        return WRONG_AUCTION_PHASE
    return 0


@kernel
def forget_proposal(auction: Any) -> None:
    """Take back every price, ratio and flow."""
    for zone in range(auction.zone_count):
        for period in range(auction.period_count):
            market = auction.markets[zone * PERIODS + period]
            market.is_priced = 0
            market.price_ticks = 0
            clear_sums(market)
    for slot in range(1, int(auction.block_pool.highest) + 1):
        auction.blocks[slot].ratio = 0
        auction.blocks[slot].surplus = 0
    for number in range(LINES):
        if auction.lines[number].is_defined == 1:
            for period in range(auction.period_count):
                auction.lines[number].flow_lots[period] = 0


@kernel
def clear_sums(market: Any) -> None:
    """Take back what a market buys and sells."""
    market.block_lots = 0
    market.import_lots = 0
    market.bids_sure = 0
    market.bids_marginal = 0
    market.offers_sure = 0
    market.offers_marginal = 0
    market.marginal_bought = 0
    market.marginal_sold = 0
    market.bought_lots = 0
    market.sold_lots = 0


@kernel
def _auction_fault(exchange: Any, request: Any) -> int:
    command, auction = request.define_auction, exchange.dayahead
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    if auction.phase != ABSENT:
        return AUCTION_RUNNING
    if command.auction_id <= auction.auction_id:  # 0 is no id
        return AUCTION_ID_USED
    if not 1 <= command.period_count <= PERIODS or not 1 <= command.zone_count <= ZONES:
        return WRONG_AUCTION_SIZE
    if not request.head.time_ns < command.gate_ns < command.result_ns:
        return WRONG_AUCTION_TIMES
    if not PRICE_TICKS_MIN < command.price_min_ticks < command.price_max_ticks < PRICE_TICKS_MAX:
        return PRICE_OUT_OF_RANGE
    return 0


@kernel
def _transfer_fault(auction: Any, command: Any) -> int:
    line_number = int(command.line)
    if line_number >= LINES or command.from_zone == command.to_zone:
        return WRONG_LINE
    if command.from_zone >= auction.zone_count or command.to_zone >= auction.zone_count:
        return WRONG_ZONE
    line = auction.lines[line_number]
    if line.is_defined == 1 and (line.from_zone != command.from_zone or line.to_zone != command.to_zone):
        return WRONG_LINE
    end = int(command.first_period) + int(command.period_count)
    if command.period_count == 0 or end > auction.period_count:
        return WRONG_PERIOD
    if not 0 <= command.forward_lots <= LOTS_MAX or not 0 <= command.backward_lots <= LOTS_MAX:
        return CAPACITY_OUT_OF_RANGE
    return 0


@kernel
def _product_fault(exchange: Any, zone: int, period: int) -> int:
    """Return why a market's product is missing or doesn't fit; also open the operator's position."""
    auction = exchange.dayahead
    first = int(auction.first_product_id[zone])
    if first == 0:
        return ZONE_MISSING
    for other in range(zone):
        if abs(int(auction.first_product_id[other]) - first) < auction.period_count:
            return PRODUCT_NOT_FIT
    slot = find_product(exchange, first + period)
    if slot == UNKNOWN:
        return PRODUCT_NOT_FIT
    product = exchange.products[slot]
    if product.phase < DEFINED or product.phase > HALTED or is_reserve(product):
        return PRODUCT_NOT_FIT
    if product.gate_closure_ns != 0 and product.gate_closure_ns <= auction.result_ns:
        return PRODUCT_NOT_FIT
    if product.value_minor != exchange.products[auction_product_slot(auction, 0, 0)].value_minor:
        return PRODUCT_NOT_FIT
    return 0 if obtain_position(exchange, slot, OPERATOR) != 0 else POSITIONS_FULL
