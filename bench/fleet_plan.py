"""The fleet's plan under one shared limit: seeded stores that all differ, planned to a gap of 1e-4.

The peer is one linear programme for the whole fleet, given to HiGHS as it stands: two columns and a stored
energy for each store and period, by its simplex method. It is run on a thousand
stores: at ten thousand it takes a minute. PyPSA builds the same programme, and is measured where it
is installed.
"""

import time
from collections.abc import Callable
from typing import Any

import highspy
import numpy as np

from bench.figures import Row, row
from ringmain.core.solver import new_solver
from ringmain.vpp.advice.fleet_optimum import Fleet, optimise
from ringmain.vpp.advice.store import STORE_LIMITS, StorePlanner

RUNS = 5
SHARE = 0.35  # of all power that may flow at once
SHAPES = ((1_000, 24, True), (10_000, 24, False), (100_000, 24, False), (10_000, 96, False))
DAYS_PLANNED = 2_000


def run(scale: float = 1.0) -> list[Row]:
    """Measure fleets of ``scale`` times the size."""
    rows = [row("plan, one store x 24 h", [store_microseconds() for _ in range(RUNS)], "µs")]
    for size, n_periods, has_peer in SHAPES:
        n = max(100, round(size * scale))
        seconds, gaps, peer_seconds = [], [], []
        for seed in range(RUNS):
            fleet, prices = seeded_fleet(seed, n, n_periods)
            if not seed:
                optimise(fleet, prices)  # compiled by now
            began = time.perf_counter()
            found = optimise(fleet, prices)
            seconds.append(time.perf_counter() - began)
            gaps.append(found.gap)
            assert not found.missed
            if has_peer and seed < 3:
                peer_seconds.append(timed(monolith, fleet, prices))
        name = f"plan, {n:,} stores x {n_periods} periods"
        rows.append(
            row(f"{name}, time", seconds, "s", "HiGHS, one programme" if has_peer else "", peer_seconds)
        )
        rows.append(row(f"{name}, certified gap", gaps, ""))
        if has_peer and (seconds := pypsa_seconds(fleet, prices)) is not None:
            rows.append(row(f"{name}, time, beside PyPSA", [rows[-2]["value"]], "s", "PyPSA", [seconds]))
    return rows


def seeded_fleet(seed: int, n: int, n_periods: int) -> tuple[Fleet, Any]:
    """Return stores of 2 to 12 kW and one to four hours, no two alike, and a day of prices with two peaks."""
    dice = np.random.default_rng(seed)
    hours = 24 / n_periods
    stores = np.zeros(n, STORE_LIMITS).view(np.recarray)
    power_w = dice.uniform(2_000, 12_000, n)
    stores.capacity_wh = power_w * dice.uniform(1, 4, n)
    stores.charge_efficiency, stores.discharge_efficiency = dice.uniform(0.9, 0.98, (2, n))
    stores.charge_wh = power_w * hours * stores.charge_efficiency
    stores.discharge_wh = power_w * hours / stores.discharge_efficiency
    stores.wear_ticks, stores.end_value_ticks = dice.uniform(100, 800, n), 2_000
    limit = np.full((1, n_periods), SHARE * (stores.discharge_wh * stores.discharge_efficiency).sum())
    stored_wh = stores.capacity_wh * dice.uniform(0, 1, n)
    wave = 4_000 + 1_500 * np.sin(np.arange(n_periods) / n_periods * 4 * np.pi)
    prices = wave + dice.normal(0, 300, n_periods)
    return Fleet(stores, stored_wh, np.zeros(n, np.int64), np.array([-1]), limit, limit), prices


def store_microseconds() -> float:
    """Return how long one store's day takes, called from Python."""
    fleet, prices = seeded_fleet(0, 1, 24)
    planner = StorePlanner(fleet.stores, 24)
    planner.plan(prices, 0.0)
    began = time.perf_counter()
    for _ in range(DAYS_PLANNED):
        planner.plan(prices, 0.0)
    return (time.perf_counter() - began) / DAYS_PLANNED * 1e6


def timed(solve: Callable[[Fleet, Any], Any], fleet: Fleet, prices: Any) -> float:
    """Return how many seconds a call takes."""
    began = time.perf_counter()
    solve(fleet, prices)
    return time.perf_counter() - began


