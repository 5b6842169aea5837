"""The simulated batteries: each within its own limits, and none forgets what it knew."""

import numpy as np
import pytest

from ringmain.gateway.messages import PRICES
from ringmain.gateway.sheets import Sheet, records_of
from ringmain.vpp.fleets import seeded_fleet
from ringmain.vpp.messages import SCHEMA, ReportTelemetry, SetpointIssued
from ringmain.world.batteries import Batteries
from ringmain.world.calendar import HOUR_NS, MINUTE_NS

SEED, COUNT, BEGIN_NS = 3, 40, 400_000 * HOUR_NS


class Link:
    """Stands for the session: keeps reports, and hands out the set-points that it was given."""

    def __init__(self):
        self.reports, self.waiting, self.resent_after = [], [], None
        self.sequence, self.data = 0, SCHEMA.empty(0)

    def order(self, asset_ids, power_w, until_ns):
        self.sequence += 1
        for asset_id in asset_ids:
            event = SetpointIssued(
                asset_id=int(asset_id), power_w=power_w, valid_until_ns=until_ns, setpoint_number=1
            )
            event["sequence"] = self.sequence
            self.waiting.append(event)

    def send_batch(self, commands):
        self.reports.append(commands.view(ReportTelemetry.dtype).copy())

    def settle(self):
        pass

    def poll(self):
        events, self.waiting = SCHEMA.batch(self.waiting), []
        return events

    def subscribe(self, feed, product_id):
        assert (feed, product_id) == (PRICES, 0)

    def price(self, sheet):
        self.data = np.frombuffer(records_of(sheet, SCHEMA), SCHEMA.header)

    def poll_data(self):
        data, self.data = self.data, SCHEMA.empty(0)
        return data

    def resend(self, after_sequence):
        self.resent_after = after_sequence


def registered(ids=None):
    rows = np.concatenate(seeded_fleet(COUNT, SEED, [1]))
    rows["asset_id"] = np.arange(1, COUNT + 1) if ids is None else ids
    return rows


@pytest.fixture
def rig(tmp_path):
    return registered(np.random.default_rng(1).permutation(np.arange(5, 5 + 7 * COUNT, 7))), tmp_path / "kept"


def live(batteries, link, minutes, wanted_w, from_minute=0):
    for minute in range(from_minute, from_minute + minutes):
        now_ns = BEGIN_NS + minute * MINUTE_NS
        if wanted_w is not None:
            link.order(batteries.asset_id, wanted_w, now_ns + 5 * MINUTE_NS)
        batteries.live(now_ns)


def test_each_moves_within_its_own_limits_and_store(rig):
    rows, kept = rig
    link = Link()
    batteries = Batteries(rows, SEED, link, kept)
    live(batteries, link, 300, 99_000)
    live(batteries, link, 300, -99_000, 300)
    power = np.stack([report["power_w"] for report in link.reports])
    energy = np.stack([report["energy_wh"] for report in link.reports])
    assert (power.max(axis=0) == rows["discharge_limit_w"]).all()
    assert (power.min(axis=0) == -rows["charge_limit_w"]).all()
    assert (energy.min(axis=0) == 0).all() and (energy[-1] == rows["energy_capacity_wh"]).all()
    assert len(set(power.max(axis=0).tolist())) > 1


def test_what_the_store_gives_is_what_the_meters_show_through_its_efficiency(rig):
    rows, kept = rig
    link = Link()
    batteries = Batteries(rows, SEED, link, kept)
    live(batteries, link, 20, -2_000)
    first, last = link.reports[0], link.reports[-1]
    taken = last["charged_wh"] - first["charged_wh"].astype(float)
    stored = last["energy_wh"] - first["energy_wh"].astype(float)
    assert taken.min() > 500
    assert np.abs(stored - taken * rows["charge_efficiency_permille"] / 1_000).max() < 3


def test_without_a_lease_they_rest(rig):
    rows, kept = rig
    link = Link()
    batteries = Batteries(rows, SEED, link, kept)
    live(batteries, link, 3, 1_000)
    live(batteries, link, 20, None, 3)
    assert not link.reports[-1]["power_w"].any() and link.reports[3]["power_w"].all()


