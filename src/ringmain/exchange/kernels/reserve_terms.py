"""What the operator says about a reserve product before it opens: its buyer, its block, what energy costs."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer, reject_setup
from ringmain.exchange.kernels.products import UNKNOWN, find_product, is_operator
from ringmain.exchange.kernels.reserve_rules import is_reserve
from ringmain.exchange.messages import DEFINED, REJECTIONS
from ringmain.exchange.reserve_messages import ReserveTermsSet
from ringmain.exchange.reserve_state import DELIVERY_START_NS_MAX, RESERVE_DURATION_S_MAX
from ringmain.exchange.state import ACCOUNTS, PRICE_TICKS_MAX

RESERVE_TERMS_SET = ReserveTermsSet.kind
OPERATOR_ONLY, UNKNOWN_PRODUCT = REJECTIONS["OPERATOR_ONLY"], REJECTIONS["UNKNOWN_PRODUCT"]
WRONG_PRODUCT_KIND, WRONG_PHASE = REJECTIONS["WRONG_PRODUCT_KIND"], REJECTIONS["WRONG_PHASE"]
ACCOUNT_OUT_OF_RANGE, ACCOUNT_NOT_OPEN = REJECTIONS["ACCOUNT_OUT_OF_RANGE"], REJECTIONS["ACCOUNT_NOT_OPEN"]
TERMS_OUT_OF_RANGE = REJECTIONS["RESERVE_TERMS_OUT_OF_RANGE"]


@kernel
def set_reserve_terms(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Set a reserve product's terms, before it opens; return the next event row."""
    command = request.set_reserve_terms
    slot = find_product(exchange, command.product_id)
    reason = _terms_fault(exchange, request, slot)
    if reason != 0:
        reject_setup(events[count], request, command.product_id, command.buyer_account_id, reason)
        return count + 1
    reserve = exchange.reserves[slot]
    reserve.buyer_account_id = command.buyer_account_id
    reserve.activation_ticks = command.activation_ticks
    reserve.delivery_duration_s = command.delivery_duration_s
    reserve.activation_max_s = command.activation_max_s
    reserve.has_terms = 1
    head_answer(events[count], request, RESERVE_TERMS_SET)
    terms = events[count].reserve_terms_set
    terms.product_id = command.product_id
    terms.buyer_account_id = command.buyer_account_id
    terms.activation_ticks = command.activation_ticks
    terms.delivery_duration_s = command.delivery_duration_s
    terms.activation_max_s = command.activation_max_s
    return count + 1


@kernel
def _terms_fault(exchange: Any, request: Any, slot: int) -> int:
    terms = request.set_reserve_terms
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    if slot == UNKNOWN:
        return UNKNOWN_PRODUCT
    product = exchange.products[slot]
    if not is_reserve(product):
        return WRONG_PRODUCT_KIND
    if product.phase != DEFINED:
        return WRONG_PHASE
    if terms.buyer_account_id == 0 or terms.buyer_account_id >= ACCOUNTS:
        return ACCOUNT_OUT_OF_RANGE
    if exchange.participants[terms.buyer_account_id].open == 0:
        return ACCOUNT_NOT_OPEN
    if not 0 < product.delivery_start_ns <= DELIVERY_START_NS_MAX:
        return TERMS_OUT_OF_RANGE
    if terms.activation_ticks < 0 or terms.activation_ticks > PRICE_TICKS_MAX:
        return TERMS_OUT_OF_RANGE
    if terms.delivery_duration_s == 0 or terms.delivery_duration_s > RESERVE_DURATION_S_MAX:
        return TERMS_OUT_OF_RANGE
    return TERMS_OUT_OF_RANGE if terms.activation_max_s > terms.delivery_duration_s else 0
