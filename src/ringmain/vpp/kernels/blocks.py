"""Block bids: begun, extended, placed whole; what they may add to the commitments; their awards and ends."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import head_event
from ringmain.vpp.block_messages import (
    BLOCK_REASONS,
    BlockBidRun,
    BlockBidShadowed,
    BlockBidSubmitted,
    ExtendBlockBid,
    SubmitBlockBid,
)
from ringmain.vpp.kernels import desk
from ringmain.vpp.kernels.answers import REJECTION_RECORD, reject
from ringmain.vpp.kernels.loop import submit_mode_of
from ringmain.vpp.kernels.money import can_receive
from ringmain.vpp.kernels.obligations import fits_fleet
from ringmain.vpp.kernels.periods import period_cell
from ringmain.vpp.loop_messages import LOOP_REASONS, SUBMIT_OFF, SUBMIT_SHADOW
from ringmain.vpp.messages import (
    ABOVE_FLEET_POWER,
    ABOVE_MONEY_LIMIT,
    AFTER_GATE_CLOSURE,
    AWARD_ABOVE_BID,
    AWARD_MISMATCH,
    BID_ENDED,
    BID_ID_NOT_RISING,
    BUY,
    PERIOD_PAST,
    PRICE_OUT_OF_RANGE,
    QUANTITY_OUT_OF_RANGE,
    SELL,
    SIDE_UNKNOWN,
    UNKNOWN_PRODUCT,
    BidRejected,
)
from ringmain.vpp.reserve_messages import ENERGY
from ringmain.vpp.state import (
    BLOCK_PERIODS,
    BLOCKS,
    FREE,
    OPEN,
    PRODUCTS,
    QUANTITY_LIMIT_LOTS,
)

NOT_A_BLOCK = -1
SUBMIT_BLOCK_BID, SUBMIT_BLOCK_BID_RECORD = SubmitBlockBid.kind, SubmitBlockBid.dtype
EXTEND_BLOCK_BID, EXTEND_BLOCK_BID_RECORD = ExtendBlockBid.kind, ExtendBlockBid.dtype
BLOCK_BID_SUBMITTED, BLOCK_BID_SUBMITTED_RECORD = BlockBidSubmitted.kind, BlockBidSubmitted.dtype
BLOCK_BID_RUN, BLOCK_BID_RUN_RECORD = BlockBidRun.kind, BlockBidRun.dtype
BLOCK_BID_SHADOWED = BlockBidShadowed.kind
BID_REJECTED = BidRejected.kind
SUBMIT_MODE_OFF = LOOP_REASONS["SUBMIT_MODE_OFF"]
BLOCK_TOO_LONG, RUN_OUT_OF_RANGE = BLOCK_REASONS["BLOCK_TOO_LONG"], BLOCK_REASONS["RUN_OUT_OF_RANGE"]
NO_BLOCK_BEGUN, BLOCKS_FULL = BLOCK_REASONS["NO_BLOCK_BEGUN"], BLOCK_REASONS["BLOCKS_FULL"]
UNKNOWN_PARENT_BID, PARENT_HAS_CHILD = (
    BLOCK_REASONS["UNKNOWN_PARENT_BID"],
    BLOCK_REASONS["PARENT_HAS_CHILD"],
)
CHILD_IN_GROUP, BLOCK_OF_RESERVE = BLOCK_REASONS["CHILD_IN_GROUP"], BLOCK_REASONS["BLOCK_OF_RESERVE"]

# Which block bids there are.


@kernel
def place_of(fleet: Any, bid_id: int) -> int:
    """Return the place of a block bid that was placed, or NOT_A_BLOCK."""
    place = bid_id % BLOCKS
    return place if bid_id != 0 and fleet.blocks[place].bid_id == bid_id else NOT_A_BLOCK


@kernel
def product_of(fleet: Any, place: int) -> int:
    """Return the product that a block bid begins with."""
    return int(fleet.blocks[place].first_product_id)


@kernel
def may_be_accepted(fleet: Any, block: Any) -> bool:
    """Tell whether a block bid is open, and not all of its products are settled."""
    if block.status == FREE:
        return False
    last_id = block.first_product_id + block.period_count - 1
    if not desk.knows_product(fleet, last_id):
        return False
    return not desk.is_settled(fleet, fleet.products[last_id % PRODUCTS])


@kernel
def open_fault(fleet: Any, place: int) -> int:
    """Return the reason why a block bid can neither be accepted nor end, or 0."""
    return 0 if may_be_accepted(fleet, fleet.blocks[place]) else BID_ENDED


# Begin and extend.


@kernel
def answer(fleet: Any, commands: Any, i: int, events: Any, n: int, fault: int) -> int:
    """Take a part of a block bid; tell of it when it is whole, or refuse. Return the next free event row."""
    if commands[i].kind == SUBMIT_BLOCK_BID:
        asked = commands.view(SUBMIT_BLOCK_BID_RECORD)[i]
        bid_id = asked.bid_id
        fault = fault or begin_fault(fleet, asked)
        if fault == 0:
            begin(fleet, asked)
    else:
        run = commands.view(EXTEND_BLOCK_BID_RECORD)[i]
        bid_id = run.bid_id
        fault = fault or extend_fault(fleet, run)
        if fault == 0:
            add_run(fleet, run.quantity_lots, run.run_periods)
    begun = fleet.begun[0]
    if fault == 0 and fleet.begun_periods == begun.period_count:
        fleet.begun_periods = 0
        fault = placing_fault(fleet, begun, commands[i].time_ns)
        if fault == 0:
            return place(fleet, commands[i], events, n)
    if fault == 0:
        return n
    head_event(events[n], commands[i], BID_REJECTED)
    reject(events.view(REJECTION_RECORD)[n], bid_id, fault)
    return n + 1


@kernel
def begin_fault(fleet: Any, asked: Any) -> int:
    """Return the reason why a block bid can't begin like this, or 0."""
    if asked.bid_id <= fleet.last_bid_id:
        return BID_ID_NOT_RISING
    if asked.side != BUY and asked.side != SELL:
        return SIDE_UNKNOWN
    if not desk.is_price(asked.price_ticks):
        return PRICE_OUT_OF_RANGE
    if asked.quantity_lots <= 0 or asked.quantity_lots > QUANTITY_LIMIT_LOTS:
        return QUANTITY_OUT_OF_RANGE
    if asked.period_count < 1 or asked.period_count > BLOCK_PERIODS:
        return BLOCK_TOO_LONG
    if asked.run_periods < 1 or asked.run_periods > asked.period_count:
        return RUN_OUT_OF_RANGE
    fault = products_fault(fleet, asked.first_product_id, asked.period_count, asked.time_ns)
    if fault:
        return fault
    if may_be_accepted(fleet, fleet.blocks[asked.bid_id % BLOCKS]):
        return BLOCKS_FULL
    if asked.parent_bid_id != 0 and asked.exclusive_group != 0:
        return CHILD_IN_GROUP
    return parent_fault(fleet, asked.parent_bid_id)


