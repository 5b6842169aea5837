"""ClOrdIDs: which command of a session bears which, in kernels over the session's entries.

An entry is what the gateway writes down of a command before it goes to the market: the command
itself, the FIX number that it came under, its ClOrdID, and, for an order, where it now stands.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.gateway.fix.mapping import CL_ORD_ID_BYTES, NEW, PARTIALLY_FILLED

ENTRY = np.dtype(
    [
        ("command", "i8", (8,)),  # as it goes into the ring
        ("in_number", "i8"),  # MsgSeqNum
        ("notional", "i8"),  # of an order: ticks times lots, of all its trades
        ("order_number", "i8"),  # the order that it is about; of an order, itself
        ("other_number", "i8"),  # of an order: who bears its latest ClOrdID; else: whom OrigClOrdID names
        ("request_first", "i8"),  # of several commands that one message asked for: the first one's number
        ("request_at", "i8"),  # and where the message stands in the session's requests
        ("request_count", "u4"),  # and how many they are; 0: it asked for this one alone
        ("epoch", "u4"),  # how often the FIX numbers had begun at 1
        ("cum_lots", "i4"),
        ("quantity_lots", "i4"),  # OrderQty
        ("price_ticks", "i4"),
        ("stop_ticks", "i4"),
        ("display_lots", "i4"),
        ("expires_s", "u4"),
        ("product_id", "u4"),
        ("reason", "u2"),  # of one of several: why the market refused it
        ("id_bytes", "u1"),
        ("kind", "u1"),  # what it is, below; 0: not a command of this door
        ("status", "u1"),  # OrdStatus, 0 while the market has not answered
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("is_post_only", "u1"),
        ("is_triggered", "u1"),  # of a stop order: it waits no longer
        ("cl_ord_id", "u1", (CL_ORD_ID_BYTES,)),
    ],
    align=True,
)
NEW_ORDER, CANCEL_REQUEST, REPLACE_REQUEST, MASS_CANCEL_REQUEST = b"DFGq"  # their MsgType
QUOTE, QUOTE_CANCEL, LIST, LEG, BLOCK = b"iZELB"  # a quote of a message; what begins a list, and its legs
UNNAMED = (QUOTE, QUOTE_CANCEL, LIST)  # what they go under is no ClOrdID
ORDERS = (NEW_ORDER, LEG, BLOCK)
FNV_START, FNV_PRIME = 0x1B873593CC9E2D51, 0x100000001B3
LOW_BITS = 0x7FFFFFFFFFFFFFFF  # so that compiled and plain integers agree


@kernel
def id_hash(text: Any, begin: int, size: int) -> int:
    """Return a hash of some bytes."""
    mixed = FNV_START
    for i in range(size):
        mixed = ((mixed ^ int(text[begin + i])) * FNV_PRIME) & LOW_BITS
    return mixed ^ (mixed >> 29)


@kernel
def is_id(entry: Any, text: Any, begin: int, size: int) -> bool:
    """Tell whether an entry's ClOrdID is these bytes."""
    if entry.id_bytes != size:
        return False
    for i in range(size):  # noqa: SIM110 - kernels know no generators
        if entry.cl_ord_id[i] != text[begin + i]:
            return False
    return True


@kernel
def find_id(directory: Any, entries: Any, first: int, text: Any, begin: int, size: int) -> int:
    """Return the number of the command with that ClOrdID, 0 if there is none.

    Parameters
    ----------
    directory : int64 array, a power of two long, at most half full
        Numbers of commands, 0 where there is none.
    entries : recarray of ENTRY
    first : int
        The number of the command in the first row.
    text : uint8 array
    """
    mask = directory.size - 1
    place = id_hash(text, begin, size) & mask
    while directory[place] != 0:
        if is_id(entries[directory[place] - first], text, begin, size):
            return directory[place]
        place = (place + 1) & mask
    return 0


@kernel
def add_id(directory: Any, text: Any, begin: int, size: int, number: int) -> None:
    """Note whose the ClOrdID is; it is not there yet."""
    mask = directory.size - 1
    place = id_hash(text, begin, size) & mask
    while directory[place] != 0:
        place = (place + 1) & mask
    directory[place] = number


@kernel
def add_all(directory: Any, entries: Any, first: int, begin: int, end: int, epoch: int) -> int:
    """Note the ClOrdIDs of rows `begin` to `end` that still count; return how many.

    Those of this epoch count, and those of orders that still rest.
    """
    count = 0
    for row in range(begin, end):
        entry = entries[row]
        if entry.kind == 0 or entry.kind in UNNAMED:
            continue
        if not (entry.epoch == epoch or rests(entries, first, row)):
            continue
        add_id(directory, entry.cl_ord_id, 0, entry.id_bytes, first + row)
        count += 1
    return count


@kernel
def rests(entries: Any, first: int, row: int) -> bool:
    """Tell whether a row is an order that has not ended, or the latest change of one."""
    order_number = entries[row].order_number
    if not first <= order_number <= first + row or entries[row].kind == CANCEL_REQUEST:
        return False
    status = entries[order_number - first].status
    return entries[order_number - first].kind in ORDERS and status in (0, NEW, PARTIALLY_FILLED)
