"""The market loop's own records: why a bid was made, which step was done, baselines and corrections.

Commands have the kinds 21 to 26, events 44 to 51.
"""

from ringmain.core.records import Field
from ringmain.vpp.messages import (
    BID,
    BID_ID,
    DELIVERY_DURATION_S,
    DELIVERY_START_NS,
    PERIOD_START_NS,
    REASONS,
    SCHEMA,
    SITE_ID,
)

AS_FLEET, SUBMIT_ON, SUBMIT_SHADOW, SUBMIT_OFF = 0, 1, 2, 3
SUBMIT_MODES = {"AS_FLEET": AS_FLEET, "ON": SUBMIT_ON, "SHADOW": SUBMIT_SHADOW, "OFF": SUBMIT_OFF}

PLANNED, URGENT, SAFE = 1, 2, 3
PURPOSES = {"PLANNED": PLANNED, "URGENT": URGENT, "SAFE": SAFE}

AUCTION_PRICE, MODEL_FORECAST, NAIVE_FORECAST, LAST_GOOD = 1, 2, 3, 4
SOURCES = {"AUCTION": AUCTION_PRICE, "MODEL": MODEL_FORECAST, "NAIVE": NAIVE_FORECAST, "LAST_GOOD": LAST_GOOD}

FORECAST, PLAN, BID_STEP, AWARD, DISPATCH, SETTLE, RESERVE_STEP = range(1, 8)
STEPS = {"FORECAST": FORECAST, "PLAN": PLAN, "BID": BID_STEP, "AWARD": AWARD, "DISPATCH": DISPATCH,
         "SETTLE": SETTLE, "RESERVE": RESERVE_STEP}  # fmt: skip

DONE, DONE_LATE, FELL_BACK, MISSED = 1, 2, 3, 4
OUTCOMES = {"DONE": DONE, "DONE_LATE": DONE_LATE, "FELL_BACK": FELL_BACK, "MISSED": MISSED}

# fmt: off
LOOP_REASONS = {
    "PERIOD_NOT_SETTLED": 43, "BEYOND_RESETTLEMENT": 44, "NOTHING_TO_CORRECT": 45,
    "BASELINE_OUT_OF_RANGE": 46,
    "SUBMIT_MODE_OFF": 75, "SUBMIT_MODE_UNKNOWN": 76, "STEP_UNKNOWN": 77, "PURPOSE_UNKNOWN": 78,
    "UNKNOWN_SITE": 87,
}
# fmt: on
REASONS.update(LOOP_REASONS)
SCHEMA.refusals(LOOP_REASONS)

_WHY = (
    BID_ID,
    Field("wanted_power_w", "i4", "what the plan wants to run"),
    Field("owed_power_w", "i4", "what the fleet would owe without the bid"),
    Field("expected_price_ticks", "i4", "the price that was planned on, 0.01 EUR/MWh"),
    Field("worth_ticks", "i4", "what the energy is worth to the fleet, 0.01 EUR/MWh"),
    Field("purpose", "u1", "PLANNED; URGENT: else it can't deliver; SAFE: no plan was to be had", PURPOSES),
    Field("price_source", "u1", "where the expected price comes from", SOURCES),
)
_MODE = (
    Field("product_id", "u4", "the product; 0: every product without a mode of its own"),
    Field("submit_mode", "u1", "ON: bid; SHADOW: note the bid, place no order; OFF: refuse", SUBMIT_MODES),
    Field("unit_id", "u4", "of the bids of this node and all below it instead; 0: of the fleet's", None, 0),
)
_STEP = (
    Field("about_ns", "i8", "start of the span that the step is about"),
    Field("gate_ns", "i8", "when it had to be done; 0: no gate"),
    Field("count", "i4", "how many commands it gave"),
    Field("step", "u1", "which step", STEPS),
    Field("outcome", "u1", "FELL_BACK: on the last good input; MISSED: nothing could be done", OUTCOMES),
    Field("price_source", "u1", "what it was based on", SOURCES),
)
_BASELINE = (
    SITE_ID,
    Field("power_w", "i4", "what the site would have run by itself"),
    DELIVERY_START_NS,
    DELIVERY_DURATION_S,
)

ExplainBid = SCHEMA.command(
    21, "ExplainBid", "Say why the bid of this id, which follows, is made (operator).", _WHY
)
SetSubmitMode = SCHEMA.command(22, "SetSubmitMode", "Say whether bids become orders (operator).", _MODE)
RecordStep = SCHEMA.command(
    23, "RecordStep", "Note that a step of the market loop was done (operator).", _STEP
)
SubmitBaseline = SCHEMA.command(
    24, "SubmitBaseline", "Say what a site would run by itself, before that begins (operator).", _BASELINE
)
CorrectMeter = SCHEMA.command(
    25, "CorrectMeter", "Correct what a site was settled on (operator).", (
        PERIOD_START_NS, SITE_ID, Field("metered_wh", "i4", "its net energy as it is known now"),
    ),
)  # fmt: skip

BidExplained = SCHEMA.event(44, "BidExplained", "Why the bid of this id is made.", _WHY)
SubmitModeSet = SCHEMA.event(45, "SubmitModeSet", "Whether bids become orders.", _MODE)
BidShadowed = SCHEMA.event(46, "BidShadowed", "The bid was noted; no order is placed.", BID)
StepRecorded = SCHEMA.event(47, "StepRecorded", "A step of the market loop was done.", _STEP)
BaselineAccepted = SCHEMA.event(48, "BaselineAccepted", "What the site would run by itself.", _BASELINE)
BaselineApplied = SCHEMA.event(
    49, "BaselineApplied", "Beside FleetMetered: what the sites would have run by themselves.", (
        PERIOD_START_NS, Field("baseline_wh", "i8", "net energy of all baselines"),
    ),
)  # fmt: skip
SiteResettled = SCHEMA.event(
    50, "SiteResettled", "A site's quarter-hour as corrected; the former SiteSettled stays on the tape.", (
        PERIOD_START_NS, SITE_ID, Field("metered_wh", "i4", "its net energy as it is known now"),
        Field("amount_minor", "i8", "what the correction adds to its share"),
        Field("balance_minor", "i8", "its account after that"),
    ),
)  # fmt: skip
FleetResettled = SCHEMA.event(
    51, "FleetResettled", "The fleet's quarter-hour as corrected; the former FleetMetered stays.", (
        PERIOD_START_NS, Field("metered_wh", "i8", "net energy delivered, corrections included"),
        Field("imbalance_minor", "i8", "what the correction moved from the balancing account"),
        Field("settlement_version", "u4", "2 with the first correction"),
        Field("correction_wh", "i4", "what the correction adds"),
    ),
)  # fmt: skip
