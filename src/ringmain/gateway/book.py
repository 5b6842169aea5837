"""The public book as the feeds use it: batches of events in, records for subscribers out."""

from typing import Any

import numpy as np

from ringmain.core.jit import bare, records
from ringmain.core.records import Schema
from ringmain.exchange.state import PRODUCTS
from ringmain.gateway import messages
from ringmain.gateway.broadcast import Broadcast
from ringmain.gateway.depth import (
    BATCH_EVENTS,
    CHANGES,
    DEPTH,
    FEED_NUMBERS,
    FILLED_RECORD,
    PHASE,
    PHASE_RECORD,
    fold,
)
from ringmain.gateway.directory import find
from ringmain.gateway.messages import session_record
from ringmain.gateway.moves import moves_of
from ringmain.gateway.telling import (
    copy_levels,
    copy_orders,
    copy_statistics,
    copy_top,
    tell_levels,
    tell_orders,
    tell_products,
)
from ringmain.gateway.terms import Terms

INDICATIVE_EVENT = "IndicativePriceChanged"  # of a market that tells what its call auction would give
INDICATIVE_FIELDS = ("price_ticks", "volume_lots", "surplus_lots")

Subject = tuple[int, int]  # feed, product_id


class Book:
    """What rests, trades and holds of each product, as far as the tape was folded.

    Attributes
    ----------
    sequence, time_ns : int
        Of the last event folded; the time stands in whatever is told of it.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema, self._moves = schema, moves_of(schema)
        self._state = records(np.zeros(1, DEPTH))
        self._bare = bare(self._state)
        self._products = self._state["products"][0]
        self._followed = np.zeros((PRODUCTS, FEED_NUMBERS), np.uint8)
        self._counts = np.zeros(2, np.int64)
        self._out = {
            feed: self._buffer(name, rows)
            for feed, name, rows in (
                (messages.DEPTH, "LevelChanged", CHANGES),
                (messages.ORDERS, "OrderShown", 2 * CHANGES),
                (messages.TRADES, "TradePrinted", BATCH_EVENTS),
                (messages.TOP, "TopChanged", PRODUCTS),
                (messages.STATISTICS, "StatisticsChanged", PRODUCTS),
            )
        }
        self._phase_record = session_record(schema.slots, "PhaseChanged")
        self._indicative = next((r for r in schema.events.values() if r.name == INDICATIVE_EVENT), None)
        self._indicatives: dict[int, Any] = {}  # the last one, by slot
        self._terms = Terms(schema)
        self.sequence = self.time_ns = 0
        self.fold(schema.empty(0), set())  # compiled before anyone waits for it

    @property
    def feeds(self) -> set[int]:
        """The feeds that this market can give."""
        all_feeds = set(self._out) | {messages.PHASES, messages.INDICATIVE, messages.TERMS}
        return all_feeds if self._indicative else all_feeds - {messages.INDICATIVE}

    def fold(self, events: Any, followed: set[Subject]) -> dict[Subject, bytes]:
        """Fold a batch of at most BATCH_EVENTS; return what it changed for each subject that is followed."""
        self._follow(followed)
        heads, size = bare(events), self._schema.record_bytes
        raw = heads.view(np.uint8).reshape(-1, size)
        out = self._out
        fold(
            self._bare, heads, raw.view(np.int32), raw, _as(events, FILLED_RECORD), _as(events, PHASE_RECORD),
            self._moves, self._followed, out[messages.TRADES],
        )  # fmt: skip
        if events.size:
            self.sequence, self.time_ns = int(events["sequence"][-1]), int(events["time_ns"][-1])
        told = {
            messages.DEPTH: tell_levels(self._bare, self._followed, out[messages.DEPTH]),
            messages.ORDERS: tell_orders(self._bare, self._followed, out[messages.ORDERS]),
            messages.TRADES: int(self._state["trade_count"][0]),
        }
        tell_products(self._bare, self._followed, out[messages.TOP], out[messages.STATISTICS], self._counts)
        told[messages.TOP], told[messages.STATISTICS] = self._counts.tolist()
        changes: dict[Subject, bytes] = {}
        for feed, count in told.items():
            self._group(feed, out[feed][:count], changes)
        self._tell_rare(events, followed, changes)
        return changes

    def snapshot(self, subject: Subject) -> bytes:
        """Return the records of all that is known of a subject."""
        feed, product_id = subject
        if feed == messages.TERMS:
            terms = self._terms.of(product_id)
            return bytes(terms.tobytes()) if terms is not None else b""
        slot = product_id % PRODUCTS
        product = self._products[slot]
        if product["product_id"] != product_id:
            return b""
        if feed == messages.PHASES:
            return self._phase(slot) if product["phase_sequence"] else b""
        if feed == messages.INDICATIVE:
            return self._indicatives[slot].tobytes() if slot in self._indicatives else b""
        copy, name, rows = {
            messages.DEPTH: (copy_levels, "LevelChanged", int(product["level_count"])),
            messages.ORDERS: (copy_orders, "OrderShown", int(product["order_count"])),
            messages.TOP: (copy_top, "TopChanged", 1),
            messages.STATISTICS: (copy_statistics, "StatisticsChanged", int(product["volume_lots"] > 0)),
            messages.TRADES: (copy_top, "TradePrinted", 0),  # the past is not repeated
        }[feed]
        if not rows:
            return b""
        out = self._buffer(name, rows)
        copy(self._bare, slot, out)
        out["time_ns"] = self.time_ns
        return bytes(out.tobytes())

    def count(self, subject: Subject) -> int:
        """Return how many changes of a subject were told so far."""
        if subject[0] == messages.TERMS:
            return self._terms.count(subject[1])
        product = self._products[subject[1] % PRODUCTS]
        return int(product["counts"][subject[0]]) if product["product_id"] == subject[1] else 0

    def product_of(self, session_id: int, order_number: int) -> int:
        """Return the product of an order that shows or rests in the public book, or 0."""
        row = find(self._bare["orders"][0], session_id, order_number)
        if not row:
            return 0
        slot = self._state["orders"]["rows"][0, row]["slot"]
        return int(self._products[slot]["product_id"])

    def _follow(self, followed: set[Subject]) -> None:
        self._followed.fill(0)
        for feed, product_id in followed:
            if feed != messages.TERMS:
                self._followed[product_id % PRODUCTS, feed] = 1

    def _buffer(self, name: str, rows: int) -> Any:
        record = session_record(self._schema.slots, name)
        out = np.zeros(rows, record.dtype)
        record.stamp(out)
        return bare(records(out))

    def _group(self, feed: int, rows: Any, changes: dict[Subject, bytes]) -> None:
        """Put the records of each product together, in order."""
        if not rows.size:
            return
        rows["time_ns"] = self.time_ns
        product_ids = rows["product_id"]
        first = int(product_ids[0])
        if (product_ids == first).all():
            changes[feed, first] = Broadcast(rows.tobytes())
            return
        order = np.argsort((product_ids % PRODUCTS).astype(np.uint16), kind="stable")  # radix
        words = rows.view(np.int64).reshape(rows.size, -1)[order]
        sorted_ids = product_ids[order]
        borders = np.flatnonzero(np.diff(sorted_ids)) + 1
        for piece, product_id in zip(
            np.split(words, borders), sorted_ids[np.r_[0, borders]].tolist(), strict=True
        ):
            changes[feed, product_id] = Broadcast(piece.tobytes())

    def _tell_rare(self, events: Any, followed: set[Subject], changes: dict[Subject, bytes]) -> None:
        """Tell terms, phases and indicative prices, which are few."""
        for product_id in self._terms.fold(events):
            if (messages.TERMS, product_id) in followed:
                changes[messages.TERMS, product_id] = Broadcast(self._terms.tell(product_id))
        for slot_event in np.flatnonzero(events["kind"] == PHASE).tolist():
            product_id = int(events.view(PHASE_RECORD)["product_id"][slot_event])
            self._append(changes, (messages.PHASES, product_id), followed, self._phase)
        if self._indicative is None:
            return
        told = events.view(self._indicative.dtype)
        for row in np.flatnonzero(events["kind"] == self._indicative.kind).tolist():
            self._note_indicative(told[row])
            product_id = int(told["product_id"][row])
            self._append(
                changes, (messages.INDICATIVE, product_id), followed,
                lambda slot: self._indicatives[slot].tobytes(),
            )  # fmt: skip

    def _append(
        self, changes: dict[Subject, bytes], subject: Subject, followed: set[Subject], record: Any
    ) -> None:
        if subject in followed:
            slot = subject[1] % PRODUCTS
            self._products[slot]["counts"][subject[0]] += 1
            changes[subject] = Broadcast(changes.get(subject, b"") + record(slot))

    def _phase(self, slot: int) -> bytes:
        product = self._products[slot]
        record = self._phase_record(product_id=int(product["product_id"]), phase=int(product["phase"]))
        record["sequence"], record["time_ns"] = product["phase_sequence"], self.time_ns
        record["session_number"] = product["counts"][messages.PHASES]
        return record.tobytes()

    def _note_indicative(self, event: Any) -> None:
        product_id = int(event["product_id"])
        known = {name: int(event[name]) for name in INDICATIVE_FIELDS if name in event.dtype.names}
        values = dict.fromkeys(INDICATIVE_FIELDS, 0) | known
        record = session_record(self._schema.slots, "IndicativeChanged")(product_id=product_id, **values)
        record["sequence"], record["time_ns"] = event["sequence"], event["time_ns"]
        self._indicatives[product_id % PRODUCTS] = record


def _as(events: Any, dtype: np.dtype[Any]) -> Any:
    return bare(records(events.view(dtype)))
