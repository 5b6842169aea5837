"""The fleet's commands, events and reasons.

Rules that hold for every record:

* Power is positive when it flows to the grid: a battery that discharges has ``power_w > 0``,
  one that charges ``power_w < 0``. A plan, a set-point, a commitment and a metered net follow.
* Prices are ticks of 0.01 EUR/MWh; money is minor units of 0.000001 EUR.
* Delivery is counted in quarter-hours, the fleet's periods; an hourly product spans four.
* Account 0 is the operator: the desk (plans, bids) and the bridge (awards) speak for it. Every
  other account is a device link, which may only report, and only for the assets registered to it.
"""

from ringmain.core.messages import market_schema
from ringmain.core.records import Field, Record

# Reasons: stable codes; everything spelt in capitals so far is one.
# fmt: off
NOT_OPERATOR = 1

# the asset
ASSET_ID_OUT_OF_RANGE, ASSET_EXISTS, UNKNOWN_ASSET, ASSET_RETIRED = 10, 11, 12, 13
SITE_ID_OUT_OF_RANGE, LINK_ACCOUNT_IS_OPERATOR = 14, 15
CHARGE_LIMIT_OUT_OF_RANGE, DISCHARGE_LIMIT_OUT_OF_RANGE, CAPACITY_OUT_OF_RANGE = 16, 17, 18
RESERVE_OUT_OF_RANGE, CHARGE_EFFICIENCY_OUT_OF_RANGE, DISCHARGE_EFFICIENCY_OUT_OF_RANGE = 19, 20, 21
SELF_DISCHARGE_OUT_OF_RANGE, WRONG_KIND, FLAG_OUT_OF_RANGE = 22, 23, 24
IMPORT_LIMIT_OUT_OF_RANGE, EXPORT_LIMIT_OUT_OF_RANGE = 25, 26
DEPARTURE_OUT_OF_RANGE, REQUIRED_ENERGY_OUT_OF_RANGE, NOT_PLUGGED_IN = 27, 28, 29

# the hierarchy and the rhythm
NODE_ID_OUT_OF_RANGE, UNKNOWN_PARENT, PARENT_NOT_BELOW, PARENT_CHANGED = 80, 81, 82, 83
NODE_LIMIT_OUT_OF_RANGE, SITE_CHANGED, SITE_WITHIN_SITE = 84, 85, 86
RHYTHM_OUT_OF_RANGE, TARGET_OUT_OF_RANGE, TARGET_PAST = 90, 91, 92

# telemetry
WRONG_LINK, FUTURE_DATED, CLOCK_WENT_BACK = 30, 31, 32
POWER_OUT_OF_RANGE, ENERGY_OUT_OF_RANGE, METER_WENT_BACK, METER_JUMPED, SETTLEMENT_BEHIND = 33, 34, 35, 36, 37

# delivery
PERIOD_MISALIGNED, PERIOD_PAST, BEYOND_HORIZON = 40, 41, 42

# products
UNKNOWN_PRODUCT, PRODUCT_EXISTS, PRODUCTS_FULL = 50, 51, 52
LOT_POWER_OUT_OF_RANGE, VALUE_OUT_OF_RANGE, GATE_AFTER_DELIVERY = 53, 54, 55

# bids, awards and prices
UNKNOWN_BID, BID_ID_NOT_RISING, BIDS_FULL, BID_ENDED = 60, 61, 62, 63
AFTER_GATE_CLOSURE, ABOVE_FLEET_POWER = 64, 65
SIDE_UNKNOWN, TIME_IN_FORCE_UNKNOWN, ENDING_UNKNOWN, PRICE_KIND_UNKNOWN = 66, 67, 68, 69
PRICE_OUT_OF_RANGE, QUANTITY_OUT_OF_RANGE, AWARD_MISMATCH, AWARD_ABOVE_BID = 70, 71, 72, 73
ABOVE_MONEY_LIMIT = 74
# fmt: on

REASONS = {name: code for name, code in globals().items() if name.isupper()}

BUY, SELL = 1, 2
SIDES = {"BUY": BUY, "SELL": SELL}

REST, IMMEDIATE_OR_CANCEL = 0, 1
TIMES_IN_FORCE = {"REST": REST, "IMMEDIATE_OR_CANCEL": IMMEDIATE_OR_CANCEL}

