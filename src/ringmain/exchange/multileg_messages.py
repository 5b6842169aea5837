"""Orders over several products: linked baskets, blocks, quotes, on the exchange's schema.

Kinds 32 to 47, rejections 100 to 149, cancellations 90 to 99. `messages` imports this file at its end,
so that nobody ever sees the schema without it.
"""

from ringmain.core.messages import ACCOUNT_ID
from ringmain.core.records import Field
from ringmain.exchange.messages import (
    CANCELLATIONS,
    COMMAND_NUMBER,
    PRODUCT_ID,
    QUANTITY,
    REJECTIONS,
    ROLES,
    SIDE,
    TIME_IN_FORCE,
    schema,
)

BASKET_LEGS_MAX = 100
BLOCK_PRODUCTS_MAX = 24

REJECTIONS.update({
    "BASKETS_FULL": 100,
    "BASKET_LEGS_OUT_OF_RANGE": 101,
    "BASKET_NOT_BEGUN": 102,
    "BASKET_LEG_REPEATED": 103,
    "BASKET_LEG_UNFILLED": 104,
    "BASKET_FILLS_EXCEEDED": 105,
    "BLOCK_SPAN_OUT_OF_RANGE": 110,
    "BLOCK_PRODUCT_MISSING": 111,
    "BLOCK_OVER_GATE_CLOSURE": 112,
    "BLOCK_PRODUCTS_UNLIKE": 113,
    "BLOCK_NOT_CONSECUTIVE": 114,
    "BLOCKS_FULL": 115,
    "QUOTERS_FULL": 120,
    "SESSION_OUT_OF_RANGE": 121,
    "NOT_A_QUOTER": 122,
    "QUOTE_CROSSED": 123,
    "QUOTE_PROTECTION_TRIPPED": 124,
    "QUOTE_PROTECTION_OUT_OF_RANGE": 125,
    "QUOTES_BEING_WITHDRAWN": 126,
})  # fmt: skip
CANCELLATIONS.update({"BASKET_SUPERSEDED": 90, "QUOTE_REPLACED": 91, "QUOTE_PROTECTION": 92})
schema.refusals(REJECTIONS)
schema.refusals(CANCELLATIONS)

LIMIT_PRICE = Field("price_ticks", "i4", "limit price")
LEG_COUNT = Field("leg_count", "u4", f"how many legs follow, 1 to {BASKET_LEGS_MAX}")
LEG_INDEX = Field("leg_index", "u4", "the leg's place in its basket, from 0")

# Linked baskets: all of the legs are filled at once, or none.

BeginBasket = schema.command(32, "BeginBasket", "Announce legs: all are to trade at once, or none.", (
    LEG_COUNT,
))  # fmt: skip
AddBasketLeg = schema.command(33, "AddBasketLeg", "Add a leg; the last one has the basket carried out.", (
    LIMIT_PRICE, QUANTITY, PRODUCT_ID, SIDE,
))  # fmt: skip

# Header of all: session and session_number of the BeginBasket; a leg's fills bear its AddBasketLeg's number.

BasketBegun = schema.event(32, "BasketBegun", "The session may add legs.", (LEG_COUNT,))
BasketLegAdded = schema.event(33, "BasketLegAdded", "The leg waits for the others; nothing is set aside.", (
    COMMAND_NUMBER, LEG_INDEX,
))  # fmt: skip
BasketExecuted = schema.event(34, "BasketExecuted", "All legs trade in full; their fills follow.", (
    COMMAND_NUMBER, LEG_COUNT, ACCOUNT_ID,
))  # fmt: skip
BasketRejected = schema.event(35, "BasketRejected", "None of the legs trades; the basket is forgotten.", (
    COMMAND_NUMBER, LEG_INDEX, Field("reason", "u2", "why", REJECTIONS),
))  # fmt: skip
BasketDropped = schema.event(36, "BasketDropped", "The basket was not finished and is forgotten.", (
    LEG_COUNT, Field("reason", "u2", "why", CANCELLATIONS),
))  # fmt: skip

# Blocks: as much in each of several delivery periods on end, all or none, within an average price.

FIRST_PRODUCT = Field("first_product_id", "u4", "the first of its products; their ids ascend by one")
PRODUCT_COUNT = Field("product_count", "u1", f"how many products, 1 to {BLOCK_PRODUCTS_MAX}")
BLOCK_PRICE = Field("price_ticks", "i4", "limit of the average price over the products")
BLOCK_QUANTITY = Field("quantity_lots", "i4", "quantity in each of the products")

PlaceBlock = schema.command(34, "PlaceBlock", "Buy or sell the same in periods on end, or none.", (
    BLOCK_PRICE, BLOCK_QUANTITY, FIRST_PRODUCT, PRODUCT_COUNT, SIDE, TIME_IN_FORCE,
))  # fmt: skip

