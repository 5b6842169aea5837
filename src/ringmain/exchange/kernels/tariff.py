"""SetFees: what trading costs in a group, for the products of it that open from then on."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.fees_messages import FeesSet
from ringmain.exchange.kernels.answers import head_answer, reject_setup
from ringmain.exchange.kernels.products import is_operator
from ringmain.exchange.messages import REJECTIONS
from ringmain.exchange.safeguards_state import GROUPS
from ringmain.exchange.state import FEE_MILLITICKS_MAX

FEES_SET = FeesSet.kind
OPERATOR_ONLY, GROUP_OUT_OF_RANGE = REJECTIONS["OPERATOR_ONLY"], REJECTIONS["GROUP_OUT_OF_RANGE"]
FEE_OUT_OF_RANGE = REJECTIONS["FEE_OUT_OF_RANGE"]


@kernel
def set_fees(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Set a group's tariff, or reject it; return the next event row."""
    command = request.set_fees
    reason = _fault(exchange, request)
    if reason != 0:
        reject_setup(events[count], request, 0, 0, reason)
        return count + 1
    tariff = exchange.tariffs[command.product_group]
    tariff.maker_milliticks = command.maker_milliticks
    tariff.taker_milliticks = command.taker_milliticks
    tariff.auction_milliticks = command.auction_milliticks
    head_answer(events[count], request, FEES_SET)
    answer = events[count].fees_set
    answer.maker_milliticks = command.maker_milliticks
    answer.taker_milliticks = command.taker_milliticks
    answer.auction_milliticks = command.auction_milliticks
    answer.product_group = command.product_group
    return count + 1


@kernel
def _fault(exchange: Any, request: Any) -> int:
    """Return why a tariff can't be, or 0; what one side receives the other has to pay."""
    command = request.set_fees
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    if command.product_group >= GROUPS:
        return GROUP_OUT_OF_RANGE
    maker, taker = int(command.maker_milliticks), int(command.taker_milliticks)
    if abs(maker) > FEE_MILLITICKS_MAX or abs(taker) > FEE_MILLITICKS_MAX or maker + taker < 0:
        return FEE_OUT_OF_RANGE
    return 0 if 0 <= command.auction_milliticks <= FEE_MILLITICKS_MAX else FEE_OUT_OF_RANGE
