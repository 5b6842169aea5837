"""Readings by the thousand: the checks of readings.py and the meters of meters.py, on arrays.

What it decides is what :func:`ringmain.gateway.devices.readings.check` and
:meth:`ringmain.gateway.devices.meters.Meters.take` decide one by one; a test compares them.
"""

from typing import Any

import numpy as np

from ringmain.gateway.devices.fleet_port import REPORT
from ringmain.gateway.devices.frames import REASON_NUMBERS
from ringmain.gateway.devices.meters import (
    JUMPS_BELIEVED,
    LONGEST_HOLD_NS,
    METER_SLACK_WH,
    SCALE_OFF,
    SHORTEST_COMPARED_NS,
)
from ringmain.gateway.devices.readings import (
    CLOCK_WENT_BACK,
    ENERGY_OUT_OF_RANGE,
    ENERGY_SLACK,
    FUTURE_DATED,
    FUTURE_TOLERANCE_NS,
    HOUR_NS,
    METER_JUMPED,
    METER_OUT_OF_RANGE,
    NOT_A_NUMBER,
    NOTHING_MEASURED,
    OLDEST_NS,
    POWER_OUT_OF_RANGE,
    POWER_SLACK,
    POWER_SLACK_W,
    SECOND_NS,
    TOO_OLD,
    WRONG_SCALE,
)

LIMITS = np.dtype([("import_limit_w", "f8"), ("export_limit_w", "f8"), ("energy_capacity_wh", "f8")])
METER_END_WH = float(1 << 32)
VALUES = ("power_w", "charged_wh", "discharged_wh", "energy_wh")


def reasons_of(readings: Any, limits: Any, now_ns: int) -> Any:
    """Return why readings can't be true, as numbers of frames.REASONS, 0 for those that can: (n,).

    Parameters
    ----------
    readings : array of READING, shape (n,)
    limits : array of LIMITS, shape (n,)
        Of each reading's asset.
    """
    with np.errstate(invalid="ignore"):
        values = np.stack([readings[name] for name in VALUES])
        power_w, charged_wh, discharged_wh, energy_wh = values
        most_w = np.maximum(limits["export_limit_w"] * POWER_SLACK, POWER_SLACK_W)
        least_w = -np.maximum(limits["import_limit_w"] * POWER_SLACK, POWER_SLACK_W)
        most_wh = limits["energy_capacity_wh"] * ENERGY_SLACK
        meters = np.stack([charged_wh, discharged_wh])
        faults = (  # the first that holds is the reason
            (FUTURE_DATED, readings["measured_ns"] > now_ns + FUTURE_TOLERANCE_NS),
            (TOO_OLD, readings["measured_ns"] < now_ns - OLDEST_NS),
            (NOTHING_MEASURED, np.isnan(values).all(axis=0)),
            (NOT_A_NUMBER, np.isinf(values).any(axis=0)),
            (POWER_OUT_OF_RANGE, (power_w > most_w) | (power_w < least_w)),
            (ENERGY_OUT_OF_RANGE, (energy_wh < 0) | (energy_wh > most_wh)),
            (METER_OUT_OF_RANGE, ((meters < 0) | (meters >= METER_END_WH)).any(axis=0)),
        )
    return np.select([fault for _, fault in faults], [REASON_NUMBERS[name] for name, _ in faults], 0)


def turns(asset_ids: Any) -> list[Any]:
    """Return the places of each asset's first, second … row, so that no turn has an asset twice."""
    order = np.argsort(asset_ids, kind="stable")
    ordered = asset_ids[order]
    places = np.arange(order.size)
    begins = np.maximum.accumulate(np.where(np.diff(ordered, prepend=-1) != 0, places, 0))
    turn = places - begins
    if not turn.any():
        return [order]
    by_turn = order[np.argsort(turn, kind="stable")]
    return np.split(by_turn, np.cumsum(np.bincount(turn))[:-1])


