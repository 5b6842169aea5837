"""The real homes' scoring and control, where their data are."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))  # bench lies beside src, not in it

from bench import home_data, homes

from ringmain.vpp.advice.forecast import HOURS
from ringmain.vpp.advice.metered import LOAD, SOLAR, Metered

pytestmark = pytest.mark.skipif(
    home_data.folder() is None, reason="the data of the homes are not there; RINGMAIN_DATA names their folder"
)
# evaluate() of CityLearn 1.3.6, 2022 phase 1, after a year of the actions below.
OFFICIAL_PRICE, OFFICIAL_EMISSIONS = 1.2685897608, 1.7480329834


def changed_after(year: home_data.HomeYear, hour: int) -> home_data.HomeYear:
    """The same past, another future."""
    load, sun, carbon = year.load_kwh.copy(), year.solar_kwh.copy(), year.carbon_kg.copy()
    load[:, hour:] = 3.0 - load[:, hour:] / 4
    sun[:, hour:] *= 0.5
    carbon[hour:] = 0.4 - carbon[hour:]
    return replace(
        year, load_kwh=load, solar_kwh=sun, carbon_kg=carbon,
        loads=[Metered(LOAD, home_data._metered(kwh)) for kwh in load],
        roofs=[
            Metered(SOLAR, home_data._metered(kwh), roof.peak_kw)
            for kwh, roof in zip(sun, year.roofs, strict=True)
        ],
        carbon=replace(year.carbon, meter=home_data._metered(carbon)),
    )  # fmt: skip


def test_a_year_of_arbitrary_actions_scores_as_the_challenge_scores_it() -> None:
    year = home_data.read()
    actions = np.random.default_rng(0).uniform(-1, 1, (8_760, home_data.HOMES))
    actions[:, 1] = 0

    def decide(hour: int, batteries: Any, past_kwh: Any) -> Any:
        return actions[hour - 1] * batteries.capacity_kwh

    _, price, emissions = homes.score(year, homes.walk(year, decide))
    assert price == pytest.approx(OFFICIAL_PRICE, abs=1e-7)
    assert emissions == pytest.approx(OFFICIAL_EMISSIONS, abs=1e-7)


def test_no_decision_knows_the_hours_after_it() -> None:
    year, first_changed = home_data.read(9 * HOURS), 7 * HOURS + 5
    other = changed_after(year, first_changed)
    ours, theirs = (
        homes.walk(each, homes.causal(each, *homes.net_forecasts(each))) for each in (year, other)
    )
    moved, moved_there = ours - year.net_kwh, theirs - other.net_kwh
    same = first_changed + 1  # the first changed hour itself is decided before it is seen
    np.testing.assert_array_equal(ours[:, :first_changed], theirs[:, :first_changed])
    np.testing.assert_allclose(moved[:, :same], moved_there[:, :same], atol=1e-12)
    assert (moved[:, same:] != moved_there[:, same:]).any()


def test_control_saves_more_than_the_hand_rule_and_less_than_who_knows_all() -> None:
    year = home_data.read(12 * HOURS)
    scores = [
        homes.score(year, homes.walk(year, decide))[0]
        for decide in (
            homes.foreseen(year), homes.causal(year, *homes.net_forecasts(year)), homes.hand_rule(year)
        )
    ]  # fmt: skip
    assert scores == sorted(scores)
    assert scores[1] < scores[2] - 0.01
    assert homes.score(year, year.net_kwh) == (1.0, 1.0, 1.0)
