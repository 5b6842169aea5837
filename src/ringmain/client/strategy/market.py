"""The market as a strategy sees it: book, phase, terms and last trade of products, folded from the feeds."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.exchange.messages import BUY, FREE, PHASES, schema
from ringmain.gateway import messages
from ringmain.gateway.messages import gateway_schema

FEEDS = (messages.DEPTH, messages.TRADES, messages.PHASES, messages.TERMS)  # what a strategy follows
PHASE_NAMES = {code: name for name, code in PHASES.items()}


@dataclass(frozen=True)
class Terms:
    """What a product is; `gate_closure_ns` is 0 if it never closes."""

    value_minor: int
    gate_closure_ns: int
    delivery_start_ns: int
    price_step_ticks: int
    lot_step_lots: int


@dataclass(frozen=True)
class Level:
    """All that is shown at a price."""

    price_ticks: int
    quantity_lots: int


@dataclass(frozen=True)
class Trade:
    """A trade of the market, whoever made it."""

    product_id: int
    price_ticks: int
    quantity_lots: int
    time_ns: int


@dataclass
class Product:
    """One product, as far as its feeds were heard.

    Attributes
    ----------
    terms : Terms or None
        None until the operator has defined it.
    phase : int
        One of ``exchange.messages.PHASES``; FREE until it is known.
    last_ticks : int or None
        Price of the last trade that was heard of.
    """

    product_id: int
    terms: Terms | None = None
    phase: int = FREE
    last_ticks: int | None = None
    _bids: dict[int, int] = field(default_factory=dict)
    _offers: dict[int, int] = field(default_factory=dict)

    @property
    def phase_name(self) -> str:
        """The phase in words, such as CONTINUOUS."""
        return PHASE_NAMES.get(self.phase, str(self.phase))

    @property
    def best_bid(self) -> Level | None:
        """The highest bid, or None."""
        return self._level(self._bids, max)

    @property
    def best_offer(self) -> Level | None:
        """The lowest offer, or None."""
        return self._level(self._offers, min)

    @property
    def mid_ticks(self) -> int | None:
        """The middle between the best bid and offer, rounded down; None without both."""
        bid, offer = self.best_bid, self.best_offer
        return (bid.price_ticks + offer.price_ticks) // 2 if bid and offer else None

    def depth(self, side: int, levels: int = 10) -> list[Level]:
        """Return the best levels of a side, the best first."""
        book = self._bids if side == BUY else self._offers
        prices = sorted(book, reverse=side == BUY)[:levels]
        return [Level(price, book[price]) for price in prices]

    def _level(self, book: dict[int, int], best: Any) -> Level | None:
        if not book:
            return None
        price_ticks = best(book)
        return Level(price_ticks, book[price_ticks])


@dataclass
class Changes:
    """What a batch of market data has changed, each product once."""

    trades: list[Trade] = field(default_factory=list)
    phases: dict[int, None] = field(default_factory=dict)
    books: dict[int, None] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)


class MarketView:
    """A fold of market data records, for some products."""

    def __init__(self, product_ids: tuple[int, ...]) -> None:
        self.products = {product_id: Product(product_id) for product_id in product_ids}
        self._awaited = {(feed, product_id) for feed in FEEDS for product_id in product_ids}
        self._schema = gateway_schema(schema.slots)
        self._level_dtype = self._schema.events[messages.LEVEL_CHANGED].dtype
        self._filling: set[int] = set()  # products whose snapshot of the depth is on its way
        self._folds = {
            messages.SNAPSHOT_BEGUN: self._begin,
            messages.SNAPSHOT_ENDED: self._end,
            messages.TRADE_PRINTED: self._print_trade,
            messages.PHASE_CHANGED: self._change_phase,
            messages.TERMS_CHANGED: self._change_terms,
            messages.SUBSCRIPTION_ENDED: self._refuse,
        }

    @property
    def subjects(self) -> list[tuple[int, int]]:
        """What it has to be told of: feeds and products."""
        return [(feed, product_id) for feed in FEEDS for product_id in self.products]

    @property
    def is_ready(self) -> bool:
        """Whether book, phase and terms of every product are known."""
        is_known = all(each.terms is not None and each.phase != FREE for each in self.products.values())
        return is_known and not self._awaited

    def fold(self, records: Any) -> Changes:
        """Take in records of shape (n,), in order."""
        changes = Changes()
        levels = records.view(self._level_dtype)
        names = ("kind", "product_id", "side", "price_ticks", "quantity_lots")
        rows = zip(*(levels[name].tolist() for name in names), strict=True)
        for row, (kind, product_id, side, price_ticks, lots) in enumerate(rows):
            if kind == messages.LEVEL_CHANGED:  # most are
                self._change_level(product_id, side, price_ticks, lots, changes)
                continue
            fold = self._folds.get(kind)
            if fold is not None:
                fold(self._schema.unpack_event(records[row : row + 1]), changes)
        return changes

    def _begin(self, said: dict[str, Any], changes: Changes) -> None:
        product = self.products[said["product_id"]]
        if said["feed"] == messages.DEPTH:
            product._bids.clear()
            product._offers.clear()
            self._filling.add(product.product_id)

    def _end(self, said: dict[str, Any], changes: Changes) -> None:
        self._awaited.discard((said["feed"], said["product_id"]))
        if said["feed"] == messages.DEPTH:
            self._filling.discard(said["product_id"])
            changes.books[said["product_id"]] = None

    def _change_level(
        self, product_id: int, side: int, price_ticks: int, quantity_lots: int, changes: Changes
    ) -> None:
        product = self.products[product_id]
        book = product._bids if side == BUY else product._offers
        if quantity_lots:
            book[price_ticks] = quantity_lots
        else:
            book.pop(price_ticks, None)
        if product_id not in self._filling:
            changes.books[product_id] = None

    def _print_trade(self, said: dict[str, Any], changes: Changes) -> None:
        trade = Trade(*(said[name] for name in ("product_id", "price_ticks", "quantity_lots", "time_ns")))
        self.products[trade.product_id].last_ticks = trade.price_ticks
        changes.trades.append(trade)

    def _change_phase(self, said: dict[str, Any], changes: Changes) -> None:
        product = self.products[said["product_id"]]
        if product.phase != said["phase"]:
            product.phase = said["phase"]
            changes.phases[product.product_id] = None

    def _change_terms(self, said: dict[str, Any], changes: Changes) -> None:
        names = ("value_minor", "gate_closure_ns", "delivery_start_ns", "price_step_ticks", "lot_step_lots")
        self.products[said["product_id"]].terms = Terms(*(said[name] for name in names))

    def _refuse(self, said: dict[str, Any], changes: Changes) -> None:
        changes.refused.append(said)


def snapshot_records(feed: int, product_id: int, body: bytes) -> Any:
    """Return a snapshot as the gateway sends it, from what the book says."""
    made = gateway_schema(schema.slots).events
    values = {"feed": feed, "product_id": product_id}
    begun, ended = (
        made[kind](**values).tobytes() for kind in (messages.SNAPSHOT_BEGUN, messages.SNAPSHOT_ENDED)
    )
    return np.frombuffer(begun + body + ended, schema.header)