def monolith(fleet: Fleet, prices: Any) -> float:
    """Solve one programme for all stores; return the worth of the best plan."""
    stores, n, n_periods = fleet.stores, len(fleet.stores), len(prices)
    solver = new_solver()
    model = highspy.HighsLp()
    # columns, period by period for each store: taken into it, given from it (in the store), and what it holds
    shape = (n, n_periods, 3)
    cost, upper = np.zeros(shape), np.zeros(shape)
    cost[:, :, 0] = prices / stores.charge_efficiency[:, None]
    cost[:, :, 1] = (stores.wear_ticks[:, None] - prices) * stores.discharge_efficiency[:, None]
    cost[:, -1, 2] = -stores.end_value_ticks
    upper[:, :, 0], upper[:, :, 1] = stores.charge_wh[:, None], stores.discharge_wh[:, None]
    upper[:, :, 2] = stores.capacity_wh[:, None]
    column = np.arange(cost.size).reshape(shape)
    balance, shared = np.arange(n * n_periods).reshape(n, n_periods), n * n_periods
    parts = [  # (rows, columns, values)
        (balance, column[:, :, 0], -np.ones((n, n_periods))),
        (balance, column[:, :, 1], np.ones((n, n_periods))),
        (balance, column[:, :, 2], np.ones((n, n_periods))),
        (balance[:, 1:], column[:, :-1, 2], -np.ones((n, n_periods - 1))),
        (np.broadcast_to(shared + np.arange(n_periods), (n, n_periods)), column[:, :, 1],
         np.repeat(stores.discharge_efficiency[:, None], n_periods, axis=1)),
        (np.broadcast_to(shared + np.arange(n_periods), (n, n_periods)), column[:, :, 0],
         np.repeat(-1 / stores.charge_efficiency[:, None], n_periods, axis=1)),
    ]  # fmt: skip
    rows, columns, values = (np.concatenate([np.ravel(part[k]) for part in parts]) for k in range(3))
    order = np.lexsort((rows, columns))
    model.num_col_, model.num_row_ = cost.size, shared + n_periods
    model.col_cost_, model.col_lower_, model.col_upper_ = cost.ravel(), np.zeros(cost.size), upper.ravel()
    held = np.zeros((n, n_periods))
    held[:, 0] = fleet.stored_wh
    model.row_lower_ = np.append(held.ravel(), -fleet.take_wh[0])
    model.row_upper_ = np.append(held.ravel(), fleet.give_wh[0])
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = np.searchsorted(columns[order], np.arange(cost.size + 1)).astype(np.int32)
    model.a_matrix_.index_, model.a_matrix_.value_ = rows[order].astype(np.int32), values[order]
    assert solver.passModel(model) == highspy.HighsStatus.kOk
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal, solver.getModelStatus()
    base = float((fleet.stored_wh * stores.end_value_ticks).sum())
    return -solver.getInfo().objective_function_value - base


def pypsa_seconds(fleet: Fleet, prices: Any) -> float | None:
    """Return how long PyPSA takes to build and solve the same, or None where it is not installed."""
    try:
        import pypsa
    except ImportError:
        return None
    began = time.perf_counter()
    network, n = pypsa.Network(), len(fleet.stores)
    network.set_snapshots(range(len(prices)))
    network.add("Bus", ["fleet", "market"])
    stores, names = fleet.stores, [f"store {i}" for i in range(n)]
    network.add(
        "StorageUnit", names, bus="fleet", p_nom=stores.discharge_wh * stores.discharge_efficiency,
        max_hours=stores.capacity_wh / (stores.discharge_wh * stores.discharge_efficiency),
        efficiency_store=stores.charge_efficiency, efficiency_dispatch=stores.discharge_efficiency,
        marginal_cost=stores.wear_ticks, state_of_charge_initial=fleet.stored_wh,
    )  # fmt: skip
    limit = float(fleet.give_wh[0, 0])
    network.add("Link", "shared", bus0="fleet", bus1="market", p_nom=limit, p_min_pu=-1)
    network.add("Generator", "purchases", bus="market", p_nom=1e12, p_min_pu=-1, marginal_cost=list(prices))
    network.optimize(solver_name="highs", log_to_console=False)
    return time.perf_counter() - began
