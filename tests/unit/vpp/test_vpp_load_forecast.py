"""Forecasts of loads and roofs on a made fleet: causal, repeatable, ordered, and better than the mean."""

from typing import Any

import numpy as np
import pytest

from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, HOURS
from ringmain.vpp.advice.known import Known
from ringmain.vpp.advice.load_forecast import (
    BOTH,
    GLOBAL,
    LOCAL,
    NAIVE,
    FleetForecast,
    backtest,
    best_of,
    pinball,
)
from ringmain.vpp.advice.local_model import QUANTILES, LocalModel, lead_group
from ringmain.vpp.advice.metered import LOAD, SOLAR, Metered, features

DAYS, LEADS = 24, np.arange(26)
BEGIN_NS = 16_000 * DAY_NS
Floats = np.ndarray[Any, np.dtype[np.float64]]


def made_load(seed: int, days: int = DAYS) -> Floats:
    """A daily course, and a deviation that fades: the next hour can be told from the last."""
    dice, off = np.random.default_rng(seed), 0.0
    values = np.zeros(days * HOURS)
    for hour in range(values.size):
        off = 0.85 * off + dice.normal(0, 0.25)
        values[hour] = max(0.05, 1.2 + 0.6 * np.sin(2 * np.pi * hour / HOURS) + off)
    return values


def metered(values: Floats, kind: str = LOAD, peak_kw: float = 0.0, late_ns: int = HOUR_NS) -> Metered:
    series, start_ns = Known(), BEGIN_NS + np.arange(values.size) * HOUR_NS
    series.add(start_ns, values, start_ns + late_ns)
    return Metered(kind, series, peak_kw)


def origins(days: int = DAYS) -> Any:
    return BEGIN_NS + np.arange(1, days * HOURS) * HOUR_NS


@pytest.fixture(scope="module")
def walked() -> tuple[FleetForecast, Any, list[Floats]]:
    loads = [made_load(seed) for seed in (1, 2)]
    forecast = FleetForecast([metered(load) for load in loads], {}, LEADS)
    return forecast, backtest(forecast, origins()), loads


def test_models_beat_the_mean_where_there_is_something_to_learn(walked: Any) -> None:
    forecast, _, loads = walked
    said = forecast.said()
    for home, load in enumerate(loads):
        late = slice(-8 * HOURS, -1)
        losses = [pinball(said[home, model, late, :1], load[1:][late, None]) for model in (0, 1, 2, 3)]
        assert losses[LOCAL] < 0.85 * losses[NAIVE]
        assert losses[GLOBAL] < 0.95 * losses[NAIVE]
    assert (forecast.choice[:, 0] != NAIVE).all()


def test_quantiles_are_in_order_and_not_below_zero(walked: Any) -> None:
    _, found, _ = walked
    assert found.shape == (2, DAYS * HOURS - 1, LEADS.size, len(QUANTILES))
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=-1) >= -1e-6).all()
    assert (found >= 0).all()


def test_the_band_holds_about_as_often_as_it_says(walked: Any) -> None:
    _, found, loads = walked
    late = slice(-8 * HOURS, -1)
    for home, load in enumerate(loads):
        actual = load[1:][late]
        within = (actual >= found[home, late, 0, 0]) & (actual <= found[home, late, 0, 4])
        assert 0.65 < within.mean() < 0.95  # 0.8 is said


def test_later_values_change_no_forecast(walked: Any) -> None:
    _, found, loads = walked
    days = 16
    other = [np.concatenate([load[: days * HOURS], 9 + load[days * HOURS :]]) for load in loads]
    again = backtest(FleetForecast([metered(load) for load in other], {}, LEADS), origins())
    same = days * HOURS  # origins up to the first changed hour
    np.testing.assert_array_equal(found[:, :same], again[:, :same])
    assert (found[:, same + 1] != again[:, same + 1]).any()


def test_a_late_meter_leaves_gaps_that_are_bridged() -> None:
    forecast = FleetForecast([metered(made_load(3), late_ns=7 * HOUR_NS)], {}, LEADS, is_global=False)
    found = backtest(forecast, origins())
    assert np.isfinite(found[:, 8:]).all()


def test_a_roof_gives_nothing_at_night() -> None:
    hour = np.arange(DAYS * HOURS) % HOURS
    cloud = np.random.default_rng(4).uniform(0.3, 1, DAYS).repeat(HOURS)
    sun = 4.0 * np.maximum(0, np.sin(np.pi * (hour - 6) / 12)) * cloud
    forecast = FleetForecast([metered(sun, SOLAR, 5.0)], {}, np.arange(HOURS), is_global=False)
    backtest(forecast, origins())
    local = forecast.said()[0, LOCAL]
    target = (origins()[:, None] + np.arange(HOURS) * HOUR_NS) % DAY_NS // HOUR_NS
    assert local[-3 * HOURS :][target[-3 * HOURS :] == 1].max() < 1e-6


def test_what_is_seen_is_as_of_the_origin() -> None:
    load, temperature = metered(np.arange(96.0)), Known()
    start_ns = BEGIN_NS + 50 * HOUR_NS
    temperature.add([start_ns], [10.0], start_ns - 3 * HOUR_NS)  # a forecast
    temperature.add([start_ns], [12.0], start_ns + HOUR_NS)  # what it was
    seen = features(load, {"temperature": temperature}, [start_ns - 4 * HOUR_NS, start_ns], np.array([0, 4]))
    assert np.isnan(seen.column("temperature")[0, 1])
    assert seen.column("temperature")[1, 0] == 10.0
    assert seen.column("last")[1, 0] * seen.scale_kw[1] == pytest.approx(49.0)
    assert seen.column("day_1")[1, 0] * seen.scale_kw[1] == pytest.approx(26.0)


def test_a_model_that_has_seen_too_little_says_nothing() -> None:
    load = metered(made_load(5, days=3))
    seen = features(load, {}, origins(3), LEADS)
    model = LocalModel()
    model.fit(seen, load.meter.at(seen.target_ns, BEGIN_NS + 3 * DAY_NS))
    assert np.isnan(model.forecast(seen)).all()


def test_the_rule_listens_to_the_local_model_unless_another_is_worth_it() -> None:
    assert best_of([2.0, 1.0, 0.995, 1.2]) == LOCAL
    assert best_of([2.0, 1.0, 0.98, 0.97]) == BOTH
    assert best_of([0.5, 1.0, 0.9, 0.9]) == NAIVE
    assert best_of([np.nan] * 4) == LOCAL
    assert lead_group(np.array([0, 1, 2, 3, 23, 24, 47])).tolist() == [0, 1, 1, 2, 4, 5, 5]


def test_the_pinball_loss_is_the_textbook_s() -> None:
    quantiles = np.array([[0.0, 1.0, 2.0, 3.0, 4.0]])
    expected = np.mean([0.1 * 2, 0.3 * 1, 0.0, 0.3 * 1, 0.1 * 2])
    assert pinball(quantiles, np.array([2.0])) == pytest.approx(expected)
    assert np.isnan(pinball(quantiles, np.array([np.nan])))