REFERENCE, IMBALANCE, EXPECTED = 1, 2, 3
PRICE_KINDS = {"REFERENCE": REFERENCE, "IMBALANCE": IMBALANCE, "EXPECTED": EXPECTED}

FILLED, CANCELLED, EXPIRED, REFUSED = 1, 2, 3, 4
ENDINGS = {"FILLED": FILLED, "CANCELLED": CANCELLED, "EXPIRED": EXPIRED, "REFUSED": REFUSED}

FRESH, LATE, SILENT, CONTRADICTORY = 1, 2, 3, 4
QUALITIES = {"FRESH": FRESH, "LATE": LATE, "SILENT": SILENT, "CONTRADICTORY": CONTRADICTORY}

BATTERY, SOLAR, CHARGER, HEAT_STORE, LOAD = range(1, 6)  # kinds of asset

SCHEMA = market_schema("vpp", version=2)
SCHEMA.refusals(REASONS)

ASSET_ID = Field("asset_id", "u4", "the asset, from 1")
NODE_ID = Field("node_id", "u4", "the node that it hangs on; one that is not there yet becomes a site")
SITE_ID = Field("site_id", "u4", "the home or building that is paid: a node, from 1")
PRODUCT_ID = Field("product_id", "u4", "the exchange's product")
BID_ID = Field("bid_id", "u4", "the desk's own number of the bid, rising; it is the order's client id too")
SIDE = Field("side", "u1", "which way the fleet trades", SIDES)
PRICE_TICKS = Field("price_ticks", "i8", "0.01 EUR/MWh, of reserve 0.01 EUR per MW and hour; may be negative")
QUANTITY_LOTS = Field("quantity_lots", "i4", "lots of the product")
DELIVERY_START_NS = Field("delivery_start_ns", "i8", "start of delivery, on a quarter-hour")
DELIVERY_DURATION_S = Field("delivery_duration_s", "u4", "length of delivery, whole quarter-hours")
PERIOD_START_NS = Field("period_start_ns", "i8", "start of the quarter-hour")

LINK = Field("link_account_id", "u2", "account of the device link that may report for it, not 0")
IMPORT_LIMIT = Field("import_limit_w", "i4", "largest power from the grid")
EXPORT_LIMIT = Field("export_limit_w", "i4", "largest power to the grid")
CAPACITY = Field("energy_capacity_wh", "i4", "what it stores when full")
CHARGE_EFFICIENCY = Field("charge_efficiency_permille", "u2", "stored per taken from the grid")
DISCHARGE_EFFICIENCY = Field("discharge_efficiency_permille", "u2", "given per taken from the store")
WEAR = Field("wear_price_ticks", "u2", "cost of ageing per energy discharged, 0.01 EUR/MWh")
SELF_DISCHARGE = Field("self_discharge_ppm", "u2", "of what is stored, lost in an hour", None, 0)
RESERVE = Field("reserve_permille", "u2", "share of the capacity that stays with the home")

