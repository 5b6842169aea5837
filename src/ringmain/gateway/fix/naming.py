"""Reports and the session they are of: whose ClOrdID each bears, and how its commands now stand.

One message may have asked for several commands. What became of each is noted in its entry, and only the
last one's report has the owner told, of all of them (:mod:`ringmain.gateway.fix.answers`).
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.messages import CANCELLATIONS
from ringmain.gateway.fix.directory import LEG, LIST, ORDERS, QUOTE, QUOTE_CANCEL
from ringmain.gateway.fix.live import (
    ANSWER,
    CANCEL_REFUSED,
    EXECUTION,
    LIST_ANSWERED,
    PART_OF_BLOCK,
    QUIET,
    QUOTE_ANSWERED,
)
from ringmain.gateway.fix.mapping import (
    CANCELLED,
    EXPIRED,
    FILLED,
    HAS_STOP,
    NEW,
    REJECTED,
    REPLACED,
    TRIGGERED,
)
from ringmain.gateway.fix.writing import put_number

BY_OWNER, QUOTE_REPLACED = CANCELLATIONS["BY_OWNER"], CANCELLATIONS["QUOTE_REPLACED"]


@kernel
def name_reports(reports: Any, session_id: int, entries: Any, first: int, last: int) -> None:
    """Put the ClOrdIDs of one session into its reports, and note in its entries how its orders stand.

    Parameters
    ----------
    reports : recarray of REPORT
    entries : recarray of ENTRY, of which rows `first` to `last` (numbers of commands) are there
        Empty for a session that has no FIX store: its orders go under their numbers.
    """
    for i in range(reports.size):
        report = reports[i]
        if report.kind == 0 or report.session_id != session_id:
            continue
        if report.kind == CANCEL_REFUSED:
            if kind_of(report.cl_number, entries, first, last) == QUOTE_CANCEL:
                _note_answer(report, report.cl_number, entries, first)
            _take_original(report, entries, first, last)
        elif report.kind == EXECUTION:
            _note_status(report, entries, first, last)
            if report.is_quote or kind_of(report.cl_number, entries, first, last) == QUOTE_CANCEL:
                _note_side(report, entries, first, last)
        elif report.kind == QUOTE_ANSWERED:
            if kind_of(report.cl_number, entries, first, last) == QUOTE:
                _note_answer(report, report.cl_number, entries, first)
        elif report.kind == LIST_ANSWERED and kind_of(report.cl_number, entries, first, last) == LIST:
            _note_list(report, entries, first)
        report.id_bytes = _put_id(report.cl_ord_id, report.cl_number, entries, first, last)
        if report.orig_number > 0:
            report.orig_bytes = _put_id(report.orig_cl_ord_id, report.orig_number, entries, first, last)


@kernel
def kind_of(number: int, entries: Any, first: int, last: int) -> int:
    """Return what a command is, 0 if it is not of this door."""
    return int(entries[number - first].kind) if first <= number <= last else 0


@kernel
def _note_answer(report: Any, number: int, entries: Any, first: int) -> None:
    """Note what became of one of a request's commands; the last one has its owner told of all."""
    entry = entries[number - first]
    entry.status = report.status
    entry.reason = report.reason
    is_last = number == entry.request_first + entry.request_count - 1
    report.answers = ANSWER if is_last else QUIET
    report.asked_number = number


@kernel
def _note_side(report: Any, entries: Any, first: int, last: int) -> None:
    """A quote's owner is told by the answers to his messages; of a side only what he has not asked for."""
    if report.reason == BY_OWNER and report.execution == CANCELLED:
        if kind_of(report.cl_number, entries, first, last) == QUOTE_CANCEL:
            _note_answer(report, report.cl_number, entries, first)
    elif kind_of(report.cl_number, entries, first, last) == QUOTE and (
        report.execution == NEW or report.reason == QUOTE_REPLACED
    ):
        report.answers = QUIET


@kernel
def _note_list(report: Any, entries: Any, first: int) -> None:
    """A list's legs trade, or none of them does; its owner is told."""
    head = entries[report.cl_number - first]
    head.status = report.status
    head.reason = report.reason
    for place in range(1, int(head.request_count)):
        leg = entries[report.cl_number + place - first]
        leg.status = report.status
        if report.order_count == place - 1:
            leg.reason = report.reason
    report.answers = ANSWER
    report.asked_number = report.cl_number


@kernel
def _take_original(report: Any, entries: Any, first: int, last: int) -> None:
    """A refused cancel or replace names what it named, and how the order stands."""
    if first <= report.cl_number <= last and entries[report.cl_number - first].kind != 0:
        report.orig_number = entries[report.cl_number - first].other_number
    if first <= report.order_number <= last:
        status = entries[report.order_number - first].status
        if status in (FILLED, CANCELLED, EXPIRED):
            report.status = status


@kernel
def _note_status(report: Any, entries: Any, first: int, last: int) -> None:
    if not first <= report.order_number <= last:
        return
    entry = entries[report.order_number - first]
    if entry.kind not in ORDERS:
        return
    if entry.kind == LEG:
        _put_list(report, entries[entry.request_first - first])
    if report.multileg == PART_OF_BLOCK:
        return
    entry.status = report.status
    if report.execution == REJECTED:
        report.side = entry.side
        report.order_type = entry.order_type
        report.time_in_force = entry.time_in_force
        report.quantity_lots = entry.quantity_lots
        report.price_ticks = entry.price_ticks
        report.product_id = entry.product_id
        report.expires_s = entry.expires_s
        _put_terms(report, entry)
        return
    entry.cum_lots = report.cum_lots
    entry.notional = report.notional
    entry.quantity_lots = report.quantity_lots
    entry.price_ticks = report.price_ticks
    if report.execution == TRIGGERED:
        entry.is_triggered = 1
    if report.execution == REPLACED:
        entry.other_number = report.cl_number
        if first <= report.cl_number <= last:
            entry.stop_ticks = entries[report.cl_number - first].stop_ticks
    _put_terms(report, entry)


@kernel
def _put_list(report: Any, head: Any) -> None:
    """A leg's report names its list."""
    report.list_bytes = head.id_bytes
    for i in range(int(head.id_bytes)):
        report.list_id[i] = head.cl_ord_id[i]


@kernel
def _put_terms(report: Any, entry: Any) -> None:
    """Give a report what no event tells of an order's terms."""
    report.stop_ticks = entry.stop_ticks
    report.has_stop = HAS_STOP[entry.order_type]
    report.display_lots = entry.display_lots
    report.is_post_only = entry.is_post_only


@kernel
def _put_id(out: Any, number: int, entries: Any, first: int, last: int) -> int:
    """Write the ClOrdID of a command: its entry's, or its number; return its length."""
    if first <= number <= last:
        entry = entries[number - first]
        if entry.kind != 0:
            for i in range(int(entry.id_bytes)):
                out[i] = entry.cl_ord_id[i]
            return int(entry.id_bytes)
    return put_number(out, 0, number)