def go_on(rows: Any, readings: Any, limits: Any) -> tuple[Any, Any]:
    """Go on to readings that were checked; return reports, and why some can't be next: (n,), (n,).

    Parameters
    ----------
    rows : array of METER, one an asset
        Changed, but for those that are refused, of which only the jumps in a row are counted.
    readings : array of READING, shape (n,), no asset twice
    limits : array of LIMITS, shape (n,)
    """
    ids = readings["asset_id"]
    row = rows[ids]
    is_first = row["measured_ns"] == 0
    elapsed_ns = readings["measured_ns"] - row["measured_ns"]
    with np.errstate(invalid="ignore", divide="ignore"):
        charged_wh, has_jumped = _steps(row, readings, "charged_wh", limits["import_limit_w"], elapsed_ns, -1)
        discharged_wh, too = _steps(row, readings, "discharged_wh", limits["export_limit_w"], elapsed_ns, 1)
        jumps, is_jump = _jumps(row["jumps"], has_jumped, too)
        power_w = readings["power_w"]
        is_wrong = ~is_first & _is_off(row, readings, charged_wh, discharged_wh, elapsed_ns)
        derived_w = np.where(is_first, 0.0, (discharged_wh - charged_wh) * HOUR_NS / elapsed_ns)
    power_w = np.where(np.isnan(power_w), derived_w, power_w)
    is_back = elapsed_ns <= 0
    reasons = np.select(
        [is_back, is_jump, is_wrong],
        [REASON_NUMBERS[name] for name in (CLOCK_WENT_BACK, METER_JUMPED, WRONG_SCALE)],
        0,
    )
    is_fit = reasons == 0
    row["jumps"] = np.where(is_fit, 0, np.where(is_back, row["jumps"], jumps))
    after = _after(row, readings, power_w, charged_wh, discharged_wh)
    row[is_fit] = after[is_fit]
    rows[ids] = row
    return _reports(row, readings), reasons


def _steps(row: Any, readings: Any, name: str, limit_w: Any, elapsed_ns: Any, sign: int) -> tuple[Any, Any]:
    """Return what a meter goes on by, and where it jumps."""
    own_wh, before_wh = readings[name], row["own_" + name]
    held_wh = np.maximum(0.0, sign * row["power_w"]) * np.minimum(elapsed_ns, LONGEST_HOLD_NS) / HOUR_NS
    is_first, is_said, was_said = row["measured_ns"] == 0, ~np.isnan(own_wh), ~np.isnan(before_wh)
    step_wh = own_wh - before_wh
    goes_on = ~is_first & is_said & was_said & (step_wh >= 0)
    most_wh = limit_w * POWER_SLACK * elapsed_ns / HOUR_NS + METER_SLACK_WH
    has_jumped = goes_on & (step_wh > most_wh)
    steps = np.select(
        [is_first, ~is_said & was_said, goes_on & ~has_jumped],
        [np.where(is_said, own_wh, 0.0), 0.0, step_wh],
        held_wh,
    )
    return steps, has_jumped


def _jumps(before: Any, charged: Any, discharged: Any) -> tuple[Any, Any]:
    """Return the jumps in a row, and which of them are not believed."""
    jumps = before + charged
    is_refused = charged & (jumps < JUMPS_BELIEVED)
    counts_too = discharged & ~is_refused
    jumps = jumps + counts_too
    return jumps, is_refused | (counts_too & (jumps < JUMPS_BELIEVED))


def _is_off(row: Any, readings: Any, charged_wh: Any, discharged_wh: Any, elapsed_ns: Any) -> Any:
    """Tell where power and the device's own meter differ as kW from W."""
    power_w = readings["power_w"]
    takes = power_w < 0
    is_said = ~np.isnan(np.where(takes, readings["charged_wh"], readings["discharged_wh"]))
    mean_w = np.where(takes, charged_wh, discharged_wh) * HOUR_NS / elapsed_ns
    before_w, now_w = np.abs(row["power_w"]), np.abs(power_w)
    high_w, low_w = np.maximum(before_w, now_w), np.minimum(before_w, now_w)
    low, high = SCALE_OFF
    above, below = mean_w / high_w, low_w / mean_w
    is_off = ((high_w > 0) & (above >= low) & (above <= high)) | (
        (mean_w != 0) & (below >= low) & (below <= high)
    )
    return is_off & is_said & (elapsed_ns >= SHORTEST_COMPARED_NS)


def _after(row: Any, readings: Any, power_w: Any, charged_wh: Any, discharged_wh: Any) -> Any:
    after = row.copy()
    is_first = row["measured_ns"] == 0
    after["charged_wh"] += charged_wh
    after["discharged_wh"] += discharged_wh
    for name in ("charged_wh", "discharged_wh"):
        own_wh = readings[name]
        keeps = np.isnan(own_wh) & ~is_first
        after["own_" + name] = np.where(keeps, row["own_" + name], own_wh)
    after["power_w"], after["jumps"] = power_w, 0
    after["device_number"] = np.maximum(row["device_number"] + 1, readings["measured_ns"] // SECOND_NS)
    after["measured_ns"] = readings["measured_ns"]
    return after


def _reports(row: Any, readings: Any) -> Any:
    """Return what the fleet is told; rows of readings that are refused mean nothing."""
    reports = np.empty(row.size, REPORT)
    reports["asset_id"], reports["measured_ns"] = readings["asset_id"], readings["measured_ns"]
    reports["device_number"] = row["device_number"]
    reports["power_w"] = np.rint(row["power_w"])
    reports["energy_wh"] = np.rint(np.nan_to_num(readings["energy_wh"]))
    for name in ("charged_wh", "discharged_wh"):
        reports[name] = row[name] + 1e-6  # whole watt-hours, as meters show them
    return reports
