"""Kill switches: of a session, an account, a product, or the whole venue.

What rests is cancelled by one more sweep round the order table, in the name of session 0, however
many sessions it concerns: its MassCancelled, in the name of nobody, says that nothing is left.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import SESSIONS
from ringmain.exchange.kernels.answers import head_answer, reject_setup
from ringmain.exchange.kernels.blocks import NOBODY
from ringmain.exchange.kernels.cancelling import start_sweep, sweep_step
from ringmain.exchange.kernels.products import UNKNOWN, find_product, is_operator
from ringmain.exchange.kernels.timers import set_deadline
from ringmain.exchange.messages import ALL_PRODUCTS, CANCELLATIONS, REJECTIONS
from ringmain.exchange.safeguards_messages import (
    ACCOUNT_SCOPE,
    PRODUCT_SCOPE,
    SESSION_SCOPE,
    VENUE_SCOPE,
    KillSwitchEngaged,
    KillSwitchReleased,
)
from ringmain.exchange.state import ACCOUNTS, PRODUCTS

KILL_SWITCH_ENGAGED, KILL_SWITCH_RELEASED = KillSwitchEngaged.kind, KillSwitchReleased.kind
KILL_SWITCH = CANCELLATIONS["KILL_SWITCH"]
OPERATOR_ONLY, UNKNOWN_PRODUCT = REJECTIONS["OPERATOR_ONLY"], REJECTIONS["UNKNOWN_PRODUCT"]
WRONG_SCOPE, TARGET_OUT_OF_RANGE = REJECTIONS["WRONG_SCOPE"], REJECTIONS["TARGET_OUT_OF_RANGE"]
ALREADY_ENGAGED, NOT_ENGAGED = REJECTIONS["ALREADY_ENGAGED"], REJECTIONS["NOT_ENGAGED"]
KILL_SWITCH_SWEEPING = REJECTIONS["KILL_SWITCH_SWEEPING"]
OFF, ON = 0, 1


@kernel
def engage(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Stop a session, an account, a product or the venue; return the next event row."""
    command = request.engage_kill_switch
    reason = _fault(exchange, request, command)
    if reason == 0 and _position(exchange, command) == ON:
        reason = ALREADY_ENGAGED
    if reason != 0:
        return _reject(events[count], request, command, reason, count)
    exchange.safeguards.are_on = 1
    _throw(exchange, command, ON)
    _report(events[count], request, command, KILL_SWITCH_ENGAGED)
    start_sweep(exchange, NOBODY, ALL_PRODUCTS, 0, KILL_SWITCH, 0)
    count = sweep_step(exchange, request, events, count + 1)
    set_deadline(exchange, request.head.time_ns)
    return count


@kernel
def release(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Let a session, an account, a product or the venue trade again; return the next event row."""
    command = request.release_kill_switch
    reason = _fault(exchange, request, command)
    if reason == 0 and _position(exchange, command) == OFF:
        reason = NOT_ENGAGED
    if reason == 0 and exchange.seats[NOBODY].sweeping:
        reason = KILL_SWITCH_SWEEPING
    if reason != 0:
        return _reject(events[count], request, command, reason, count)
    _throw(exchange, command, OFF)
    _report(events[count], request, command, KILL_SWITCH_RELEASED)
    return count + 1


@kernel
def _fault(exchange: Any, request: Any, command: Any) -> int:
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    scope, target_id = command.scope, command.target_id
    if scope < SESSION_SCOPE or scope > VENUE_SCOPE:
        return WRONG_SCOPE
    if scope == PRODUCT_SCOPE:
        return UNKNOWN_PRODUCT if find_product(exchange, target_id) == UNKNOWN else 0
    if scope == VENUE_SCOPE:
        return TARGET_OUT_OF_RANGE if target_id != 0 else 0
    limit = SESSIONS if scope == SESSION_SCOPE else ACCOUNTS
    return TARGET_OUT_OF_RANGE if target_id == 0 or target_id >= limit else 0


@kernel
def _position(exchange: Any, command: Any) -> int:
    """Return whether the switch is ON or OFF."""
    safeguards, target_id = exchange.safeguards, int(command.target_id)
    if command.scope == SESSION_SCOPE:
        return safeguards.sessions[target_id].is_killed
    if command.scope == ACCOUNT_SCOPE:
        return safeguards.accounts[target_id].is_killed
    if command.scope == PRODUCT_SCOPE:
        return safeguards.products[target_id % PRODUCTS].is_killed
    return safeguards.venue_is_killed


@kernel
def _throw(exchange: Any, command: Any, position: int) -> None:
    safeguards, target_id = exchange.safeguards, int(command.target_id)
    if command.scope == SESSION_SCOPE:
        safeguards.sessions[target_id].is_killed = position
    elif command.scope == ACCOUNT_SCOPE:
        safeguards.accounts[target_id].is_killed = position
    elif command.scope == PRODUCT_SCOPE:
        safeguards.products[target_id % PRODUCTS].is_killed = position
    else:
        safeguards.venue_is_killed = position


@kernel
def _reject(event: Any, request: Any, command: Any, reason: int, count: int) -> int:
    target_id, scope = int(command.target_id), command.scope
    product_id = target_id if scope == PRODUCT_SCOPE else 0
    reject_setup(event, request, product_id, target_id if scope == ACCOUNT_SCOPE else 0, reason)
    return count + 1


@kernel
def _report(event: Any, request: Any, command: Any, kind: int) -> None:
    head_answer(event, request, kind)
    answer = event.kill_switch_engaged  # KillSwitchReleased has the same fields
    answer.target_id = command.target_id
    answer.cause = command.cause
    answer.scope = command.scope
