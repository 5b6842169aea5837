"""What trading costs: the operator's tariff for a group of products, and what a product takes of it.

Commands and events have the kinds 96 to 111, rejections the codes 240 to 244.
"""

from ringmain.core.records import Field
from ringmain.exchange.messages import PRODUCT_ID, REJECTIONS, schema
from ringmain.exchange.safeguards_messages import GROUP

FEE_REJECTIONS = {"FEE_OUT_OF_RANGE": 240}
REJECTIONS.update(FEE_REJECTIONS)
schema.refusals(FEE_REJECTIONS)

_TARIFF = (
    Field("maker_milliticks", "i4", "who rested pays so much; 0.00001 EUR/MWh, below zero: receives"),
    Field("taker_milliticks", "i4", "who came in pays so much; 0.00001 EUR/MWh, below zero: receives"),
    Field("auction_milliticks", "i4", "each side pays so much in a call auction; 0.00001 EUR/MWh"),
    GROUP,
)
SetFees = schema.command(
    96, "SetFees", "Say what trading costs in a product group, for products that open from now on.", _TARIFF
)
FeesSet = schema.event(96, "FeesSet", "What trading costs in a product group.", _TARIFF)
ProductFeesFixed = schema.event(
    97, "ProductFeesFixed", "What each lot of a product costs to trade, until it is delivered.", (
        PRODUCT_ID,
        Field("maker_fee_minor", "i4", "who rested pays so much a lot; below zero: receives"),
        Field("taker_fee_minor", "i4", "who came in pays so much a lot; below zero: receives"),
        Field("auction_fee_minor", "i4", "each side pays so much a lot in a call auction"),
    ),
)  # fmt: skip