def test_set_points_reach_the_asset_that_they_name(rig):
    rows, kept = rig
    link = Link()
    batteries = Batteries(rows, SEED, link, kept)
    chosen = rows["asset_id"][[4, 11]]
    link.order(chosen, 1_500, BEGIN_NS + HOUR_NS)
    live(batteries, link, 3, None)
    report = link.reports[-1]
    assert set(report["asset_id"][report["power_w"] != 0].tolist()) == set(chosen.tolist())


def test_devices_that_are_made_anew_go_on_where_they_were(rig, tmp_path):
    """Meters, energies and set-points go on, and what was sent meanwhile is asked for."""
    rows, kept = rig
    links = Link(), Link(), Link()
    through = Batteries(rows, SEED, links[0], tmp_path / "other")
    live(through, links[0], 30, 1_200)
    live(Batteries(rows, SEED, links[1], kept), links[1], 20, 1_200)
    links[2].order(rows["asset_id"], 1_200, BEGIN_NS + 24 * MINUTE_NS)  # the last one, once more
    anew = Batteries(rows, SEED, links[2], kept)
    assert links[2].resent_after == 19  # what came at the twentieth report is not remembered yet
    live(anew, links[2], 1, None, 20)
    live(anew, links[2], 9, 1_200, 21)
    joined = links[1].reports + links[2].reports
    assert [r["device_number"][0] for r in joined] == list(range(1, 31))
    meters = np.stack([r["discharged_wh"] for r in joined]).astype(int)
    assert (np.diff(meters, axis=0) >= 0).all()
    assert np.abs(meters[-1] - links[0].reports[-1]["discharged_wh"]).max() < 60


DEAR_LATER = (1_000, 1_001, 1_002, 9_002, 9_001, 9_000)


def sheet_of(number=5, prices=DEAR_LATER, commanded_minutes=10):
    ends_ns = BEGIN_NS + len(prices) * HOUR_NS
    return Sheet(number, BEGIN_NS + commanded_minutes * MINUTE_NS, ends_ns, BEGIN_NS, 3_600, prices)


def test_left_alone_they_rest_then_go_by_the_prices_then_rest(rig):
    rows, kept = rig
    link = Link()
    batteries = Batteries(rows, SEED, link, kept)
    link.price(sheet_of())
    live(batteries, link, 2, None)
    assert not batteries.devices.power_w.any()  # the fleet is in command
    powers = {}
    for minute in range(2, 7 * 60):
        batteries.live_alone(BEGIN_NS + minute * MINUTE_NS)
        powers[minute] = batteries.devices.power_w.copy()
    assert not powers[9].any() and (powers[10] < 0).all()
    assert (powers[3 * 60 + 1] > 0).all()
    assert not powers[6 * 60].any()


def test_a_set_point_comes_before_the_plan(rig):
    rows, kept = rig
    link = Link()
    batteries = Batteries(rows, SEED, link, kept)
    link.price(sheet_of(commanded_minutes=0))
    chosen = rows["asset_id"][:4]
    link.order(chosen, 700, BEGIN_NS + HOUR_NS)
    live(batteries, link, 2, None)
    assert not batteries.devices.power_w[4:].any()  # the fleet answers: rest is what is wanted
    batteries.live_alone(BEGIN_NS + 3 * MINUTE_NS)
    assert (batteries.devices.power_w[:4] > 600).all() and (batteries.devices.power_w[4:] < 0).all()


def test_devices_that_are_made_anew_know_the_prices_still(rig):
    rows, kept = rig
    link = Link()
    link.price(sheet_of())
    live(Batteries(rows, SEED, link, kept), link, 2, None)
    anew = Batteries(rows, SEED, Link(), kept)
    assert anew.plans.sheet == sheet_of()
    anew.live_alone(BEGIN_NS + 20 * MINUTE_NS)
    assert (anew.devices.power_w < 0).all()
