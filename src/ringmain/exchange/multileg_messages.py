"""Orders over several products: linked baskets, on the exchange's schema.

Kinds 32 to 47, rejections 100 to 149, cancellations 90 to 99. The package imports this file with
itself, so that nobody ever sees the schema without it.
"""

from ringmain.core.messages import ACCOUNT_ID
from ringmain.core.records import Field
from ringmain.exchange.messages import (
    CANCELLATIONS,
    COMMAND_NUMBER,
    PRODUCT_ID,
    QUANTITY,
    REJECTIONS,
    SIDE,
    schema,
)

BASKET_LEGS_MAX = 100

REJECTIONS.update({
    "BASKETS_FULL": 100,
    "BASKET_LEGS_OUT_OF_RANGE": 101,
    "BASKET_NOT_BEGUN": 102,
    "BASKET_LEG_REPEATED": 103,
    "BASKET_LEG_UNFILLED": 104,
    "BASKET_FILLS_EXCEEDED": 105,
})  # fmt: skip
CANCELLATIONS.update({"BASKET_SUPERSEDED": 90})
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
