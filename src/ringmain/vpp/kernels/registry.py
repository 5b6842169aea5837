"""Who is in the fleet: sessions, batteries and their plans."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.kernels.periods import PERIOD_S, span_fault
from ringmain.vpp.messages import (
    ASSET_EXISTS,
    ASSET_ID_OUT_OF_RANGE,
    ASSET_RETIRED,
    CAPACITY_OUT_OF_RANGE,
    CHARGE_EFFICIENCY_OUT_OF_RANGE,
    CHARGE_LIMIT_OUT_OF_RANGE,
    DISCHARGE_EFFICIENCY_OUT_OF_RANGE,
    DISCHARGE_LIMIT_OUT_OF_RANGE,
    LINK_ACCOUNT_IS_OPERATOR,
    POWER_OUT_OF_RANGE,
    RESERVE_OUT_OF_RANGE,
    SITE_ID_OUT_OF_RANGE,
    UNKNOWN_ASSET,
)
from ringmain.vpp.state import (
    ABSENT,
    ACTIVE,
    ASSETS,
    CAPACITY_LIMIT_WH,
    PERIOD_NS,
    PLAN_PERIODS,
    POWER_LIMIT_W,
    RETIRED,
    SITES,
)

OPERATOR = 0


@kernel
def open_session(fleet: Any, opening: Any) -> None:
    """Bind the session to its account."""
    session = fleet.sessions[opening.session_id]
    session.account_id = opening.account_id
    session.open = 1


@kernel
def close_session(fleet: Any, closing: Any) -> None:
    """Forget the session: no set-point goes to it."""
    session = fleet.sessions[closing.session_id]
    session.account_id = 0
    session.open = 0


@kernel
def speaks_for_operator(fleet: Any, session_id: int) -> bool:
    """Tell whether a session may do more than report."""
    session = fleet.sessions[session_id]
    return session.open == 1 and session.account_id == OPERATOR


@kernel
def battery_fault(fleet: Any, asked: Any) -> int:
    """Return the reason that names the impossible field, or 0."""
    if asked.asset_id == 0 or asked.asset_id >= ASSETS:
        return ASSET_ID_OUT_OF_RANGE
    if fleet.batteries[asked.asset_id].status != ABSENT:
        return ASSET_EXISTS
    if asked.site_id == 0 or asked.site_id >= SITES:
        return SITE_ID_OUT_OF_RANGE
    if asked.link_account_id == OPERATOR:
        return LINK_ACCOUNT_IS_OPERATOR
    if asked.charge_limit_w <= 0 or asked.charge_limit_w > POWER_LIMIT_W:
        return CHARGE_LIMIT_OUT_OF_RANGE
    if asked.discharge_limit_w <= 0 or asked.discharge_limit_w > POWER_LIMIT_W:
        return DISCHARGE_LIMIT_OUT_OF_RANGE
    if asked.energy_capacity_wh <= 0 or asked.energy_capacity_wh > CAPACITY_LIMIT_WH:
        return CAPACITY_OUT_OF_RANGE
    if asked.reserve_permille >= 1_000:
        return RESERVE_OUT_OF_RANGE
    if asked.charge_efficiency_permille == 0 or asked.charge_efficiency_permille > 1_000:
        return CHARGE_EFFICIENCY_OUT_OF_RANGE
    if asked.discharge_efficiency_permille == 0 or asked.discharge_efficiency_permille > 1_000:
        return DISCHARGE_EFFICIENCY_OUT_OF_RANGE
    return 0


@kernel
def register(fleet: Any, asked: Any) -> int:
    """Take a battery in, holding just its reserve until it is heard of; return the reason not to, or 0."""
    fault = battery_fault(fleet, asked)
    if fault:
        return fault
    battery = fleet.batteries[asked.asset_id]
    battery.status = ACTIVE
    battery.site_id = asked.site_id
    battery.link_account_id = asked.link_account_id
    battery.charge_limit_w = asked.charge_limit_w
    battery.discharge_limit_w = asked.discharge_limit_w
    battery.energy_capacity_wh = asked.energy_capacity_wh
    battery.reserve_wh = asked.energy_capacity_wh * asked.reserve_permille // 1_000  # floor
    battery.charge_efficiency_permille = asked.charge_efficiency_permille
    battery.discharge_efficiency_permille = asked.discharge_efficiency_permille
    battery.wear_price_ticks = asked.wear_price_ticks
    fleet.twins[asked.asset_id].energy_wh = battery.reserve_wh
    fleet.charge_limit_w += battery.charge_limit_w
    fleet.discharge_limit_w += battery.discharge_limit_w
    fleet.asset_end = max(fleet.asset_end, asked.asset_id + 1)
    fleet.site_end = max(fleet.site_end, asked.site_id + 1)
    return 0


@kernel
def absence(fleet: Any, asset_id: int) -> int:
    """Return the reason why an asset does not take part, or 0."""
    if asset_id >= ASSETS or fleet.batteries[asset_id].status == ABSENT:
        return UNKNOWN_ASSET
    if fleet.batteries[asset_id].status == RETIRED:
        return ASSET_RETIRED
    return 0


@kernel
def retire(fleet: Any, asset_id: int) -> int:
    """Take an asset out, though what it moved is still settled; return the reason not to, or 0."""
    fault = absence(fleet, asset_id)
    if fault:
        return fault
    battery = fleet.batteries[asset_id]
    battery.status = RETIRED
    fleet.charge_limit_w -= battery.charge_limit_w
    fleet.discharge_limit_w -= battery.discharge_limit_w
    return 0


@kernel
def plan_fault(fleet: Any, block: Any) -> int:
    """Return the reason why a block of a plan can't be taken, or 0."""
    fault = absence(fleet, block.asset_id)
    if fault:
        return fault
    battery = fleet.batteries[block.asset_id]
    if block.power_w > battery.discharge_limit_w or block.power_w < -battery.charge_limit_w:
        return POWER_OUT_OF_RANGE
    return span_fault(fleet, block, block.time_ns // PERIOD_NS, PLAN_PERIODS)


@kernel
def plan(fleet: Any, block: Any) -> int:
    """Write the block over what was planned before; return the reason not to, or 0."""
    fault = plan_fault(fleet, block)
    if fault:
        return fault
    first = block.delivery_start_ns // PERIOD_NS
    for period in range(first, first + block.delivery_duration_s // PERIOD_S):
        fleet.plan_power_w[block.asset_id, period % PLAN_PERIODS] = block.power_w
    return 0
