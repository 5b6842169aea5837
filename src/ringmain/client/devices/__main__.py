"""``python -m ringmain.client.devices``: the subcommands of :mod:`ringmain.client.devices.command`."""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from ringmain.client.devices.command import Said, add
from ringmain.core.errors import RingmainError


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; return 0, or 1 with one line on stderr."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for library in ("pymodbus", "aiohttp"):
        logging.getLogger(library).setLevel(logging.ERROR)
    parser = argparse.ArgumentParser("ringmain.client.devices", description="Gateways of devices.")
    add(parser.add_subparsers(required=True), Path("data"), _say)
    options = parser.parse_args(arguments)
    try:
        options.command(options)
    except RingmainError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _say(said: Said) -> Callable[[argparse.Namespace], None]:
    def run(options: argparse.Namespace) -> None:
        sys.stdout.write(said(options) + "\n")

    return run


if __name__ == "__main__":
    sys.exit(main())
