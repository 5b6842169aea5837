"""The exchange's safeguards: what the operator sets, and what is said when one of them trips.

Commands and events have the kinds 64 to 95, rejections the codes 200 to 229, cancellations 250 to 269.
"""

from ringmain.core.messages import ACCOUNT_ID
from ringmain.core.records import Field
from ringmain.exchange.messages import CANCELLATIONS, PRODUCT_ID, REJECTIONS, schema

SESSION_SCOPE, ACCOUNT_SCOPE, PRODUCT_SCOPE, VENUE_SCOPE = range(1, 5)
RATE, ORDER_TO_TRADE = 1, 2
BUST, CORRECT = 1, 2

SCOPES = {
    "SESSION": SESSION_SCOPE,
    "ACCOUNT": ACCOUNT_SCOPE,
    "PRODUCT": PRODUCT_SCOPE,
    "VENUE": VENUE_SCOPE,
}
SAFEGUARDS_TRIPPED = {"RATE": RATE, "ORDER_TO_TRADE": ORDER_TO_TRADE}

ACTIONS = {"BUST": BUST, "CORRECT": CORRECT}

SAFEGUARD_REJECTIONS = {
    "KILL_SWITCH_ENGAGED": 200,
    "ORDER_TOO_LARGE": 201,
    "ORDER_VALUE_TOO_LARGE": 202,
    "OUTSIDE_COLLAR": 203,
    "RATE_LIMIT_EXCEEDED": 204,
    "ORDER_TO_TRADE_EXCEEDED": 205,
    "WRONG_SCOPE": 210,
    "TARGET_OUT_OF_RANGE": 211,
    "ALREADY_ENGAGED": 212,
    "NOT_ENGAGED": 213,
    "KILL_SWITCH_SWEEPING": 214,
    "SAFEGUARD_OUT_OF_RANGE": 215,
    "GROUP_OUT_OF_RANGE": 216,
    "WRONG_ACTION": 220,
    "UNKNOWN_TRADE": 221,
    "ALREADY_BUSTED": 222,
    "PROPOSALS_FULL": 223,
    "UNKNOWN_PROPOSAL": 224,
    "PROPOSAL_EXPIRED": 225,
    "APPROVED_BY_PROPOSER": 226,
}
SAFEGUARD_CANCELLATIONS = {"KILL_SWITCH": 250, "VOLATILITY": 251}

REJECTIONS.update(SAFEGUARD_REJECTIONS)
CANCELLATIONS.update(SAFEGUARD_CANCELLATIONS)
schema.refusals(SAFEGUARD_REJECTIONS)
schema.refusals(SAFEGUARD_CANCELLATIONS)

ACCOUNT_SHORT = Field("account_id", "u2", "whose side")
SCOPE = Field("scope", "u1", "whom it stops", SCOPES)
TARGET = Field("target_id", "u4", "the session, account or product; 0 for VENUE")
CAUSE = Field("cause", "u2", "the operator's own code for why")
GROUP = Field("product_group", "u1", "a small number that the operator gives to like products")
TARGET_SESSION = Field("target_session_id", "u4", "the session that it is about")

# What the operator, account 0, sends.

_KILL = (TARGET, CAUSE, SCOPE)
EngageKillSwitch = schema.command(
    64,
    "EngageKillSwitch",
    "Cancel all that rests, and take no new order and no change; cancels go on.",
    _KILL,
)
ReleaseKillSwitch = schema.command(65, "ReleaseKillSwitch", "Take orders again.", _KILL)
_ORDER_LIMITS = (
    Field("value_max_minor", "i8", "largest price x quantity of an order, either sign; 0: any"),
    Field("account_id", "u4", "whose orders; 0: everybody's, beside their own limits"),
    Field("quantity_max_lots", "i4", "largest quantity of an order; 0: any"),
    Field("static_collar_ticks", "i4", "how far a limit may be from the reference price; 0: any"),
    Field("dynamic_collar_ticks", "i4", "how far a limit may be from the last price; 0: any"),
    GROUP,
)
SetOrderLimits = schema.command(66, "SetOrderLimits", "What orders pass in a product group.", _ORDER_LIMITS)
AssignProductGroup = schema.command(
    67, "AssignProductGroup", "Put a product into a group, before it opens; it begins in group 0.", (
        PRODUCT_ID, GROUP,
    ),
)  # fmt: skip
_VOLATILITY = (
    Field("dynamic_range_ticks", "i4", "a trade further from the last price doesn't happen; 0: any may"),
    Field("extension_range_ticks", "i4", "an indicative price further off extends the call once; 0: never"),
    Field("call_s", "u4", "how long the call lasts, and its extension"),
    GROUP,
)
SetVolatilityRange = schema.command(
    68, "SetVolatilityRange", "When a group's trading is interrupted by a call.", _VOLATILITY
)
_RATE = (
    TARGET_SESSION,
    Field("orders_per_s", "u4", "new orders and changes in a second; 0: any number"),
    Field("burst_orders", "u4", "how many may come at once after a pause"),
)
SetOrderRate = schema.command(69, "SetOrderRate", "How many orders and changes a session may send.", _RATE)
_ORDER_TO_TRADE = (
    ACCOUNT_ID,
    Field("orders_per_trade", "u4", "new orders and changes for each trade of the day (UTC); 0: any"),
    Field("free_orders", "u4", "that many pass on each day whatever it trades"),
)
SetOrderToTrade = schema.command(
    70, "SetOrderToTrade", "How many orders an account may send for its trades.", _ORDER_TO_TRADE
)

