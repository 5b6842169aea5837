"""Proposals: taken in, verified to the last lot, and turned into what each market buys and sells.

A proposal is good if

- every zone and period has a price within the auction's bounds;
- an accepted block has at least its minimum ratio, a child at most its parent's ratio, and the ratios
  of an exclusive group sum to 1 at most;
- no accepted block is out of the money with the blocks beneath it: its surplus and that of all its
  accepted descendants sum to 0 or more, so that a child may carry its parent and not the reverse;
- flows keep within capacities, and where two zones' prices differ, the line between them is full,
  towards the dearer;
- in every market the orders at the price can make up the balance.

A block's lots in a period are lots x ratio, rounded to the nearest, a half away from zero.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.dayahead_messages import (
    BOOKING,
    FROZEN,
    PROPOSAL,
    PROPOSAL_FAULTS,
    RATIO_ONE,
    ProposalRejected,
)
from ringmain.exchange.dayahead_state import COUNTING, GENERATIONS, GROUPS, LINES, PERIODS, PRICES
from ringmain.exchange.kernels.answers import head_answer
from ringmain.exchange.kernels.dayahead_answers import enter_phase, reject_auction
from ringmain.exchange.kernels.dayahead_blocks import RATIO_OUT_OF_RANGE, UNKNOWN_BLOCK, find_block
from ringmain.exchange.kernels.dayahead_curves import PRICE_OUT_OF_RANGE, curve_lots
from ringmain.exchange.kernels.dayahead_setup import (
    CAPACITY_OUT_OF_RANGE,
    WRONG_AUCTION_PHASE,
    WRONG_LINE,
    WRONG_PERIOD,
    WRONG_ZONE,
    clear_sums,
    forget_proposal,
    setup_fault,
)
from ringmain.exchange.kernels.timers import set_deadline
from ringmain.exchange.state import LOTS_MAX

PROPOSAL_REJECTED = ProposalRejected.kind
PRICE_MISSING, BLOCK_BELOW_MINIMUM = PROPOSAL_FAULTS["PRICE_MISSING"], PROPOSAL_FAULTS["BLOCK_BELOW_MINIMUM"]
CHILD_ABOVE_PARENT, EXCLUSIVE_GROUP_ABOVE_ONE = (
    PROPOSAL_FAULTS["CHILD_ABOVE_PARENT"],
    PROPOSAL_FAULTS["EXCLUSIVE_GROUP_ABOVE_ONE"],
)
BLOCK_OUT_OF_MONEY = PROPOSAL_FAULTS["BLOCK_OUT_OF_MONEY"]
FLOW_ABOVE_CAPACITY, FLOW_AGAINST_PRICES = (
    PROPOSAL_FAULTS["FLOW_ABOVE_CAPACITY"],
    PROPOSAL_FAULTS["FLOW_AGAINST_PRICES"],
)
NOT_BALANCED = PROPOSAL_FAULTS["NOT_BALANCED"]


@kernel
def propose_price(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Note a price; return the next event row."""
    command, auction = request.propose_price, exchange.dayahead
    reason = setup_fault(exchange, request, command.auction_id, FROZEN, FROZEN)
    if reason == 0 and command.zone >= auction.zone_count:
        reason = WRONG_ZONE
    if reason == 0 and command.period >= auction.period_count:
        reason = WRONG_PERIOD
    if reason == 0 and not auction.price_min_ticks <= command.price_ticks <= auction.price_max_ticks:
        reason = PRICE_OUT_OF_RANGE
    if reason != 0:
        reject_auction(events[count], request, command.auction_id, 0, command.zone, command.period, reason)
        return count + 1
    market = auction.markets[int(command.zone) * PERIODS + int(command.period)]
    market.price_ticks = command.price_ticks
    market.is_priced = 1
    return count


