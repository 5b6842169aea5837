"""Public data over FIX: depth and trades (V, W, X, Y), the list of products (x, y), their phases (e, f).

Folded from the tape, like the binary feeds, and as far as that is readable. A client that does not read
is not written to; when it reads again it gets a new snapshot, so that what it missed is conflated.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ringmain.core.records import Record, Schema
from ringmain.core.tape import TapeReader
from ringmain.exchange.messages import (
    BUY,
    FREE,
    HOURLY,
    QUARTER_HOURLY,
    RESERVE_DOWN,
    RESERVE_UP,
    PhaseChanged,
    ProductDefined,
)
from ringmain.gateway.book import Book, Subject
from ringmain.gateway.depth import BATCH_EVENTS
from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix import mapping as m
from ringmain.gateway.fix.codec import Fields, Message, decimal, timestamp
from ringmain.gateway.fix.limits import Limits
from ringmain.gateway.messages import DEPTH, PHASES, TOP, TRADES, session_record

if TYPE_CHECKING:
    from ringmain.gateway.fix.member import Member

BID, OFFER, TRADE = b"0", b"1", b"2"
SNAPSHOT_ONLY, SUBSCRIBE, UNSUBSCRIBE = b"0", b"1", b"2"
UNKNOWN_SYMBOL, DUPLICATE_ID, NO_PERMISSION, UNSUPPORTED_DEPTH, NOT_SUPPORTED = b"0", b"1", b"3", b"5", b"8"
NOT_AUTHORISED, NOT_ENTITLED = 6, "NOT_ENTITLED"  # BusinessRejectReason; the gateway's reason
PRODUCTS_A_MESSAGE = 200
KIND_NAMES = {
    HOURLY: "hour",
    QUARTER_HOURLY: "quarter of an hour",
    RESERVE_UP: "upward reserve",
    RESERVE_DOWN: "downward reserve",
}
Ladder = dict[tuple[bytes, int], int]  # (entry type, price in ticks) to lots


@dataclass
class Subscription:
    """What a MarketDataRequest asked for.

    Attributes
    ----------
    awaiting : set of int
        Products whose snapshot is still to be sent.
    shown : dict of product_id to Ladder
        What the client has been told last.
    """

    request_id: bytes
    products: tuple[int, ...]
    entry_types: frozenset[bytes]
    is_top: bool
    is_lasting: bool
    is_incremental: bool
    is_sp2: bool  # told as FIX 5.0 SP2
    awaiting: set[int] = field(default_factory=set)
    shown: dict[int, Ladder] = field(default_factory=dict)

    def is_allowed(self, member: "Member") -> bool:
        """Tell whether the member's account may see all of it."""
        feeds = [TOP if self.is_top else DEPTH] if self.entry_types & {BID, OFFER} else []
        feeds += [TRADES] if TRADE in self.entry_types else []
        return all(member.rights.may_see(feed, product) for feed in feeds for product in self.products)


@dataclass
class Followed:
    """What a member follows."""

    books: dict[bytes, Subscription] = field(default_factory=dict)
    phases: dict[bytes, int] = field(default_factory=dict)  # product by SecurityStatusReqID
    phases_due: list[tuple[bytes, int]] = field(default_factory=list)
    lists_due: list[Message] = field(default_factory=list)