_TRADE = (
    Field("trade_sequence", "i8", "sequence of the trade's OrderFilled"),
    Field("trade_index", "u4", "the trade's place among those of its sequence, from 0"),
)
_NEW_PRICE = Field("price_ticks", "i4", "CORRECT: the right price; ignored for BUST")
_ACTION = Field("action", "u1", "undo it, or set its price right", ACTIONS)
ProposeTradeChange = schema.command(
    71, "ProposeTradeChange", "Ask that a trade be undone or its price be set right.", (
        *_TRADE, _NEW_PRICE, _ACTION,
    ),
)  # fmt: skip
ApproveTradeChange = schema.command(
    72, "ApproveTradeChange", "Agree to a proposal of another of the operator's sessions: it is done.", (
        Field("proposal_sequence", "i8", "sequence of the ProposeTradeChange"),
    ),
)  # fmt: skip

# Events. Header: the operator's session; of a trip, the session whose command tripped it; of a timer, nobody.

KillSwitchEngaged = schema.event(
    64, "KillSwitchEngaged", "New orders and changes are rejected; what rests is cancelled.", _KILL
)
KillSwitchReleased = schema.event(65, "KillSwitchReleased", "Orders are taken again.", _KILL)
OrderLimitsSet = schema.event(66, "OrderLimitsSet", "What orders pass in a product group.", _ORDER_LIMITS)
ProductGroupAssigned = schema.event(67, "ProductGroupAssigned", "The product is in a group.", (
    PRODUCT_ID, GROUP,
))  # fmt: skip
VolatilityRangeSet = schema.event(
    68, "VolatilityRangeSet", "When a group's trading is interrupted by a call.", _VOLATILITY
)
OrderRateSet = schema.event(69, "OrderRateSet", "How many orders and changes a session may send.", _RATE)
OrderToTradeSet = schema.event(
    70, "OrderToTradeSet", "How many orders an account may send for its trades.", _ORDER_TO_TRADE
)
SafeguardTripped = schema.event(
    71, "SafeguardTripped", "A session or account has reached a limit; its orders are rejected for now.", (
        Field("order_count", "i8", "RATE: orders and changes taken so far; ORDER_TO_TRADE: of the day"),
        Field("trade_count", "i8", "ORDER_TO_TRADE: trades of the day"),
        ACCOUNT_ID,
        TARGET_SESSION,
        Field("safeguard", "u1", "which limit", SAFEGUARDS_TRIPPED),
    ),
)  # fmt: skip
_CALL_END = Field("call_end_ns", "i8", "when the call uncrosses")
_ANCHOR = Field("anchor_ticks", "i4", "the price that the range is around")
VolatilityInterrupted = schema.event(
    72, "VolatilityInterrupted", "A trade outside the range did not happen; the product goes into a call.", (
        _CALL_END,
        PRODUCT_ID,
        _ANCHOR,
        Field("refused_ticks", "i4", "the price that would have been traded next"),
        Field("dynamic_range_ticks", "i4", "how far it might have been from the anchor"),
    ),
)  # fmt: skip
InterruptionExtended = schema.event(
    73, "InterruptionExtended", "The indicative price is too far off: the call goes on, once.", (
        _CALL_END,
        Field("volume_lots", "i8", "how much would have traded"),
        PRODUCT_ID,
        _ANCHOR,
        Field("price_ticks", "i4", "the indicative price"),
        Field("extension_range_ticks", "i4", "how far it might have been from the anchor"),
    ),
)  # fmt: skip
TradeChangeProposed = schema.event(
    74, "TradeChangeProposed", "Another session of the operator may approve it; its sequence names it.", (
        *_TRADE, _NEW_PRICE,
        Field("expires_ns", "i8", "until when"),
        PRODUCT_ID,
        _ACTION,
    ),
)  # fmt: skip
TradeChanged = schema.event(
    75, "TradeChanged", "One side of a trade is undone or has another price: the buyer's first.", (
        Field("trade_sequence", "i8", "sequence of the trade's OrderFilled"),
        Field("amount_minor", "i8", "what the account's cash gains; below zero: what it loses"),
        Field("trade_index", "u4", "the trade's place among those of its sequence, from 0"),
        Field("position_change_lots", "i4", "what the account's position gains; below zero: what it loses"),
        PRODUCT_ID,
        ACCOUNT_SHORT,
        _ACTION,
    ),
)  # fmt: skip
