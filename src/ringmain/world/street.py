"""A street of simulated devices that speak their protocols to the real gateways, over loopback.

``python -m ringmain.world.street DATA --chargers 2 --batteries 2 --roofs 1 --buildings 1 --linked 2
--mqtt 2`` takes them into the fleet whose node and gateway run in DATA, starts the devices' gateways, and
lives until it is interrupted.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from ringmain.client import Client
from ringmain.client.devices.charge_points import Identity
from ringmain.client.devices.link_client import LinkAccount
from ringmain.client.devices.loop_thread import LoopThread
from ringmain.client.devices.mqtt_client import MqttAccount
from ringmain.client.devices.serve import MQTT, OCPP, OPENADR, SOCKETS, read_ports
from ringmain.client.devices.ven import Account
from ringmain.core.clock import Clock
from ringmain.core.errors import RingmainError
from ringmain.gateway.app import read_ports as read_market_ports
from ringmain.gateway.credentials import add_token
from ringmain.gateway.devices.chargers import Connector, add_charger
from ringmain.gateway.devices.links import Link, LinkAsset, add_links
from ringmain.gateway.devices.modbus import Inverter, add_inverter
from ringmain.gateway.devices.openadr import PREFIX
from ringmain.gateway.devices.topics import Speaker, add_speakers
from ringmain.gateway.devices.vens import Ven, add_ven
from ringmain.operate.devices import TOKEN_VARIABLE
from ringmain.vpp.messages import (
    SCHEMA,
    RegisterBattery,
    RegisterCharger,
    RegisterHeatStore,
    RegisterSolar,
)
from ringmain.world.chargers import StreetCharger
from ringmain.world.grid_batteries import GridBattery, LinkedBatteries, MqttBattery
from ringmain.world.inverters import BatteryInverter, SolarInverter, serve
from ringmain.world.loads import Building, BuildingVen

HOST = "127.0.0.1"
START_S = 60.0
CAR_WH = 80_000


@dataclass(frozen=True)
class Counts:
    """How many of each live in the street.

    Parameters
    ----------
    linked : int
        Batteries that share one box with a websocket.
    mqtt : int
        Batteries on MQTT; with any, the devices' gateways start a mosquitto.
    """

    chargers: int = 2
    batteries: int = 2
    roofs: int = 1
    buildings: int = 1
    linked: int = 2
    mqtt: int = 0


class Street:
    """The devices, and how each comes in.

    Asset ids count on from `first_asset_id`: chargers, batteries, roofs, buildings, linked batteries, those
    on MQTT; each has its own site.
    """

    def __init__(
        self, data: Path, seed: int, counts: Counts, first_asset_id: int = 1, every_s: float = 1.0
    ) -> None:
        self._data, self._seed, self._every_s = data, seed, every_s
        self.clock, self.loop = Clock(data / "clock"), LoopThread()
        sizes = astuple(counts)
        starts = [first_asset_id + sum(sizes[:n]) for n in range(len(sizes))]
        ids = [range(start, start + size) for start, size in zip(starts, sizes, strict=True)]
        self.charger_ids, self.battery_ids, self.roof_ids, self.building_ids, linked_ids, mqtt_ids = ids
        now_ns = self.clock.now_ns
        self.batteries = {
            n: BatteryInverter(f"B{n:06}", seed + n, now_ns, is_older=bool(n % 2)) for n in self.battery_ids
        }
        self.roofs = {n: SolarInverter(f"R{n:06}", seed + n, now_ns) for n in self.roof_ids}
        self.buildings = {n: Building(seed + n, now_ns) for n in self.building_ids}
        self.linked = {n: GridBattery(seed + n) for n in linked_ids}
        self.on_mqtt = {n: GridBattery(seed + n) for n in mqtt_ids}
        self.steadying: list[LinkedBatteries | MqttBattery] = []
        self.chargers: dict[int, StreetCharger] = {}
        self.vens: dict[int, BuildingVen] = {}
        self._secrets = self._move_in()

    def registrations(self, link_account_id: int) -> list[Any]:
        """Return the commands that take the devices into the fleet."""
        batteries = [(n, each.limit_w, each.capacity_wh) for n, each in self.batteries.items()]
        steadying = self.linked | self.on_mqtt
        batteries += [(n, each.limit_w, each.capacity_wh) for n, each in steadying.items()]
        efficiency = {"charge_efficiency_permille": 950, "discharge_efficiency_permille": 950}
        own = {"link_account_id": link_account_id}
        commands = [
            RegisterCharger(
                asset_id=n, node_id=n, import_limit_w=11_000, export_limit_w=0, energy_capacity_wh=CAR_WH,
                wear_price_ticks=0, **own, **efficiency,
            )
            for n in self.charger_ids
        ]  # fmt: skip
        commands += [
            RegisterBattery(
                asset_id=n, node_id=n, charge_limit_w=limit_w, discharge_limit_w=limit_w,
                energy_capacity_wh=capacity_wh, reserve_permille=50, wear_price_ticks=300,
                **own, **efficiency,
            )
            for n, limit_w, capacity_wh in batteries
        ]  # fmt: skip
        commands += [
            RegisterSolar(asset_id=n, node_id=n, export_limit_w=each.peak_w, is_curtailable=1, **own)
            for n, each in self.roofs.items()
        ]
        commands += [
            RegisterHeatStore(
                asset_id=n, node_id=n, import_limit_w=each.limit_w, energy_capacity_wh=each.capacity_wh,
                reserve_permille=200, self_discharge_ppm=0, **own,
            )
            for n, each in self.buildings.items()
        ]  # fmt: skip
        return commands

    def _move_in(self) -> dict[int, str]:
        """Let inverters answer, and write who may come in; return passwords and tokens by asset."""
        kept = {}
        for n in self.charger_ids:
            kept[n] = add_charger(self._data, f"street-{n}", {1: Connector(n, 11_000, CAR_WH)})
        for n, building in self.buildings.items():
            kept[n] = add_ven(
                self._data,
                Ven(f"building-{n}", n, building.limit_w, energy_capacity_wh=building.capacity_wh),
            )
        for n, battery in self.batteries.items():
            port = serve(battery, self.loop)
            add_inverter(
                self._data,
                Inverter(
                    n, HOST, f"B{n:06}", "battery", battery.limit_w, battery.limit_w, battery.capacity_wh,
                    port, poll_s=self._every_s,
                ),
            )  # fmt: skip
        for n, roof in self.roofs.items():
            port = serve(roof, self.loop)
            add_inverter(
                self._data,
                Inverter(n, HOST, f"R{n:06}", "solar", roof.peak_w, port=port, poll_s=self._every_s),
            )
        if self.linked:
            assets = {n: LinkAsset(b.limit_w, b.limit_w, b.capacity_wh) for n, b in self.linked.items()}
            (kept[min(assets)],) = add_links(self._data, [Link(f"box-{min(assets)}", assets)])
        speakers = [Speaker(n, b.limit_w, b.limit_w, b.capacity_wh) for n, b in self.on_mqtt.items()]
        if speakers:
            kept |= zip(self.on_mqtt, add_speakers(self._data, speakers), strict=True)
        return kept

    def connect(self, ports: dict[str, int]) -> None:
        """Let chargers and VENs connect to the devices' gateways."""
        url = f"ws://{HOST}:{ports[OCPP]}/ocpp"
        for n in self.charger_ids:
            identity = Identity(f"street-{n}", self._secrets[n], url)
            self.chargers[n] = StreetCharger(identity, self._seed + n, self.loop)
        url = f"http://{HOST}:{ports[OPENADR]}{PREFIX}"
        for n, building in self.buildings.items():
            account = Account(f"building-{n}", url, self._secrets[n])
            self.vens[n] = BuildingVen(account, building, self.loop, max(self._every_s, 1.0))
        if self.linked:
            box = LinkAccount(f"ws://{HOST}:{ports[SOCKETS]}/", self._secrets[min(self.linked)])
            self.steadying.append(LinkedBatteries(box, self.linked, self.loop, self._seed))
        for n, battery in self.on_mqtt.items():
            speaker = MqttAccount(HOST, ports[MQTT], n, self._secrets[n])
            self.steadying.append(MqttBattery(speaker, battery, self.loop, self._seed))

    def live(self) -> None:
        """Let all act but the inverters, which act when they are read."""
        for charger in self.chargers.values():
            charger.live(self.clock.now_ns())
        for ven in self.vens.values():
            ven.live()
        for each in self.steadying:
            each.live(self.clock.now_ns())

    def close(self) -> None:
        """Hang up, and end the loop."""
        for charger in self.chargers.values():
            charger.close()
        for ven in self.vens.values():
            ven.close()
        for each in self.steadying:
            each.close()
        for battery in self.batteries.values():
            self.loop.run(battery.server.stop())
        for roof in self.roofs.values():
            self.loop.run(roof.server.stop())
        self.loop.close()


