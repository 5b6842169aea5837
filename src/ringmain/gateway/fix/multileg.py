"""What became of quotes, lists and blocks: kernels beside those that fold single orders."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.messages import CANCELLATIONS, FOK, LIMIT
from ringmain.gateway.fix.live import (
    END_STATUS,
    EXECUTION,
    LIST_ANSWERED,
    PART_OF_BLOCK,
    QUIET,
    QUOTE_ANSWERED,
    describe,
    drop,
    head,
    note_trade,
    place_of,
    take,
    take_for_plain,
)
from ringmain.gateway.fix.mapping import FILLED, NEW, PARTIALLY_FILLED, REJECTED, TRADE

BY_OWNER = CANCELLATIONS["BY_OWNER"]


@kernel
def place_quote(book: Any, event: Any, report: Any, position: int) -> None:
    """A quote is in; its sides follow as orders."""
    book.quote_session = event.head.session_id
    book.quote_number = event.head.session_number
    head(report, event, QUOTE_ANSWERED, position)
    report.answers = QUIET
    report.status = NEW
    report.cl_number = event.head.session_number
    report.product_id = event.quote_placed.product_id
    report.account_id = event.quote_placed.account_id


@kernel
def answer_list(event: Any, report: Any, position: int, reason: int) -> None:
    """A list has been carried out, or, for a reason, has not."""
    head(report, event, LIST_ANSWERED, position)
    report.answers = QUIET
    report.cl_number = event.head.session_number
    report.status = NEW if reason == 0 else REJECTED
    report.reason = reason
    report.order_count = -1


@kernel
def carry_out(book: Any, event: Any, report: Any, position: int) -> None:
    """All legs of a list trade; their fills follow, as takers, of the same command."""
    book.basket_session = event.head.session_id
    book.basket_sequence = event.head.sequence
    answer_list(event, report, position, 0)
    report.account_id = event.basket_executed.account_id


@kernel
def fill_leg(book: Any, place: int, event: Any, report: Any, position: int) -> None:
    """The first fill of a leg: it is an order from now on, until all of it has traded."""
    trade = event.order_filled
    slot = take(book, place) if trade.remaining_lots > 0 else 0
    order = book.orders[slot]
    order.number = event.head.session_number if slot != 0 else 0
    order.session_id = event.head.session_id
    order.cl_number = event.head.session_number
    order.account_id = trade.account_id
    order.product_id = trade.product_id
    order.price_ticks = trade.limit_ticks
    order.quantity_lots = trade.quantity_lots + trade.remaining_lots
    order.cum_lots = trade.quantity_lots
    order.notional = int(trade.price_ticks) * int(trade.quantity_lots)
    order.side = trade.side
    take_for_plain(order)
    order.time_in_force = FOK
    head(report, event, EXECUTION, position)
    describe(report, order)
    note_trade(report, trade)
    report.status = PARTIALLY_FILLED if trade.remaining_lots > 0 else FILLED
    report.leaves_lots = trade.remaining_lots


@kernel
def note_block(order: Any, event: Any, block: Any) -> None:
    """Give an order what a block's events bear."""
    order.number = event.head.session_number
    order.session_id = event.head.session_id
    order.cl_number = event.head.session_number
    order.account_id = block.account_id
    order.product_id = block.first_product_id
    order.price_ticks = block.price_ticks
    order.quantity_lots = block.quantity_lots
    order.cum_lots = 0
    order.notional = 0
    order.part_product_id = 0
    order.part_lots = 0
    order.part_notional = 0
    order.side = block.side
    take_for_plain(order)
    order.order_type = LIMIT
    order.product_count = block.product_count


@kernel
def place_block(book: Any, event: Any, report: Any, position: int) -> None:
    """A block is in."""
    place = place_of(book, int(event.head.session_id), int(event.head.session_number))
    order = book.orders[take(book, place)]
    note_block(order, event, event.block_placed)
    order.time_in_force = event.block_placed.time_in_force
    head(report, event, EXECUTION, position)
    describe(report, order)
    report.execution = NEW
    report.status = NEW
    report.leaves_lots = order.quantity_lots


@kernel
def fill_block(book: Any, event: Any, report: Any, position: int) -> None:
    """All of a block trades; its parts follow, product by product."""
    filled = event.block_filled
    place = place_of(book, int(event.head.session_id), int(event.head.session_number))
    if book.directory[place] == 0:  # older than the tape
        note_block(book.orders[take(book, place)], event, filled)
    order = book.orders[book.directory[place]]
    order.cum_lots = order.quantity_lots
    order.notional = filled.cost_ticks
    head(report, event, EXECUTION, position)
    describe(report, order)
    report.execution = TRADE
    report.status = FILLED
    report.last_lots = filled.quantity_lots
    report.role = filled.role


@kernel
def fill_part(book: Any, place: int, event: Any, report: Any, position: int) -> None:
    """A block has traded in one of its products; with the last one it is done."""
    trade, order = event.order_filled, book.orders[book.directory[place]]
    if order.part_product_id != trade.product_id:
        order.part_product_id = trade.product_id
        order.part_lots = 0
        order.part_notional = 0
    order.part_lots += trade.quantity_lots
    order.part_notional += int(trade.price_ticks) * int(trade.quantity_lots)
    head(report, event, EXECUTION, position)
    describe(report, order)
    note_trade(report, trade)
    report.multileg = PART_OF_BLOCK
    report.product_id = trade.product_id
    report.cum_lots = order.part_lots
    report.notional = order.part_notional
    report.leaves_lots = order.quantity_lots - order.part_lots
    report.status = PARTIALLY_FILLED if report.leaves_lots > 0 else FILLED
    last_product_id = int(order.product_id) + int(order.product_count) - 1
    if trade.product_id == last_product_id and report.leaves_lots == 0:
        drop(book, place)


@kernel
def end_block(book: Any, event: Any, report: Any, position: int) -> None:
    """A block has left, whole."""
    cancelled = event.block_cancelled
    place = place_of(book, int(event.head.session_id), int(event.head.session_number))
    if book.directory[place] == 0:
        note_block(book.orders[take(book, place)], event, cancelled)
    head(report, event, EXECUTION, position)
    describe(report, book.orders[book.directory[place]])
    if book.directory[place] != 0:
        drop(book, place)
    report.execution = END_STATUS[cancelled.reason & 255]
    report.status = report.execution
    report.reason = cancelled.reason
    if cancelled.reason == BY_OWNER and cancelled.command_number > 0:
        report.orig_number = report.cl_number
        report.cl_number = cancelled.command_number
