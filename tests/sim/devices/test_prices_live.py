"""Prices from a running node to devices, which go by them when all that spoke to them is gone."""

import json
import os
import shutil

import numpy as np
import pytest
from live_fleet import LINK, Fleet, status, wait

from ringmain.client import Client
from ringmain.client.devices.local_plan import COMMANDED, PLANNING
from ringmain.core.clock import Clock
from ringmain.gateway.app import read_ports
from ringmain.gateway.credentials import add_token
from ringmain.gateway.devices.broker import PLACES
from ringmain.gateway.messages import PRICES
from ringmain.gateway.sheets import HOUR_NS, SheetReader
from ringmain.vpp.messages import REFERENCE, SCHEMA, RecordPrice, SetRhythm
from ringmain.world.street import Counts, Street, register, start_gateways

SEED = 8
SILENT_MS = 6_000
UNTIL_HOUR_S = 40.0  # prices are told before their hours begin


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, UNTIL_HOUR_S)
    yield made
    made.close()


def record_prices(fleet, ticks) -> int:
    """Make the prices of the hours from the next one on known; return its start."""
    first_ns = (Clock(fleet.data / "clock").now_ns() // HOUR_NS + 1) * HOUR_NS
    for place, price_ticks in enumerate(ticks):
        answer = fleet.operator.wait_answer(fleet.operator.send(RecordPrice(
            delivery_start_ns=first_ns + place * HOUR_NS, price_ticks=price_ticks,
            delivery_duration_s=3_600, price_kind=REFERENCE,
        )))  # fmt: skip
        assert fleet.operator.unpack(answer[0])["record"] == "PriceRecorded"
    return first_ns


def quicken(fleet) -> None:
    """Have the fleet take assets to be silent soon."""
    fleet.operator.wait_answer(fleet.operator.send(SetRhythm(
        tick_ms=500, measure_ms=500, lease_ms=4_000, lead_ms=0, lag_ms=0, late_ms=SILENT_MS,
        silent_ms=SILENT_MS,
    )))  # fmt: skip


def test_a_session_hears_prices_and_their_renewals(fleet):
    quicken(fleet)
    token = add_token(fleet.data, "vpp", LINK, "eyes", "participant")
    with Client.connect("127.0.0.1", read_ports(fleet.data)["vpp"], token, SCHEMA) as session:
        session.subscribe(PRICES, 1)
        session.settle()
        refused = [session.unpack(event) for event in session.poll()]
        assert [event["reason"] for event in refused if event["record"] == "Refused"] == ["NO_SUCH_FEED"]
        session.subscribe(PRICES, 0)
        session.settle()
        reader, heard = SheetReader(SCHEMA), []
        assert not list(reader.read(session.poll_data(0.2)))  # nothing is known yet
        first_ns = record_prices(fleet, [4_000, 9_000, -500])

        def listen() -> bool:
            fleet.look()
            heard.extend(reader.read(session.poll_data(0.05)))
            return len([sheet for sheet in heard if len(sheet.price_ticks) == 3]) >= 3

        wait(listen)
        last = heard[-1]
        assert (last.begins_ns, last.price_ticks) == (first_ns, (4_000, 9_000, -500))
        numbers = [sheet.number for sheet in heard]
        assert numbers == sorted(set(numbers))
        commanded = [sheet.commanded_until_ns for sheet in heard]
        assert 0 < commanded[-1] - commanded[-2] <= SILENT_MS * 1_000_000


def test_a_street_that_is_cut_off_goes_by_the_prices_and_comes_back(fleet, tmp_path):
    """Over websockets and, where mosquitto is installed, MQTT; the gateways are killed."""
    print(f"seed {SEED}")
    quicken(fleet)
    first_ns = record_prices(fleet, [1_000, 1_100, 20_000, 19_000])  # worth to charge at first
    on_mqtt = 2 if shutil.which("mosquitto", path=f"{os.environ['PATH']}:{PLACES}") else 0
    street = Street(tmp_path, SEED, Counts(0, 0, 0, 0, linked=2, mqtt=on_mqtt), every_s=0.2)
    register(fleet.operator, street, LINK)
    broker = ["--mosquitto"] if on_mqtt else []
    gateways = start_gateways(tmp_path, fleet.link_token, *broker)
    batteries = [*street.linked.values(), *street.on_mqtt.values()]

    def lives_until(is_so, timeout_s=40) -> None:
        def step() -> bool:
            street.live()
            fleet.look()
            return is_so()

        wait(step, timeout_s)

    def phases() -> set[str]:
        return {battery.plans.phase(street.clock.now_ns()) for battery in batteries}

    def is_planned(battery) -> bool:
        """Tell whether it charges as much as its own plan wants, but for its answer to frequency."""
        energy_wh, everyone = np.array([battery.energy_wh]), np.array([True])
        own_w = float(battery.plans.power_w(street.clock.now_ns(), energy_wh, everyone)[0])
        return own_w < -500 and abs(battery.power_w - own_w) <= battery.limit_w / 5 + 1

    try:
        street.connect(json.loads((tmp_path / "devices-ports.json").read_bytes()))
        lives_until(lambda: street.clock.now_ns() > first_ns, UNTIL_HOUR_S + 10)
        fleet.want(2_000)
        lives_until(lambda: phases() == {COMMANDED})
        lives_until(lambda: all(battery.power_w > 100 for battery in batteries))
        lives_until(lambda: status(tmp_path)["prices"] is not None)
        assert status(tmp_path)["prices"]["price_ticks"][:2] == [1_000, 1_100]
        gateways.kill()
        gateways.wait(20)
        lives_until(lambda: phases() == {PLANNING})
        lives_until(lambda: all(map(is_planned, batteries)))
        gateways = start_gateways(tmp_path, fleet.link_token, *broker)
        for each in street.steadying:  # they come in at other ports now
            each.close()
        street.steadying.clear()
        street.connect(json.loads((tmp_path / "devices-ports.json").read_bytes()))
        lives_until(lambda: phases() == {COMMANDED})
        lives_until(lambda: all(battery.power_w > 100 for battery in batteries))
    finally:
        street.close()
        gateways.kill()
        gateways.wait(20)
