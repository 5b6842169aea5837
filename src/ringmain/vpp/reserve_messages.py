"""Reserve's own records: power that is held ready, called on, paid for.

Up reserve is power that the fleet can give beyond what it owes of energy, down reserve what it can give
less or take more. A product of reserve is sold as energy is, by SubmitBid and RecordAward; its price is
0.01 EUR per MW held for an hour. What is activated of it is energy that the fleet owes from then on.

Commands have the kinds 27 to 29, events 52 to 57.
"""

from ringmain.core.records import Field
from ringmain.vpp.messages import PERIOD_START_NS, PRODUCT_ID, REASONS, SCHEMA

ENERGY, RESERVE_UP, RESERVE_DOWN = 0, 1, 2
SERVICES = {"ENERGY": ENERGY, "RESERVE_UP": RESERVE_UP, "RESERVE_DOWN": RESERVE_DOWN}

# fmt: off
RESERVE_REASONS = {
    "SERVICE_UNKNOWN": 56, "ACTIVATION_TERMS_OUT_OF_RANGE": 57,
    "NOT_A_RESERVE": 58, "RESERVE_IS_SOLD_ONLY": 59,
    "MODE_OF_PRODUCT_AND_UNIT": 79, "UNKNOWN_UNIT": 88,
    "ACTIVATION_ABOVE_AWARD": 93, "ACTIVATION_OUTSIDE_DELIVERY": 94, "ACTIVATIONS_FULL": 95,
    "AMOUNT_OUT_OF_RANGE": 96, "RESERVE_ALREADY_PAID": 97,
}
# fmt: on
REASONS.update(RESERVE_REASONS)
SCHEMA.refusals(RESERVE_REASONS)

_RESERVE = (
    PRODUCT_ID,
    Field("delivery_start_s", "u4", "start of delivery, on a quarter-hour, seconds since 1970 UTC"),
    Field("delivery_duration_s", "u4", "length of delivery, whole quarter-hours"),
    Field("gate_closure_s", "u4", "no bid from here on, seconds since 1970 UTC"),
    Field("lot_power_w", "i4", "power of one lot, held over the whole delivery"),
    Field("value_minor", "i4", "money of one tick on one lot"),
    Field("activation_ticks", "i4", "what activated energy is paid with, 0.01 EUR/MWh", None, 0),
    Field("activation_max_s", "u2", "activations last no longer in all, at full power", None, 0),
    Field("service", "u1", "which way the power is held ready", SERVICES),
)
_UNTIL = Field("until_ns", "i8", "when the activation ends by itself")

RecordActivation = SCHEMA.command(
    27,
    "RecordActivation",
    "The buyer of a reserve calls on it (bridge). It replaces what runs of the product, and lasts until "
    "`until_ns`; before its delivery it begins with that.",
    (
        PRODUCT_ID,
        Field("quantity_lots", "i4", "lots that are active from now on; 0: none any more"),
        Field("until_ns", "i8", "when it ends by itself, within the delivery"),
    ),
)
RecordReserveSettled = SCHEMA.command(
    28, "RecordReserveSettled", "What was activated of a reserve is paid (bridge), once a product.", (
        PRODUCT_ID,
        Field("amount_minor", "i8", "what the fleet receives, never negative"),
        Field("activated_wh", "i8", "the energy that it is paid for"),
    ),
)  # fmt: skip
DefineReserve = SCHEMA.command(
    29, "DefineReserve", "Make an exchange's product of reserve known (operator).",
    _RESERVE,
)  # fmt: skip

ReserveActivated = SCHEMA.event(
    52, "ReserveActivated", "The fleet owes this power of the product, beside its awards of energy.", (
        PRODUCT_ID,
        Field("power_w", "i4", "up is positive, down negative; 0: nothing is active any more"),
        _UNTIL,
    ),
)  # fmt: skip
ReservePaid = SCHEMA.event(
    53, "ReservePaid", "Activated energy was paid for.", (
        Field("period_start_ns", "i8", "the quarter-hour that it is shared with; 0: the fleet keeps it"),
        Field("amount_minor", "i8", "what the fleet receives"),
        Field("activated_wh", "i8", "the energy that it is paid for"),
        PRODUCT_ID,
    ),
)  # fmt: skip
ReserveShort = SCHEMA.event(
    54,
    "ReserveShort",
    "The fleet could not hold what it sold of reserve; told when that begins in a quarter-hour, and when it "
    "gets worse.",
    (
        PERIOD_START_NS,
        Field("owed_up_w", "i4", "up reserve that is held and not active"),
        Field("available_up_w", "i4", "what it can give beyond the energy that it owes"),
        Field("owed_down_w", "i4", "down reserve that is held and not active"),
        Field("available_down_w", "i4", "what it can give less, or take more, than the energy that it owes"),
    ),
)
ReserveKept = SCHEMA.event(
    55,
    "ReserveKept",
    "Beside FleetMetered, for a quarter-hour with reserve: what was held, and what came of it.",
    (
        Field("period_start_s", "u4", "start of the quarter-hour, seconds since 1970 UTC"),
        Field("activated_wh", "i4", "net energy that was called on, up positive; committed_wh includes it"),
        Field("availability_minor", "i8", "the part of award_minor that is for holding reserve"),
        Field("up_w", "i4", "up reserve sold"),
        Field("down_w", "i4", "down reserve sold"),
        Field("short_up_w", "i4", "what it lacked of it at worst"),
        Field("short_down_w", "i4", "what it lacked of it at worst"),
    ),
)
ReserveRejected = SCHEMA.event(
    56, "ReserveRejected", "RecordActivation or RecordReserveSettled was refused.", (
        PRODUCT_ID, Field("reason", "u2", "why", REASONS),
    ),
)  # fmt: skip
ReserveDefined = SCHEMA.event(57, "ReserveDefined", "Bids for the product may come.", _RESERVE)
