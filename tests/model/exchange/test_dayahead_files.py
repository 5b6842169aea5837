"""Order books in files, and the command that clears them."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ringmain import cli
from ringmain.core.errors import RingmainError
from ringmain.exchange.advice.dayahead.files import read_book
from ringmain.exchange.advice.dayahead.picture import sides
from ringmain.exchange.advice.dayahead.solve import solve

EXAMPLE = Path(__file__).parents[3] / "examples" / "dayahead.csv"
CURVE = {"order": "curve", "zone": "a", "period": 0, "price": 50, "mw": 10}
BLOCK = {"order": "block", "zone": "a", "period": 0, "price": 50, "mw": -10, "name": "x", "periods": 2}
LINE = {"order": "line", "zone": "a", "to_zone": "b", "mw": 5}


def written(path, rows):
    path.write_text(json.dumps(rows))
    return path


def test_the_example_clears(tmp_path, capsys):
    assert cli.main(["exchange", "dayahead", "solve", str(EXAMPLE), "--json", "--svg", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gap"] == 0
    assert found["prices_eur"] == {"north": [12.0, 15.0], "south": [51.59, 56.68]}
    assert found["flows_mw"] == {"north > south": [50.0, 50.0]}
    assert found["blocks"]["pump early"] + found["blocks"]["pump late"] == 1
    pictures = sorted(tmp_path.glob("*.svg"))
    assert len(pictures) == 4
    assert [p.name for p in pictures[1:3]] == ["north-period-01.svg", "south-period-00.svg"]
    assert "51.59 EUR/MWh" in pictures[2].read_text()


def test_demand_and_supply_cross_at_the_price(tmp_path):
    named = read_book(EXAMPLE)
    solution = solve(named.book)
    for zone in range(named.book.zone_count):
        for period in range(named.book.period_count):
            demand, supply = sides(named.book, solution, zone, period)
            price = int(solution.prices[zone, period])
            cleared = min(demand.lots_at(price), supply.lots_at(price))
            assert demand.lots_at(price + 1) <= cleared and supply.lots_at(price - 1) <= cleared
            firm = demand.firm_lots - supply.firm_lots
            assert int(solution.curve_lots[zone, period]) == -firm
    assert (demand.flow_lots, supply.flow_lots) == (0, 500)


def test_pictures_of_zones_with_like_names_do_not_meet(tmp_path, capsys):
    rows = [{**CURVE, "zone": name} for name in ("a/b", "a b", "../c", "<d>&")]
    file = written(tmp_path / "book.json", rows)
    assert cli.main(["exchange", "dayahead", "solve", str(file), "--svg", str(tmp_path / "out")]) == 0
    found = list((tmp_path / "out").iterdir())
    assert len(found) == 4
    for picture in found:
        ElementTree.parse(picture)


@pytest.mark.parametrize("target", ["/dev/null", "/proc/pictures"])
def test_pictures_that_cannot_be_written_are_told(capsys, target):
    assert cli.main(["exchange", "dayahead", "solve", str(EXAMPLE), "--svg", target]) == 1
    assert capsys.readouterr().err.startswith(f"RM628 cli: {target}")


def test_a_book_from_json_is_the_same(tmp_path):
    rows = [
        CURVE,
        {**CURVE, "price": 0.01, "to_price": 9.5, "mw": -99.9},
        {**BLOCK, "mw": [-1, 0, -2.5]},
        LINE,
    ]
    book = read_book(written(tmp_path / "book.json", rows)).book
    assert book.segments.tolist() == [(0, 0, 5_000, 5_000, 100), (0, 0, 1, 950, -999)]
    assert book.blocks[0].lots.tolist() == [-10, 0, -25]
    assert book.period_count == 3
    assert book.lines[0].forward_lots.tolist() == [50, 50, 50]


BAD_ROWS = {
    "order is missing": {},
    "order is curves": {**CURVE, "order": "curves"},
    "zone is missing": {**CURVE, "zone": None},
    "price is nan": {**CURVE, "price": "nan"},
    "price is NaN": {**CURVE, "price": float("nan")},
    "out of range": {**CURVE, "price": float("inf")},
    "whole cents": {**CURVE, "price": 1.001},
    "give -500 to 4000": {**CURVE, "price": 4000.01},
    "at most 100000 MW": {**CURVE, "mw": 100_001},
    "steps of 0.1": {**CURVE, "mw": 0.05},
    "mw is 0": {**CURVE, "mw": 0},
    "mw is 1e999999": {**CURVE, "mw": "1e999999"},
    "begins at its better price": {**CURVE, "to_price": 51},
    "period is -1": {**CURVE, "period": -1},
    "period is 100": {**CURVE, "period": 100},
    "period is 1.5": {**CURVE, "period": 1.5},
    "name is missing": {**BLOCK, "name": ""},
    "both signs": {**BLOCK, "mw": [1, -1]},
    "minimum is 0": {**BLOCK, "minimum": 0},
    "minimum is 1.1": {**BLOCK, "minimum": 1.1},
    "give steps of 0.001": {**BLOCK, "minimum": 0.0015},
    "0 to 99": {**BLOCK, "period": 99, "periods": 2},
    "periods is 101": {**BLOCK, "periods": 101},
    "from one zone to another": {**LINE, "to_zone": "a"},
    "below 0": {**LINE, "mw": -5},
    "is no row": 7,
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_a_bad_row_is_named(tmp_path, what):
    with pytest.raises(RingmainError) as error:
        read_book(written(tmp_path / "book.json", [CURVE, BAD_ROWS[what]]))
    assert error.value.code == "RM623"
    assert "row 2" in str(error.value)
    expected = {"0 to 99": "from 0 to 98", "price is nan": "price is NaN", "mw is 1e999999": "mw is"}
    assert expected.get(what, what) in str(error.value)


BAD_LINKS = {
    "run in a circle": [{**BLOCK, "name": "x", "parent": "y"}, {**BLOCK, "name": "y", "parent": "x"}],
    "which is not there": [{**BLOCK, "parent": "z"}],
    "two blocks are called x": [BLOCK, BLOCK],
}


@pytest.mark.parametrize("what", BAD_LINKS)
def test_bad_links_are_named(tmp_path, what):
    with pytest.raises(RingmainError, match=what) as error:
        read_book(written(tmp_path / "book.json", BAD_LINKS[what]))
    assert error.value.code == "RM624"


def test_what_is_no_book_is_named(tmp_path):
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "a.txt").write_text("")
    (tmp_path / "deep.json").write_text("[" * 200_000)
    (tmp_path / "wide.csv").write_text(f"order\n{'x' * 200_000}\n")
    for name in ("a.json", "a.txt", "deep.json", "wide.csv", "missing.csv"):
        with pytest.raises(RingmainError) as error:
            read_book(tmp_path / name)
        assert error.value.code == "RM622"
    zones = [{**CURVE, "zone": n} for n in range(33)]
    with pytest.raises(RingmainError, match="33 zones, of 32"):
        read_book(written(tmp_path / "book.json", zones))


def test_an_empty_book_clears(tmp_path, capsys):
    assert cli.main(["exchange", "dayahead", "solve", str(written(tmp_path / "book.json", []))]) == 0
    assert "0.00" in capsys.readouterr().out
