"""The simulated homes: sun, households, heat and cars, each within its limits and as the seed says."""

import numpy as np
import pytest

from ringmain.vpp.fleets import seeded_homes
from ringmain.vpp.messages import SCHEMA, PlugIn, ReportTelemetry, SetNode, SetpointIssued, Unplug
from ringmain.world.calendar import DAY_NS, HOUR_NS, MINUTE_NS
from ringmain.world.homes import Homes, clear_sky

pytest.importorskip("pvlib")
BEGIN_NS = 20_250 * DAY_NS + 12 * HOUR_NS  # a noon in June 2025


class Link:
    """Stands for the session: keeps what is sent, and hands out the set-points that it was given."""

    def __init__(self):
        self.reports, self.said, self.waiting, self.resent_after = [], [], [], None

    def order(self, asset_ids, power_w, until_ns):
        for asset_id in asset_ids:
            event = SetpointIssued(
                asset_id=int(asset_id), power_w=power_w, valid_until_ns=until_ns, setpoint_number=1
            )
            event["sequence"] = 1
            self.waiting.append(event)

    def send(self, command):
        self.said.append(SCHEMA.unpack_command(command))

    def send_batch(self, commands):
        self.reports.append(commands.view(ReportTelemetry.dtype).copy())

    def settle(self):
        pass

    def poll(self):
        events, self.waiting = SCHEMA.batch(self.waiting), []
        return events

    def resend(self, after_sequence):
        self.resent_after = after_sequence


def devices():
    return [
        c for c in seeded_homes(30, 5, 1, 2)
        if int(c["kind"][0]) != SetNode.kind and "discharge_limit_w" not in c.dtype.names
    ]  # fmt: skip


@pytest.fixture
def street(tmp_path):
    link = Link()
    return Homes(devices(), 5, link, tmp_path / "kept"), link


def live(homes, link, minutes, wanted_w=None, rows=None, begin_ns=BEGIN_NS):
    for minute in range(minutes):
        now_ns = begin_ns + minute * MINUTE_NS
        if wanted_w is not None:
            link.order(homes.asset_id[rows], wanted_w, now_ns + 5 * MINUTE_NS)
        homes.live(now_ns)
    return begin_ns + minutes * MINUTE_NS


def of(link, name, rows):
    return np.stack([report[name] for report in link.reports])[:, rows].astype(float)


def test_roofs_give_what_the_sun_gives_and_less_if_they_are_told(street):
    homes, link = street
    now_ns = live(homes, link, 60)
    power = of(link, "power_w", homes.solar)[1:]
    assert (power > 0.05 * homes.limit_w[homes.solar]).all()
    assert (power <= homes.limit_w[homes.solar]).all()
    live(homes, link, 10, 100, homes.solar, now_ns)
    assert (of(link, "power_w", homes.solar)[-1] <= 100).all()


def test_no_sun_shines_at_night():
    day = clear_sky(20_250)
    assert day[:60].max() == 0 and 0.7 < day.max() < 1.1
    assert clear_sky(20_440).max() < 0.5 * day.max()  # in December


def test_cars_come_in_the_evening_leave_in_the_morning_and_have_what_they_need(street):
    homes, link = street
    live(homes, link, 24 * 60)
    plugged = [c for c in link.said if c["record"] == "PlugIn"]
    assert len(plugged) == homes.charger.size
    assert sum(c["record"] == "Unplug" for c in link.said) == homes.charger.size
    energy = of(link, "energy_wh", homes.charger)
    for row, asset_id in enumerate(homes.asset_id[homes.charger].tolist()):
        (car,) = [c for c in plugged if c["asset_id"] == asset_id]
        assert energy[:, row].max() == pytest.approx(car["required_wh"], abs=400)  # nobody told them anything
    assert (of(link, "power_w", homes.charger) >= -homes.limit_w[homes.charger]).all()


def test_what_meters_show_is_what_stores_hold(street):
    homes, link = street
    live(homes, link, 90, -2_000, homes.heat)
    charged = of(link, "charged_wh", homes.heat)
    assert (charged[-1] > charged[0]).all()
    stored = of(link, "energy_wh", homes.heat)
    assert (stored <= homes.capacity_wh[homes.heat] + 1).all() and (stored >= 0).all()


def test_a_cold_store_heats_by_itself(street):
    homes, link = street
    homes.devices["energy_wh"][homes.heat] = homes.floor_wh[homes.heat] * 0.5
    live(homes, link, 3)
    assert (of(link, "power_w", homes.heat)[-1] < -1_000).all()


def test_the_same_seed_lives_the_same_and_a_restart_goes_on(tmp_path):
    def lived(kept, pieces):
        link = Link()
        begin_ns = BEGIN_NS + 5 * HOUR_NS
        for minutes in pieces:
            begin_ns = live(Homes(devices(), 5, link, kept), link, minutes, begin_ns=begin_ns)
        return link

    whole, pieced = lived(tmp_path / "a", [120]), lived(tmp_path / "b", [50, 70])
    assert pieced.resent_after == 0
    for name in ("energy_wh", "charged_wh", "discharged_wh"):
        one, other = whole.reports[49][name], pieced.reports[49][name]
        assert (one == other).all()
    numbers = [report["device_number"][0] for report in pieced.reports]
    assert numbers == list(range(1, 121))
    assert [c["record"] for c in whole.said].count("PlugIn") == [c["record"] for c in pieced.said].count(
        "PlugIn"
    )


def test_the_link_says_who_came_before_it_reports_of_him(street):
    homes, link = street
    live(homes, link, 2)
    assert {c["record"] for c in link.said} <= {PlugIn.name, Unplug.name}
