"""What batteries have stored that were not heard of for long: they go by their plans, without being told to.

A device that hears nobody plans by the prices that it was sent, as the desk does
(:mod:`ringmain.client.devices.local_plan`), so its last report is carried on through its standing plan. Were
it taken to hold what it last reported, the next plan would ask again for what it has done already.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.vpp.advice.projection import drained_wh, project, range_w
from ringmain.vpp.kernels.units import clamp, energy_wh
from ringmain.vpp.messages import SILENT
from ringmain.vpp.state import PERIOD_NS, PLAN_PERIODS, SILENT_AFTER_NS
from ringmain.vpp.views import DeskView, reserve_wh

PERIODS_CARRIED = PLAN_PERIODS // 2  # the ring of plans has the ones ahead too
PERMILLE = 1_000


def stored_when(view: DeskView, fleet: Any, start_ns: int, now_ns: int, is_asked: bool = True) -> Any:
    """Return what batteries will have stored: int64 array of shape (n,).

    Who is heard of is walked on from the last census as dispatch does it, which asks them for what the others
    leave of what is owed; who is silent, from its last report through its own plan.

    Parameters
    ----------
    fleet : recarray of shape (n,), ASSET
    start_ns : int
        The begin of a quarter-hour to come.
    is_asked : bool
        Whether dispatch asks them for anything; else who is heard of keeps what it has.
    """
    twins = view.assets.twins[fleet.asset_id]
    stored_wh = twins.energy_wh.copy()
    census, start = now_ns // PERIOD_NS, start_ns // PERIOD_NS
    is_silent = (twins.quality == SILENT) & (twins.measured_ns > 0)
    periods, alone_w = np.arange(census, start), 0
    if is_silent.any():
        since_ns = np.maximum(
            twins.measured_ns[is_silent] + SILENT_AFTER_NS, (census - PERIODS_CARRIED) * PERIOD_NS
        )
        silent = fleet[is_silent]
        stored_wh[is_silent], run_w = carried_on(view, silent, stored_wh[is_silent], since_ns, start)
        alone_w = run_w[:, max(0, run_w.shape[1] - periods.size) :].sum(axis=0)
    if not is_asked:
        return stored_wh
    heard = fleet[~is_silent]
    planned_w = view.plans.power_w(heard.asset_id, periods)
    stored_wh[~is_silent], _ = project(view, heard, periods, planned_w, stored_wh[~is_silent], alone_w)
    return stored_wh


def carried_on(view: DeskView, fleet: Any, stored_wh: Any, since_ns: Any, end: int) -> tuple[Any, Any]:
    """Run batteries by their standing plans, each from a time of its own to the begin of the period `end`.

    Returns
    -------
    stored_wh : int64 array of shape (n,)
    power_w : int64 array of shape (n, n_periods)
        What they ran at in the periods up to `end`, in the mean of each.
    """
    periods = np.arange(int(since_ns.min()) // PERIOD_NS, end)
    planned_w = view.plans.power_w(fleet.asset_id, periods)
    left_ns = np.clip((periods + 1) * PERIOD_NS - since_ns[:, None], 0, PERIOD_NS)
    power_w, stored_wh = planned_w * (left_ns * PERMILLE // PERIOD_NS) // PERMILLE, stored_wh.copy()
    carry_on(fleet, reserve_wh(fleet), power_w, stored_wh)
    return stored_wh, power_w


@kernel
def carry_on(fleet: Any, reserves_wh: Any, power_w: Any, stored_wh: Any) -> None:
    """Bring `stored_wh` on through some quarter-hours, and cut each power to what its store can do."""
    for i in range(fleet.size):
        for k in range(power_w.shape[1]):
            low, high = range_w(fleet[i], reserves_wh[i], stored_wh[i])
            power_w[i, k] = clamp(power_w[i, k], low, high)
            left_wh = stored_wh[i] - drained_wh(fleet[i], energy_wh(power_w[i, k], PERIOD_NS))
            stored_wh[i] = clamp(left_wh, 0, fleet[i].energy_capacity_wh)
