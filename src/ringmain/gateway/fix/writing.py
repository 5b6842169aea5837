"""Reports to bytes, in kernels: each report is written as its FIX message."""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel, leaf
from ringmain.exchange.messages import AUCTION, BUY, GOOD_TILL_DATE, MARKET_TO_LIMIT, REJECTIONS
from ringmain.gateway.fix.live import ANSWER, CANCEL_REFUSED, EXECUTION, QUIET, WHOLE_BLOCK
from ringmain.gateway.fix.mapping import (
    AVERAGE_DECIMALS,
    EXCHANGE_OPTION,
    IS_PRICED,
    LIQUIDITY,
    MARKET_OPTION,
    NEW,
    NO_SYMBOL,
    ORDER_REJECT_REASONS,
    POST_ONLY,
    PRICE_DECIMALS,
    QUANTITY_DECIMALS,
    REASON_LENGTHS,
    REASON_TEXTS,
    REJECTED,
    RESTATED,
    SIDE_CHARACTERS,
    TIME_CHARACTERS,
    TOO_LATE,
    TRADE,
    TRIGGERED,
    TYPE_CHARACTERS,
    UNKNOWN_ORDER,
)

SOH, EQUALS, ZERO, MINUS, POINT, ONE, SEVEN, YES = 1, 61, 48, 45, 46, 49, 55, 89
MESSAGE_ROOM = 1_024  # no report is longer
AVERAGE_SCALE = 10 ** (AVERAGE_DECIMALS - PRICE_DECIMALS)
NO_SUCH_ORDER = REJECTIONS["UNKNOWN_ORDER"]
NO_SUCH_PRODUCT = REJECTIONS["UNKNOWN_PRODUCT"]
NANOSECONDS, DAY_S = 1_000_000_000, 86_400
ALL_ACCOUNTS = -1  # nobody's drop copy
POST_ONLY_CODE = ord(POST_ONLY)
LIQUIDITY_CODES = np.array(LIQUIDITY, np.int64)
NO_SYMBOL_TEXT = np.frombuffer(NO_SYMBOL, np.uint8)
PRICE_MOVEMENT, ACTIVATE, LAST_TRADE, UP, DOWN = b"412UD"  # 1100, 1101, 1107, 1109


# Writing into a byte array: each takes the place to write at and returns the place behind.


@kernel
def put_number(out: Any, at: int, value: int) -> int:
    """Write an integer."""
    if value < 0:
        out[at] = MINUS
        at, value = at + 1, -value
    digits, rest = 1, value // 10
    while rest > 0:
        digits, rest = digits + 1, rest // 10
    place = at + digits
    for _ in range(digits):
        place -= 1
        out[place] = ZERO + value % 10
        value //= 10
    return at + digits


@kernel
def put_padded(out: Any, at: int, value: int, digits: int) -> int:
    """Write an integer with leading zeros."""
    for place in range(at + digits - 1, at - 1, -1):
        out[place] = ZERO + value % 10
        value //= 10
    return at + digits


@kernel
def put_bytes(out: Any, at: int, text: Any, size: int) -> int:
    """Copy bytes."""
    for i in range(size):
        out[at + i] = text[i]
    return at + size


@leaf
def put_tag(out: Any, at: int, tag: int) -> int:
    """Begin a field."""
    at = put_number(out, at, tag)
    out[at] = EQUALS
    return at + 1


@leaf
def put_end(out: Any, at: int) -> int:
    """End a field."""
    out[at] = SOH
    return at + 1


@leaf
def put_char(out: Any, at: int, tag: int, value: int) -> int:
    """Write a field of one character."""
    at = put_tag(out, at, tag)
    out[at] = value
    return put_end(out, at + 1)


@leaf
def put_int(out: Any, at: int, tag: int, value: int) -> int:
    """Write a field with an integer."""
    return put_end(out, put_number(out, put_tag(out, at, tag), value))


