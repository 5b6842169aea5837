"""Bytes to commands, in a kernel: the plain orders of a socket buffer, all at once.

What is plain: a NewOrderSingle or an OrderCancelRequest whose length, checksum, CompIDs, number and
SendingTime are as expected, that has each field once, all that are needed and none but the usual. The
kernel stops before the first message that is anything else; the session and the application take that
one in plain Python, and decide about it what the kernel would have decided, were it plain.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.exchange.messages import GOOD_FOR_SESSION, LIMIT, CancelOrder, PlaceOrder, schema
from ringmain.gateway.fix.directory import CANCEL_REQUEST, NEW_ORDER, add_id, find_id
from ringmain.gateway.fix.mapping import (
    CL_ORD_ID_BYTES,
    PRICE_DECIMALS,
    QUANTITY_DECIMALS,
    SIDE_CODES,
    TIME_CODES,
    TYPE_CODES,
)

SOH, EQUALS, ZERO, NINE, MINUS, POINT, YES = 1, 61, 48, 57, 45, 46, 89
PLACE, CANCEL = PlaceOrder.kind, CancelOrder.kind
SLOTS, VERSION = schema.slots, schema.version
NONE = -(1 << 62)
DAY_S = 86_400
MESSAGE_BYTES_MIN, TAGS = 60, 1_024
MESSAGES_A_CALL = 4_096

FIELD = np.dtype([("begin", "i8"), ("length", "i8"), ("message", "i8")], align=True)
CONTEXT = np.dtype(
    [
        ("number", "i8"),  # MsgSeqNum of the next message
        ("first", "i8"),  # number of the command in the entries' first row
        ("last", "i8"),  # number of the last command
        ("session_id", "i8"),
        ("epoch", "i8"),
        ("day", "i8"),  # today, YYYYMMDD
        ("second", "i8"),  # of the day
        ("tolerance_s", "i8"),
        ("message", "i8"),  # a count of messages that never stands still: stamps the fields
        ("fields", FIELD, (TAGS,)),
    ],
    align=True,
)
PLAIN_TAGS = np.zeros(TAGS, np.uint8)  # 1: header; 2: of an order, read; 3: of an order, passed over
PLAIN_TAGS[[34, 35, 49, 52, 56]] = 1
PLAIN_TAGS[[11, 41, 55, 54, 38, 40, 44, 59, 60]] = 2
PLAIN_TAGS[[1, 21, 58]] = 3


@kernel
def number_at(data: Any, begin: int, size: int) -> int:
    """Return the digits as a number, NONE if they are anything else or too many."""
    if size == 0 or size > 18:
        return NONE
    value = 0
    for i in range(begin, begin + size):
        if data[i] < ZERO or data[i] > NINE:
            return NONE
        value = value * 10 + int(data[i]) - ZERO
    return value


@kernel
def scaled_at(data: Any, begin: int, size: int, decimals: int) -> int:
    """Return a decimal number times ``10 ** decimals``, NONE if that is not whole or not plain."""
    end, is_negative, value, digits, behind = begin + size, False, 0, 0, -1
    if begin < end and data[begin] == MINUS:
        is_negative = True
        begin += 1
    for i in range(begin, end):
        character = int(data[i])
        if character == POINT and behind < 0:
            behind = 0
        elif ZERO <= character <= NINE:
            digits += 1
            if behind >= decimals:
                if character != ZERO:
                    return NONE
                continue
            value = value * 10 + character - ZERO
            behind += behind >= 0
        else:
            return NONE
    if digits == 0 or digits > 12:
        return NONE
    for _ in range(decimals - max(behind, 0)):
        value *= 10
    if value >= 1 << 31:
        return NONE
    return -value if is_negative else value


@kernel
def second_at(data: Any, begin: int, size: int, day: int) -> int:
    """Return the second of the day of a UTCTimestamp of that day, with or without milliseconds, or NONE."""
    if size != 17 and size != 21 and size != 24 and size != 27:
        return NONE
    if data[begin + 8] != MINUS or data[begin + 11] != 58 or data[begin + 14] != 58:
        return NONE
    hour, minute = number_at(data, begin + 9, 2), number_at(data, begin + 12, 2)
    second = number_at(data, begin + 15, 2)
    if day != 0 and number_at(data, begin, 8) != day:
        return NONE
    if size > 17 and (data[begin + 17] != POINT or number_at(data, begin + 18, size - 18) == NONE):
        return NONE
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return NONE
    return hour * 3_600 + minute * 60 + second


@kernel
def same(data: Any, begin: int, size: int, text: Any) -> bool:
    """Tell whether a value is the text."""
    if size != text.size:
        return False
    for i in range(size):  # noqa: SIM110 - kernels know no generators
        if data[begin + i] != text[i]:
            return False
    return True


@kernel
def frame_end(data: Any, place: int, end: int, prefix: Any) -> int:
    """Return where the body of the message at `place` ends; 0 if it is not there whole, or not in order."""
    if end - place < MESSAGE_BYTES_MIN or not same(data, place, prefix.size, prefix):
        return 0
    at, length = place + prefix.size, 0
    while at < end and data[at] != SOH:
        if data[at] < ZERO or data[at] > NINE or length > 65_536:
            return 0
        length = length * 10 + int(data[at]) - ZERO
        at += 1
    body_end = at + 1 + length
    if body_end + 7 > end or length < 40:
        return 0
    if data[body_end] != 49 or data[body_end + 1] != ZERO or data[body_end + 2] != EQUALS:
        return 0
    total = 0
    for i in range(place, body_end):
        total += int(data[i])
    if number_at(data, body_end + 3, 3) != (total & 255) or data[body_end + 6] != SOH:
        return 0
    return body_end if data[body_end - 1] == SOH else 0


@kernel
def collect(data: Any, body: int, body_end: int, context: Any) -> bool:
    """Note where each field's value stands; False if the message is not plain."""
    fields, stamp, is_header = context.fields, context.message, True
    at = body
    while at < body_end:
        tag, digits = 0, 0
        while data[at] != EQUALS:
            if data[at] < ZERO or data[at] > NINE or (digits == 0 and data[at] == ZERO) or digits > 3:
                return False
            tag, digits, at = tag * 10 + int(data[at]) - ZERO, digits + 1, at + 1
        at += 1
        if digits == 0 or tag >= TAGS or PLAIN_TAGS[tag] == 0 or fields[tag].message == stamp:
            return False
        if PLAIN_TAGS[tag] != 1:
            is_header = False
        elif not is_header:
            return False
        begin = at
        while data[at] != SOH:
            at += 1
        if at == begin:
            return False
        field = fields[tag]
        field.begin = begin
        field.length = at - begin
        field.message = stamp
        at += 1
    return True


