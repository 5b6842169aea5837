"""Block bids: several products traded as one, all of it or nothing; and a choice that is left to the auction.

A block is a run of quantities over products in line. It may hang on a parent (a sale on the purchase that
fills the store for it), and parents may share an exclusive group, of which the auction accepts one at most.

Commands have the kinds 34 and 35, events 64 to 66.
"""

from ringmain.core.records import Field
from ringmain.vpp.messages import BID_ID, REASONS, SCHEMA, SIDE

# fmt: off
BLOCK_REASONS = {
    "BLOCK_TOO_LONG": 110, "RUN_OUT_OF_RANGE": 111, "NO_BLOCK_BEGUN": 112, "BLOCKS_FULL": 113,
    "UNKNOWN_PARENT_BID": 114, "PARENT_HAS_CHILD": 115, "CHILD_IN_GROUP": 116, "BLOCK_OF_RESERVE": 117,
}
# fmt: on
REASONS.update(BLOCK_REASONS)
SCHEMA.refusals(BLOCK_REASONS)

_RUN_PERIODS = Field("run_periods", "u2", "for how many products the quantity holds")
_BLOCK = (
    BID_ID,
    Field(
        "first_product_id", "u4", "the exchange's product that it begins with; the others' ids follow in line"
    ),
    Field("price_ticks", "i4", "limit of the mean price over the block, 0.01 EUR/MWh"),
    Field("quantity_lots", "i4", "lots of each product of the first run"),
    Field("parent_bid_id", "u4", "the block bid without which this one is not accepted; 0: none", None, 0),
    Field("exclusive_group", "u4", "one of the group is accepted at most; 0: none", None, 0),
    Field("period_count", "u2", "how many products it spans"),
    _RUN_PERIODS,
    SIDE,
)
_RUN = (BID_ID, Field("quantity_lots", "i4", "lots of each product of the run; 0: none"), _RUN_PERIODS)

SubmitBlockBid = SCHEMA.command(
    34,
    "SubmitBlockBid",
    "Begin a block bid (operator). It is a bid when ExtendBlockBid has brought the rest of its quantities; "
    "until then it is answered only when refused, and given up when another one begins.",
    _BLOCK,
)
ExtendBlockBid = SCHEMA.command(
    35, "ExtendBlockBid", "The next quantities of the block bid that was begun (operator).", _RUN
)

BlockBidSubmitted = SCHEMA.event(
    64, "BlockBidSubmitted", "The block is within the fleet's power: place it. Its other runs follow.", _BLOCK
)
BlockBidRun = SCHEMA.event(65, "BlockBidRun", "The next quantities of the block bid.", _RUN)
BlockBidShadowed = SCHEMA.event(
    66, "BlockBidShadowed", "The block bid was noted; nothing is placed. Its other runs are not told.", _BLOCK
)
