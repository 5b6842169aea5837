"""Busting a trade or setting its price right: proposed by one session of the operator, approved by another.

A bust moves cash and lots back between the two accounts, a correction the difference of the prices.
Either is refused where an account would be left beyond its credit or its position limit: the
operator changes those first, knowingly. A trade of a product that has been delivered stands, and one of
reserve from when its block begins.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer, reject_setup
from ringmain.exchange.kernels.products import UNKNOWN, find_product, is_operator
from ringmain.exchange.kernels.reserve_rules import has_begun
from ringmain.exchange.kernels.terms import price_fault
from ringmain.exchange.messages import DELIVERING, REJECTIONS
from ringmain.exchange.safeguards_messages import BUST, CORRECT, TradeChanged, TradeChangeProposed
from ringmain.exchange.safeguards_state import PROPOSAL_S, PROPOSALS, TRADES_KEPT
from ringmain.ledger.accounts import LIMIT_MINOR, post, set_limits, transfer_fault

TRADE_CHANGE_PROPOSED, TRADE_CHANGED = TradeChangeProposed.kind, TradeChanged.kind
OPERATOR_ONLY, UNKNOWN_PRODUCT = REJECTIONS["OPERATOR_ONLY"], REJECTIONS["UNKNOWN_PRODUCT"]
WRONG_PHASE, INSUFFICIENT_FUNDS = REJECTIONS["WRONG_PHASE"], REJECTIONS["INSUFFICIENT_FUNDS"]
POSITION_LIMIT_EXCEEDED = REJECTIONS["POSITION_LIMIT_EXCEEDED"]
WRONG_ACTION, UNKNOWN_TRADE = REJECTIONS["WRONG_ACTION"], REJECTIONS["UNKNOWN_TRADE"]
ALREADY_BUSTED, PROPOSALS_FULL = REJECTIONS["ALREADY_BUSTED"], REJECTIONS["PROPOSALS_FULL"]
UNKNOWN_PROPOSAL, PROPOSAL_EXPIRED = REJECTIONS["UNKNOWN_PROPOSAL"], REJECTIONS["PROPOSAL_EXPIRED"]
APPROVED_BY_PROPOSER = REJECTIONS["APPROVED_BY_PROPOSER"]
NOT_THERE = -1
PROPOSAL_NS = PROPOSAL_S * 1_000_000_000


@kernel
def propose(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Note what is to become of a trade, for another session to approve; return the next event row."""
    command, safeguards = request.propose_trade_change, exchange.safeguards
    place, trade_at = _free_place(exchange, request.head.time_ns), NOT_THERE
    reason = 0 if is_operator(exchange, request.head.session_id) else OPERATOR_ONLY
    if reason == 0 and command.action != BUST and command.action != CORRECT:
        reason = WRONG_ACTION
    if reason == 0:
        trade_at = _find_trade(safeguards, command.trade_sequence, command.trade_index)
        reason = _change_fault(exchange, trade_at, command.action, command.price_ticks, request.head.time_ns)
    if reason == 0 and place == NOT_THERE:
        reason = PROPOSALS_FULL
    product_id = int(safeguards.trades[trade_at].product_id) if trade_at != NOT_THERE else 0
    if reason != 0:
        reject_setup(events[count], request, product_id, 0, reason)
        return count + 1
    proposal = safeguards.proposals[place]
    proposal.sequence = request.head.sequence
    proposal.expires_ns = request.head.time_ns + PROPOSAL_NS
    proposal.trade_sequence = command.trade_sequence
    proposal.trade_index = command.trade_index
    proposal.session_id = request.head.session_id
    proposal.price_ticks = command.price_ticks
    proposal.action = command.action
    head_answer(events[count], request, TRADE_CHANGE_PROPOSED)
    answer = events[count].trade_change_proposed
    answer.trade_sequence = command.trade_sequence
    answer.trade_index = command.trade_index
    answer.price_ticks = command.price_ticks
    answer.expires_ns = proposal.expires_ns
    answer.product_id = product_id
    answer.action = command.action
    return count + 1


