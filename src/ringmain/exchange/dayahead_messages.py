"""The day-ahead auction's commands, events and reasons, in the exchange's schema.

A curve is named by its account, zone and period; a block by the `block_id` that its events bear.
Fold of the tape into a book: CurveSegmentAccepted of index 0 begins a curve anew, and the one of the
last index puts it in the place of the former; BlockRunAccepted gives a block its quantities, and
BlockAccepted, which comes last, its terms; AuctionOrderCancelled takes either out.
"""

from ringmain.core.messages import ACCOUNT_ID
from ringmain.core.records import Field
from ringmain.exchange.messages import QUANTITY, SIDE, schema

ABSENT, DRAFTED, OPEN, FROZEN, PRICING, BOOKING = range(6)
PROPOSAL, FALLBACK, VOID = 1, 2, 3
RATIO_ONE = 1_000_000_000  # an acceptance ratio of 1, in billionths

AUCTION_PHASES = {
    "ABSENT": ABSENT,
    "DRAFTED": DRAFTED,
    "OPEN": OPEN,
    "FROZEN": FROZEN,
    "PRICING": PRICING,
    "BOOKING": BOOKING,
}
OUTCOMES = {"PROPOSAL": PROPOSAL, "FALLBACK": FALLBACK, "VOID": VOID}
AUCTION_REJECTIONS = {
    "AUCTION_RUNNING": 150,
    "AUCTION_ID_USED": 151,
    "UNKNOWN_AUCTION": 152,
    "WRONG_AUCTION_PHASE": 153,
    "WRONG_AUCTION_SIZE": 154,
    "WRONG_AUCTION_TIMES": 155,
    "WRONG_ZONE": 156,
    "WRONG_PERIOD": 157,
    "ZONE_MISSING": 158,
    "PRODUCT_NOT_FIT": 159,
    "WRONG_LINE": 160,
    "CAPACITY_OUT_OF_RANGE": 161,
    "HELD_BY_AUCTION": 162,
    "SEGMENT_OUT_OF_ORDER": 163,
    "CURVE_TOO_LONG": 164,
    "CURVES_FULL": 165,
    "SEGMENTS_FULL": 166,
    "WRONG_SLOPE": 167,
    "BLOCKS_FULL": 168,
    "BLOCK_OUTSIDE_AUCTION": 169,
    "RATIO_OUT_OF_RANGE": 170,
    "UNKNOWN_PARENT": 171,
    "PARENT_NOT_OWN": 172,
    "LINK_TOO_DEEP": 173,
    "FAMILY_FULL": 174,
    "EXCLUSIVE_GROUPS_FULL": 175,
    "NO_BLOCK_TO_EXTEND": 176,
    "UNKNOWN_BLOCK": 177,
    "BLOCK_HAS_CHILDREN": 178,
    "UNKNOWN_CURVE": 179,
}
PROPOSAL_FAULTS = {
    "PRICE_MISSING": 185,
    "BLOCK_BELOW_MINIMUM": 186,
    "CHILD_ABOVE_PARENT": 187,
    "EXCLUSIVE_GROUP_ABOVE_ONE": 188,
    "BLOCK_OUT_OF_MONEY": 189,
    "FLOW_ABOVE_CAPACITY": 190,
    "FLOW_AGAINST_PRICES": 191,
    "NOT_BALANCED": 192,
}

schema.refusals(AUCTION_REJECTIONS)
schema.refusals(PROPOSAL_FAULTS)

AUCTION_ID = Field("auction_id", "u4", "the auction, from 1; ids only ever grow")
GATE_TIME = Field("gate_ns", "i8", "when orders are frozen")
RESULT_TIME = Field(
    "result_ns", "i8", "when the curves alone are cleared, if no proposal has been good by then"
)
PRICE_MIN = Field("price_min_ticks", "i4", "lowest price")
PRICE_MAX = Field("price_max_ticks", "i4", "highest price")
PERIOD_COUNT = Field("period_count", "u2", "number of periods")
ZONE_COUNT = Field("zone_count", "u2", "number of zones")
ZONE = Field("zone", "u2", "zone, from 0")
PERIOD = Field("period", "u2", "period, from 0")
FIRST_PERIOD = Field("first_period", "u2", "first period, from 0")
FIRST_PRODUCT = Field(
    "first_product_id", "u4", "product of period 0; the other periods' products follow in line"
)
LINE = Field("line", "u2", "line between two zones, from 0")
FORWARD = Field("forward_lots", "i4", "most that may flow from from_zone to to_zone")
BACKWARD = Field("backward_lots", "i4", "most that may flow the other way")
FROM_ZONE = Field("from_zone", "u2", "zone that a positive flow leaves")
TO_ZONE = Field("to_zone", "u2", "zone that a positive flow reaches")
BEGIN_PRICE = Field("begin_ticks", "i4", "price at which the segment begins to be accepted")
END_PRICE = Field("end_ticks", "i4", "price at which all of it is; begin_ticks for a step")
SEGMENT_INDEX = Field("segment_index", "u2", "place in the curve, from 0")
SEGMENT_COUNT = Field("segment_count", "u2", "segments of the whole curve")
BLOCK_ID = Field("block_id", "u4", "the block")
BLOCK_PRICE = Field("price_ticks", "i4", "limit of the mean price over what is accepted")
PARENT = Field("parent_block_id", "u4", "own block without which this one is not accepted; 0: none")
GROUP = Field(
    "exclusive_group", "u4", "the account's group whose ratios sum to 1 at most; 0: none; the number is yours"
)
MINIMUM_RATIO = Field("minimum_ratio_permille", "u2", "least acceptance ratio; 1,000: all or nothing")
RUN_PERIODS = Field("run_periods", "u2", "how many periods the quantity is for")
RATIO = Field("ratio_billionths", "u4", "acceptance ratio")
FLOW = Field("flow_lots", "i4", "flow from from_zone to to_zone; below zero the other way")
CLEARING_PRICE = Field("price_ticks", "i4", "the one price of the zone in the period")
GAP = Field("gap_millionths", "u4", "how far the welfare may be from the best, as advice states it")
WELFARE = Field("welfare_tick_lots", "i8", "value of what is bought less cost of what is sold, by limits")
CASH = Field("amount_minor", "i8", "money received; below zero: paid")

