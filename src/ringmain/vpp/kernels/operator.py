"""What the operator's sessions may ask: each command is checked, carried out and answered."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import head_event
from ringmain.vpp.kernels import baselines, blocks, desk, hierarchy, loop, registry, reserve, resettle, rhythm
from ringmain.vpp.kernels.answers import BODY_RECORD, REJECTION_RECORD, echo, reject
from ringmain.vpp.kernels.blocks import EXTEND_BLOCK_BID, NOT_A_BLOCK, SUBMIT_BLOCK_BID
from ringmain.vpp.loop_messages import (
    BaselineAccepted,
    BidExplained,
    BidShadowed,
    CorrectMeter,
    ExplainBid,
    RecordStep,
    SetSubmitMode,
    StepRecorded,
    SubmitBaseline,
    SubmitModeSet,
)
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
    ChangeLimits,
    ChargerRegistered,
    DefineProduct,
    HeatStoreRegistered,
    LimitsChanged,
    LoadRegistered,
    NodeRejected,
    NodeSet,
    PlanAccepted,
    PlanRejected,
    PluggedIn,
    PlugIn,
    PriceRecorded,
    PriceRejected,
    ProductDefined,
    ProductRejected,
    RecordAward,
    RecordOrderEnded,
    RecordPrice,
    RegisterBattery,
    RegisterCharger,
    RegisterHeatStore,
    RegisterLoad,
    RegisterSolar,
    RetireAsset,
    RhythmSet,
    SetNode,
    SetRhythm,
    SetTarget,
    SettingRejected,
    SolarRegistered,
    SubmitBid,
    SubmitPlan,
    TargetSet,
    Unplug,
    Unplugged,
)
from ringmain.vpp.reserve_messages import (
    DefineReserve,
    RecordActivation,
    RecordReserveSettled,
    ReserveActivated,
    ReserveDefined,
    ReservePaid,
    ReserveRejected,
)
from ringmain.vpp.state import PLAN_STEP_W

REGISTER_BATTERY, REGISTER_BATTERY_RECORD = RegisterBattery.kind, RegisterBattery.dtype
REGISTER_SOLAR, REGISTER_SOLAR_RECORD = RegisterSolar.kind, RegisterSolar.dtype
REGISTER_CHARGER, REGISTER_CHARGER_RECORD = RegisterCharger.kind, RegisterCharger.dtype
REGISTER_HEAT_STORE, REGISTER_HEAT_STORE_RECORD = RegisterHeatStore.kind, RegisterHeatStore.dtype
REGISTER_LOAD, REGISTER_LOAD_RECORD = RegisterLoad.kind, RegisterLoad.dtype
CHANGE_LIMITS, CHANGE_LIMITS_RECORD = ChangeLimits.kind, ChangeLimits.dtype
PLUG_IN, PLUG_IN_RECORD = PlugIn.kind, PlugIn.dtype
UNPLUG, UNPLUG_RECORD = Unplug.kind, Unplug.dtype
SET_NODE, SET_NODE_RECORD = SetNode.kind, SetNode.dtype
SET_RHYTHM, SET_RHYTHM_RECORD = SetRhythm.kind, SetRhythm.dtype
SET_TARGET, SET_TARGET_RECORD = SetTarget.kind, SetTarget.dtype
RETIRE_ASSET, RETIRE_ASSET_RECORD = RetireAsset.kind, RetireAsset.dtype
SUBMIT_PLAN, SUBMIT_PLAN_RECORD = SubmitPlan.kind, SubmitPlan.dtype
DEFINE_PRODUCT, DEFINE_PRODUCT_RECORD = DefineProduct.kind, DefineProduct.dtype
SUBMIT_BID, SUBMIT_BID_RECORD = SubmitBid.kind, SubmitBid.dtype
CANCEL_BID, CANCEL_BID_RECORD = CancelBid.kind, CancelBid.dtype
RECORD_AWARD, RECORD_AWARD_RECORD = RecordAward.kind, RecordAward.dtype
RECORD_ORDER_ENDED, RECORD_ORDER_ENDED_RECORD = RecordOrderEnded.kind, RecordOrderEnded.dtype
RECORD_PRICE, RECORD_PRICE_RECORD = RecordPrice.kind, RecordPrice.dtype

EXPLAIN_BID, EXPLAIN_BID_RECORD = ExplainBid.kind, ExplainBid.dtype
SET_SUBMIT_MODE, SET_SUBMIT_MODE_RECORD = SetSubmitMode.kind, SetSubmitMode.dtype
RECORD_STEP, RECORD_STEP_RECORD = RecordStep.kind, RecordStep.dtype
SUBMIT_BASELINE, SUBMIT_BASELINE_RECORD = SubmitBaseline.kind, SubmitBaseline.dtype
CORRECT_METER, CORRECT_METER_RECORD = CorrectMeter.kind, CorrectMeter.dtype
BID_EXPLAINED, BID_SHADOWED, SUBMIT_MODE_SET = BidExplained.kind, BidShadowed.kind, SubmitModeSet.kind
STEP_RECORDED, BASELINE_ACCEPTED = StepRecorded.kind, BaselineAccepted.kind

DEFINE_RESERVE, DEFINE_RESERVE_RECORD = DefineReserve.kind, DefineReserve.dtype
RECORD_ACTIVATION, RECORD_ACTIVATION_RECORD = RecordActivation.kind, RecordActivation.dtype
RECORD_RESERVE_SETTLED, RECORD_RESERVE_SETTLED_RECORD = RecordReserveSettled.kind, RecordReserveSettled.dtype
RESERVE_DEFINED, RESERVE_REJECTED = ReserveDefined.kind, ReserveRejected.kind
RESERVE_ACTIVATED, RESERVE_ACTIVATED_RECORD = ReserveActivated.kind, ReserveActivated.dtype
RESERVE_PAID, RESERVE_PAID_RECORD = ReservePaid.kind, ReservePaid.dtype

BATTERY_REGISTERED, ASSET_RETIRED, ASSET_REJECTED = (
    BatteryRegistered.kind,
    AssetRetired.kind,
    AssetRejected.kind,
)
SOLAR_REGISTERED, CHARGER_REGISTERED = SolarRegistered.kind, ChargerRegistered.kind
HEAT_STORE_REGISTERED, LOAD_REGISTERED = HeatStoreRegistered.kind, LoadRegistered.kind
PLUGGED_IN, UNPLUGGED, LIMITS_CHANGED = PluggedIn.kind, Unplugged.kind, LimitsChanged.kind
NODE_SET, NODE_REJECTED = NodeSet.kind, NodeRejected.kind
RHYTHM_SET, TARGET_SET, SETTING_REJECTED = RhythmSet.kind, TargetSet.kind, SettingRejected.kind
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
    is_operator = registry.speaks_for_operator(fleet, commands[i].session_id)
    fault = 0 if is_operator else NOT_OPERATOR
    if kind == SUBMIT_PLAN:
        block = commands.view(SUBMIT_PLAN_RECORD)[i]
        fault = fault or registry.plan(fleet, block)
        if fault == 0:
            end = answer(commands, i, events, n, PLAN_ACCEPTED, PLAN_REJECTED, block.asset_id, fault)
            events.view(SUBMIT_PLAN_RECORD)[n].power_w = registry.plan_steps(block.power_w) * PLAN_STEP_W
            return end
        return refuse(commands, i, events, n, PLAN_REJECTED, block.asset_id, fault)
    if kind in (PLUG_IN, UNPLUG):
        return plug(fleet, commands, i, events, n, is_operator)
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
        taken = BID_SHADOWED if fault == 0 and desk.is_shadow(fleet, bid) else BID_SUBMITTED
        return answer(commands, i, events, n, taken, BID_REJECTED, bid.bid_id, fault)
    if kind == CANCEL_BID:
        return cancel_bid(fleet, commands, i, events, n, fault)
    if kind == RECORD_AWARD:
        return record_award(fleet, commands, i, events, n, fault)
    if kind == RECORD_ORDER_ENDED:
        return record_order_ended(fleet, commands, i, events, n, fault)
    if kind in (SUBMIT_BLOCK_BID, EXTEND_BLOCK_BID):
        return blocks.answer(fleet, commands, i, events, n, fault)
    if kind in (SET_NODE, SET_RHYTHM, SET_TARGET):
        return set_up(fleet, commands, i, events, n, fault)
    if EXPLAIN_BID <= kind <= CORRECT_METER:
        return run_loop(fleet, commands, i, events, n, fault)
    if RECORD_ACTIVATION <= kind <= DEFINE_RESERVE:
        return run_reserve(fleet, commands, i, events, n, fault)
    return change_assets(fleet, commands, i, events, n, fault)


@kernel
def change_assets(fleet: Any, commands: Any, i: int, events: Any, n: int, fault: int) -> int:
    """Answer a command that takes an asset in, changes it, or takes it out."""
    kind = commands[i].kind
    if kind == REGISTER_BATTERY:
        battery = commands.view(REGISTER_BATTERY_RECORD)[i]
        fault = fault or registry.register_battery(fleet, battery)
        return answer(commands, i, events, n, BATTERY_REGISTERED, ASSET_REJECTED, battery.asset_id, fault)
    if kind == REGISTER_SOLAR:
        solar = commands.view(REGISTER_SOLAR_RECORD)[i]
        fault = fault or registry.register_solar(fleet, solar)
        return answer(commands, i, events, n, SOLAR_REGISTERED, ASSET_REJECTED, solar.asset_id, fault)
    if kind == REGISTER_CHARGER:
        charger = commands.view(REGISTER_CHARGER_RECORD)[i]
        fault = fault or registry.register_charger(fleet, charger)
        return answer(commands, i, events, n, CHARGER_REGISTERED, ASSET_REJECTED, charger.asset_id, fault)
    if kind == REGISTER_HEAT_STORE:
        store = commands.view(REGISTER_HEAT_STORE_RECORD)[i]
        fault = fault or registry.register_heat_store(fleet, store)
        return answer(commands, i, events, n, HEAT_STORE_REGISTERED, ASSET_REJECTED, store.asset_id, fault)
    if kind == REGISTER_LOAD:
        load = commands.view(REGISTER_LOAD_RECORD)[i]
        fault = fault or registry.register_load(fleet, load)
        return answer(commands, i, events, n, LOAD_REGISTERED, ASSET_REJECTED, load.asset_id, fault)
    if kind == CHANGE_LIMITS:
        limits = commands.view(CHANGE_LIMITS_RECORD)[i]
        fault = fault or registry.change_limits(fleet, limits)
        return answer(commands, i, events, n, LIMITS_CHANGED, ASSET_REJECTED, limits.asset_id, fault)
    assert kind == RETIRE_ASSET  # the core lets no unknown kind through
    asset_id = commands.view(RETIRE_ASSET_RECORD)[i].asset_id
    fault = fault or registry.retire(fleet, asset_id)
    return answer(commands, i, events, n, ASSET_RETIRED, ASSET_REJECTED, asset_id, fault)


@kernel
def plug(fleet: Any, commands: Any, i: int, events: Any, n: int, is_operator: bool) -> int:
    """Answer what is said of a car at a charger, by the operator or by the charger's link; return n + 1."""
    if commands[i].kind == PLUG_IN:
        plugged = commands.view(PLUG_IN_RECORD)[i]
        fault = registry.plug_in(fleet, plugged, is_operator)
        return answer(commands, i, events, n, PLUGGED_IN, ASSET_REJECTED, plugged.asset_id, fault)
    gone = commands.view(UNPLUG_RECORD)[i]
    fault = registry.unplug(fleet, gone, is_operator)
    return answer(commands, i, events, n, UNPLUGGED, ASSET_REJECTED, gone.asset_id, fault)