BATTERY_FIELDS = (
    ASSET_ID, NODE_ID,
    Field("charge_limit_w", "i4", "largest power from the grid"),
    Field("discharge_limit_w", "i4", "largest power to the grid"),
    CAPACITY, LINK, RESERVE, CHARGE_EFFICIENCY, DISCHARGE_EFFICIENCY, WEAR, SELF_DISCHARGE,
)  # fmt: skip
SOLAR_FIELDS = (
    ASSET_ID, NODE_ID, EXPORT_LIMIT, LINK,
    Field("is_curtailable", "u1", "1: it can be told to give less"),
)  # fmt: skip
CHARGER_FIELDS = (
    ASSET_ID, NODE_ID, IMPORT_LIMIT,
    Field("export_limit_w", "i4", "largest power from the car to the grid; 0: it only charges"),
    CAPACITY, LINK, CHARGE_EFFICIENCY, DISCHARGE_EFFICIENCY, WEAR,
)  # fmt: skip
HEAT_STORE_FIELDS = (
    ASSET_ID, NODE_ID, IMPORT_LIMIT,
    Field("energy_capacity_wh", "i4", "stored at the upper end of comfort, as electricity taken"),
    LINK,
    Field("reserve_permille", "u2", "the lower end of comfort, as a share of it"),
    SELF_DISCHARGE,
)  # fmt: skip
LOAD_FIELDS = (ASSET_ID, NODE_ID, IMPORT_LIMIT, LINK)
PLUG = (
    ASSET_ID,
    Field("departs_s", "u4", "when it will be unplugged, seconds since 1970 UTC"),
    Field("required_wh", "i4", "what the car has to hold then"),
)
LIMITS = (ASSET_ID, IMPORT_LIMIT, EXPORT_LIMIT, CAPACITY, RESERVE, WEAR)
NODE_FIELDS = (
    Field("node_id", "u4", "from 1; above its parent's"),
    Field("parent_id", "u4", "the node above; 0: the fleet itself"),
    Field("import_limit_w", "i4", "largest power from the grid: a fuse, a cable, an inverter"),
    Field("export_limit_w", "i4", "largest power to the grid"),
    Field("is_site", "u1", "1: a site, which is paid for all below it"),
)
RHYTHM = (
    Field("tick_ms", "u4", "dispatch decides so often"),
    Field("measure_ms", "u4", "the fleet is measured so often"),
    Field("lease_ms", "u4", "a set-point is good for so long"),
    Field(
        "lead_ms",
        "u4",
        "from a set-point to its effect: targets that move are asked for so much earlier",
        None,
        0,
    ),
    Field("lag_ms", "u4", "from a set-point to the reports that show it; 0: they don't correct"),
    Field("late_ms", "u4", "an asset that was not heard of for so long is late"),
    Field("silent_ms", "u4", "... and for so long is silent"),
)
TARGET = (
    Field("valid_until_ns", "i8", "from then on the awards alone count again"),
    Field("power_w", "i8", "what the fleet is to give"),
    Field("ramp_w_per_s", "i8", "by how much that changes each second from now on", None, 0),
)
PLAN_BLOCK = (
    ASSET_ID,
    Field("power_w", "i4", "power over the whole block"),
    DELIVERY_START_NS,
    DELIVERY_DURATION_S,
)
BID = (
    BID_ID,
    PRODUCT_ID,
    PRICE_TICKS,
    QUANTITY_LOTS,
    SIDE,
    Field("time_in_force", "u1", "how long it may wait", TIMES_IN_FORCE),
    Field("unit_id", "u4", "the node that it is made for, with all below it; 0: the whole fleet", None, 0),
)
PRICE = (
    DELIVERY_START_NS,
    PRICE_TICKS,
    DELIVERY_DURATION_S,
    Field(
        "price_kind",
        "u1",
        "REFERENCE: the auction's; IMBALANCE: what deviations cost; EXPECTED: what the desk foretells",
        PRICE_KINDS,
    ),
)
PRODUCT = (
    PRODUCT_ID,
    DELIVERY_DURATION_S,
    DELIVERY_START_NS,
    Field("gate_closure_ns", "i8", "no bid from here on"),
    Field("lot_power_w", "i4", "power of one lot over the whole delivery"),
    Field("value_minor", "i4", "money of one tick on one lot"),
)
ENDING = Field("ending", "u1", "why it ended", ENDINGS)

# Commands.

