"""What a member is told of all that one message has asked for, once the market has answered each command."""

from typing import Any

from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix import mapping as m
from ringmain.gateway.fix.codec import Fields, Message, decimal, entries_of, parse, timestamp
from ringmain.gateway.fix.directory import LIST, QUOTE_CANCEL
from ringmain.gateway.fix.entries import id_of
from ringmain.gateway.fix.store import Store
from ringmain.gateway.fix.writing import average

NEGATIVE_ONLY, EACH = b"1", b"2"  # QuoteResponseLevel
ACKNOWLEDGED, RESPONSE = 1, 2  # ListStatusType
RECEIVED, EXECUTING, ALL_DONE, REFUSED = 2, 3, 6, 7  # ListOrderStatus
TEXT_NAMES = 16  # so many refused entries are named in Text
SIDE_FIELDS = (132, 133, 134, 135)
Answer = tuple[bytes, Fields]
Reason = tuple[int, str]  # a FIX reason and the exchange's name; 0 and nothing: it was accepted


def answer_of(store: Store, report: Any, is_sp2: bool) -> Answer | None:
    """Return the message that answers a request, None where its sender wants none.

    Parameters
    ----------
    report : record of REPORT
        The one about the last of the request's commands, or about the whole list.
    """
    entry = store.entry(int(report["asked_number"]))
    raw = store.request(int(report["asked_number"]))
    if entry is None or raw is None:
        return None  # the machine went down with it
    message, first = parse(raw), int(entry["request_first"])
    time_ns, count = int(report["time_ns"]), int(entry["request_count"])
    entries = [store.entry(number) for number in range(first, first + count)]
    if entry["kind"] == LIST:
        head = entries[0]
        is_in = head["status"] != m.REJECTED
        name = m.reason_name(int(head["reason"]))
        return list_status(message, entries, ACKNOWLEDGED, EXECUTING if is_in else REFUSED, name, time_ns)
    if entry["kind"] == QUOTE_CANCEL:
        is_done = any(each["status"] == m.CANCELLED for each in entries)
        return quote_cancelled(message, is_done, time_ns, is_sp2)
    reasons = [_reason_of(each) for each in entries]
    if message.type == d.SINGLE_QUOTE:
        return quote_status(message, reasons[0], time_ns, is_sp2)
    return acknowledgement(message, reasons)


def _reason_of(entry: Any) -> Reason:
    if entry["status"] != m.REJECTED:
        return 0, ""
    name = m.reason_name(int(entry["reason"]))
    return m.QUOTE_REJ_REASONS.get(name, m.OTHER), name


def is_wanted(message: Message, is_refusal: bool) -> bool:
    """Tell whether the sender of a quote wants to be told; of a refusal everybody is."""
    return is_refusal or message.get(301) == EACH


def quote_status(message: Message, reason: Reason, time_ns: int, is_sp2: bool) -> Answer | None:
    """Return the answer to a Quote."""
    code, text = reason
    if not is_wanted(message, bool(text)):
        return None
    fields: Fields = [(117, message.values[117]), (55, message.values[55])]
    fields += [(tag, message.values[tag]) for tag in SIDE_FIELDS if tag in message.values]
    fields += [(60, timestamp(time_ns)), (297, b"%d" % (m.QUOTE_REJECTED if text else m.QUOTE_ACCEPTED))]
    if text and is_sp2:
        fields.append((300, b"%d" % code))
    if text:
        fields.append((58, text.encode()))
    return d.QUOTE_STATUS, fields


def quote_cancelled(message: Message, is_done: bool, time_ns: int, is_sp2: bool, text: str = "") -> Answer:
    """Return the answer to a QuoteCancel; a text says why it was refused."""
    entries = entries_of(message, 295, d.CANCEL_ENTRIES)
    symbols = {entry.values[55] for entry in entries}
    done = {b"1": m.CANCELLED_SYMBOL, b"4": m.CANCELLED_ALL}.get(
        message.values[298], m.CANCELLED_ONE if is_sp2 else m.CANCELLED_SYMBOL
    )
    status = m.QUOTE_REJECTED if text else done if is_done else m.QUOTE_NOT_FOUND
    fields: Fields = [(117, message.get(117) or b"NONE")]
    if is_sp2:
        fields.append((298, message.values[298]))
    fields += [(55, symbols.pop() if len(symbols) == 1 else m.NO_SYMBOL), (60, timestamp(time_ns)),
               (297, b"%d" % status)]  # fmt: skip
    if text:
        fields.append((58, text.encode()))
    return d.QUOTE_STATUS, fields