@kernel
def propose_block(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Note a block's ratio; return the next event row."""
    command, auction = request.propose_block, exchange.dayahead
    reason = setup_fault(exchange, request, command.auction_id, FROZEN, FROZEN)
    slot = find_block(auction, int(command.block_id))
    if reason == 0 and slot == 0:
        reason = UNKNOWN_BLOCK
    if reason == 0 and command.ratio_billionths > RATIO_ONE:
        reason = RATIO_OUT_OF_RANGE
    if reason != 0:
        reject_auction(events[count], request, command.auction_id, command.block_id, 0, 0, reason)
        return count + 1
    auction.blocks[slot].ratio = command.ratio_billionths
    return count


@kernel
def propose_flow(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Note a flow; return the next event row."""
    command, auction = request.propose_flow, exchange.dayahead
    reason = setup_fault(exchange, request, command.auction_id, FROZEN, FROZEN)
    line_number = int(command.line)
    if reason == 0 and (line_number >= LINES or auction.lines[line_number].is_defined == 0):
        reason = WRONG_LINE
    if reason == 0 and command.period >= auction.period_count:
        reason = WRONG_PERIOD
    if reason == 0 and not -LOTS_MAX <= command.flow_lots <= LOTS_MAX:
        reason = CAPACITY_OUT_OF_RANGE
    if reason != 0:
        reject_auction(events[count], request, command.auction_id, 0, 0, command.period, reason)
        return count + 1
    auction.lines[line_number].flow_lots[int(command.period)] = command.flow_lots
    return count


@kernel
def commit_proposal(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Verify the proposal; begin to book it, or forget it and say why. Return the next event row."""
    command, auction = request.commit_proposal, exchange.dayahead
    reason = setup_fault(exchange, request, command.auction_id, FROZEN, FROZEN)
    if reason == 0 and request.head.time_ns >= auction.result_ns:
        reason = WRONG_AUCTION_PHASE  # the timer that is due clears the curves alone
    if reason != 0:
        reject_auction(events[count], request, command.auction_id, 0, 0, 0, reason)
        return count + 1
    fault, place, excess_lots = verify(auction)
    if fault != 0:
        _report_fault(auction, fault, place, excess_lots, request, events[count])
        forget_proposal(auction)
        return count + 1
    auction.outcome = PROPOSAL
    auction.welfare_tick_lots = command.welfare_tick_lots
    auction.gap_millionths = command.gap_millionths
    begin_booking(auction, request, events[count])
    set_deadline(exchange, request.head.time_ns)
    return count + 1


@kernel
def begin_booking(auction: Any, request: Any, event: Any) -> None:
    """Let the next timers book what each market has been given."""
    auction.stage = PRICES
    auction.cursor = 0
    auction.due_ns = max(request.head.time_ns, 1)
    enter_phase(auction, BOOKING, request, event)


@kernel
def verify(auction: Any) -> tuple[int, int, int]:
    """Return the first fault of the proposal with its place and excess, or zeros if it is good.

    The place is a block's slot, a line x PERIODS + period, or a market, as the fault has it.
    """
    fault, place = _prices_fault(auction)
    if fault == 0:
        fault, place = _ratios_fault(auction)
    if fault == 0:
        fault, place = _money_fault(auction)
    if fault == 0:
        fault, place = _flows_fault(auction)
    if fault != 0:
        return fault, place, 0
    sum_markets(auction)
    for zone in range(auction.zone_count):
        for period in range(auction.period_count):
            excess_lots = divide_market(auction, zone * PERIODS + period)
            if excess_lots != 0:
                return NOT_BALANCED, zone * PERIODS + period, excess_lots
    return 0, 0, 0


@kernel
def block_part(lots: int, ratio: int) -> int:
    """Return how many of a block's lots a ratio accepts; the sign is kept."""
    part = (abs(lots) * ratio + RATIO_ONE // 2) // RATIO_ONE
    return part if lots >= 0 else -part


@kernel
def own_surplus(auction: Any, slot: int, ratio: int) -> int:
    """Return by how much a block, accepted at a ratio, is better than its limit, in ticks x lots."""
    block = auction.blocks[slot]
    zone, surplus = int(block.zone), 0
    for period in range(int(block.first_period), int(block.first_period) + int(block.period_count)):
        price_ticks = int(auction.markets[zone * PERIODS + period].price_ticks)
        surplus += block_part(int(block.lots[period]), ratio) * (int(block.price_ticks) - price_ticks)
    return surplus


@kernel
def sum_markets(auction: Any) -> None:
    """Sum what curves, blocks and flows do in each market at its price."""
    for zone in range(auction.zone_count):
        for period in range(auction.period_count):
            clear_sums(auction.markets[zone * PERIODS + period])
    for curve in range(1, int(auction.curve_pool.count) + 1):
        _add_curve(auction, curve)
    for slot in range(1, int(auction.block_pool.highest) + 1):
        block = auction.blocks[slot]
        if block.phase == COUNTING and block.ratio > 0:
            _add_block(auction, slot)
    for number in range(LINES):
        line = auction.lines[number]
        if line.is_defined == 1:
            for period in range(auction.period_count):
                flow_lots = int(line.flow_lots[period])
                auction.markets[int(line.from_zone) * PERIODS + period].import_lots -= flow_lots
                auction.markets[int(line.to_zone) * PERIODS + period].import_lots += flow_lots


@kernel
def divide_market(auction: Any, index: int) -> int:
    """Give the orders at the price what makes the balance; return the excess that they cannot make up.

    As much as possible of them trades.
    """
    market = auction.markets[index]
    missing = market.import_lots - market.block_lots - market.bids_sure + market.offers_sure
    if missing > market.bids_marginal:
        return market.bids_marginal - missing
    if missing < -market.offers_marginal:
        return -market.offers_marginal - missing
    market.marginal_bought = min(market.bids_marginal, market.offers_marginal + missing)
    market.marginal_sold = market.marginal_bought - missing
    assert 0 <= market.marginal_bought <= market.bids_marginal
    assert 0 <= market.marginal_sold <= market.offers_marginal
    market.bought_lots += market.bids_sure + market.marginal_bought
    market.sold_lots += market.offers_sure + market.marginal_sold
    assert market.bought_lots - market.sold_lots == market.import_lots
    return 0


@kernel
def _add_curve(auction: Any, curve: int) -> None:
    market = auction.markets[auction.curves[curve].market]
    bids_sure, bids_marginal, offers_sure, offers_marginal = curve_lots(
        auction, curve, int(market.price_ticks)
    )
    market.bids_sure += bids_sure
    market.bids_marginal += bids_marginal
    market.offers_sure += offers_sure
    market.offers_marginal += offers_marginal


@kernel
def _add_block(auction: Any, slot: int) -> None:
    block = auction.blocks[slot]
    zone = int(block.zone)
    for period in range(int(block.first_period), int(block.first_period) + int(block.period_count)):
        part = block_part(int(block.lots[period]), int(block.ratio))
        market = auction.markets[zone * PERIODS + period]
        market.block_lots += part
        if part > 0:
            market.bought_lots += part
        else:
            market.sold_lots -= part


@kernel
def _prices_fault(auction: Any) -> tuple[int, int]:
    for zone in range(auction.zone_count):
        for period in range(auction.period_count):
            if auction.markets[zone * PERIODS + period].is_priced == 0:
                return PRICE_MISSING, zone * PERIODS + period
    return 0, 0


@kernel
def _ratios_fault(auction: Any) -> tuple[int, int]:
    """Look at minimum ratios, links and exclusive groups."""
    for slot in range(GROUPS):
        auction.groups[slot].ratio = 0
    for slot in range(1, int(auction.block_pool.highest) + 1):
        block = auction.blocks[slot]
        if block.phase != COUNTING or block.ratio == 0:
            continue
        if block.ratio < int(block.minimum_permille) * (RATIO_ONE // 1_000):
            return BLOCK_BELOW_MINIMUM, slot
        if block.parent != 0 and block.ratio > auction.blocks[block.parent].ratio:
            return CHILD_ABOVE_PARENT, slot
        if block.group != 0:
            group = auction.groups[block.group]
            group.ratio += block.ratio
            if group.ratio > RATIO_ONE:
                return EXCLUSIVE_GROUP_ABOVE_ONE, slot
    return 0, 0


@kernel
def _money_fault(auction: Any) -> tuple[int, int]:
    """Sum surpluses from the youngest generation up; each accepted block has to come out at 0 or more."""
    highest = int(auction.block_pool.highest)
    oldest = 0
    for slot in range(1, highest + 1):
        block = auction.blocks[slot]
        if block.phase == COUNTING:
            block.surplus = own_surplus(auction, slot, int(block.ratio)) if block.ratio > 0 else 0
            oldest = max(oldest, int(block.generation))
    assert oldest < GENERATIONS
    for generation in range(oldest, -1, -1):
        for slot in range(1, highest + 1):
            block = auction.blocks[slot]
            if block.phase != COUNTING or block.generation != generation or block.ratio == 0:
                continue
            if block.surplus < 0:
                return BLOCK_OUT_OF_MONEY, slot
            if block.parent != 0:
                auction.blocks[block.parent].surplus += block.surplus
    return 0, 0


@kernel
def _flows_fault(auction: Any) -> tuple[int, int]:
    for number in range(LINES):
        line = auction.lines[number]
        if line.is_defined == 0:
            continue
        for period in range(auction.period_count):
            fault = _flow_fault(auction, line, period)
            if fault != 0:
                return fault, number * PERIODS + period
    return 0, 0


@kernel
def _flow_fault(auction: Any, line: Any, period: int) -> int:
    flow_lots = int(line.flow_lots[period])
    if not -line.backward_lots[period] <= flow_lots <= line.forward_lots[period]:
        return FLOW_ABOVE_CAPACITY
    begin_ticks = auction.markets[int(line.from_zone) * PERIODS + period].price_ticks
    end_ticks = auction.markets[int(line.to_zone) * PERIODS + period].price_ticks
    if end_ticks > begin_ticks and flow_lots < line.forward_lots[period]:
        return FLOW_AGAINST_PRICES
    if end_ticks < begin_ticks and flow_lots > -line.backward_lots[period]:
        return FLOW_AGAINST_PRICES
    return 0


@kernel
def _report_fault(auction: Any, fault: int, place: int, excess_lots: int, request: Any, event: Any) -> None:
    head_answer(event, request, PROPOSAL_REJECTED)
    rejected = event.proposal_rejected
    rejected.excess_lots = excess_lots
    rejected.auction_id = auction.auction_id
    rejected.reason = fault
    is_market = fault in (PRICE_MISSING, NOT_BALANCED)
    is_line = fault in (FLOW_ABOVE_CAPACITY, FLOW_AGAINST_PRICES)
    if is_market:
        rejected.zone = place // PERIODS
        rejected.period = place % PERIODS
    elif is_line:
        rejected.line = place // PERIODS
        rejected.period = place % PERIODS
    else:
        rejected.block_id = auction.blocks[place].block_id
        rejected.zone = auction.blocks[place].zone
        rejected.period = auction.blocks[place].first_period
