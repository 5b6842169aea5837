"""A mosquitto of our own: a child process with its own configuration, at the loopback alone, with limits."""

import asyncio
import contextlib
import getpass
import os
import shutil
import signal
from pathlib import Path

from ringmain.core.errors import RingmainError
from ringmain.gateway.devices.topics import (
    ACL_FILE,
    FOLDER,
    PASSWORDS_FILE,
    write_broker_files,
    write_private,
)

PROGRAM, PLACES = "mosquitto", "/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/sbin"
CONFIG_FILE, LOG_FILE = "mosquitto.conf", "mosquitto.log"
HOST = "127.0.0.1"
START_S, STOP_S, ROUND_S = 10.0, 5.0, 0.02
CONFIG = """# Written by "ringmain devices"; changes here are lost.
listener {port} {host}
user {user}
allow_anonymous false
password_file {folder}/{passwords}
acl_file {folder}/{acl}
persistence true
persistence_location {folder}/
autosave_interval 60
log_dest file {folder}/{log}
log_type error
log_type warning
log_type notice
max_connections 10000
max_queued_messages 100000
max_inflight_messages 1000
max_packet_size 8192
memory_limit 536870912
persistent_client_expiration 1d
"""


class Broker:
    """The child.

    Attributes
    ----------
    port : int
        Where it listens.
    """

    def __init__(self, data: Path, port: int = 0) -> None:
        self._data, self.port = data, port
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it listens; RM768 if it is not installed, RM769 if it does not come up."""
        program = program_path()
        self.port = self.port or await _free_port()
        folder = (self._data / FOLDER).resolve()
        write_broker_files(self._data)
        config = CONFIG.format(
            port=self.port, host=HOST, user=getpass.getuser(), folder=folder, passwords=PASSWORDS_FILE,
            acl=ACL_FILE, log=LOG_FILE,
        )  # fmt: skip
        write_private(folder / CONFIG_FILE, config)
        keeper = shutil.which("setpriv")  # has it end when we are killed
        prefix = [keeper, "--pdeathsig", "TERM", "--"] if keeper else []
        self._process = await asyncio.create_subprocess_exec(
            *prefix, program, "-c", str(folder / CONFIG_FILE), stdin=asyncio.subprocess.DEVNULL
        )
        await self._listening(folder / LOG_FILE)

    async def _listening(self, log: Path) -> None:
        assert self._process is not None, "it was started"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while self._process.returncode is None:
                    with contextlib.suppress(OSError):
                        _, writer = await asyncio.open_connection(HOST, self.port)
                        writer.close()
                        return
                    await asyncio.sleep(ROUND_S)
        await self.stop()
        what = f"mosquitto does not come up at {HOST}:{self.port}"
        raise RingmainError("RM769", "mqtt", what, f"Look into {log}, or choose another port")

    async def wait(self) -> None:
        """Wait until it ends, which it should not; RM769."""
        assert self._process is not None, "it was started"
        code = await self._process.wait()
        what = f"mosquitto has ended with {code}"
        raise RingmainError("RM769", "mqtt", what, f"Look into {self._data / FOLDER / LOG_FILE}")

    def reload(self) -> None:
        """Have it read who may come in once more."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGHUP)

    async def stop(self) -> None:
        """End it; what it holds for sessions that are away is kept in the folder."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def program_path() -> str:
    """Return where mosquitto is; RM768 if it is not installed."""
    found = shutil.which(PROGRAM) or shutil.which(PROGRAM, path=PLACES + os.pathsep + os.defpath)
    if found is None:
        next_step = 'Install it ("apt-get install mosquitto"), or name a broker that runs'
        raise RingmainError("RM768", "mqtt", "mosquitto is not installed", next_step)
    return found


async def _free_port() -> int:
    server = await asyncio.start_server(lambda reader, writer: None, HOST, 0)
    port = int(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    return port
