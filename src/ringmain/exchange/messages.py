"""The exchange's commands, events and reasons.

An order is named by the session that placed it and the `session_number` of its PlaceOrder;
every event about the order bears both in its header. Fold of the tape into depth by price:
OrderAccepted adds `quantity_lots` at `price_ticks`; OrderFilled takes `quantity_lots` away at
`limit_ticks`, OrderCancelled at `price_ticks`; OrderReplaced takes the old away and adds the new.
"""

from ringmain.core.messages import ACCOUNT_ID, market_schema
from ringmain.core.records import Field

BUY, SELL = 1, 2
LIMIT, MARKET = 1, 2
GOOD_FOR_SESSION, IOC, FOK = 1, 2, 3
MAKER, TAKER, AUCTION = 1, 2, 3
HOURLY, QUARTER_HOURLY, INSTRUMENT = 1, 2, 3
FREE, DEFINED, CALL, UNCROSSING, CONTINUOUS, HALTED, CLOSING, DELIVERING = range(8)
ALL_PRODUCTS = 0  # product ids run from 1

SIDES = {"BUY": BUY, "SELL": SELL}
ORDER_TYPES = {"LIMIT": LIMIT, "MARKET": MARKET}
TIMES_IN_FORCE = {"GOOD_FOR_SESSION": GOOD_FOR_SESSION, "IOC": IOC, "FOK": FOK}
ROLES = {"MAKER": MAKER, "TAKER": TAKER, "AUCTION": AUCTION}
PRODUCT_KINDS = {"HOURLY": HOURLY, "QUARTER_HOURLY": QUARTER_HOURLY, "INSTRUMENT": INSTRUMENT}
PHASES = {
    "FREE": FREE,
    "DEFINED": DEFINED,
    "CALL": CALL,
    "UNCROSSING": UNCROSSING,
    "CONTINUOUS": CONTINUOUS,
    "HALTED": HALTED,
    "CLOSING": CLOSING,
    "DELIVERING": DELIVERING,
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
}
CANCELLATIONS = {
    "BY_OWNER": 64,
    "MASS_CANCEL": 65,
    "SESSION_CLOSED": 66,
    "IOC_REMAINDER": 67,
    "FOK_UNFILLED": 68,
    "FILL_LIMIT": 69,
    "GATE_CLOSURE": 70,
}

schema = market_schema("exchange", version=1)
schema.refusals(REJECTIONS)
schema.refusals(CANCELLATIONS)

PRODUCT_ID = Field("product_id", "u4", "the product, from 1; ids only ever grow")
PRICE = Field("price_ticks", "i4", "limit price; 1 tick is 0.01 EUR/MWh, and may be negative")
QUANTITY = Field("quantity_lots", "i4", "quantity; 1 lot is 0.1 MW over the delivery period")
SIDE = Field("side", "u1", "side of the book", SIDES)
ORDER_TYPE = Field("order_type", "u1", "LIMIT, or MARKET within the product's market range", ORDER_TYPES)
TIME_IN_FORCE = Field("time_in_force", "u1", "what happens to what does not trade at once", TIMES_IN_FORCE)
ORDER_NUMBER = Field("order_number", "i8", "session_number of the PlaceOrder that placed the order")
COMMAND_NUMBER = Field("command_number", "i8", "session_number of the owner's command that did it; 0: none")
AMOUNT = Field("amount_minor", "i8", "amount of money; 1 minor unit is 1e-6 EUR")
PRODUCT_KIND = Field("product_kind", "u1", "delivery period, or none", PRODUCT_KINDS)
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
    QUANTITY, PRODUCT_ID, SIDE, ORDER_TYPE, TIME_IN_FORCE,
))  # fmt: skip
CancelOrder = schema.command(2, "CancelOrder", "Take one's own resting order off the book.", (ORDER_NUMBER,))
ReplaceOrder = schema.command(
    3, "ReplaceOrder", "Change price and open quantity; only less at the same price keeps the priority.", (
        ORDER_NUMBER,
        PRICE,
        Field("quantity_lots", "i4", "the new open quantity"),
        Field("expected_lots", "i4", "the open quantity it replaces; 0: any; another one is rejected"),
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

# About orders. Header: session and session_number of the order.

OrderAccepted = schema.event(1, "OrderAccepted", "The order is in; its fills and its end follow.", (
    Field("price_ticks", "i4", "limit price; of a MARKET order, the worst price of its range"),
    QUANTITY, PRODUCT_ID, ACCOUNT_ID, SIDE, ORDER_TYPE, TIME_IN_FORCE,
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
    ),
)  # fmt: skip
OrderCancelled = schema.event(4, "OrderCancelled", "What was open of the order has left the book.", (
    COMMAND_NUMBER,
    PRICE,
    Field("quantity_lots", "i4", "the open quantity that left"),
    PRODUCT_ID,
    ACCOUNT_ID,
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
    ),
)  # fmt: skip
MassCancelled = schema.event(6, "MassCancelled", "No order that the MassCancel meant is left.", (
    COMMAND_NUMBER,
    Field("order_count", "u4", "how many were cancelled"),
    Field("product_id", "u4", "of this product only; 0: of all products"),
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
PositionDelivered = schema.event(
    22, "PositionDelivered", "Gate closure: a net position leaves the books for delivery.", (
        Field("position_lots", "i8", "net position: bought less sold"),
        DELIVERY_START, PRODUCT_ID, ACCOUNT_ID, PRODUCT_KIND,
    ),
)  # fmt: skip

import ringmain.exchange.dayahead_messages  # noqa: E402, F401  whoever has the schema has all of it
