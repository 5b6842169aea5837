"""An operator's look at a fleet, live or stopped: what the engine's state says, as rows.

The state is the newest snapshot's with the journal's later commands applied, in this process: the
node is not asked and not held up.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.engine import Machine
from ringmain.core.errors import RingmainError
from ringmain.core.page import NodePage
from ringmain.core.replay import ReplayReport, replay
from ringmain.core.shared import is_alive
from ringmain.core.tape import TapeReader
from ringmain.vpp.engine import MARKET
from ringmain.vpp.kernels import estimates, measuring, ranges
from ringmain.vpp.kernels.periods import plan_power_w
from ringmain.vpp.kernels.reserve import activated_wh
from ringmain.vpp.loop_messages import AS_FLEET, SUBMIT_MODES
from ringmain.vpp.messages import BATTERY, CHARGER, HEAT_STORE, LOAD, QUALITIES, SCHEMA, SOLAR
from ringmain.vpp.reserve_messages import SERVICES
from ringmain.vpp.state import ABSENT, ACTIVE, METER_PERIODS, PERIOD_NS, PERIODS, PRODUCTS, SECOND_NS
from ringmain.vpp.views import DeskView

LOOKS_AGAIN, LOOK_AGAIN_S = 5, 0.05
Rows = list[dict[str, Any]]

KIND_NAMES = {
    BATTERY: "battery", SOLAR: "solar", CHARGER: "charger", HEAT_STORE: "heat_store", LOAD: "load",
}  # fmt: skip
SERVICE_NAMES = {code: name.lower() for name, code in SERVICES.items()}
MODE_NAMES = {code: "" if code == AS_FLEET else name for name, code in SUBMIT_MODES.items()}
QUALITY_NAMES = {code: name for name, code in QUALITIES.items()}


@dataclass(frozen=True)
class Fleet:
    """The engine's state after the command `sequence`, at the logical time `time_ns`."""

    state: Any
    sequence: int
    time_ns: int


def look(market_folder: Path) -> Fleet:
    """Read a fleet's folder; the node may be running.

    Raises
    ------
    RingmainError
        RM770 if no fleet has run there; RM104, RM108 and RM110 as a replay.
    """
    check_folder(market_folder)
    machine, report = _replayed(market_folder)
    return Fleet(machine.state[0], report.sequence, report.time_ns)


def view_of(market_folder: Path) -> DeskView:
    """Fold a fleet's whole tape; RM770 if no fleet has run there."""
    view = DeskView()
    fold_tape(market_folder, view.fold)
    return view


def fold_tape(market_folder: Path, fold: Callable[[Any], None]) -> None:
    """Give a fold a fleet's whole tape; RM770 if no fleet has run there."""
    check_folder(market_folder)
    tape = TapeReader(market_folder, SCHEMA)
    tape.position = tape.first()
    while (events := tape.read()).size:
        fold(events)


def check_folder(folder: Path) -> None:
    """Refuse a folder in which no fleet has run; RM770."""
    if not (folder / "page").exists():
        raise RingmainError("RM770", "vpp", f"{folder} holds no fleet", "Give the data folder with --data")


def _replayed(market_folder: Path) -> tuple[Machine, ReplayReport]:
    """Replay a journal that may be written meanwhile: a batch seen half written is whole a moment later."""
    page = NodePage(market_folder / "page")
    for _ in range(LOOKS_AGAIN):
        try:
            return replay(market_folder, MARKET, from_start=False)
        except RingmainError as error:
            if error.code != "RM104" or not is_alive(page.get("node")):
                raise
        time.sleep(LOOK_AGAIN_S)
    return replay(market_folder, MARKET, from_start=False)


def assets(fleet: Fleet, kind: str | None = None, node_id: int | None = None) -> Rows:
    """Return every asset that was ever registered, with what its twin knows."""
    return [
        row
        for asset_id in range(1, int(fleet.state.asset_end))
        if fleet.state.assets[asset_id].status != ABSENT
        and (row := asset(fleet, asset_id))
        and kind in (None, row["kind"])
        and node_id in (None, row["node_id"])
    ]


