"""The fleet's state: one structured dtype for each size of fleet, and every limit by its name.

Kernels take a table's size from the table, so that one set of them serves fleets of any size.
"""

from typing import Any

import numpy as np

from ringmain.ledger.accounts import ACCOUNT

# How much there can be.
ASSETS = 16_384  # asset ids run from 1 to ASSETS - 1
NODES = 16_384  # node ids run from 1 to NODES - 1; node 0 is the fleet
MANY_ASSETS, MANY_NODES = 1_000_448, 262_144  # of the fleet of a whole country
SESSIONS = 4_096  # as many as the core has
PERIODS = 1_024  # quarter-hours known to the fleet, from the next to settle: ten days
PLAN_PERIODS = 192  # of them, quarter-hours that an asset's plan can reach: two days
MANY_PLAN_PERIODS = 20  # ... in a fleet of MANY_ASSETS: five hours
PLAN_STEP_W = 4  # a plan is kept in steps of so much
METER_PERIODS = 4  # of them, quarter-hours that meters are kept for
KEPT_PERIODS = 288  # quarter-hours whose meters may be corrected: three days; as many may have baselines
MANY_KEPT_PERIODS = 8  # ... in a fleet of MANY_ASSETS: two hours
PRODUCTS = 4_096
BIDS = 4_096
BLOCKS = 64  # block bids at a time
BLOCK_PERIODS = 30  # products that a block bid spans at most
ACTIVATIONS = 64  # products of reserve that run at one time
SETPOINTS_PER_TIMER = 512
SITES_PER_TIMER = 512
TWINS_PER_TIMER = 512
NODES_PER_TIMER = 512
OVERLOADS_PER_TICK = 64
EVENTS_PER_COMMAND = 584  # a portion, and what the tick or the settlement says beside it

# How large a value can be.
POWER_LIMIT_W = 100_000  # of one asset: the whole fleet's power fits an i4
CAPACITY_LIMIT_WH = 1_000_000
PRICE_LIMIT_TICKS = 1_000_000
QUANTITY_LIMIT_LOTS = 100_000
LOT_POWER_LIMIT_W = 10_000_000
VALUE_LIMIT_MINOR = 100_000
MONEY_LIMIT_MINOR = 10**17  # net of all awards, either way
FLEET_POWER_LIMIT_W = 2_000_000_000  # no commitment goes beyond it
SITE_POWER_LIMIT_W = 100_000_000  # of a site's baseline; its energy in a quarter-hour is limited alike

# The rhythm, in logical time.
SECOND_NS = 1_000_000_000
PERIOD_NS = 900 * SECOND_NS  # a quarter-hour
SETTLE_AFTER_NS = 900 * SECOND_NS  # meters may come this long after delivery
# ... until SetRhythm says otherwise:
TICK_NS = 60 * SECOND_NS  # dispatch decides this often
MEASURE_NS = 60 * SECOND_NS  # the fleet is measured this often
LEASE_NS = 300 * SECOND_NS  # a set-point is good for so long
LEAD_NS = 0  # from a set-point to its effect
LAG_NS = 60 * SECOND_NS  # from a set-point to the reports that show it; 0: they don't correct
LATE_AFTER_NS = 180 * SECOND_NS  # an asset that was not heard of for so long is late
SILENT_AFTER_NS = 600 * SECOND_NS  # ... and for so long is silent
RHYTHM_NS_MIN, RHYTHM_NS_MAX = SECOND_NS // 1_000, 3_600 * SECOND_NS
FUTURE_TOLERANCE_NS = 5 * SECOND_NS  # a device's clock may be ahead by so much

# How far a device may stray from what was registered.
POWER_TOLERANCE_PERMILLE = 100
ENERGY_TOLERANCE_PERMILLE = 50
POWER_SLACK_W = 50
METER_SLACK_WH = 20
METERED_WH_MAX = 65_535  # of an asset in a quarter-hour, each way; what is beyond is late
CONTRADICTORY_AFTER = 3  # reports in a row that can't be true

