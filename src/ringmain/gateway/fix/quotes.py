"""Quote, MassQuote and QuoteCancel: two sides of a market, which replace the ones before them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ringmain.exchange.messages import CancelOrder
from ringmain.exchange.multileg_messages import PlaceQuote
from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix import mapping as m
from ringmain.gateway.fix.answers import Answer, Reason, acknowledgement, quote_cancelled, quote_status
from ringmain.gateway.fix.codec import Entry, Message, entries_of, parse
from ringmain.gateway.fix.directory import QUOTE
from ringmain.gateway.fix.directory import QUOTE_CANCEL as CANCEL
from ringmain.gateway.fix.entries import check_id, enter_together, entry_of, next_number
from ringmain.gateway.fix.order_terms import Refusal, quantity_in, ticks_in
from ringmain.gateway.fix.store import Store

if TYPE_CHECKING:
    from ringmain.gateway.fix.door import Door
    from ringmain.gateway.fix.member import Member

ENTRIES_MAX = 256  # of a mass quote
UNANSWERED_MAX = 8  # quotes in one product that are looked at before those that are over are left out
SIDES = (("bid", 132, 134, 293), ("offer", 133, 135, 294))
NAMES = {132: "BidPx", 133: "OfferPx", 134: "BidSize", 135: "OfferSize"}


class Standing:
    """Which quotes of a session may stand, by product: the last that was taken, and those behind it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._numbers: dict[int, list[int]] = {}
        used = store.entries[: store.last - store.first + 1]
        for row in np.flatnonzero(used["kind"] == QUOTE).tolist():
            self.note(int(used["product_id"][row]), store.first + row)

    def note(self, product_id: int, number: int) -> None:
        """Add a quote that goes to the market."""
        numbers = self._numbers.setdefault(product_id, [])
        numbers.append(number)
        if len(numbers) > UNANSWERED_MAX:
            self._numbers[product_id] = self._left(numbers)

    def products(self) -> list[int]:
        """Return the products in which there may be a quote."""
        return sorted(self._numbers)

    def numbers(self, product_id: int) -> list[int]:
        """Return the quotes of a product that may stand."""
        left = self._numbers[product_id] = self._left(self._numbers.get(product_id, []))
        return left

    def _left(self, numbers: list[int]) -> list[int]:
        statuses = {
            number: int(self._store.entries["status"][number - self._store.first]) for number in numbers
        }
        taken = max((number for number in numbers if statuses[number] == m.NEW), default=0)
        return [number for number in numbers if number >= taken and statuses[number] != m.REJECTED]


class QuoteDesk:
    """Takes a session's quotes."""

    def __init__(self, door: "Door") -> None:
        self._door = door

    def place(self, member: "Member", message: Message, now_ns: int) -> None:
        """Take a Quote."""
        try:
            entry, values = _read(message, message.values[117], message, "QuoteID")
            _check_right(member, values)
        except Refusal as refusal:
            is_sp2 = message.begin_string == d.FIXT11
            reason = (_quote_reason(refusal), refusal.text)
            self._say(member, quote_status(message, reason, now_ns, is_sp2), now_ns)
            return
        self._enter(member, message, [entry], [values])

    def place_many(self, member: "Member", message: Message, now_ns: int) -> None:
        """Take a MassQuote; if one entry cannot be read, or is not allowed, all are refused."""
        read: list[tuple[Any, dict[str, int]]] = []
        reasons: list[Reason] = []
        fault = _form_fault(message)
        for quote_set in entries_of(message, 296, d.QUOTE_SETS):
            for each in quote_set.groups[295]:
                try:
                    read.append(_read(each, each.values[299], message, "QuoteEntryID"))
                    _check_right(member, read[-1][1])
                    reasons.append((0, ""))
                except Refusal as refusal:
                    reasons.append((_quote_reason(refusal), refusal.text))
        if fault[1] or any(text for _, text in reasons):
            code = next((code for code, text in reasons if text), m.OTHER)
            whole = fault if fault[1] else (code, "nothing of it was taken")
            self._say(member, acknowledgement(message, reasons, whole), now_ns)
            return
        self._enter(member, message, [entry for entry, _ in read], [values for _, values in read])

    def cancel(self, member: "Member", message: Message, now_ns: int) -> None:
        """Take a QuoteCancel: of one quote, of a product's, of all; what is not there is not found."""
        is_sp2 = message.begin_string == d.FIXT11
        try:
            sides = self._sides(member, message)
            entries = [
                entry_of(message.get(117) or b"NONE", message, product_id, 0, "QuoteID")
                for product_id, _ in sides
            ]
        except Refusal as refusal:
            self._say(member, quote_cancelled(message, False, now_ns, is_sp2, refusal.text), now_ns)
            return
        if not sides:
            self._say(member, quote_cancelled(message, False, now_ns, is_sp2), now_ns)
            return
        first, commands = next_number(member), []
        for place, (_, number) in enumerate(sides):
            entries[place]["kind"] = CANCEL
            commands.append(CancelOrder(member.session_id, first + place, order_number=number))
        enter_together(self._door, member, message, entries, commands)

    # Inside.

    def _enter(
        self, member: "Member", message: Message, entries: list[Any], quotes: list[dict[str, int]]
    ) -> None:
        first, commands = next_number(member), []
        for place, values in enumerate(quotes):
            entries[place]["kind"] = QUOTE
            entries[place]["order_number"] = first + place
            commands.append(PlaceQuote(member.session_id, first + place, **values))
        standing = _standing_of(member)
        enter_together(self._door, member, message, entries, commands)
        for place, values in enumerate(quotes):
            standing.note(values["product_id"], first + place)

    def _sides(self, member: "Member", message: Message) -> list[tuple[int, int]]:
        """Return the sides that are meant, as product and order number."""
        standing, kind = _standing_of(member), message.values[298]
        products = standing.products()
        if kind == b"1":
            products = [m.product_of(entry.get(55)) for entry in entries_of(message, 295, d.CANCEL_ENTRIES)]
            if not products:
                raise Refusal(m.UNKNOWN_QUOTED, "NoQuoteEntries is missing: it names the products")
            if 0 in products:
                raise Refusal(m.UNKNOWN_QUOTED, "Symbol is a product's number")
        name = message.get(117) if kind == b"5" else None
        if kind == b"5" and name is None:
            raise Refusal(m.OTHER, "QuoteID is missing")
        numbers = [
            (product_id, number) for product_id in dict.fromkeys(products)
            for number in standing.numbers(product_id) if name is None or _quote_id(member, number) == name
        ]  # fmt: skip
        return [
            (product_id, side) for product_id, number in numbers for side in (number, -number)
            if self._may_rest(member, number, side)
        ]  # fmt: skip

    def _may_rest(self, member: "Member", number: int, side: int) -> bool:
        """Tell whether a quote's side rests, or may when the market has answered it."""
        store = member.store
        assert store is not None
        entry = store.entry(number)
        if entry["status"] == m.NEW:
            return self._door.orders.is_live(member.session_id, side)
        quote = PlaceQuote.unpack(np.array(entry["command"]))
        return bool(quote["bid_lots"] if side > 0 else quote["offer_lots"])

    def _say(self, member: "Member", answer: Answer | None, now_ns: int) -> None:
        if answer is not None and member.session is not None:
            member.session.send(answer[0], answer[1], now_ns)