RegisterBattery = SCHEMA.command(
    1, "RegisterBattery", "Take a battery into the fleet (operator).", BATTERY_FIELDS
)
RetireAsset = SCHEMA.command(
    2, "RetireAsset", "Take an asset out of the fleet; its id is not given again (operator).", (ASSET_ID,)
)
ReportTelemetry = SCHEMA.command(
    3,
    "ReportTelemetry",
    "What a device measured (device link). Answered only when refused; a report that is not newer than "
    "the last one is counted and dropped. The meters never run back, so a lost report loses nothing.",
    (
        ASSET_ID,
        Field("device_number", "u4", "the device's own count of its reports, rising from 1"),
        Field("measured_ns", "i8", "logical time of the measurement"),
        Field("power_w", "i4", "power at that time"),
        Field("energy_wh", "i4", "stored energy at that time"),
        Field("charged_wh", "u4", "meter of all energy ever taken from the grid"),
        Field("discharged_wh", "u4", "meter of all energy ever given to the grid"),
    ),
)
SubmitPlan = SCHEMA.command(
    4, "SubmitPlan", "Plan a battery's power for a block of quarter-hours; the newest stands (operator).",
    PLAN_BLOCK,
)  # fmt: skip
DefineProduct = SCHEMA.command(5, "DefineProduct", "Make an exchange's product known (operator).", PRODUCT)
SubmitBid = SCHEMA.command(6, "SubmitBid", "Ask the exchange to trade for the fleet (operator).", BID)
CancelBid = SCHEMA.command(
    7, "CancelBid", "Ask the exchange to drop what rests of a bid (operator).", (BID_ID,)
)
RecordAward = SCHEMA.command(
    8,
    "RecordAward",
    "The exchange filled a bid, in part or whole (bridge, a session with RISING numbers). "
    "It commits the fleet to deliver, and is money at once.",
    (
        BID_ID,
        PRODUCT_ID,
        PRICE_TICKS,
        Field("exchange_sequence", "i8", "where the fill stands on the exchange's tape"),
        QUANTITY_LOTS,
        SIDE,
    ),
)
RecordOrderEnded = SCHEMA.command(
    9, "RecordOrderEnded", "Nothing rests of a bid on the exchange any more (bridge). A bid that was filled "
    "whole has ended by its last award.", (BID_ID, ENDING),
)  # fmt: skip
RecordPrice = SCHEMA.command(
    10, "RecordPrice", "Make a price known for a span of delivery (operator).", PRICE
)
RegisterSolar = SCHEMA.command(
    11, "RegisterSolar", "Take a solar roof into the fleet (operator).", SOLAR_FIELDS
)
RegisterCharger = SCHEMA.command(
    12, "RegisterCharger", "Take a charger of electric cars into the fleet (operator).", CHARGER_FIELDS
)
RegisterHeatStore = SCHEMA.command(
    13, "RegisterHeatStore", "Take a heat pump or a boiler with its store into the fleet (operator).",
    HEAT_STORE_FIELDS,
)  # fmt: skip
RegisterLoad = SCHEMA.command(
    14, "RegisterLoad", "Take a load that nobody controls into the fleet (operator).", LOAD_FIELDS
)
PlugIn = SCHEMA.command(
    15, "PlugIn", "A car is at its charger, or its needs have changed (device link, operator).", PLUG
)
Unplug = SCHEMA.command(16, "Unplug", "The car is gone (device link, operator).", (ASSET_ID,))
ChangeLimits = SCHEMA.command(
    17, "ChangeLimits", "Give an asset other limits; a field that its kind has not is 0 (operator).", LIMITS
)
SetNode = SCHEMA.command(
    18, "SetNode", "Put a node into the hierarchy, or change its limits (operator).", NODE_FIELDS
)
SetRhythm = SCHEMA.command(19, "SetRhythm", "How often the fleet is looked at (operator).", RHYTHM)
SetTarget = SCHEMA.command(
    20, "SetTarget", "Ask the fleet for a power, instead of what its awards ask for (operator).", TARGET
)

# Events.