# How much more than its last report an asset may differ from, learnt by kind and age of the report.
KINDS = 6
AGES = 16  # of the report, by powers of two of seconds
ERROR_SCALE = 10_000  # an error of the whole limit
ERRORS_KEPT = 16_384  # the means run over about so many
COST_CLASSES = 4  # dispatch takes the cheapest first; the last is sunlight
CHEAP_TICKS, DEAR_TICKS = 2_000, 5_000  # of wear: 20 and 50 EUR/MWh
CORRECTION_PERMILLE = 100  # of the fleet's power, the most that feedback adds
CORRECTION_STEPS = 3  # a tick corrects so much, as a fraction, of what was lacking
ASKED_KEPT = 64  # ticks
FALLBACK_SPREAD_PERMILLE = 100  # no imbalance price: the reference price, so much worse for the fleet

# The ledger's accounts; each site's follows, at SITE_ACCOUNTS + site_id.
EXCHANGE, FLEET, BALANCING, WEAR, SITE_ACCOUNTS = 0, 1, 2, 3, 4
ACCOUNTS = SITE_ACCOUNTS + NODES
MICRO_EURO = 1  # the one unit of account

ABSENT, ACTIVE, RETIRED = 0, 1, 2  # an asset or a node
FREE, OPEN = 0, 1  # a bid

ASSET = np.dtype(
    [
        ("node_id", "u4"),
        ("import_limit_w", "i4"),
        ("export_limit_w", "i4"),
        ("energy_capacity_wh", "i4"),
        ("reserve_wh", "i4"),
        ("departs_s", "u4"),  # a charger's car, seconds since 1970; 0: none is plugged in
        ("required_wh", "i4"),  # what it has to hold then
        ("link_account_id", "u2"),
        ("charge_efficiency_permille", "u2"),
        ("discharge_efficiency_permille", "u2"),
        ("wear_price_ticks", "u2"),
        ("self_discharge_ppm", "u2"),  # of what is stored, in an hour
        ("kind", "u1"),
        ("status", "u1"),  # ABSENT, ACTIVE or RETIRED
        ("is_curtailable", "u1"),
    ],
    align=True,
)

TWIN = np.dtype(
    [
        # reported
        ("measured_ns", "i8"),  # 0: never heard of
        ("device_number", "u4"),
        ("charged_wh", "u4"),
        ("discharged_wh", "u4"),
        ("energy_wh", "i4"),
        ("power_w", "i4"),
        # desired
        ("desired_power_w", "i4"),
        ("issued_power_w", "i4"),
        ("desired_s", "u4"),  # when the wish last changed
        ("issued_until_s", "u4"),
        ("link_session_id", "u2"),  # where it was heard from last
        ("contradictions", "u1"),  # reports in a row that could not be true
    ],
    align=True,
)

METER = np.dtype([("charged_wh", "u2"), ("discharged_wh", "u2")], align=True)

NODE = np.dtype(  # of the hierarchy: a feeder, a site, an inverter; a parent's id is below its children's
    [
        ("parent_id", "u4"),
        ("site_id", "u4"),  # the node that is paid: itself, or one above it; 0: none
        ("import_limit_w", "i4"),
        ("export_limit_w", "i4"),
        # as last measured
        ("power_w", "i8"),
        ("energy_wh", "i8"),
        ("variance_w2", "i8"),
        ("low_w", "i8"),  # the least and the most it can hold until the period ends
        ("high_w", "i8"),
        ("oldest_ns", "i8"),
        ("asset_count", "u4"),
        ("heard_count", "u4"),
        # as last dispatched
        ("base_w", "i8"),  # planned, within the limits
        ("children_w", "i8"),  # planned below it
        ("extra_w", "i8"),  # more or less than planned
        ("passed_w", "i8", (COST_CLASSES,)),  # down to those below
        ("given_w", "i8", (COST_CLASSES,)),
        ("room_w", "i8", (2, COST_CLASSES)),  # downwards and upwards, of those below
        ("open_w", "i8", (2, COST_CLASSES)),  # what of it the node's own limit leaves
        # of the quarter-hour being settled
        ("metered_wh", "i8"),  # net
        ("moved_wh", "i8"),  # charged plus discharged
        ("status", "u1"),  # ABSENT or ACTIVE
        ("submit_mode", "u1"),  # of the bids made for it and all below it; 0: as the node above
    ],
    align=True,
)

