"""Five real homes in one year, as they would have come to know it: each value versioned by when it was known.

The data are those of the CityLearn challenge 2022, phase 1 (hourly load, solar, weather, tariff, carbon).
Meters and measurements are known when their hour ends; the forecasts of weather and tariff when their row's
hour ends.
"""

import csv
import json
import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.vpp.advice.forecast import HOUR_NS
from ringmain.vpp.advice.known import Known
from ringmain.vpp.advice.metered import INTENSITY, LOAD, SOLAR, Metered

HOMES = 5
BEGIN_NS = (
    1_470_006_000 * 10**9
)  # Sunday 31 July, 23:00: the first row is hour 24 of a Sunday, then comes August
AHEAD = {"predicted_1": 6, "predicted_2": 12, "predicted_3": 24}  # hours
WEATHER = (
    "outdoor_dry_bulb_temperature",
)  # its irradiance is of another year than the roofs: correlation 0.08


@dataclass(frozen=True)
class HomeYear:
    """A year of homes: what was known when, and the truth for whoever keeps the score.

    Parameters
    ----------
    loads, roofs : lists of Metered, one for each home
    carbon : Metered
    weather : dict of str to Known
    tariff : Known
    load_kwh, solar_kwh : float64 arrays of shape (HOMES, n_hours)
    price, carbon_kg : float64 arrays of shape (n_hours,)
        Of a kWh.
    capacity_kwh, nominal_kw : float64 arrays of shape (HOMES,)
        Of the batteries.
    """

    loads: list[Metered]
    roofs: list[Metered]
    carbon: Metered
    weather: dict[str, Known]
    tariff: Known
    load_kwh: Any
    solar_kwh: Any
    price: Any
    carbon_kg: Any
    capacity_kwh: Any
    nominal_kw: Any

    @property
    def net_kwh(self) -> Any:
        """Return what the homes would draw without a battery, array of shape (HOMES, n_hours)."""
        return self.load_kwh - self.solar_kwh

    @property
    def hour_ns(self) -> Any:
        """Return the starts of the hours."""
        return BEGIN_NS + np.arange(self.price.size) * HOUR_NS


def folder() -> Path | None:
    """Find the homes' data: in RINGMAIN_DATA, or in shared/data beside the checkout or above it."""
    named = os.environ.get("RINGMAIN_DATA")
    roots = [Path(named)] if named else [up / "shared" / "data" for up in Path(__file__).resolve().parents]
    return next((root / "homes" for root in roots if (root / "homes" / "home_1.csv").is_file()), None)


def read(hours: int = 8_760, data: Path | None = None) -> HomeYear:
    """Read the first hours of the year.

    Raises
    ------
    RingmainError
        RM417 when the data are not there.
    """
    data = data or folder()
    if data is None:
        raise RingmainError(
            "RM417",
            "bench",
            "the data of the homes are not there",
            "Set RINGMAIN_DATA to the folder with homes/",
        )
    schema = json.loads((data / "schema.json").read_text("utf-8"))["buildings"]
    homes = [schema[f"Building_{number}"] for number in range(1, HOMES + 1)]
    tables = [_columns(data / f"home_{number}.csv", hours) for number in range(1, HOMES + 1)]
    peak_kw = np.array([home["pv"]["attributes"]["nominal_power"] for home in homes])
    load_kwh = np.stack([table["non_shiftable_load"] for table in tables])
    solar_kwh = np.stack([table["solar_generation"] for table in tables]) * peak_kw[:, None] / 1_000
    weather, pricing = _columns(data / "weather.csv", hours), _columns(data / "pricing.csv", hours)
    carbon_kg = _columns(data / "carbon_intensity.csv", hours)["carbon_intensity"]
    batteries = [home["electrical_storage"]["attributes"] for home in homes]
    return HomeYear(
        [Metered(LOAD, _metered(kwh)) for kwh in load_kwh],
        [Metered(SOLAR, _metered(kwh), float(peak)) for kwh, peak in zip(solar_kwh, peak_kw, strict=True)],
        Metered(INTENSITY, _metered(carbon_kg)), {name: _foretold(weather, name) for name in WEATHER},
        _foretold(pricing, "electricity_pricing"),
        load_kwh, solar_kwh, pricing["electricity_pricing"], carbon_kg,
        np.array([battery["capacity"] for battery in batteries]),
        np.array([battery["nominal_power"] for battery in batteries]),
    )  # fmt: skip


def _metered(values: Any) -> Known:
    series, start_ns = Known(), BEGIN_NS + np.arange(len(values)) * HOUR_NS
    series.add(start_ns, values, start_ns + HOUR_NS)
    return series


def _foretold(table: dict[str, Any], name: str) -> Known:
    """Put the forecasts of a column, and what was measured in the end, into one series."""
    series = _metered(table[name])
    row_ns = BEGIN_NS + np.arange(table[name].size) * HOUR_NS
    for suffix, hours in AHEAD.items():
        series.add(row_ns + hours * HOUR_NS, table[f"{name}_{suffix}"], row_ns + HOUR_NS)
    return series


def _columns(path: Path, hours: int) -> dict[str, Any]:
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = islice(csv.reader(file), hours + 1)
    table = np.array([[float(cell or "nan") for cell in row] for row in rows])
    return dict(zip(names, table.T, strict=True))