BatteryRegistered = SCHEMA.event(1, "BatteryRegistered", "The battery is in the fleet.", BATTERY_FIELDS)
AssetRetired = SCHEMA.event(2, "AssetRetired", "The asset is out of the fleet.", (ASSET_ID,))
PlanAccepted = SCHEMA.event(3, "PlanAccepted", "The block is the battery's plan.", PLAN_BLOCK)
ProductDefined = SCHEMA.event(4, "ProductDefined", "Bids for the product may come.", PRODUCT)
BidSubmitted = SCHEMA.event(5, "BidSubmitted", "The bid is within the fleet's power: place the order.", BID)
BidCancelRequested = SCHEMA.event(
    6, "BidCancelRequested", "Cancel the order of this bid.", (BID_ID, PRODUCT_ID)
)
AwardRecorded = SCHEMA.event(
    7,
    "AwardRecorded",
    "The fleet is committed to deliver, and the money is booked.",
    (
        BID_ID,
        PRODUCT_ID,
        PRICE_TICKS,
        Field("amount_minor", "i8", "what the fleet receives; negative: pays"),
        QUANTITY_LOTS,
        SIDE,
    ),
)
BidEnded = SCHEMA.event(
    8,
    "BidEnded",
    "Nothing rests of the bid.",
    (
        BID_ID,
        PRODUCT_ID,
        Field("awarded_lots", "i4", "what was filled"),
        Field("unfilled_lots", "i4", "what was not"),
        ENDING,
    ),
)
PriceRecorded = SCHEMA.event(9, "PriceRecorded", "The price stands for its quarter-hours.", PRICE)
SetpointIssued = SCHEMA.event(
    10,
    "SetpointIssued",
    "Run at this power until the lease ends, then rest; who hears nobody any more goes by its own plan. "
    "Goes to the session of the asset's link.",
    (
        ASSET_ID,
        Field("power_w", "i4", "wanted power"),
        Field("valid_until_ns", "i8", "end of the lease"),
        Field("setpoint_number", "i8", "the tick that decided it: a device drops a number below its last"),
    ),
)
FleetMeasured = SCHEMA.event(
    11,
    "FleetMeasured",
    "The fleet as a whole; who is silent counts as estimated, never as zero.",
    (
        Field("energy_wh", "i8", "stored energy"),
        Field("power_w", "i8", "power"),
        Field("headroom_up_w", "i8", "how much more it can give until the period ends"),
        Field("headroom_down_w", "i8", "how much less it can give, or more it can take"),
    ),
)
FleetHeard = SCHEMA.event(
    29,
    "FleetHeard",
    "What FleetMeasured, just before, is known from.",
    (
        Field("power_deviation_w", "i8", "standard deviation of its power"),
        Field("fresh_count", "u4", "assets heard of lately"),
        Field("late_count", "u4", "assets whose last report is old"),
        Field("silent_count", "u4", "assets that are estimated"),
        Field("contradictory_count", "u4", "assets that are estimated, for what they say can't be true"),
        Field("dropped_count", "u4", "reports that were doubled or overtaken, ever"),
        Field("oldest_age_s", "u4", "age of the oldest report that counts"),
    ),
)
FleetDispatched = SCHEMA.event(
    12,
    "FleetDispatched",
    "What a dispatch tick asks of the fleet.",
    (
        PERIOD_START_NS,
        Field(
            "committed_power_w",
            "i4",
            "net of all awards for this quarter-hour, and of reserve that is active",
        ),
        Field("target_power_w", "i4", "what meets the commitment by the end of the quarter-hour"),
        Field("allocated_power_w", "i4", "sum of the set-points: the target within head-room"),
        Field("delivered_wh", "i4", "net energy in the quarter-hour so far"),
        Field("setpoint_number", "i8", "the tick's number, as in SetpointIssued"),
    ),
)
PeriodOpened = SCHEMA.event(
    13, "PeriodOpened", "Delivery of a quarter-hour has begun.", (
        PERIOD_START_NS, Field("committed_wh", "i4", "net energy owed"),
    ),
)  # fmt: skip
PeriodClosed = SCHEMA.event(
    14, "PeriodClosed", "Delivery of a quarter-hour has ended; meters may still come.", (
        PERIOD_START_NS, Field("committed_wh", "i4", "net energy owed"),
        Field("delivered_wh", "i4", "net energy known or estimated by now"),
    ),
)  # fmt: skip
FleetMetered = SCHEMA.event(
    15,
    "FleetMetered",
    "The energy that a quarter-hour is settled on.",
    (
        PERIOD_START_NS,
        Field("committed_wh", "i4", "net energy owed"),
        Field("metered_wh", "i4", "net energy delivered, estimates included"),
        Field("estimated_wh", "i4", "the part of it that was estimated from plans"),
        Field("late_wh", "i4", "net energy that meters brought since, for quarter-hours settled before"),
        Field("imbalance_price_ticks", "i8", "what the deviation costs"),
    ),
)
FleetSettled = SCHEMA.event(
    16,
    "FleetSettled",
    "The money of a quarter-hour; its sites' shares follow as SiteSettled.",
    (
        PERIOD_START_NS,
        Field("award_minor", "i8", "from the market for awards"),
        Field("imbalance_minor", "i8", "from the balancing account; negative: the fleet pays"),
        Field("wear_minor", "i8", "put aside for the batteries' ageing"),
    ),
)
SiteSettled = SCHEMA.event(
    17,
    "SiteSettled",
    "A site's share of a quarter-hour.",
    (
        PERIOD_START_NS,
        SITE_ID,
        Field("metered_wh", "i4", "net energy of its assets, estimates included"),
        Field("amount_minor", "i8", "its share of awards and imbalance less wear"),
        Field("balance_minor", "i8", "its account after that"),
    ),
)

