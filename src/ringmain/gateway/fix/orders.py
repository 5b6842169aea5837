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
    TAKER,
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
from ringmain.exchange.multileg_messages import (
    AddBasketLeg,
    BasketDropped,
    BasketExecuted,
    BasketRejected,
    BeginBasket,
    BlockCancelled,
    BlockFilled,
    BlockPlaced,
    PlaceBlock,
    PlaceQuote,
    QuotePlaced,
)
from ringmain.exchange.state import EVENT
from ringmain.gateway.fix.live import (
    BOOK,
    CANCEL_REFUSED,
    END_STATUS,
    EXECUTION,
    LIST_ANSWERED,
    MASS_CANCEL_ANSWERED,
    QUIET,
    QUOTE_ANSWERED,
    REPORT,
    WHOLE_BLOCK,
    describe,
    drop,
    head,
    note_trade,
    place_of,
    take,
    take_for_plain,
)
from ringmain.gateway.fix.mapping import (
    FILLED,
    HAS_STOP,
    NEW,
    PARTIALLY_FILLED,
    QUANTITY_REDUCED,
    REJECTED,
    REPLACED,
    REPRICED,
    RESTATED,
    TRIGGERED,
)
from ringmain.gateway.fix.multileg import (
    answer_list,
    carry_out,
    end_block,
    fill_block,
    fill_leg,
    fill_part,
    place_block,
    place_quote,
)

PLACE_ORDER, CANCEL_ORDER, REPLACE_ORDER = PlaceOrder.kind, CancelOrder.kind, ReplaceOrder.kind
MASS_CANCEL = MassCancel.kind
ACCEPTED, REFUSED, TRADED, ENDED, CHANGED, SWEPT = (
    record.kind
    for record in (OrderAccepted, OrderRejected, OrderFilled, OrderCancelled, OrderReplaced, MassCancelled)
)
STARTED, SHOWN, QUOTED = OrderTriggered.kind, ClipShown.kind, QuotePlaced.kind
CARRIED_OUT, LIST_REFUSED, LIST_DROPPED = BasketExecuted.kind, BasketRejected.kind, BasketDropped.kind
BLOCK_IN, BLOCK_TRADED, BLOCK_ENDED = BlockPlaced.kind, BlockFilled.kind, BlockCancelled.kind
PLACE_QUOTE, PLACE_BLOCK, BEGIN_LIST, ADD_LEG = (
    record.kind for record in (PlaceQuote, PlaceBlock, BeginBasket, AddBasketLeg)
)
BY_OWNER = CANCELLATIONS["BY_OWNER"]


@kernel
def accept(book: Any, event: Any, report: Any, position: int) -> None:
    """An order is in."""
    accepted = event.order_accepted
    session_id, number = int(event.head.session_id), int(event.head.session_number)
    slot = take(book, place_of(book, session_id, number))
    order = book.orders[slot]  # row 0 is nobody's: an order that finds no room is reported, and not kept
    order.number = number
    order.session_id = session_id
    is_own = book.quote_session == session_id and book.quote_number == number  # the quote before it
    order.is_quote = 1 if number < 0 or is_own else 0
    order.cl_number = abs(number)
    order.product_count = 0
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
    if is_known and order.product_count > 0:
        fill_part(book, place, event, report, position)
        return
    is_of_basket = event.head.sequence == book.basket_sequence and trade.role == TAKER
    if not is_known and is_of_basket and event.head.session_id == book.basket_session:
        fill_leg(book, place, event, report, position)
        return
    if not is_known:  # older than the tape: all that is known is in the event
        order.cl_number = abs(event.head.session_number)
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
    note_trade(report, trade)
    report.status = PARTIALLY_FILLED if trade.remaining_lots > 0 else FILLED
    report.leaves_lots = trade.remaining_lots
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
        report.cl_number = abs(event.head.session_number)
        report.is_quote = 1 if event.head.session_number < 0 else 0
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
def refuse(book: Any, event: Any, report: Any, position: int) -> None:
    """A command has changed nothing."""
    rejected = event.order_rejected
    kind = rejected.rejected_kind
    if kind in (PLACE_ORDER, PLACE_BLOCK):
        head(report, event, EXECUTION, position)
        report.execution = REJECTED
        report.status = REJECTED
        report.multileg = WHOLE_BLOCK if kind == PLACE_BLOCK else 0
    elif kind == MASS_CANCEL:
        head(report, event, MASS_CANCEL_ANSWERED, position)
    elif kind in (PLACE_QUOTE, BEGIN_LIST, ADD_LEG):
        head(report, event, QUOTE_ANSWERED if kind == PLACE_QUOTE else LIST_ANSWERED, position)
        report.answers = QUIET
        report.status = REJECTED
    elif kind in (CANCEL_ORDER, REPLACE_ORDER):
        refuse_change(book, event, report, position)
    report.product_id = rejected.product_id
    report.cl_number = event.head.session_number
    report.reason = rejected.reason


@kernel
def refuse_change(book: Any, event: Any, report: Any, position: int) -> None:
    """A cancel or a replace has changed nothing; it names its order."""
    rejected = event.order_rejected
    head(report, event, CANCEL_REFUSED, position)
    report.response_to = 49 if rejected.rejected_kind == CANCEL_ORDER else 50
    report.orig_number = rejected.order_number
    place = place_of(book, int(event.head.session_id), int(rejected.order_number))
    report.status = REJECTED
    if book.directory[place] != 0:
        order = book.orders[book.directory[place]]
        report.status = PARTIALLY_FILLED if order.cum_lots > 0 else NEW
    report.order_number = rejected.order_number


@kernel
def is_live(state: Any, session_id: int, number: int) -> bool:
    """Tell whether an order is open, as far as the tape is folded."""
    book = state[0]
    return bool(book.directory[place_of(book, session_id, number)] != 0)


@kernel
def fold_multileg(book: Any, event: Any, report: Any, position: int) -> None:
    """Fold an event about a quote, a list or a block; none that is about anything else."""
    kind = event.head.kind
    if kind == QUOTED:
        place_quote(book, event, report, position)
    elif kind == CARRIED_OUT:
        carry_out(book, event, report, position)
    elif kind == LIST_REFUSED:
        rejected = event.basket_rejected
        answer_list(event, report, position, int(rejected.reason))
        report.order_count = rejected.leg_index
    elif kind == LIST_DROPPED:
        answer_list(event, report, position, int(event.basket_dropped.reason))
    elif kind == BLOCK_IN:
        place_block(book, event, report, position)
    elif kind == BLOCK_TRADED:
        fill_block(book, event, report, position)
    elif kind == BLOCK_ENDED:
        end_block(book, event, report, position)


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
        else:
            fold_multileg(book, event, report, position + i)
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

    def is_live(self, session_id: int, number: int) -> bool:
        """Tell whether an order is open; a quote's offer has its number's negative."""
        return bool(is_live(self._kernel_state, session_id, number))

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
