"""Estimates: what an asset does now, and how far that may be off.

An asset that was heard of lately does what it reported, or what it has been told since. One that is
silent holds its power as long as its lease lasts, and then does what is planned for it; if nothing is
planned for a load or a roof, what it did last. Never is it counted as zero for its silence. Loads and
roofs are moved on from their reports as all of their kind have moved lately: the sun rises for all.

How far an estimate may be off is learnt: each report shows what had been estimated for its moment,
and the mean square of the difference, as a share of the asset's limit, is kept by kind of asset and
by the age of the report that the estimate was made from.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.kernels.periods import plan_power_w
from ringmain.vpp.kernels.units import MS_PER_HOUR, NS_PER_MS, clamp, ns_of, signed
from ringmain.vpp.messages import CONTRADICTORY, FRESH, LATE, LOAD, SILENT, SOLAR
from ringmain.vpp.state import (
    AGES,
    CONTRADICTORY_AFTER,
    ERROR_SCALE,
    ERRORS_KEPT,
    PERIOD_NS,
    SECOND_NS,
)

NEVER = 0  # a twin's measured_ns before its device was heard of
ERRORS_NEEDED = 8
PPM = 1_000_000
LONGEST_AGE_MS = 10**9  # some days
UNKNOWN_SQUARE = ERROR_SCALE * ERROR_SCALE // 3  # anything up to the limit, either way, is as likely


@kernel
def quality(fleet: Any, twin: Any, now_ns: int) -> int:
    """Return FRESH, LATE, SILENT or CONTRADICTORY."""
    age_ns = now_ns - twin.measured_ns
    if age_ns > fleet.silent_after_ns:
        return SILENT
    if twin.contradictions >= CONTRADICTORY_AFTER:
        return CONTRADICTORY
    return LATE if age_ns > fleet.late_after_ns else FRESH


@kernel
def is_heard(fleet: Any, twin: Any, now_ns: int) -> bool:
    """Tell whether an asset's own reports count."""
    known = quality(fleet, twin, now_ns)
    return known in (FRESH, LATE)


@kernel
def supposed_power_w(fleet: Any, asset_id: int, period: int) -> int:
    """Return what an asset does in a period that nothing is heard of it in."""
    planned_w = plan_power_w(fleet, asset_id, period)
    kind = fleet.assets[asset_id].kind
    if planned_w == 0 and kind in (LOAD, SOLAR):
        return fleet.twins[asset_id].power_w
    return planned_w


@kernel
def estimated_power_w(fleet: Any, asset_id: int, now_ns: int) -> int:
    """Return an asset's power now, as far as can be known."""
    return estimate_of_w(fleet, asset_id, now_ns, quality(fleet, fleet.twins[asset_id], now_ns))


