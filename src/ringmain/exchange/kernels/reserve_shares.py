"""Each seller's part of what is called of a reserve product: shared, told, counted, settled.

Shares are pro rata by position. They are rounded cumulatively in the order of account numbers: those of
the first so many sellers are together what is due to all of them, rounded down; so they add up.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer
from ringmain.exchange.kernels.timers import MILLISECOND_NS
from ringmain.exchange.reserve_messages import (
    ReserveActivated,
    ReserveBilled,
    ReserveLevelSet,
    ReserveSettled,
)
from ringmain.exchange.reserve_state import LOT_MS_PER_MINOR, SHARES_SETTLED_PER_STEP, SHARES_TOLD_PER_STEP
from ringmain.exchange.state import ACCOUNTS
from ringmain.ledger.accounts import post, void_reserved

RESERVE_ACTIVATED, RESERVE_LEVEL_SET = ReserveActivated.kind, ReserveLevelSet.kind
RESERVE_SETTLED, RESERVE_BILLED = ReserveSettled.kind, ReserveBilled.kind


@kernel
def sold_lots(exchange: Any, slot: int, account_id: int) -> int:
    """Return what an account has sold of a product, net; of the buyer, below zero."""
    index = exchange.position_at[slot, account_id]
    return -int(exchange.positions[index].lots.balance_minor) if index != 0 else 0


@kernel
def share_of(level_lots: int, before_lots: int, sold: int, all_lots: int) -> int:
    """Return the part of a level that falls to a seller; those before it have sold `before_lots`."""
    return level_lots * (before_lots + sold) // all_lots - level_lots * before_lots // all_lots


@kernel
def count_energy(exchange: Any, slot: int, now_ns: int) -> None:
    """Count what has been called up to now, or up to the level's end."""
    held = exchange.reserves[slot]
    now_ms = min(now_ns, int(held.until_ns)) // MILLISECOND_NS
    if held.level_lots == 0 or now_ms <= held.since_ms:
        return
    duration_ms = now_ms - int(held.since_ms)
    for account_id in range(1, ACCOUNTS):
        share = exchange.shares[exchange.position_at[slot, account_id]]
        if share.lots > 0:
            share.activated_lot_ms += int(share.lots) * duration_ms
    held.activated_lot_ms += int(held.level_lots) * duration_ms
    held.since_ms = now_ms


@kernel
def set_level(exchange: Any, slot: int, lots: int, now_ns: int, until_ns: int) -> None:
    """Share a level among the sellers from now on; whoever it changes something for is to be told."""
    held, before_lots = exchange.reserves[slot], 0
    held.level_lots = lots
    held.until_ns = until_ns
    held.since_ms = now_ns // MILLISECOND_NS
    held.untold = ACCOUNTS - 1
    all_lots = -sold_lots(exchange, slot, int(held.buyer_account_id))
    for account_id in range(1, ACCOUNTS):
        sold = sold_lots(exchange, slot, account_id)
        if sold > 0:
            share = exchange.shares[exchange.position_at[slot, account_id]]
            share.lots = share_of(lots, before_lots, sold, all_lots)
            before_lots += sold
    assert before_lots == all_lots


