"""The FIX door's process."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import uvloop

from ringmain.core.errors import RingmainError
from ringmain.core.files import FolderLock
from ringmain.exchange.messages import schema
from ringmain.gateway.app import NODE_RETRY_S, NODE_WAIT_S, SWITCH_S
from ringmain.gateway.credentials import Credentials
from ringmain.gateway.fix.door import Door
from ringmain.gateway.fix.limits import DAY_S, Limits, Schedule
from ringmain.gateway.fix.server import Server

LOG = logging.getLogger("ringmain.fix")
PORT_FILE = "fix.json"
COMP_ID = "RINGMAIN"


@dataclass(frozen=True)
class Options:
    """How the FIX door is run.

    Parameters
    ----------
    data : Path
        The data folder, with the exchange's in it.
    host : str
    port : int
        0: the one it had last time if that is free, and any free one otherwise.
    comp_id : str
        The venue's CompID.
    limits : Limits
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 0
    comp_id: str = COMP_ID
    limits: Limits = field(default_factory=Limits)


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then log everyone out and end.

    The port stands in ``DATA/fix.json`` as soon as it is listened on.

    Raises
    ------
    RingmainError
        RM106 if another FIX door has the folder, RM331 for a store of another version, RM332 if the
        exchange's node does not come up, RM333 if the port is taken.
    """
    sys.setswitchinterval(SWITCH_S)
    lock = FolderLock(options.data / schema.name / "fix", "fix")
    try:
        with contextlib.closing(uvloop.new_event_loop()) as loop:
            loop.run_until_complete(_serve(options))
    finally:
        lock.release()


def read_port(data: Path) -> int:
    """Return the port that a FIX door of this folder listens or last listened on; 0 if there is none."""
    try:
        return msgspec.json.decode((data / PORT_FILE).read_bytes(), type=dict[str, int])["exchange"]
    except (FileNotFoundError, KeyError, msgspec.MsgspecError):
        return 0


def schedule_of(text: str) -> Schedule:
    """Return the hours written as ``HH:MM-HH:MM``, in UTC; RM334 if they are none."""
    parts = text.split("-")
    try:
        start, end = (_seconds(part) for part in parts)
    except ValueError:
        what = f"--hours {text} is no time of day and another"
        raise RingmainError("RM334", "fix", what, "Write them as 06:00-22:30, in UTC") from None
    return Schedule(start, end)


def _seconds(text: str) -> int:
    hour, minute = text.split(":")
    seconds = int(hour) * 3_600 + int(minute) * 60
    if not (len(minute) == 2 and int(minute) < 60 and 0 <= seconds < DAY_S):
        raise ValueError(text)
    return seconds


async def _serve(options: Options) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = await _attach(options, stopping)
    if server is None:
        return
    try:
        gc.freeze()  # what lives as long as the process is not searched for garbage again and again
        _write_port(options.data, await _listen(server, options))
        await stopping.wait()
    finally:
        await server.stop()


async def _attach(options: Options, stopping: asyncio.Event) -> Server | None:
    """Take hold of the exchange's ring and tape as soon as its node has made them; None if told to stop."""
    credentials = Credentials(options.data)
    deadline = asyncio.get_running_loop().time() + NODE_WAIT_S

    def make_door(wake: Callable[[], None]) -> Door:
        folder = options.data / schema.name
        return Door(folder, schema, credentials, options.limits, options.comp_id, wake)

    while not stopping.is_set():
        try:
            return Server(make_door)
        except RingmainError as error:
            if error.code == "RM331":
                raise
            if FolderLock.has_owner(options.data / schema.name / "journal"):
                deadline = asyncio.get_running_loop().time() + NODE_WAIT_S
            if asyncio.get_running_loop().time() > deadline:
                what = f"the exchange cannot be served: {error}"
                raise RingmainError("RM332", "fix", what, "Start the node of the exchange") from None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), NODE_RETRY_S)
    return None


async def _listen(server: Server, options: Options) -> int:
    former = read_port(options.data)
    if not options.port and former:
        with contextlib.suppress(OSError):
            return await server.start(options.host, former)
    try:
        return await server.start(options.host, options.port)
    except OSError as error:
        what = f"{options.host}:{options.port}: {error.strerror}"
        raise RingmainError("RM333", "fix", what, "Choose another port, or end who has it") from None


def _write_port(data: Path, number: int) -> None:
    temporary = data / f".{PORT_FILE}.{os.getpid()}"
    temporary.write_bytes(msgspec.json.encode({"exchange": number}) + b"\n")
    temporary.replace(data / PORT_FILE)
    LOG.info("listening: FIX at %d", number)
