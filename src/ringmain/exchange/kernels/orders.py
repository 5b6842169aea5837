"""Resting orders: their slots, and the directory that finds one by its name.

The directory is open-addressed with linear probing; a deletion moves later entries back, so
there are no tombstones. Each bucket keeps its entry's home, so that orders are seldom touched.
"""

from typing import Any

from ringmain.core.jit import kernel, leaf
from ringmain.exchange.kernels.expiries import NEVER, strike_expiry
from ringmain.exchange.state import BUCKETS, ORDERS, PROBES

LAST_BUCKET = BUCKETS - 1
RUN_SHIFT = 4  # so many numbers of a session lie side by side, for they come one after the other
RUN = 2**RUN_SHIFT
FOLD_SHIFT, FOLD = 31, 2**31 - 1
GOLDEN = 0x9E3779B1  # Fibonacci hashing: Knuth, The Art of Computer Programming, volume 3, 6.4
LOW_WORD = 2**32 - 1
HASH_SHIFT = 32 - (LAST_BUCKET >> RUN_SHIFT).bit_length()
SESSION_SPREAD = 0x632BE5


@leaf
def home_of(session_id: int, session_number: int) -> int:
    """Return the bucket where an order's name belongs."""
    high, low = session_number >> FOLD_SHIFT, (session_number & FOLD) >> RUN_SHIFT
    mixed = (low + (high & FOLD) + int(session_id) * SESSION_SPREAD) & FOLD
    return (((mixed * GOLDEN) & LOW_WORD) >> HASH_SHIFT) * RUN + session_number % RUN


@leaf
def orders_full(matching: Any, session_id: int, session_number: int) -> bool:
    """Tell whether there is no room for an order of this name."""
    return (
        matching.order_pool.count >= ORDERS - 1 or _run_length(matching, session_id, session_number) >= PROBES
    )


@leaf
def find_order(matching: Any, session_id: int, session_number: int) -> int:
    """Return the slot of a resting order, or 0."""
    home = home_of(session_id, session_number)
    bucket = home
    while True:
        entry = matching.directory[bucket]
        if entry.order == 0:
            return 0
        if entry.home == home:
            order = matching.orders[entry.order]
            if order.session_number == session_number and order.session_id == session_id:
                return entry.order
        bucket = (bucket + 1) & LAST_BUCKET


@leaf
def take_order(matching: Any, session_id: int, session_number: int, account_id: int, self_trade: int) -> int:
    """Return a slot for a new order, entered into the directory; the caller has asked `orders_full`."""
    pool = matching.order_pool
    slot = pool.free
    if slot == 0:
        pool.highest += 1
        slot = pool.highest
    else:
        pool.free = matching.orders[slot].next
    pool.count += 1
    assert slot < ORDERS
    order = matching.orders[slot]
    order.session_id = session_id
    order.session_number = session_number
    order.account_id = account_id
    order.self_trade = self_trade
    _enter(matching, slot)
    return slot


@leaf
def give_order(matching: Any, slot: int) -> None:
    """Free the slot of an order that hangs on no level."""
    assert matching.orders[slot].level == 0
    if matching.orders[slot].is_special:
        _forget_special(matching, slot)
    _strike(matching, slot)
    matching.orders[slot].lots = 0
    matching.orders[slot].next = matching.order_pool.free
    matching.order_pool.free = slot
    matching.order_pool.count -= 1


@leaf
def open_lots(matching: Any, slot: int) -> int:
    """Return an order's open quantity, hidden lots included."""
    lots = int(matching.orders[slot].lots)
    return lots + int(matching.specials[slot].hidden_lots) if matching.orders[slot].is_special else lots


@kernel
def _forget_special(matching: Any, slot: int) -> None:
    special = matching.specials[slot]
    if special.expires_ns != NEVER:
        strike_expiry(matching, slot)
    special.expires_ns = NEVER
    special.hidden_lots = 0
    special.display_lots = 0
    special.clip_step_ticks = 0
    special.limit_ticks = 0
    special.expiry_place = 0
    special.order_type = 0
    special.time_in_force = 0
    special.post_only = 0
    special.balancing = 0
    special.is_waiting = 0
    matching.orders[slot].is_special = 0


@leaf
def _run_length(matching: Any, session_id: int, session_number: int) -> int:
    """Return how many taken buckets there are from a name's home on, up to PROBES."""
    bucket = home_of(session_id, session_number)
    length = 0
    while length < PROBES and matching.directory[bucket].order != 0:
        bucket = (bucket + 1) & LAST_BUCKET
        length += 1
    return length


@leaf
def _enter(matching: Any, slot: int) -> None:
    order = matching.orders[slot]
    home = home_of(order.session_id, order.session_number)
    bucket = home
    while matching.directory[bucket].order != 0:
        bucket = (bucket + 1) & LAST_BUCKET
    matching.directory[bucket].order = slot
    matching.directory[bucket].home = home


@leaf
def _strike(matching: Any, slot: int) -> None:
    """Take an order's entry out, and move back what stood further from home because of it."""
    order = matching.orders[slot]
    directory = matching.directory
    hole = home_of(order.session_id, order.session_number)
    while directory[hole].order != slot:
        hole = (hole + 1) & LAST_BUCKET
    bucket = (hole + 1) & LAST_BUCKET
    while directory[bucket].order != 0:
        from_home = (bucket - directory[bucket].home) & LAST_BUCKET
        if from_home >= (bucket - hole) & LAST_BUCKET:
            directory[hole].order = directory[bucket].order
            directory[hole].home = directory[bucket].home
            hole = bucket
        bucket = (bucket + 1) & LAST_BUCKET
    directory[hole].order = 0
    directory[hole].home = 0
