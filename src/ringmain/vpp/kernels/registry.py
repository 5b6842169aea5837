"""Who is in the fleet: sessions, assets of every kind, and their plans."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.kernels.hierarchy import is_node, make_site
from ringmain.vpp.kernels.periods import PERIOD_S, span_fault
from ringmain.vpp.messages import (
    ASSET_EXISTS,
    ASSET_ID_OUT_OF_RANGE,
    ASSET_RETIRED,
    BATTERY,
    CAPACITY_OUT_OF_RANGE,
    CHARGE_EFFICIENCY_OUT_OF_RANGE,
    CHARGE_LIMIT_OUT_OF_RANGE,
    CHARGER,
    DEPARTURE_OUT_OF_RANGE,
    DISCHARGE_EFFICIENCY_OUT_OF_RANGE,
    DISCHARGE_LIMIT_OUT_OF_RANGE,
    EXPORT_LIMIT_OUT_OF_RANGE,
    FLAG_OUT_OF_RANGE,
    HEAT_STORE,
    IMPORT_LIMIT_OUT_OF_RANGE,
    LINK_ACCOUNT_IS_OPERATOR,
    LOAD,
    NODE_ID_OUT_OF_RANGE,
    NOT_PLUGGED_IN,
    POWER_OUT_OF_RANGE,
    REQUIRED_ENERGY_OUT_OF_RANGE,
    RESERVE_OUT_OF_RANGE,
    SOLAR,
    UNKNOWN_ASSET,
    WRONG_KIND,
    WRONG_LINK,
)
from ringmain.vpp.state import (
    ABSENT,
    ACTIVE,
    CAPACITY_LIMIT_WH,
    PERIOD_NS,
    PLAN_STEP_W,
    POWER_LIMIT_W,
    RETIRED,
    SECOND_NS,
)

OPERATOR = 0
PERMILLE = 1_000
LONGEST_STAY_S = 30 * 86_400


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


# Registration.


@kernel
def place_fault(fleet: Any, asked: Any) -> int:
    """Return the reason why an asset can't have its id, its node or its link, or 0."""
    if asked.asset_id == 0 or asked.asset_id >= fleet.assets.size:
        return ASSET_ID_OUT_OF_RANGE
    if fleet.assets[asked.asset_id].status != ABSENT:
        return ASSET_EXISTS
    if asked.node_id == 0 or asked.node_id >= fleet.nodes.size:
        return NODE_ID_OUT_OF_RANGE
    if asked.link_account_id == OPERATOR:
        return LINK_ACCOUNT_IS_OPERATOR
    return 0


@kernel
def is_limit(limit_w: int) -> bool:
    """Tell whether an asset may have this power."""
    return 0 < limit_w <= POWER_LIMIT_W


@kernel
def is_efficiency(permille: int) -> bool:
    """Tell whether something can be this efficient."""
    return 0 < permille <= PERMILLE


@kernel
def battery_fault(fleet: Any, asked: Any) -> int:
    """Return the reason that names the impossible field, or 0."""
    fault = place_fault(fleet, asked)
    if fault:
        return fault
    if not is_limit(asked.charge_limit_w):
        return CHARGE_LIMIT_OUT_OF_RANGE
    if not is_limit(asked.discharge_limit_w):
        return DISCHARGE_LIMIT_OUT_OF_RANGE
    if asked.energy_capacity_wh <= 0 or asked.energy_capacity_wh > CAPACITY_LIMIT_WH:
        return CAPACITY_OUT_OF_RANGE
    if asked.reserve_permille >= PERMILLE:
        return RESERVE_OUT_OF_RANGE
    if not is_efficiency(asked.charge_efficiency_permille):
        return CHARGE_EFFICIENCY_OUT_OF_RANGE
    if not is_efficiency(asked.discharge_efficiency_permille):
        return DISCHARGE_EFFICIENCY_OUT_OF_RANGE
    return 0


@kernel
def register_battery(fleet: Any, asked: Any) -> int:
    """Take a battery in, holding just its reserve until it is heard of; return the reason not to, or 0."""
    fault = battery_fault(fleet, asked)
    if fault:
        return fault
    asset = take_in(fleet, asked, BATTERY, asked.charge_limit_w, asked.discharge_limit_w)
    keep_store(fleet, asked, asset, asked.reserve_permille)
    asset.charge_efficiency_permille = asked.charge_efficiency_permille
    asset.discharge_efficiency_permille = asked.discharge_efficiency_permille
    asset.wear_price_ticks = asked.wear_price_ticks
    asset.self_discharge_ppm = asked.self_discharge_ppm
    return 0


@kernel
def register_solar(fleet: Any, asked: Any) -> int:
    """Take a solar roof in; return the reason not to, or 0."""
    fault = place_fault(fleet, asked)
    if fault:
        return fault
    if not is_limit(asked.export_limit_w):
        return EXPORT_LIMIT_OUT_OF_RANGE
    if asked.is_curtailable > 1:
        return FLAG_OUT_OF_RANGE
    asset = take_in(fleet, asked, SOLAR, 0, asked.export_limit_w)
    asset.is_curtailable = asked.is_curtailable
    twin = fleet.twins[asked.asset_id]
    twin.desired_power_w = twin.issued_power_w = asked.export_limit_w  # it gives all it can
    return 0


