"""NewOrderList: orders in several products that are all filled at once, or none is: a linked basket."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ringmain.exchange.messages import FOK, LIMIT
from ringmain.exchange.multileg_messages import BASKET_LEGS_MAX, AddBasketLeg, BeginBasket
from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix import mapping as m
from ringmain.gateway.fix.answers import ALL_DONE, RECEIVED, REFUSED, RESPONSE, list_refused, list_status
from ringmain.gateway.fix.codec import Entry, Message, entries_of, parse
from ringmain.gateway.fix.directory import LEG, LIST
from ringmain.gateway.fix.entries import check_id, enter_together, entry_of, id_of, next_number
from ringmain.gateway.fix.order_terms import Refusal, quantity_in, ticks_in
from ringmain.gateway.fix.store import Store

if TYPE_CHECKING:
    from ringmain.gateway.fix.door import Door
    from ringmain.gateway.fix.member import Member

OTHER, UNKNOWN_ID = 0, 1  # BusinessRejectReason
NO_BIDDING, IMMEDIATE, FOK_CHARACTER = b"3", b"1", b"4"


class ListNames:
    """Which list of a session bears which ListID, since its numbers began at 1."""

    def __init__(self, store: Store) -> None:
        self.epoch = store.epoch
        used = store.entries[: store.last - store.first + 1]
        rows = np.flatnonzero((used["kind"] == LIST) & (used["epoch"] == store.epoch)).tolist()
        self._numbers = {id_of(used[row]): store.first + row for row in rows}

    def find(self, list_id: bytes) -> int:
        """Return the number of what begins the list, 0 if there is none."""
        return self._numbers.get(list_id, 0)

    def note(self, list_id: bytes, number: int) -> None:
        """Add one."""
        self._numbers[list_id] = number


class ListDesk:
    """Takes a session's lists."""

    def __init__(self, door: "Door") -> None:
        self._door = door

    def place(self, member: "Member", message: Message, now_ns: int) -> None:
        """Take a NewOrderList; one with an order that cannot be read, or is not allowed, goes no further."""
        names = _names_of(member)
        if names.find(message.values[66]) and message.flag(97):  # asked whether it has come: it has
            self.tell(member, message, now_ns)
            return
        orders = entries_of(message, 73, d.LIST_ORDERS)
        try:
            if names.find(message.values[66]):
                raise Refusal(m.DUPLICATE_ORDER, "the ListID has been used")
            _check_form(message, orders)
            head = entry_of(message.values[66], message, 0, 0, "ListID")
        except Refusal as refusal:
            self._refuse(member, message, refusal.text, {}, now_ns)
            return
        legs, faults = self._legs(member, message, orders)
        if faults:
            place = min(faults)
            text = f"order {place + 1}: {faults[place]}"
            self._refuse(member, message, text, faults, now_ns)
            return
        self._enter(member, message, head, legs)

    def tell(self, member: "Member", message: Message, now_ns: int) -> None:
        """Take a ListStatusRequest."""
        store, session = member.store, member.session
        assert store is not None and session is not None
        number = _names_of(member).find(message.values[66])
        raw = store.request(number) if number else None
        if raw is None:
            session.business_reject(message, UNKNOWN_ID, "UNKNOWN_LIST", now_ns)
            return
        entries = [store.entry(each) for each in range(number, number + store.entry(number)["request_count"])]
        statuses = {int(entry["status"]) for entry in entries[1:]}
        is_done = statuses == {m.FILLED}
        status = ALL_DONE if is_done else REFUSED if statuses == {m.REJECTED} else RECEIVED
        name = m.reason_name(int(entries[0]["reason"])) if status == REFUSED else ""
        kind, fields = list_status(parse(raw), entries, RESPONSE, status, name, now_ns)
        session.send(kind, fields, now_ns)

    def cancel(self, member: "Member", message: Message, now_ns: int) -> None:
        """Refuse a ListCancelRequest: a list has traded whole, or was refused, before anybody could ask."""
        assert member.session is not None
        if not _names_of(member).find(message.values[66]):
            member.session.business_reject(message, UNKNOWN_ID, "UNKNOWN_LIST", now_ns)
            return
        text = "TOO_LATE: a list trades at once, whole, or not at all"
        member.session.business_reject(message, OTHER, text, now_ns)

    # Inside.

    def _legs(
        self, member: "Member", message: Message, orders: list[Entry]
    ) -> tuple[list[tuple[Any, dict[str, int]]], dict[int, str]]:
        """Return the entries and fields of a list's orders, and what is wrong by the order's place."""
        legs: list[tuple[Any, dict[str, int]]] = []
        faults: dict[int, str] = {}
        seen: set[bytes] = set()
        assert member.store is not None
        for place, order in enumerate(orders):
            name = order.values[11]
            try:
                if name in seen or member.store.find(name):
                    raise Refusal(m.DUPLICATE_ORDER, "the ClOrdID has been used")
                if order.values[67] != b"%d" % (place + 1):
                    raise Refusal(m.OTHER, "ListSeqNo does not count up from 1")
                legs.append(_read(order, message))
                if not member.rights.may_trade(legs[-1][1]["product_id"]):
                    raise Refusal(m.OTHER, "NOT_ENTITLED")
            except Refusal as refusal:
                faults[place] = refusal.text
            seen.add(name)
        return legs, faults

    def _enter(
        self, member: "Member", message: Message, head: Any, legs: list[tuple[Any, dict[str, int]]]
    ) -> None:
        first = next_number(member)
        head["kind"] = LIST
        commands = [BeginBasket(member.session_id, first, leg_count=len(legs))]
        for place, (entry, values) in enumerate(legs, 1):
            entry["kind"] = LEG
            entry["order_number"] = entry["other_number"] = first + place
            commands.append(AddBasketLeg(member.session_id, first + place, **values))
        enter_together(self._door, member, message, [head, *(entry for entry, _ in legs)], commands)
        _names_of(member).note(message.values[66], first)

    def _refuse(
        self, member: "Member", message: Message, text: str, faults: dict[int, str], now_ns: int
    ) -> None:
        assert member.session is not None
        kind, fields = list_refused(message, text, faults, now_ns)
        member.session.send(kind, fields, now_ns)


