"""The market loop's notes: why bids are made, which steps were done, and whether bids become orders."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.kernels.hierarchy import ROOT, is_node
from ringmain.vpp.loop_messages import (
    AS_FLEET,
    AUCTION_PRICE,
    DONE,
    FORECAST,
    LAST_GOOD,
    LOOP_REASONS,
    MISSED,
    PLANNED,
    RESERVE_STEP,
    SAFE,
    SUBMIT_OFF,
    SUBMIT_ON,
)
from ringmain.vpp.messages import BID_ID_NOT_RISING, PRICE_OUT_OF_RANGE, UNKNOWN_PRODUCT
from ringmain.vpp.reserve_messages import RESERVE_REASONS
from ringmain.vpp.state import PRICE_LIMIT_TICKS, PRODUCTS

SUBMIT_MODE_UNKNOWN, STEP_UNKNOWN = LOOP_REASONS["SUBMIT_MODE_UNKNOWN"], LOOP_REASONS["STEP_UNKNOWN"]
PURPOSE_UNKNOWN = LOOP_REASONS["PURPOSE_UNKNOWN"]
UNKNOWN_UNIT = RESERVE_REASONS["UNKNOWN_UNIT"]
MODE_OF_PRODUCT_AND_UNIT = RESERVE_REASONS["MODE_OF_PRODUCT_AND_UNIT"]


@kernel
def submit_mode_of(fleet: Any, product: Any) -> int:
    """Return whether bids for a product become orders."""
    if product.submit_mode != AS_FLEET:
        return int(product.submit_mode)
    return int(fleet.submit_mode) if fleet.submit_mode != AS_FLEET else SUBMIT_ON


@kernel
def unit_mode_of(fleet: Any, unit_id: int) -> int:
    """Return the mode of the nearest node, at or above a unit, that has one."""
    node_id = int(unit_id)
    while node_id != ROOT and fleet.nodes[node_id].submit_mode == AS_FLEET:
        node_id = int(fleet.nodes[node_id].parent_id)
    return SUBMIT_ON if node_id == ROOT else int(fleet.nodes[node_id].submit_mode)


@kernel
def mode_of_bid(fleet: Any, bid: Any) -> int:
    """Return whether a bid becomes an order: the stricter of its product's mode and its unit's."""
    return max(
        submit_mode_of(fleet, fleet.products[bid.product_id % PRODUCTS]), unit_mode_of(fleet, bid.unit_id)
    )


@kernel
def set_unit_mode(fleet: Any, asked: Any) -> int:
    """Set the mode of a node and of all below it that have none; return the reason not to, or 0."""
    if asked.product_id != 0:
        return MODE_OF_PRODUCT_AND_UNIT
    if not is_node(fleet, asked.unit_id):
        return UNKNOWN_UNIT
    fleet.nodes[asked.unit_id].submit_mode = asked.submit_mode
    return 0


@kernel
def set_submit_mode(fleet: Any, asked: Any) -> int:
    """Set the mode of a product, of a unit, or of all else; return the reason not to, or 0."""
    if asked.submit_mode > SUBMIT_OFF:
        return SUBMIT_MODE_UNKNOWN
    if asked.unit_id != 0:
        return set_unit_mode(fleet, asked)
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
    if not FORECAST <= said.step <= RESERVE_STEP or not DONE <= said.outcome <= MISSED:
        return STEP_UNKNOWN
    return STEP_UNKNOWN if said.price_source > LAST_GOOD or said.count < 0 else 0