@kernel
def charger_fault(fleet: Any, asked: Any) -> int:
    """Return the reason that names the impossible field, or 0."""
    fault = place_fault(fleet, asked)
    if fault:
        return fault
    if not is_limit(asked.import_limit_w):
        return IMPORT_LIMIT_OUT_OF_RANGE
    if asked.export_limit_w < 0 or asked.export_limit_w > POWER_LIMIT_W:
        return EXPORT_LIMIT_OUT_OF_RANGE
    if asked.energy_capacity_wh <= 0 or asked.energy_capacity_wh > CAPACITY_LIMIT_WH:
        return CAPACITY_OUT_OF_RANGE
    if not is_efficiency(asked.charge_efficiency_permille):
        return CHARGE_EFFICIENCY_OUT_OF_RANGE
    if not is_efficiency(asked.discharge_efficiency_permille):
        return DISCHARGE_EFFICIENCY_OUT_OF_RANGE
    return 0


@kernel
def register_charger(fleet: Any, asked: Any) -> int:
    """Take a charger in, with no car; return the reason not to, or 0."""
    fault = charger_fault(fleet, asked)
    if fault:
        return fault
    asset = take_in(fleet, asked, CHARGER, asked.import_limit_w, asked.export_limit_w)
    keep_store(fleet, asked, asset, 0)
    asset.charge_efficiency_permille = asked.charge_efficiency_permille
    asset.discharge_efficiency_permille = asked.discharge_efficiency_permille
    asset.wear_price_ticks = asked.wear_price_ticks
    return 0


@kernel
def register_heat_store(fleet: Any, asked: Any) -> int:
    """Take a heat store in, at the lower end of comfort; return the reason not to, or 0."""
    fault = place_fault(fleet, asked)
    if fault:
        return fault
    if not is_limit(asked.import_limit_w):
        return IMPORT_LIMIT_OUT_OF_RANGE
    if asked.energy_capacity_wh <= 0 or asked.energy_capacity_wh > CAPACITY_LIMIT_WH:
        return CAPACITY_OUT_OF_RANGE
    if asked.reserve_permille >= PERMILLE:
        return RESERVE_OUT_OF_RANGE
    asset = take_in(fleet, asked, HEAT_STORE, asked.import_limit_w, 0)
    keep_store(fleet, asked, asset, asked.reserve_permille)
    asset.charge_efficiency_permille = PERMILLE
    asset.discharge_efficiency_permille = PERMILLE
    asset.self_discharge_ppm = asked.self_discharge_ppm
    return 0


@kernel
def register_load(fleet: Any, asked: Any) -> int:
    """Take a load in; return the reason not to, or 0."""
    fault = place_fault(fleet, asked)
    if fault:
        return fault
    if not is_limit(asked.import_limit_w):
        return IMPORT_LIMIT_OUT_OF_RANGE
    take_in(fleet, asked, LOAD, asked.import_limit_w, 0)
    return 0


@kernel
def take_in(fleet: Any, asked: Any, kind: int, import_limit_w: int, export_limit_w: int) -> Any:
    """Give an asset its place in the table and in the hierarchy; return its row."""
    asset = fleet.assets[asked.asset_id]
    asset.status = ACTIVE
    asset.kind = kind
    asset.node_id = asked.node_id
    asset.link_account_id = asked.link_account_id
    asset.import_limit_w = import_limit_w
    asset.export_limit_w = export_limit_w
    if not is_node(fleet, asked.node_id):
        make_site(fleet, asked.node_id)
    fleet.import_limit_w += import_limit_w
    fleet.export_limit_w += export_limit_w
    fleet.asset_end = max(fleet.asset_end, asked.asset_id + 1)
    return asset


@kernel
def keep_store(fleet: Any, asked: Any, asset: Any, reserve_permille: int) -> None:
    """Give an asset its store; until it is heard of it holds just what stays with the home."""
    asset.energy_capacity_wh = asked.energy_capacity_wh
    asset.reserve_wh = asked.energy_capacity_wh * reserve_permille // PERMILLE  # floor
    fleet.twins[asked.asset_id].energy_wh = asset.reserve_wh


# Changes.


@kernel
def absence(fleet: Any, asset_id: int) -> int:
    """Return the reason why an asset does not take part, or 0."""
    if asset_id >= fleet.assets.size or fleet.assets[asset_id].status == ABSENT:
        return UNKNOWN_ASSET
    if fleet.assets[asset_id].status == RETIRED:
        return ASSET_RETIRED
    return 0


@kernel
def retire(fleet: Any, asset_id: int) -> int:
    """Take an asset out, though what it moved is still settled; return the reason not to, or 0."""
    fault = absence(fleet, asset_id)
    if fault:
        return fault
    asset = fleet.assets[asset_id]
    asset.status = RETIRED
    fleet.import_limit_w -= asset.import_limit_w
    fleet.export_limit_w -= asset.export_limit_w
    return 0


