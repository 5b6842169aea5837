"""What the operator's sessions may ask: each command is checked, carried out and answered."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import head_event
from ringmain.vpp.kernels import desk, registry
from ringmain.vpp.kernels.answers import BODY_RECORD, REJECTION_RECORD, echo, reject
from ringmain.vpp.messages import (
    FILLED,
    NOT_OPERATOR,
    AssetRejected,
    AssetRetired,
    AwardRecorded,
    AwardRejected,
    BatteryRegistered,
    BidCancelRequested,
    BidEnded,
    BidRejected,
    BidSubmitted,
    CancelBid,
    DefineProduct,
    PlanAccepted,
    PlanRejected,
    PriceRecorded,
    PriceRejected,
    ProductDefined,
    ProductRejected,
    RecordAward,
    RecordOrderEnded,
    RecordPrice,
    RegisterBattery,
    RetireAsset,
    SubmitBid,
    SubmitPlan,
)

REGISTER_BATTERY, REGISTER_BATTERY_RECORD = RegisterBattery.kind, RegisterBattery.dtype
RETIRE_ASSET, RETIRE_ASSET_RECORD = RetireAsset.kind, RetireAsset.dtype
SUBMIT_PLAN, SUBMIT_PLAN_RECORD = SubmitPlan.kind, SubmitPlan.dtype
DEFINE_PRODUCT, DEFINE_PRODUCT_RECORD = DefineProduct.kind, DefineProduct.dtype
SUBMIT_BID, SUBMIT_BID_RECORD = SubmitBid.kind, SubmitBid.dtype
CANCEL_BID, CANCEL_BID_RECORD = CancelBid.kind, CancelBid.dtype
RECORD_AWARD, RECORD_AWARD_RECORD = RecordAward.kind, RecordAward.dtype
RECORD_ORDER_ENDED, RECORD_ORDER_ENDED_RECORD = RecordOrderEnded.kind, RecordOrderEnded.dtype
RECORD_PRICE, RECORD_PRICE_RECORD = RecordPrice.kind, RecordPrice.dtype

BATTERY_REGISTERED, ASSET_RETIRED, ASSET_REJECTED = (
    BatteryRegistered.kind,
    AssetRetired.kind,
    AssetRejected.kind,
)
PLAN_ACCEPTED, PLAN_REJECTED = PlanAccepted.kind, PlanRejected.kind
PRODUCT_DEFINED, PRODUCT_REJECTED = ProductDefined.kind, ProductRejected.kind
BID_SUBMITTED, BID_REJECTED = BidSubmitted.kind, BidRejected.kind
PRICE_RECORDED, PRICE_REJECTED = PriceRecorded.kind, PriceRejected.kind
AWARD_REJECTED = AwardRejected.kind
BID_CANCEL_REQUESTED, BID_CANCEL_REQUESTED_RECORD = BidCancelRequested.kind, BidCancelRequested.dtype
AWARD_RECORDED, AWARD_RECORDED_RECORD = AwardRecorded.kind, AwardRecorded.dtype
BID_ENDED, BID_ENDED_RECORD = BidEnded.kind, BidEnded.dtype


@kernel
def operate(fleet: Any, commands: Any, i: int, events: Any, n: int) -> int:
    """Answer command `i` from event row `n` on; return the next free row."""
    kind = commands[i].kind
    fault = 0 if registry.speaks_for_operator(fleet, commands[i].session_id) else NOT_OPERATOR
    if kind == REGISTER_BATTERY:
        battery = commands.view(REGISTER_BATTERY_RECORD)[i]
        fault = fault or registry.register(fleet, battery)
        return answer(commands, i, events, n, BATTERY_REGISTERED, ASSET_REJECTED, battery.asset_id, fault)
    if kind == RETIRE_ASSET:
        asset_id = commands.view(RETIRE_ASSET_RECORD)[i].asset_id
        fault = fault or registry.retire(fleet, asset_id)
        return answer(commands, i, events, n, ASSET_RETIRED, ASSET_REJECTED, asset_id, fault)
    if kind == SUBMIT_PLAN:
        block = commands.view(SUBMIT_PLAN_RECORD)[i]
        fault = fault or registry.plan(fleet, block)
        return answer(commands, i, events, n, PLAN_ACCEPTED, PLAN_REJECTED, block.asset_id, fault)
    if kind == DEFINE_PRODUCT:
        product = commands.view(DEFINE_PRODUCT_RECORD)[i]
        fault = fault or desk.define_product(fleet, product)
        return answer(commands, i, events, n, PRODUCT_DEFINED, PRODUCT_REJECTED, product.product_id, fault)
    if kind == RECORD_PRICE:
        price = commands.view(RECORD_PRICE_RECORD)[i]
        fault = fault or desk.record_price(fleet, price)
        return answer(commands, i, events, n, PRICE_RECORDED, PRICE_REJECTED, price.price_kind, fault)
    if kind == SUBMIT_BID:
        bid = commands.view(SUBMIT_BID_RECORD)[i]
        fault = fault or desk.submit_bid(fleet, bid)
        return answer(commands, i, events, n, BID_SUBMITTED, BID_REJECTED, bid.bid_id, fault)
    if kind == CANCEL_BID:
        return cancel_bid(fleet, commands, i, events, n, fault)
    if kind == RECORD_AWARD:
        return record_award(fleet, commands, i, events, n, fault)
    assert kind == RECORD_ORDER_ENDED  # the core lets no unknown kind through
    return record_order_ended(fleet, commands, i, events, n, fault)


@kernel
def answer(
    commands: Any, i: int, events: Any, n: int, accepted: int, rejected: int, subject_id: int, fault: int
) -> int:
    """Repeat the command as the event `accepted`, or refuse it by the event `rejected`; return n + 1."""
    if fault:
        return refuse(commands, i, events, n, rejected, subject_id, fault)
    head_event(events[n], commands[i], accepted)
    echo(events.view(BODY_RECORD)[n], commands.view(BODY_RECORD)[i])
    return n + 1


@kernel
def refuse(commands: Any, i: int, events: Any, n: int, rejected: int, subject_id: int, fault: int) -> int:
    """Name the subject and the reason; return n + 1."""
    head_event(events[n], commands[i], rejected)
    reject(events.view(REJECTION_RECORD)[n], subject_id, fault)
    return n + 1


@kernel
def cancel_bid(fleet: Any, commands: Any, i: int, events: Any, n: int, fault: int) -> int:
    """Ask for a cancellation, or refuse; return n + 1."""
    bid_id = commands.view(CANCEL_BID_RECORD)[i].bid_id
    fault = fault or desk.open_bid_fault(fleet, bid_id)
    if fault:
        return refuse(commands, i, events, n, BID_REJECTED, bid_id, fault)
    head_event(events[n], commands[i], BID_CANCEL_REQUESTED)
    desk.request_cancel(fleet, bid_id, events.view(BID_CANCEL_REQUESTED_RECORD)[n])
    return n + 1


@kernel
def record_award(fleet: Any, commands: Any, i: int, events: Any, n: int, fault: int) -> int:
    """Book a fill, and end the bid if that was the last of it; return the next free row."""
    award = commands.view(RECORD_AWARD_RECORD)[i]
    fault = fault or desk.award_fault(fleet, award)
    if fault:
        return refuse(commands, i, events, n, AWARD_REJECTED, award.bid_id, fault)
    head_event(events[n], commands[i], AWARD_RECORDED)
    desk.record_award(fleet, award, events.view(AWARD_RECORDED_RECORD)[n])
    if desk.is_filled(fleet, award.bid_id):
        return end_bid(fleet, commands, i, events, n + 1, award.bid_id, FILLED)
    return n + 1


@kernel
def record_order_ended(fleet: Any, commands: Any, i: int, events: Any, n: int, fault: int) -> int:
    """End a bid, or refuse; return n + 1."""
    ended = commands.view(RECORD_ORDER_ENDED_RECORD)[i]
    fault = fault or desk.ending_fault(fleet, ended)
    if fault:
        return refuse(commands, i, events, n, AWARD_REJECTED, ended.bid_id, fault)
    return end_bid(fleet, commands, i, events, n, ended.bid_id, ended.ending)


@kernel
def end_bid(fleet: Any, commands: Any, i: int, events: Any, n: int, bid_id: int, ending: int) -> int:
    """End the bid and tell; return n + 1."""
    head_event(events[n], commands[i], BID_ENDED)
    desk.end_bid(fleet, bid_id, ending, events.view(BID_ENDED_RECORD)[n])
    return n + 1
