"""The exchange's commands, events and reasons.

An order is named by the session that placed it and the `session_number` of its PlaceOrder;
every event about the order bears both in its header.

Fold of the tape into depth by price, which shows no hidden lots: OrderAccepted and OrderTriggered add
`shown_lots` at `price_ticks`; OrderFilled takes `shown_lots` away at `limit_ticks`, OrderCancelled at
`price_ticks`; OrderReplaced, where `is_shown` is 1, takes the old quantity away at the old price and adds
the new; ClipShown takes `old_shown_lots` away at `old_price_ticks` and adds `shown_lots` at `price_ticks`.
"""

from ringmain.core.messages import ACCOUNT_ID, market_schema
from ringmain.core.records import Field

BUY, SELL = 1, 2
LIMIT, MARKET, MARKET_TO_LIMIT, STOP, STOP_LIMIT = range(1, 6)
GOOD_FOR_SESSION, IOC, FOK, GOOD_TILL_CANCELLED, GOOD_TILL_DATE = range(1, 6)
ALLOWED, CANCEL_NEWEST, CANCEL_OLDEST, CANCEL_BOTH, DECREMENT = range(5)
PRICE_TIME, PRO_RATA = 0, 1
MAKER, TAKER, AUCTION = 1, 2, 3
HOURLY, QUARTER_HOURLY, INSTRUMENT, RESERVE_UP, RESERVE_DOWN = range(1, 6)
FREE, DEFINED, CALL, UNCROSSING, CONTINUOUS, HALTED, CLOSING, DELIVERING = range(8)
PRE_OPEN, CLOSING_CALL, BALANCING, CLOSED, HOLDING = range(8, 13)
ALL_PRODUCTS = 0  # product ids run from 1

SIDES = {"BUY": BUY, "SELL": SELL}
ORDER_TYPES = {
    "LIMIT": LIMIT,
    "MARKET": MARKET,
    "MARKET_TO_LIMIT": MARKET_TO_LIMIT,
    "STOP": STOP,
    "STOP_LIMIT": STOP_LIMIT,
}
TIMES_IN_FORCE = {
    "GOOD_FOR_SESSION": GOOD_FOR_SESSION,
    "IOC": IOC,
    "FOK": FOK,
    "GOOD_TILL_CANCELLED": GOOD_TILL_CANCELLED,
    "GOOD_TILL_DATE": GOOD_TILL_DATE,
}
SELF_TRADES = {
    "ALLOWED": ALLOWED,
    "CANCEL_NEWEST": CANCEL_NEWEST,
    "CANCEL_OLDEST": CANCEL_OLDEST,
    "CANCEL_BOTH": CANCEL_BOTH,
    "DECREMENT": DECREMENT,
}
ALLOCATIONS = {"PRICE_TIME": PRICE_TIME, "PRO_RATA": PRO_RATA}
ROLES = {"MAKER": MAKER, "TAKER": TAKER, "AUCTION": AUCTION}
PRODUCT_KINDS = {
    "HOURLY": HOURLY,
    "QUARTER_HOURLY": QUARTER_HOURLY,
    "INSTRUMENT": INSTRUMENT,
    "RESERVE_UP": RESERVE_UP,
    "RESERVE_DOWN": RESERVE_DOWN,
}
PHASES = {
    "FREE": FREE,
    "DEFINED": DEFINED,
    "CALL": CALL,
    "UNCROSSING": UNCROSSING,
    "CONTINUOUS": CONTINUOUS,
    "HALTED": HALTED,
    "CLOSING": CLOSING,
    "DELIVERING": DELIVERING,
    "PRE_OPEN": PRE_OPEN,
    "CLOSING_CALL": CLOSING_CALL,
    "BALANCING": BALANCING,
    "CLOSED": CLOSED,
    "HOLDING": HOLDING,
}

