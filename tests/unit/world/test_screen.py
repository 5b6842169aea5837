"""The live screen's words about the fleet."""

import io

import msgspec
import pytest
from rich.console import Console

from ringmain.world.screen import Screen
from ringmain.world.status import FleetNow, Status, StatusFile

FLEET = FleetNow(
    power_w=2.5e6, target_w=2.4e6, energy_wh=6.25e6, fresh=990, late=7, silent=3, income_minor=-12_340_000,
    rejected=0,
)  # fmt: skip


@pytest.fixture
def shown(tmp_path):
    def show(fleet):
        (tmp_path / "world").mkdir(exist_ok=True)
        StatusFile(tmp_path).write(Status(0, 0, 1, "made up", 0, 0, {}, [], fleet))
        console = Console(width=200, record=True, force_terminal=True, file=io.StringIO())
        with Screen(tmp_path, console) as screen:
            screen.show([])
        return " ".join(console.export_text().split())

    return show


def test_the_fleets_line_says_who_was_heard_of_and_what_was_earned(shown):
    text = shown(FLEET)
    assert "fleet +2.50 MW of +2.40 MW wanted · 6.25 MWh stored" in text
    assert "990 fresh, 7 late, 3 silent · -12.34 EUR" in text
    assert "refused" not in text
    assert "-12.34 EUR · 5 refused" in shown(msgspec.structs.replace(FLEET, rejected=5))
    assert "fleet" not in shown(None)