@kernel
def estimate_of_w(fleet: Any, asset_id: int, now_ns: int, known: int) -> int:
    """Return the power of an asset of known quality."""
    twin = fleet.twins[asset_id]
    if known in (FRESH, LATE):
        if twin.measured_ns >= ns_of(twin.desired_s):
            return drifted_power_w(fleet, asset_id, now_ns)
        if fleet.assets[asset_id].kind == SOLAR:
            return min(twin.power_w, twin.desired_power_w)
        return twin.desired_power_w
    if twin.measured_ns != NEVER and now_ns < twin.measured_ns + fleet.lease_ns:
        return twin.power_w
    return supposed_power_w(fleet, asset_id, now_ns // PERIOD_NS)


@kernel
def stored_wh(asset: Any, twin: Any, now_ns: int) -> int:
    """Return what an asset has stored: its report, less what such a store loses by itself since then."""
    if asset.self_discharge_ppm == 0 or twin.measured_ns == NEVER:
        return twin.energy_wh
    age_ms = min(max(0, now_ns - twin.measured_ns) // NS_PER_MS, LONGEST_AGE_MS)
    lost_ppm = signed(asset.self_discharge_ppm) * age_ms // MS_PER_HOUR
    return twin.energy_wh - signed(twin.energy_wh) * min(lost_ppm, PPM) // PPM


@kernel
def age_class(age_ns: int) -> int:
    """Return the power of two that the age of a report has, in seconds."""
    age_s, found = age_ns // SECOND_NS, 0
    while age_s > 1 and found < AGES - 1:
        age_s //= 2
        found += 1
    return found


@kernel
def limit_w(asset: Any) -> int:
    """Return the larger one of an asset's limits."""
    return signed(max(asset.import_limit_w, asset.export_limit_w))


@kernel
def drifted_power_w(fleet: Any, asset_id: int, now_ns: int) -> int:
    """Return what an asset reported, moved as all of its kind have moved at that age of their reports."""
    asset, twin = fleet.assets[asset_id], fleet.twins[asset_id]
    if asset.kind not in (LOAD, SOLAR):
        return twin.power_w
    moved_w = drift(fleet, asset.kind, now_ns - twin.measured_ns) * limit_w(asset) // ERROR_SCALE
    return clamp(twin.power_w + moved_w, -asset.import_limit_w, asset.export_limit_w)


@kernel
def drift(fleet: Any, kind: int, age_ns: int) -> int:
    """Return the mean error at an age, in proportion to that from what is known nearest to it."""
    known = nearest_age(fleet, kind, age_class(age_ns))
    if known < 0:
        return 0
    cell = fleet.errors[kind, known]
    mean_age_ms = max(1, cell.mean_age_ms)
    age_ms = min(age_ns // NS_PER_MS, 2 * mean_age_ms)
    return cell.mean_error * age_ms // mean_age_ms // ERROR_SCALE


@kernel
def learn(fleet: Any, report: Any) -> None:
    """Compare a report with what had been estimated for its moment."""
    asset, twin = fleet.assets[report.asset_id], fleet.twins[report.asset_id]
    estimate_w = estimated_power_w(fleet, report.asset_id, report.measured_ns)
    error = clamp(permyriad(asset, report.power_w, estimate_w), -2 * ERROR_SCALE, 2 * ERROR_SCALE)
    age_ns = report.measured_ns - twin.measured_ns
    cell = fleet.errors[asset.kind, age_class(age_ns)]
    cell.count = min(cell.count + 1, ERRORS_KEPT)
    cell.mean_square += (error * error - cell.mean_square) // cell.count
    cell.mean_age_ms += (age_ns // NS_PER_MS - cell.mean_age_ms) // cell.count
    if asset.kind in (LOAD, SOLAR):
        moved = clamp(permyriad(asset, report.power_w, twin.power_w), -ERROR_SCALE, ERROR_SCALE)
        cell.mean_error += (moved * ERROR_SCALE - cell.mean_error) // cell.count


@kernel
def permyriad(asset: Any, power_w: int, other_w: int) -> int:
    """Return a difference as a share of the asset's limit, in ERROR_SCALE."""
    return (signed(power_w) - other_w) * ERROR_SCALE // limit_w(asset)


@kernel
def nearest_age(fleet: Any, kind: int, age: int) -> int:
    """Return the class of age nearest to this one that enough is known of; -1: none."""
    for steps in range(AGES):
        if age + steps < AGES and fleet.errors[kind, age + steps].count >= ERRORS_NEEDED:
            return age + steps
        if age >= steps and fleet.errors[kind, age - steps].count >= ERRORS_NEEDED:
            return age - steps
    return -1


@kernel
def mean_square(fleet: Any, kind: int, age_ns: int) -> int:
    """Return the mean square of errors at an age: it grows in proportion from what is known nearest to it."""
    known = nearest_age(fleet, kind, age_class(age_ns))
    if known < 0:
        return UNKNOWN_SQUARE
    cell = fleet.errors[kind, known]
    age_ms = min(age_ns // NS_PER_MS, LONGEST_AGE_MS)
    return min(cell.mean_square * age_ms // max(1, cell.mean_age_ms), UNKNOWN_SQUARE)


@kernel
def variance_w2(fleet: Any, asset_id: int, now_ns: int) -> int:
    """Return the variance of an asset's estimated power."""
    asset, twin = fleet.assets[asset_id], fleet.twins[asset_id]
    if twin.measured_ns == NEVER:
        square = UNKNOWN_SQUARE
    else:
        square = mean_square(fleet, asset.kind, now_ns - twin.measured_ns)
    largest_w = limit_w(asset)
    return square * (largest_w * largest_w // ERROR_SCALE) // ERROR_SCALE