REJECTIONS = {
    "ACCOUNT_NOT_OPEN": 1,
    "OPERATOR_ONLY": 2,
    "PARTICIPANT_ONLY": 3,
    "UNKNOWN_PRODUCT": 4,
    "UNKNOWN_ORDER": 5,
    "WRONG_PHASE": 6,
    "WRONG_SIDE": 7,
    "WRONG_ORDER_TYPE": 8,
    "WRONG_TIME_IN_FORCE": 9,
    "PRICE_OUT_OF_RANGE": 10,
    "QUANTITY_OUT_OF_RANGE": 11,
    "QUANTITY_CHANGED": 12,
    "NOTHING_TO_TRADE_WITH": 13,
    "CREDIT_EXCEEDED": 14,
    "POSITION_LIMIT_EXCEEDED": 15,
    "ORDERS_FULL": 16,
    "PRICE_LEVELS_FULL": 17,
    "POSITIONS_FULL": 18,
    "MASS_CANCEL_RUNNING": 19,
    "ACCOUNT_OUT_OF_RANGE": 20,
    "LIMIT_OUT_OF_RANGE": 21,
    "AMOUNT_OUT_OF_RANGE": 22,
    "INSUFFICIENT_FUNDS": 23,
    "PRODUCT_SLOT_TAKEN": 24,
    "WRONG_PRODUCT_KIND": 25,
    "VALUE_OUT_OF_RANGE": 26,
    "WRONG_SCHEDULE": 27,
    "PRODUCT_ID_USED": 28,
    "WOULD_TRADE": 29,
    "DISPLAY_OUT_OF_RANGE": 30,
    "CLIP_STEP_OUT_OF_RANGE": 31,
    "EXPIRY_OUT_OF_RANGE": 32,
    "WRONG_SELF_TRADE": 33,
    "OFF_TICK": 34,
    "OFF_LOT": 35,
    "QUANTITY_BELOW_MINIMUM": 36,
    "QUANTITY_ABOVE_MAXIMUM": 37,
    "WRONG_ALLOCATION": 38,
    "RULE_OUT_OF_RANGE": 39,
    "NOT_BALANCING": 40,
}
CANCELLATIONS = {
    "BY_OWNER": 64,
    "MASS_CANCEL": 65,
    "SESSION_CLOSED": 66,
    "IOC_REMAINDER": 67,
    "FOK_UNFILLED": 68,
    "FILL_LIMIT": 69,
    "GATE_CLOSURE": 70,
    "SELF_TRADE": 71,
    "EXPIRED": 72,
    "SESSION_END": 73,
    "NO_PRICE_LEVEL_LEFT": 74,
}

schema = market_schema("exchange", version=2)
schema.refusals(REJECTIONS)
schema.refusals(CANCELLATIONS)

PRODUCT_ID = Field("product_id", "u4", "the product, from 1; ids only ever grow")
PRICE = Field("price_ticks", "i4", "limit price; 1 tick is 0.01 EUR/MWh, and may be negative")
QUANTITY = Field("quantity_lots", "i4", "quantity; 1 lot is 0.1 MW over the delivery period")
SIDE = Field("side", "u1", "side of the book", SIDES)
ORDER_TYPE = Field("order_type", "u1", "LIMIT, or MARKET within the product's market range", ORDER_TYPES)
SELF_TRADE = Field("self_trade", "u1", "what to do instead of trading with one's own account", SELF_TRADES, 0)
EXPIRY = Field("expires_s", "u4", "GOOD_TILL_DATE: when it ends, seconds since 1970 UTC", None, 0)
STOP_PRICE = Field("stop_ticks", "i4", "STOP, STOP_LIMIT: the last price that brings it in", None, 0)
DISPLAY = Field("display_lots", "i4", "iceberg: lots shown at a time; 0: all", None, 0)
SHOWN = Field("shown_lots", "i4", "lots that enter the public depth at the price")
SHOWN_LEFT = Field("shown_lots", "i4", "lots that leave the public depth")
OLD_SHOWN = Field("old_shown_lots", "i4", "lots that leave the public depth at the old price")
TIME_IN_FORCE = Field("time_in_force", "u1", "what happens to what does not trade at once", TIMES_IN_FORCE)
ORDER_NUMBER = Field("order_number", "i8", "session_number of the PlaceOrder that placed the order")
COMMAND_NUMBER = Field("command_number", "i8", "session_number of the owner's command that did it; 0: none")
AMOUNT = Field("amount_minor", "i8", "amount of money; 1 minor unit is 1e-6 EUR")
PRODUCT_KIND = Field("product_kind", "u1", "delivery period, none, or a direction of reserve", PRODUCT_KINDS)
VALUE = Field("value_minor", "u4", "money for one lot at one tick; hourly 1,000, quarter-hourly 250")
REFERENCE = Field("reference_price_ticks", "i4", "settles an auction's price among equally good ones")
MARKET_RANGE = Field("market_range_ticks", "i4", "how far beyond the best price a MARKET order may trade")
DELIVERY_START = Field("delivery_start_ns", "i8", "start of the delivery period; 0 for an INSTRUMENT")
AUCTION_TIME = Field("auction_ns", "i8", "when the opening call auction uncrosses; 0: no auction")
GATE_CLOSURE_TIME = Field("gate_closure_ns", "i8", "when trading ends; 0: never")
PHASE = Field("phase", "u1", "what the product's book now does", PHASES)
CREDIT = Field("credit_minor", "i8", "how far the cash balance may go below zero")