def _standing_of(member: "Member") -> Standing:
    assert member.store is not None
    if member.quotes is None:
        member.quotes = Standing(member.store)
    return member.quotes


def _quote_id(member: "Member", number: int) -> bytes | None:
    """Return the QuoteID of the message that a quote came in."""
    assert member.store is not None
    raw = member.store.request(number)
    return parse(raw).get(117) if raw is not None else None


def _read(each: Message | Entry, name: bytes, message: Message, field: str) -> tuple[Any, dict[str, int]]:
    """Return the entry and the fields of a quote; raise a Refusal for what cannot be."""
    product_id = m.product_of(each.get(55))
    if not product_id:
        raise Refusal(m.UNKNOWN_QUOTED, "Symbol is a product's number")
    values = {"product_id": product_id}
    for side, price_tag, size_tag, default_tag in SIDES:
        ticks, lots = _side(each, price_tag, size_tag, message.get(default_tag))
        values[f"{side}_price_ticks"], values[f"{side}_lots"] = ticks, lots
    is_both = values["bid_lots"] and values["offer_lots"]
    if is_both and values["bid_price_ticks"] >= values["offer_price_ticks"]:
        raise Refusal(m.INVALID_SPREAD, "QUOTE_CROSSED")
    return entry_of(name, message, product_id, 0, field), values


def _side(each: Message | Entry, price_tag: int, size_tag: int, default: bytes | None) -> tuple[int, int]:
    """Return price and lots of one side; 0 and 0 if there is none."""
    size = each.get(size_tag) or (default if price_tag in each.values else None)
    if size is None and price_tag in each.values:
        raise Refusal(m.OTHER, f"{NAMES[size_tag]} is missing")
    lots = quantity_in({size_tag: size}, size_tag, NAMES[size_tag]) if size is not None else 0
    if lots < 0:
        raise Refusal(m.OTHER, "QUANTITY_OUT_OF_RANGE")
    return (ticks_in(each.values, price_tag, NAMES[price_tag]), lots) if lots else (0, 0)


def _form_fault(message: Message) -> Reason:
    """Return what is wrong with a mass quote as a whole."""
    try:
        check_id(message.values[117], "QuoteID")
    except Refusal as refusal:
        return m.OTHER, refusal.text
    sets, count = entries_of(message, 296, d.QUOTE_SETS), 0
    for quote_set in sets:
        entries = quote_set.groups[295]
        count += len(entries)
        if quote_set.get(893) == b"N" or quote_set.values[304] != b"%d" % len(entries):
            return m.OTHER, "a set comes in one piece: TotNoQuoteEntries is NoQuoteEntries"
    if count > ENTRIES_MAX:
        return m.EXCEEDS_LIMIT, f"a mass quote has up to {ENTRIES_MAX} entries"
    if not count:
        return m.OTHER, "there are no entries"
    return 0, ""


def _quote_reason(refusal: Refusal) -> int:
    """Return a refusal's reason in the words of quotes: an order's 13, a wrong quantity, is Other there."""
    if refusal.text == "PRICE_OUT_OF_RANGE" or "no multiple of the tick" in refusal.text:
        return m.INVALID_PRICE
    return m.OTHER if refusal.reason == m.INCORRECT_QUANTITY else refusal.reason


def _check_right(member: "Member", values: dict[str, int]) -> None:
    if not member.rights.may_trade(values["product_id"]):
        raise Refusal(m.NOT_AUTHORISED_TO_QUOTE, "NOT_ENTITLED")