@leaf
def put_text(out: Any, at: int, tag: int, text: Any, size: int) -> int:
    """Write a field with text."""
    return put_end(out, put_bytes(out, put_tag(out, at, tag), text, size))


@kernel
def put_decimal(out: Any, at: int, tag: int, value: int, decimals: int) -> int:
    """Write a field with ``value / 10 ** decimals``."""
    at = put_tag(out, at, tag)
    if value < 0:
        out[at] = MINUS
        at, value = at + 1, -value
    scale = 1
    for _ in range(decimals):
        scale *= 10
    at = put_number(out, at, value // scale)
    out[at] = POINT
    return put_end(out, put_padded(out, at + 1, value % scale, decimals))


@kernel
def put_time(out: Any, at: int, tag: int, time_ns: int) -> int:
    """Write a UTCTimestamp with milliseconds (days to a date: Hinnant, chrono-compatible algorithms)."""
    seconds, rest_ns = time_ns // NANOSECONDS, time_ns % NANOSECONDS
    days, second = seconds // DAY_S + 719_468, seconds % DAY_S
    era = days // 146_097
    day_of_era = days - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    at = put_tag(out, at, tag)
    at = put_padded(out, put_padded(out, put_padded(out, at, year, 4), month, 2), day, 2)
    out[at] = MINUS
    at = put_padded(out, at + 1, second // 3_600, 2)
    out[at] = 58
    at = put_padded(out, at + 1, second // 60 % 60, 2)
    out[at] = 58
    at = put_padded(out, at + 1, second % 60, 2)
    out[at] = POINT
    return put_end(out, put_padded(out, at + 1, rest_ns // 1_000_000, 3))


@kernel
def put_order_id(out: Any, at: int, report: Any) -> int:
    """Write OrderID: the session and the number that name the order at the venue."""
    at = put_number(out, put_tag(out, at, 37), int(report.session_id))
    out[at] = MINUS
    return put_end(out, put_number(out, at + 1, int(report.order_number)))


@kernel
def average(notional: int, lots: int) -> int:
    """Return AvgPx in its smallest unit, rounded half away from zero."""
    if lots == 0:
        return 0
    scaled = notional * AVERAGE_SCALE
    half = lots // 2
    return (scaled + half) // lots if scaled >= 0 else -((-scaled + half) // lots)


@kernel
def put_execution(out: Any, at: int, report: Any, with_account: bool, is_sp2: bool) -> int:
    """Write the body of an ExecutionReport."""
    at = put_order_id(out, at, report)
    at = put_text(out, at, 11, report.cl_ord_id, int(report.id_bytes))
    if report.orig_bytes > 0:
        at = put_text(out, at, 41, report.orig_cl_ord_id, int(report.orig_bytes))
    if report.list_bytes > 0:
        at = put_text(out, at, 66, report.list_id, int(report.list_bytes))
    at = put_int(out, at, 17, int(report.position))
    at = put_execution_type(out, at, report, is_sp2)
    at = put_char(out, at, 39, report.status)
    if report.execution == REJECTED:
        at = put_int(out, at, 103, int(ORDER_REJECT_REASONS[report.reason & 255]))
    if with_account:
        at = put_int(out, at, 1, int(report.account_id))
    if report.multileg == WHOLE_BLOCK:
        at = put_text(out, at, 55, NO_SYMBOL_TEXT, NO_SYMBOL_TEXT.size)
    else:
        at = put_int(out, at, 55, int(report.product_id))
    at = put_char(out, at, 54, SIDE_CHARACTERS[report.side])
    at = put_decimal(out, at, 38, int(report.quantity_lots), QUANTITY_DECIMALS)
    at = put_char(out, at, 40, TYPE_CHARACTERS[report.order_type])
    is_open = report.order_type == MARKET_TO_LIMIT and report.execution == REJECTED  # it never had a price
    if IS_PRICED[report.order_type] and not is_open:
        at = put_decimal(out, at, 44, int(report.price_ticks), PRICE_DECIMALS)
    if report.has_stop:
        at = put_stop(out, at, report, is_sp2)
    at = put_char(out, at, 59, TIME_CHARACTERS[report.time_in_force])
    at = put_terms(out, at, report, is_sp2)
    if report.execution == TRADE:
        at = put_trade(out, at, report, is_sp2)
    at = put_decimal(out, at, 151, int(report.leaves_lots), QUANTITY_DECIMALS)
    at = put_decimal(out, at, 14, int(report.cum_lots), QUANTITY_DECIMALS)
    at = put_decimal(out, at, 6, average_of(report), AVERAGE_DECIMALS)
    at = put_time(out, at, 60, int(report.time_ns))
    at = put_reason(out, at, report)
    return put_legs(out, at, report) if report.multileg else at


@kernel
def average_of(report: Any) -> int:
    """Return AvgPx; of a whole block, which trades as much in each of its products, over all of them."""
    parts = int(report.product_count) if report.multileg == WHOLE_BLOCK else 1
    return average(int(report.notional), int(report.cum_lots) * parts)


@kernel
def put_stop(out: Any, at: int, report: Any, is_sp2: bool) -> int:
    """Write what brings a stop order in: StopPx, and in FIX 5.0 SP2's words the last trade's price."""
    at = put_decimal(out, at, 99, int(report.stop_ticks), PRICE_DECIMALS)
    if not is_sp2:
        return at
    at = put_char(out, put_char(out, at, 1100, PRICE_MOVEMENT), 1101, ACTIVATE)
    at = put_decimal(out, at, 1102, int(report.stop_ticks), PRICE_DECIMALS)
    at = put_char(out, at, 1107, LAST_TRADE)
    return put_char(out, at, 1109, UP if report.side == BUY else DOWN)


@kernel
def put_legs(out: Any, at: int, report: Any) -> int:
    """Write whether a report is of a block or of its trade in one product; a new block's products."""
    at = put_char(out, at, 442, report.multileg)
    if report.multileg != WHOLE_BLOCK or report.execution != NEW:
        return at
    at = put_int(out, at, 555, int(report.product_count))
    for place in range(int(report.product_count)):
        at = put_int(out, at, 600, int(report.product_id) + place)
    return at


@kernel
def put_execution_type(out: Any, at: int, report: Any, is_sp2: bool) -> int:
    """Write what happened. FIX 4.4 has no word for a stop order that works from now on: it is restated."""
    if report.execution == TRIGGERED:
        at = put_char(out, at, 636, YES)
        if not is_sp2:
            return put_int(out, put_char(out, at, 150, RESTATED), 378, MARKET_OPTION)
    at = put_char(out, at, 150, report.execution)
    if report.execution == RESTATED:
        at = put_int(out, at, 378, int(report.restatement))
    return at


@kernel
def put_terms(out: Any, at: int, report: Any, is_sp2: bool) -> int:
    """Write what few orders ask for."""
    if report.time_in_force == GOOD_TILL_DATE:
        at = put_time(out, at, 126, int(report.expires_s) * NANOSECONDS)
    if report.is_post_only:
        at = put_char(out, at, 18, POST_ONLY_CODE)
    if report.display_lots > 0:
        at = put_decimal(out, at, 1138 if is_sp2 else 111, int(report.display_lots), QUANTITY_DECIMALS)
    return at


@kernel
def put_trade(out: Any, at: int, report: Any, is_sp2: bool) -> int:
    """Write what a trade was: its name is the same on both sides."""
    at = put_decimal(out, at, 32, int(report.last_lots), QUANTITY_DECIMALS)
    if report.multileg == WHOLE_BLOCK:  # its parts' reports name the trades
        at = put_decimal(out, at, 31, average_of(report), AVERAGE_DECIMALS)
        return put_int(out, at, 851, int(LIQUIDITY_CODES[report.role]))
    at = put_decimal(out, at, 31, int(report.last_ticks), PRICE_DECIMALS)
    at = put_number(out, put_tag(out, at, 527), int(report.sequence))
    out[at] = MINUS
    at = put_end(out, put_number(out, at + 1, int(report.trade_index)))
    if report.role == AUCTION and not is_sp2:
        return at  # FIX 4.4 has no word for it
    return put_int(out, at, 851, int(LIQUIDITY_CODES[report.role]))


@kernel
def put_reason(out: Any, at: int, report: Any) -> int:
    """Write the exchange's own name for why, as Text."""
    reason = report.reason & 255
    if reason != 0 and REASON_LENGTHS[reason] > 0:
        at = put_text(out, at, 58, REASON_TEXTS[reason], int(REASON_LENGTHS[reason]))
    return at


@kernel
def put_cancel_reject(out: Any, at: int, report: Any) -> int:
    """Write the body of an OrderCancelReject."""
    at = put_order_id(out, at, report)
    at = put_text(out, at, 11, report.cl_ord_id, int(report.id_bytes))
    at = put_text(out, at, 41, report.orig_cl_ord_id, int(report.orig_bytes))
    at = put_char(out, at, 39, report.status)
    at = put_char(out, at, 434, report.response_to)
    reason = EXCHANGE_OPTION
    if report.reason == NO_SUCH_ORDER:
        reason = UNKNOWN_ORDER if report.status == REJECTED else TOO_LATE
    at = put_int(out, at, 102, reason)
    at = put_time(out, at, 60, int(report.time_ns))
    return put_reason(out, at, report)


@kernel
def put_mass_cancel(out: Any, at: int, report: Any, is_sp2: bool) -> int:
    """Write the body of an OrderMassCancelReport."""
    at = put_text(out, at, 11, report.cl_ord_id, int(report.id_bytes))
    at = put_order_id(out, at, report)
    if is_sp2:
        at = put_int(out, at, 1369, int(report.position))
    asked = ONE if report.product_id != 0 else SEVEN
    at = put_char(out, at, 530, asked)
    at = put_char(out, at, 531, ZERO if report.reason != 0 else asked)
    if report.reason != 0:
        at = put_int(out, at, 532, 1 if report.reason == NO_SUCH_PRODUCT else 99)
    else:
        at = put_int(out, at, 533, int(report.order_count))
    if report.product_id != 0:
        at = put_int(out, at, 55, int(report.product_id))
    at = put_time(out, at, 60, int(report.time_ns))
    return put_reason(out, at, report)


@kernel
def put_trailer(out: Any, begin: int, at: int) -> int:
    """Write CheckSum over the message from `begin` on."""
    total = 0
    for i in range(begin, at):
        total += int(out[i])
    out[at], out[at + 1], out[at + 2] = ONE, ZERO, EQUALS
    return put_end(out, put_padded(out, at + 3, total & 255, 3))


@kernel
def concerns(report: Any, session_id: int, account_id: int) -> bool:
    """Tell whether a report goes to a session: its own, or a drop copy's account's executions."""
    if report.kind == 0:
        return False
    if account_id == ALL_ACCOUNTS:
        return report.session_id == session_id and report.answers != QUIET
    return report.kind == EXECUTION and report.account_id == account_id and report.execution != REJECTED


@kernel
def write_reports(
    reports: Any, row: int, session_id: int, account_id: int, position: int, number: int,
    prefix: Any, ids: Any, times: Any, is_sp2: bool, out: Any,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Write a session's reports from `row` on as messages, as many as there is room for.

    It stops before one that has the session told of a whole request: that is written in plain Python.

    Parameters
    ----------
    reports : recarray of REPORT, with their ClOrdIDs
    session_id, account_id : int
        Whose; `account_id` is ALL_ACCOUNTS unless the session is a drop copy of an account's.
    position : int
        Reports before it on the tape have been told already.
    number : int
        MsgSeqNum of the first message.
    prefix, ids, times : uint8 arrays
        ``8=...|9=``; ``49=...|56=...|34=``; ``|52=...|`` and what else stands behind it in the header.
    is_sp2 : bool
        Whether it is FIX 5.0 SP2.
    out : uint8 array, written

    Returns
    -------
    tuple of int
        The row to go on from, the bytes and the messages written, the last one's position behind its event.
    """
    at, count, told = 0, 0, position
    while row < reports.size and out.size - at >= MESSAGE_ROOM:
        report = reports[row]
        if report.position < position or not concerns(report, session_id, account_id):
            row += 1
            continue
        if account_id == ALL_ACCOUNTS and report.answers == ANSWER:
            break
        row += 1
        begin = at
        at = put_bytes(out, at, prefix, prefix.size)
        length_at = at
        at = put_end(out, at + 3)
        body = at
        at = put_char(out, at, 35, report.kind)
        at = put_number(out, put_bytes(out, at, ids, ids.size), number + count)
        at = put_bytes(out, at, times, times.size)
        if report.kind == EXECUTION:
            at = put_execution(out, at, report, account_id != ALL_ACCOUNTS, is_sp2)
        elif report.kind == CANCEL_REFUSED:
            at = put_cancel_reject(out, at, report)
        else:
            at = put_mass_cancel(out, at, report, is_sp2)
        assert at - body < 1_000
        put_padded(out, length_at, at - body, 3)
        at = put_trailer(out, begin, at)
        count += 1
        told = report.position + 1
    return row, at, count, told


@kernel
def repeat(
    data: Any, prefix_size: int, number: int, begin: int, end: int, time_text: Any, out: Any
) -> tuple[int, int]:
    """Write those of some stored messages that are numbered `begin` to `end` again, marked as duplicates.

    Parameters
    ----------
    data : uint8 array
        Whole messages of this gateway, numbered from `number` on; SendingTime ends their headers.
    prefix_size : int
        Length of ``8=...|9=``.
    time_text : uint8 array of shape (21,)
        The new SendingTime; the old one goes into OrigSendingTime.
    out : uint8 array, written
        Long enough: 64 bytes a message more than `data`.

    Returns
    -------
    tuple of int
        Bytes and messages written.
    """
    at, place, count = 0, 0, 0
    while place < data.size:
        length, digits = 0, 0
        while data[place + prefix_size + digits] != SOH:
            length = length * 10 + int(data[place + prefix_size + digits]) - ZERO
            digits += 1
        body = place + prefix_size + digits + 1
        if begin <= number <= end:
            at = _repeat_one(data, place, prefix_size, body, length, time_text, out, at)
            count += 1
        place = body + length + 7
        number += 1
    return at, count


@kernel
def _repeat_one(
    data: Any, place: int, prefix_size: int, body: int, length: int, time_text: Any, out: Any, at: int
) -> int:
    start = at
    time_at = body
    while not (data[time_at - 1] == SOH and data[time_at] == 53 and data[time_at + 1] == 50
               and data[time_at + 2] == EQUALS):  # fmt: skip
        time_at += 1
    time_at += 3
    time_size = 0
    while data[time_at + time_size] != SOH:
        time_size += 1
    added = 5 + 5 + time_size + time_text.size - time_size  # 43=Y| and 122=...|
    at = put_bytes(out, at, data[place:], prefix_size)
    at = put_end(out, put_number(out, at, length + added))
    at = put_bytes(out, at, data[body:], time_at - body)
    at = put_end(out, put_bytes(out, at, time_text, time_text.size))
    at = put_char(out, at, 43, 89)
    at = put_text(out, at, 122, data[time_at:], time_size)
    rest = time_at + time_size + 1
    at = put_bytes(out, at, data[rest:], body + length - rest)
    return put_trailer(out, start, at)