def register(operator: Client, street: Street, link_account_id: int) -> None:
    """Take a street's devices into the fleet; RM762 if it refuses one of them."""
    for command in street.registrations(link_account_id):
        answer = operator.wait_answer(operator.send(command))
        said = operator.unpack(answer[0])
        if said["record"] == "AssetRejected":
            what = f"asset {said['asset_id']} is refused: {SCHEMA.reasons.get(said['reason'])}"
            raise RingmainError("RM762", "street", what, "Choose other ids with --first-asset")


def start_gateways(data: Path, token: str, *options: str) -> "subprocess.Popen[bytes]":
    """Start the devices' gateways as a process, and wait until they listen; RM763 if they don't."""
    before = read_ports(data)
    (data / "devices-ports.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "ringmain.cli", "devices", "serve", "--data", str(data), *options]
    process = subprocess.Popen(command, env=os.environ | {TOKEN_VARIABLE: token})
    deadline = time.monotonic() + START_S
    while not read_ports(data):
        if process.poll() is not None or time.monotonic() > deadline:
            process.terminate()
            what = f"the devices' gateways do not come up (before: {before})"
            raise RingmainError("RM763", "street", what, "Look at what they said")
        time.sleep(0.05)
    return process


def main(arguments: list[str]) -> int:
    """Live until interrupted."""
    parser = argparse.ArgumentParser("ringmain.world.street", description="A street of devices.")
    parser.add_argument("data", type=Path)
    for each in fields(Counts):
        parser.add_argument(f"--{each.name}", type=int, default=each.default)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first-asset", type=int, default=1)
    parser.add_argument("--account", type=int, default=2, help="of the devices' link (default: 2)")
    options = parser.parse_args(arguments)
    counts = Counts(*(getattr(options, each.name) for each in fields(Counts)))
    print(f"seed {options.seed}", flush=True)
    street = Street(options.data, options.seed, counts, options.first_asset)
    name = f"street {os.getpid()}"
    operator_token = add_token(options.data, SCHEMA.name, 0, f"{name} operator", "operator")
    port = read_market_ports(options.data)[SCHEMA.name]
    with Client.connect(HOST, port, operator_token, SCHEMA) as operator:
        register(operator, street, options.account)
    link_token = add_token(options.data, SCHEMA.name, options.account, name)
    gateways = start_gateways(options.data, link_token, *(["--mosquitto"] if options.mqtt else []))
    try:
        street.connect(read_ports(options.data))
        while gateways.poll() is None:
            street.live()
            time.sleep(10.0)
    except KeyboardInterrupt:
        print("stopping in order", flush=True)
    finally:
        street.close()
        gateways.terminate()
        gateways.wait(20)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