def acknowledgement(message: Message, reasons: list[Reason], fault: Reason = (0, "")) -> Answer | None:
    """Return the answer to a MassQuote.

    Parameters
    ----------
    reasons : list
        Of each entry, in the message's order.
    fault : Reason
        Why it was refused as a whole, whatever its entries are.
    """
    is_refusal = bool(fault[1]) or any(text for _, text in reasons)
    if not is_wanted(message, is_refusal):
        return None
    is_all = message.get(301) == EACH
    refused = fault if fault[1] else next(((c, t) for c, t in reasons if t), (0, ""))
    is_nothing_in = bool(fault[1]) or all(text for _, text in reasons)
    fields: Fields = [(117, message.values[117])]
    fields.append((297, b"%d" % (m.QUOTE_REJECTED if is_nothing_in else m.QUOTE_ACCEPTED)))
    if is_nothing_in:
        fields.append((300, b"%d" % refused[0]))
    if 301 in message.values:
        fields.append((301, message.values[301]))
    sets, named = _sets(message, reasons, is_all)
    text = "; ".join(([fault[1]] if fault[1] else []) + named[:TEXT_NAMES])
    if text:
        fields.append((58, text.encode()))
    return d.MASS_QUOTE_ACKNOWLEDGEMENT, fields + sets


def _sets(message: Message, reasons: list[Reason], is_all: bool) -> tuple[Fields, list[str]]:
    """Return the sets with the entries that are told of, and the refused ones' names and reasons."""
    fields: Fields = []
    named: list[str] = []
    left, set_count = iter(reasons), 0
    for quote_set in entries_of(message, 296, d.QUOTE_SETS):
        told: list[Fields] = []
        for entry in quote_set.groups[295]:
            code, text = next(left, (0, ""))
            if not text and not is_all:
                continue
            told.append([(299, entry.values[299]), (55, entry.values[55])])
            if text:
                told[-1].append((368, b"%d" % code))
                named.append(f"{entry.values[299].decode('latin-1')}: {text}")
        if told:
            set_count += 1
            fields += [(302, quote_set.values[302]), (304, quote_set.values[304]), (295, b"%d" % len(told))]
            fields += [pair for entry_fields in told for pair in entry_fields]
    return ([(296, b"%d" % set_count), *fields] if set_count else []), named


def list_status(
    message: Message, entries: list[Any], kind: int, status: int, name: str, time_ns: int
) -> Answer:
    """Return how a list and its orders stand.

    Parameters
    ----------
    message : Message
        The NewOrderList.
    entries : list of ENTRY records
        Of the list and its orders, as far as the market has answered.
    kind, status : int
        ListStatusType and ListOrderStatus.
    name : str
        Why it was refused; empty if it was not.
    """
    orders = [_new(entry) if status == EXECUTING else _standing(entry, name) for entry in entries[1:]]
    return _list_status(message.values[66], orders, (kind, status), name, time_ns)


def list_refused(message: Message, name: str, faults: dict[int, str], time_ns: int) -> Answer:
    """Return the refusal of a list that went no further; `faults` are texts by the order's place."""
    orders: list[Fields] = []
    for place, order in enumerate(entries_of(message, 73, d.LIST_ORDERS)):
        fields = _order_fields(order.values[11], m.REJECTED, (0, 0, 0))
        orders.append(fields + _refused(faults.get(place, ""), name))
    return _list_status(message.values[66], orders, (ACKNOWLEDGED, REFUSED), name, time_ns)


def _list_status(
    list_id: bytes, orders: list[Fields], codes: tuple[int, int], name: str, time_ns: int
) -> Answer:
    fields: Fields = [(66, list_id), (429, b"%d" % codes[0]), (82, b"1"), (431, b"%d" % codes[1]), (83, b"1")]
    if name:
        fields.append((444, name.encode()))
    count = b"%d" % len(orders)
    fields += [(60, timestamp(time_ns)), (68, count), (73, count)]
    return d.LIST_STATUS, fields + [pair for order in orders for pair in order]


def _new(entry: Any) -> Fields:
    """Return how an order stood when its list was carried out, whatever has been read of the tape since."""
    return _order_fields(id_of(entry), m.NEW, (0, int(entry["quantity_lots"]), 0))


def _standing(entry: Any, name: str) -> Fields:
    status, traded = int(entry["status"]) or m.PENDING_NEW, int(entry["cum_lots"])
    is_out = status == m.REJECTED
    open_lots = 0 if is_out else int(entry["quantity_lots"]) - traded
    fields = _order_fields(id_of(entry), status, (traded, open_lots, average(int(entry["notional"]), traded)))
    return fields + _refused(m.reason_name(int(entry["reason"])), name) if is_out else fields


def _order_fields(name: bytes, status: int, figures: tuple[int, int, int]) -> Fields:
    traded, open_lots, price = figures
    return [
        (11, name), (14, decimal(traded, m.QUANTITY_DECIMALS)), (39, bytes((status,))),
        (151, decimal(open_lots, m.QUANTITY_DECIMALS)), (84, decimal(0, m.QUANTITY_DECIMALS)),
        (6, decimal(price, m.AVERAGE_DECIMALS)),
    ]  # fmt: skip


def _refused(own: str, name: str) -> Fields:
    """Return why an order of a list was refused: for its own fault, or with the others."""
    text = own or f"{name}, with the list"
    return [(103, b"%d" % m.ORD_REJ_REASONS.get(own, m.OTHER)), (58, text.encode())]