@kernel
def end_level(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """End a level whose time has come; return the next event row."""
    until_ns = int(exchange.reserves[slot].until_ns)
    count_energy(exchange, slot, until_ns)
    set_level(exchange, slot, 0, until_ns, until_ns)
    report_level(exchange, slot, request, events[count])
    return tell_shares(exchange, slot, request, events, count + 1)


@kernel
def tell_shares(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Tell a portion of the sellers their shares, in turn; return the next event row."""
    held, end = exchange.reserves[slot], count + SHARES_TOLD_PER_STEP
    while held.untold > 0 and count < end:
        account_id = int(held.next_told)
        index = exchange.position_at[slot, account_id]
        if index != 0 and _is_news(exchange.shares[index], held):
            _report_share(exchange, slot, request, account_id, events[count])
            count += 1
        held.next_told = account_id + 1 if account_id + 1 < ACCOUNTS else 1
        held.untold -= 1
    return count


@kernel
def _is_news(share: Any, held: Any) -> bool:
    return share.lots != share.told_lots or (share.lots > 0 and share.told_until_ns != held.until_ns)


@kernel
def is_settled(exchange: Any, slot: int) -> bool:
    """Tell whether every seller has its money."""
    return exchange.reserves[slot].next_settled == ACCOUNTS


@kernel
def settle_shares(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Pay a portion of the sellers, each amount rounded down; after the last the buyer has the rest back."""
    held, end = exchange.reserves[slot], count + SHARES_SETTLED_PER_STEP
    while held.next_settled < ACCOUNTS and count < end:
        account_id = int(held.next_settled)
        index = exchange.position_at[slot, account_id]
        if index != 0:
            count = _settle_share(exchange, slot, request, account_id, index, events, count)
        held.next_settled += 1
    if held.next_settled == ACCOUNTS:
        void_reserved(exchange.participants[held.buyer_account_id].cash, held.set_aside_minor)
        held.set_aside_minor = 0
        if held.activated_lot_ms > 0:
            _report_billed(exchange, slot, request, events[count])
            count += 1
    return count


@kernel
def _settle_share(
    exchange: Any, slot: int, request: Any, account_id: int, index: int, events: Any, count: int
) -> int:
    held, share = exchange.reserves[slot], exchange.shares[index]
    energy_lot_ms = int(share.activated_lot_ms)
    assert share.lots == 0
    share.activated_lot_ms = 0
    share.told_until_ns = 0
    share.told_lots = 0
    if energy_lot_ms == 0:
        return count
    amount_minor = int(held.activation_ticks) * energy_lot_ms // LOT_MS_PER_MINOR
    cash = exchange.participants[held.buyer_account_id].cash
    void_reserved(cash, amount_minor)
    post(cash, exchange.participants[account_id].cash, amount_minor)
    held.set_aside_minor -= amount_minor
    held.paid_minor += amount_minor
    head_answer(events[count], request, RESERVE_SETTLED)
    settled = events[count].reserve_settled
    settled.amount_minor = amount_minor
    settled.activated_lot_ms = energy_lot_ms
    settled.product_id = exchange.products[slot].product_id
    settled.account_id = account_id
    return count + 1


@kernel
def report_level(exchange: Any, slot: int, request: Any, event: Any) -> None:
    """Write what is called of a product from now on."""
    held = exchange.reserves[slot]
    head_answer(event, request, RESERVE_LEVEL_SET)
    level = event.reserve_level_set
    level.until_ns = held.until_ns
    level.set_aside_minor = held.set_aside_minor
    level.product_id = exchange.products[slot].product_id
    level.account_id = held.buyer_account_id
    level.quantity_lots = held.level_lots


@kernel
def _report_share(exchange: Any, slot: int, request: Any, account_id: int, event: Any) -> None:
    """Write a seller's share, and note that it has been told."""
    held, share = exchange.reserves[slot], exchange.shares[exchange.position_at[slot, account_id]]
    share.told_lots = share.lots
    share.told_until_ns = held.until_ns
    head_answer(event, request, RESERVE_ACTIVATED)
    told = event.reserve_activated
    told.until_ns = held.until_ns
    told.product_id = exchange.products[slot].product_id
    told.account_id = account_id
    told.quantity_lots = share.lots
    told.activation_ticks = held.activation_ticks


@kernel
def _report_billed(exchange: Any, slot: int, request: Any, event: Any) -> None:
    held = exchange.reserves[slot]
    head_answer(event, request, RESERVE_BILLED)
    billed = event.reserve_billed
    billed.amount_minor = held.paid_minor
    billed.activated_lot_ms = held.activated_lot_ms
    billed.product_id = exchange.products[slot].product_id
    billed.account_id = held.buyer_account_id