def _names_of(member: "Member") -> ListNames:
    assert member.store is not None
    if member.lists is None or member.lists.epoch != member.store.epoch:
        member.lists = ListNames(member.store)
    return member.lists


def _check_form(message: Message, orders: list[Entry]) -> None:
    """Raise a Refusal for what is wrong with a list as a whole."""
    check_id(message.values[66], "ListID")
    if message.values[394] != NO_BIDDING:
        raise Refusal(m.OTHER, "BidType is 3: there is no bidding")
    if message.get(433) not in (None, IMMEDIATE):
        raise Refusal(m.OTHER, "ListExecInstType is 1: a list trades at once")
    if message.get(893) == b"N" or message.values[68] != b"%d" % len(orders):
        raise Refusal(m.OTHER, "a list comes in one piece: TotNoOrders is NoOrders")
    if not 1 <= len(orders) <= BASKET_LEGS_MAX:
        raise Refusal(m.OTHER, "BASKET_LEGS_OUT_OF_RANGE")


def _read(order: Entry, message: Message) -> tuple[Any, dict[str, int]]:
    """Return the entry and the fields of an order of a list; raise a Refusal for what cannot be."""
    product_id = m.product_of(order.get(55))
    if not product_id:
        raise Refusal(m.UNKNOWN_SYMBOL, "Symbol is a product's number")
    if m.ORDER_TYPES.get(order.get(40) or b"") != LIMIT:
        raise Refusal(m.UNSUPPORTED_ORDER, "OrdType of a list's orders is 2")
    if order.get(59) != FOK_CHARACTER:
        raise Refusal(m.UNSUPPORTED_ORDER, "TimeInForce of a list's orders is 4")
    values = {
        "product_id": product_id, "side": m.SIDES[order.values[54]],
        "price_ticks": ticks_in(order.values, 44, "Price"),
        "quantity_lots": quantity_in(order.values, 38, "OrderQty"),
    }  # fmt: skip
    entry = entry_of(order.values[11], message, product_id, values["side"])
    entry["quantity_lots"], entry["price_ticks"] = values["quantity_lots"], values["price_ticks"]
    entry["order_type"], entry["time_in_force"] = LIMIT, FOK
    return entry, values
