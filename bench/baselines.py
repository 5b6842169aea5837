"""Baselines of simulated homes: by the forecasts of their feeders, and by each home's own profile.

The same street lives the same days twice, once with each: minute by minute through the engine, with the
desk's own code and its own refresh. The first days, in which there is little to learn from, are not counted.
Heat stores: by how much the foretold level of all is off some hours later, when they are taken to be drained
as they are at that hour of the day, and when evenly.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.figures import Row, row
from bench.home_street import BEGIN_NS, Street, in_folder, is_quarter
from ringmain.vpp.advice.desk import DeskTimes
from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS
from ringmain.vpp.advice.home_forecast import HomeForecast
from ringmain.vpp.advice.homes import BASELINE_PERIODS, baselines, foretold_w
from ringmain.vpp.messages import HEAT_STORE, LOAD, SCHEMA, SOLAR
from ringmain.vpp.state import PERIOD_NS
from ringmain.vpp.views import DeskView

HOMES, SEED, DAYS = 40, 11, 13
LEFT_OUT_DAYS = 9
TIMES = DeskTimes()
AHEAD_HOURS = 6
NODES = {"all roofs": SOLAR, "all loads": LOAD}


@dataclass
class Desk:
    """Says baselines when the desk does, and keeps what it foretold of each quarter-hour last."""

    forecast: HomeForecast | None
    said_w: dict[int, Any] = field(default_factory=dict)

    def act(self, view: DeskView, now_ns: int) -> Any:
        """Return the commands that are due."""
        if self.forecast is not None:
            self.forecast.step(view.homes, view.nodes, {}, now_ns)
        if now_ns % TIMES.intraday_every_ns != TIMES.intraday_offset_ns:
            return SCHEMA.empty(0)
        ids, periods = view.homes.of(LOAD, SOLAR), np.arange(1, BASELINE_PERIODS + 1) + now_ns // PERIOD_NS
        said = foretold_w(view.homes, ids, periods, self.forecast)
        self.said_w |= dict(zip(periods.tolist(), said.T, strict=True))
        return baselines(view.homes, now_ns, self.forecast)


def live(days: int, forecast: HomeForecast | None) -> dict[str, float]:
    """Live some days, and return how far baselines and fleet were off in the mean, W."""
    return dict(in_folder(lambda folder: _lived(days, Desk(forecast), folder)))


def _lived(days: int, desk: Desk, folder: Any) -> dict[str, float]:
    street = Street(HOMES, SEED, desk.act, folder)
    ids = street.view.homes.of(LOAD, SOLAR)
    places = np.searchsorted(np.sort(street.devices.asset_id), ids)
    order = np.argsort(street.devices.asset_id)[places]
    meters: dict[int, Any] = {}
    heat = _Heat(street)
    for _ in range(days * 1_440):
        street.minute()
        heat.look()
        if is_quarter(street.now_ns):
            devices = street.devices.devices
            meters[street.now_ns // PERIOD_NS] = (devices.discharged_wh - devices.charged_wh)[order]
    first = (BEGIN_NS + LEFT_OUT_DAYS * DAY_NS) // PERIOD_NS
    periods = [p for p in sorted(desk.said_w) if p >= first and p in meters and p + 1 in meters]
    actual = np.array([4 * (meters[p + 1] - meters[p]) for p in periods])
    off = np.array([desk.said_w[p] for p in periods]) - actual
    kinds = street.view.homes.kind[ids]
    _, site = np.unique(street.view.homes.node_id[ids], return_inverse=True)
    sites = np.zeros((int(site.max()) + 1, len(periods)))
    np.add.at(sites, site, off.T)
    settled = [s for s in street.view.settlement.statements if s.period_start_ns // PERIOD_NS >= first]
    moved = street.batteries.devices
    found = {"a site": float(np.abs(sites).mean()), "the street": float(np.abs(off.sum(axis=1)).mean())}
    found |= {name: float(np.abs(off[:, kinds == kind].sum(axis=1)).mean()) for name, kind in NODES.items()}
    ran = np.array([s.metered_wh - s.committed_wh for s in settled]) - _baselines_wh(street.view, settled)
    found["deviation"] = 4 * float(np.abs(ran).mean())
    found["moved"] = float((moved.charged_wh + moved.discharged_wh).sum()) / days / 1_000
    return found | heat.off_wh()


class _Heat:
    """What heat stores were drained of, hour by hour, and what had been foretold of it."""

    def __init__(self, street: Street) -> None:
        self._street, self._ids = street, street.view.homes.of(HEAT_STORE)
        self._begun_wh: dict[int, float] = {}  # by hour: all that was drawn less what is stored
        self._foretold_wh: dict[int, tuple[float, float]] = {}

    def look(self) -> None:
        """Take stock when an hour begins."""
        if self._street.now_ns % HOUR_NS:
            return
        hour, homes = self._street.now_ns // HOUR_NS, self._street.view.homes
        own = self._street.devices.devices[self._street.devices.heat]
        self._begun_wh[hour] = float((own["charged_wh"] - own["energy_wh"]).sum())
        ahead = hour + np.arange(AHEAD_HOURS)
        by_hour = float(homes.heat_demand_w(self._ids, ahead).sum())
        self._foretold_wh[hour] = by_hour, float(homes.even_heat_w(self._ids).sum()) * AHEAD_HOURS

    def off_wh(self) -> dict[str, float]:
        """Return by how much the two were off in the mean, a store."""
        first = BEGIN_NS // HOUR_NS + LEFT_OUT_DAYS * 24
        hours = [h for h in self._begun_wh if h >= first and h + AHEAD_HOURS in self._begun_wh]
        actual = np.array([self._begun_wh[h + AHEAD_HOURS] - self._begun_wh[h] for h in hours])
        off = np.abs(np.array([self._foretold_wh[h] for h in hours]) - actual[:, None]).mean(axis=0)
        return dict(zip(("heat by hour", "heat evenly"), (off / self._ids.size).tolist(), strict=True))


def _baselines_wh(view: DeskView, settled: Any) -> Any:
    return np.array([view.baselines.power_w.get(s.period_start_ns // PERIOD_NS, 0) / 4 for s in settled])


def run(scale: float = 1.0) -> list[Row]:
    """Live the days twice."""
    days = max(LEFT_OUT_DAYS + 1, round(DAYS * scale))
    ours, profiles = live(days, HomeForecast()), live(days, None)
    names = {
        "a site": "baseline of a site, MAE", "the street": f"baselines of {HOMES} homes together, MAE",
        "all loads": "of their loads", "all roofs": "of their roofs",
    }  # fmt: skip
    rows = [
        row(f"homes, {text}, forecast", [ours[name]], "W", "profiles", [profiles[name]])
        for name, text in names.items()
    ]
    rows += [
        row("homes, deviation of the run in a quarter-hour, mean, forecast", [ours["deviation"]], "W",
            "profiles", [profiles["deviation"]]),
        row(f"homes, level of a heat store {AHEAD_HOURS} h ahead, MAE, by hour of day",
            [ours["heat by hour"]], "Wh", "evenly", [ours["heat evenly"]]),
        row("homes, what batteries move for it, forecast", [ours["moved"]], "kWh/day", "profiles",
            [profiles["moved"]]),
    ]  # fmt: skip
    return rows
