"""`ringmain devices link|mqtt --plan`: what a device would do by itself, by the prices of the gateways."""

import dataclasses
import json

import pytest

from ringmain.cli import main
from ringmain.core.clock import Clock
from ringmain.gateway.devices.links import Link, LinkAsset, add_links
from ringmain.gateway.devices.topics import Speaker, add_speakers
from ringmain.gateway.sheets import HOUR_NS, Sheet

BEGIN_NS = 495_000 * HOUR_NS  # 2026-06-21 00:00 UTC
PRICES = (2_000, 2_001, 2_002, 9_002, 9_001, 9_000)


@pytest.fixture
def data(tmp_path):
    Clock.stepped(tmp_path / "clock", BEGIN_NS + HOUR_NS // 2)
    battery = LinkAsset(5_000, 5_000, 10_000)
    add_links(tmp_path, [Link("box", {7: battery, 3: battery})])
    add_speakers(tmp_path, [Speaker(41, 2_000, 2_000, 10_000)])
    return tmp_path


def told(data, **changes) -> None:
    sheet = Sheet(71, BEGIN_NS + HOUR_NS, BEGIN_NS + 6 * HOUR_NS, BEGIN_NS, 3_600, PRICES)
    said = {"links": [], "prices": dataclasses.asdict(dataclasses.replace(sheet, **changes))}
    (data / "devices-status.json").write_text(json.dumps(said))


def run(data, *arguments) -> int:
    return main(["devices", *arguments, "--data", str(data), "--plan"])


def test_a_links_batteries_side_by_side(data, capsys):
    told(data)
    assert run(data, "link", "box", "--stored", "0.05") == 0
    lines = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    rows = {line[1]: line[2:] for line in lines if len(line) == 5 and line[0] == "2026-06-21"}
    assert rows["00:30:00"] == ["2000", "-5000", "-5000"]
    assert rows["01:00:00"] == ["2001", "-5000", "-5000"]
    assert rows["03:00:00"][:2] == ["9002", "5000"]
    assert len(rows) == 6
    text = " ".join(" ".join(line) for line in lines)
    assert "rest until 2026-06-21 01:00:00, go by this plan until 2026-06-21 06:00:00, then rest" in text


def test_a_device_on_mqtt(data, capsys):
    told(data)
    assert run(data, "mqtt", "41") == 0
    out = capsys.readouterr().out
    assert "asset 41, W" in out and "-2000" in out and "Sheet 71" in out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("link", "none"), "RM766"),
        (("mqtt", "9"), "RM778"),
        (("link", "box", "--efficiency", "nan"), "RM779"),
        (("link", "box", "--stored", "1.5"), "RM779"),
    ],
)
def test_what_can_not_be_shown_is_one_line(data, capsys, arguments, code):
    told(data)
    assert run(data, *arguments) != 0
    assert code in capsys.readouterr().err


def test_without_prices_that_hold_there_is_no_plan(data, capsys):
    assert run(data, "link", "box") != 0
    (data / "devices-status.json").write_text('{"prices": null}')
    assert run(data, "link", "box") != 0
    (data / "devices-status.json").write_text('{"prices": {"number": "x"}}')
    assert run(data, "link", "box") != 0
    told(data, price_ticks=())
    assert run(data, "link", "box") != 0
    told(data, valid_until_ns=BEGIN_NS + HOUR_NS // 4)
    assert run(data, "link", "box") != 0
    assert capsys.readouterr().err.count("RM779") == 5
