"""The gateway's process: one listening port for each market of a data folder."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import uvloop

from ringmain.core.errors import RingmainError
from ringmain.core.files import FolderLock
from ringmain.core.records import Schema
from ringmain.gateway.credentials import Credentials
from ringmain.gateway.limits import Limits
from ringmain.gateway.port import Port
from ringmain.gateway.server import Server
from ringmain.gateway.tls import Tls

LOG = logging.getLogger("ringmain.gateway")
PORTS_FILE = "ports.json"
TLS_SUFFIX = "+tls"  # behind a market's name there, for its port with TLS
SWITCH_S = 0.0002  # how long the thread that the tape woke waits for the one that runs the loop
NODE_WAIT_S = 60.0  # while no process has the market's folder
NODE_RETRY_S = 0.1


@dataclass(frozen=True)
class Options:
    """How a gateway is run.

    Parameters
    ----------
    data : Path
        The data folder; each market has a folder of its name in it.
    markets : mapping of name to Schema
        Which markets to serve.
    host : str
        The address to listen at.
    ports : mapping of name to int
        A market that is not in it, or has 0, gets the port it had last time if that is free, and
        any free one otherwise.
    limits : Limits
    tls : Tls, optional
        Whether and how there is a door with TLS as well, or alone.
    """

    data: Path
    markets: Mapping[str, Schema]
    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    tls: Tls | None = None


def run(
    data: Path, markets: Mapping[str, Schema], host: str = "127.0.0.1",
    ports: Mapping[str, int] | None = None, limits: Limits | None = None, tls: Tls | None = None,
) -> None:  # fmt: skip
    """Serve until SIGTERM or SIGINT, then log everyone out and end.

    The ports that are listened on stand in ``DATA/ports.json`` as soon as all of them are ready.

    Raises
    ------
    RingmainError
        RM321 if a market's node does not come up, RM322 if a port is taken, RM350 if the files of
        `tls` cannot be used.
    """
    options = Options(data, markets, host, ports or {}, limits or Limits(), tls)
    sys.setswitchinterval(SWITCH_S)
    with contextlib.closing(uvloop.new_event_loop()) as loop:
        loop.run_until_complete(_serve(options))


def read_ports(data: Path) -> dict[str, int]:
    """Return the port of each market that a gateway of this folder listens or last listened on.

    The port with TLS stands under the market's name and :data:`TLS_SUFFIX`.
    """
    try:
        return msgspec.json.decode((data / PORTS_FILE).read_bytes(), type=dict[str, int])
    except (FileNotFoundError, msgspec.MsgspecError):
        return {}


async def _serve(options: Options) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    servers: list[Server] = []
    context = options.tls.context() if options.tls is not None else None
    try:
        ports = dict(read_ports(options.data))
        credentials = Credentials(options.data)
        for name, schema in options.markets.items():
            port = await _attach(options, name, schema, credentials, stopping)
            if port is None:
                return
            server = Server(port)
            servers.append(server)
            await _open_doors(server, options, name, ports, context)
        gc.freeze()  # what lives as long as the process is not searched for garbage again and again
        _write_ports(options.data, ports)
        await stopping.wait()
    finally:
        await asyncio.gather(*(server.stop() for server in servers))


async def _attach(
    options: Options, name: str, schema: Schema, credentials: Credentials, stopping: asyncio.Event
) -> Port | None:
    """Take hold of a market's ring and tape as soon as its node has made them; None if told to stop."""
    deadline = asyncio.get_running_loop().time() + NODE_WAIT_S
    folder = options.data / name
    while not stopping.is_set():
        try:
            return Port(folder, schema, credentials, options.limits)
        except RingmainError as error:
            if FolderLock.has_owner(folder / "journal"):  # it recovers, or compiles its kernels
                deadline = asyncio.get_running_loop().time() + NODE_WAIT_S
            if asyncio.get_running_loop().time() > deadline:
                what = f"{name} cannot be served: {error}"
                raise RingmainError("RM321", "gateway", what, f"Start the node of {name}") from None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), NODE_RETRY_S)
    return None


async def _open_doors(
    server: Server, options: Options, name: str, ports: dict[str, int], context: ssl.SSLContext | None
) -> None:
    """Listen with TLS, without, or both; note the ports."""
    if options.tls is not None:
        secure = name + TLS_SUFFIX
        wanted = options.tls.ports.get(name, 0)
        ports[secure] = await _listen(server, options, secure, wanted, ports.get(secure, 0), context)
    if options.tls is None or not options.tls.is_only:
        ports[name] = await _listen(server, options, name, options.ports.get(name, 0), ports.get(name, 0))
    else:
        ports.pop(name, None)


async def _listen(
    server: Server, options: Options, name: str, wanted: int, former: int, tls: ssl.SSLContext | None = None
) -> int:
    if not wanted and former:
        with contextlib.suppress(OSError):
            return await server.start(options.host, former, tls)
    try:
        return await server.start(options.host, wanted, tls)
    except OSError as error:
        what = f"{options.host}:{wanted} for {name}: {error.strerror}"
        raise RingmainError("RM322", "gateway", what, "Choose another port, or end who has it") from None


def _write_ports(data: Path, ports: dict[str, int]) -> None:
    temporary = data / f".{PORTS_FILE}.{os.getpid()}"
    temporary.write_bytes(msgspec.json.encode(ports) + b"\n")
    temporary.replace(data / PORTS_FILE)
    listed = ", ".join(f"{name} at {number}" for name, number in sorted(ports.items()))
    LOG.info("listening: %s", listed)