@kernel
def products_fault(fleet: Any, first_product_id: int, period_count: int, now_ns: int) -> int:
    """Return the reason why one of the products can't be bid for, or 0."""
    for k in range(period_count):
        product_id = int(first_product_id) + k
        if not desk.knows_product(fleet, product_id):
            return UNKNOWN_PRODUCT
        product = fleet.products[product_id % PRODUCTS]
        if product.service != ENERGY:
            return BLOCK_OF_RESERVE
        if now_ns >= product.gate_closure_ns:
            return AFTER_GATE_CLOSURE
        if product.first_period < fleet.next_period:
            return PERIOD_PAST
        if submit_mode_of(fleet, product) == SUBMIT_OFF:
            return SUBMIT_MODE_OFF
    return 0


@kernel
def parent_fault(fleet: Any, parent_bid_id: int) -> int:
    """Return the reason why a block can't hang on this parent, or 0."""
    if parent_bid_id == 0:
        return 0
    place = place_of(fleet, parent_bid_id)
    if place == NOT_A_BLOCK or not may_be_accepted(fleet, fleet.blocks[place]):
        return UNKNOWN_PARENT_BID
    if fleet.blocks[place].parent_bid_id != 0:
        return UNKNOWN_PARENT_BID
    for other in fleet.blocks:
        if other.status == OPEN and other.parent_bid_id == parent_bid_id:
            return PARENT_HAS_CHILD
    return 0