AssetMeasured = SCHEMA.event(
    18,
    "AssetMeasured",
    "An asset's twin, once at the opening of each quarter-hour.",
    (
        ASSET_ID,
        Field("power_w", "i4", "reported power"),
        Field("measured_ns", "i8", "time of the report, 0: never heard of"),
        Field("energy_wh", "i4", "reported stored energy"),
        Field("desired_power_w", "i4", "what it was last wished to do"),
        Field("metered_wh", "i4", "its meters at that time: energy given less energy taken, modulo 2**32"),
        Field("quality", "u1", "what is known of it", QUALITIES),
    ),
)
SolarRegistered = SCHEMA.event(19, "SolarRegistered", "The solar roof is in the fleet.", SOLAR_FIELDS)
ChargerRegistered = SCHEMA.event(20, "ChargerRegistered", "The charger is in the fleet.", CHARGER_FIELDS)
HeatStoreRegistered = SCHEMA.event(
    21, "HeatStoreRegistered", "The heat store is in the fleet.", HEAT_STORE_FIELDS
)
LoadRegistered = SCHEMA.event(22, "LoadRegistered", "The load is in the fleet.", LOAD_FIELDS)
PluggedIn = SCHEMA.event(23, "PluggedIn", "A car is to be charged.", PLUG)
Unplugged = SCHEMA.event(24, "Unplugged", "No car is at the charger.", (ASSET_ID,))
LimitsChanged = SCHEMA.event(25, "LimitsChanged", "The asset has other limits.", LIMITS)
NodeSet = SCHEMA.event(26, "NodeSet", "The node is in the hierarchy, with these limits.", NODE_FIELDS)
RhythmSet = SCHEMA.event(27, "RhythmSet", "How often the fleet is looked at.", RHYTHM)
TargetSet = SCHEMA.event(28, "TargetSet", "What the fleet is asked for.", TARGET)
NodeMeasured = SCHEMA.event(
    30,
    "NodeMeasured",
    "A node above the sites, with all below it, as the fleet was measured.",
    (
        Field("node_id", "u4", "the node"),
        Field("power_w", "i4", "power"),
        Field("energy_wh", "i4", "stored energy"),
        Field("headroom_up_w", "i4", "how much more it can give within all limits"),
        Field("headroom_down_w", "i4", "how much less it can give, or more it can take"),
        Field("power_deviation_w", "i4", "standard deviation of its power"),
        Field("oldest_age_s", "u4", "age of the oldest report that counts"),
        Field("asset_count", "u2", "assets below it, as far as can be counted"),
        Field("coverage_permille", "u2", "share of them that were heard of"),
    ),
)
NodeOverloaded = SCHEMA.event(
    31,
    "NodeOverloaded",
    "What a node can't help exceeds its limit: its assets are asked for the least that is possible.",
    (
        Field("node_id", "u4", "the node"),
        Field("power_w", "i4", "the power that remains"),
        Field("import_limit_w", "i4", "largest power from the grid"),
        Field("export_limit_w", "i4", "largest power to the grid"),
    ),
)


def _rejection(kind: int, name: str, subject: Field, doc: str) -> Record:
    return SCHEMA.event(kind, name, doc, (subject, Field("reason", "u2", "why", REASONS)))


AssetRejected = _rejection(32, "AssetRejected", ASSET_ID, "RegisterBattery or RetireAsset was refused.")
TelemetryRejected = _rejection(33, "TelemetryRejected", ASSET_ID, "The report was not applied.")
PlanRejected = _rejection(34, "PlanRejected", ASSET_ID, "The plan stays as it was.")
ProductRejected = _rejection(35, "ProductRejected", PRODUCT_ID, "The product is not known.")
BidRejected = _rejection(36, "BidRejected", BID_ID, "SubmitBid or CancelBid was refused.")
AwardRejected = _rejection(37, "AwardRejected", BID_ID, "RecordAward or RecordOrderEnded was refused.")
PriceRejected = _rejection(
    38, "PriceRejected", Field("price_kind", "u4", "which price", PRICE_KINDS), "The price is not known."
)
NodeRejected = _rejection(
    39, "NodeRejected", Field("node_id", "u4", "the node"), "The hierarchy stays as it was."
)
SettingRejected = _rejection(
    40,
    "SettingRejected",
    Field("rejected_kind", "u4", "the command's kind"),
    "The setting stays as it was.",
)

import ringmain.vpp.block_messages  # noqa: E402
import ringmain.vpp.loop_messages  # noqa: E402
import ringmain.vpp.reserve_messages  # noqa: E402, F401  whoever has the schema has all of it