@kernel
def approve(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Do what another session has proposed; return the next event row."""
    safeguards = exchange.safeguards
    place = _find_proposal(safeguards, request.approve_trade_change.proposal_sequence)
    reason, trade_at = _approval_fault(exchange, request, place), NOT_THERE
    if reason == 0:
        proposal = safeguards.proposals[place]
        trade_at = _find_trade(safeguards, proposal.trade_sequence, proposal.trade_index)
        reason = _change_fault(
            exchange, trade_at, proposal.action, proposal.price_ticks, request.head.time_ns
        )
    if reason != 0:
        product_id = int(safeguards.trades[trade_at].product_id) if trade_at != NOT_THERE else 0
        reject_setup(events[count], request, product_id, 0, reason)
        return count + 1
    proposal, trade = safeguards.proposals[place], safeguards.trades[trade_at]
    amount_minor = _owed_to_buyer(exchange, trade, proposal.action, proposal.price_ticks)
    lots = int(trade.lots) if proposal.action == BUST else 0
    _move(exchange, trade, amount_minor, lots)
    _report(events[count], request, trade, proposal.action, trade.buyer_id, amount_minor, -lots)
    _report(events[count + 1], request, trade, proposal.action, trade.seller_id, -amount_minor, lots)
    if proposal.action == BUST:
        trade.is_busted = 1
    else:
        trade.price_ticks = proposal.price_ticks
    proposal.sequence = 0
    return count + 2


@kernel
def _approval_fault(exchange: Any, request: Any, place: int) -> int:
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    if place == NOT_THERE:
        return UNKNOWN_PROPOSAL
    proposal = exchange.safeguards.proposals[place]
    if proposal.expires_ns < request.head.time_ns:
        return PROPOSAL_EXPIRED
    return APPROVED_BY_PROPOSER if proposal.session_id == request.head.session_id else 0


@kernel
def _change_fault(exchange: Any, trade_at: int, action: int, price_ticks: int, now_ns: int) -> int:
    """Return why a trade cannot be undone or have another price, or 0."""
    if trade_at == NOT_THERE:
        return UNKNOWN_TRADE
    trade = exchange.safeguards.trades[trade_at]
    if trade.is_busted:
        return ALREADY_BUSTED
    slot = find_product(exchange, trade.product_id)
    if slot == UNKNOWN:
        return UNKNOWN_PRODUCT
    product = exchange.products[slot]
    if product.phase == DELIVERING or has_begun(exchange, slot, now_ns):
        return WRONG_PHASE
    if action == CORRECT:
        reason = price_fault(product, price_ticks)
        if reason != 0:
            return reason
    less_ticks = int(trade.price_ticks) if action == BUST else int(trade.price_ticks) - int(price_ticks)
    if abs(less_ticks) > LIMIT_MINOR // (int(product.value_minor) * int(trade.lots)):
        return INSUFFICIENT_FUNDS
    if trade.buyer_id == trade.seller_id:
        return 0
    buyer, seller = exchange.participants[trade.buyer_id], exchange.participants[trade.seller_id]
    amount_minor = _owed_to_buyer(exchange, trade, action, price_ticks)
    if amount_minor > 0 and transfer_fault(seller.cash, buyer.cash, amount_minor) != 0:
        return INSUFFICIENT_FUNDS
    if amount_minor < 0 and transfer_fault(buyer.cash, seller.cash, -amount_minor) != 0:
        return INSUFFICIENT_FUNDS
    if action == CORRECT:
        return 0
    received = exchange.positions[exchange.position_at[slot, trade.buyer_id]].lots
    given = exchange.positions[exchange.position_at[slot, trade.seller_id]].lots
    set_limits(received, buyer.short_limit_lots, buyer.long_limit_lots)
    set_limits(given, seller.short_limit_lots, seller.long_limit_lots)
    return POSITION_LIMIT_EXCEEDED if transfer_fault(received, given, trade.lots) != 0 else 0


@kernel
def _owed_to_buyer(exchange: Any, trade: Any, action: int, price_ticks: int) -> int:
    """Return what the seller pays back, or below zero what the buyer pays on top."""
    value_minor = int(exchange.products[find_product(exchange, trade.product_id)].value_minor)
    less_ticks = int(trade.price_ticks) if action == BUST else int(trade.price_ticks) - int(price_ticks)
    return less_ticks * value_minor * int(trade.lots)


@kernel
def _move(exchange: Any, trade: Any, amount_minor: int, lots: int) -> None:
    """Move cash from the seller to the buyer, and lots the other way."""
    slot = find_product(exchange, trade.product_id)
    buyer, seller = exchange.participants[trade.buyer_id].cash, exchange.participants[trade.seller_id].cash
    if amount_minor >= 0:
        post(seller, buyer, amount_minor)
    else:
        post(buyer, seller, -amount_minor)
    received = exchange.positions[exchange.position_at[slot, trade.buyer_id]].lots
    given = exchange.positions[exchange.position_at[slot, trade.seller_id]].lots
    post(received, given, lots)


@kernel
def _find_trade(safeguards: Any, sequence: int, trade_index: int) -> int:
    """Return the place of a trade that is kept, or NOT_THERE."""
    for place in range(min(safeguards.trade_count, TRADES_KEPT)):
        trade = safeguards.trades[place]
        if trade.sequence == sequence and trade.trade_index == trade_index:
            return place
    return NOT_THERE


@kernel
def _find_proposal(safeguards: Any, sequence: int) -> int:
    for place in range(PROPOSALS):
        if sequence > 0 and safeguards.proposals[place].sequence == sequence:
            return place
    return NOT_THERE


@kernel
def _free_place(exchange: Any, now_ns: int) -> int:
    """Forget the proposals that nobody has approved in time; return the first free place, or NOT_THERE."""
    free = NOT_THERE
    for place in range(PROPOSALS - 1, -1, -1):
        proposal = exchange.safeguards.proposals[place]
        if proposal.expires_ns < now_ns:
            proposal.sequence = 0
        if proposal.sequence == 0:
            free = place
    return free


@kernel
def _report(
    event: Any,
    request: Any,
    trade: Any,
    action: int,
    account_id: int,
    amount_minor: int,
    position_change_lots: int,
) -> None:
    head_answer(event, request, TRADE_CHANGED)
    changed = event.trade_changed
    changed.trade_sequence = trade.sequence
    changed.amount_minor = amount_minor
    changed.trade_index = trade.trade_index
    changed.position_change_lots = position_change_lots
    changed.product_id = trade.product_id
    changed.account_id = account_id
    changed.action = action