# What participants send.

PlaceOrder = schema.command(1, "PlaceOrder", "Buy or sell: match what can be matched, rest the remainder.", (
    Field("price_ticks", "i4", "limit price; ignored for MARKET"),
    QUANTITY, PRODUCT_ID, SIDE, ORDER_TYPE, TIME_IN_FORCE, SELF_TRADE, EXPIRY, STOP_PRICE, DISPLAY,
    Field("clip_step_ticks", "i2", "iceberg: each clip's price less the one before's, not better", None, 0),
    Field("post_only", "u1", "1: rejected if it would trade at once", None, 0),
    Field("balancing", "u1", "1: may trade in the balancing phase", None, 0),
))  # fmt: skip
CancelOrder = schema.command(2, "CancelOrder", "Take one's own resting order off the book.", (ORDER_NUMBER,))
ReplaceOrder = schema.command(
    3, "ReplaceOrder", "Change price and open quantity; only less at the same price keeps the priority.", (
        ORDER_NUMBER,
        PRICE,
        Field("quantity_lots", "i4", "the new open quantity"),
        Field("expected_lots", "i4", "the open quantity it replaces, or it is rejected; 0: any", None, 0),
        Field("stop_ticks", "i4", "the new stop price of an order that waits for one", None, 0),
    ),
)  # fmt: skip
MassCancel = schema.command(4, "MassCancel", "Cancel all of the session's orders placed before this.", (
    Field("product_id", "u4", "of this product only; 0: of all products"),
))  # fmt: skip

# What the operator, account 0, sends.

OpenAccount = schema.command(16, "OpenAccount", "Open a participant's account, or change its limits.", (
    CREDIT,
    Field("long_limit_lots", "i8", "largest net position to receive, per product, resting bids included"),
    Field("short_limit_lots", "i8", "largest net position to deliver, per product, resting offers included"),
    ACCOUNT_ID,
    Field("may_balance", "u1", "1: its orders may be balancing ones", None, 0),
))  # fmt: skip
Deposit = schema.command(17, "Deposit", "Credit cash to an account.", (AMOUNT, ACCOUNT_ID))
Withdraw = schema.command(18, "Withdraw", "Debit cash that the account has free.", (AMOUNT, ACCOUNT_ID))
DefineProduct = schema.command(19, "DefineProduct", "Describe a product; ScheduleProduct opens it.", (
    DELIVERY_START, PRODUCT_ID, VALUE, REFERENCE, MARKET_RANGE, PRODUCT_KIND,
))  # fmt: skip
ScheduleProduct = schema.command(20, "ScheduleProduct", "Open a product, or move its auction and closure.", (
    AUCTION_TIME, GATE_CLOSURE_TIME, PRODUCT_ID,
))  # fmt: skip
HaltProduct = schema.command(21, "HaltProduct", "Stop continuous trading; orders may only be cancelled.", (
    PRODUCT_ID,
))  # fmt: skip
ResumeProduct = schema.command(22, "ResumeProduct", "Go on trading after a halt.", (PRODUCT_ID,))
_RULES = (
    PRODUCT_ID,
    Field("price_step_ticks", "i4", "limit and stop prices are multiples of it"),
    Field("lot_step_lots", "i4", "quantities are multiples of it"),
    Field("quantity_min_lots", "i4", "smallest quantity of an order"),
    Field("quantity_max_lots", "i4", "largest quantity of an order"),
    Field("allocation", "u1", "who is filled first at a price", ALLOCATIONS),
)
SetProductRules = schema.command(
    23, "SetProductRules", "What orders the product takes; before it opens.", _RULES
)
_CALLS = (
    Field("call_start_ns", "i8", "when the opening call begins, PRE_OPEN before it; 0: at once"),
    Field("closing_call_ns", "i8", "when the closing call begins, up to gate closure; 0: none"),
    PRODUCT_ID,
    Field("random_end_ms", "u4", "an opening call ends up to so much later, a closing call earlier"),
    Field("seed", "u4", "what the random ends are drawn from"),
    Field("indicative_ms", "u4", "a call's price is told so often, if it changes; 0: never"),
)
ScheduleCalls = schema.command(
    24, "ScheduleCalls", "Describe a session's calls; before ScheduleProduct.", _CALLS
)
StartBalancing = schema.command(
    25, "StartBalancing", "From now on orders rest, and balancing ones alone trade.", (PRODUCT_ID,)
)
EndBalancing = schema.command(
    26, "EndBalancing", "Uncross what has crossed meanwhile, and go on trading.", (PRODUCT_ID,)
)
ExpireProduct = schema.command(
    27, "ExpireProduct", "Deliver the positions of a product that is closed or halted.", (PRODUCT_ID,)
)

