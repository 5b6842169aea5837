"""The day-ahead auction as the bridge follows it: where a product stands in it, and whose curve is where."""

from dataclasses import dataclass
from typing import Any

from ringmain.exchange import messages as exchange
from ringmain.exchange.dayahead_messages import (
    ABSENT,
    OPEN,
    AuctionDefined,
    AuctionPhaseChanged,
    CancelAuctionOrder,
    SubmitCurveSegment,
    ZoneDefined,
)
from ringmain.vpp import messages as vpp

SETTINGS = {record.kind: record for record in (AuctionDefined, ZoneDefined, AuctionPhaseChanged)}


@dataclass(frozen=True)
class Place:
    """A zone and period of an auction."""

    auction_id: int
    zone: int
    period: int


class Auctions:
    """The auction that runs, folded from the exchange's tape: give it every event of SETTINGS, in order.

    Attributes
    ----------
    auction_id : int
        The last that was defined; 0: none was.
    """

    def __init__(self) -> None:
        self.auction_id, self._phase, self._period_count = 0, ABSENT, 0
        self._first_product_ids: dict[int, int] = {}

    def fold(self, event: Any) -> None:
        """Take one event in."""
        record = SETTINGS[int(event["kind"][0])]
        said = record.unpack(event)
        if record is AuctionDefined:
            self.auction_id, self._period_count = said["auction_id"], said["period_count"]
            self._first_product_ids = {}
        elif record is ZoneDefined:
            self._first_product_ids[said["zone"]] = said["first_product_id"]
        else:
            self._phase = said["phase"]

    def place_of(self, product_id: int) -> Place | None:
        """Return where a product's orders go in the auction, if it takes any now."""
        if self._phase != OPEN:
            return None
        for zone, first in self._first_product_ids.items():
            if first <= product_id < first + self._period_count:
                return Place(self.auction_id, zone, product_id - first)
        return None

    def product_id(self, zone: int, period: int) -> int:
        """Return the product that a zone's awards in a period are booked in."""
        return self._first_product_ids.get(zone, 0) + period


def curve_of(bid: dict[str, Any], place: Place) -> Any:
    """Return a bid as a curve of one step."""
    return SubmitCurveSegment(
        auction_id=place.auction_id, begin_ticks=bid["price_ticks"], end_ticks=bid["price_ticks"],
        quantity_lots=bid["quantity_lots"], zone=place.zone, period=place.period,
        segment_index=0, segment_count=1,
        side=exchange.BUY if bid["side"] == vpp.BUY else exchange.SELL,
    )  # fmt: skip


def withdrawal_of(place: Place) -> Any:
    """Return the command that takes a curve back."""
    return CancelAuctionOrder(auction_id=place.auction_id, block_id=0, zone=place.zone, period=place.period)
