"""A fold of block bids: what each asks for, and what became of it."""

from dataclasses import dataclass, field
from typing import Any

from ringmain.vpp.block_messages import BlockBidRun, BlockBidShadowed, BlockBidSubmitted
from ringmain.vpp.messages import ENDINGS, AwardRecorded, BidCancelRequested, BidEnded
from ringmain.vpp.rows import rows_of_any

ENDING_NAMES = {code: name for name, code in ENDINGS.items()}
SHADOWED = "SHADOWED"  # the ending of a bid that was noted only


@dataclass
class BlockBid:
    """A block bid; `lots` are of its products in line, `ending` is None while it may be accepted."""

    bid_id: int
    first_product_id: int
    side: int
    price_ticks: int
    parent_bid_id: int
    exclusive_group: int
    period_count: int
    lots: list[int] = field(default_factory=list)
    awarded_lots: int = 0
    amount_minor: int = 0
    cancelling: bool = False
    ending: str | None = None

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
            elif int(row["bid_id"]) in self.by_id:
                self._follow(record, row, self.by_id[int(row["bid_id"])])

    def _begin(self, row: Any, ending: str | None) -> None:
        asked: dict[str, Any] = {name: int(row[name]) for name in _FIELDS}
        block = BlockBid(**asked, ending=ending)
        block.lots += [int(row["quantity_lots"])] * int(row["run_periods"])
        self.by_id[block.bid_id] = block

    @staticmethod
    def _follow(record: Any, row: Any, block: BlockBid) -> None:
        if record is BlockBidRun:
            block.lots += [int(row["quantity_lots"])] * int(row["run_periods"])
        elif record is BidCancelRequested:
            block.cancelling = True
        elif record is AwardRecorded:
            block.awarded_lots += int(row["quantity_lots"])
            block.amount_minor += int(row["amount_minor"])
        else:
            block.ending = ENDING_NAMES[int(row["ending"])]
