"""The fleet's state: one structured dtype, and every limit by its name."""

import numpy as np

from ringmain.ledger.accounts import ACCOUNT

# How much there can be.
ASSETS = 16_384  # asset ids run from 1 to ASSETS - 1
SITES = 16_384  # site ids run from 1 to SITES - 1
SESSIONS = 4_096  # as many as the core has
PERIODS = 1_024  # quarter-hours known to the fleet, from the next to settle: ten days
PLAN_PERIODS = 192  # of them, quarter-hours that a battery's plan can reach: two days
METER_PERIODS = 4  # of them, quarter-hours that meters are kept for
PRODUCTS = 4_096
BIDS = 4_096
SETPOINTS_PER_TIMER = 512
SITES_PER_TIMER = 512
TWINS_PER_TIMER = 512
EVENTS_PER_COMMAND = 520  # a portion, and what the tick or the settlement says beside it

# How large a value can be.
POWER_LIMIT_W = 100_000  # of one asset: the whole fleet's power fits an i4
CAPACITY_LIMIT_WH = 1_000_000
PRICE_LIMIT_TICKS = 1_000_000
QUANTITY_LIMIT_LOTS = 100_000
LOT_POWER_LIMIT_W = 10_000_000
VALUE_LIMIT_MINOR = 100_000
MONEY_LIMIT_MINOR = 10**17  # net of all awards, either way
FLEET_POWER_LIMIT_W = 2_000_000_000  # no commitment goes beyond it

# The rhythm, in logical time.
SECOND_NS = 1_000_000_000
PERIOD_NS = 900 * SECOND_NS  # a quarter-hour
TICK_NS = 60 * SECOND_NS  # dispatch decides this often
LEASE_NS = 300 * SECOND_NS  # a set-point is good for so long
SETTLE_AFTER_NS = 900 * SECOND_NS  # meters may come this long after delivery
LATE_AFTER_NS = 180 * SECOND_NS  # an asset that was not heard of for so long is late
SILENT_AFTER_NS = 600 * SECOND_NS  # ... and for so long is silent
FUTURE_TOLERANCE_NS = 5 * SECOND_NS  # a device's clock may be ahead by so much

# How far a device may stray from what was registered.
POWER_TOLERANCE_PERMILLE = 100
ENERGY_TOLERANCE_PERMILLE = 50
METER_SLACK_WH = 20
FALLBACK_SPREAD_PERMILLE = 100  # no imbalance price: the reference price, so much worse for the fleet

# The ledger's accounts; each site's follows, at SITE_ACCOUNTS + site_id.
EXCHANGE, FLEET, BALANCING, WEAR, SITE_ACCOUNTS = 0, 1, 2, 3, 4
ACCOUNTS = SITE_ACCOUNTS + SITES
MICRO_EURO = 1  # the one unit of account

ABSENT, ACTIVE, RETIRED = 0, 1, 2  # an asset
FREE, OPEN = 0, 1  # a bid

BATTERY = np.dtype(
    [
        ("site_id", "u4"),
        ("link_account_id", "u4"),
        ("charge_limit_w", "i4"),
        ("discharge_limit_w", "i4"),
        ("energy_capacity_wh", "i4"),
        ("reserve_wh", "i4"),
        ("charge_efficiency_permille", "i4"),
        ("discharge_efficiency_permille", "i4"),
        ("wear_price_ticks", "i4"),
        ("status", "u1"),  # ABSENT, ACTIVE or RETIRED
    ],
    align=True,
)

TWIN = np.dtype(
    [
        # reported
        ("measured_ns", "i8"),  # 0: never heard of
        ("device_number", "i8"),
        ("charged_wh", "i8"),
        ("discharged_wh", "i8"),
        ("energy_wh", "i4"),
        ("power_w", "i4"),
        ("link_session_id", "u4"),  # where it was heard from last
        # desired
        ("desired_power_w", "i4"),
        ("desired_ns", "i8"),  # when the wish last changed
        ("issued_power_w", "i4"),
        ("issued_until_ns", "i8"),
    ],
    align=True,
)

METER = np.dtype([("charged_wh", "i4"), ("discharged_wh", "i4")], align=True)

PERIOD = np.dtype(
    [
        ("committed_power_w", "i8"),  # net of awards, positive: to the grid
        ("selling_power_w", "i8"),  # open bids to sell, not filled yet
        ("buying_power_w", "i8"),
        ("award_minor", "i8"),
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

SITE = np.dtype(
    [
        # of the quarter-hour being settled
        ("metered_wh", "i8"),  # net
        ("moved_wh", "i8"),  # charged plus discharged
    ],
    align=True,
)

SESSION = np.dtype([("account_id", "u4"), ("open", "u1")], align=True)

STATE = np.dtype(
    [
        ("next_deadline_ns", "i8"),
        # the clockwork
        ("next_tick_ns", "i8"),  # 0: no command has come yet
        ("tick_number", "i8"),
        ("running_period", "i8"),  # opened last
        ("next_period", "i8"),  # the next to settle; all before are closed
        ("setpoint_cursor", "i8"),  # where set-points go on, 0: all are issued
        ("census_cursor", "i8"),  # where the twins' census goes on, 0: all are told
        ("site_cursor", "i8"),  # where the sites' pay goes on, 0: all are paid
        ("paid_period", "i8"),  # the period that the sites are paid for
        ("paid_income_minor", "i8"),
        ("paid_moved_wh", "i8"),
        # the fleet as a whole
        ("asset_end", "i8"),  # one beyond the highest asset id
        ("site_end", "i8"),
        ("charge_limit_w", "i8"),
        ("discharge_limit_w", "i8"),
        ("dropped_count", "i8"),
        ("late_wh", "i8"),
        ("last_bid_id", "i8"),
        ("last_reference_ticks", "i8"),
        # the tables
        ("sessions", SESSION, (SESSIONS,)),
        ("periods", PERIOD, (PERIODS,)),
        ("products", PRODUCT, (PRODUCTS,)),
        ("bids", BID, (BIDS,)),
        ("batteries", BATTERY, (ASSETS,)),
        ("twins", TWIN, (ASSETS,)),
        ("sites", SITE, (SITES,)),
        ("accounts", ACCOUNT, (ACCOUNTS,)),
        ("meters", METER, (ASSETS, METER_PERIODS)),
        ("plan_power_w", "i4", (ASSETS, PLAN_PERIODS)),
    ],
    align=True,
)
