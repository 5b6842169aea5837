"""The events that the kernels write, one leaf each."""

from typing import Any

from ringmain.core.jit import kernel, leaf
from ringmain.core.sessions import head_event
from ringmain.exchange.kernels.levels import side_of
from ringmain.exchange.messages import (
    AccountChanged,
    ClipShown,
    MassCancelled,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    PhaseChanged,
    SetupRejected,
)

ORDER_ACCEPTED, ORDER_REJECTED, ORDER_FILLED = OrderAccepted.kind, OrderRejected.kind, OrderFilled.kind
ORDER_CANCELLED, ORDER_REPLACED, MASS_CANCELLED = OrderCancelled.kind, OrderReplaced.kind, MassCancelled.kind
CLIP_SHOWN = ClipShown.kind
SETUP_REJECTED, ACCOUNT_CHANGED, PHASE_CHANGED = SetupRejected.kind, AccountChanged.kind, PhaseChanged.kind


@leaf
def head_answer(event: Any, request: Any, kind: int) -> None:
    """Give an event the header of the command that it answers."""
    head_event(event.head, request.head, kind)


@leaf
def head_order(event: Any, request: Any, kind: int, session_id: int, session_number: int) -> None:
    """Give an event about an order the header of its cause, under the order's own name."""
    head_event(event.head, request.head, kind)
    event.head.session_id = session_id
    event.head.session_number = session_number


@leaf
def report_fill(
    event: Any,
    request: Any,
    session_id: int,
    session_number: int,
    account_id: int,
    product_id: int,
    ladder: int,
    role: int,
    trade_index: int,
    price_ticks: int,
    limit_ticks: int,
    quantity_lots: int,
    remaining_lots: int,
    shown_lots: int,
) -> None:
    """Write one side of a trade."""
    head_order(event, request, ORDER_FILLED, session_id, session_number)
    fill = event.order_filled
    fill.price_ticks = price_ticks
    fill.quantity_lots = quantity_lots
    fill.limit_ticks = limit_ticks
    fill.remaining_lots = remaining_lots
    fill.shown_lots = shown_lots
    fill.product_id = product_id
    fill.account_id = account_id
    fill.trade_index = trade_index
    fill.side = side_of(ladder)
    fill.role = role


@leaf
def report_accepted(event: Any, request: Any, account_id: int, price_ticks: int, shown_lots: int) -> None:
    """Write that a PlaceOrder is in, at its limit or at the worst price of its market range."""
    head_answer(event, request, ORDER_ACCEPTED)
    accepted, order = event.order_accepted, request.place_order
    accepted.price_ticks = price_ticks
    accepted.quantity_lots = order.quantity_lots
    accepted.product_id = order.product_id
    accepted.account_id = account_id
    accepted.side = order.side
    accepted.order_type = order.order_type
    accepted.time_in_force = order.time_in_force
    accepted.self_trade = order.self_trade
    accepted.expires_s = order.expires_s
    accepted.stop_ticks = order.stop_ticks
    accepted.shown_lots = shown_lots


@leaf
def report_cancelled(
    event: Any,
    request: Any,
    session_id: int,
    session_number: int,
    account_id: int,
    product_id: int,
    side: int,
    price_ticks: int,
    quantity_lots: int,
    shown_lots: int,
    reason: int,
    command_number: int,
) -> None:
    """Write that what is open of an order leaves the book."""
    head_order(event, request, ORDER_CANCELLED, session_id, session_number)
    cancelled = event.order_cancelled
    cancelled.command_number = command_number
    cancelled.price_ticks = price_ticks
    cancelled.quantity_lots = quantity_lots
    cancelled.shown_lots = shown_lots
    cancelled.product_id = product_id
    cancelled.account_id = account_id
    cancelled.reason = reason
    cancelled.side = side


@kernel
def report_replaced(
    event: Any,
    request: Any,
    session_id: int,
    session_number: int,
    product_id: int,
    side: int,
    price_ticks: int,
    quantity_lots: int,
    old_price_ticks: int,
    old_quantity_lots: int,
    priority_kept: bool,
    is_shown: bool,
    command_number: int,
) -> None:
    """Write an order's new price and open quantity."""
    head_order(event, request, ORDER_REPLACED, session_id, session_number)
    replaced = event.order_replaced
    replaced.command_number = command_number
    replaced.price_ticks = price_ticks
    replaced.quantity_lots = quantity_lots
    replaced.old_price_ticks = old_price_ticks
    replaced.old_quantity_lots = old_quantity_lots
    replaced.product_id = product_id
    replaced.side = side
    replaced.priority_kept = 1 if priority_kept else 0
    replaced.is_shown = 1 if is_shown else 0


@kernel
def report_clip(
    event: Any,
    request: Any,
    order: Any,
    product_id: int,
    side: int,
    price_ticks: int,
    shown_lots: int,
    hidden_lots: int,
    old_price_ticks: int,
    old_shown_lots: int,
) -> None:
    """Write what an iceberg order shows now, and what it showed before."""
    head_order(event, request, CLIP_SHOWN, order.session_id, order.session_number)
    clip = event.clip_shown
    clip.price_ticks = price_ticks
    clip.shown_lots = shown_lots
    clip.hidden_lots = hidden_lots
    clip.old_price_ticks = old_price_ticks
    clip.old_shown_lots = old_shown_lots
    clip.product_id = product_id
    clip.account_id = order.account_id
    clip.side = side


@kernel
def reject_order(event: Any, request: Any, product_id: int, order_number: int, reason: int) -> None:
    """Write that a participant's command changed nothing."""
    head_answer(event, request, ORDER_REJECTED)
    rejected = event.order_rejected
    rejected.order_number = order_number
    rejected.product_id = product_id
    rejected.rejected_kind = request.head.kind
    rejected.reason = reason


@kernel
def reject_setup(event: Any, request: Any, product_id: int, account_id: int, reason: int) -> None:
    """Write that an operator's command changed nothing."""
    head_answer(event, request, SETUP_REJECTED)
    rejected = event.setup_rejected
    rejected.product_id = product_id
    rejected.account_id = account_id
    rejected.rejected_kind = request.head.kind
    rejected.reason = reason


@kernel
def report_account(event: Any, request: Any, account_id: int, cash: Any, amount_minor: int) -> None:
    """Write an account's cash and credit after the operator changed one of them."""
    head_answer(event, request, ACCOUNT_CHANGED)
    changed = event.account_changed
    changed.amount_minor = amount_minor
    changed.balance_minor = cash.balance_minor
    changed.credit_minor = cash.overdraft_minor
    changed.account_id = account_id


@kernel
def report_phase(event: Any, request: Any, product_id: int, phase: int, previous_phase: int) -> None:
    """Write a product's new phase."""
    head_answer(event, request, PHASE_CHANGED)
    changed = event.phase_changed
    changed.product_id = product_id
    changed.phase = phase
    changed.previous_phase = previous_phase
