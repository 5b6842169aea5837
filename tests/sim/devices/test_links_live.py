"""Devices on binary websockets, through the real gateways into a running node."""

import json
import signal

import numpy as np
import pytest
from live_fleet import LINK, fleet, status, wait

from ringmain.client.devices.link_client import LinkAccount, LinkClient
from ringmain.client.devices.loop_thread import LoopThread
from ringmain.core.clock import Clock
from ringmain.gateway.devices import frames
from ringmain.gateway.devices.links import Link, LinkAsset, add_links
from ringmain.gateway.devices.readings import READING
from ringmain.vpp.messages import RegisterBattery
from ringmain.world.street import start_gateways

__all__ = ["fleet"]  # a fixture


class Device:
    """Batteries behind one link, which report what they were told last."""

    def __init__(self, fleet, loop, token, assets) -> None:
        self.clock, self.loop, self.assets, self.token = Clock(fleet.data / "clock"), loop, assets, token
        self.wanted_w = dict.fromkeys(assets, 0)
        self.connect(fleet.data)

    def connect(self, data) -> None:
        port = json.loads((data / "devices-ports.json").read_bytes())["websockets"]
        self.client = LinkClient(LinkAccount(f"ws://127.0.0.1:{port}/", self.token), self.told)
        self.task = self.loop.run(self.loop.begin(self.client.run()))

    def told(self, setpoints):
        self.wanted_w |= dict(setpoints[["asset_id", "power_w"]].tolist())
        return np.zeros(setpoints.size)

    def say(self, *rows) -> None:
        async def send() -> None:
            self.client.report(np.array(list(rows), READING))

        self.loop.run(send())

    def live(self) -> None:
        now_ns, nan = self.clock.now_ns(), np.nan
        self.say(*((n, now_ns, self.wanted_w[n], nan, nan, 5_000) for n in self.assets))

    def hang_up(self) -> None:
        async def end() -> None:
            self.task.cancel()
            self.client.hang_up()

        self.loop.run(end())


def register(operator, asset_ids) -> None:
    for n in asset_ids:
        operator.wait_answer(operator.send(RegisterBattery(
            asset_id=n, node_id=n, charge_limit_w=5_000, discharge_limit_w=5_000, link_account_id=LINK,
            energy_capacity_wh=10_000, reserve_permille=50, wear_price_ticks=300,
            charge_efficiency_permille=950, discharge_efficiency_permille=950,
        )))  # fmt: skip


@pytest.fixture
def loop():
    made = LoopThread()
    yield made
    made.close()


def test_links_over_a_running_node(fleet, loop):
    register(fleet.operator, (1, 2, 3))
    battery = LinkAsset(5_000, 5_000, 10_000)
    links = [Link("north", {1: battery, 2: battery}), Link("south", {3: battery})]
    tokens = add_links(fleet.data, links)
    gateways = start_gateways(fleet.data, fleet.link_token)
    try:
        north, south = (
            Device(fleet, loop, token, list(link.assets)) for token, link in zip(tokens, links, strict=True)
        )

        def until(is_so) -> None:
            def step() -> bool:
                north.live()
                south.live()
                fleet.look()
                return is_so()

            wait(step, 40)

        def count(name: str) -> int:
            return status(fleet.data)["counts"].get(name, 0)

        fleet.want(6_000)
        until(lambda: sum(north.wanted_w.values()) + sum(south.wanted_w.values()) > 5_000)
        until(lambda: 5_000 < fleet.power_w < 7_000)  # the twins know what the devices do
        until(lambda: count("SETPOINT_ACCEPTED") >= 3)
        assert set(status(fleet.data)["fleet"]) == {"sent"}

        south.say((1, south.clock.now_ns(), 1_000, np.nan, np.nan, np.nan))  # another's
        until(lambda: south.client.ended)
        assert south.client.ended[0][1] == "OTHER_ASSET"
        stranger = LinkClient(LinkAccount(north.client._account.url, "guessed"))
        trying = loop.run(loop.begin(stranger.run()))
        until(lambda: count("UNKNOWN_LINK") >= 1 and count("OTHER_ASSET") == 1)
        trying.cancel()
        until(lambda: south.client.connections == 2)

        gateways.send_signal(signal.SIGTERM)
        assert gateways.wait(20) == 0
        for device in (north, south):
            device.hang_up()
        gateways = start_gateways(fleet.data, fleet.link_token)
        for device in (north, south):
            device.connect(fleet.data)
        fleet.want(-6_000)
        until(lambda: fleet.power_w < -5_000)
        assert frames.REASONS[0] not in north.client.refusals and not north.client.refusals
        for device in (north, south):
            device.hang_up()
    finally:
        gateways.terminate()
        gateways.wait(20)
