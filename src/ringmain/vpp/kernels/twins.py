"""Twins: what each device reported beside what is wished of it."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.kernels.estimates import NEVER, learn
from ringmain.vpp.kernels.meter import meter
from ringmain.vpp.kernels.registry import absence
from ringmain.vpp.kernels.units import energy_wh, signed
from ringmain.vpp.messages import (
    CLOCK_WENT_BACK,
    ENERGY_OUT_OF_RANGE,
    FUTURE_DATED,
    METER_JUMPED,
    METER_WENT_BACK,
    POWER_OUT_OF_RANGE,
    SETTLEMENT_BEHIND,
    WRONG_LINK,
)
from ringmain.vpp.state import (
    ENERGY_TOLERANCE_PERMILLE,
    FUTURE_TOLERANCE_NS,
    METER_PERIODS,
    METER_SLACK_WH,
    PERIOD_NS,
    POWER_SLACK_W,
    POWER_TOLERANCE_PERMILLE,
)

CONTRADICTIONS_MAX = 255


@kernel
def tolerated_w(limit_w: int) -> int:
    """Return the power that a device may show for its registered limit."""
    return max(limit_w * (1_000 + POWER_TOLERANCE_PERMILLE) // 1_000, POWER_SLACK_W)


@kernel
def link_fault(fleet: Any, report: Any) -> int:
    """Return the reason why this session can't report for this asset, or 0."""
    fault = absence(fleet, report.asset_id)
    if fault:
        return fault
    account_id = fleet.sessions[report.session_id].account_id
    return 0 if account_id == fleet.assets[report.asset_id].link_account_id else WRONG_LINK


@kernel
def value_fault(fleet: Any, asset: Any, report: Any) -> int:
    """Return the reason why the report can't be true of this asset, or 0."""
    if report.measured_ns > report.time_ns + FUTURE_TOLERANCE_NS:
        return FUTURE_DATED
    if report.measured_ns // PERIOD_NS >= fleet.next_period + METER_PERIODS:
        return SETTLEMENT_BEHIND
    if report.power_w > tolerated_w(asset.export_limit_w):
        return POWER_OUT_OF_RANGE
    if report.power_w < -tolerated_w(asset.import_limit_w):
        return POWER_OUT_OF_RANGE
    tolerated_wh = asset.energy_capacity_wh * (1_000 + ENERGY_TOLERANCE_PERMILLE) // 1_000
    if report.energy_wh < 0 or report.energy_wh > tolerated_wh:
        return ENERGY_OUT_OF_RANGE
    return 0


@kernel
def meter_fault(asset: Any, twin: Any, report: Any) -> int:
    """Return the reason why the report can't follow the one before, or 0."""
    if report.measured_ns <= twin.measured_ns:
        return CLOCK_WENT_BACK
    if twin.measured_ns == NEVER:
        return 0
    if report.charged_wh < twin.charged_wh or report.discharged_wh < twin.discharged_wh:
        return METER_WENT_BACK
    elapsed_ns = report.measured_ns - twin.measured_ns
    most_charged_wh = energy_wh(tolerated_w(asset.import_limit_w), elapsed_ns) + METER_SLACK_WH
    most_discharged_wh = energy_wh(tolerated_w(asset.export_limit_w), elapsed_ns) + METER_SLACK_WH
    if signed(report.charged_wh) - signed(twin.charged_wh) > most_charged_wh:
        return METER_JUMPED
    if signed(report.discharged_wh) - signed(twin.discharged_wh) > most_discharged_wh:
        return METER_JUMPED
    return 0


@kernel
def take_report(fleet: Any, report: Any) -> int:
    """Bring the twin up to the report; return the reason to refuse it, or 0.

    A report that is not newer than the last one, by the device's own count, was doubled or
    overtaken on its way: it is counted and changes nothing.
    """
    fault = link_fault(fleet, report)
    if fault:
        return fault
    asset, twin = fleet.assets[report.asset_id], fleet.twins[report.asset_id]
    if report.device_number <= twin.device_number:
        fleet.dropped_count += 1
        return 0
    fault = value_fault(fleet, asset, report)
    if fault == 0:
        fault = meter_fault(asset, twin, report)
    if fault:
        twin.contradictions = min(int(twin.contradictions) + 1, CONTRADICTIONS_MAX)
        return fault
    if twin.measured_ns != NEVER:
        learn(fleet, report)
        meter(fleet, report, twin)
    remember(twin, report)
    return 0


@kernel
def remember(twin: Any, report: Any) -> None:
    """Write what was reported; a link that is new has missed set-points, so they go out again."""
    twin.measured_ns = report.measured_ns
    twin.device_number = report.device_number
    twin.charged_wh = report.charged_wh
    twin.discharged_wh = report.discharged_wh
    twin.energy_wh = report.energy_wh
    twin.power_w = report.power_w
    twin.contradictions = 0
    if twin.link_session_id != report.session_id:
        twin.link_session_id = report.session_id
        twin.issued_until_s = 0