@kernel
def has(context: Any, tag: int) -> bool:
    """Whether the message has the field."""
    return context.fields[tag].message == context.message


@kernel
def is_expected(data: Any, context: Any, own_id: Any, client_id: Any) -> bool:
    """Whether the header is the next message's of this session, and fresh."""
    for tag in (34, 35, 49, 52, 56, 11, 55, 54, 60):
        if not has(context, tag):
            return False
    sender, target, number = context.fields[49], context.fields[56], context.fields[34]
    if not same(data, sender.begin, sender.length, client_id):
        return False
    if not same(data, target.begin, target.length, own_id):
        return False
    if number_at(data, number.begin, number.length) != context.number:
        return False
    sending, transact = context.fields[52], context.fields[60]
    second = second_at(data, sending.begin, sending.length, context.day)
    if second == NONE or abs(second - context.second) > context.tolerance_s:
        return False
    return second_at(data, transact.begin, transact.length, context.day) != NONE


@kernel
def character_of(data: Any, context: Any, tag: int) -> int:
    """Return a field of one character, 0 if it is longer."""
    field = context.fields[tag]
    return int(data[field.begin]) if field.length == 1 else 0


@kernel
def write_order(data: Any, context: Any, command: Any, entry: Any) -> bool:
    """Make a PlaceOrder of a NewOrderSingle; False if it is not plain."""
    if not (has(context, 38) and has(context, 40)) or has(context, 41):
        return False
    side = SIDE_CODES[character_of(data, context, 54)]
    order_type = TYPE_CODES[character_of(data, context, 40)]
    lasting = TIME_CODES[character_of(data, context, 59)] if has(context, 59) else GOOD_FOR_SESSION
    symbol, amount = context.fields[55], context.fields[38]
    product_id = number_at(data, symbol.begin, symbol.length)
    lots = scaled_at(data, amount.begin, amount.length, QUANTITY_DECIMALS)
    if side == 0 or order_type == 0 or lasting == 0 or lots == NONE:
        return False
    if not 0 < product_id < 1_000_000_000 or data[symbol.begin] == ZERO:
        return False
    ticks = 0
    if order_type == LIMIT:
        if not has(context, 44):
            return False
        price = context.fields[44]
        ticks = scaled_at(data, price.begin, price.length, PRICE_DECIMALS)
    elif has(context, 44):
        return False
    if ticks == NONE:
        return False
    order = command.place_order
    order.price_ticks = ticks
    order.quantity_lots = lots
    order.product_id = product_id
    order.side = side
    order.order_type = order_type
    order.time_in_force = lasting
    entry.quantity_lots = lots
    entry.price_ticks = ticks
    entry.product_id = product_id
    entry.side = side
    entry.order_type = order_type
    entry.time_in_force = lasting
    return True