# About orders. Header: session and session_number of the order.

OrderAccepted = schema.event(1, "OrderAccepted", "The order is in; its fills and its end follow.", (
    Field("price_ticks", "i4", "limit price; of a MARKET order, the worst price of its range"),
    QUANTITY, PRODUCT_ID, ACCOUNT_ID, SIDE, ORDER_TYPE, TIME_IN_FORCE, SELF_TRADE, EXPIRY, STOP_PRICE, SHOWN,
))  # fmt: skip
OrderRejected = schema.event(
    2, "OrderRejected", "PlaceOrder, CancelOrder, ReplaceOrder or MassCancel changed nothing.", (
        Field("order_number", "i8", "the order to be cancelled or replaced; 0 otherwise"),
        PRODUCT_ID,
        Field("rejected_kind", "u2", "the command's kind"),
        Field("reason", "u2", "why", REJECTIONS),
    ),
)  # fmt: skip
OrderFilled = schema.event(
    3, "OrderFilled", "Part of an order traded; the other side's OrderFilled stands beside it.", (
        Field("price_ticks", "i4", "price of the trade"),
        Field("quantity_lots", "i4", "quantity of the trade"),
        Field("limit_ticks", "i4", "the order's own limit price"),
        Field("remaining_lots", "i4", "open quantity after the trade"),
        PRODUCT_ID,
        ACCOUNT_ID,
        Field("trade_index", "u2", "the trade's place in its command: names the trade, with sequence"),
        SIDE,
        Field("role", "u1", "MAKER comes first, its TAKER next; AUCTION: buyer first", ROLES),
        SHOWN_LEFT,
    ),
)  # fmt: skip
OrderCancelled = schema.event(4, "OrderCancelled", "What was open of the order has left the book.", (
    COMMAND_NUMBER,
    PRICE,
    Field("quantity_lots", "i4", "the open quantity that left, hidden lots included"),
    PRODUCT_ID,
    ACCOUNT_ID,
    SHOWN_LEFT,
    Field("reason", "u2", "why", CANCELLATIONS),
    SIDE,
))  # fmt: skip
OrderReplaced = schema.event(
    5, "OrderReplaced", "The order has a new price or open quantity; fills may follow.", (
        COMMAND_NUMBER,
        PRICE,
        Field("quantity_lots", "i4", "open quantity from now on"),
        Field("old_price_ticks", "i4", "limit price before"),
        Field("old_quantity_lots", "i4", "open quantity before"),
        PRODUCT_ID,
        SIDE,
        Field("priority_kept", "u1", "1: the order kept its place in the queue"),
        Field("is_shown", "u1", "1: the quantities stand in the public depth, 0: ClipShown tells of it"),
    ),
)  # fmt: skip
MassCancelled = schema.event(6, "MassCancelled", "No order that the MassCancel meant is left.", (
    COMMAND_NUMBER,
    Field("order_count", "u4", "how many were cancelled"),
    Field("product_id", "u4", "of this product only; 0: of all products"),
))  # fmt: skip
OrderTriggered = schema.event(7, "OrderTriggered", "The last price has brought a stop order in.", (
    Field("price_ticks", "i4", "its limit price"),
    Field("quantity_lots", "i4", "its open quantity"),
    Field("trigger_ticks", "i4", "the last price"),
    PRODUCT_ID, ACCOUNT_ID, SHOWN, SIDE,
))  # fmt: skip
ClipShown = schema.event(8, "ClipShown", "An iceberg order shows another quantity.", (
    Field("price_ticks", "i4", "limit price from now on"),
    SHOWN,
    Field("hidden_lots", "i4", "open lots that are not shown; for the owner alone"),
    Field("old_price_ticks", "i4", "limit price before"),
    OLD_SHOWN, PRODUCT_ID, ACCOUNT_ID, SIDE,
))  # fmt: skip

