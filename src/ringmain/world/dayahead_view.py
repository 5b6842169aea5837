"""What the world sees of the day-ahead auctions: phase, whose orders are in, prices, and how one ended."""

from typing import Any

from ringmain.exchange.dayahead_messages import (
    ABSENT,
    AuctionDefined,
    AuctionEnded,
    AuctionPhaseChanged,
    BlockAccepted,
    BlockAwarded,
    CurveSegmentAccepted,
    PriceSet,
    ZoneDefined,
)


class DayAheadView:
    """A fold of the exchange's tape into the auction that runs, or the last one.

    Attributes
    ----------
    auction_id, phase : int
    prices : dict of int to int
        Hourly product to its price, in ticks, of all auctions.
    curves : dict of int to set of int
        Account to the periods in which it has a curve.
    blocks : dict of int to list of int
        Account to its blocks, in the order in which they came.
    accepted_count : int
        How many blocks have been accepted, at least in part.
    bought_lots : int
        In all periods.
    ended : dict or None
        AuctionEnded of the auction, once it has.
    """

    def __init__(self) -> None:
        self.folds = {
            AuctionDefined.kind: (AuctionDefined, self._defined),
            ZoneDefined.kind: (ZoneDefined, self._zone),
            AuctionPhaseChanged.kind: (AuctionPhaseChanged, self._changed),
            CurveSegmentAccepted.kind: (CurveSegmentAccepted, self._segment),
            BlockAccepted.kind: (BlockAccepted, self._block),
            PriceSet.kind: (PriceSet, self._priced),
            BlockAwarded.kind: (BlockAwarded, self._awarded),
            AuctionEnded.kind: (AuctionEnded, self._ended),
        }
        self.auction_id, self.phase, self._first_product_id = 0, ABSENT, 0
        self.prices: dict[int, int] = {}
        self._begin()

    @property
    def block_count(self) -> int:
        """How many blocks are in."""
        return sum(map(len, self.blocks.values()))

    def _begin(self) -> None:
        self.curves: dict[int, set[int]] = {}
        self.blocks: dict[int, list[int]] = {}
        self.accepted_count = self.bought_lots = 0
        self.ended: dict[str, Any] | None = None

    def _defined(self, event: Any) -> None:
        self._begin()
        self.auction_id = int(event["auction_id"])

    def _zone(self, event: Any) -> None:
        self._first_product_id = int(event["first_product_id"])

    def _changed(self, event: Any) -> None:
        self.phase = int(event["phase"])

    def _segment(self, event: Any) -> None:
        if event["segment_index"] == event["segment_count"] - 1:
            self.curves.setdefault(int(event["account_id"]), set()).add(int(event["period"]))

    def _block(self, event: Any) -> None:
        self.blocks.setdefault(int(event["account_id"]), []).append(int(event["block_id"]))

    def _priced(self, event: Any) -> None:
        self.prices[self._first_product_id + int(event["period"])] = int(event["price_ticks"])
        self.bought_lots += int(event["bought_lots"])

    def _awarded(self, event: Any) -> None:
        self.accepted_count += int(event["ratio_billionths"] > 0)

    def _ended(self, event: Any) -> None:
        names = ("auction_id", "welfare_tick_lots", "gap_millionths", "paradox_count", "outcome")
        self.ended = {name: int(event[name]) for name in names}
