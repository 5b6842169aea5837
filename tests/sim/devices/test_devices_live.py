"""Node, gateway and devices' gateways as processes, and a street that speaks its protocols to them."""

import json
import os
import shutil
import signal

from live_fleet import LINK, fleet, status, wait

from ringmain.gateway.devices.broker import PLACES
from ringmain.world.street import Counts, Street, register, start_gateways

__all__ = ["fleet"]  # a fixture
SEED = 5


def test_a_street_follows_its_fleet(fleet, tmp_path):
    print(f"seed {SEED}")
    on_mqtt = 2 if shutil.which("mosquitto", path=f"{os.environ['PATH']}:{PLACES}") else 0
    counts = Counts(chargers=2, batteries=2, roofs=1, buildings=1, linked=2, mqtt=on_mqtt)
    street = Street(tmp_path, SEED, counts, every_s=0.3)
    register(fleet.operator, street, LINK)
    gateways = start_gateways(tmp_path, fleet.link_token, *(["--mosquitto"] if on_mqtt else []))
    try:
        street.connect(json.loads((tmp_path / "devices-ports.json").read_bytes()))

        def lives_until(is_so) -> None:
            def step() -> bool:
                street.live()
                fleet.look()
                return is_so()

            wait(step, 40)

        lives_until(lambda: all(inverter.server.request_count > 5 for inverter in street.batteries.values()))
        fleet.want(20_000)  # some of it from the roof
        lives_until(lambda: sum(each.power_w for each in street.batteries.values()) > 3_000)
        lives_until(lambda: sum(each.power_w for each in street.linked.values()) > 500)
        lives_until(lambda: sum(each.power_w for each in street.on_mqtt.values()) >= 400 * on_mqtt)
        fleet.want(-15_000)
        lives_until(lambda: all(each.wallbox.power_w > 1_000 for each in street.chargers.values()))
        lives_until(lambda: fleet.power_w < -10_000)
        lives_until(lambda: status(tmp_path)["counts"].get("SETPOINT_ACCEPTED", 0) >= 2)
        seen = status(tmp_path)
        assert sorted(seen["chargers"]) == ["street-1", "street-2"]
        assert set(seen["inverters"].values()) == {"polled"}
        assert seen["mqtt"] is bool(on_mqtt)
        assert seen["links"] == [f"box-{min(street.linked)}"]
        assert seen["counts"]["taken"] > 10 and seen["counts"]["SETPOINT_WRITTEN"] >= 2
        refused = set(seen["fleet"]) - {"sent"}
        assert not refused, seen
        for process in (gateways, *fleet.processes):
            assert process.poll() is None

        gateways.send_signal(signal.SIGTERM)  # profiles are taken back, and the chargers idle
        assert gateways.wait(20) == 0
        now_ns = street.clock.now_ns()
        assert all(each.point.outlet(1).limit_w(now_ns) == 0 for each in street.chargers.values())
    finally:
        street.close()
        if gateways.poll() is None:
            os.kill(gateways.pid, signal.SIGKILL)
            gateways.wait()
