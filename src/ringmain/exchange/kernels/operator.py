"""What the operator, account 0, does to accounts. Cash that comes in is debited to account 0."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import reject_setup, report_account
from ringmain.exchange.kernels.products import is_operator
from ringmain.exchange.messages import REJECTIONS
from ringmain.exchange.state import ACCOUNTS, CASH, CREDIT_MINOR_MAX, DEPOSITS_MINOR_MAX, POSITION_LOTS_MAX
from ringmain.ledger.accounts import LIMIT_MINOR, open_account, set_limits, transfer

OPERATOR = 0
OPERATOR_ONLY, ACCOUNT_NOT_OPEN = REJECTIONS["OPERATOR_ONLY"], REJECTIONS["ACCOUNT_NOT_OPEN"]
ACCOUNT_OUT_OF_RANGE, LIMIT_OUT_OF_RANGE = (
    REJECTIONS["ACCOUNT_OUT_OF_RANGE"],
    REJECTIONS["LIMIT_OUT_OF_RANGE"],
)
AMOUNT_OUT_OF_RANGE, INSUFFICIENT_FUNDS = REJECTIONS["AMOUNT_OUT_OF_RANGE"], REJECTIONS["INSUFFICIENT_FUNDS"]


@kernel
def open_operator(exchange: Any) -> None:
    """Open the account that stands for the world outside: it owes what participants have paid in."""
    open_account(exchange.participants[OPERATOR].cash, CASH, DEPOSITS_MINOR_MAX, LIMIT_MINOR)


@kernel
def open_participant(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Open an account or change its limits; return the next event row."""
    command = request.open_account
    reason = _limits_fault(exchange, request)
    if reason != 0:
        reject_setup(events[count], request, 0, command.account_id, reason)
        return count + 1
    participant = exchange.participants[command.account_id]
    if participant.open == 0:
        participant.open = 1
        open_account(participant.cash, CASH, command.credit_minor, LIMIT_MINOR)
    set_limits(participant.cash, command.credit_minor, LIMIT_MINOR)
    participant.long_limit_lots = command.long_limit_lots
    participant.short_limit_lots = command.short_limit_lots
    participant.may_balance = 1 if command.may_balance != 0 else 0
    report_account(events[count], request, command.account_id, participant.cash, 0)
    return count + 1


@kernel
def deposit(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Credit cash to an account; return the next event row."""
    account_id, amount_minor = request.deposit.account_id, request.deposit.amount_minor
    reason = _cash_fault(exchange, request, account_id, amount_minor)
    if reason == 0:
        outside, cash = exchange.participants[OPERATOR].cash, exchange.participants[account_id].cash
        reason = 0 if transfer(outside, cash, amount_minor) == 0 else AMOUNT_OUT_OF_RANGE
    return _answer_cash(exchange, request, account_id, amount_minor, reason, events, count)


@kernel
def withdraw(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Debit free cash from an account; return the next event row."""
    account_id, amount_minor = request.withdraw.account_id, request.withdraw.amount_minor
    reason = _cash_fault(exchange, request, account_id, amount_minor)
    if reason == 0:
        outside, cash = exchange.participants[OPERATOR].cash, exchange.participants[account_id].cash
        reason = 0 if transfer(cash, outside, amount_minor) == 0 else INSUFFICIENT_FUNDS
    change_minor = -amount_minor if reason == 0 else 0
    return _answer_cash(exchange, request, account_id, change_minor, reason, events, count)


@kernel
def _answer_cash(
    exchange: Any, request: Any, account_id: int, change_minor: int, reason: int, events: Any, count: int
) -> int:
    if reason != 0:
        reject_setup(events[count], request, 0, account_id, reason)
    else:
        report_account(
            events[count], request, account_id, exchange.participants[account_id].cash, change_minor
        )
    return count + 1


@kernel
def _cash_fault(exchange: Any, request: Any, account_id: int, amount_minor: int) -> int:
    reason = _account_fault(exchange, request, account_id)
    if reason == 0 and amount_minor <= 0:
        return AMOUNT_OUT_OF_RANGE
    return reason


@kernel
def _account_fault(exchange: Any, request: Any, account_id: int) -> int:
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    if account_id == OPERATOR or account_id >= ACCOUNTS:
        return ACCOUNT_OUT_OF_RANGE
    if exchange.participants[account_id].open == 0:
        return ACCOUNT_NOT_OPEN
    return 0


@kernel
def _limits_fault(exchange: Any, request: Any) -> int:
    command = request.open_account
    reason = _account_fault(exchange, request, command.account_id)
    if reason != 0 and reason != ACCOUNT_NOT_OPEN:
        return reason
    if command.credit_minor < 0 or command.credit_minor > CREDIT_MINOR_MAX:
        return LIMIT_OUT_OF_RANGE
    if command.long_limit_lots < 0 or command.long_limit_lots > POSITION_LOTS_MAX:
        return LIMIT_OUT_OF_RANGE
    if command.short_limit_lots < 0 or command.short_limit_lots > POSITION_LOTS_MAX:
        return LIMIT_OUT_OF_RANGE
    return 0