class MarketData:
    """The public data of one exchange, and who follows what of it."""

    def __init__(self, folder: Path, schema: Schema, limits: Limits) -> None:
        self._folder, self._schema, self._limits = folder, schema, limits
        self._reader: TapeReader | None = None
        self._book = Book(schema)
        self._subjects: set[Subject] = set()  # what is followed of it
        self._ladders: dict[int, Ladder] = {}  # of the products that somebody follows
        names = {DEPTH: "LevelChanged", TRADES: "TradePrinted"}
        self._records = {feed: session_record(schema.slots, name).dtype for feed, name in names.items()}
        self._products: dict[int, Any] = {}
        self._phases: dict[int, int] = {}
        self._members: dict[Member, Followed] = {}
        self._until = 0

    # Requests.

    def request(self, member: "Member", message: Message, now_ns: int) -> None:
        """Take a MarketDataRequest."""
        session = member.session
        assert session is not None
        followed = self._followed(member)
        request_id = message.values[262]
        if message.values[263] == UNSUBSCRIBE:
            if followed.books.pop(request_id, None) is None:
                self._reject(member, request_id, DUPLICATE_ID, "no subscription has this MDReqID", now_ns)
            return
        depth = message.number(264)
        types = message.groups(267, d.TAKEN[message.type].groups[267])
        symbols = message.groups(146, d.TAKEN[message.type].groups[146])
        products = tuple(dict.fromkeys(m.product_of(entry.get(55)) for entry in symbols))
        count = sum(len(each.products) for each in followed.books.values()) + len(products)
        if request_id in followed.books:
            self._reject(member, request_id, DUPLICATE_ID, "a subscription has this MDReqID", now_ns)
        elif depth not in (0, 1):
            self._reject(member, request_id, UNSUPPORTED_DEPTH, "MarketDepth is 0, all, or 1, top", now_ns)
        elif 0 in products or not products:
            self._reject(member, request_id, UNKNOWN_SYMBOL, "Symbol is a product's number", now_ns)
        elif count > self._limits.subscriptions:
            self._reject(member, request_id, NOT_SUPPORTED, "TOO_MANY_SUBSCRIPTIONS", now_ns)
        elif not self._follow_tape():
            self._reject(
                member, request_id, NOT_SUPPORTED, "TOO_OLD: the tape has lost its beginning", now_ns
            )
        else:
            subscription = Subscription(
                request_id, products, frozenset(entry[269] for entry in types), depth == 1,
                message.values[263] == SUBSCRIBE, message.get(265) != b"0",
                session.begin_string == d.FIXT11, set(products),
            )  # fmt: skip
            if subscription.is_allowed(member):
                followed.books[request_id] = subscription
            else:
                self._reject(member, request_id, NO_PERMISSION, NOT_ENTITLED, now_ns)

    def list_securities(self, member: "Member", message: Message, now_ns: int) -> None:
        """Take a SecurityListRequest; it is answered when all of the tape was read."""
        if self._follow_tape():
            self._followed(member).lists_due.append(message)
        else:
            self._refuse_old(member, message, now_ns)

    def request_status(self, member: "Member", message: Message, now_ns: int) -> None:
        """Take a SecurityStatusRequest."""
        followed, request_id = self._followed(member), message.values[324]
        product_id = m.product_of(message.get(55))
        if message.values[263] == UNSUBSCRIBE:
            followed.phases.pop(request_id, None)
        elif not product_id:
            assert member.session is not None
            member.session.business_reject(
                message, 2, "Unknown security: Symbol is a product's number", now_ns
            )
        elif not member.rights.may_see(PHASES, product_id):
            assert member.session is not None
            member.session.business_reject(message, NOT_AUTHORISED, NOT_ENTITLED, now_ns)
        elif len(followed.phases) >= self._limits.subscriptions:
            assert member.session is not None
            member.session.business_reject(message, 0, "TOO_MANY_SUBSCRIPTIONS", now_ns)
        elif not self._follow_tape():
            self._refuse_old(member, message, now_ns)
        else:
            if message.values[263] == SUBSCRIBE:
                followed.phases[request_id] = product_id
            followed.phases_due.append((request_id, product_id))

    def withdraw(self, member: "Member", now_ns: int) -> None:
        """End what a member's account may no longer see, and say of which requests."""
        followed, session = self._members.get(member), member.session
        if followed is None or session is None:
            return
        for each in [each for each in followed.books.values() if not each.is_allowed(member)]:
            followed.books.pop(each.request_id)
            self._reject(member, each.request_id, NO_PERMISSION, NOT_ENTITLED, now_ns)
        may_see = member.rights.may_see
        due = dict(followed.phases_due)
        for request_id, product_id in (due | followed.phases).items():
            if not may_see(PHASES, product_id):
                followed.phases.pop(request_id, None)
                fields: Fields = [(372, d.SECURITY_STATUS_REQUEST), (379, request_id),
                                  (380, b"%d" % NOT_AUTHORISED), (58, NOT_ENTITLED.encode())]  # fmt: skip
                session.send(d.BUSINESS_REJECT, fields, now_ns)
        followed.phases_due = [each for each in followed.phases_due if may_see(PHASES, each[1])]

    def forget(self, member: "Member") -> None:
        """Drop what a member follows."""
        self._members.pop(member, None)

    # Following the tape.

    @property
    def has_more(self) -> bool:
        """Whether there is something to fold, or to send to somebody who reads."""
        if self._reader is None:
            return False
        if self._reader.position < min(self._until, self._reader.readable()):
            return True
        return any(member.is_live and _is_due(followed) for member, followed in self._members.items())

    def advance(self, until: int, now_ns: int) -> None:
        """Fold a batch of the tape, up to `until`; tell those who follow what it changed."""
        self._until = until
        if self._reader is None:
            return
        events = self._reader.read(min(BATCH_EVENTS, max(0, until - self._reader.position)))
        changes = self._book.fold(events, self._subjects) if events.size else {}
        self._note_products(events)
        told = _told(events, PhaseChanged)
        phases = dict(zip(told["product_id"].tolist(), told["phase"].tolist(), strict=True))
        self._phases.update(phases)
        changed = {each for feed, each in changes if feed == DEPTH and each in self._ladders}
        for product_id in changed:
            self._note_levels(product_id, changes[DEPTH, product_id])
        trades = {each: np.frombuffer(data, self._records[TRADES])
                  for (feed, each), data in changes.items() if feed == TRADES}  # fmt: skip
        if self._reader.position < until:
            for followed in self._members.values():  # too early to tell: they will be shown how it ends
                for each in followed.books.values():
                    each.awaiting.update(each.products)
            return
        for member, followed in list(self._members.items()):
            if not member.is_live or not getattr(member.link, "is_writable", False):
                for each in followed.books.values():
                    each.awaiting.update(each.products)
                continue
            messages = self._messages(followed, changed, trades, phases, now_ns)
            if messages:
                member.send_data(messages, now_ns)

    def _messages(
        self,
        followed: Followed,
        changed: set[int],
        trades: dict[int, Any],
        phases: dict[int, int],
        now_ns: int,
    ) -> list[tuple[bytes, Fields]]:
        messages: list[tuple[bytes, Fields]] = []
        for request in followed.lists_due:
            messages += self._security_list(request)
        followed.lists_due.clear()
        for request_id, product_id in followed.phases_due:
            messages.append(self._status(request_id, product_id, now_ns))
        followed.phases_due.clear()
        for request_id, product_id in followed.phases.items():
            if product_id in phases:
                messages.append(self._status(request_id, product_id, now_ns))
        for each in list(followed.books.values()):
            messages += self._book_messages(each, changed, trades, now_ns)
            if not each.is_lasting:
                followed.books.pop(each.request_id)
        return messages

    def _book_messages(
        self, each: Subscription, changed: set[int], trades: dict[int, Any], now_ns: int
    ) -> list[tuple[bytes, Fields]]:
        messages: list[tuple[bytes, Fields]] = []
        entries: list[Fields] = []
        for product_id in each.products:
            if product_id in each.awaiting:
                if product_id not in self._products:
                    text = b"Unknown symbol " + m.symbol(product_id)
                    messages.append(
                        (d.MARKET_DATA_REJECT, [(262, each.request_id), (281, UNKNOWN_SYMBOL), (58, text)])
                    )
                    continue
                messages.append(self._snapshot(each, product_id, now_ns))
            elif product_id in changed and not each.is_incremental:
                messages.append(self._snapshot(each, product_id, now_ns))
            elif product_id in changed:
                entries += self._changes(each, product_id)
            if TRADE in each.entry_types and product_id not in each.awaiting:
                entries += _trade_entries(product_id, trades.get(product_id, ()))
        each.awaiting.clear()
        if entries:
            head: Fields = [(262, each.request_id), (268, b"%d" % len(entries))]
            messages.append((d.INCREMENTAL, head + [pair for entry in entries for pair in entry]))
        return messages

    # Messages.

    def _snapshot(self, each: Subscription, product_id: int, now_ns: int) -> tuple[bytes, Fields]:
        book = self._view(each, product_id)
        each.shown[product_id] = book
        fields: Fields = [(262, each.request_id), (55, m.symbol(product_id))]
        fields += [(779, timestamp(now_ns))] if each.is_sp2 else []
        fields.append((268, b"%d" % len(book)))
        for (entry_type, ticks), lots in sorted(book.items(), key=_best_first):
            fields += [(269, entry_type), (270, decimal(ticks, m.PRICE_DECIMALS)),
                       (271, decimal(lots, m.QUANTITY_DECIMALS))]  # fmt: skip
        return d.SNAPSHOT, fields

    def _changes(self, each: Subscription, product_id: int) -> list[Fields]:
        """Return what differs from what the client was told: new, changed and deleted levels."""
        book, shown = self._view(each, product_id), each.shown.get(product_id, {})
        each.shown[product_id] = book
        entries = [_level_entry(b"2", product_id, level, 0) for level in shown.keys() - book.keys()]
        for level, lots in book.items():
            if shown.get(level) != lots:
                entries.append(_level_entry(b"1" if level in shown else b"0", product_id, level, lots))
        return entries

    def _view(self, each: Subscription, product_id: int) -> Ladder:
        """Return what the subscription shows of a product's book."""
        book = self._ladder(product_id)
        if not each.is_top:
            return {level: lots for level, lots in book.items() if level[0] in each.entry_types}
        view: Ladder = {}
        for entry_type, best in ((BID, max), (OFFER, min)):
            prices = [ticks for kind, ticks in book if kind == entry_type]
            if prices and entry_type in each.entry_types:
                level = (entry_type, best(prices))
                view[level] = book[level]
        return view

    def _ladder(self, product_id: int) -> Ladder:
        """Return what rests of a product; from now on it is followed."""
        if product_id not in self._ladders:
            self._ladders[product_id] = {}
            self._note_levels(product_id, self._book.snapshot((DEPTH, product_id)))
            self._subjects |= {(DEPTH, product_id), (TRADES, product_id)}
        return self._ladders[product_id]

    def _note_levels(self, product_id: int, data: bytes) -> None:
        """Bring a followed ladder up to date."""
        ladder = self._ladders[product_id]
        for level in np.frombuffer(data, self._records[DEPTH]):
            name = (BID if level["side"] == BUY else OFFER, int(level["price_ticks"]))
            if level["quantity_lots"]:
                ladder[name] = int(level["quantity_lots"])
            else:
                ladder.pop(name, None)

    def _note_products(self, events: Any) -> None:
        for told in _told(events, ProductDefined):
            self._products[int(told["product_id"])] = told

    def _status(self, request_id: bytes, product_id: int, now_ns: int) -> tuple[bytes, Fields]:
        phase = self._phases.get(product_id, FREE)
        return d.SECURITY_STATUS, [
            (324, request_id), (55, m.symbol(product_id)), (326, b"%d" % m.TRADING_STATUS[phase]),
            (60, timestamp(now_ns)),
        ]  # fmt: skip

    def _security_list(self, request: Message) -> list[tuple[bytes, Fields]]:
        wanted = m.product_of(request.get(55)) if request.values[559] == b"0" else None
        products = [each for each in sorted(self._products) if wanted in (None, each)]
        request_id, messages = request.values[320], []
        for begin in range(0, max(1, len(products)), PRODUCTS_A_MESSAGE):
            part = products[begin : begin + PRODUCTS_A_MESSAGE]
            is_last = begin + PRODUCTS_A_MESSAGE >= len(products)
            fields: Fields = [
                (320, request_id), (322, b"%s-%d" % (request_id, begin)), (560, b"0" if products else b"2"),
                (393, b"%d" % len(products)), (893, b"Y" if is_last else b"N"),
            ]  # fmt: skip
            if part:
                fields.append((146, b"%d" % len(part)))
            for product_id in part:
                fields += [(55, m.symbol(product_id)), (107, self._description(product_id))]
            messages.append((d.SECURITY_LIST, fields))
        return messages

    def _description(self, product_id: int) -> bytes:
        product = self._products[product_id]
        kind = KIND_NAMES.get(int(product["product_kind"]))
        if kind is None:
            return b"instrument"
        return f"{kind} from ".encode() + timestamp(int(product["delivery_start_ns"]))

    # Inside.

    def _followed(self, member: "Member") -> Followed:
        return self._members.setdefault(member, Followed())

    def _follow_tape(self) -> bool:
        """Begin to read the tape, at its beginning; False if that is gone."""
        if self._reader is None:
            reader = TapeReader(self._folder, self._schema)
            if reader.first() > 0:
                reader.close()
                return False
            self._reader = reader
        return True

    def _reject(self, member: "Member", request_id: bytes, reason: bytes, text: str, now_ns: int) -> None:
        assert member.session is not None
        fields: Fields = [(262, request_id), (281, reason), (58, text.encode())]
        member.session.send(d.MARKET_DATA_REJECT, fields, now_ns)

    def _refuse_old(self, member: "Member", message: Message, now_ns: int) -> None:
        assert member.session is not None
        member.session.business_reject(message, 4, "TOO_OLD: the tape has lost its beginning", now_ns)