@kernel
def set_up(fleet: Any, commands: Any, i: int, events: Any, n: int, fault: int) -> int:
    """Answer a command about the hierarchy, the rhythm or the target; return n + 1."""
    kind = commands[i].kind
    if kind == SET_NODE:
        node = commands.view(SET_NODE_RECORD)[i]
        fault = fault or hierarchy.set_node(fleet, node)
        return answer(commands, i, events, n, NODE_SET, NODE_REJECTED, node.node_id, fault)
    if kind == SET_RHYTHM:
        fault = fault or rhythm.set_rhythm(fleet, commands.view(SET_RHYTHM_RECORD)[i])
        return answer(commands, i, events, n, RHYTHM_SET, SETTING_REJECTED, kind, fault)
    fault = fault or rhythm.set_target(fleet, commands.view(SET_TARGET_RECORD)[i])
    return answer(commands, i, events, n, TARGET_SET, SETTING_REJECTED, kind, fault)


@kernel
def run_loop(fleet: Any, commands: Any, i: int, events: Any, n: int, fault: int) -> int:
    """Answer a command of the market loop; return the next free row."""
    kind = commands[i].kind
    if kind == EXPLAIN_BID:
        fault = fault or loop.explanation_fault(fleet, commands.view(EXPLAIN_BID_RECORD)[i])
        return answer(commands, i, events, n, BID_EXPLAINED, SETTING_REJECTED, kind, fault)
    if kind == SET_SUBMIT_MODE:
        fault = fault or loop.set_submit_mode(fleet, commands.view(SET_SUBMIT_MODE_RECORD)[i])
        return answer(commands, i, events, n, SUBMIT_MODE_SET, SETTING_REJECTED, kind, fault)
    if kind == RECORD_STEP:
        fault = fault or loop.step_fault(commands.view(RECORD_STEP_RECORD)[i])
        return answer(commands, i, events, n, STEP_RECORDED, SETTING_REJECTED, kind, fault)
    if kind == SUBMIT_BASELINE:
        fault = fault or baselines.submit(fleet, commands.view(SUBMIT_BASELINE_RECORD)[i])
        return answer(commands, i, events, n, BASELINE_ACCEPTED, SETTING_REJECTED, kind, fault)
    assert kind == CORRECT_METER
    correction = commands.view(CORRECT_METER_RECORD)[i]
    fault = fault or resettle.correction_fault(fleet, correction)
    if fault:
        return refuse(commands, i, events, n, SETTING_REJECTED, kind, fault)
    return resettle.resettle(fleet, commands[i], correction, events, n)


