"""What a FIX client may ask of the exchange, message by message; the plain way, and the only one for most."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ringmain.exchange.messages import CancelOrder, MassCancel, PlaceOrder, ReplaceOrder
from ringmain.exchange.multileg_messages import PlaceBlock
from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix import mapping as m
from ringmain.gateway.fix.blocks import block_of
from ringmain.gateway.fix.codec import NANOSECONDS, Fields, Message, decimal, scaled, timestamp
from ringmain.gateway.fix.directory import (
    BLOCK,
    CANCEL_REQUEST,
    LEG,
    MASS_CANCEL_REQUEST,
    NEW_ORDER,
    ORDERS,
    REPLACE_REQUEST,
)
from ringmain.gateway.fix.entries import entry_of, next_number
from ringmain.gateway.fix.lists import ListDesk
from ringmain.gateway.fix.order_terms import (
    Refusal,
    change_fault,
    is_moved_by_stop,
    lots_of,
    moved_limit,
    terms_of,
)
from ringmain.gateway.fix.quotes import ENTRIES_MAX, QuoteDesk
from ringmain.gateway.fix.writing import average

if TYPE_CHECKING:
    from ringmain.gateway.fix.door import Door
    from ringmain.gateway.fix.member import Member

NOT_AVAILABLE, NOT_AUTHORISED, UNKNOWN_SECURITY = 4, 6, 2  # BusinessRejectReason
ORDER_ENTRY = frozenset((
    d.NEW_ORDER_SINGLE, d.CANCEL_REQUEST, d.REPLACE_REQUEST, d.MASS_CANCEL_REQUEST, d.MASS_QUOTE,
    d.SINGLE_QUOTE, d.QUOTE_CANCEL, d.NEW_ORDER_LIST, d.LIST_CANCEL, d.LIST_STATUS_REQUEST, d.MULTILEG,
))  # fmt: skip
COMMANDS_A_MESSAGE = 2 * ENTRIES_MAX  # no more than that are asked for by one, but by a QuoteCancel
UNCHANGEABLE = {
    BLOCK: "a block does not change: cancel it, and send another",
    LEG: "an order of a list does not change",
}
NOT_ENTITLED = "NOT_ENTITLED"  # as the gateway's reason is called
ENDED = frozenset((m.FILLED, m.CANCELLED, m.REJECTED, m.EXPIRED))


class Application:
    """The application layer of every member's session."""

    def __init__(self, door: "Door") -> None:
        self._door = door
        market_data, quotes, lists = door.market_data, QuoteDesk(door), ListDesk(door)
        self._handlers: dict[bytes, Callable[[Any, Message, int], None]] = {
            d.NEW_ORDER_SINGLE: self._place,
            d.CANCEL_REQUEST: self._cancel,
            d.REPLACE_REQUEST: self._replace,
            d.MASS_CANCEL_REQUEST: self._mass_cancel,
            d.STATUS_REQUEST: self._status,
            d.MASS_QUOTE: quotes.place_many,
            d.SINGLE_QUOTE: quotes.place,
            d.QUOTE_CANCEL: quotes.cancel,
            d.NEW_ORDER_LIST: lists.place,
            d.LIST_CANCEL: lists.cancel,
            d.LIST_STATUS_REQUEST: lists.tell,
            d.MULTILEG: self._place,
            d.MARKET_DATA_REQUEST: market_data.request,
            d.SECURITY_LIST_REQUEST: market_data.list_securities,
            d.SECURITY_STATUS_REQUEST: market_data.request_status,
            d.BUSINESS_REJECT: lambda member, message, now_ns: None,
        }

    def handle(self, member: "Member", message: Message, now_ns: int) -> None:
        """Take a message that the session layer has passed."""
        session = member.session
        assert session is not None, "messages come over sessions"
        if message.type in ORDER_ENTRY:
            if member.is_observer:
                text = "NOT_PERMITTED: an observer sends no orders"
                session.business_reject(message, NOT_AUTHORISED, text, now_ns)
                return
            if self._door.is_refused:
                text = "NOT_ACCEPTING: the market takes no commands just now"
                session.business_reject(message, NOT_AVAILABLE, text, now_ns)
                return
            try:
                assert member.store is not None
                member.store.reserve(COMMANDS_A_MESSAGE)
                self._handlers[message.type](member, message, now_ns)
            except OSError:  # and nothing of it is written down
                text = "NOT_ACCEPTING: there is no room to write the order down"
                session.business_reject(message, NOT_AVAILABLE, text, now_ns)
            return
        self._handlers[message.type](member, message, now_ns)

    # Orders.

    def _place(self, member: "Member", message: Message, now_ns: int) -> None:
        known = self._number_of(member, message.values[11])
        if known and message.flag(97):  # asked whether it has come: it has
            self._send_status(member, message, known, now_ns)
            return
        try:
            if known:
                raise Refusal(m.DUPLICATE_ORDER, "the ClOrdID has been used")
            number = next_number(member)
            if message.type == d.MULTILEG:
                entry, values = block_of(message)
                for place in range(values["product_count"]):
                    _check_right(member, values["first_product_id"] + place, m.OTHER)
                kind, record = BLOCK, PlaceBlock(member.session_id, number, **values)
            else:
                entry, values = self._order_of(message)
                _check_right(member, values["product_id"], m.OTHER)
                kind, record = NEW_ORDER, PlaceOrder(member.session_id, number, **values)
        except Refusal as refusal:
            self._reject_order(member, message, refusal, now_ns)
            return
        entry["order_number"] = entry["other_number"] = number
        self._enter(member, message, entry, kind, record)

    def _order_of(self, message: Message) -> tuple[Any, dict[str, int]]:
        """Return the entry and the fields of an order as its message asks for it."""
        product_id = m.product_of(message.get(55))
        if not product_id:
            raise Refusal(m.UNKNOWN_SYMBOL, "Symbol is a product's number")
        values = terms_of(message) | {"quantity_lots": lots_of(message), "product_id": product_id}
        return _entry_of_terms(message, product_id, values), values

    def _cancel(self, member: "Member", message: Message, now_ns: int) -> None:
        try:
            order, other = self._named_order(member, message)
        except Refusal as refusal:
            self._reject_change(member, message, refusal, now_ns)
            return
        entry = _entry(message, int(order["product_id"]), int(order["side"]))
        entry["order_number"], entry["other_number"] = order["order_number"], other
        record = CancelOrder(member.session_id, next_number(member), order_number=int(order["order_number"]))
        self._enter(member, message, entry, CANCEL_REQUEST, record)

    def _replace(self, member: "Member", message: Message, now_ns: int) -> None:
        """Change an order; FIX names its whole quantity, the exchange what is open of it."""
        try:
            order, other = self._named_order(member, message)
            _check_right(member, int(order["product_id"]), m.EXCHANGE_OPTION)
            if order["kind"] != NEW_ORDER:
                raise Refusal(m.EXCHANGE_OPTION, UNCHANGEABLE[int(order["kind"])])
            values = terms_of(message) | {"quantity_lots": lots_of(message)}
            values["price_ticks"] = _new_limit(order, values)
        except Refusal as refusal:
            self._reject_change(member, message, refusal, now_ns)
            return
        traded, open_lots = self._standing(member, order, other)
        entry = _entry_of_terms(message, int(order["product_id"]), values)
        entry["order_number"], entry["other_number"] = order["order_number"], other
        record = ReplaceOrder(
            member.session_id, next_number(member), order_number=int(order["order_number"]),
            price_ticks=values["price_ticks"], quantity_lots=max(0, values["quantity_lots"] - traded),
            expected_lots=open_lots, stop_ticks=values["stop_ticks"],
        )  # fmt: skip
        self._enter(member, message, entry, REPLACE_REQUEST, record)

    def _standing(self, member: "Member", order: Any, other: int) -> tuple[int, int]:
        """Return how much of an order has traded and how much is open, as far as the gateway can know.

        A change that is still on its way counts as made; if it is not, or a trade comes first, the
        market refuses the new change as one of another quantity.
        """
        assert member.store is not None
        former = member.store.entry(other)
        traded = int(order["cum_lots"])
        if former["kind"] == REPLACE_REQUEST and int(order["other_number"]) < other:
            return traded, max(0, int(former["quantity_lots"]) - traded)
        return traded, int(order["quantity_lots"]) - traded

    def _mass_cancel(self, member: "Member", message: Message, now_ns: int) -> None:
        is_all = message.values[530] == b"7"
        product_id = 0 if is_all else m.product_of(message.get(55))
        refusal = ""
        if not is_all and not product_id:
            refusal = "Symbol is a product's number"
        if self._number_of(member, message.values[11]):
            refusal = "the ClOrdID has been used"
        if not refusal and len(message.values[11]) > m.CL_ORD_ID_BYTES:
            refusal = f"ClOrdID is longer than {m.CL_ORD_ID_BYTES} characters"
        if refusal:
            assert member.session is not None
            fields: Fields = [(11, message.values[11]), (37, b"NONE")]
            if member.session.begin_string == d.FIXT11:
                fields.append((1369, b"NONE"))
            fields += [(530, message.values[530]), (531, b"0"), (532, b"99"), (60, timestamp(now_ns)),
                       (58, refusal.encode())]  # fmt: skip
            member.session.send(d.MASS_CANCEL_REPORT, fields, now_ns)
            return
        entry = _entry(message, product_id, 0)
        record = MassCancel(member.session_id, next_number(member), product_id=product_id)
        self._enter(member, message, entry, MASS_CANCEL_REQUEST, record)

    def _status(self, member: "Member", message: Message, now_ns: int) -> None:
        number = self._number_of(member, message.values[11])
        entry = member.store.entry(number) if number and member.store is not None else None
        if entry is None or entry["kind"] not in (*ORDERS, REPLACE_REQUEST):
            self._reject_order(member, message, Refusal(5, "UNKNOWN_ORDER"), now_ns, is_status=True)
            return
        self._send_status(member, message, number, now_ns)

    # Inside.

    def _number_of(self, member: "Member", cl_ord_id: bytes) -> int:
        return member.store.find(cl_ord_id) if member.store is not None else 0

    def _named_order(self, member: "Member", message: Message) -> tuple[Any, int]:
        """Return the order that OrigClOrdID names, and the number of the command that bears that name."""
        if self._number_of(member, message.values[11]):
            raise Refusal(m.DUPLICATE_CL_ORD_ID, "the ClOrdID has been used")
        if len(message.values[11]) > m.CL_ORD_ID_BYTES:
            raise Refusal(m.EXCHANGE_OPTION, f"ClOrdID is longer than {m.CL_ORD_ID_BYTES} characters")
        number = self._number_of(member, message.values[41])
        store = member.store
        assert store is not None
        entry = store.entry(number) if number else None
        order = store.entry(int(entry["order_number"])) if entry is not None else None
        if entry is None or order is None or entry["kind"] not in (*ORDERS, REPLACE_REQUEST):
            raise Refusal(m.UNKNOWN_ORDER, "UNKNOWN_ORDER")
        if m.product_of(message.get(55)) != order["product_id"]:
            raise Refusal(m.EXCHANGE_OPTION, "Symbol is not the order's")
        if m.SIDES[message.values[54]] != order["side"]:
            raise Refusal(m.EXCHANGE_OPTION, "Side is not the order's")
        if message.get(38) is not None and scaled(message.values[38], m.QUANTITY_DECIMALS) is None:
            raise Refusal(m.EXCHANGE_OPTION, "OrderQty is no multiple of the lot")
        return order, number

    def _enter(self, member: "Member", message: Message, entry: Any, kind: int, record: Any) -> None:
        """Write a command down, and put it into the ring."""
        store, session = member.store, member.session
        assert store is not None and session is not None
        words = record.view(np.int64).reshape(1, -1)
        entry["kind"], entry["epoch"], entry["command"] = kind, store.epoch, words[0]
        store.add(entry, session.next_in)
        self._door.offer_fresh(member, words)

    def _reject_order(
        self, member: "Member", message: Message, refusal: Refusal, now_ns: int, is_status: bool = False
    ) -> None:
        session = member.session
        assert session is not None
        fields: Fields = [
            (37, b"NONE"), (11, message.values[11]),
            (17, b"0" if is_status else b"R%d-%d" % (member.session_id, now_ns)),
            (150, bytes((m.ORDER_STATUS if is_status else m.REJECTED,))), (39, b"8"),
            (103, b"%d" % refusal.reason), (55, message.values[55]), (54, message.values[54]),
        ]  # fmt: skip
        echoed = (38, 40, 44, 99, 59, 126, 18, 111, 1138)
        fields += [(tag, message.values[tag]) for tag in echoed if tag in message.values]
        fields += [(151, b"0"), (14, b"0"), (6, b"0"), (60, timestamp(now_ns)), (58, refusal.text.encode())]
        if 790 in message.values:
            fields.append((790, message.values[790]))
        session.send(d.EXECUTION_REPORT, fields, now_ns)

    def _reject_change(self, member: "Member", message: Message, refusal: Refusal, now_ns: int) -> None:
        session, store = member.session, member.store
        assert session is not None and store is not None
        number = self._number_of(member, message.values[41])
        entry = store.entry(number) if number else None
        order = store.entry(int(entry["order_number"])) if entry is not None else None
        order_id, status = b"NONE", m.REJECTED
        if order is not None:
            order_id = b"%d-%d" % (member.session_id, order["order_number"])
            status = int(order["status"]) or m.PENDING_NEW
        answers = b"1" if message.type == d.CANCEL_REQUEST else b"2"
        is_of_changes = refusal.reason in (m.TOO_LATE, m.UNKNOWN_ORDER, m.DUPLICATE_CL_ORD_ID)
        reason = refusal.reason if is_of_changes else m.EXCHANGE_OPTION
        session.send(d.CANCEL_REJECT, [
            (37, order_id), (11, message.values[11]), (41, message.values[41]), (39, bytes((status,))),
            (434, answers), (102, b"%d" % reason), (60, timestamp(now_ns)),
            (58, refusal.text.encode()),
        ], now_ns)  # fmt: skip

    def _send_status(self, member: "Member", message: Message, number: int, now_ns: int) -> None:
        """Report how an order stands, as far as the tape was read."""
        session, store = member.session, member.store
        assert session is not None and store is not None
        order = store.entry(int(store.entry(number)["order_number"]))
        status = int(order["status"]) or m.PENDING_NEW
        traded, quantity = int(order["cum_lots"]), int(order["quantity_lots"])
        open_lots = 0 if status in ENDED else quantity - traded
        is_block = order["kind"] == BLOCK
        latest = store.entry(int(order["other_number"]))
        fields: Fields = [
            (37, b"%d-%d" % (member.session_id, order["order_number"])),
            (11, latest["cl_ord_id"][: latest["id_bytes"]].tobytes()), (17, b"0"),
            (150, bytes((m.ORDER_STATUS,))), (39, bytes((status,))),
            (55, m.NO_SYMBOL if is_block else m.symbol(int(order["product_id"]))),
            (54, bytes((m.SIDE_CHARACTERS[order["side"]],))),
            (38, decimal(quantity, m.QUANTITY_DECIMALS)),
            (40, bytes((m.TYPE_CHARACTERS[order["order_type"]],))),
        ]  # fmt: skip
        fields += _terms_fields(order, session.begin_string == d.FIXT11)
        fields += [
            (151, decimal(open_lots, m.QUANTITY_DECIMALS)), (14, decimal(traded, m.QUANTITY_DECIMALS)),
            (6, decimal(average(int(order["notional"]), traded * _parts(order)), m.AVERAGE_DECIMALS)),
            (60, timestamp(now_ns)),
        ]  # fmt: skip
        if is_block:
            fields.append((442, b"3"))
        if 790 in message.values:
            fields.append((790, message.values[790]))
        session.send(d.EXECUTION_REPORT, fields, now_ns)