@kernel
def limits_fault(fleet: Any, asked: Any) -> int:
    """Return the reason why an asset can't have other limits, or 0; what its kind has not has to be 0."""
    fault = absence(fleet, asked.asset_id)
    if fault:
        return fault
    asset = fleet.assets[asked.asset_id]
    takes, gives = asset.kind != SOLAR, asset.kind == BATTERY or asset.kind == SOLAR
    may_give = gives or asset.kind == CHARGER
    if (asked.import_limit_w != 0 or takes) and not (takes and is_limit(asked.import_limit_w)):
        return IMPORT_LIMIT_OUT_OF_RANGE
    if (asked.export_limit_w != 0 or gives) and not (may_give and is_limit(asked.export_limit_w)):
        return EXPORT_LIMIT_OUT_OF_RANGE
    stores = asset.energy_capacity_wh > 0
    if asked.energy_capacity_wh < stores or asked.energy_capacity_wh > CAPACITY_LIMIT_WH * stores:
        return CAPACITY_OUT_OF_RANGE
    keeps = asset.kind == BATTERY or asset.kind == HEAT_STORE
    if asked.reserve_permille >= PERMILLE or (asked.reserve_permille > 0 and not keeps):
        return RESERVE_OUT_OF_RANGE
    return 0


@kernel
def change_limits(fleet: Any, asked: Any) -> int:
    """Give an asset other limits; return the reason not to, or 0."""
    fault = limits_fault(fleet, asked)
    if fault:
        return fault
    asset = fleet.assets[asked.asset_id]
    fleet.import_limit_w += asked.import_limit_w - asset.import_limit_w
    fleet.export_limit_w += asked.export_limit_w - asset.export_limit_w
    asset.import_limit_w = asked.import_limit_w
    asset.export_limit_w = asked.export_limit_w
    asset.energy_capacity_wh = asked.energy_capacity_wh
    asset.reserve_wh = asked.energy_capacity_wh * asked.reserve_permille // PERMILLE  # floor
    asset.wear_price_ticks = asked.wear_price_ticks
    return 0


@kernel
def charger_absence(fleet: Any, command: Any, is_operator: bool) -> int:
    """Return the reason why this session has no charger of that id, or 0."""
    fault = absence(fleet, command.asset_id)
    if fault:
        return fault
    asset = fleet.assets[command.asset_id]
    if not is_operator and fleet.sessions[command.session_id].account_id != asset.link_account_id:
        return WRONG_LINK
    return 0 if asset.kind == CHARGER else WRONG_KIND


@kernel
def plug_in(fleet: Any, asked: Any, is_operator: bool) -> int:
    """Note until when a car stays and what it needs; return the reason not to, or 0."""
    fault = charger_absence(fleet, asked, is_operator)
    if fault:
        return fault
    now_s = asked.time_ns // SECOND_NS
    if asked.departs_s <= now_s or asked.departs_s > now_s + LONGEST_STAY_S:
        return DEPARTURE_OUT_OF_RANGE
    asset = fleet.assets[asked.asset_id]
    if asked.required_wh < 0 or asked.required_wh > asset.energy_capacity_wh:
        return REQUIRED_ENERGY_OUT_OF_RANGE
    asset.departs_s = asked.departs_s
    asset.required_wh = asked.required_wh
    return 0


@kernel
def unplug(fleet: Any, asked: Any, is_operator: bool) -> int:
    """Note that the car is gone; return the reason not to, or 0."""
    fault = charger_absence(fleet, asked, is_operator)
    if fault:
        return fault
    asset = fleet.assets[asked.asset_id]
    if asset.departs_s == 0:
        return NOT_PLUGGED_IN
    asset.departs_s = 0
    asset.required_wh = 0
    return 0


# Plans.


@kernel
def plan_fault(fleet: Any, block: Any) -> int:
    """Return the reason why a block of a plan can't be taken, or 0."""
    fault = absence(fleet, block.asset_id)
    if fault:
        return fault
    asset = fleet.assets[block.asset_id]
    if block.power_w > asset.export_limit_w or block.power_w < -asset.import_limit_w:
        return POWER_OUT_OF_RANGE
    return span_fault(fleet, block, block.time_ns // PERIOD_NS, fleet.plans.shape[1])


@kernel
def plan(fleet: Any, block: Any) -> int:
    """Write the block over what was planned before; return the reason not to, or 0."""
    fault = plan_fault(fleet, block)
    if fault:
        return fault
    steps = plan_steps(block.power_w)
    first = block.delivery_start_ns // PERIOD_NS
    for period in range(first, first + block.delivery_duration_s // PERIOD_S):
        fleet.plans[block.asset_id, period % fleet.plans.shape[1]] = steps
    return 0


@kernel
def plan_steps(power_w: int) -> int:
    """Return a planned power in steps, towards zero."""
    return power_w // PLAN_STEP_W if power_w >= 0 else -(-power_w // PLAN_STEP_W)