@kernel
def run_reserve(fleet: Any, commands: Any, i: int, events: Any, n: int, fault: int) -> int:
    """Answer a command about reserve; return n + 1."""
    kind = commands[i].kind
    if kind == DEFINE_RESERVE:
        asked = commands.view(DEFINE_RESERVE_RECORD)[i]
        fault = fault or reserve.define_reserve(fleet, asked)
        return answer(commands, i, events, n, RESERVE_DEFINED, PRODUCT_REJECTED, asked.product_id, fault)
    if kind == RECORD_ACTIVATION:
        activation = commands.view(RECORD_ACTIVATION_RECORD)[i]
        fault = fault or reserve.activation_fault(fleet, activation)
        if fault:
            return refuse(commands, i, events, n, RESERVE_REJECTED, activation.product_id, fault)
        head_event(events[n], commands[i], RESERVE_ACTIVATED)
        reserve.activate(fleet, activation, events.view(RESERVE_ACTIVATED_RECORD)[n])
        return n + 1
    assert kind == RECORD_RESERVE_SETTLED
    paid = commands.view(RECORD_RESERVE_SETTLED_RECORD)[i]
    fault = fault or reserve.payment_fault(fleet, paid)
    if fault:
        return refuse(commands, i, events, n, RESERVE_REJECTED, paid.product_id, fault)
    head_event(events[n], commands[i], RESERVE_PAID)
    reserve.record_payment(fleet, paid, events.view(RESERVE_PAID_RECORD)[n])
    return n + 1


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
    place = blocks.place_of(fleet, bid_id)
    is_block = place != NOT_A_BLOCK
    fault = fault or (blocks.open_fault(fleet, place) if is_block else desk.open_bid_fault(fleet, bid_id))
    if fault:
        return refuse(commands, i, events, n, BID_REJECTED, bid_id, fault)
    head_event(events[n], commands[i], BID_CANCEL_REQUESTED)
    requested = events.view(BID_CANCEL_REQUESTED_RECORD)[n]
    requested.bid_id = bid_id
    requested.product_id = blocks.product_of(fleet, place) if is_block else desk.product_of(fleet, bid_id)
    return n + 1