def asset(fleet: Fleet, asset_id: int) -> dict[str, Any]:
    """Return an asset's limits and the gist of its twin."""
    own, twin = fleet.state.assets[asset_id], fleet.state.twins[asset_id]
    return {
        "asset_id": asset_id,
        "kind": KIND_NAMES.get(int(own.kind), str(own.kind)),
        "status": "active" if own.status == ACTIVE else "retired",
        "node_id": int(own.node_id),
        "import_limit_w": int(own.import_limit_w),
        "export_limit_w": int(own.export_limit_w),
        "energy_capacity_wh": int(own.energy_capacity_wh),
        "quality": QUALITY_NAMES[int(estimates.quality(fleet.state, twin, fleet.time_ns))],
        "power_w": int(estimates.estimated_power_w(fleet.state, asset_id, fleet.time_ns)),
        "energy_wh": int(estimates.stored_wh(own, twin, fleet.time_ns)),
        "desired_power_w": int(twin.desired_power_w),
    }


def twin(fleet: Fleet, asset_id: int) -> dict[str, Any]:
    """Return all that is known of an asset; RM771 if there is none of that id."""
    state, now_ns = fleet.state, fleet.time_ns
    if not 0 < asset_id < state.assets.size or state.assets[asset_id].status == ABSENT:
        raise RingmainError("RM771", "vpp", f"there is no asset {asset_id}", 'See "ringmain vpp assets"')
    own, kept = state.assets[asset_id], state.twins[asset_id]
    low_w, high_w = ranges.power_range_w(state, asset_id, now_ns)
    variance_w2 = int(estimates.variance_w2(state, asset_id, now_ns))
    return asset(fleet, asset_id) | {
        "reserve_wh": int(own.reserve_wh),
        "charge_efficiency": int(own.charge_efficiency_permille) / 1_000,
        "discharge_efficiency": int(own.discharge_efficiency_permille) / 1_000,
        "self_discharge_ppm_per_hour": int(own.self_discharge_ppm),
        "wear_eur_mwh": int(own.wear_price_ticks) / 100,
        "car_departs_ns": int(own.departs_s) * SECOND_NS,
        "car_required_wh": int(own.required_wh),
        "link_account_id": int(own.link_account_id),
        "reported_power_w": int(kept.power_w),
        "reported_energy_wh": int(kept.energy_wh),
        "measured_ns": int(kept.measured_ns),
        "device_number": int(kept.device_number),
        "charged_wh": int(kept.charged_wh),
        "discharged_wh": int(kept.discharged_wh),
        "deviation_w": round(variance_w2**0.5),
        "range_low_w": int(low_w),
        "range_high_w": int(high_w),
        "issued_power_w": int(kept.issued_power_w),
        "lease_until_ns": int(kept.issued_until_s) * SECOND_NS,
        "planned_power_w": int(plan_power_w(state, asset_id, now_ns // PERIOD_NS)),
        "contradictions": int(kept.contradictions),
        "settled_next_wh": _metered_wh(state, asset_id),
    }


def _metered_wh(state: Any, asset_id: int) -> int:
    """Return the net energy that meters have shown and nothing was paid for yet."""
    cells = state.meters[asset_id]
    assert len(cells) == METER_PERIODS
    return int(sum(int(cell["discharged_wh"]) - int(cell["charged_wh"]) for cell in cells))


def nodes(fleet: Fleet, parent_id: int | None = None, sites: bool = False) -> Rows:
    """Return the fleet and its nodes as last measured: those above the sites, or below one node, or all."""
    table, now_ns = fleet.state.nodes, fleet.time_ns
    chosen = [0] if parent_id is None else []
    for node_id in range(1, int(fleet.state.node_end)):
        node = table[node_id]
        is_below = parent_id is not None and int(node.parent_id) == parent_id
        if node.status == ACTIVE and (is_below or (parent_id is None and (sites or node.site_id == 0))):
            chosen.append(node_id)
    return [
        {
            "node_id": node_id,
            "parent_id": int(table[node_id].parent_id),
            "role": "fleet" if node_id == 0 else "site" if table[node_id].site_id == node_id
            else "feeder" if table[node_id].site_id == 0 else "within a site",
            "power_w": int(table[node_id].power_w),
            "deviation_w": int(measuring.deviation_w(table[node_id])),
            "energy_wh": int(table[node_id].energy_wh),
            "headroom_up_w": int(table[node_id].high_w) - int(table[node_id].power_w),
            "headroom_down_w": int(table[node_id].power_w) - int(table[node_id].low_w),
            "asset_count": int(table[node_id].asset_count),
            "coverage": _share(int(table[node_id].heard_count), int(table[node_id].asset_count)),
            "oldest_age_s": int(measuring.age_s(table[node_id], now_ns)),
            "import_limit_w": int(table[node_id].import_limit_w if node_id else fleet.state.import_limit_w),
            "export_limit_w": int(table[node_id].export_limit_w if node_id else fleet.state.export_limit_w),
            "submit_mode": MODE_NAMES.get(int(table[node_id].submit_mode), ""),
        }
        for node_id in chosen
    ]  # fmt: skip


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def plans(fleet: Fleet, asset_id: int | None = None) -> Rows:
    """Return what is planned, owed and foretold, from the present quarter-hour on, as far as any is known."""
    state, first = fleet.state, fleet.time_ns // PERIOD_NS
    width = state.plans.shape[1]
    last = int(state.next_period) + width
    rows = []
    for period in range(first, last):
        cell = state.periods[period % state.periods.size]
        planned = state.plans[:, period % width].astype(np.int64)
        planned_w = int(plan_power_w(state, asset_id, period)) if asset_id else int(planned.sum()) * 4
        rows.append({
            "period_start_ns": period * PERIOD_NS,
            "planned_w": planned_w,
            "committed_w": int(cell["committed_power_w"]),
            "baseline_w": int(cell["baseline_w"]),
            "reserve_up_w": int(cell["reserve_up_w"]),
            "reserve_down_w": int(cell["reserve_down_w"]),
            "price_eur_mwh": int(cell["reference_ticks"]) / 100 if cell["has_reference"] else None,
        })  # fmt: skip
    told = ("planned_w", "committed_w", "baseline_w", "reserve_up_w", "reserve_down_w")
    while rows and not any(rows[-1][name] for name in told):
        rows.pop()
    return rows


def reserves(fleet: Fleet) -> Rows:
    """Return the quarter-hours that are not settled and hold reserve, or have it offered.

    What is activated is told up to the engine's last tick or activation.
    """
    first, rows = int(fleet.state.next_period), []
    for period in range(first, first + PERIODS):
        cell = fleet.state.periods[period % PERIODS]
        if any(int(cell[f"{what}_{way}_w"]) for what in ("reserve", "offered") for way in ("up", "down")):
            rows.append({
                "period_start_ns": period * PERIOD_NS,
                "up_mw": int(cell["reserve_up_w"]) / 1e6,
                "down_mw": int(cell["reserve_down_w"]) / 1e6,
                "offered_up_mw": int(cell["offered_up_w"]) / 1e6,
                "offered_down_mw": int(cell["offered_down_w"]) / 1e6,
                "activated_kwh": int(activated_wh(cell)) / 1e3,
                "short_up_mw": int(cell["short_up_w"]) / 1e6,
                "short_down_mw": int(cell["short_down_w"]) / 1e6,
                "availability_eur": int(cell["availability_minor"]) / 1e6,
                "settled": False,
            })  # fmt: skip
    return rows


def activations(fleet: Fleet) -> Rows:
    """Return the products of reserve that are called on now, or will be."""
    rows = []
    for running in fleet.state.activations:
        if running.product_id and running.until_ns > fleet.time_ns:
            product = fleet.state.products[int(running.product_id) % PRODUCTS]
            rows.append({
                "product_id": int(running.product_id),
                "service": SERVICE_NAMES[int(product.service)],
                "power_mw": int(running.power_w) / 1e6,
                "awarded_mw": int(product.awarded_lots) * int(product.lot_power_w) / 1e6,
                "begins_ns": max(int(running.accrued_ns), int(product.first_period) * PERIOD_NS),
                "until_ns": int(running.until_ns),
            })  # fmt: skip
    return rows
