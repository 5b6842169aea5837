"""The live screen's words about auction, books and fleet."""

import io

import msgspec
import pytest
from rich.console import Console

from ringmain.world.calendar import IDS_PER_DAY
from ringmain.world.screen import Screen
from ringmain.world.status import AuctionNow, BookNow, FleetNow, ReserveNow, Status, StatusFile

FLEET = FleetNow(
    power_w=2.5e6, homes_w=-0.3e6, target_w=2.4e6, energy_wh=6.25e6, fresh=990, late=7, silent=3,
    income_minor=-12_340_000, rejected=0,
)  # fmt: skip


@pytest.fixture
def shown(tmp_path):
    def show(fleet, books=(), auction=None, reserve=None):
        (tmp_path / "world").mkdir(exist_ok=True)
        status = Status(0, 0, 1, "made up", 0, 0, {}, list(books), fleet, auction, reserve)
        StatusFile(tmp_path).write(status)
        console = Console(width=200, record=True, force_terminal=True, file=io.StringIO())
        with Screen(tmp_path, console) as screen:
            screen.show([])
        return " ".join(console.export_text().split())

    return show


def test_the_fleets_line_says_who_was_heard_of_and_what_was_earned(shown):
    text = shown(FLEET)
    assert "batteries +2.50 MW of +2.40 MW wanted · homes -0.30 MW · 6.25 MWh stored" in text
    assert "990 fresh, 7 late, 3 silent · -12.34 EUR" in text
    assert "refused" not in text
    assert "-12.34 EUR · 5 refused" in shown(msgspec.structs.replace(FLEET, rejected=5))
    assert "batteries" not in shown(None)


def test_the_auctions_line_says_what_is_in_and_then_how_it_ended(shown):
    running = AuctionNow("2025-01-02", "open", 132, 16)
    text = shown(None, auction=running)
    assert "day-ahead auction: open" in text
    assert "day-ahead for 2025-01-02: 132 curves, 16 blocks, open" in text
    ended = msgspec.structs.replace(
        running, accepted=11, paradoxes=3, mean_ticks=7_407, bought_lots=83_613,
        welfare_tick_lots=175_906_309, outcome="proposal",
    )  # fmt: skip
    text = shown(None, auction=ended)
    assert "16 blocks, 11 accepted, 3 paradoxically rejected · 8,361.3 MWh at 74.07 EUR/MWh" in text
    assert "welfare 175,906 EUR · by proposal" in text


def test_hours_come_before_the_quarters_that_trade(shown):
    first = 20_000 * IDS_PER_DAY
    books = [
        BookNow(first + n, phase, 5_000, 5_010, 4_990, 5_020, None, 1_250)
        for n, phase in ((7, "continuous"), (8, "call"), (60, "continuous"), (61, "call"))
    ]
    text = shown(None, books)
    assert "continuous trading" in text
    assert "07:00 continuous 50.00 50.10 49.90 50.20 1.2" in text
    assert "08:00 call" in text and "07:00 ¼ continuous" in text and "07:15" not in text


def test_reserve_says_what_is_held_and_called_and_the_fleets_part(shown):
    text = shown(None, reserve=ReserveNow(20_000 * 86_400 * 10**9, 300, 220, -45, 12, 5, -1))
    assert "30.0 MW up (fleet 1.2), 22.0 MW down (fleet 0.5)" in text
    assert "called -4.5 MW (fleet -0.1)" in text
    assert "reserve" not in shown(None)
