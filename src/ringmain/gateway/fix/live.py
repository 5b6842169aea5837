"""The orders that are live, by session and number, and what is reported of each: layouts, and the table.

A quote's bid and offer are orders, a block is one, and the legs of a list are ones while they trade.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.exchange.messages import GOOD_FOR_SESSION, LIMIT
from ringmain.exchange.state import ORDERS
from ringmain.gateway.fix.mapping import CANCELLED, CL_ORD_ID_BYTES, ENDS, TRADE

LIVE_ORDERS = ORDERS + 4_096  # the engine's resting orders, and those that one command ends meanwhile
DIRECTORY = 4 * ORDERS
EXECUTION, CANCEL_REFUSED, MASS_CANCEL_ANSWERED = 56, 57, 114  # the report's MsgType: 8, 9, r
QUOTE_ANSWERED, LIST_ANSWERED = 98, 78  # b (or, of a single quote, AI), N
QUIET, ANSWER = 1, 2
PART_OF_BLOCK, WHOLE_BLOCK = 50, 51  # MultiLegReportingType: 2, 3
PRIMES = (0x9E3779B1, 0x85EBCA6B)
SESSION_PRIME, NUMBER_PRIME = PRIMES

LIVE = np.dtype(
    [
        ("number", "i8"),  # session_number of the PlaceOrder
        ("cl_number", "i8"),  # of the command that bears the latest ClOrdID
        ("notional", "i8"),
        ("session_id", "u4"),
        ("account_id", "u4"),
        ("product_id", "u4"),
        ("price_ticks", "i4"),
        ("quantity_lots", "i4"),
        ("cum_lots", "i4"),
        ("next_free", "i4"),
        ("stop_ticks", "i4"),
        ("expires_s", "u4"),
        ("part_product_id", "u4"),  # of a block: the product that it traded in last
        ("part_lots", "i4"),  # and what it has traded there
        ("part_notional", "i8"),
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("has_stop", "u1"),  # whether stop_ticks is what it now is
        ("is_quote", "u1"),  # a side of one
        ("product_count", "u1"),  # of a block, from product_id on; 0: it is none
    ],
    align=True,
)
BOOK = np.dtype(
    [
        ("highest", "i8"),
        ("free", "i8"),
        ("count", "i8"),
        ("quote_session", "i8"),  # whose quote came in last, and its number
        ("quote_number", "i8"),
        ("basket_session", "i8"),  # whose basket was carried out last, and in which command
        ("basket_sequence", "i8"),
        ("directory", "i4", (DIRECTORY,)),
        ("orders", LIVE, (LIVE_ORDERS,)),
    ],
    align=True,
)
REPORT = np.dtype(
    [
        ("position", "i8"),  # on the tape
        ("sequence", "i8"),
        ("time_ns", "i8"),
        ("order_number", "i8"),
        ("cl_number", "i8"),  # whose ClOrdID it goes under
        ("orig_number", "i8"),  # whose ClOrdID stands as OrigClOrdID; 0: none
        ("notional", "i8"),
        ("order_count", "i8"),  # of a mass cancel; of a basket: the place of the leg that is at fault
        ("asked_number", "i8"),  # of ANSWER: one of the request's commands
        ("session_id", "u4"),
        ("account_id", "u4"),
        ("product_id", "u4"),
        ("price_ticks", "i4"),
        ("quantity_lots", "i4"),
        ("cum_lots", "i4"),
        ("leaves_lots", "i4"),
        ("last_ticks", "i4"),
        ("last_lots", "i4"),
        ("stop_ticks", "i4"),
        ("display_lots", "i4"),  # 0: not known to be an iceberg
        ("expires_s", "u4"),
        ("reason", "u2"),
        ("trade_index", "u2"),
        ("kind", "u1"),  # what it tells of, above; 0: no report
        ("execution", "u1"),  # ExecType
        ("status", "u1"),  # OrdStatus
        ("response_to", "u1"),  # CxlRejResponseTo
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("has_stop", "u1"),
        ("is_post_only", "u1"),
        ("restatement", "u1"),  # ExecRestatementReason
        ("role", "u1"),
        ("is_quote", "u1"),
        ("answers", "u1"),  # what its owner is told instead: QUIET nothing, ANSWER all of a request
        ("multileg", "u1"),  # MultiLegReportingType; 0: not of a block
        ("product_count", "u1"),
        ("id_bytes", "u1"),
        ("orig_bytes", "u1"),
        ("list_bytes", "u1"),
        ("cl_ord_id", "u1", (CL_ORD_ID_BYTES,)),
        ("orig_cl_ord_id", "u1", (CL_ORD_ID_BYTES,)),
        ("list_id", "u1", (CL_ORD_ID_BYTES,)),
    ],
    align=True,
)
END_STATUS = np.full(256, CANCELLED, np.uint8)
for _reason, _status in ENDS.items():
    END_STATUS[_reason] = _status


@kernel
def place_of(book: Any, session_id: int, number: int) -> int:
    """Return the directory place where an order is, or would be."""
    mask = DIRECTORY - 1
    mixed = session_id * SESSION_PRIME + number * NUMBER_PRIME
    place = (mixed ^ (mixed >> 15)) & mask
    while book.directory[place] != 0:
        order = book.orders[book.directory[place]]
        if order.number == number and order.session_id == session_id:
            return place
        place = (place + 1) & mask
    return place


@kernel
def home_of(order: Any) -> int:
    """Return the directory place that an order is looked for first."""
    mixed = int(order.session_id) * SESSION_PRIME + int(order.number) * NUMBER_PRIME
    return (mixed ^ (mixed >> 15)) & (DIRECTORY - 1)


@kernel
def take(book: Any, place: int) -> int:
    """Return a free row and note it at a place of the directory; 0 if all are taken."""
    slot = int(book.free)
    if slot != 0:
        book.free = book.orders[slot].next_free
    elif book.highest + 1 < LIVE_ORDERS:
        book.highest += 1
        slot = int(book.highest)
    if slot != 0:
        book.directory[place] = slot
        book.count += 1
    return slot


@kernel
def drop(book: Any, place: int) -> None:
    """Forget the order at a place of the directory; those behind it move up."""
    mask = DIRECTORY - 1
    slot = book.directory[place]
    book.orders[slot].next_free = book.free
    book.orders[slot].number = 0
    book.free = slot
    book.count -= 1
    book.directory[place] = 0
    hole, probe = place, (place + 1) & mask
    while book.directory[probe] != 0:
        home = home_of(book.orders[book.directory[probe]])
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            book.directory[hole] = book.directory[probe]
            book.directory[probe] = 0
            hole = probe
        probe = (probe + 1) & mask


@kernel
def head(report: Any, event: Any, kind: int, position: int) -> None:
    """Give a report what every event bears."""
    report.kind = kind
    report.position = position
    report.sequence = event.head.sequence
    report.time_ns = event.head.time_ns
    report.session_id = event.head.session_id
    report.order_number = event.head.session_number


@kernel
def describe(report: Any, order: Any) -> None:
    """Give a report what is known of its order."""
    report.account_id = order.account_id
    report.product_id = order.product_id
    report.price_ticks = order.price_ticks
    report.quantity_lots = order.quantity_lots
    report.cum_lots = order.cum_lots
    report.notional = order.notional
    report.side = order.side
    report.order_type = order.order_type
    report.time_in_force = order.time_in_force
    report.stop_ticks = order.stop_ticks
    report.expires_s = order.expires_s
    report.has_stop = order.has_stop
    report.cl_number = order.cl_number
    report.is_quote = order.is_quote
    report.product_count = order.product_count
    report.multileg = WHOLE_BLOCK if order.product_count > 0 else 0


@kernel
def note_trade(report: Any, trade: Any) -> None:
    """Give a report what its trade was."""
    report.execution = TRADE
    report.last_ticks = trade.price_ticks
    report.last_lots = trade.quantity_lots
    report.trade_index = trade.trade_index
    report.role = trade.role


@kernel
def take_for_plain(order: Any) -> None:
    """Give an order that is older than the tape the terms of a plain one."""
    order.order_type = LIMIT
    order.time_in_force = GOOD_FOR_SESSION
    order.stop_ticks = 0
    order.expires_s = 0
    order.has_stop = 0
    order.is_quote = 0
    order.product_count = 0