@kernel
def record_award(fleet: Any, commands: Any, i: int, events: Any, n: int, fault: int) -> int:
    """Book a fill, and end the bid if that was the last of it; return the next free row."""
    award = commands.view(RECORD_AWARD_RECORD)[i]
    place = blocks.place_of(fleet, award.bid_id)
    is_block = place != NOT_A_BLOCK
    fault = fault or (blocks.award_fault(fleet, place, award) if is_block else desk.award_fault(fleet, award))
    if fault:
        return refuse(commands, i, events, n, AWARD_REJECTED, award.bid_id, fault)
    head_event(events[n], commands[i], AWARD_RECORDED)
    if is_block:
        blocks.record_award(fleet, place, award, events.view(AWARD_RECORDED_RECORD)[n])
        return n + 1
    desk.record_award(fleet, award, events.view(AWARD_RECORDED_RECORD)[n])
    if desk.is_filled(fleet, award.bid_id):
        return end_bid(fleet, commands, i, events, n + 1, award.bid_id, FILLED)
    return n + 1


@kernel
def record_order_ended(fleet: Any, commands: Any, i: int, events: Any, n: int, fault: int) -> int:
    """End a bid, or refuse; return n + 1."""
    ended = commands.view(RECORD_ORDER_ENDED_RECORD)[i]
    place = blocks.place_of(fleet, ended.bid_id)
    fault = fault or desk.ending_fault(ended)
    if fault == 0:
        is_block = place != NOT_A_BLOCK
        fault = blocks.open_fault(fleet, place) if is_block else desk.open_bid_fault(fleet, ended.bid_id)
    if fault:
        return refuse(commands, i, events, n, AWARD_REJECTED, ended.bid_id, fault)
    if place != NOT_A_BLOCK:
        head_event(events[n], commands[i], BID_ENDED)
        blocks.end(fleet, place, ended.ending, events.view(BID_ENDED_RECORD)[n])
        return n + 1
    return end_bid(fleet, commands, i, events, n, ended.bid_id, ended.ending)


@kernel
def end_bid(fleet: Any, commands: Any, i: int, events: Any, n: int, bid_id: int, ending: int) -> int:
    """End the bid and tell; return n + 1."""
    head_event(events[n], commands[i], BID_ENDED)
    desk.end_bid(fleet, bid_id, ending, events.view(BID_ENDED_RECORD)[n])
    return n + 1