@kernel
def begin(fleet: Any, asked: Any) -> None:
    """Note the block and its first quantities; one that had begun before is given up."""
    fleet.last_bid_id = asked.bid_id
    block = fleet.begun[0]
    block.bid_id = asked.bid_id
    block.parent_bid_id = asked.parent_bid_id
    block.exclusive_group = asked.exclusive_group
    block.first_product_id = asked.first_product_id
    block.price_ticks = asked.price_ticks
    block.period_count = asked.period_count
    block.side = asked.side
    block.status = OPEN
    block.family_key = family_key(fleet, block)
    for k in range(BLOCK_PERIODS):
        block.lots[k] = 0
        block.awarded_lots[k] = 0
    fleet.begun_periods = 0
    add_run(fleet, asked.quantity_lots, asked.run_periods)


@kernel
def family_key(fleet: Any, block: Any) -> int:
    """Return the key that a block shares with those of which the auction accepts one at most.

    Those are a parent and its child with the other families of the group; a block without a group is alone,
    under its own id, negative.
    """
    if block.parent_bid_id != 0:
        return int(fleet.blocks[place_of(fleet, block.parent_bid_id)].family_key)
    return int(block.exclusive_group) if block.exclusive_group != 0 else -int(block.bid_id)


@kernel
def extend_fault(fleet: Any, run: Any) -> int:
    """Return the reason why these are not the next quantities, or 0."""
    block = fleet.begun[0]
    if fleet.begun_periods == 0 or run.bid_id != block.bid_id:
        return NO_BLOCK_BEGUN
    if run.quantity_lots < 0 or run.quantity_lots > QUANTITY_LIMIT_LOTS:
        return QUANTITY_OUT_OF_RANGE
    is_within = 1 <= run.run_periods <= block.period_count - fleet.begun_periods
    return 0 if is_within else RUN_OUT_OF_RANGE


@kernel
def add_run(fleet: Any, quantity_lots: int, run_periods: int) -> None:
    """Give the block that has begun its next quantities."""
    for k in range(fleet.begun_periods, fleet.begun_periods + run_periods):
        fleet.begun[0].lots[k] = quantity_lots
    fleet.begun_periods += run_periods


# Place.


@kernel
def placing_fault(fleet: Any, begun: Any, now_ns: int) -> int:
    """Return the reason why the block that is whole can't be placed, or 0; time has passed since it began."""
    fault = products_fault(fleet, begun.first_product_id, begun.period_count, now_ns)
    if fault == 0:
        fault = parent_fault(fleet, begun.parent_bid_id)
    if fault:
        return fault
    return 0 if fits(fleet, begun) else ABOVE_FLEET_POWER


@kernel
def fits(fleet: Any, block: Any) -> bool:
    """Tell whether the fleet could run what it owes if this and the other bids were filled."""
    for k in range(block.period_count):
        product_id = block.first_product_id + k
        others = peak_lots(fleet, block.family_key, block.side, product_id)
        product = fleet.products[product_id % PRODUCTS]
        more_w = max(0, block.lots[k] - others) * product.lot_power_w
        if not fits_fleet(fleet, product, block.side, more_w):
            return False
    return True


