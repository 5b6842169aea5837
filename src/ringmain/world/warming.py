"""What a spare does while it waits: it loads all that the first step needs, so that it can go on at once.

Most of what a new process takes before its first step is not reading, but the first call of compiled
code, and of the planner's. So the spare looks at both tapes, and plans a fleet of three for a day.
"""

from pathlib import Path

import numpy as np

from ringmain.client.checkpoint import program_digest
from ringmain.core.page import NodePage
from ringmain.core.ring import Ring
from ringmain.core.shared import ring_path
from ringmain.vpp.advice.fleet_plan import plan_fleet, with_urgency
from ringmain.vpp.advice.forecast import DAY_NS, HOURS
from ringmain.vpp.advice.foretelling import LEAST_KNOWN_DAYS
from ringmain.vpp.fleets import FIELDS
from ringmain.vpp.messages import (
    SCHEMA,
    AssetMeasured,
    BatteryRegistered,
    ChargerRegistered,
    HeatStoreRegistered,
    PluggedIn,
)
from ringmain.vpp.state import PERIOD_NS, SECOND_NS
from ringmain.vpp.views import DeskView

BATTERY = dict(zip(FIELDS, np.full(len(FIELDS), 900).tolist(), strict=True))


def warm(data: Path, has_fleet: bool, known_days: int) -> None:
    """Load what the world's first step needs; nothing of the venue is changed.

    Parameters
    ----------
    data : Path
        The data folder, whose nodes run.
    has_fleet : bool
        Whether there is a desk.
    known_days : int
        How many days of prices the desk knows: its models are loaded when that is enough for them.
    """
    program_digest()  # of checkpoints
    for market in ("exchange", "vpp") if has_fleet else ("exchange",):
        page = data / market / "page"
        if page.exists() and page.stat().st_size and ring_path(data / market).exists():
            NodePage(page).get("tape_readable")
            Ring.open(ring_path(data / market)).nudge()
    if has_fleet:
        _plan()
        if known_days >= LEAST_KNOWN_DAYS:
            import ringmain.vpp.advice.price_forecast  # noqa: F401 - it is slow to load


def _plan() -> None:
    """Plan a battery, a car and a heat store for a day."""
    view = DeskView()
    charger = {field.name: BATTERY.get(field.name, 900) for field in ChargerRegistered.fields}
    store = {field.name: BATTERY.get(field.name, 900) for field in HeatStoreRegistered.fields}
    measured = dict.fromkeys((field.name for field in AssetMeasured.fields), 1)
    events = [
        BatteryRegistered(**{**BATTERY, "asset_id": 1, "node_id": 1}),
        ChargerRegistered(**{**charger, "asset_id": 2, "node_id": 1}),
        HeatStoreRegistered(**{**store, "asset_id": 3, "node_id": 1}),
        PluggedIn(asset_id=2, departs_s=DAY_NS // 2 // SECOND_NS, required_wh=900),
        *(AssetMeasured(**{**measured, "asset_id": n}) for n in (1, 2, 3)),
    ]
    for event in events:
        event["time_ns"] = PERIOD_NS
    view.fold(SCHEMA.batch(events))
    prices = np.arange(HOURS, dtype=np.int64) * 100
    plan = plan_fleet(view, 2 * PERIOD_NS * 4, prices, prices, PERIOD_NS)
    plan.commands(view)
    with_urgency(plan, view, prices)
