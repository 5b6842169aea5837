"""The exchange as the core runs it: commands in, events out."""

from typing import Any

from ringmain.core.engine import Market
from ringmain.core.jit import kernel
from ringmain.core.messages import CLOSE_SESSION, OPEN_SESSION, TIMER
from ringmain.exchange.fees_messages import SetFees
from ringmain.exchange.kernels.answers import reject_order
from ringmain.exchange.kernels.baskets import add_leg, begin_basket, drop_basket
from ringmain.exchange.kernels.block_entry import place_block
from ringmain.exchange.kernels.blocks import cancel_blocks_of
from ringmain.exchange.kernels.cancelling import SESSION_CLOSED, start_sweep, sweep_step
from ringmain.exchange.kernels.dayahead import (
    carry_out_dayahead,
    expire_unless_held,
    is_dayahead,
    schedule_unless_held,
)
from ringmain.exchange.kernels.dayahead_blocks import drop_filling
from ringmain.exchange.kernels.dayahead_booking import auction_is_due, run_auction
from ringmain.exchange.kernels.entry import cancel, mass_cancel, place, replace
from ringmain.exchange.kernels.guards import admit
from ringmain.exchange.kernels.kill_switch import engage, release
from ringmain.exchange.kernels.lookahead import look_ahead
from ringmain.exchange.kernels.operator import deposit, open_operator, open_participant, withdraw
from ringmain.exchange.kernels.phases import run_timers
from ringmain.exchange.kernels.products import (
    define,
    end_balancing,
    schedule_calls,
    set_rules,
    switch,
)
from ringmain.exchange.kernels.protection import reset_protection, set_protection, withdraw_quotes
from ringmain.exchange.kernels.quotes import allow_quoting, place_quote
from ringmain.exchange.kernels.reserve import activate
from ringmain.exchange.kernels.reserve_terms import set_reserve_terms
from ringmain.exchange.kernels.safeguards import (
    assign_group,
    enter_guarded,
    set_order_limits,
    set_order_rate,
    set_order_to_trade,
    set_volatility,
)
from ringmain.exchange.kernels.tariff import set_fees
from ringmain.exchange.kernels.timers import set_deadline
from ringmain.exchange.kernels.trade_changes import approve, propose
from ringmain.exchange.messages import (
    ALL_PRODUCTS,
    BALANCING,
    CONTINUOUS,
    HALTED,
    CancelOrder,
    DefineProduct,
    Deposit,
    EndBalancing,
    ExpireProduct,
    HaltProduct,
    MassCancel,
    OpenAccount,
    PlaceOrder,
    ReplaceOrder,
    ResumeProduct,
    ScheduleCalls,
    ScheduleProduct,
    SetProductRules,
    StartBalancing,
    Withdraw,
    schema,
)
from ringmain.exchange.multileg_messages import (
    AddBasketLeg,
    AllowQuoting,
    BeginBasket,
    PlaceBlock,
    PlaceQuote,
    ResetQuoteProtection,
    SetQuoteProtection,
)
from ringmain.exchange.reserve_messages import ActivateReserve, SetReserveTerms
from ringmain.exchange.safeguards_messages import (
    ApproveTradeChange,
    AssignProductGroup,
    EngageKillSwitch,
    ProposeTradeChange,
    ReleaseKillSwitch,
    SetOrderLimits,
    SetOrderRate,
    SetOrderToTrade,
    SetVolatilityRange,
)
from ringmain.exchange.state import COMMAND, EVENT, EVENTS_PER_COMMAND, EXCHANGE

