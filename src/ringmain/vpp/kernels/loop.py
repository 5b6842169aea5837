"""The market loop's notes: why bids are made, which steps were done, and whether bids become orders."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.loop_messages import (
    AS_FLEET,
    AUCTION_PRICE,
    DONE,
    FORECAST,
    LAST_GOOD,
    LOOP_REASONS,
    MISSED,
    PLANNED,
    SAFE,
    SETTLE,
    SUBMIT_OFF,
    SUBMIT_ON,
)
from ringmain.vpp.messages import BID_ID_NOT_RISING, PRICE_OUT_OF_RANGE, UNKNOWN_PRODUCT
from ringmain.vpp.state import PRICE_LIMIT_TICKS, PRODUCTS

SUBMIT_MODE_UNKNOWN, STEP_UNKNOWN = LOOP_REASONS["SUBMIT_MODE_UNKNOWN"], LOOP_REASONS["STEP_UNKNOWN"]
PURPOSE_UNKNOWN = LOOP_REASONS["PURPOSE_UNKNOWN"]


@kernel
def submit_mode_of(fleet: Any, product: Any) -> int:
    """Return whether bids for a product become orders."""
    if product.submit_mode != AS_FLEET:
        return int(product.submit_mode)
    return int(fleet.submit_mode) if fleet.submit_mode != AS_FLEET else SUBMIT_ON


@kernel
def set_submit_mode(fleet: Any, asked: Any) -> int:
    """Set a product's mode, or that of all without their own; return the reason not to, or 0."""
    if asked.submit_mode > SUBMIT_OFF:
        return SUBMIT_MODE_UNKNOWN
    if asked.product_id == 0:
        if asked.submit_mode == AS_FLEET:
            return SUBMIT_MODE_UNKNOWN
        fleet.submit_mode = asked.submit_mode
        return 0
    product = fleet.products[asked.product_id % PRODUCTS]
    if product.product_id != asked.product_id:
        return UNKNOWN_PRODUCT
    product.submit_mode = asked.submit_mode
    return 0


@kernel
def explanation_fault(fleet: Any, said: Any) -> int:
    """Return the reason why this explains no bid, or 0."""
    if said.bid_id <= fleet.last_bid_id:
        return BID_ID_NOT_RISING
    if not PLANNED <= said.purpose <= SAFE or not AUCTION_PRICE <= said.price_source <= LAST_GOOD:
        return PURPOSE_UNKNOWN
    if abs(said.expected_price_ticks) > PRICE_LIMIT_TICKS or abs(said.worth_ticks) > PRICE_LIMIT_TICKS:
        return PRICE_OUT_OF_RANGE
    return 0


@kernel
def step_fault(said: Any) -> int:
    """Return the reason why this is no step of the loop, or 0."""
    if not FORECAST <= said.step <= SETTLE or not DONE <= said.outcome <= MISSED:
        return STEP_UNKNOWN
    return STEP_UNKNOWN if said.price_source > LAST_GOOD or said.count < 0 else 0
