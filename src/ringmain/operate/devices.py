"""Subcommands about devices and their protocols. It imports nothing heavy: each loads what it needs."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ringmain.core.errors import RingmainError

Said = Callable[[argparse.Namespace], str]
TOKEN_VARIABLE = "RINGMAIN_DEVICES_TOKEN"


def add(commands: Any, data: Path, say: Callable[[Said], Any]) -> None:
    """Add the subcommands; `say` makes a function whose text is printed into one that is run."""
    serve = _command(commands, "serve", "Serve the devices of a data folder.", say(_serve))
    charger = _command(commands, "charger", "Let a charge point in; prints its password.", say(_charger))
    inverter = _command(commands, "inverter", "Poll an inverter with SunSpec registers.", say(_inverter))
    ven = _command(commands, "ven", "Let an OpenADR VEN in; prints its token.", say(_ven))
    link = _command(commands, "link", "Let a device in by websocket; prints its token.", say(_link))
    mqtt = _command(commands, "mqtt", "Let a device in over MQTT; prints its password.", say(_mqtt))
    status = _command(commands, "status", "Who is connected, and what was counted.", say(_status))
    for command in (serve, charger, inverter, ven, link, mqtt, status):
        command.add_argument(
            "--data", type=Path, default=data, metavar="DIR", help=f"data folder (default: {data})"
        )
    _add_serve(serve)
    _add_devices(charger, inverter, ven)
    _add_link(link)
    mqtt.add_argument("asset", type=int, help="its id in the fleet, and its user name at the broker")
    mqtt.add_argument("--remove", action="store_true", help="let it in no longer")
    for command in (charger, inverter, ven, link, mqtt):
        _add_limits(command)
    for command in (link, mqtt):
        _add_plan(command)


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1)")
    serve.add_argument("--ocpp-port", type=int, default=0, help="for chargers (default: any)")
    serve.add_argument("--openadr-port", type=int, default=0, help="for VENs (default: any)")
    serve.add_argument("--websocket-port", type=int, default=0, help="for links (default: any)")
    broker = serve.add_mutually_exclusive_group()
    broker.add_argument("--mqtt", metavar="HOST:PORT", help="a broker that runs, for devices over MQTT")
    own = "start mosquitto at the loopback; without a port at any free one"
    broker.add_argument("--mosquitto", type=int, nargs="?", const=0, metavar="PORT", help=own)
    serve.add_argument("--tls", action="store_true", help='with the folder\'s "ringmain certificate"')
    serve.add_argument(
        "--client-authority", type=Path, help="PEM file of those who sign devices' certificates"
    )
    serve.add_argument(
        "--token", help=f"of the fleet's device link; without it, {TOKEN_VARIABLE} is looked at"
    )


def _add_devices(
    charger: argparse.ArgumentParser, inverter: argparse.ArgumentParser, ven: argparse.ArgumentParser
) -> None:
    charger.add_argument("id", help="its identity")
    charger.add_argument("--remove", action="store_true", help="let it in no longer")
    charger.add_argument("--assets", type=int, nargs="+", default=[], help="of connectors 1, 2 and so on")
    charger.add_argument("--tag", action="append", default=[], help="a card that may charge (default: all)")
    charger.add_argument("--stay-h", type=float, default=8.0, help="how long a car stays (default: 8)")
    charger.add_argument("--needs-wh", type=int, default=10_000, help="what it takes (default: 10000)")
    inverter.add_argument("address", metavar="HOST[:PORT]", help="where it listens (default port: 502)")
    inverter.add_argument("--unit", type=int, default=1, help="Modbus unit (default: 1)")
    inverter.add_argument("--serial", required=True, help="serial number, as its registers have it")
    inverter.add_argument("--kind", choices=("battery", "solar"), required=True, help="what it is")
    inverter.add_argument("--poll-s", type=float, default=5.0, help="how often it is read (default: 5)")
    ven.add_argument("id", help="its id")
    ven.add_argument("--signal", choices=("dispatch", "simple"), default="dispatch", help="what it is told")
    ven.add_argument("--certificate", default="", metavar="SHA256", help="digest of its certificate")
    for command in (inverter, ven):
        command.add_argument("--asset", type=int, required=True, help="its id in the fleet")


def _add_link(link: argparse.ArgumentParser) -> None:
    link.add_argument("id", help="its name")
    link.add_argument("--remove", action="store_true", help="let it in no longer")
    link.add_argument("--assets", type=int, nargs="+", default=[], help="that it speaks for")
    link.add_argument("--certificate", default="", metavar="SHA256", help="digest of its certificate")


def _add_limits(command: argparse.ArgumentParser) -> None:
    command.add_argument("--import-w", type=int, default=11_000, help="most from the grid (11000)")
    command.add_argument("--export-w", type=int, default=0, help="most to the grid (default: 0)")
    command.add_argument("--capacity-wh", type=int, default=0, help="what it stores (default: 0)")


def _add_plan(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--plan", action="store_true", help="show what it would do by itself from now on, if it is a battery"
    )
    command.add_argument("--stored", type=float, default=0.5, help="share of its capacity now (default: 0.5)")
    command.add_argument("--reserve", type=float, default=0.05, help="share that it keeps (default: 0.05)")
    command.add_argument("--efficiency", type=float, default=0.95, help="of each way (default: 0.95)")
    command.add_argument(
        "--wear-ticks", type=int, default=300, help="what giving costs, 0.01 EUR/MWh (default: 300)"
    )


def _command(commands: Any, name: str, help: str, function: Any) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help)
    added.set_defaults(command=function)
    return added


def _warn(data: Path, *asset_ids: int) -> None:
    """Say which assets the fleet does not know; they may be taken in later."""
    import sys

    from ringmain.client.devices.known_assets import warnings
    from ringmain.core.terminal import say

    for line in warnings(data, asset_ids):
        say(f"mind: {line}", to=sys.stderr)


def _serve(options: argparse.Namespace) -> str:
    from ringmain.client.devices.serve import Options, run

    token = options.token or os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        next_step = f'Make one with "ringmain token vpp", and give it as --token or in {TOKEN_VARIABLE}'
        raise RingmainError("RM760", "devices", "there is no token of the fleet's device link", next_step)
    tls = None
    if options.tls:
        from ringmain.gateway.certificate import CERTIFICATE_FILE, KEY_FILE
        from ringmain.gateway.tls import Tls

        files = (options.data / CERTIFICATE_FILE, options.data / KEY_FILE)
        tls = Tls(*files, options.client_authority).context()
    ports = (options.ocpp_port, options.openadr_port, options.websocket_port)
    broker = _address(options.mqtt, "mqtt", 1883) if options.mqtt else None
    run(Options(options.data, token, options.host, *ports, tls, broker, options.mosquitto))
    return "ended in order"


def _charger(options: argparse.Namespace) -> str:
    from ringmain.gateway.devices.chargers import Connector, add_charger, remove_charger

    if options.remove:
        remove_charger(options.data, options.id)
        return f"{options.id} is let in no longer"
    connectors = {
        number: Connector(
            asset_id, options.import_w, options.capacity_wh, options.export_w,
            int(options.stay_h * 3_600), options.needs_wh,
        )
        for number, asset_id in enumerate(options.assets, 1)
    }  # fmt: skip
    password = add_charger(options.data, options.id, connectors, options.tag)
    _warn(options.data, *options.assets)
    return password


def _inverter(options: argparse.Namespace) -> str:
    from ringmain.gateway.devices.modbus import Inverter, add_inverter

    host, port = _address(options.address, "inverter", 502)
    inverter = Inverter(
        options.asset, host, options.serial, options.kind, options.export_w, options.import_w,
        options.capacity_wh, port, options.unit, options.poll_s,
    )  # fmt: skip
    add_inverter(options.data, inverter)
    _warn(options.data, inverter.asset_id)
    return f"asset {inverter.asset_id} is polled from the next start on"


def _address(text: str, where: str, default_port: int) -> tuple[str, int]:
    host, _, port = text.partition(":")
    if port and not port.isdecimal():
        next_step = f"Write it as 192.0.2.7 or 192.0.2.7:{default_port}"
        raise RingmainError("RM761", where, f"{text} is no address", next_step)
    return host, int(port or default_port)


def _ven(options: argparse.Namespace) -> str:
    from ringmain.gateway.devices.vens import Ven, add_ven

    ven = Ven(
        options.id, options.asset, options.import_w, "", options.certificate, options.export_w,
        options.capacity_wh, options.signal,
    )  # fmt: skip
    token = add_ven(options.data, ven)
    _warn(options.data, options.asset)
    return token


def _link(options: argparse.Namespace) -> str:
    from ringmain.gateway.devices.links import Link, LinkAsset, add_links, link_called, remove_link

    if options.plan:
        from ringmain.operate.local_plans import show_plan

        known = link_called(options.data, options.id)
        return show_plan(options, {n: asset.bounds for n, asset in known.assets.items()})
    if options.remove:
        remove_link(options.data, options.id)
        return f"{options.id} is let in no longer"
    asset = LinkAsset(options.import_w, options.export_w, options.capacity_wh)
    assets = dict.fromkeys(options.assets, asset)
    token = add_links(options.data, [Link(options.id, assets, "", options.certificate)])[0]
    _warn(options.data, *options.assets)
    return token


def _mqtt(options: argparse.Namespace) -> str:
    from ringmain.gateway.devices.topics import Speaker, add_speakers, remove_speaker, speaker_of

    if options.plan:
        from ringmain.operate.local_plans import show_plan

        speaker = speaker_of(options.data, options.asset)
        return show_plan(options, {options.asset: speaker.bounds})
    if options.remove:
        remove_speaker(options.data, options.asset)
        return f"asset {options.asset} is let in no longer"
    speaker = Speaker(options.asset, options.import_w, options.export_w, options.capacity_wh)
    password = add_speakers(options.data, [speaker])[0]
    _warn(options.data, options.asset)
    return password


def _status(options: argparse.Namespace) -> str:
    import msgspec

    from ringmain.client.devices.serve import STATUS_FILE

    try:
        text = (options.data / STATUS_FILE).read_bytes()
    except FileNotFoundError:
        return "the devices' gateways have not run here"
    return msgspec.json.format(text, indent=2).decode()