PLACE_ORDER, CANCEL_ORDER, REPLACE_ORDER = PlaceOrder.kind, CancelOrder.kind, ReplaceOrder.kind
MASS_CANCEL, OPEN_ACCOUNT, DEPOSIT, WITHDRAW = MassCancel.kind, OpenAccount.kind, Deposit.kind, Withdraw.kind
DEFINE_PRODUCT, SCHEDULE_PRODUCT = DefineProduct.kind, ScheduleProduct.kind
HALT_PRODUCT, RESUME_PRODUCT = HaltProduct.kind, ResumeProduct.kind
SET_PRODUCT_RULES, SCHEDULE_CALLS = SetProductRules.kind, ScheduleCalls.kind
START_BALANCING, END_BALANCING = StartBalancing.kind, EndBalancing.kind
EXPIRE_PRODUCT = ExpireProduct.kind
BEGIN_BASKET, ADD_BASKET_LEG, PLACE_BLOCK = BeginBasket.kind, AddBasketLeg.kind, PlaceBlock.kind
ALLOW_QUOTING, PLACE_QUOTE = AllowQuoting.kind, PlaceQuote.kind
SET_QUOTE_PROTECTION, RESET_QUOTE_PROTECTION = SetQuoteProtection.kind, ResetQuoteProtection.kind
FIRST_MULTILEG, LAST_MULTILEG = 32, 47
ENGAGE_KILL_SWITCH, RELEASE_KILL_SWITCH = EngageKillSwitch.kind, ReleaseKillSwitch.kind
SET_ORDER_LIMITS, ASSIGN_PRODUCT_GROUP = SetOrderLimits.kind, AssignProductGroup.kind
SET_VOLATILITY_RANGE, SET_ORDER_RATE = SetVolatilityRange.kind, SetOrderRate.kind
SET_ORDER_TO_TRADE, PROPOSE_TRADE_CHANGE = SetOrderToTrade.kind, ProposeTradeChange.kind
APPROVE_TRADE_CHANGE = ApproveTradeChange.kind
FIRST_SAFEGUARD, LAST_SAFEGUARD = 64, 95
SET_FEES = SetFees.kind
SET_RESERVE_TERMS, ACTIVATE_RESERVE = SetReserveTerms.kind, ActivateReserve.kind


def start(state: Any) -> None:
    """Turn a zeroed state into an exchange without products, with the operator's account alone."""
    open_operator(state[0])


@kernel
def apply(state: Any, commands: Any, events: Any) -> tuple[int, int]:
    """Apply commands in order; return how many were used and how many events were written."""
    exchange = state[0]
    requests, answers = commands.view(COMMAND), events.view(EVENT)
    count = 0
    for i in range(requests.size):
        if answers.size - count < EVENTS_PER_COMMAND:
            return i, count
        look_ahead(exchange.matching, requests, i)
        end = count + EVENTS_PER_COMMAND
        count = _carry_out(exchange, requests[i], answers, count)
        if exchange.quoting.withdrawals > 0:
            count = withdraw_quotes(exchange, requests[i], answers, count, end)
    return requests.size, count


