"""Fees: fixed for each lot of a product when it opens, moved from the participant's cash with each fill.

An order sets aside the largest fee of a lot beside what the lot may cost, so that a fill never costs more
than was set aside. A lot's fee is a whole number of minor units, rounded up once, when it is fixed: the
venue keeps the remainder.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.fees_messages import ProductFeesFixed
from ringmain.exchange.kernels.answers import head_answer
from ringmain.exchange.messages import AUCTION, MAKER
from ringmain.ledger.accounts import post

PRODUCT_FEES_FIXED = ProductFeesFixed.kind
OPERATOR = 0
MILLI = 1_000


@kernel
def clear_fees(product: Any) -> None:
    """Let a product's trades cost nothing."""
    product.maker_fee_minor = 0
    product.taker_fee_minor = 0
    product.auction_fee_minor = 0
    product.fee_reserve_minor = 0
    product.has_fees = 0


@kernel
def fix_fees(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Take a product's fees from its group's tariff, for as long as it lives; return the next event row."""
    product = exchange.products[slot]
    tariff = exchange.tariffs[exchange.safeguards.products[slot].product_group]
    value_minor = int(product.value_minor)
    maker, taker = (
        lot_fee(tariff.maker_milliticks, value_minor),
        lot_fee(tariff.taker_milliticks, value_minor),
    )
    auction = lot_fee(tariff.auction_milliticks, value_minor)
    if maker == 0 and taker == 0 and auction == 0:
        return count
    product.maker_fee_minor = maker
    product.taker_fee_minor = taker
    product.auction_fee_minor = auction
    product.fee_reserve_minor = max(0, maker, taker, auction)
    product.has_fees = 1
    head_answer(events[count], request, PRODUCT_FEES_FIXED)
    fixed = events[count].product_fees_fixed
    fixed.product_id = product.product_id
    fixed.maker_fee_minor = maker
    fixed.taker_fee_minor = taker
    fixed.auction_fee_minor = auction
    return count + 1


@kernel
def lot_fee(milliticks: int, value_minor: int) -> int:
    """Return what a lot costs, rounded up."""
    return -(-int(milliticks) * value_minor // MILLI)


@kernel
def charge(exchange: Any, product: Any, fill: Any) -> None:
    """Move a fill's fee to the operator, or from there if it is below zero."""
    fee_minor = int(product.taker_fee_minor)
    if fill.role == MAKER:
        fee_minor = int(product.maker_fee_minor)
    elif fill.role == AUCTION:
        fee_minor = int(product.auction_fee_minor)
    amount_minor = fee_minor * int(fill.quantity_lots)
    cash, operator = exchange.participants[fill.account_id].cash, exchange.participants[OPERATOR].cash
    if amount_minor >= 0:
        post(cash, operator, amount_minor)
    else:
        post(operator, cash, -amount_minor)