ERROR = np.dtype(
    [
        ("mean_square", "i8"),  # in ERROR_SCALE ** 2
        ("mean_error", "i8"),  # in ERROR_SCALE ** 2 too: what the sun or the hour does to all alike
        ("mean_age_ms", "i8"),
        ("count", "i8"),
    ],
    align=True,
)

PERIOD = np.dtype(
    [
        ("committed_power_w", "i8"),  # net of awards, positive: to the grid
        ("selling_power_w", "i8"),  # open bids to sell, not filled yet
        ("buying_power_w", "i8"),
        ("baseline_w", "i8"),  # of all sites
        ("award_minor", "i8"),
        ("reserve_up_w", "i8"),  # sold, to be held ready
        ("reserve_down_w", "i8"),
        ("offered_up_w", "i8"),  # open bids to hold it, not filled yet
        ("offered_down_w", "i8"),
        ("availability_minor", "i8"),  # of award_minor, for holding reserve
        ("activated_w_ms", "i8"),  # energy that was called on so far, in W x ms, up positive
        ("short_up_w", "i8"),  # the worst that the reserve lacked
        ("short_down_w", "i8"),
        ("reference_ticks", "i8"),
        ("imbalance_ticks", "i8"),
        ("has_reference", "u1"),
        ("has_imbalance", "u1"),
    ],
    align=True,
)

PRODUCT = np.dtype(
    [
        ("product_id", "i8"),  # 0: free
        ("first_period", "i8"),
        ("period_count", "i8"),
        ("gate_closure_ns", "i8"),
        ("lot_power_w", "i8"),
        ("value_minor", "i8"),
        ("awarded_lots", "i8"),
        ("service", "u1"),  # energy, or a reserve
        ("submit_mode", "u1"),
        ("is_paid", "u1"),  # what was activated of a reserve
    ],
    align=True,
)

ACTIVATION = np.dtype(  # a reserve that is called on
    [
        ("product_id", "i8"),  # 0: free
        ("power_w", "i8"),  # up positive
        ("accrued_ns", "i8"),  # counted as owed until here; in the future: it begins then
        ("until_ns", "i8"),
    ],
    align=True,
)

SETTLED = np.dtype(  # a quarter-hour that has been settled
    [
        ("period", "i8"),
        ("metered_wh", "i8"),
        ("imbalance_ticks", "i8"),
        ("version", "i8"),
    ],
    align=True,
)

BID = np.dtype(
    [
        ("bid_id", "i8"),
        ("product_id", "i8"),
        ("price_ticks", "i8"),
        ("quantity_lots", "i8"),
        ("awarded_lots", "i8"),
        ("side", "u1"),
        ("status", "u1"),  # FREE or OPEN
    ],
    align=True,
)

BLOCK_BID = np.dtype(
    [
        ("bid_id", "i8"),
        ("parent_bid_id", "i8"),
        ("exclusive_group", "i8"),
        ("family_key", "i8"),  # of those of which the auction accepts one; a child has its parent's
        ("first_product_id", "i8"),
        ("price_ticks", "i8"),
        ("period_count", "i8"),
        ("lots", "i4", (BLOCK_PERIODS,)),
        ("awarded_lots", "i4", (BLOCK_PERIODS,)),
        ("side", "u1"),
        ("status", "u1"),  # FREE or OPEN
    ],
    align=True,
)

SESSION = np.dtype([("account_id", "u4"), ("open", "u1")], align=True)


