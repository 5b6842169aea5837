"""Prices: what a file may look like, and what is said when it does not."""

from datetime import date, timedelta

import numpy as np
import pytest

from ringmain.core.errors import RingmainError
from ringmain.world.prices import HISTORY_DAYS, generate, load

DAY = date(2024, 5, 2)


def lines(header="time,price", days=2, step_minutes=60):
    count = days * 24 * 60 // step_minutes
    rows = (
        f"2024-05-{1 + n * step_minutes // 1440:02d} {n * step_minutes // 60 % 24:02d}:"
        f"{n * step_minutes % 60:02d}:00,{n / 4}"
        for n in range(count)
    )
    return "\n".join([header, *rows]) + "\n"


@pytest.mark.parametrize(
    "header", ["time,price", ",Price", ",dad", "Date, Price", "Timestamp UTC,DE EUR/MWh"]
)
def test_columns_are_found_by_name(tmp_path, header):
    path = tmp_path / "p.csv"
    path.write_text(lines(header))
    prices = load(path)
    assert prices.first_day() == DAY
    assert prices.days[DAY].tolist() == [round((24 + n) / 4 * 100) for n in range(24)]


def test_quarter_hours_are_averaged(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(lines(days=2, step_minutes=15))
    assert load(path).days[date(2024, 5, 1)][0] == round((0 + 1 + 2 + 3) / 4 / 4 * 100)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", "RM512", "line 1: the file is empty"),
        ("a,price\n", "RM512", "no column of times"),
        ("time,b,c\n", "RM512", "no column of prices"),
        ("time,price\nyesterday,3\n", "RM513", "line 2: 'yesterday' is no time"),
        ("time,price\n\n2024-05-01 00:00,x\n", "RM513", "line 3: 'x' is no price"),
        ("time,price\n2024-05-01 00:00,nan\n", "RM513", "out of range"),
        ("time,price\n2024-05-01 00:00\n", "RM513", "line 2: 1 columns"),
    ],
)
def test_bad_files_are_refused_with_line_and_reason(tmp_path, text, code, said):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(RingmainError, match=said) as raised:
        load(path)
    assert raised.value.code == code
    assert str(path) in str(raised.value)


def test_a_day_needs_the_day_before_and_all_its_hours(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(lines(days=1))
    with pytest.raises(RingmainError, match="RM514"):
        load(path).first_day()
    path.write_text(lines(days=2))
    load(path).check(DAY, 1)
    with pytest.raises(RingmainError, match="RM515"):
        load(path).check(DAY, 2)
    with pytest.raises(RingmainError, match="RM511"):
        load(tmp_path / "none.csv")


def test_a_generated_year_is_its_seeds_and_looks_like_one():
    year, again, other = generate(1), generate(1), generate(2)
    first = year.first_day()
    assert first - timedelta(HISTORY_DAYS) == min(year.days)
    assert all((year.days[day] == again.days[day]).all() for day in year.days)
    assert (year.days[first] != other.days[first]).any()
    ticks = np.array([year.days[first + timedelta(n)] for n in range(300)])
    assert (ticks < 0).any() and (ticks < 0).mean() < 0.1
    assert ticks[:, 19].mean() > ticks[:, 3].mean() > 0