def _is_due(followed: Followed) -> bool:
    return bool(followed.lists_due or followed.phases_due) or any(
        each.awaiting for each in followed.books.values()
    )


def _best_first(item: tuple[tuple[bytes, int], int]) -> tuple[bytes, int]:
    (entry_type, ticks), _ = item
    return entry_type, -ticks if entry_type == BID else ticks


def _level_entry(action: bytes, product_id: int, level: tuple[bytes, int], lots: int) -> Fields:
    entry_type, ticks = level
    name = b"%s%d" % (b"B" if entry_type == BID else b"O", ticks)
    fields: Fields = [(279, action), (269, entry_type), (278, name), (55, m.symbol(product_id)),
                      (270, decimal(ticks, m.PRICE_DECIMALS))]  # fmt: skip
    return fields if action == b"2" else [*fields, (271, decimal(lots, m.QUANTITY_DECIMALS))]


def _trade_entries(product_id: int, trades: Any) -> list[Fields]:
    """Return an entry for each trade; its id is the command's number and the product's count of trades."""
    return [
        [
            (279, b"0"), (269, TRADE), (278, b"T%d-%d" % (trade["sequence"], trade["session_number"])),
            (55, m.symbol(product_id)), (270, decimal(int(trade["price_ticks"]), m.PRICE_DECIMALS)),
            (271, decimal(int(trade["quantity_lots"]), m.QUANTITY_DECIMALS)),
        ]
        for trade in trades
    ]  # fmt: skip


def _told(events: Any, record: Record) -> Any:
    """Return copies of the events of one kind."""
    return events.view(record.dtype)[events["kind"] == record.kind]