# About accounts and products. Header: the operator's session, or nobody for a timer.

SetupRejected = schema.event(16, "SetupRejected", "The operator's command changed nothing.", (
    PRODUCT_ID,
    ACCOUNT_ID,
    Field("rejected_kind", "u2", "the command's kind"),
    Field("reason", "u2", "why", REJECTIONS),
))  # fmt: skip
AccountChanged = schema.event(17, "AccountChanged", "Limits or cash of an account, after the operator.", (
    AMOUNT,
    Field("balance_minor", "i8", "cash balance from now on"),
    CREDIT,
    ACCOUNT_ID,
))  # fmt: skip
ProductDefined = schema.event(18, "ProductDefined", "The product is known.", (
    DELIVERY_START, PRODUCT_ID, VALUE, REFERENCE, MARKET_RANGE, PRODUCT_KIND,
))  # fmt: skip
ProductScheduled = schema.event(19, "ProductScheduled", "The product's times are set.", (
    AUCTION_TIME, GATE_CLOSURE_TIME, PRODUCT_ID,
))  # fmt: skip
PhaseChanged = schema.event(20, "PhaseChanged", "The product's book now does something else.", (
    PRODUCT_ID, PHASE, Field("previous_phase", "u1", "what it did before", PHASES),
))  # fmt: skip
AuctionUncrossed = schema.event(
    21, "AuctionUncrossed", "The auction's price is known; its fills follow, perhaps over several timers.", (
        Field("volume_lots", "i8", "how much trades; 0: no two orders cross, and the price means nothing"),
        Field("surplus_lots", "i8", "bids less offers left at the price"),
        PRODUCT_ID,
        Field("price_ticks", "i4", "the one price"),
    ),
)  # fmt: skip
ProductRulesSet = schema.event(23, "ProductRulesSet", "What orders the product takes.", _RULES)
CallsScheduled = schema.event(24, "CallsScheduled", "The next session's calls are described.", _CALLS)
IndicativePriceChanged = schema.event(
    25, "IndicativePriceChanged", "What the call would give if it ended now.", (
        Field("volume_lots", "i8", "how much would trade; 0: no two orders cross"),
        Field("surplus_lots", "i8", "bids less offers that would be left"),
        PRODUCT_ID,
        Field("price_ticks", "i4", "the one price"),
    ),
)  # fmt: skip
PositionDelivered = schema.event(
    22, "PositionDelivered", "Gate closure: a net position leaves the books for delivery.", (
        Field("position_lots", "i8", "net position: bought less sold"),
        DELIVERY_START, PRODUCT_ID, ACCOUNT_ID, PRODUCT_KIND,
    ),
)  # fmt: skip

import ringmain.exchange.dayahead_messages  # noqa: E402  whoever has the schema has all of it
import ringmain.exchange.fees_messages  # noqa: E402
import ringmain.exchange.multileg_messages  # noqa: E402
import ringmain.exchange.reserve_messages  # noqa: E402
import ringmain.exchange.safeguards_messages  # noqa: E402, F401
