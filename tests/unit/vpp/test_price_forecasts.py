"""Price forecasts: what they see, what they make of it, and what a backtest says of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from ringmain.cli import main
from ringmain.vpp.advice import backtest, price_forecast
from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS
from ringmain.vpp.advice.foretelling import Foreteller
from ringmain.vpp.advice.known import Known
from ringmain.vpp.advice.price_forecast import Errors, ModelForecast
from ringmain.vpp.advice.price_models import LinearModel, TreeModel
from ringmain.vpp.advice.price_table import fill_prices, table_as_of
from ringmain.vpp.advice.profiles import accepted, choose_profiles
from ringmain.vpp.loop_messages import LAST_GOOD, MODEL_FORECAST
from ringmain.vpp.price_files import read_hourly

FIRST = 16_000  # a day's number since 1970
NORD_POOL = Path(__file__).parents[4] / "shared" / "data" / "prices" / "nordpool_2013_2018_hourly.csv"


def market(n_days, seed=1, wind_matters=True):
    """Return prices, known at 13:00 the day before, and the wind that was foretold; of a made-up market."""
    dice = np.random.default_rng(seed)
    wind = np.repeat(dice.uniform(0, 100, n_days), 24) + dice.normal(0, 5, n_days * 24)
    hour = np.tile(np.arange(24), n_days)
    week = np.repeat((np.arange(n_days) + FIRST + 3) % 7 >= 5, 24)
    ticks = 4_000 + 900 * np.sin(hour / 24 * 2 * np.pi) - 700 * week - 20 * wind * wind_matters
    ticks = ticks + dice.normal(0, 30, ticks.size)
    start_ns = (FIRST * 24 + np.arange(n_days * 24)) * HOUR_NS
    day_ns = start_ns // DAY_NS * DAY_NS
    prices, foretold = Known(), Known()
    prices.add(start_ns, ticks, day_ns - 11 * HOUR_NS)
    foretold.add(start_ns, wind, day_ns - 14 * HOUR_NS)
    return prices, {"wind": foretold}, ticks.reshape(n_days, 24)


def table(prices, inputs, day, most_days=400):
    return table_as_of(prices, inputs, day, day * DAY_NS + backtest.DECISION_NS, most_days)


def test_a_table_holds_what_was_known_by_then_and_nothing_later():
    prices, inputs, ticks = market(20)
    day = FIRST + 15
    found = table(prices, inputs, day)
    assert found.n_days == 16
    assert np.array_equal(found.price_ticks[:-1], ticks[:15])
    assert np.isnan(found.price_ticks[-1]).all()
    assert not np.isnan(found.inputs["wind"]).any()
    later = [(day * 24 + n) * HOUR_NS for n in range(-24, 24)]
    prices.add(later, 9_999.0, day * DAY_NS)  # yesterday's are corrected, after the decision
    inputs["wind"].add(later, 1e6, day * DAY_NS)
    again = table(prices, inputs, day)
    assert np.array_equal(again.price_ticks, found.price_ticks, equal_nan=True)
    assert np.array_equal(again.inputs["wind"], found.inputs["wind"])


def test_gaps_are_filled_and_a_day_without_prices_is_the_one_of_the_week_before():
    rows = np.arange(240.0).reshape(10, 24)
    rows[8, 2] = np.nan  # the hour that is left out when clocks are set forward
    rows[9] = np.nan
    rows[0, :3] = np.nan
    fill_prices(rows)
    assert rows[8, 2] == 194
    assert np.array_equal(rows[9], rows[2])
    assert rows[0, 0] == 3


def test_an_input_that_is_late_is_yesterdays():
    prices, _, _ = market(5)
    late = Known()
    late.add([(FIRST + 3) * DAY_NS + n * HOUR_NS for n in range(24)], np.arange(24.0), 0)
    found = table(prices, {"wind": late}, FIRST + 4)
    assert np.array_equal(found.inputs["wind"][-1], np.arange(24.0))
    assert np.array_equal(found.inputs["wind"][0], np.full(24, 11.5))  # never known: the mean


@pytest.mark.parametrize("silent_days", [1, 2, 3])
def test_a_provider_that_is_silent_for_days_leaves_a_forecast_from_what_was_known_last(silent_days):
    """Of wind: the model goes on with the last day that came. Of prices: the last good ones, by name."""
    prices, inputs, ticks = market(80)
    day = FIRST + 79
    now_ns = day * DAY_NS + backtest.DECISION_NS
    newest_ns = (day - silent_days + 1) * DAY_NS
    starts = np.arange(FIRST * DAY_NS, newest_ns, HOUR_NS)
    wind = Known()
    wind.add(starts, inputs["wind"].at(starts, now_ns), 0)
    history = {(FIRST * 24 + n) * HOUR_NS: int(price) for n, price in enumerate(ticks[:79].ravel())}
    last = inputs["wind"].at(np.arange(newest_ns - DAY_NS, newest_ns, HOUR_NS), now_ns)
    found = table(prices, {"wind": wind}, day)
    assert all(np.array_equal(row, last) for row in found.inputs["wind"][-silent_days:])
    foretold = Foreteller({"wind": wind}).foretell(history, day * DAY_NS, now_ns)
    assert foretold.source == MODEL_FORECAST
    assert np.abs(foretold.price_ticks - ticks[79]).mean() < 1_500
    known = {start_ns: price for start_ns, price in history.items() if start_ns < newest_ns - DAY_NS}
    foretold = Foreteller({"wind": wind}).foretell(known, day * DAY_NS, now_ns)
    assert (foretold.source, foretold.price_ticks.tolist()) == (
        LAST_GOOD, [int(price) for price in ticks[78 - silent_days]],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("times", "hours"),
    [([f"2018-03-25T{n:02}:00:00+0{1 + (n > 2)}:00" for n in (0, 1, *range(3, 24))], 23),
     ([f"2018-10-28T{n:02}:00:00+0{2 - (n > 2)}:00" for n in range(3)]
      + [f"2018-10-28T{n:02}:00:00+01:00" for n in range(2, 24)], 25)],
    ids=["23 hours", "25 hours"],
)  # fmt: skip
def test_days_on_which_clocks_are_set_have_all_their_hours(tmp_path, times, hours):
    path = tmp_path / "p.csv"
    path.write_text("time,price\n" + "".join(f"{time},{n}\n" for n, time in enumerate(times)))
    found = read_hourly(path)
    assert found.price_eur.tolist() == list(range(hours))
    assert (np.diff(found.start_ns) == HOUR_NS).all()


def test_an_hour_that_comes_twice_without_its_zone_is_averaged(tmp_path):
    path = tmp_path / "p.csv"
    hours = [0, 1, 2, 2, *range(3, 24)]
    path.write_text("time,price\n" + "".join(f"2018-10-28 {h:02}:00,{n}\n" for n, h in enumerate(hours)))
    found = read_hourly(path)
    assert found.price_eur.tolist() == [0, 1, 2.5, *range(4, 25)]


def test_nothing_known_is_no_table():
    assert table(Known(), {}, FIRST) is None
    prices, inputs, _ = market(3)
    assert table(prices, inputs, FIRST - 5) is None


def test_the_linear_model_learns_what_wind_does_and_is_bounded():
    prices, inputs, ticks = market(120)
    model = LinearModel(100)
    with_wind = [model.forecast(table(prices, inputs, FIRST + n)) - ticks[n] for n in range(100, 120)]
    without = [model.forecast(table(prices, {}, FIRST + n)) - ticks[n] for n in range(100, 120)]
    assert np.abs(with_wind).mean() < 0.4 * np.abs(without).mean()
    wild = Known()
    wild.add([(FIRST + 119) * DAY_NS + n * HOUR_NS for n in range(24)], 1e12, 0)
    assert np.abs(model.forecast(table(prices, {"wind": wild}, FIRST + 119))).max() <= 2 * np.abs(ticks).max()


def test_trees_learn_what_wind_does_and_are_the_same_each_time():
    prices, inputs, ticks = market(200)
    model = TreeModel("l1", 60)
    last = table(prices, inputs, FIRST + 199)
    forecast = model.forecast(model.fit(last), last)
    assert np.abs(forecast - ticks[199]).mean() < 300  # the wind alone moves them by 600
    assert np.array_equal(forecast, model.forecast(model.fit(last), last))


def test_equal_prices_all_year_are_forecast_as_they_are():
    prices = Known()
    starts = (FIRST * 24 + np.arange(400 * 24)) * HOUR_NS
    prices.add(starts, 3_000.0, 0)
    told = ModelForecast().forecast(table(prices, {}, FIRST + 400, 399))
    assert np.abs(told - 3_000).max() < 1


def test_a_forecast_depends_on_what_is_known_alone(monkeypatch):
    monkeypatch.setattr(price_forecast, "TREES", (TreeModel("l1", 4),))
    prices, inputs, _ = market(430)
    days = [FIRST + n for n in (395, 400, 410, 425)]
    kept = ModelForecast()
    one_by_one = [kept.forecast(table(prices, inputs, day, 500)) for day in days]
    assert {name for name in kept.members(table(prices, inputs, days[-1], 500)) if "trees" in name}
    anew = [ModelForecast().forecast(table(prices, inputs, day, 500)) for day in reversed(days)]
    assert np.array_equal(one_by_one, anew[::-1])


def test_with_few_days_there_is_no_model():
    prices, inputs, _ = market(60)
    assert ModelForecast().forecast(table(prices, inputs, FIRST + 40)) is None
    assert (
        len(ModelForecast().members(table(prices, inputs, FIRST + 59))) == 1
    )  # all windows hold the same days


def test_quantiles_are_those_of_what_was_missed_before():
    errors, dice = Errors(), np.random.default_rng(1)
    assert np.array_equal(errors.scenarios(np.ones(24)), np.ones((1, 24)))
    for _ in range(300):
        errors.learn(np.zeros(24), dice.normal(0, 100, 24))
    assert len(errors.days) == price_forecast.SCENARIO_DAYS
    low, high = errors.quantiles(np.full(24, 50.0), (0.025, 0.975))
    assert np.abs(low - 50 + 196).max() < 90
    assert np.abs(high - 50 - 196).max() < 90
    assert (high > low).all()


def test_profiles_cover_what_may_come():
    candidates = np.array([[-1.0, 0.9, 0.0], [0.0, -1.0, 0.9], [-1.0, 0.0, 0.9], [0.0, 0.0, 0.0]])
    scenarios = np.array([[10.0, 50.0, 0.0], [50.0, 10.0, 50.0], [10.0, 48.0, 0.0]])
    chosen = choose_profiles(candidates, scenarios, 2)
    assert chosen.tolist() == [0, 1]
    worth = candidates @ scenarios.T
    assert chosen[0] == worth.mean(axis=1).argmax()
    assert accepted(candidates[chosen], np.array([50.0, 10.0, 50.0])) == 1
    assert accepted(candidates[chosen], np.array([50.0, 40.0, 30.0])) == -1


def test_more_profiles_never_earn_less_in_the_scenarios_they_were_chosen_for():
    dice = np.random.default_rng(3)
    scenarios = dice.normal(4_000, 900, (40, 24))
    candidates = np.array([(row - row.mean()) / 100 for row in scenarios])
    means = []
    for most in (1, 2, 4, 8):
        worth = candidates[choose_profiles(candidates, scenarios, most)] @ scenarios.T
        means.append(np.maximum(worth.max(axis=0), 0).mean())
    assert means == sorted(means)
    assert means[-1] > means[0]


def write_prices(path, n_days, skip=()):
    _, inputs, ticks = market(n_days)
    wind = inputs["wind"].at((FIRST * 24 + np.arange(n_days * 24)) * HOUR_NS, 2**62)
    lines = ["time,price,wind forecast"]
    for n in range(n_days * 24):
        if n not in skip:
            at = np.datetime64(FIRST, "D") + np.timedelta64(n, "h")
            lines.append(f"{at},{ticks.ravel()[n] / 100:.2f},{wind[n]:.3f}")
    path.write_text("\n".join(lines) + "\n")


def backtest_rows(capsys, *arguments):
    assert main(["vpp", "backtest", "--json", *map(str, arguments)]) == 0
    return {row["figure"]: row["value"] for row in json.loads(capsys.readouterr().out)}


def test_a_backtest_of_a_file_with_a_short_day_and_a_missing_one(tmp_path, capsys):
    path, peers = tmp_path / "p.csv", tmp_path / "peers.csv"
    write_prices(path, 80, skip=[70 * 24 + 2, *range(74 * 24, 75 * 24)])
    peers.write_text(path.read_text().replace("price", "clairvoyant"))
    rows = backtest_rows(
        capsys, "--prices", path, "--peers", peers, "--days", 12, "--svg", tmp_path / "b.svg",
        "--calibration", tmp_path / "c.svg",
        "--from", np.datetime64(FIRST + 66, "D"),
    )  # fmt: skip
    assert rows["mean absolute error, clairvoyant"] < 0.01
    assert rows["share of perfect foresight, acting on clairvoyant"] == pytest.approx(100, abs=0.01)
    assert rows["mean absolute error, forecast"] < 0.6 * rows["mean absolute error, yesterday's prices"]
    assert (
        rows["share of perfect foresight, acting on yesterday's prices"]
        < rows["share of perfect foresight, acting on mean of the forecast"]
        <= rows["share of perfect foresight, acting on spread of the forecast"]
        <= 100
    )
    assert "97.5 %" in (tmp_path / "b.svg").read_text()
    assert "within the 80 % band" in (tmp_path / "c.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "1999-01-01"], "RM781"),
        (["--from", "soon"], "RM647"),
        (["--hours", "0"], "RM780"),
        (["--days", "-3"], "RM780"),
        (["--round-trip", "1.2"], "RM780"),
        (["--peers", "nowhere.csv"], "RM511"),
    ],
)
def test_a_wrong_call_is_told_so(tmp_path, capsys, arguments, said):
    path = tmp_path / "p.csv"
    write_prices(path, 60)
    assert main(["vpp", "backtest", "--prices", str(path), *arguments]) == 1
    assert capsys.readouterr().err.startswith(said)


def test_a_file_that_is_too_short_is_refused(tmp_path, capsys):
    path = tmp_path / "p.csv"
    write_prices(path, 20)
    assert main(["vpp", "backtest", "--prices", str(path)]) == 1
    assert "RM781" in capsys.readouterr().err


@pytest.mark.skipif(
    not NORD_POOL.exists(), reason="needs ../shared/data/prices/nordpool_2013_2018_hourly.csv"
)
def test_real_prices_are_foretold_far_better_than_by_repeating_a_day(capsys):
    rows = backtest_rows(capsys, "--prices", NORD_POOL, "--from", "2013-09-01", "--days", "5")
    assert rows["mean absolute error, forecast"] < 0.8 * rows["mean absolute error, yesterday's prices"]