@kernel
def write_cancel(data: Any, context: Any, command: Any, entry: Any, entries: Any, directory: Any) -> bool:
    """Make a CancelOrder of an OrderCancelRequest; False if it is not plain."""
    if not has(context, 41) or has(context, 44) or has(context, 40) or has(context, 59):
        return False
    named, symbol = context.fields[41], context.fields[55]
    other = find_id(directory, entries, context.first, data, named.begin, named.length)
    if other == 0:
        return False
    order_number = entries[other - context.first].order_number
    if entries[other - context.first].kind == CANCEL_REQUEST or order_number == 0:
        return False
    order = entries[order_number - context.first]
    if number_at(data, symbol.begin, symbol.length) != order.product_id:
        return False
    if SIDE_CODES[character_of(data, context, 54)] != order.side:
        return False
    if has(context, 38):
        amount = context.fields[38]
        if scaled_at(data, amount.begin, amount.length, QUANTITY_DECIMALS) == NONE:
            return False
    command.cancel_order.order_number = order_number
    entry.other_number = other
    entry.order_number = order_number
    entry.product_id = order.product_id
    entry.side = order.side
    return True


@kernel
def read_orders(
    data: Any, begin: int, end: int, state: Any, prefix: Any, own_id: Any, client_id: Any,
    entries: Any, entry_words: Any, directory: Any, commands: Any, command_words: Any, limit: int,
) -> tuple[int, int]:  # fmt: skip
    """Turn the plain orders of a buffer into entries, and their commands; stop at the first other message.

    Parameters
    ----------
    data : uint8 array
        What the socket gave, from `begin` to `end`.
    state : recarray of shape (1,), CONTEXT
    prefix, own_id, client_id : uint8 arrays
        ``8=...|9=``, and the CompIDs of the venue and of the client.
    entries, entry_words : recarray of ENTRY, and the same as rows of int64
        Written from the row behind ``state[0].last`` on.
    directory : int64 array
        Of the session's ClOrdIDs; room for `limit` more.
    commands, command_words : recarray of COMMAND, at least `limit` rows, and the same as rows of int64
        Written.
    limit : int

    Returns
    -------
    tuple of int
        Where it stopped in the buffer, and how many commands there are.
    """
    context, count, place = state[0], 0, begin
    while count < limit:
        body_end = frame_end(data, place, end, prefix)
        if body_end == 0:
            break
        body = place + prefix.size
        while data[body] != SOH:
            body += 1
        body += 1
        kind = int(data[body + 3])
        is_order = kind in (NEW_ORDER, CANCEL_REQUEST) and data[body + 4] == SOH
        if not is_order or data[body] != 51 or data[body + 1] != 53 or data[body + 2] != EQUALS:
            break
        context.message += 1
        if not collect(data, body, body_end, context) or not is_expected(data, context, own_id, client_id):
            break
        for word in range(command_words.shape[1]):
            command_words[count, word] = 0
        if not read_one(data, context, kind, entries, entry_words, directory, commands[count]):
            break
        entry = entries[context.last - context.first]
        for word in range(command_words.shape[1]):
            entry.command[word] = command_words[count, word]
        count += 1
        place = body_end + 7
    return place, count


@kernel
def read_one(
    data: Any, context: Any, kind: int, entries: Any, entry_words: Any, directory: Any, command: Any
) -> bool:
    """Write the entry and the command of one message; False if it is not plain after all."""
    name = context.fields[11]
    if name.length > CL_ORD_ID_BYTES:
        return False
    if find_id(directory, entries, context.first, data, name.begin, name.length) != 0:
        return False
    number = context.last + 1
    row = number - context.first
    for word in range(entry_words.shape[1]):
        entry_words[row, word] = 0
    entry = entries[row]
    if kind == NEW_ORDER:
        is_plain = write_order(data, context, command, entry)
    else:
        is_plain = write_cancel(data, context, command, entry, entries, directory)
    if not is_plain:
        return False
    head = command.head
    head.session_number = number
    head.session_id = context.session_id
    head.kind = PLACE if kind == NEW_ORDER else CANCEL
    head.slots = SLOTS
    head.version = VERSION
    entry.in_number = context.number
    entry.epoch = context.epoch
    entry.id_bytes = name.length
    for i in range(name.length):
        entry.cl_ord_id[i] = data[name.begin + i]
    if kind == NEW_ORDER:
        entry.other_number = number
        entry.order_number = number
    entry.kind = kind
    add_id(directory, data, name.begin, name.length, number)
    context.number += 1
    context.last = number
    return True