@kernel
def _carry_out(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Answer one command; return the next event row."""
    kind = request.head.kind
    if exchange.safeguards.are_on and kind in (PLACE_ORDER, REPLACE_ORDER):
        return enter_guarded(exchange, request, events, count)
    if kind == PLACE_ORDER:
        return place(exchange, request, events, count)
    if kind == CANCEL_ORDER:
        return cancel(exchange, request, events, count)
    if kind == REPLACE_ORDER:
        return replace(exchange, request, events, count)
    return _carry_out_rare(exchange, request, kind, events, count)


@kernel
def _carry_out_rare(exchange: Any, request: Any, kind: int, events: Any, count: int) -> int:
    if kind == TIMER and auction_is_due(exchange, request.head.time_ns):
        return run_auction(exchange, request, events, count)
    if kind == TIMER:
        return run_timers(exchange, request, events, count)
    if kind == MASS_CANCEL:
        count = mass_cancel(exchange, request, events, count)
        set_deadline(exchange, request.head.time_ns)
        return count
    if kind == OPEN_SESSION:
        return _open_session(exchange, request.open_session, count)
    if kind == CLOSE_SESSION:
        return _close_session(exchange, request, events, count)
    if FIRST_MULTILEG <= kind <= LAST_MULTILEG:
        return _carry_out_multileg(exchange, request, kind, events, count)
    if FIRST_SAFEGUARD <= kind <= LAST_SAFEGUARD:
        return _carry_out_safeguard(exchange, request, kind, events, count)
    return _carry_out_setup(exchange, request, kind, events, count)


@kernel
def _carry_out_safeguard(exchange: Any, request: Any, kind: int, events: Any, count: int) -> int:
    if kind == ENGAGE_KILL_SWITCH:
        return engage(exchange, request, events, count)
    if kind == RELEASE_KILL_SWITCH:
        return release(exchange, request, events, count)
    if kind == SET_ORDER_LIMITS:
        return set_order_limits(exchange, request, events, count)
    if kind == ASSIGN_PRODUCT_GROUP:
        return assign_group(exchange, request, events, count)
    if kind == SET_VOLATILITY_RANGE:
        return set_volatility(exchange, request, events, count)
    if kind == SET_ORDER_RATE:
        return set_order_rate(exchange, request, events, count)
    if kind == SET_ORDER_TO_TRADE:
        return set_order_to_trade(exchange, request, events, count)
    if kind == PROPOSE_TRADE_CHANGE:
        return propose(exchange, request, events, count)
    assert kind == APPROVE_TRADE_CHANGE
    return approve(exchange, request, events, count)


@kernel
def _carry_out_multileg(exchange: Any, request: Any, kind: int, events: Any, count: int) -> int:
    if kind == SET_QUOTE_PROTECTION:
        return set_protection(exchange, request, events, count)
    if kind == RESET_QUOTE_PROTECTION:
        return reset_protection(exchange, request, events, count)
    if exchange.safeguards.are_on and kind != ALLOW_QUOTING:
        reason, count = admit(exchange, request, events, count)
        if reason != 0:
            reject_order(events[count], request, 0, 0, reason)
            return count + 1
    if kind == BEGIN_BASKET:
        return begin_basket(exchange, request, events, count)
    if kind == ADD_BASKET_LEG:
        return add_leg(exchange, request, events, count)
    if kind == PLACE_BLOCK:
        return place_block(exchange, request, events, count)
    if kind == PLACE_QUOTE:
        return place_quote(exchange, request, events, count)
    assert kind == ALLOW_QUOTING
    return allow_quoting(exchange, request, events, count)


@kernel
def _carry_out_setup(exchange: Any, request: Any, kind: int, events: Any, count: int) -> int:
    if is_dayahead(kind):
        return carry_out_dayahead(exchange, request, kind, events, count)
    if kind == OPEN_ACCOUNT:
        return open_participant(exchange, request, events, count)
    if kind == DEPOSIT:
        return deposit(exchange, request, events, count)
    if kind == WITHDRAW:
        return withdraw(exchange, request, events, count)
    if kind == DEFINE_PRODUCT:
        return define(exchange, request, events, count)
    if kind == SCHEDULE_PRODUCT:
        return schedule_unless_held(exchange, request, events, count)
    if kind == SET_PRODUCT_RULES:
        return set_rules(exchange, request, events, count)
    if kind == SCHEDULE_CALLS:
        return schedule_calls(exchange, request, events, count)
    if kind == SET_FEES:
        return set_fees(exchange, request, events, count)
    if kind == SET_RESERVE_TERMS:
        return set_reserve_terms(exchange, request, events, count)
    if kind == ACTIVATE_RESERVE:
        return activate(exchange, request, events, count)
    return _carry_out_switch(exchange, request, kind, events, count)


@kernel
def _carry_out_switch(exchange: Any, request: Any, kind: int, events: Any, count: int) -> int:
    if kind == HALT_PRODUCT:
        return switch(exchange, request, request.halt_product.product_id, CONTINUOUS, HALTED, events, count)
    if kind == RESUME_PRODUCT:
        return switch(exchange, request, request.resume_product.product_id, HALTED, CONTINUOUS, events, count)
    if kind == START_BALANCING:
        product_id = request.start_balancing.product_id
        return switch(exchange, request, product_id, CONTINUOUS, BALANCING, events, count)
    if kind == END_BALANCING:
        return end_balancing(exchange, request, events, count)
    assert kind == EXPIRE_PRODUCT
    return expire_unless_held(exchange, request, events, count)


@kernel
def _open_session(exchange: Any, opening: Any, count: int) -> int:
    seat = exchange.seats[opening.session_id]
    seat.account_id = opening.account_id
    seat.cancel_on_disconnect = opening.cancel_on_disconnect
    return count


@kernel
def _close_session(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Forget what the session was preparing, and cancel what rests of one that asked for it."""
    session_id = request.head.session_id
    seat = exchange.seats[session_id]
    count = drop_basket(exchange, request, SESSION_CLOSED, events, count)
    drop_filling(exchange.dayahead, request.head.session_id)
    if seat.cancel_on_disconnect == 0:
        return count
    start_sweep(exchange, session_id, ALL_PRODUCTS, seat.last_order_number, SESSION_CLOSED, 0)
    count = cancel_blocks_of(exchange, request, ALL_PRODUCTS, SESSION_CLOSED, 0, events, count)
    count = sweep_step(exchange, request, events, count)
    set_deadline(exchange, request.head.time_ns)
    return count


MARKET = Market(schema, EXCHANGE, start, apply, EVENTS_PER_COMMAND)
