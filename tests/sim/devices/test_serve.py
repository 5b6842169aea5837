"""The devices' gateways as a process: it ends when it is told to, and says which assets the fleet lacks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from live_fleet import LINK, fleet, wait
from test_links_live import register

from ringmain.cli import main
from ringmain.client.devices import known_assets as module
from ringmain.client.devices.known_assets import known_assets, warnings
from ringmain.core.clock import Clock
from ringmain.gateway.credentials import add_token
from ringmain.gateway.devices.links import Link, LinkAsset, add_links
from ringmain.gateway.devices.topics import Speaker, add_speakers
from ringmain.operate.devices import TOKEN_VARIABLE
from ringmain.vpp.messages import RetireAsset

__all__ = ["fleet"]  # a fixture


def serve(data, token):
    command = [sys.executable, "-m", "ringmain.cli", "devices", "serve", "--data", str(data)]
    return subprocess.Popen(
        command, env=os.environ | {TOKEN_VARIABLE: token}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_though_it_waits_for_the_fleet(tmp_path, told):
    """Nobody listens at the fleet's port: it would wait for ten minutes."""
    Clock.running(tmp_path / "clock")
    token = add_token(tmp_path, "vpp", LINK, "devices")
    (tmp_path / "ports.json").write_text('{"vpp": 9}')
    gateways = serve(tmp_path, token)
    try:
        status = f"/proc/{gateways.pid}/status"

        def is_listening():  # to signals: both have a handler
            lines = Path(status).read_text().splitlines()
            caught = next(line for line in lines if line.startswith("SigCgt"))
            return int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1

        wait(is_listening, 60)
        time.sleep(0.3)
        assert gateways.poll() is None
        gateways.send_signal(told)
        out, err = gateways.communicate(timeout=10)
    finally:
        gateways.kill()
    assert gateways.returncode == 0 and "ended in order" in out and "Traceback" not in err
    assert not (tmp_path / "devices-ports.json").exists()


def test_assets_that_the_fleet_does_not_know_are_named_at_the_start(fleet, capsys):
    register(fleet.operator, (1, 2, 3))
    fleet.operator.wait_answer(fleet.operator.send(RetireAsset(asset_id=3)))
    assert known_assets(fleet.data) == {1: LINK, 2: LINK}
    battery = LinkAsset(5_000, 5_000, 10_000)
    add_links(fleet.data, [Link("box", {1: battery, 3: battery, 4_711: battery})])
    add_speakers(fleet.data, [Speaker(2, 5_000, 5_000, 10_000), Speaker(99, 5_000, 5_000, 10_000)])
    gateways = serve(fleet.data, fleet.link_token)
    wait((fleet.data / "devices-ports.json").exists, 60)
    gateways.send_signal(signal.SIGTERM)
    _, err = gateways.communicate(timeout=20)
    assert gateways.returncode == 0
    (line,) = [line for line in err.splitlines() if "UNKNOWN_ASSET" in line]
    assert "assets 3, 99, 4711 are not in the fleet" in line

    stranger = add_token(fleet.data, "vpp", LINK + 1, "other")
    assert warnings(fleet.data, [1, 2]) == warnings(fleet.data, [1, 2], fleet.link_token) == []
    (line,) = warnings(fleet.data, [1], stranger)
    assert line.startswith("asset 1 is of another device link") and "WRONG_LINK" in line

    for arguments, is_known in (
        (["link", "north", "--assets", "7", "8"], False), (["mqtt", "7"], False), (["mqtt", "2"], True),
        (["charger", "CP1", "--assets", "7"], False), (["ven", "v1", "--asset", "9"], False),
        (["inverter", "192.0.2.7", "--serial", "a", "--kind", "solar", "--asset", "6"], False),
    ):  # fmt: skip
        assert main(["devices", *arguments, "--data", str(fleet.data)]) == 0
        said = capsys.readouterr()
        assert said.out and ("not in the fleet" in said.err) is not is_known


def test_many_are_counted_and_without_a_tape_nothing_is_said(tmp_path, monkeypatch):
    assert known_assets(tmp_path) is None
    assert warnings(tmp_path, [1, 2]) == []
    monkeypatch.setattr(module, "known_assets", lambda data: {})
    (line,) = warnings(tmp_path, range(1, 101))
    assert line.startswith("assets 1, 2, ") and " 20 and 80 more are not in the fleet" in line