# What the operator, account 0, sends.

DefineAuction = schema.command(48, "DefineAuction", "Describe the one auction that runs next.", (
    GATE_TIME, RESULT_TIME, AUCTION_ID, PRICE_MIN, PRICE_MAX, PERIOD_COUNT, ZONE_COUNT,
))  # fmt: skip
DefineZone = schema.command(49, "DefineZone", "Name the products that a zone's awards are booked in.", (
    AUCTION_ID, FIRST_PRODUCT, ZONE,
))  # fmt: skip
DefineTransfer = schema.command(50, "DefineTransfer", "Give a line its capacity in some periods.", (
    AUCTION_ID, FORWARD, BACKWARD, LINE, FROM_ZONE, TO_ZONE, FIRST_PERIOD, PERIOD_COUNT,
))  # fmt: skip
OpenAuction = schema.command(51, "OpenAuction", "Take orders from now on, up to the gate.", (AUCTION_ID,))
VoidAuction = schema.command(52, "VoidAuction", "End the auction without a result.", (AUCTION_ID,))

# What participants send.

SubmitCurveSegment = schema.command(
    53, "SubmitCurveSegment", "Send a curve, segment by segment; it counts when the last one is in.", (
        AUCTION_ID, BEGIN_PRICE, END_PRICE, QUANTITY, ZONE, PERIOD, SEGMENT_INDEX, SEGMENT_COUNT, SIDE,
    ),
)  # fmt: skip
SubmitBlock = schema.command(
    54, "SubmitBlock", "Offer or bid for a run of periods as one; its first quantities come along.", (
        AUCTION_ID, BLOCK_PRICE, QUANTITY, PARENT, GROUP,
        ZONE, FIRST_PERIOD, PERIOD_COUNT, RUN_PERIODS, MINIMUM_RATIO, SIDE,
    ),
)  # fmt: skip
ExtendBlock = schema.command(
    55, "ExtendBlock", "Give the session's last block its next quantities; it counts when it has all.", (
        AUCTION_ID, Field("quantity_lots", "i4", "quantity; may be 0"), RUN_PERIODS,
    ),
)  # fmt: skip
CancelAuctionOrder = schema.command(56, "CancelAuctionOrder", "Take one's own block or curve back.", (
    AUCTION_ID,
    Field("block_id", "u4", "the block; 0: the account's curve of the zone and period"),
    ZONE, PERIOD,
))  # fmt: skip

# What advice sends, in the operator's session, between the gate and the result.

ProposePrice = schema.command(57, "ProposePrice", "Propose the price of a zone in a period.", (
    AUCTION_ID, CLEARING_PRICE, ZONE, PERIOD,
))  # fmt: skip
ProposeBlock = schema.command(58, "ProposeBlock", "Propose to accept a block; others are rejected.", (
    AUCTION_ID, BLOCK_ID, RATIO,
))  # fmt: skip
ProposeFlow = schema.command(59, "ProposeFlow", "Propose the flow on a line in a period; else it is 0.", (
    AUCTION_ID, FLOW, LINE, PERIOD,
))  # fmt: skip
CommitProposal = schema.command(60, "CommitProposal", "Have the proposal verified and, if good, booked.", (
    WELFARE, AUCTION_ID, GAP,
))  # fmt: skip

# Answers. Header: the session that sent the command, or nobody for a timer.