# Header of all: session and session_number of the block; its OrderFilled, a few a product, bear them too.

BlockPlaced = schema.event(37, "BlockPlaced", "The block is in; it is not part of any depth.", (
    BLOCK_PRICE, BLOCK_QUANTITY, FIRST_PRODUCT, PRODUCT_COUNT, SIDE, TIME_IN_FORCE, ACCOUNT_ID,
))  # fmt: skip
BlockFilled = schema.event(38, "BlockFilled", "All of the block trades; its fills follow by product.", (
    Field("cost_ticks", "i8", "its trades' prices times lots, summed up"),
    BLOCK_PRICE, BLOCK_QUANTITY, FIRST_PRODUCT, PRODUCT_COUNT, SIDE,
    Field("role", "u1", "MAKER: a later block took it; TAKER: it took a block or orders", ROLES),
    ACCOUNT_ID,
))  # fmt: skip
BlockCancelled = schema.event(39, "BlockCancelled", "The block is gone, whole.", (
    COMMAND_NUMBER, BLOCK_PRICE, BLOCK_QUANTITY, FIRST_PRODUCT, PRODUCT_COUNT, SIDE, ACCOUNT_ID,
    Field("reason", "u2", "why", CANCELLATIONS),
))  # fmt: skip

# Quotes: a bid and an offer, which replace the session's former ones in the product. A mass quote is many.

_QUOTE = (
    Field("bid_price_ticks", "i4", "price of the bid"),
    Field("bid_lots", "i4", "quantity of the bid; 0: none"),
    Field("offer_price_ticks", "i4", "price of the offer"),
    Field("offer_lots", "i4", "quantity of the offer; 0: none"),
    PRODUCT_ID,
)
_QUOTER = (
    Field("quoter_id", "u4", "the session"),
    Field("is_allowed", "u1", "1: it may quote, 0: no longer; its quotes stay"),
)
AllowQuoting = schema.command(35, "AllowQuoting", "Let a session quote; the operator's.", _QUOTER)
PlaceQuote = schema.command(
    36, "PlaceQuote", "Replace the session's quote in the product, both sides.", _QUOTE
)

QuotingAllowed = schema.event(40, "QuotingAllowed", "Whether a session may quote from now on.", _QUOTER)
QuotePlaced = schema.event(
    41, "QuotePlaced", "The quote is in: its bid bears this number, its offer the negative.", (
        *_QUOTE, ACCOUNT_ID,
    ),
)  # fmt: skip

# A market maker's protection: how much its quotes in a product group may trade within a while.

VOLUME, NET, FILLS = 1, 2, 3
PROTECTION_LIMITS = {"VOLUME": VOLUME, "NET": NET, "FILLS": FILLS}
_PROTECTED = (
    Field("quoter_id", "u4", "the session; 0: the one that sends it. Another's: the operator alone"),
    Field("product_group", "u1", "the products whose quotes are counted together"),
)
_PROTECTION = (
    Field("volume_max_lots", "i8", "lots that the quotes may trade in a window; 0: any"),
    Field("net_max_lots", "i8", "lots by which purchases and sales may differ, either way; 0: any"),
    Field("fills_max", "u4", "trades; 0: any number"),
    Field("window_ms", "u4", "length of the window, which moves in sixteenths; 0: no protection"),
    *_PROTECTED,
)
SetQuoteProtection = schema.command(
    37, "SetQuoteProtection", "Say when the session's quotes are withdrawn: one limit is enough.", _PROTECTION
)
ResetQuoteProtection = schema.command(
    38, "ResetQuoteProtection", "Quote again after the protection has tripped; counts from zero.", _PROTECTED
)
QuoteProtectionSet = schema.event(
    42, "QuoteProtectionSet", "When the session's quotes are withdrawn.", _PROTECTION
)
QuoteProtectionReset = schema.event(43, "QuoteProtectionReset", "The session may quote again.", _PROTECTED)
# Header: the quoter's session, number 0; the OrderCancelled of its quotes follow, some perhaps a timer later.
QuoteProtectionTripped = schema.event(
    44, "QuoteProtectionTripped", "A limit is reached: the group's quotes go, and no new ones are taken.", (
        Field("volume_lots", "i8", "what the quotes have traded in the window"),
        Field("net_lots", "i8", "what they have bought, less what they have sold"),
        Field("fill_count", "u4", "in how many trades"),
        PRODUCT_ID,
        ACCOUNT_ID,
        Field("product_group", "u1", "whose quotes go"),
        Field("limit_reached", "u1", "the first one", PROTECTION_LIMITS),
    ),
)  # fmt: skip