def fleet_dtype(assets: int, nodes: int, plan_periods: int, kept_periods: int) -> np.dtype[Any]:
    """Return the state of a fleet of so many assets and nodes.

    Plans reach `plan_periods` quarter-hours ahead; `kept_periods` that were settled may be corrected.
    """
    return np.dtype(
        [
            ("next_deadline_ns", "i8"),
            # the clockwork
            ("next_tick_ns", "i8"),  # 0: no command has come yet
            ("next_measure_ns", "i8"),
            ("tick_ns", "i8"),
            ("measure_ns", "i8"),
            ("lease_ns", "i8"),
            ("lead_ns", "i8"),  # from a set-point to its effect
            ("lag_ns", "i8"),  # from a set-point to the reports that show it; 0: they don't correct
            ("late_after_ns", "i8"),
            ("silent_after_ns", "i8"),
            ("tick_number", "i8"),
            ("running_period", "i8"),  # opened last
            ("next_period", "i8"),  # the next to settle; all before are closed
            ("setpoint_cursor", "i8"),  # where set-points go on, 0: all are issued
            ("census_cursor", "i8"),  # where the twins' census goes on, 0: all are told
            ("node_cursor", "i8"),  # where the nodes' measurements go on, 0: all are told
            ("site_cursor", "i8"),  # where the sites' pay goes on, 0: all are paid
            ("paid_period", "i8"),  # the period that the sites are paid for
            ("paid_income_minor", "i8"),
            ("paid_moved_wh", "i8"),
            # the fleet as a whole
            ("asset_end", "i8"),  # one beyond the highest asset id
            ("node_end", "i8"),
            ("feeder_count", "i8"),  # nodes above the sites
            ("import_limit_w", "i8"),
            ("export_limit_w", "i8"),
            ("dropped_count", "i8"),
            ("late_wh", "i8"),
            ("last_bid_id", "i8"),
            ("last_reference_ticks", "i8"),
            ("submit_mode", "i8"),  # of products without one of their own
            ("target_w", "i8"),  # a power that was asked for, at target_from_ns, until target_until_ns
            ("target_from_ns", "i8"),
            ("ramp_w_per_s", "i8"),
            ("target_until_ns", "i8"),
            ("asked_since_tick", "i8"),
            ("asked_w", "i8", (ASKED_KEPT,)),  # what the last ticks were asked for
            ("reported_w", "i8"),  # what the assets said last, in all
            ("correction_w", "i8"),  # what feedback adds to a target
            # the tables
            ("sessions", SESSION, (SESSIONS,)),
            ("periods", PERIOD, (PERIODS,)),
            ("products", PRODUCT, (PRODUCTS,)),
            ("bids", BID, (BIDS,)),
            ("blocks", BLOCK_BID, (BLOCKS,)),
            ("begun", BLOCK_BID, (1,)),  # the block bid that waits for its other quantities
            ("begun_periods", "i8"),  # how many of its products have theirs; 0: none has begun
            ("activations", ACTIVATION, (ACTIVATIONS,)),
            ("errors", ERROR, (KINDS, AGES)),
            ("assets", ASSET, (assets,)),
            ("twins", TWIN, (assets,)),
            ("nodes", NODE, (nodes,)),
            ("accounts", ACCOUNT, (SITE_ACCOUNTS + nodes,)),
            ("meters", METER, (assets, METER_PERIODS)),
            ("plans", "i2", (assets, plan_periods)),  # in steps of PLAN_STEP_W
            ("settled", SETTLED, (kept_periods,)),
            ("baselines_w", "i4", (nodes, kept_periods)),  # of sites
            ("site_metered_wh", "i4", (nodes, kept_periods)),  # of sites, as they were settled
        ],
        align=True,
    )


STATE = fleet_dtype(ASSETS, NODES, PLAN_PERIODS, KEPT_PERIODS)
MANY = fleet_dtype(MANY_ASSETS, MANY_NODES, MANY_PLAN_PERIODS, MANY_KEPT_PERIODS)
