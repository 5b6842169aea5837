"""A fold of block bids: what each asks for, and what became of it."""

from dataclasses import dataclass, field
from typing import Any

from ringmain.vpp.block_messages import BlockBidRun, BlockBidShadowed, BlockBidSubmitted
from ringmain.vpp.messages import ENDINGS, AwardRecorded, BidCancelRequested, BidEnded
from ringmain.vpp.rows import rows_of_any

ENDING_NAMES = {code: name for name, code in ENDINGS.items()}
SHADOWED = "SHADOWED"  # the ending of a bid that was noted only


@dataclass(kw_only=True)
class Outcome:
    """What became of a bid; `ending` is None while it may still be filled."""

    awarded_lots: int = 0
    amount_minor: int = 0
    cancelling: bool = False
    ending: str | None = None

    def follow(self, record: Any, row: Any) -> None:
        """Take in a BidCancelRequested, an AwardRecorded or a BidEnded of this bid."""
        if record is BidCancelRequested:
            self.cancelling = True
        elif record is AwardRecorded:
            self.awarded_lots += int(row["quantity_lots"])
            self.amount_minor += int(row["amount_minor"])
        else:
            self.ending = ENDING_NAMES[int(row["ending"])]


@dataclass
class BlockBid(Outcome):
    """A block bid; `lots` are of its products in line."""

    bid_id: int
    first_product_id: int
    side: int
    price_ticks: int
    parent_bid_id: int
    exclusive_group: int
    period_count: int
    lots: list[int] = field(default_factory=list)

    @property
    def product_ids(self) -> range:
        """The products that it spans."""
        return range(self.first_product_id, self.first_product_id + self.period_count)


_FIELDS = (
    "bid_id",
    "first_product_id",
    "side",
    "price_ticks",
    "parent_bid_id",
    "exclusive_group",
    "period_count",
)


class BlockBids:
    """Every block bid by its id, in the order in which they were made."""

    def __init__(self) -> None:
        self.by_id: dict[int, BlockBid] = {}

    def fold(self, events: Any) -> None:
        """Follow block bids from submission to their end."""
        records = (
            BlockBidSubmitted,
            BlockBidShadowed,
            BlockBidRun,
            BidCancelRequested,
            AwardRecorded,
            BidEnded,
        )
        for record, row in rows_of_any(events, *records):
            if record in (BlockBidSubmitted, BlockBidShadowed):
                self._begin(row, SHADOWED if record is BlockBidShadowed else None)
                continue
            block = self.by_id.get(int(row["bid_id"]))
            if block is not None and record is BlockBidRun:
                block.lots += [int(row["quantity_lots"])] * int(row["run_periods"])
            elif block is not None:
                block.follow(record, row)

    def _begin(self, row: Any, ending: str | None) -> None:
        asked: dict[str, Any] = {name: int(row[name]) for name in _FIELDS}
        block = BlockBid(**asked, ending=ending)
        block.lots += [int(row["quantity_lots"])] * int(row["run_periods"])
        self.by_id[block.bid_id] = block
