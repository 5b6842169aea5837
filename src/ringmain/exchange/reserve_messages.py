"""Reserve: capacity that is held ready over a block of hours, called upon by its one buyer, paid by energy.

A reserve product is traded like others: a lot is 0.1 MW held over the whole block, a tick 0.01 EUR per MW
and hour. Commands have the kinds 97 and 98, events 98 to 103, rejections the codes 230 to 236.
"""

from ringmain.core.messages import ACCOUNT_ID
from ringmain.core.records import Field
from ringmain.exchange.messages import AMOUNT, PRODUCT_ID, REJECTIONS, schema

RESERVE_REJECTIONS = {
    "RESERVE_TERMS_MISSING": 230,
    "RESERVE_TERMS_OUT_OF_RANGE": 231,
    "RESERVE_BUYER_ONLY": 232,
    "RESERVE_BUYER_MAY_NOT_SELL": 233,
    "ACTIVATION_ABOVE_POSITION": 234,
    "ACTIVATION_OUTSIDE_DELIVERY": 235,
    "ACTIVATION_TOO_LONG": 236,
}
REJECTIONS.update(RESERVE_REJECTIONS)
schema.refusals(RESERVE_REJECTIONS)

UNTIL = Field("until_ns", "i8", "when the level ends by itself")
ENERGY_PRICE = Field("activation_ticks", "i4", "what a seller gets for activated energy; 0.01 EUR/MWh")

_TERMS = (
    PRODUCT_ID,
    Field("buyer_account_id", "u4", "who alone may buy, and call upon what it has bought"),
    ENERGY_PRICE,
    Field("delivery_duration_s", "u4", "length of the block, from the product's delivery start"),
    Field("activation_max_s", "u4", "a seller's activated energy is at most its position for so long"),
)
SetReserveTerms = schema.command(
    97, "SetReserveTerms", "Say who buys a reserve product and what a call costs; before it opens.", _TERMS
)
ReserveTermsSet = schema.event(
    98, "ReserveTermsSet", "Who buys a reserve product, and what a call costs.", _TERMS
)

# What the buyer sends, while the block is delivered.

ActivateReserve = schema.command(
    98, "ActivateReserve", "Set how much of a product's reserve is called, from now until a time.", (
        UNTIL,
        PRODUCT_ID,
        Field("quantity_lots", "i4", "the level of the whole product; 0: the call ends now"),
    ),
)  # fmt: skip

# Header of the answers: the buyer's session; of a level that ends by itself, and of settlement, nobody.

ActivationRejected = schema.event(101, "ActivationRejected", "The level stays as it was.", (
    PRODUCT_ID,
    Field("quantity_lots", "i4", "the level that was asked for"),
    Field("reason", "u2", "why", REJECTIONS),
))  # fmt: skip
ReserveLevelSet = schema.event(
    102, "ReserveLevelSet", "How much of a product is called from now on; the sellers' shares follow.", (
        UNTIL,
        Field("set_aside_minor", "i8", "for energy: called so far, and up to the level's end; 1e-6 EUR"),
        PRODUCT_ID,
        Field("account_id", "u4", "the buyer"),
        Field("quantity_lots", "i4", "the level of the whole product"),
    ),
)  # fmt: skip
ReserveActivated = schema.event(
    99, "ReserveActivated", "A seller's share of the level from now on; told to whom it has changed for.", (
        UNTIL,
        PRODUCT_ID,
        Field("account_id", "u4", "the seller"),
        Field("quantity_lots", "i4", "its share; 0: its call has ended"),
        ENERGY_PRICE,
    ),
)  # fmt: skip
ReserveSettled = schema.event(
    100, "ReserveSettled", "The block is over: the buyer pays a seller for the energy that it called.", (
        AMOUNT,
        Field("activated_lot_ms", "i8", "the energy: lots times milliseconds"),
        PRODUCT_ID,
        ACCOUNT_ID,
    ),
)  # fmt: skip
ReserveBilled = schema.event(
    103, "ReserveBilled", "Every seller has its money: what the buyer has paid in all.", (
        AMOUNT,
        Field("activated_lot_ms", "i8", "the energy: lots times milliseconds"),
        PRODUCT_ID,
        Field("account_id", "u4", "the buyer"),
    ),
)  # fmt: skip
