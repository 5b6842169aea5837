"""What became of each order, folded from the tape: every event about an order is one report.

A report says what its event does and what the event does not: how much of the order has traded in
all, for how much, and which command's ClOrdID it goes under. Orders of all sessions, whatever door
they came by, are folded, because a drop copy tells of all of them.
"""

import os
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np

from ringmain.core.jit import bare, kernel, records
from ringmain.exchange.messages import (
    CANCELLATIONS,
    GOOD_FOR_SESSION,
    LIMIT,
    CancelOrder,
    ClipShown,
    MassCancel,
    MassCancelled,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    PlaceOrder,
    ReplaceOrder,
)
from ringmain.exchange.state import EVENT, ORDERS
from ringmain.gateway.fix.mapping import (
    CANCELLED,
    CL_ORD_ID_BYTES,
    ENDS,
    FILLED,
    HAS_STOP,
    NEW,
    PARTIALLY_FILLED,
    QUANTITY_REDUCED,
    REJECTED,
    REPLACED,
    REPRICED,
    RESTATED,
    TRADE,
    TRIGGERED,
)

PLACE_ORDER, CANCEL_ORDER, REPLACE_ORDER = PlaceOrder.kind, CancelOrder.kind, ReplaceOrder.kind
MASS_CANCEL = MassCancel.kind
ACCEPTED, REFUSED, TRADED, ENDED, CHANGED, SWEPT = (
    record.kind
    for record in (OrderAccepted, OrderRejected, OrderFilled, OrderCancelled, OrderReplaced, MassCancelled)
)
STARTED, SHOWN = OrderTriggered.kind, ClipShown.kind
BY_OWNER = CANCELLATIONS["BY_OWNER"]
LIVE_ORDERS = ORDERS + 4_096  # the engine's resting orders, and those that one command ends meanwhile
DIRECTORY = 4 * ORDERS
EXECUTION, CANCEL_REFUSED, MASS_CANCEL_ANSWERED = 56, 57, 114  # the report's MsgType: 8, 9, r
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
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("has_stop", "u1"),  # whether stop_ticks is what it now is
    ],
    align=True,
)
BOOK = np.dtype(
    [
        ("highest", "i8"),
        ("free", "i8"),
        ("count", "i8"),
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
        ("order_count", "i8"),
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
        ("kind", "u1"),  # EXECUTION, CANCEL_REFUSED or MASS_CANCEL_ANSWERED; 0: no report
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
        ("id_bytes", "u1"),
        ("orig_bytes", "u1"),
        ("cl_ord_id", "u1", (CL_ORD_ID_BYTES,)),
        ("orig_cl_ord_id", "u1", (CL_ORD_ID_BYTES,)),
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


@kernel
def accept(book: Any, event: Any, report: Any, position: int) -> None:
    """An order is in."""
    accepted = event.order_accepted
    session_id, number = int(event.head.session_id), int(event.head.session_number)
    slot = take(book, place_of(book, session_id, number))
    order = book.orders[slot]  # row 0 is nobody's: an order that finds no room is reported, and not kept
    order.number = number
    order.session_id = session_id
    order.cl_number = number
    order.notional = 0
    order.account_id = accepted.account_id
    order.product_id = accepted.product_id
    order.price_ticks = accepted.price_ticks
    order.quantity_lots = accepted.quantity_lots
    order.cum_lots = 0
    order.side = accepted.side
    order.order_type = accepted.order_type
    order.time_in_force = accepted.time_in_force
    order.stop_ticks = accepted.stop_ticks
    order.expires_s = accepted.expires_s
    order.has_stop = HAS_STOP[accepted.order_type]
    head(report, event, EXECUTION, position)
    describe(report, order)
    report.execution = NEW
    report.status = NEW
    report.leaves_lots = accepted.quantity_lots


@kernel
def fill(book: Any, event: Any, report: Any, position: int) -> None:
    """Part of an order has traded."""
    trade = event.order_filled
    place = place_of(book, int(event.head.session_id), int(event.head.session_number))
    order = book.orders[book.directory[place]]
    is_known = book.directory[place] != 0
    if not is_known:  # older than the tape: all that is known is in the event
        order.cl_number = event.head.session_number
        order.notional = 0
        order.cum_lots = 0
        order.account_id = trade.account_id
        order.product_id = trade.product_id
        order.price_ticks = trade.limit_ticks
        order.quantity_lots = trade.quantity_lots + trade.remaining_lots
        order.side = trade.side
        take_for_plain(order)
    order.cum_lots += trade.quantity_lots
    order.notional += int(trade.price_ticks) * int(trade.quantity_lots)
    head(report, event, EXECUTION, position)
    describe(report, order)
    report.execution = TRADE
    report.status = PARTIALLY_FILLED if trade.remaining_lots > 0 else FILLED
    report.leaves_lots = trade.remaining_lots
    report.last_ticks = trade.price_ticks
    report.last_lots = trade.quantity_lots
    report.trade_index = trade.trade_index
    report.role = trade.role
    if is_known and trade.remaining_lots == 0:
        drop(book, place)


@kernel
def end(book: Any, event: Any, report: Any, position: int) -> None:
    """What was open of an order has left the book."""
    cancelled = event.order_cancelled
    place = place_of(book, int(event.head.session_id), int(event.head.session_number))
    slot = book.directory[place]
    head(report, event, EXECUTION, position)
    if slot != 0:
        describe(report, book.orders[slot])
        drop(book, place)
    else:
        report.cl_number = event.head.session_number
        report.account_id = cancelled.account_id
        report.product_id = cancelled.product_id
        report.price_ticks = cancelled.price_ticks
        report.quantity_lots = cancelled.quantity_lots
        report.side = cancelled.side
        report.order_type = LIMIT
        report.time_in_force = GOOD_FOR_SESSION
    report.execution = END_STATUS[cancelled.reason & 255]
    report.status = report.execution
    report.reason = cancelled.reason
    report.orig_number = 0
    if cancelled.reason == BY_OWNER and cancelled.command_number > 0:
        report.orig_number = report.cl_number
        report.cl_number = cancelled.command_number


@kernel
def change(book: Any, event: Any, report: Any, position: int) -> None:
    """An order has a new price or quantity."""
    replaced = event.order_replaced
    place = place_of(book, int(event.head.session_id), int(event.head.session_number))
    order = book.orders[book.directory[place]]
    if book.directory[place] == 0:
        order.cl_number = event.head.session_number
        order.account_id = 0
        order.cum_lots = 0
        order.notional = 0
        order.product_id = replaced.product_id
        order.side = replaced.side
        take_for_plain(order)
    former = order.cl_number
    order.price_ticks = replaced.price_ticks
    order.quantity_lots = order.cum_lots + replaced.quantity_lots
    head(report, event, EXECUTION, position)
    if replaced.command_number > 0:
        order.cl_number = replaced.command_number
        order.has_stop = 0  # it may have another stop price now: the command says which
        report.orig_number = former
        report.execution = REPLACED
    else:
        report.execution = RESTATED
        report.restatement = QUANTITY_REDUCED
    describe(report, order)
    report.status = PARTIALLY_FILLED if order.cum_lots > 0 else NEW
    report.leaves_lots = replaced.quantity_lots


@kernel
def trigger(book: Any, event: Any, report: Any, position: int) -> None:
    """The last price has brought a stop order in."""
    triggered = event.order_triggered
    place = place_of(book, int(event.head.session_id), int(event.head.session_number))
    order = book.orders[book.directory[place]]
    if book.directory[place] == 0:
        order.cl_number = event.head.session_number
        order.account_id = triggered.account_id
        order.cum_lots = 0
        order.notional = 0
        order.product_id = triggered.product_id
        order.price_ticks = triggered.price_ticks
        order.quantity_lots = triggered.quantity_lots
        order.side = triggered.side
        take_for_plain(order)
    head(report, event, EXECUTION, position)
    describe(report, order)
    report.execution = TRIGGERED
    report.status = NEW
    report.leaves_lots = triggered.quantity_lots


@kernel
def reprice(book: Any, event: Any, report: Any, position: int) -> None:
    """An iceberg shows a clip at another price."""
    clip = event.clip_shown
    place = place_of(book, int(event.head.session_id), int(event.head.session_number))
    if book.directory[place] == 0 or clip.shown_lots == 0 or clip.price_ticks == clip.old_price_ticks:
        return
    order = book.orders[book.directory[place]]
    if order.price_ticks == clip.price_ticks:
        return  # a replace has told of it
    order.price_ticks = clip.price_ticks
    head(report, event, EXECUTION, position)
    describe(report, order)
    report.execution = RESTATED
    report.restatement = REPRICED
    report.status = PARTIALLY_FILLED if order.cum_lots > 0 else NEW
    report.leaves_lots = clip.shown_lots + clip.hidden_lots


@kernel
def take_for_plain(order: Any) -> None:
    """Give an order that is older than the tape the terms of a plain one."""
    order.order_type = LIMIT
    order.time_in_force = GOOD_FOR_SESSION
    order.stop_ticks = 0
    order.expires_s = 0
    order.has_stop = 0


@kernel
def refuse(book: Any, event: Any, report: Any, position: int) -> None:
    """A command has changed nothing."""
    rejected = event.order_rejected
    if rejected.rejected_kind == PLACE_ORDER:
        head(report, event, EXECUTION, position)
        report.execution = REJECTED
        report.status = REJECTED
    elif rejected.rejected_kind == MASS_CANCEL:
        head(report, event, MASS_CANCEL_ANSWERED, position)
    else:
        head(report, event, CANCEL_REFUSED, position)
        report.response_to = 49 if rejected.rejected_kind == CANCEL_ORDER else 50
        report.orig_number = rejected.order_number
        place = place_of(book, int(event.head.session_id), int(rejected.order_number))
        report.status = REJECTED
        if book.directory[place] != 0:
            order = book.orders[book.directory[place]]
            report.status = PARTIALLY_FILLED if order.cum_lots > 0 else NEW
        report.order_number = rejected.order_number
    report.product_id = rejected.product_id
    report.cl_number = event.head.session_number
    report.reason = rejected.reason


@kernel
def fold(state: Any, events: Any, position: int, reports: Any) -> int:
    """Fold events of shape (n,), EVENT, the first at `position`; row i of `reports` tells of event i.

    Returns how many events are reported.
    """
    book, count = state[0], 0
    for i in range(events.size):
        event, report = events[i], reports[i]
        kind = event.head.kind
        if kind == ACCEPTED:
            accept(book, event, report, position + i)
        elif kind == TRADED:
            fill(book, event, report, position + i)
        elif kind == ENDED:
            end(book, event, report, position + i)
        elif kind == CHANGED:
            change(book, event, report, position + i)
        elif kind == REFUSED:
            refuse(book, event, report, position + i)
        elif kind == STARTED:
            trigger(book, event, report, position + i)
        elif kind == SHOWN:
            reprice(book, event, report, position + i)
        elif kind == SWEPT and event.mass_cancelled.command_number > 0:  # somebody has asked for it
            head(report, event, MASS_CANCEL_ANSWERED, position + i)
            swept = event.mass_cancelled
            report.cl_number = swept.command_number
            report.product_id = swept.product_id
            report.order_count = swept.order_count
        count += report.kind != 0
    return count


class Orders:
    """The fold, and its checkpoint on the disk.

    Attributes
    ----------
    position : int
        Up to where on the tape it is folded.
    """

    def __init__(self, path: Path, batch_events: int) -> None:
        self._path = path
        self._state = np.zeros(1, BOOK)
        self._kernel_state = bare(records(self._state))
        self._reports = bare(records(np.zeros(batch_events, REPORT)))
        self.position = 0

    def fold(self, events: Any) -> Any:
        """Fold a batch; return its reports, one a row, valid until the next call."""
        reports = self._reports[: events.size]
        reports.view(np.uint8).fill(0)
        fold(self._kernel_state, bare(events).view(EVENT), self.position, reports)
        self.position += events.size
        return reports

    def save(self) -> None:
        """Write a checkpoint, as one step."""
        data = self._state.view(np.uint8)
        crc = google_crc32c.value(data.tobytes())
        temporary = self._path.with_suffix(f".{os.getpid()}")
        with temporary.open("wb") as file:
            file.write(np.array([BOOK.itemsize, self.position, crc], np.int64).tobytes())
            file.write(data.data)
        temporary.replace(self._path)

    def load(self, readable: int) -> bool:
        """Take the checkpoint, if there is a whole one of what is readable on the tape."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return False
        head_words = np.frombuffer(data[:24], np.int64) if len(data) > 24 else np.zeros(3, np.int64)
        body = data[24:]
        if head_words[0] != len(body) or len(body) != BOOK.itemsize or head_words[1] > readable:
            return False
        if google_crc32c.value(body) != head_words[2]:
            return False
        self._state.view(np.uint8)[:] = np.frombuffer(body, np.uint8)
        self.position = int(head_words[1])
        return True