AuctionCommandRejected = schema.event(48, "AuctionCommandRejected", "The command changed nothing.", (
    AUCTION_ID, BLOCK_ID,
    Field("rejected_kind", "u2", "the command's kind"),
    Field("reason", "u2", "why", AUCTION_REJECTIONS),
    ZONE, PERIOD,
))  # fmt: skip
AuctionDefined = schema.event(49, "AuctionDefined", "The auction is known.", (
    GATE_TIME, RESULT_TIME, AUCTION_ID, PRICE_MIN, PRICE_MAX, PERIOD_COUNT, ZONE_COUNT,
))  # fmt: skip
ZoneDefined = schema.event(50, "ZoneDefined", "The zone has its products.", (
    AUCTION_ID, FIRST_PRODUCT, ZONE,
))  # fmt: skip
TransferDefined = schema.event(51, "TransferDefined", "The line has a capacity.", (
    AUCTION_ID, FORWARD, BACKWARD, LINE, FROM_ZONE, TO_ZONE, FIRST_PERIOD, PERIOD_COUNT,
))  # fmt: skip
AuctionPhaseChanged = schema.event(
    52, "AuctionPhaseChanged", "OPEN takes orders; FROZEN waits for a proposal; BOOKING awards.", (
        AUCTION_ID,
        Field("curve_count", "u4", "curves that count"),
        Field("block_count", "u4", "blocks that count"),
        Field("phase", "u1", "what the auction now does", AUCTION_PHASES),
        Field("previous_phase", "u1", "what it did before", AUCTION_PHASES),
    ),
)  # fmt: skip
CurveSegmentAccepted = schema.event(
    53, "CurveSegmentAccepted", "The segment is in; with the last, the curve counts.", (
        AUCTION_ID, BEGIN_PRICE, END_PRICE, QUANTITY, ACCOUNT_ID,
        ZONE, PERIOD, SEGMENT_INDEX, SEGMENT_COUNT, SIDE,
    ),
)  # fmt: skip
BlockRunAccepted = schema.event(54, "BlockRunAccepted", "Quantities of a block.", (
    AUCTION_ID, BLOCK_ID, Field("quantity_lots", "i4", "quantity in each of them"), FIRST_PERIOD, RUN_PERIODS,
))  # fmt: skip
BlockAccepted = schema.event(55, "BlockAccepted", "The block has all its quantities, and counts.", (
    BLOCK_ID, ACCOUNT_ID, BLOCK_PRICE, PARENT, GROUP,
    ZONE, FIRST_PERIOD, PERIOD_COUNT, MINIMUM_RATIO, SIDE,
))  # fmt: skip
AuctionOrderCancelled = schema.event(56, "AuctionOrderCancelled", "The block or curve counts no longer.", (
    AUCTION_ID, BLOCK_ID, ACCOUNT_ID, ZONE, PERIOD,
))  # fmt: skip
ProposalRejected = schema.event(
    57, "ProposalRejected", "The proposal is not good, and forgotten; another one may follow.", (
        Field("excess_lots", "i8", "NOT_BALANCED: bought and exported, less sold and imported, at the least"),
        AUCTION_ID,
        Field("block_id", "u4", "the block at fault, or 0"),
        Field("reason", "u2", "why", PROPOSAL_FAULTS),
        ZONE, PERIOD,
        Field("line", "u2", "the line at fault"),
    ),
)  # fmt: skip

# Results.

PriceSet = schema.event(58, "PriceSet", "The price of a zone in a period, for everyone.", (
    Field("bought_lots", "i8", "bought in the zone"),
    Field("sold_lots", "i8", "sold in the zone; the difference has flowed"),
    AUCTION_ID, CLEARING_PRICE, ZONE, PERIOD,
))  # fmt: skip
FlowSet = schema.event(59, "FlowSet", "What flows on a line in a period.", (
    Field("congestion_minor", "i8", "flow times the difference of prices: the operator's"),
    AUCTION_ID, FLOW, LINE, PERIOD,
))  # fmt: skip
CurveAwarded = schema.event(60, "CurveAwarded", "What a curve buys and sells.", (
    CASH,
    Field("bought_lots", "i4", "bought"),
    Field("sold_lots", "i4", "sold"),
    AUCTION_ID, ACCOUNT_ID, CLEARING_PRICE, ZONE, PERIOD,
))  # fmt: skip
BlockAwarded = schema.event(61, "BlockAwarded", "How much of a block is accepted; 0: it is rejected.", (
    CASH,
    Field("surplus_tick_lots", "i8", "better than its limit by so much, all of it being accepted"),
    AUCTION_ID, BLOCK_ID, ACCOUNT_ID, RATIO,
))  # fmt: skip
AuctionEnded = schema.event(62, "AuctionEnded", "Everything is booked; the next auction may be defined.", (
    Field("congestion_minor", "i8", "the operator's income from flows"),
    WELFARE, AUCTION_ID, GAP,
    Field("paradox_count", "u4", "blocks in the money that were rejected"),
    Field("outcome", "u1", "who found the prices", OUTCOMES),
))  # fmt: skip
