"""One account: a balance, what is pending on it, and its limits; and the movements between two.

A market embeds :data:`ACCOUNT` in its own state, as many as it names a limit for. Amounts are in
minor units of the account's `unit`: a currency's, or lots of one commodity. A movement takes
from one account what it gives to another, so the balances of a unit always sum to zero.

Two-phase use: `reserve` at the source (a pending debit) or `expect` at the target (a pending
credit), then `post`, or `void_reserved` and `void_expected`. What is pending counts against the
limits, so a later post cannot break them.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel

LIMIT_MINOR = 4_000_000_000_000_000_000  # no balance, pending amount or limit is further from zero

INSUFFICIENT_FUNDS, ABOVE_CEILING, AMOUNT_OUT_OF_RANGE, UNIT_MISMATCH = range(1, 5)  # faults; 0 is none

ACCOUNT = np.dtype(
    [
        ("balance_minor", "i8"),  # credits less debits
        ("reserved_minor", "i8"),  # pending debits
        ("expected_minor", "i8"),  # pending credits
        ("overdraft_minor", "i8"),  # how far below zero the balance may go
        ("ceiling_minor", "i8"),  # how far up it may go
        ("unit", "u4"),  # currency or commodity; two accounts of different units never meet
    ],
    align=True,
)


@kernel
def open_account(account: Any, unit: int, overdraft_minor: int, ceiling_minor: int) -> None:
    """Start an account at zero, with its limits, each from 0 to LIMIT_MINOR."""
    account.unit = unit
    account.balance_minor = 0
    account.reserved_minor = 0
    account.expected_minor = 0
    set_limits(account, overdraft_minor, ceiling_minor)


@kernel
def set_limits(account: Any, overdraft_minor: int, ceiling_minor: int) -> None:
    """Change the limits; what stands beyond them stays, and only the way back is open."""
    assert 0 <= overdraft_minor <= LIMIT_MINOR
    assert 0 <= ceiling_minor <= LIMIT_MINOR
    account.overdraft_minor = overdraft_minor
    account.ceiling_minor = ceiling_minor


@kernel
def free_minor(account: Any) -> int:
    """Return what may still be debited: 0 too when the limit has been lowered beneath what stands."""
    return max(account.balance_minor + account.overdraft_minor - account.reserved_minor, 0)


@kernel
def room_minor(account: Any) -> int:
    """Return what may still be credited before the ceiling."""
    return max(account.ceiling_minor - account.balance_minor - account.expected_minor, 0)


@kernel
def reserve(account: Any, amount_minor: int) -> int:
    """Set an amount aside for a later debit; return a fault, or 0."""
    if amount_minor < 0 or amount_minor > LIMIT_MINOR - account.reserved_minor:
        return AMOUNT_OUT_OF_RANGE
    if amount_minor > free_minor(account):
        return INSUFFICIENT_FUNDS
    account.reserved_minor += amount_minor
    return 0


@kernel
def expect(account: Any, amount_minor: int) -> int:
    """Keep room for a later credit; return a fault, or 0."""
    if amount_minor < 0 or amount_minor > LIMIT_MINOR - account.expected_minor:
        return AMOUNT_OUT_OF_RANGE
    if amount_minor > room_minor(account):
        return ABOVE_CEILING
    account.expected_minor += amount_minor
    return 0


@kernel
def void_reserved(account: Any, amount_minor: int) -> None:
    """Give back what was set aside."""
    assert 0 <= amount_minor <= account.reserved_minor
    account.reserved_minor -= amount_minor


@kernel
def void_expected(account: Any, amount_minor: int) -> None:
    """Give up the room that was kept."""
    assert 0 <= amount_minor <= account.expected_minor
    account.expected_minor -= amount_minor


@kernel
def post(source: Any, target: Any, amount_minor: int) -> None:
    """Debit the source and credit the target; the limits have been seen to before."""
    assert source.unit == target.unit
    assert 0 <= amount_minor <= LIMIT_MINOR
    assert source.balance_minor >= amount_minor - LIMIT_MINOR
    assert target.balance_minor <= LIMIT_MINOR - amount_minor
    source.balance_minor -= amount_minor
    target.balance_minor += amount_minor


@kernel
def transfer_fault(source: Any, target: Any, amount_minor: int) -> int:
    """Return why an amount cannot move from the source to the target, or 0."""
    if source.unit != target.unit:
        return UNIT_MISMATCH
    if amount_minor < 0 or amount_minor > LIMIT_MINOR:
        return AMOUNT_OUT_OF_RANGE
    if amount_minor > free_minor(source):
        return INSUFFICIENT_FUNDS
    if amount_minor > room_minor(target):
        return ABOVE_CEILING
    return 0


@kernel
def transfer(source: Any, target: Any, amount_minor: int) -> int:
    """Move an amount at once if both limits allow it; return a fault, or 0."""
    fault = transfer_fault(source, target, amount_minor)
    if fault == 0:
        post(source, target, amount_minor)
    return fault
