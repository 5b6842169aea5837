"""Ranges: the least and the most power that each kind of asset can hold until the period ends.

What is not heard of has no range: it does what it is estimated to do. Positive is towards the grid.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.kernels.estimates import estimate_of_w, quality, stored_wh
from ringmain.vpp.kernels.periods import plan_power_w
from ringmain.vpp.kernels.units import clamp, energy_wh, mean_power_w, ns_of
from ringmain.vpp.messages import BATTERY, CHARGER, FRESH, HEAT_STORE, LATE, LOAD, SOLAR
from ringmain.vpp.state import CHEAP_TICKS, COST_CLASSES, DEAR_TICKS, PERIOD_NS, SECOND_NS

SUNLIGHT = COST_CLASSES - 1
SHORTEST_NS = 60 * SECOND_NS  # no power is held for less
MADE_UP_PERMILLE = 800  # of a charger's power, that a car which gives is reckoned to be charged with again


@kernel
def time_left_ns(now_ns: int) -> int:
    """Return how long the running period still lasts, and no less than a minute."""
    return max(PERIOD_NS - now_ns % PERIOD_NS, SHORTEST_NS)


@kernel
def power_range_w(fleet: Any, asset_id: int, now_ns: int) -> Any:
    """Return the least and the most power that an asset can hold until the period ends."""
    known = quality(fleet, fleet.twins[asset_id], now_ns)
    return range_of_w(fleet, asset_id, now_ns, known, estimate_of_w(fleet, asset_id, now_ns, known))


@kernel
def range_of_w(fleet: Any, asset_id: int, now_ns: int, known: int, estimate_w: int) -> Any:
    """Return the range of an asset of known quality and estimate."""
    asset, twin = fleet.assets[asset_id], fleet.twins[asset_id]
    if known not in (FRESH, LATE):
        return estimate_w, estimate_w
    if asset.kind == BATTERY:
        low, high = battery_range_w(asset, twin, now_ns)
    elif asset.kind == CHARGER:
        low, high = charger_range_w(asset, twin, now_ns)
    elif asset.kind == HEAT_STORE:
        low, high = heat_store_range_w(asset, twin, now_ns)
    elif asset.kind == SOLAR and asset.is_curtailable == 1:
        low, high = 0, max(0, estimate_w, plan_power_w(fleet, asset_id, now_ns // PERIOD_NS))
    else:
        low, high = estimate_w, estimate_w
    return low, high


@kernel
def taking_w(asset: Any, energy_wh: int, span_ns: int) -> int:
    """Return what a store can take over a span, at most until it is full."""
    room_wh = (asset.energy_capacity_wh - energy_wh) * 1_000 // asset.charge_efficiency_permille
    return clamp(mean_power_w(room_wh, span_ns), 0, asset.import_limit_w)


@kernel
def battery_range_w(asset: Any, twin: Any, now_ns: int) -> Any:
    """From charging until full to discharging down to the home's reserve."""
    span_ns, stored = time_left_ns(now_ns), stored_wh(asset, twin, now_ns)
    giving_wh = (stored - asset.reserve_wh) * asset.discharge_efficiency_permille // 1_000
    high = clamp(mean_power_w(giving_wh, span_ns), 0, asset.export_limit_w)
    return -taking_w(asset, stored, span_ns), high


@kernel
def charger_range_w(asset: Any, twin: Any, now_ns: int) -> Any:
    """No car: nothing. Else up to what the car can take; at least what can't be made up for later.

    It gives only what it can take again before it leaves, at MADE_UP_PERMILLE of full power.
    """
    stay_ns = ns_of(asset.departs_s) - now_ns
    if stay_ns <= 0:
        return 0, 0
    span_ns, stored = time_left_ns(now_ns), stored_wh(asset, twin, now_ns)
    low = -taking_w(asset, stored, span_ns)
    needed_wh = (asset.required_wh - stored) * 1_000 // asset.charge_efficiency_permille
    later_wh = energy_wh(asset.import_limit_w, max(0, stay_ns - span_ns))
    if needed_wh > later_wh:
        must_w = mean_power_w(needed_wh - later_wh, max(SHORTEST_NS, min(span_ns, stay_ns)))
        return low, max(low, -must_w)
    again_wh = later_wh * MADE_UP_PERMILLE // 1_000 * asset.charge_efficiency_permille // 1_000
    spare_wh = stored - max(0, asset.required_wh - again_wh)
    giving_wh = spare_wh * asset.discharge_efficiency_permille // 1_000
    return low, clamp(mean_power_w(giving_wh, span_ns), 0, asset.export_limit_w)


@kernel
def heat_store_range_w(asset: Any, twin: Any, now_ns: int) -> Any:
    """Up to the upper end of comfort; below its lower end it has to run, to be there in a quarter-hour."""
    span_ns, stored = time_left_ns(now_ns), stored_wh(asset, twin, now_ns)
    low = -taking_w(asset, stored, span_ns)
    missing_wh = asset.reserve_wh - stored
    if missing_wh <= 0:
        return low, 0
    return low, max(low, -mean_power_w(missing_wh, PERIOD_NS) - 1)


@kernel
def is_controlled(asset: Any) -> bool:
    """Tell whether an asset can be told what to do."""
    return asset.kind != LOAD and (asset.kind != SOLAR or asset.is_curtailable == 1)


@kernel
def resting_power_w(asset: Any) -> int:
    """Return what an asset that can be told so does without a set-point: it rests, and a roof gives all."""
    return asset.export_limit_w if asset.kind == SOLAR else 0


@kernel
def base_power_w(fleet: Any, asset_id: int, now_ns: int) -> Any:
    """Return what an asset does if nobody asks for more or less, and the range around that.

    A roof gives all it can; the others follow their plans within their range.
    """
    low, high = power_range_w(fleet, asset_id, now_ns)
    if fleet.assets[asset_id].kind == SOLAR:
        return high, low, high
    return clamp(plan_power_w(fleet, asset_id, now_ns // PERIOD_NS), low, high), low, high


@kernel
def cost_class(asset: Any) -> int:
    """Return how dear it is to move an asset from its plan: 0, 1, 2; sunlight that is lost is dearest."""
    if asset.kind == SOLAR:
        return SUNLIGHT
    return int(asset.wear_price_ticks >= CHEAP_TICKS) + int(asset.wear_price_ticks >= DEAR_TICKS)