@kernel
def place(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Keep the block that is whole and tell of it, run by run; return the next free event row."""
    begun = fleet.begun[0]
    is_noted_only = is_shadow(fleet, begun)
    head_event(events[n], command, BLOCK_BID_SHADOWED if is_noted_only else BLOCK_BID_SUBMITTED)
    said = events.view(BLOCK_BID_SUBMITTED_RECORD)[n]
    said.bid_id = begun.bid_id
    said.first_product_id = begun.first_product_id
    said.price_ticks = begun.price_ticks
    said.quantity_lots = begun.lots[0]
    said.parent_bid_id = begun.parent_bid_id
    said.exclusive_group = begun.exclusive_group
    said.period_count = begun.period_count
    said.side = begun.side
    end = run_end(begun, 0)
    said.run_periods = end
    n += 1
    if is_noted_only:
        return n
    keep(fleet, begun)
    while end < begun.period_count:
        first = end
        end = run_end(begun, first)
        head_event(events[n], command, BLOCK_BID_RUN)
        run = events.view(BLOCK_BID_RUN_RECORD)[n]
        run.bid_id = begun.bid_id
        run.quantity_lots = begun.lots[first]
        run.run_periods = end - first
        n += 1
    return n


@kernel
def is_shadow(fleet: Any, block: Any) -> bool:
    """Tell whether one of the block's products is for noting only."""
    for k in range(block.period_count):
        product = fleet.products[(block.first_product_id + k) % PRODUCTS]
        if submit_mode_of(fleet, product) == SUBMIT_SHADOW:
            return True
    return False


@kernel
def run_end(block: Any, first: int) -> int:
    """Return where the run of equal quantities ends that begins at `first`."""
    end = first + 1
    while end < block.period_count and block.lots[end] == block.lots[first]:
        end += 1
    return end


@kernel
def keep(fleet: Any, begun: Any) -> None:
    """Take the block in, and count it among what may become owed."""
    block = fleet.blocks[begun.bid_id % BLOCKS]
    block.status = FREE
    block.bid_id = begun.bid_id
    block.parent_bid_id = begun.parent_bid_id
    block.exclusive_group = begun.exclusive_group
    block.family_key = begun.family_key
    block.first_product_id = begun.first_product_id
    block.price_ticks = begun.price_ticks
    block.period_count = begun.period_count
    block.side = begun.side
    for k in range(BLOCK_PERIODS):
        block.lots[k] = begun.lots[k]
        block.awarded_lots[k] = 0
    expose(fleet, block, 1)
    block.status = OPEN


@kernel
def peak_lots(fleet: Any, key: int, side: int, product_id: int) -> int:
    """Return the most that one family of those with this key trades of a product on a side."""
    most = 0
    for block in fleet.blocks:
        k = product_id - block.first_product_id
        is_family = block.status == OPEN and block.family_key == key and block.side == side
        if is_family and 0 <= k < block.period_count:
            most = max(most, block.lots[k])
    return most


@kernel
def expose(fleet: Any, block: Any, sign: int) -> None:
    """Count what a block adds to its family's others into (1) or out of (-1) what may become owed.

    The block itself is not OPEN meanwhile.
    """
    for k in range(block.period_count):
        product_id = block.first_product_id + k
        others = peak_lots(fleet, block.family_key, block.side, product_id)
        product = fleet.products[product_id % PRODUCTS]
        if block.lots[k] <= others or not desk.knows_product(fleet, product_id):
            continue
        more_w = sign * (block.lots[k] - others) * product.lot_power_w
        first = max(product.first_period, fleet.next_period)
        for period in range(first, product.first_period + product.period_count):
            cell = period_cell(fleet, period)
            if block.side == SELL:
                cell.selling_power_w += more_w
            else:
                cell.buying_power_w += more_w


# Awards and ends.


@kernel
def award_fault(fleet: Any, place: int, award: Any) -> int:
    """Return the reason why a part of a block's award can't be booked, or 0."""
    block = fleet.blocks[place]
    k = award.product_id - block.first_product_id
    if not 0 <= k < block.period_count or award.side != block.side:
        return AWARD_MISMATCH
    fault = open_fault(fleet, place)
    if fault:
        return fault
    product = fleet.products[award.product_id % PRODUCTS]
    if not desk.knows_product(fleet, award.product_id) or product.first_period < fleet.next_period:
        return PERIOD_PAST
    if not desk.is_price(award.price_ticks):
        return PRICE_OUT_OF_RANGE
    if award.quantity_lots <= 0:
        return QUANTITY_OUT_OF_RANGE
    if award.quantity_lots > block.lots[k] - block.awarded_lots[k]:
        return AWARD_ABOVE_BID
    return 0 if can_receive(fleet, desk.award_minor(fleet, award)) else ABOVE_MONEY_LIMIT


@kernel
def record_award(fleet: Any, place: int, award: Any, event: Any) -> None:
    """Turn a part of a block's award into commitments and money; the block stays open until it is ended."""
    block = fleet.blocks[place]
    block.awarded_lots[award.product_id - block.first_product_id] += award.quantity_lots
    desk.book_award(fleet, award, event)


@kernel
def end(fleet: Any, place: int, ending: int, event: Any) -> None:
    """Free the block's place and take it out of what may become owed."""
    block = fleet.blocks[place]
    block.status = FREE
    expose(fleet, block, -1)
    awarded = whole = 0
    for k in range(block.period_count):
        awarded += block.awarded_lots[k]
        whole += block.lots[k]
    event.bid_id = block.bid_id
    event.product_id = block.first_product_id
    event.awarded_lots = awarded
    event.unfilled_lots = whole - awarded
    event.ending = ending