def _entry(message: Message, product_id: int, side: int) -> Any:
    """Return an entry under a message's ClOrdID."""
    return entry_of(message.values[11], message, product_id, side)


def _entry_of_terms(message: Message, product_id: int, values: dict[str, int]) -> Any:
    """Return the entry of an order, or of a change of one."""
    entry = _entry(message, product_id, values["side"])
    for field in ("quantity_lots", "price_ticks", "stop_ticks", "display_lots", "expires_s", "order_type",
                  "time_in_force"):  # fmt: skip
        entry[field] = values[field]
    entry["is_post_only"] = values["post_only"]
    return entry


def _parts(order: Any) -> int:
    """Return in how many products an order trades."""
    if order["kind"] != BLOCK:
        return 1
    return int(PlaceBlock.unpack(np.array(order["command"]))["product_count"])


def _new_limit(order: Any, asked: dict[str, int]) -> int:
    """Return the limit of a changed order; raise a Refusal for a change that no order can have."""
    placed = PlaceOrder.unpack(np.array(order["command"]))
    placed["stop_ticks"] = int(order["stop_ticks"])
    fault = change_fault(placed, asked, bool(order["is_triggered"]))
    if fault:
        raise Refusal(m.EXCHANGE_OPTION, fault)
    if not is_moved_by_stop(placed["order_type"]):
        return asked["price_ticks"]
    if order["status"] == 0:
        raise Refusal(m.EXCHANGE_OPTION, "the market has not answered the order yet")
    return moved_limit(int(order["price_ticks"]), placed["stop_ticks"], asked["stop_ticks"])


def _terms_fields(order: Any, is_sp2: bool) -> Fields:
    """Return what an order's status tells of its terms."""
    fields: Fields = []
    if m.IS_PRICED[order["order_type"]]:
        fields.append((44, decimal(int(order["price_ticks"]), m.PRICE_DECIMALS)))
    if m.HAS_STOP[order["order_type"]]:
        fields.append((99, decimal(int(order["stop_ticks"]), m.PRICE_DECIMALS)))
    fields.append((59, bytes((m.TIME_CHARACTERS[order["time_in_force"]],))))
    if order["expires_s"]:
        fields.append((126, timestamp(int(order["expires_s"]) * NANOSECONDS)))
    if order["is_post_only"]:
        fields.append((18, m.POST_ONLY))
    if order["display_lots"]:
        tag = 1138 if is_sp2 else 111
        fields.append((tag, decimal(int(order["display_lots"]), m.QUANTITY_DECIMALS)))
    return fields


def _check_right(member: "Member", product_id: int, reason: int) -> None:
    """Refuse what the account may not trade; to cancel is always allowed."""
    if not member.rights.may_trade(product_id):
        raise Refusal(reason, NOT_ENTITLED)
